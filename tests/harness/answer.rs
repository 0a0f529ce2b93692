//! An answer over HTTP, and what a test expects of it.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for the message of a failed test.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a text that is not.
    pub body: Value,
}

impl Answer {
    /// The body of an answer that has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        self.body
    }

    /// Checks a refusal: a problem document of this status and code that explains itself. Returns
    /// the body.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.code()),
            (status, code),
            "{}: {}",
            self.asked,
            self.body
        );
        let kind = self
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        assert_eq!(kind, Some("application/problem+json"), "{}", self.asked);
        assert_eq!(
            self.body["status"], status,
            "{}: the document repeats the status",
            self.asked
        );
        let text = |name: &str| {
            self.body[name]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        };
        assert!(
            text("type") && text("title") && text("detail"),
            "{}: {}",
            self.asked,
            self.body
        );
        self.body
    }

    /// Checks a refusal that names the offending input in `field` and in the sentence for people.
    #[track_caller]
    pub fn refused_for(self, status: u16, code: &str, field: &str) {
        let asked = self.asked.clone();
        let body = self.refused(status, code);
        assert_eq!(body["field"], field, "{asked}: {body}");
        let detail = body["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains(field.rsplit('.').next().unwrap_or(field)),
            "{asked}: {detail:?} names no {field}"
        );
    }

    /// The problem's code, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Does the answer ask for patience?
    pub fn asks_to_wait(&self) -> bool {
        matches!(self.status, 429 | 503) && self.headers.contains_key("retry-after")
    }
}
