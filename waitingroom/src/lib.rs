//! Core library: the queue, the passes and the seats of an event as one state
//! machine, the engines that hold it, the protocol, signals, and what every role shares.

pub mod absence;
pub mod bus;
pub mod clock;
pub mod engine;
pub mod guest_address;
pub mod http;
pub mod identity;
pub mod ids;
pub mod lifecycle;
pub mod line;
pub mod numbers;
pub mod pace;
pub mod pass;
pub mod problem;
pub mod rate;
pub mod redis_servers;
pub mod seats;
pub mod secret;
pub mod signal;
pub mod telemetry;
pub mod ticket;
pub mod vitals;
pub mod wire;
