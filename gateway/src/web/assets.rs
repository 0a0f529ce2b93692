//! The web client, carried in the binary.

use std::borrow::Cow;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use rust_embed::{Embed, EmbeddedFile};
use utoipa_axum::{router::OpenApiRouter, routes};
use waitingroom_server::{
    http::unavailable_pages,
    problem::{Code, Problem},
};

/// Nothing from other hosts, nothing inline.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The build writes each text file in these forms too, the smallest first: nothing is compressed
/// while a request waits.
const COMPRESSED: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Where files lie whose names carry a digest.
const ASSETS: &str = "assets/";

#[derive(Embed)]
#[folder = "../web-client/dist"]
struct WebClient;

/// A file that a proxy can serve in place of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebClientFile {
    /// Below the root of the site, for example `assets/index-1a2b.js`.
    pub path: String,
    /// Its content.
    pub content: Cow<'static, [u8]>,
}

impl WebClientFile {
    /// Does its name carry a digest of its content? Such a file belongs to one build, and pages of
    /// that build may ask for it for as long as they are open.
    pub fn is_asset(&self) -> bool {
        self.path.starts_with(ASSETS)
    }
}

/// Every file of the web client in every form, and the pages for a proxy to show while no gateway
/// answers. Empty if the web client was not built.
pub fn web_client_files() -> Vec<WebClientFile> {
    if WebClient::get("index.html").is_none() {
        return Vec::new();
    }

    let built = WebClient::iter().filter_map(|path| {
        let content = WebClient::get(&path)?.data;
        let path = path.into_owned();
        Some(WebClientFile { path, content })
    });
    let unavailable = unavailable_pages().map(|(path, text)| {
        let content = Cow::Owned(text.into_bytes());
        WebClientFile { path, content }
    });
    built.chain(unavailable).collect()
}

/// The pages that are files, and their parts. [`crate::web::noscript`] serves the visitors' page.
pub(crate) fn router() -> Router {
    Router::new()
        .route(
            "/admin",
            get(async |headers: HeaderMap| file("admin.html", &headers)),
        )
        .route("/assets/{*path}", get(asset))
        .route(
            "/plain.css",
            get(async |headers: HeaderMap| file("plain.css", &headers)),
        )
        .route(
            "/boot.js",
            get(async |headers: HeaderMap| file("boot.js", &headers)),
        )
        // At the root, so that its scope is every page.
        .route(
            "/service-worker.js",
            get(async |headers: HeaderMap| file("service-worker.js", &headers)),
        )
        .merge(documents())
}

/// The documents of the interface.
pub(crate) fn documents() -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(openapi))
        .routes(routes!(asyncapi))
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "operations",
    description = "Gateways.",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json")),
    security(())
)]
async fn openapi() -> Response {
    json_document(include_str!("../../../docs/openapi.json"))
}

/// The description of the WebSocket
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "asyncapi",
    tag = "operations",
    description = "Gateways.",
    responses((status = 200, description = "AsyncAPI 3.0.", body = Object, content_type = "application/json")),
    security(())
)]
async fn asyncapi() -> Response {
    json_document(include_str!("../../../docs/asyncapi.json"))
}

/// A file of this build. One of another build is a 404, upon which a proxy asks the next gateway: no
/// other status of this route means that.
async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), &headers)
}

/// A file of the web client in the smallest form that the request accepts.
pub(crate) fn file(path: &str, accepts: &HeaderMap) -> Response {
    for (encoding, ending) in COMPRESSED {
        if accepts_encoding(accepts, encoding)
            && let Some(found) = WebClient::get(&format!("{path}{ending}"))
        {
            let mut response = file_response(path, found);
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            return response;
        }
    }

    match WebClient::get(path) {
        Some(found) => file_response(path, found),
        None if path.ends_with(".html") => {
            let detail = "the web client was not built; run `make build`";
            (StatusCode::NOT_FOUND, detail).into_response()
        }
        None => Problem::new(Code::NotFound, "there is no such file").into_response(),
    }
}

fn accepts_encoding(headers: &HeaderMap, encoding: &str) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.split(',').any(|offer| {
        let (name, quality) = offer.split_once(';').unwrap_or((offer, ""));
        name.trim() == encoding && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn file_response(path: &str, found: EmbeddedFile) -> Response {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let body = match found.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    };

    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(kind.as_ref())
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );

    // Files under assets/ carry a digest in their names.
    let cache = if path.starts_with(ASSETS) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };

    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );

    response
}

fn json_document(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
