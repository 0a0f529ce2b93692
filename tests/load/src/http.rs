//! Speaking HTTP with as little as possible between the user and the wire.

mod connection;
mod fault;
mod pool;
mod prepared;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, header};
use serde_json::Value;

pub use self::{
    connection::{Connection, dial},
    fault::Fault,
    pool::Pool,
    prepared::Prepared,
};

/// Where every path begins.
pub const BASE: &str = "/api/v1";

/// A request as it goes over a connection.
pub type Call = Request<Full<Bytes>>;

/// A request below [`BASE`] with a user's token.
pub fn call(method: Method, path: &str, token: &str, body: Option<&Value>) -> Call {
    let body_bytes = body.map_or_else(Bytes::new, |body| body.to_string().into());
    let mut builder = Request::builder()
        .method(method)
        .uri(format!("{BASE}{path}"));

    if !token.is_empty() {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }

    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }

    builder
        .body(Full::new(body_bytes))
        .expect("paths and tokens are made of plain characters")
}
