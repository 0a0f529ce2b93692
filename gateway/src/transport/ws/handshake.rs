//! The first phase of a connection, from a request to a WebSocket: the handshake of RFC 6455,
//! section 4.2.
//!
//! The framework's extractor does the same, but returns a socket on a boxed stream in a task that
//! reserves room for its own steps: half a kilobyte more for each waiting connection.

use std::time::Duration;

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{
            CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
        },
        request::Parts,
    },
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};
use waitingroom_domain::clock::Clock;
use waitingroom_server::{
    problem::{Code, Problem},
    protocol::{MAX_FRAME_BYTES, SUBPROTOCOL},
};

use super::{message_rate_limit::RateLimitedStream, socket::ClientSocket};

/// Read buffer of each connection; the library enlarges it for a client that has sent a larger
/// frame. Its default of 128 KiB costs 137 KB of memory for each connection.
const READ_BUFFER_BYTES: usize = 256;
/// Messages that are sent together are written together, in pieces of this size.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// Max bytes that wait to be written to one connection.
const MAX_WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Kernel buffer for a client that does not read (the kernel takes twice as much); by default it
/// grows to megabytes.
const KERNEL_BUFFER_BYTES: usize = 16 * 1024;
/// Length of a client's random key (RFC 6455, section 4.1).
const KEY_BYTES: usize = 16;
/// Time until the response to the handshake is written.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// A valid handshake.
pub(crate) struct Handshake {
    accept: HeaderValue,
    offers_subprotocol: bool,
    connection: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let headers = &parts.headers;
        if let Some(missing) = missing_header(headers) {
            return Err(rejected(missing));
        }
        let key = headers
            .get(SEC_WEBSOCKET_KEY)
            .ok_or_else(|| rejected("no Sec-WebSocket-Key"))?;
        let malformed = || rejected("no Sec-WebSocket-Key of 16 bytes in base64");
        if BASE64_STANDARD
            .decode(key)
            .ok()
            .is_none_or(|bytes| bytes.len() != KEY_BYTES)
        {
            return Err(malformed());
        }

        let accept = derive_accept_key(key.as_bytes())
            .parse()
            .map_err(|_| malformed())?;
        let offers_subprotocol = has_token(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        let connection = parts
            .extensions
            .remove::<OnUpgrade>()
            .ok_or_else(|| rejected("no HTTP/1.1 connection to upgrade"))?;
        Ok(Self {
            accept,
            offers_subprotocol,
            connection,
        })
    }
}

/// The header that a handshake lacks, in the order in which proxies are known to drop them.
fn missing_header(headers: &HeaderMap) -> Option<&'static str> {
    if !has_token(headers, &UPGRADE, "websocket") {
        Some("no Upgrade: websocket header")
    } else if !has_token(headers, &CONNECTION, "upgrade") {
        Some("no Connection: Upgrade header")
    } else if !has_token(headers, &SEC_WEBSOCKET_VERSION, "13") {
        Some("no Sec-WebSocket-Version: 13")
    } else {
        None
    }
}

fn rejected(missing: &str) -> Problem {
    let detail = format!(
        "this path answers WebSocket handshakes only; {missing}: does a proxy in between drop it?"
    );
    Problem::new(Code::Malformed, detail)
}

impl Handshake {
    /// The response, and the upgrade that follows it.
    pub(super) fn respond(self) -> (Response, PendingUpgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if self.offers_subprotocol {
            headers.insert(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(SUBPROTOCOL),
            );
        }

        (response, PendingUpgrade(self.connection))
    }
}

/// Is this among the values of a header that is a list?
fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

/// A connection that becomes a WebSocket once the response is written.
pub(super) struct PendingUpgrade(OnUpgrade);

impl PendingUpgrade {
    /// The socket; nothing if the client is gone before the response.
    pub(super) async fn open(self, clock: Clock) -> Option<ClientSocket> {
        let upgraded = timeout(UPGRADE_TIMEOUT, self.0).await.ok()?.ok()?;
        let parts = upgraded
            .downcast::<TokioIo<TcpStream>>()
            .expect("the accept loop serves TCP streams");
        let stream = parts.io.into_inner();
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(KERNEL_BUFFER_BYTES); // only a matter of memory
        let early = parts.read_buf.to_vec(); // sent by the client before the response
        let stream = RateLimitedStream::new(stream, &early, clock);

        let socket =
            WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config())).await;
        Some(ClientSocket::new(socket))
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn finds_value_in_list_header() {
        let headers = HeaderMap::from_iter([(CONNECTION, "keep-alive, Upgrade".parse().unwrap())]);
        assert!(has_token(&headers, &CONNECTION, "upgrade"));
        assert!(
            !has_token(&headers, &CONNECTION, "up") && !has_token(&headers, &UPGRADE, "upgrade")
        );
    }

    #[tokio::test]
    async fn rejects_key_unless_sixteen_bytes() {
        for key in [
            "",
            "AAA",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ== ,",
            "AAAA",
            "dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ==",
        ] {
            let request = Request::get("/")
                .header("Upgrade", "websocket")
                .header("Connection", "upgrade");
            let request = request
                .header("Sec-WebSocket-Version", "13")
                .header("Sec-WebSocket-Key", key);
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let problem = Handshake::from_request_parts(&mut parts, &())
                .await
                .err()
                .unwrap();
            assert!(problem.detail.contains("16 bytes"), "{key}: {problem}");
        }
    }

    #[tokio::test]
    async fn names_missing_header() {
        let whole = [
            ("Upgrade", "websocket"),
            ("Connection", "upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];

        for left_out in 0..=whole.len() {
            let mut request = Request::get("/");
            for (_, (name, value)) in whole.iter().enumerate().filter(|(at, _)| *at != left_out) {
                request = request.header(*name, *value);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let problem = Handshake::from_request_parts(&mut parts, &())
                .await
                .err()
                .unwrap();
            assert_eq!(problem.code, Code::Malformed);
            let lacks = whole
                .get(left_out)
                .map_or("HTTP/1.1 connection", |(name, _)| name); // the last has none beneath
            assert!(problem.detail.contains(&format!("no {lacks}")), "{problem}");
        }
    }
}
