//! What every role serves with: HTTP, problems, authentication, the protocol, the life of a
//! process, logs and metrics.

pub mod auth;
pub mod http;
pub mod metric_definitions;
pub mod openapi;
pub mod problem;
pub mod protocol;
pub mod request_id;
pub mod start_and_drain;
pub mod telemetry;
