//! Extractors whose refusals are problems that name the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, path::ErrorKind, rejection::PathRejection},
    http::{header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use super::bodies::{self, DEFAULT_BYTES, LARGE_BYTES, SMALL_BYTES};
use crate::problem::{Code, Problem};

/// Whole numbers up to here are exact as floating-point numbers.
const MAX_EXACT_INTEGER: f64 = (1_u64 << 53) as f64;

/// A JSON body, of a request (at most 16 KiB) or an answer.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

/// A JSON body of a request that anybody may send: at most 1 KiB.
#[derive(Debug, Clone)]
pub struct SmallJson<T>(pub T);

/// A JSON body of a request whose sender was found to be an operator by an extractor before this
/// one: at most 256 KiB.
#[derive(Debug, Clone)]
pub struct LargeJson<T>(pub T);

/// Parameters of the path.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

/// Parameters of the query.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

/// A body of at most 16 KiB as it came, which may be empty.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        bodies::read(DEFAULT_BYTES, request).await.map(Self)
    }
}

/// A body as it came, of a request whose sender was found to be an operator before: at most 256 KiB.
#[derive(Debug, Clone)]
pub struct LargeBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for LargeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        bodies::read(LARGE_BYTES, request).await.map(Self)
    }
}

async fn read_json<T: DeserializeOwned>(max_bytes: usize, request: Request) -> Result<T, Problem> {
    if !is_json_content_type(&request) {
        let detail = "the Content-Type must be application/json";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    from_slice(&bodies::read(max_bytes, request).await?)
}

macro_rules! json_extractors {
    ($($name:ident: $max_bytes:expr),*) => {
        $(impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for $name<T> {
            type Rejection = Problem;

            async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
                read_json($max_bytes, request).await.map(Self)
            }
        })*
    };
}

json_extractors!(SmallJson: SMALL_BYTES, Json: DEFAULT_BYTES, LargeJson: LARGE_BYTES);

fn is_json_content_type(request: &Request) -> bool {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// A value from a JSON object.
///
/// # Errors
/// 400 for text that is not JSON or no object, 422 naming the field for JSON that is not of the
/// required form.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Serde takes an array for a structure's fields in their order, and an empty one for a
    // structure of optional fields.
    if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(|_| malformed(body))?;
        return Err(Problem::new(
            Code::Malformed,
            "the body is not of the required form: an array, where an object is expected",
        ));
    }

    // What is right is read in one go; only what is not is looked at closely.
    serde_json::from_slice(body).or_else(|_| from_slice_strict(body))
}

fn from_slice_strict<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let mut value: serde_json::Value =
        serde_path_to_error::deserialize(&mut parser).map_err(|_| malformed(body))?;
    parser.end().map_err(|_| malformed(body))?;
    normalize_integers(&mut value);
    from_value(value)
}

/// Numbers are what they are, not how they are written: `6.0` is a whole number to JSON Schema and
/// to who writes it (no language of theirs may know another kind). Beyond 2^53 they may have been
/// rounded, and stay as they are.
fn normalize_integers(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= MAX_EXACT_INTEGER);
            if let Some(whole) = whole {
                *number = (whole as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(normalize_integers),
        Value::Object(fields) => fields.values_mut().for_each(normalize_integers),
        _ => {}
    }
}

/// A value from JSON that is already parsed.
///
/// # Errors
/// 422 naming the field.
pub fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| invalid_body(&error))
}

fn malformed(body: &[u8]) -> Problem {
    let error = serde_json::from_slice::<serde::de::IgnoredAny>(body).err();
    let place = error
        .map(|e| format!(" (line {}, column {})", e.line(), e.column()))
        .unwrap_or_default();
    Problem::new(
        Code::Malformed,
        format!("the body is not valid JSON{place}"),
    )
}

fn invalid_body(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let message = error.inner().to_string();
    let path = error.path().to_string();
    let field = match (path.as_str(), field_in_message(&message)) {
        (".", Some(field)) => field.to_owned(),
        // The path of a missing field ends at its parent, that of an unknown one with itself.
        (path, Some(field)) if message.starts_with("missing") => format!("{path}.{field}"),
        (".", None) => {
            return Problem::new(
                Code::Malformed,
                format!("the body is not of the required form: {message}"),
            );
        }
        (path, _) => path.to_owned(),
    };

    if message.starts_with("missing field") {
        return Problem::invalid(&field, "is required");
    }

    if message.starts_with("unknown field") {
        return Problem::invalid(&field, "is not a known field");
    }

    Problem::new(Code::InvalidField, format!("{field}: {message}")).field(&field)
}

/// The field that serde names in back quotes.
fn field_in_message(message: &str) -> Option<&str> {
    let named = message.starts_with("missing field") || message.starts_with("unknown field");
    named.then(|| message.split('`').nth(1)).flatten()
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection| invalid_path(&rejection))
    }
}

fn invalid_path(rejection: &PathRejection) -> Problem {
    let kind = match rejection {
        PathRejection::FailedToDeserializePathParams(error) => Some(error.kind()),
        _ => None,
    };

    match kind {
        Some(ErrorKind::DeserializeError { key, message, .. }) => {
            Problem::new(Code::InvalidField, format!("{key}: {message}")).field(key)
        }
        Some(
            ErrorKind::ParseErrorAtKey { key, .. } | ErrorKind::InvalidUtf8InPathParam { key },
        ) => Problem::invalid(key, "is not of the required form"),
        _ => Problem::new(
            Code::InvalidField,
            format!("the path: {}", rejection.body_text()),
        ),
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| {
                Problem::new(
                    Code::InvalidField,
                    format!("the query: {}", rejection.body_text()),
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cart {
        orders: Vec<Order>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are of interest")]
    struct Order {
        zone_id: waitingroom_domain::ids::ZoneId,
        quantity: u32,
    }

    fn refusal(body: &str) -> Problem {
        from_slice::<Order>(body.as_bytes()).unwrap_err()
    }

    /// All of whose fields are optional: nothing is missing in an empty array.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Choice {
        event_id: Option<waitingroom_domain::ids::EventId>,
    }

    #[test]
    fn an_array_is_no_object() {
        for body in [
            "[]",
            " [null]",
            "[\"c0000000-0000-4000-8000-000000000000\"]",
            "[",
        ] {
            assert_eq!(
                from_slice::<Choice>(body.as_bytes()).unwrap_err().code,
                Code::Malformed,
                "{body}"
            );
        }

        assert_eq!(
            refusal("[\"c0000000-0000-4000-8000-000000000000\", 1]").code,
            Code::Malformed
        );
        assert!(from_slice::<Choice>(b"{}").is_ok());
    }

    #[test]
    fn text_that_is_not_json_is_400() {
        for body in ["", "{", "{\"quantity\":1}}", "quantity=1"] {
            assert_eq!(refusal(body).code, Code::Malformed, "{body}");
        }
    }

    #[test]
    fn a_field_of_the_wrong_form_is_named() {
        let zone = "b0000000-0000-0001-0001-000000000000";
        for (body, field) in [
            (
                format!(r#"{{"zone_id":"{zone}","quantity":"two"}}"#),
                "quantity",
            ),
            (
                format!(r#"{{"zone_id":"{zone}","quantity":-1}}"#),
                "quantity",
            ),
            (format!(r#"{{"zone_id":"{zone}"}}"#), "quantity"),
            (r#"{"zone_id":"zone-1","quantity":1}"#.to_owned(), "zone_id"),
        ] {
            let problem = refusal(&body);
            assert_eq!(problem.code, Code::InvalidField);
            assert_eq!(problem.field.as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let zone = "b0000000-0000-0001-0001-000000000000";
        for (written, read) in [
            ("6", Some(6)),
            ("6.0", Some(6)),
            ("6e0", Some(6)),
            ("0.6e1", Some(6)),
            ("6.5", None),
        ] {
            let body = format!(r#"{{"orders":[{{"zone_id":"{zone}","quantity":{written}}}]}}"#);
            let cart = from_slice::<Cart>(body.as_bytes()).ok();
            assert_eq!(cart.map(|cart| cart.orders[0].quantity), read, "{written}");
        }
    }

    #[test]
    fn missing_and_unknown_fields_are_named_by_their_path() {
        for (body, field) in [
            ("{}", "orders"),
            (r#"{"order":[]}"#, "order"),
            (r#"{"orders":[{"seat":1}]}"#, "orders[0].seat"),
            (r#"{"orders":[{"quantity":1}]}"#, "orders[0].zone_id"),
        ] {
            let problem = from_slice::<Cart>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some(field), "{body}");
        }
    }

    #[tokio::test]
    async fn a_part_of_the_path_of_the_wrong_form_is_named() {
        use tower::ServiceExt;
        let handler = |Path(_): Path<waitingroom_domain::ids::EventId>| async {};
        let router = axum::Router::new().route("/events/{event_id}", axum::routing::get(handler));
        let request = axum::http::Request::get("/events/first")
            .body(axum::body::Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();

        assert_eq!(
            (&problem["field"], &problem["status"]),
            (&"event_id".into(), &422.into())
        );
    }
}
