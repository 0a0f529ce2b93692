//! The three ways in which a client follows its place: WebSocket, server-sent events, polling.

pub(crate) mod extract;
pub(crate) mod problems;
pub(crate) mod rest;
pub(crate) mod services;
pub(crate) mod sse;
pub(crate) mod ws;
