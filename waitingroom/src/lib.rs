//! Core library: the queue, the passes and the seats of an event as one state
//! machine, the engines that hold it, the protocol, signals, and what every role shares.

pub mod auth;
pub mod bus;
pub mod clock;
pub mod engine;
pub mod guest_address;
pub mod http;
pub mod ids;
pub mod lifecycle;
pub mod metric_definition;
pub mod metric_definitions;
pub mod numbers;
pub mod pass;
pub mod presence;
pub mod problem;
pub mod process_registry;
pub mod protocol;
pub mod queue;
pub mod rate;
pub mod redis_connection;
pub mod seats;
pub mod secret;
pub mod signal;
pub mod telemetry;
pub mod throttle;
pub mod ticket;
