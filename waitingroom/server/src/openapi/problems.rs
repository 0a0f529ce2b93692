//! Problems as responses of the OpenAPI document: description, schema, headers and examples follow
//! from the codes.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    AllOfBuilder, Components, ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
    example::Example,
};
use waitingroom_domain::{clock::Timestamp, schema::openapi_schema};

use crate::problem::{Code, Conflict, Problem};

/// The media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Declares responses that handlers name in `responses(…)`: each is the problems with one status
/// that a route may respond with. The function registers them as components of a document.
#[macro_export]
macro_rules! problem_responses {
    ($visibility:vis fn $register:ident; $($name:ident: [$($code:ident),+ $(,)?];)+) => {
        $(
            #[doc = concat!("A response with one of the codes", $(" `", stringify!($code), "`"),+, ".")]
            #[derive(Debug)]
            $visibility struct $name;

            impl utoipa::IntoResponses for $name {
                fn responses() -> std::collections::BTreeMap<
                    String,
                    utoipa::openapi::RefOr<utoipa::openapi::Response>,
                > {
                    let codes = [$($crate::problem::Code::$code),+];
                    $crate::openapi::problems::reference(stringify!($name), &codes)
                }
            }
        )+

        /// Adds the responses to the components of a document.
        $visibility fn $register(components: &mut utoipa::openapi::Components) {
            $({
                let codes = [$($crate::problem::Code::$code),+];
                $crate::openapi::problems::insert(components, stringify!($name), &codes);
            })+
        }
    };
}

problem_responses! {
    pub fn register;
    NotHere: [NotFound];
    Malformed: [Malformed];
    TooLarge: [PayloadTooLarge];
    NotJson: [UnsupportedMediaType];
    InvalidField: [InvalidField];
    Unauthorized: [Unauthorized, TokenExpired];
    Forbidden: [Forbidden];
    RateLimited: [RateLimited];
    EventNotFound: [EventNotFound];
    NotInQueue: [NotInQueue, EventNotFound];
    Unavailable: [Unavailable];
    Failed: [Internal];
}

/// The responses of a route to the problems of its JSON body.
#[derive(Debug)]
pub struct InvalidBody;

impl utoipa::IntoResponses for InvalidBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Malformed::responses();
        responses.extend(TooLarge::responses());
        responses.extend(NotJson::responses());
        responses
    }
}

/// The response by reference, under the status of its codes.
pub fn reference(name: &str, codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let reference = Ref::from_response_name(name);
    BTreeMap::from([(status(codes).to_string(), reference.into())])
}

/// Adds the response to the components of a document.
pub fn insert(components: &mut Components, name: &str, codes: &[Code]) {
    components
        .responses
        .insert(name.to_owned(), RefOr::T(response(codes)));
}

fn status(codes: &[Code]) -> u16 {
    let status = codes[0].status();
    assert!(
        codes.iter().all(|code| code.status() == status),
        "{codes:?}"
    );
    status.as_u16()
}

fn response(codes: &[Code]) -> Response {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let only_these = openapi_schema(json!({
        "type": "object",
        "properties": {
            "status": { "type": "integer", "enum": [status(codes)] },
            "code": { "type": "string", "enum": names },
        },
    }));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(only_these);
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(codes.iter().copied().map(example_reference))
        .build();

    let mut response = ResponseBuilder::new()
        .description(format!("`{}`", names.join("`, `")))
        .content(MEDIA_TYPE, content);
    if codes.contains(&Code::Unauthorized) {
        let bearer = openapi_schema(json!({ "type": "string", "enum": ["Bearer"] }));
        let header = HeaderBuilder::new()
            .schema(bearer)
            .description(Some("Always `Bearer`."));
        response = response.header("WWW-Authenticate", header.build());
    }
    if codes
        .iter()
        .any(|code| example(*code).retry_after.is_some())
    {
        let seconds = openapi_schema(json!({ "type": "integer", "minimum": 1, "examples": [1] }));
        let header = HeaderBuilder::new()
            .schema(seconds)
            .description(Some("Seconds after which a retry may succeed."));
        response = response.header("Retry-After", header.build());
    }
    response.build()
}

/// The name of a code's example; two problems share a code.
fn example_name(code: Code) -> String {
    match code {
        Code::Malformed | Code::InvalidField => {
            format!("{}_{}", code.as_str(), code.status().as_u16())
        }
        _ => code.as_str().to_owned(),
    }
}

/// The code's example by reference.
pub(super) fn example_reference(code: Code) -> (&'static str, RefOr<Example>) {
    let reference = Ref::new(format!("#/components/examples/{}", example_name(code)));
    (code.as_str(), RefOr::Ref(reference))
}

/// An example of every problem.
pub(super) fn examples() -> Value {
    let example = |code: &Code| {
        let text = example(*code).to_json();
        let value: Value = serde_json::from_str(&text).expect("a problem is JSON");
        (example_name(*code), json!({ "value": value }))
    };
    Value::Object(Code::ALL.iter().map(example).collect::<Map<_, _>>())
}

/// The problem as one of its causes is explained.
fn example(code: Code) -> Problem {
    let detail = match code {
        Code::Malformed => "the body is not valid JSON (line 1, column 2)",
        Code::InvalidField => return Problem::invalid("quantity", "must be from 1 to 10"),
        Code::Unauthorized => "the Authorization header is missing",
        Code::TokenExpired => "the token has expired",
        Code::Forbidden => "this needs a token with role \"admin\"",
        Code::GuestTooOld => {
            "this guest was created too long ago to join a queue; renew it with POST /api/v1/guest"
        }
        Code::NotFound => "no such route",
        Code::EventNotFound => "there is no event with this event_id",
        Code::ShowNotFound => "the event has no show with this show_id",
        Code::ZoneNotFound => "the show has no zone with this zone_id",
        Code::BookingNotFound => "you have no booking with this id",
        Code::NotInQueue => "you are not in the queue; join it first",
        Code::MethodNotAllowed => "method not allowed for this route",
        Code::PayloadTooLarge => "the body is too large",
        Code::UnsupportedMediaType => "the Content-Type must be application/json",
        Code::RateLimited => "too many guests from this address",
        Code::AlreadyExists => "event_id already exists",
        Code::PreconditionFailed => {
            "the settings are not those of If-Match; read them again, or send no If-Match"
        }
        Code::PassRequired => "send the pass in the header X-Queue-Pass or in queue_pass",
        Code::PassInvalid => "the pass is malformed or was not issued here",
        Code::PassExpired => "the pass has expired; join the queue again",
        Code::PassWrongUser => "the pass was issued to another user",
        Code::PassWrongEvent => "the pass was issued for another event",
        Code::PassUsed => "a booking was made with this pass; join the queue again for another",
        Code::PassRevoked => {
            "the pass was revoked: it was not claimed in time or the user left the queue"
        }
        Code::InsufficientSeats => "the zone has 1 seats left",
        Code::UserLimitExceeded => "you can hold 2 more seats for this event",
        Code::IdempotencyMismatch => "this idempotency key was used for another request",
        Code::BookingExpired => "the booking was not confirmed in time; its seats were released",
        Code::BookingNotPending => "the booking is confirmed already",
        Code::QueueClosed => "the queue is not open: the sale is scheduled",
        Code::QueueFull => "the queue is full",
        Code::Unavailable => "the queue is temporarily unavailable",
        Code::Internal => "internal error",
    };

    let problem = Problem::new(code, detail);
    match code {
        Code::EventNotFound => problem.field("event_id"),
        Code::ShowNotFound => problem.field("show_id"),
        Code::ZoneNotFound => problem.field("zone_id"),
        Code::AlreadyExists => problem.field("event_id"),
        Code::PreconditionFailed => problem.conflict(Conflict {
            revision: "5f2b81c09a7e4d36".into(),
            current: json!({ "state": "open", "rate_per_second": 7.0 }),
            changed_by: Some("olga".into()),
            changed_at: Timestamp::parse("2026-07-01T18:00:00Z"),
        }),
        Code::InsufficientSeats | Code::UserLimitExceeded => problem.field("quantity"),
        Code::IdempotencyMismatch => problem.field("idempotency_key"),
        Code::QueueClosed => problem.retry_after(Duration::from_secs(5)),
        Code::QueueFull => problem.retry_after(Duration::from_secs(10)),
        Code::RateLimited | Code::Unavailable => problem.retry_after(Duration::from_secs(1)),
        _ => problem,
    }
}
