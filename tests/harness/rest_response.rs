//! A response over REST, and the checks of a test.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct RestResponse {
    /// The method and path of the request, for the message of a failed test.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a text that is not.
    pub body: Value,
}

impl RestResponse {
    /// The body, if the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.body);
        self.body
    }

    /// Checks a problem document: status, code, title and detail. Returns the body.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.code()),
            (status, code),
            "{}: {}",
            self.request,
            self.body
        );
        let kind = self
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());

        assert_eq!(kind, Some("application/problem+json"), "{}", self.request);
        assert_eq!(
            self.body["status"], status,
            "{}: the document repeats the status",
            self.request
        );

        let text = |name: &str| {
            self.body[name]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        };
        assert!(
            text("type") && text("title") && text("detail"),
            "{}: {}",
            self.request,
            self.body
        );

        self.body
    }

    /// Checks a problem document that names the invalid input in `field` and in its detail.
    #[track_caller]
    pub fn expect_invalid_field(self, status: u16, code: &str, field: &str) {
        let request = self.request.clone();
        let body = self.expect_problem(status, code);
        assert_eq!(body["field"], field, "{request}: {body}");
        let detail = body["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains(field.rsplit('.').next().unwrap_or(field)),
            "{request}: {detail:?} names no {field}"
        );
    }

    /// The problem's code, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Whether the client should retry later.
    pub fn has_retry_after(&self) -> bool {
        matches!(self.status, 429 | 503) && self.headers.contains_key("retry-after")
    }
}
