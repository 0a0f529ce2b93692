//! `POST /bookings/reserve`.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;
use waitingroom_domain::{
    ids::{EventId, IdempotencyKey, ShowId, UserId, ZoneId},
    seats::MAX_QUANTITY,
};
use waitingroom_server::{
    http::Json,
    problem::{Code, Problem},
    protocol::{SeatPreference, check_preferences},
};

use super::extract::Buyer;
use crate::{
    error::BookingError,
    model::booking::{Booking, Status},
    reservations::{
        first_available::ReserveFirstAvailable,
        reserve::{KeyScope, ReserveRequest},
    },
    state::AppState,
};

#[derive(Debug, Deserialize)]
pub(super) struct ReserveBody {
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    quantity: i64,
    /// The catalogue's price counts: only the form is checked.
    unit_price: Option<f64>,
    queue_pass: Option<String>,
}

pub(super) async fn reserve(
    State(state): State<Arc<AppState>>,
    Buyer {
        user,
        guest_address,
    }: Buyer,
    headers: HeaderMap,
    Json(body): Json<ReserveBody>,
) -> Result<impl IntoResponse, Problem> {
    let request = reserve_request(user, guest_address, &headers, body)?;
    let booking = state.reserve(&request).await?;
    created(booking.at(state.database_now()))
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

#[derive(Debug, Deserialize)]
pub(super) struct ReserveFirstBody {
    event_id: EventId,
    options: Vec<SeatPreference>,
    queue_pass: Option<String>,
}

/// `POST /bookings/reserve/first`.
pub(super) async fn reserve_first(
    State(state): State<Arc<AppState>>,
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
    let booking = state.reserve_first_available(&request).await?;
    created(booking.at(state.database_now()))
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
