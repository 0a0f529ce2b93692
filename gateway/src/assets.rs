//! The web client, carried in the binary.

use axum::{
    Router,
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::{Embed, EmbeddedFile};

/// Nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(Embed)]
#[folder = "../web-client/dist"]
struct WebClient;

/// Where visitors find the one page that shows events, the line and the seats; its script reads the path.
const VISITORS: [&str; 4] = ["/", "/e/{event}", "/e/{event}/seats", "/bookings"];

/// The pages, and their files.
pub(crate) fn router() -> Router {
    VISITORS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(|| async { file("index.html") })))
        .route("/admin", get(|| async { file("admin.html") }))
        .route("/assets/{*path}", get(|Path(path): Path<String>| async move { file(&format!("assets/{path}")) }))
        .route("/favicon.svg", get(|| async { file("favicon.svg") }))
        .route("/openapi.json", get(|| async { document(include_str!("../../docs/openapi.json")) }))
        .route("/asyncapi.json", get(|| async { document(include_str!("../../docs/asyncapi.json")) }))
}

fn file(path: &str) -> Response {
    match WebClient::get(path) {
        Some(found) => serve(path, found),
        None if path.ends_with(".html") => {
            let detail = "the web client was not built; run `make build`";
            (StatusCode::NOT_FOUND, detail).into_response()
        }
        None => waitingroom::problem::Problem::new(waitingroom::problem::Code::NotFound, "there is no such file")
            .into_response(),
    }
}

fn serve(path: &str, found: EmbeddedFile) -> Response {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let mut response = found.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(kind.as_ref()).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    // Files under assets/ carry a digest in their names.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}

fn document(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
