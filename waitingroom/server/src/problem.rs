//! The one place that maps what can go wrong to a status, a stable code and a sentence (RFC 9457).

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{self, RefOr},
};
use waitingroom_domain::{clock::Timestamp, schema::openapi_schema};

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
    Malformed = "INVALID_REQUEST", BAD_REQUEST, "Malformed request";
    InvalidField = "INVALID_REQUEST", UNPROCESSABLE_ENTITY, "Invalid field value";
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, "Missing or invalid token";
    TokenExpired = "TOKEN_EXPIRED", UNAUTHORIZED, "Token has expired";
    Forbidden = "FORBIDDEN", FORBIDDEN, "Insufficient permissions";
    GuestTooOld = "GUEST_TOO_OLD", FORBIDDEN, "Guest identity is too old to join a queue";
    NotFound = "NOT_FOUND", NOT_FOUND, "Not found";
    EventNotFound = "EVENT_NOT_FOUND", NOT_FOUND, "Event not found";
    ShowNotFound = "SHOW_NOT_FOUND", NOT_FOUND, "Show not found";
    ZoneNotFound = "ZONE_NOT_FOUND", NOT_FOUND, "Zone not found";
    BookingNotFound = "BOOKING_NOT_FOUND", NOT_FOUND, "Booking not found";
    NotInQueue = "NOT_IN_QUEUE", NOT_FOUND, "Not in the queue";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, "Method not allowed";
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE, "Request body too large";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, "Request body must be JSON";
    RateLimited = "RATE_LIMITED", TOO_MANY_REQUESTS, "Too many requests";
    AlreadyExists = "ALREADY_EXISTS", CONFLICT, "Already exists";
    PreconditionFailed = "PRECONDITION_FAILED", PRECONDITION_FAILED, "Changed since it was read";
    PassRequired = "PASS_REQUIRED", FORBIDDEN, "Queue pass required";
    PassInvalid = "PASS_INVALID", FORBIDDEN, "Invalid queue pass";
    PassExpired = "PASS_EXPIRED", FORBIDDEN, "Queue pass has expired";
    PassWrongUser = "PASS_WRONG_USER", FORBIDDEN, "Queue pass was issued to another user";
    PassWrongEvent = "PASS_WRONG_EVENT", FORBIDDEN, "Queue pass was issued for another event";
    PassUsed = "PASS_USED", CONFLICT, "Queue pass was used before";
    PassRevoked = "PASS_REVOKED", FORBIDDEN, "Queue pass was revoked";
    InsufficientSeats = "INSUFFICIENT_SEATS", CONFLICT, "Not enough seats left";
    UserLimitExceeded = "USER_LIMIT_EXCEEDED", CONFLICT, "Seat limit exceeded";
    IdempotencyMismatch = "IDEMPOTENCY_MISMATCH", UNPROCESSABLE_ENTITY, "Idempotency key was used for another request";
    BookingExpired = "BOOKING_EXPIRED", CONFLICT, "Booking has expired";
    BookingNotPending = "BOOKING_NOT_PENDING", CONFLICT, "Booking is not pending";
    QueueClosed = "QUEUE_CLOSED", CONFLICT, "Queue is not open";
    QueueFull = "QUEUE_FULL", SERVICE_UNAVAILABLE, "Queue is full";
    Unavailable = "UNAVAILABLE", SERVICE_UNAVAILABLE, "Temporarily unavailable";
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR, "Internal error";
}

impl Code {
    /// The codes on the wire: two of the problems share one.
    fn wire_names() -> BTreeSet<&'static str> {
        Self::ALL.iter().map(|code| code.as_str()).collect()
    }
}

const CODE_DESCRIPTION: &str =
    "The kind of a problem. Codes are stable: programs may rely on them.";

impl PartialSchema for Code {
    fn schema() -> RefOr<openapi::Schema> {
        openapi_schema(json!({
            "type": "string", "enum": Self::wire_names(), "description": CODE_DESCRIPTION,
        }))
    }
}

impl ToSchema for Code {}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "enum": Self::wire_names(), "description": CODE_DESCRIPTION,
        })
    }
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
    /// What a conditional change found instead of what it expected.
    pub conflict: Option<Box<Conflict>>,
}

/// The value that a conditional change found instead of the one that the caller expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Conflict {
    /// The current revision, for another attempt.
    pub revision: String,
    /// The current value.
    #[schema(value_type = Object)]
    pub current: serde_json::Value,
    /// The operator who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changed_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub changed_at: Option<Timestamp>,
}

/// A problem as RFC 9457 describes it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// `urn:stanchion:problem:` and the code in lower case.
    r#type: String,
    /// The same for every problem with this code and status.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    #[schema(value_type = Code)]
    code: &'static str,
    /// An explanation for people.
    detail: &'a str,
    /// The input that was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
    /// Seconds, as in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    retry_after: Option<u64>,
    /// The id of the request, as in the header `X-Request-ID` of the answer; quote it in a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64)]
    request_id: Option<&'a str>,
    /// Only with `PRECONDITION_FAILED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conflict: Option<&'a Conflict>,
}

impl Problem {
    /// A problem with this code, explained.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            retry_after: None,
            conflict: None,
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

    /// Adds what a conditional change found.
    #[must_use]
    pub fn conflict(mut self, conflict: Conflict) -> Self {
        self.conflict = Some(Box::new(conflict));
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
        let body = ProblemDocument {
            r#type: format!("urn:stanchion:problem:{slug}"),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            field: self.field.as_deref(),
            retry_after: self.retry_seconds(),
            request_id: request_id.as_ref().map(RequestId::as_str),
            conflict: self.conflict.as_deref(),
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
