//! What every role's HTTP surface shares: reading bodies with errors that name the field, health,
//! readiness, metrics.

mod bodies;
mod client_address;
mod connection_limiter;
mod connection_slots;
mod descriptors;
mod extract;
mod language;
mod problem_page;
mod proxy_monitor;
mod serve;
mod serve_limits;

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderValue, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::json;
use tracing::Instrument;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::schema::openapi_schema;

pub use self::{
    client_address::{client_address, rate_limit_key},
    connection_limiter::{ConnectionPermit, open_connections},
    extract::{
        Json, LargeBody, LargeJson, Path, Query, RawBody, SmallJson, from_slice, from_value,
    },
    language::preferred_language,
    problem_page::unavailable_pages,
    serve::serve,
    serve_limits::{ServeLimits, Serves},
};
use crate::{
    openapi::problems::Unavailable,
    problem::{Code, Problem},
    request_id::{REQUEST_ID, RequestId},
    start_and_drain::Lifecycle,
    telemetry,
};

/// The response of a process that is alive.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "status": "ok", "service": "stanchion" }))]
struct Alive {
    #[schema(schema_with = ok)]
    status: &'static str,
    /// Tells this process from another that answers here.
    #[schema(schema_with = service)]
    service: &'static str,
}

fn service() -> RefOr<Schema> {
    openapi_schema(json!({ "type": "string", "const": "stanchion" }))
}

fn ok() -> RefOr<Schema> {
    openapi_schema(json!({ "type": "string", "const": "ok" }))
}

fn ready() -> RefOr<Schema> {
    openapi_schema(json!({ "type": "string", "const": "ready" }))
}

/// The response of a process that is ready.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "status": "ready" }))]
struct Ready {
    #[schema(schema_with = ready)]
    status: &'static str,
    /// What an operator should look at although requests are served: settings in which this process
    /// differs from others. Absent if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
}

/// A dependency's state: its name, and what is wrong with it if anything.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What an operator should look at although the process is ready.
pub type Warnings = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// `/health`, `/ready` and `/metrics`, and a problem for every path and method that is not served.
pub fn ops_routes(lifecycle: Lifecycle, checks: Vec<(&'static str, Check)>) -> Router {
    let warnings: Warnings = Arc::new(Vec::new);
    ops_routes_with_liveness(lifecycle, checks, warnings, None)
}

/// The same with warnings, and where `alive` says whether only a restart would help: then `/health`
/// fails.
pub fn ops_routes_with_liveness(
    lifecycle: Lifecycle,
    checks: Vec<(&'static str, Check)>,
    warnings: Warnings,
    alive: Option<Check>,
) -> Router {
    let ready = move || {
        let (lifecycle, checks, warnings) = (lifecycle.clone(), checks.clone(), warnings.clone());
        async move { readiness(&lifecycle, &checks, &warnings).await }
    };

    Router::new()
        .route("/health", get(move || health(alive.clone())))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
}

/// Is the process alive?
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "operations",
    description = "Every role.",
    responses((status = 200, description = "It is alive.", body = inline(Alive))),
    security(())
)]
pub(crate) async fn health(alive: Option<Check>) -> Response {
    if let Some(alive) = alive
        && let Err(error) = alive().await
    {
        tracing::error!(error, "this process has to be started again");
        return Problem::unavailable(error, std::time::Duration::from_secs(1)).into_response();
    }
    axum::Json(Alive {
        status: "ok",
        service: "stanchion",
    })
    .into_response()
}

/// Can the process serve requests?
#[utoipa::path(
    get,
    path = "/ready",
    operation_id = "ready",
    tag = "operations",
    description = "Every role. 503 while the process drains, and while a dependency does not respond: the \
        engine and the subscription of a gateway, the database and the engine of booking, the engine of a \
        queue worker.",
    responses((status = 200, description = "It can.", body = inline(Ready)), Unavailable),
    security(())
)]
pub(crate) async fn readiness(
    lifecycle: &Lifecycle,
    checks: &[(&'static str, Check)],
    warnings: &Warnings,
) -> Response {
    if lifecycle.is_stopping() {
        return Problem::unavailable("stopping", std::time::Duration::from_secs(1)).into_response();
    }

    for (name, check) in checks {
        if let Err(error) = check().await {
            tracing::warn!(dependency = name, error, "readiness check failed");
            let detail = format!("{name} is not available");
            return Problem::unavailable(detail, std::time::Duration::from_secs(1)).into_response();
        }
    }

    axum::Json(Ready {
        status: "ready",
        warnings: warnings(),
    })
    .into_response()
}

/// Metrics in the text format of Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    description = "Every role. For the operator's scraper: the shipped proxy does not forward it.",
    responses((
        status = 200,
        description = "The metrics.",
        content_type = "text/plain",
        body = String,
        example = "# TYPE stanchion_websocket_connections gauge\nstanchion_websocket_connections 3\n"
    )),
    security(())
)]
pub(crate) async fn metrics() -> Response {
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    (
        [(header::CONTENT_TYPE, format)],
        telemetry::render_metrics(),
    )
        .into_response()
}

/// The routes of a process, completed by what holds for all of them: problems for unknown paths and
/// methods, headers, request metrics.
pub fn with_defaults(router: Router) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(record_request))
}

/// Counts answers and their time by route and status, gives each the headers that all carry, and its
/// log lines a span with the request's id.
/// One layer: each costs a request two allocations and a copy of everything below it.
async fn record_request(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", |path| path.as_str())
        .to_owned();
    let id = RequestId::of(request.headers());
    let span =
        tracing::info_span!("request", request_id = id.as_str(), method = %request.method(), route);

    let started = std::time::Instant::now();
    let answer = next.run(request).instrument(span);
    let mut response = id.clone().scope(answer).await;

    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.header_value());
    security_headers(headers);
    let status = response.status().as_u16().to_string();

    metrics::histogram!(crate::metric_definitions::HTTP_REQUEST_DURATION, "route" => route, "status" => status)
        .record(started.elapsed().as_secs_f64());
    response
}

/// The answer for a path that nobody serves.
pub async fn not_found() -> Problem {
    Problem::new(Code::NotFound, "no such route")
}

/// The answer for a method that a path does not know.
async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "method not allowed for this route")
}

/// Headers that every answer carries.
fn security_headers(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );

    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Arc,
    };

    use axum::body::{Body, to_bytes};
    use parking_lot::Mutex;
    use tower::ServiceExt;
    use tracing::instrument::WithSubscriber;

    use super::*;

    /// Collects log lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn failing() -> Problem {
        tracing::warn!("database error");
        Problem::new(Code::Internal, "no more is said")
    }

    #[tokio::test]
    async fn header_problem_and_log_carry_request_id() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        let router = with_defaults(Router::new().route("/fails/{id}", get(failing)));
        let request = Request::get("/fails/1").header(REQUEST_ID, "from-the-proxy");
        let request = request.body(Body::empty()).unwrap();

        let response = router.oneshot(request).with_subscriber(subscriber).await;

        let response = response.unwrap();
        assert_eq!(response.headers()[REQUEST_ID], "from-the-proxy");
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["request_id"], "from-the-proxy");
        let line: serde_json::Value = serde_json::from_slice(&lines.0.lock()).unwrap();
        assert_eq!(
            line["span"],
            serde_json::json!({"name": "request", "request_id": "from-the-proxy", "method": "GET", "route": "/fails/{id}"})
        );
    }
}
