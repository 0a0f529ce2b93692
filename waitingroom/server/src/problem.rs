//! The one place that maps what can go wrong to a status, a stable code and a sentence (RFC 9457).

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::request_id::RequestId;

macro_rules! codes {
    ($($name:ident = $wire:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong, in words that programs may rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum Code {
            $(#[doc = $title] #[serde(rename = $wire)] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code on the wire, and the label of metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The HTTP status of an answer with this code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    Malformed = "INVALID_REQUEST", BAD_REQUEST, "The request cannot be read";
    InvalidField = "INVALID_REQUEST", UNPROCESSABLE_ENTITY, "A field has a value it may not have";
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, "No valid token";
    TokenExpired = "TOKEN_EXPIRED", UNAUTHORIZED, "The token has expired";
    Forbidden = "FORBIDDEN", FORBIDDEN, "The token does not allow this";
    GuestTooOld = "GUEST_TOO_OLD", FORBIDDEN, "The guest was made too long ago to take a new place";
    NotFound = "NOT_FOUND", NOT_FOUND, "There is nothing here";
    EventNotFound = "EVENT_NOT_FOUND", NOT_FOUND, "No such event";
    ShowNotFound = "SHOW_NOT_FOUND", NOT_FOUND, "No such show";
    ZoneNotFound = "ZONE_NOT_FOUND", NOT_FOUND, "No such zone";
    BookingNotFound = "BOOKING_NOT_FOUND", NOT_FOUND, "No such booking";
    NotInQueue = "NOT_IN_QUEUE", NOT_FOUND, "The user has no place in this line";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, "This path does not answer this method";
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE, "The request is too large";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON";
    RateLimited = "RATE_LIMITED", TOO_MANY_REQUESTS, "Too many requests";
    AlreadyExists = "ALREADY_EXISTS", CONFLICT, "This exists already";
    PassRequired = "PASS_REQUIRED", FORBIDDEN, "A queue pass is required";
    PassInvalid = "PASS_INVALID", FORBIDDEN, "The queue pass is not genuine";
    PassExpired = "PASS_EXPIRED", FORBIDDEN, "The queue pass has expired";
    PassWrongUser = "PASS_WRONG_USER", FORBIDDEN, "The queue pass belongs to somebody else";
    PassWrongEvent = "PASS_WRONG_EVENT", FORBIDDEN, "The queue pass is for another event";
    PassUsed = "PASS_USED", CONFLICT, "The queue pass was used before";
    PassRevoked = "PASS_REVOKED", FORBIDDEN, "The queue pass was taken back";
    InsufficientSeats = "INSUFFICIENT_SEATS", CONFLICT, "Not enough seats left";
    UserLimitExceeded = "USER_LIMIT_EXCEEDED", CONFLICT, "More seats than one user may have";
    IdempotencyMismatch = "IDEMPOTENCY_MISMATCH", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request";
    BookingExpired = "BOOKING_EXPIRED", CONFLICT, "The booking has expired";
    BookingNotPending = "BOOKING_NOT_PENDING", CONFLICT, "The booking is not waiting for confirmation";
    QueueClosed = "QUEUE_CLOSED", CONFLICT, "The line is not open";
    QueueFull = "QUEUE_FULL", SERVICE_UNAVAILABLE, "The line is full";
    Unavailable = "UNAVAILABLE", SERVICE_UNAVAILABLE, "Try again in a moment";
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR, "Something went wrong here";
}

/// A refusal, as a client sees it. Internals never go into `detail`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// A sentence for people.
    pub detail: String,
    /// The input that was refused.
    pub field: Option<String>,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    /// A problem with this code, explained.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            retry_after: None,
        }
    }

    /// A field whose value is refused; the detail begins with its name.
    pub fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidField, format!("{field} {problem}")).field(field)
    }

    /// 503: the caller should try again after `retry_after`.
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(Code::Unavailable, detail).retry_after(retry_after)
    }

    /// Names the input that was refused.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// Says when trying again may help; whole seconds on the wire, rounded up.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn retry_seconds(&self) -> Option<u64> {
        self.retry_after
            .map(|after| after.as_millis().div_ceil(1000).max(1) as u64)
    }

    /// The problem as a JSON document, with the id of the request that this task is answering.
    pub fn to_json(&self) -> String {
        let request_id = RequestId::current();
        let slug = self.code.as_str().to_lowercase().replace('_', "-");
        let body = Body {
            r#type: format!("urn:stanchion:problem:{slug}"),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            field: self.field.as_deref(),
            retry_after: self.retry_seconds(),
            request_id: request_id.as_ref().map(RequestId::as_str),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), self.to_json()).into_response();
        let headers = response.headers_mut();

        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );

        if let Some(seconds) = self.retry_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }

        if self.code.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }

        if self.code.status() == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read: the client must not send another request behind it.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }

        response.extensions_mut().insert(self.code);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_field_and_when_to_retry() {
        let problem = Problem::invalid("quantity", "must be from 1 to 10")
            .retry_after(Duration::from_millis(1200));
        let body: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();

        assert_eq!(body["code"], "INVALID_REQUEST");
        assert_eq!(body["status"], 422);
        assert_eq!(body["field"], "quantity");
        assert_eq!(body["retry_after"], 2);

        let response = problem.into_response();
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}
