//! Booking's interface: over HTTP, or in the same process without a socket.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response},
};
use bytes::Bytes;
use reqwest::Client;
use tower::ServiceExt;

/// Timeout of connecting to booking; the caller limits the whole call.
const BOOKING_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Max size of a response: the catalogue of an installation.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Booking did not respond. The request may have been carried out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BookingUnreachable(pub(crate) String);

/// Booking's public interface.
#[async_trait]
pub trait BookingApi: Send + Sync {
    /// Sends a request to a path below `/api/v1` and returns the whole response. Never retries.
    /// Dropping the call aborts it, as a client that disconnects.
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BookingUnreachable>;
}

/// Booking's interface, shared by all connections of a gateway.
pub type SharedBookingApi = Arc<dyn BookingApi>;

/// Another process, over HTTP.
#[derive(Debug, Clone)]
pub struct HttpBookingApi {
    http: Client,
    base: String,
}

impl HttpBookingApi {
    /// Booking at this URL, for example `http://127.0.0.1:8080`, over kept connections.
    pub fn new(url: &str) -> Self {
        let http = Client::builder()
            .connect_timeout(BOOKING_CONNECT_TIMEOUT)
            .pool_max_idle_per_host(64)
            .build();
        Self {
            http: http.unwrap_or_default(),
            base: url.trim_end_matches('/').to_owned(),
        }
    }
}

#[async_trait]
impl BookingApi for HttpBookingApi {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BookingUnreachable> {
        let failed = |error: reqwest::Error| BookingUnreachable(error.to_string());
        let (parts, body) = request.into_parts();
        let call = self
            .http
            .request(parts.method, format!("{}{}", self.base, parts.uri))
            .headers(parts.headers);
        let response = call.body(body).send().await.map_err(failed)?;

        let mut result = Response::new(Bytes::new());
        *result.status_mut() = response.status();
        *result.headers_mut() = response.headers().clone();
        *result.body_mut() = response.bytes().await.map_err(failed)?;
        Ok(result)
    }
}

/// The same process: without a socket, so no connection of the listener is used.
#[derive(Debug, Clone)]
pub struct InProcessBookingApi(Router);

impl InProcessBookingApi {
    /// Booking behind its routes.
    pub fn new(routes: Router) -> Self {
        Self(routes)
    }
}

#[async_trait]
impl BookingApi for InProcessBookingApi {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BookingUnreachable> {
        let Ok(response) = self.0.clone().oneshot(request.map(Body::from)).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_RESPONSE_BYTES)
            .await
            .map_err(|error| BookingUnreachable(error.to_string()))?;
        Ok(Response::from_parts(parts, body))
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, routing::post};
    use tokio::net::TcpListener;

    use super::*;

    async fn echoed(service: &impl BookingApi) -> (StatusCode, String) {
        let request = Request::post("/api/v1/echo?a=1")
            .header("x-queue-pass", "p")
            .body(Bytes::from("said"))
            .unwrap();
        let response = service.call(request).await.unwrap();

        (
            response.status(),
            String::from_utf8(response.body().to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn carries_same_request_and_response() {
        let echo = async |request: Request<Body>| {
            let (parts, body) = request.into_parts();
            let pass = parts.headers["x-queue-pass"].to_str().unwrap().to_owned();
            let body = to_bytes(body, 100).await.unwrap();
            (
                StatusCode::CREATED,
                format!(
                    "{} {pass} {}",
                    parts.uri.query().unwrap(),
                    String::from_utf8_lossy(&body)
                ),
            )
        };
        let routes = Router::new().route("/api/v1/echo", post(echo));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let expected = (StatusCode::CREATED, "a=1 p said".to_owned());

        assert_eq!(
            echoed(&InProcessBookingApi::new(routes.clone())).await,
            expected
        );

        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        assert_eq!(echoed(&HttpBookingApi::new(&url)).await, expected);
        serving.abort();
    }

    #[tokio::test]
    async fn fails_when_nothing_listens() {
        let gone = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap(); // closed at once
        let request = Request::get("/api/v1/events").body(Bytes::new()).unwrap();

        assert!(
            HttpBookingApi::new(&format!("http://{gone}"))
                .call(request)
                .await
                .is_err()
        );
    }
}
