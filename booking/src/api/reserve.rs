//! `POST /bookings/reserve`.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::{
    ids::{EventId, IdempotencyKey, ShowId, UserId, ZoneId},
    schema::openapi_schema,
    seats::MAX_QUANTITY,
};
use waitingroom_server::{
    http::Json,
    openapi::problems::{InvalidBody, RateLimited, Unauthorized, Unavailable},
    problem::{Code, Problem},
    protocol::{SeatPreference, check_preferences},
};

use super::{
    extract::Buyer,
    problems::{PassRejected, ReservationConflict, ReservationInvalid, SeatsNotFound},
};
use crate::{
    error::BookingError,
    model::booking::{Booking, BookingDocument, Status},
    reservations::{
        first_available::ReserveFirstAvailable,
        request::{KeyScope, ReserveRequest},
        reserve::ReservationService,
    },
};

/// The headers of reservations, as the document describes them.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "`pass_token` and `idempotency_key` read the headers"
)]
struct ReserveHeaders {
    /// The pass. It may be in the body as `queue_pass` instead; the header takes precedence.
    #[param(
        rename = "X-Queue-Pass",
        nullable = false,
        pattern = "^[ -~]*$",
        example = "header.payload.signature"
    )]
    queue_pass: Option<String>,
    /// The client's name for this attempt, the same on every retry: a user gets one booking for each
    /// key. Stored for a day. In quotes, as the draft of the IETF has it, it is the same key; text
    /// after the quotes is ignored.
    #[param(rename = "Idempotency-Key", required = false, schema_with = idempotency_key_schema, example = "8c4b0d1e6f2a4935b7e0c1d2a3f4e5b6")]
    idempotency_key: Option<String>,
    /// The same under its older name; `Idempotency-Key` takes precedence.
    #[param(rename = "X-Idempotency-Key", required = false, schema_with = idempotency_key_schema)]
    x_idempotency_key: Option<String>,
}

fn idempotency_key_schema() -> RefOr<Schema> {
    openapi_schema(json!({
        "type": "string",
        "anyOf": [
            { "maxLength": 128, "pattern": r"^[!#-~]([ -~]*[!-~])?$" },
            { "pattern": r#"^"([!#-\[\]-~]|\\["\\])((([!#-\[\]-~]|\\["\\])| ){0,126}([!#-\[\]-~]|\\["\\]))?"( *;[ -~]*)?$"# },
        ],
    }))
}

/// Seats to reserve.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Reserve, example = json!({
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "show_id": "d1000000-0000-0001-0000-000000000000",
    "zone_id": "d2000000-0000-0001-0002-000000000000",
    "quantity": 2
}))]
pub(super) struct ReserveBody {
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    #[schema(minimum = 1, maximum = 10)]
    quantity: i64,
    /// Only the form is checked: the price is that of the catalogue.
    #[schema(minimum = 0)]
    unit_price: Option<f64>,
    /// The pass, if it is not in the header.
    queue_pass: Option<String>,
}

/// Use a pass to reserve seats
#[utoipa::path(
    post,
    path = "/api/v1/bookings/reserve",
    operation_id = "reserveSeats",
    tag = "bookings",
    description = "Only a successful reservation uses the pass: after a rejection it stays valid, so the user can \
        choose again. Send an idempotency key, and retry with the same key after a 503 or a lost response.",
    params(ReserveHeaders),
    request_body = ReserveBody,
    responses(
        (
            status = 201,
            description = "The booking is committed: the seats are held until `expires_at`. A retry with the same \
                idempotency key gets the same booking, or 409 `BOOKING_EXPIRED` or `BOOKING_NOT_PENDING` once that \
                has ended unpaid.",
            body = BookingDocument
        ),
        Unauthorized, PassRejected, SeatsNotFound, ReservationConflict, InvalidBody, ReservationInvalid, RateLimited,
        Unavailable
    )
)]
pub(super) async fn reserve(
    State(reservations): State<Arc<ReservationService>>,
    Buyer {
        user,
        guest_address,
    }: Buyer,
    headers: HeaderMap,
    Json(body): Json<ReserveBody>,
) -> Result<impl IntoResponse, Problem> {
    let request = reserve_request(user, guest_address, &headers, body)?;
    created(reservations.reserve(&request).await?)
}

fn reserve_request(
    user: UserId,
    guest_address: Option<IpAddr>,
    headers: &HeaderMap,
    body: ReserveBody,
) -> Result<ReserveRequest, Problem> {
    let quantity = u32::try_from(body.quantity)
        .ok()
        .filter(|seats| (1..=MAX_QUANTITY).contains(seats))
        .ok_or_else(|| Problem::invalid("quantity", format!("must be from 1 to {MAX_QUANTITY}")))?;

    let is_price = |price: f64| price.is_finite() && price >= 0.0;
    if !body.unit_price.is_none_or(is_price) {
        return Err(Problem::invalid("unit_price", "must not be negative"));
    }

    Ok(ReserveRequest {
        user,
        event_id: body.event_id,
        show_id: body.show_id,
        zone_id: body.zone_id,
        quantity,
        pass: pass_token(headers, body.queue_pass)?,
        key: idempotency_key(headers)?,
        key_scope: KeyScope::ExactRequest,
        guest_address,
    })
}

/// Alternatives to reserve one of.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ReserveFirst, example = json!({
    "event_id": "d0000000-0000-0001-0000-000000000000",
    "options": [{ "zone_id": "d2000000-0000-0001-0002-000000000000", "quantity": 2 }]
}))]
pub(super) struct ReserveFirstBody {
    event_id: EventId,
    /// Seat preferences, best first.
    #[schema(min_items = 1, max_items = 5)]
    options: Vec<SeatPreference>,
    /// The pass, if it is not in the header.
    queue_pass: Option<String>,
}

/// Use a pass to reserve the first available of several alternatives
#[utoipa::path(
    post,
    path = "/api/v1/bookings/reserve/first",
    operation_id = "reserveFirstThatFits",
    tag = "bookings",
    description = "Only a successful reservation uses the pass: after a rejection it stays valid, so the user can \
        choose again. Send an idempotency key, and retry with the same key after a 503 or a lost response.",
    params(ReserveHeaders),
    request_body = ReserveFirstBody,
    responses(
        (
            status = 201,
            description = "The booking is committed: the seats are held until `expires_at`. A retry with the same \
                idempotency key gets the same booking, or 409 `BOOKING_EXPIRED` or `BOOKING_NOT_PENDING` once that \
                has ended unpaid.",
            body = BookingDocument
        ),
        Unauthorized, PassRejected, SeatsNotFound, ReservationConflict, InvalidBody, ReservationInvalid, RateLimited,
        Unavailable
    )
)]
pub(super) async fn reserve_first(
    State(reservations): State<Arc<ReservationService>>,
    Buyer {
        user,
        guest_address,
    }: Buyer,
    headers: HeaderMap,
    Json(body): Json<ReserveFirstBody>,
) -> Result<impl IntoResponse, Problem> {
    check_preferences("options", &body.options)?;
    if body.options.is_empty() {
        return Err(Problem::invalid("options", "must name at least one"));
    }

    let request = ReserveFirstAvailable {
        user,
        event_id: body.event_id,
        preferences: body.options,
        pass: pass_token(&headers, body.queue_pass)?,
        key: idempotency_key(&headers)?,
        guest_address,
    };
    created(reservations.reserve_first_available(&request).await?)
}

/// A repeated request finds the booking of the first one in its current status: one that has ended
/// cannot be paid for.
fn created(booking: Booking) -> Result<impl IntoResponse, Problem> {
    match booking.status {
        Status::Reserved | Status::Confirmed => Ok((StatusCode::CREATED, Json(booking))),
        Status::Expired => Err(BookingError::BookingExpired.into()),
        Status::Cancelled => Err(BookingError::BookingNotPending(booking.status).into()),
    }
}

/// The header counts more than the body.
fn pass_token(headers: &HeaderMap, in_body: Option<String>) -> Result<Option<String>, Problem> {
    let in_header = header_text(headers, "x-queue-pass")?.map(str::to_owned);
    Ok(in_header.or(in_body).filter(|token| !token.is_empty()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let given = match header_text(headers, "idempotency-key")? {
        Some(given) => Some(given),
        None => header_text(headers, "x-idempotency-key")?,
    };

    let wrong = || {
        Problem::invalid(
            "idempotency_key",
            "must be 1 to 128 printable characters, with spaces inside only",
        )
    };

    let parse = |given: &str| {
        unquoted(given)
            .and_then(|key| key.parse().ok())
            .ok_or_else(wrong)
    };

    given.map(parse).transpose()
}

/// A key may come as the IETF's draft has it, as a string in quotes (RFC 9651, section 3.3.3) with
/// parameters behind it: `"k";v=1` and `k` are one key. What is not in quotes is taken as it is.
fn unquoted(given: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = given.strip_prefix('"') else {
        return Some(given.into());
    };

    let (mut key, mut characters) = (String::new(), quoted.chars());
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => key.push(
                characters
                    .next()
                    .filter(|escaped| matches!(escaped, '"' | '\\'))?,
            ),
            character => key.push(character),
        }
    }

    let rest = characters.as_str().trim_start();
    (rest.is_empty() || rest.starts_with(';')).then(|| key.into())
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let unreadable =
        |_| Problem::new(Code::Malformed, format!("the header {name} is not text")).field(name);
    headers
        .get(name)
        .map(|value| value.to_str().map(str::trim).map_err(unreadable))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_idempotency_keys() {
        for (given, key) in [
            ("k", Some("k")),
            (r#""k""#, Some("k")),
            (r#""k";v=1"#, Some("k")),
            (r#""k" ; v"#, Some("k")),
            (r#""a \"b\" \\c""#, Some(r#"a "b" \c"#)),
            (r#""two words""#, Some("two words")),
            ("k;v=1", Some("k;v=1")),
            (r#"k"l"#, Some(r#"k"l"#)),
            (r#""k"#, None),
            (r#""k"l"#, None),
            (r#""k\l""#, None),
            (r#"""#, None),
        ] {
            assert_eq!(unquoted(given).as_deref(), key, "{given}");
        }
    }
}
