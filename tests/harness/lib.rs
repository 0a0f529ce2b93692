//! Starts Stanchion as its users do, as processes, and talks to it as they do: over HTTP,
//! server-sent events and WebSockets.
//!
//! Everything here panics if it cannot go on: the message of the panic is the reason of the failed
//! test.

pub mod admission;
pub mod backends;
pub mod bus;
pub mod database;
pub mod delay;
pub mod environment;
pub mod inventory;
pub mod nats_cluster;
pub mod nats_server;
pub mod output;
pub mod ports;
pub mod postgres_server;
pub mod process;
pub mod push_service;
pub mod redis_cluster;
pub mod redis_proxy;
pub mod redis_server;
pub mod rest;
pub mod rest_response;
pub mod sale;
pub mod scratch;
pub mod server_process;
pub mod shopping;
pub mod simulated_users;
pub mod socket;
pub mod stack;
pub mod stream;
pub mod tokens;
pub mod visitor;
pub mod wait;

pub use self::{
    admission::Admission,
    rest::Rest,
    rest_response::RestResponse,
    sale::{EventBuilder, Sale},
    socket::{Socket, SocketEvent},
    stack::{Shape, Stack},
    stream::PositionStream,
    visitor::Visitor,
    wait::{TEST_TIMEOUT, eventually},
};
