//! How processes reach each other: signals to gateways, the bus to other systems, and the registry
//! of all processes.

pub mod bus;
pub mod process_registry;
pub mod signal;
