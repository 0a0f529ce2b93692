//! The way to booking: over HTTP, or in the same process without a socket.

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

/// Time to connect to booking; how long an answer may take is the caller's matter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer: the catalogue of an installation.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Booking did not answer. What was asked may have happened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BookingUnreachable(pub(crate) String);

/// Booking's public interface.
#[async_trait]
pub trait BookingApi: Send + Sync {
    /// Sends a request to a path below `/api/v1` and returns the whole answer. Nothing is repeated.
    /// Dropping the call gives it up as a client does who goes away.
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BookingUnreachable>;
}

/// Booking, as every connection of a gateway shares it.
pub type SharedBookingApi = Arc<dyn BookingApi>;

/// A booking process elsewhere.
#[derive(Debug, Clone)]
pub struct HttpBookingApi {
    http: Client,
    base: String,
}

impl HttpBookingApi {
    /// Booking at this URL, for example `http://127.0.0.1:8080`, over kept connections.
    pub fn new(url: &str) -> Self {
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
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
        let answer = call.body(body).send().await.map_err(failed)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await.map_err(failed)?;
        Ok(response)
    }
}

/// Booking in this process: no socket, so no place among the listener's connections.
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
        let Ok(answer) = self.0.clone().oneshot(request.map(Body::from)).await;
        let (parts, body) = answer.into_parts();
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
        let answer = service.call(request).await.unwrap();
        (
            answer.status(),
            String::from_utf8(answer.body().to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn both_ways_carry_the_same_request_and_answer() {
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
    async fn who_does_not_answer_is_unreachable() {
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
