//! Booking's routes at a gateway, which hands them on: a browser needs one address, with or without a
//! proxy that tells the roles apart (docs/decisions/0036-gateways-hand-requests-on.md).
//!
//! A request is sent once and never again. Booking counts guests by the address that the gateway
//! signs, as it does for holds over a socket.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRef, FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
    response::Response,
    routing::any,
};
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{Client, redirect::Policy};
use tokio::time::timeout;
use waitingroom_domain::guest_address;
use waitingroom_server::{
    auth::Authenticator,
    http::{LargeBody, RawBody},
    problem::Problem,
    request_id::{REQUEST_ID, RequestId},
    start_and_drain::Lifecycle,
};

use crate::{booking_client::BookingClient, client_addresses::ClientAddresses, state::Gateway};

/// Maximum wait for a connection to booking.
const FORWARD_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum wait for the head of a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum silence within a response: three times that of a stream.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(75);
/// Connections that are kept open for the next requests.
const IDLE_CONNECTIONS: usize = 256;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const OPERATORS: &str = "/api/v1/admin/";
const BOOKINGS: &str = "/api/v1/bookings";

/// Headers of one connection only, and those that are written anew.
const NOT_HANDED_ON: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    FORWARDED_FOR,
];

/// The routes, in front of booking at `url`.
pub(crate) fn router(gateway: &Gateway, url: &str) -> Router {
    let forwarder = BookingForwarder {
        http: client(),
        base: url.trim_end_matches('/').to_owned(),
        authenticator: FromRef::from_ref(gateway),
        addresses: FromRef::from_ref(gateway),
        booking: FromRef::from_ref(gateway),
        lifecycle: gateway.0.lifecycle.clone(),
    };

    let paths = [
        "/api/v1/events",
        "/api/v1/events/{*path}",
        BOOKINGS,
        "/api/v1/bookings/{*path}",
        "/api/v1/admin/{*path}",
    ];
    paths
        .into_iter()
        .fold(Router::new(), |routes, path| {
            routes.route(path, any(hand_on))
        })
        .with_state(Arc::new(forwarder))
}

fn client() -> Client {
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(FORWARD_CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build();
    client.unwrap_or_default()
}

/// See the module's documentation.
struct BookingForwarder {
    http: Client,
    base: String,
    authenticator: Authenticator,
    addresses: Arc<ClientAddresses>,
    booking: Arc<BookingClient>,
    lifecycle: Lifecycle,
}

async fn hand_on(
    State(forwarder): State<Arc<BookingForwarder>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head.clone(), body);

    // The limits of booking's own routes: who sends a large body is known before it is read.
    let body = if head.uri.path().starts_with(OPERATORS) && forwarder.is_operator(&head.headers) {
        LargeBody::from_request(request, &()).await?.0
    } else {
        RawBody::from_request(request, &()).await?.0
    };
    forwarder.send(head, peer, body).await
}

impl BookingForwarder {
    fn is_operator(&self, headers: &HeaderMap) -> bool {
        let caller = self.authenticator.authenticate(headers);
        caller.is_ok_and(|caller| caller.admin)
    }

    async fn send(&self, head: Parts, peer: SocketAddr, body: Bytes) -> Result<Response, Problem> {
        let headers = self.headers(&head, peer);
        let path = head
            .uri
            .path_and_query()
            .map_or("/", |path_and_query| path_and_query.as_str());
        let mut call = self
            .http
            .request(head.method, format!("{}{path}", self.base))
            .headers(headers);
        if !body.is_empty() {
            call = call.body(body);
        }

        match timeout(RESPONSE_TIMEOUT, call.send()).await {
            Ok(Ok(response)) => Ok(self.response(response)),
            Ok(Err(error)) => Err(unreachable(&error.to_string())),
            Err(_) => Err(unreachable("no response in time")),
        }
    }

    /// The headers of the client, and who it is as far as this gateway knows.
    fn headers(&self, head: &Parts, peer: SocketAddr) -> HeaderMap {
        let mut headers = handed_on(&head.headers);
        headers.remove(guest_address::HEADER);

        let address = self.addresses.request_address(peer, &head.headers);
        if let Ok(value) = HeaderValue::from_str(&address.to_string()) {
            headers.insert(FORWARDED_FOR, value);
        }
        if let Some(id) = RequestId::current() {
            headers.insert(REQUEST_ID, id.header_value());
        }

        // Only reservations count guests.
        let is_counted = head.method == Method::POST && head.uri.path().starts_with(BOOKINGS);
        let caller = self.authenticator.authenticate(&head.headers).ok();
        let caller = caller.filter(|caller| is_counted && caller.guest.is_some());
        let signed = caller.and_then(|caller| {
            let credentials = self.booking.credentials("", &caller, address);
            HeaderValue::from_str(&credentials.guest_address?).ok()
        });
        if let Some(signed) = signed {
            headers.insert(guest_address::HEADER, signed);
        }
        headers
    }

    /// Booking's response as it arrives. A stream of events ends with the drain, as this gateway's
    /// own do.
    fn response(&self, response: reqwest::Response) -> Response {
        let (status, headers) = (response.status(), handed_on(response.headers()));
        let is_stream = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        let bytes = response.bytes_stream();
        let body = if is_stream {
            let drain = self.lifecycle.drain_token();
            Body::from_stream(bytes.take_until(drain.cancelled_owned()))
        } else {
            Body::from_stream(bytes)
        };

        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer
    }
}

fn handed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in &NOT_HANDED_ON {
        headers.remove(name);
    }
    headers
}

fn unreachable(error: &str) -> Problem {
    tracing::warn!(error, "booking request failed");
    Problem::unavailable(
        "booking cannot be reached just now; repeat the request with the same Idempotency-Key",
        Duration::from_secs(1),
    )
}
