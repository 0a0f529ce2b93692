//! The rules of the waiting room: the queue, the passes and the seats of an event as values, and
//! what decides about them. Time and input are arguments, and no rule does I/O.

pub mod clock;
pub mod guest_address;
pub mod ids;
pub mod metric_definition;
pub mod numbers;
pub mod overload_throttle;
pub mod pass;
pub mod presence;
pub mod push;
pub mod queue;
pub mod rate;
pub mod schema;
pub mod seats;
pub mod secret;
pub mod ticket;
