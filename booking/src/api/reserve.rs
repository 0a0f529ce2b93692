//! `POST /bookings/reserve`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;
use waitingroom::{
    http::Json,
    ids::{EventId, IdempotencyKey, ShowId, UserId, ZoneId},
    problem::{Code, Problem},
    seats::MAX_QUANTITY,
    wire::{WishItem, check_wish},
};

use super::caller::Caller;
use crate::{desk::Desk, first_fit::Alternatives, reserve::Wish};

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    quantity: i64,
    /// The catalogue's price counts: only the form is checked.
    unit_price: Option<f64>,
    queue_pass: Option<String>,
}

pub(super) async fn reserve(
    State(desk): State<Arc<Desk>>,
    Caller(user): Caller,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> Result<impl IntoResponse, Problem> {
    let wish = wish(user, &headers, request)?;
    let booking = desk.reserve(&wish).await?;
    Ok((StatusCode::CREATED, Json(booking.at(desk.database_now()))))
}

fn wish(user: UserId, headers: &HeaderMap, request: Request) -> Result<Wish, Problem> {
    let quantity = u32::try_from(request.quantity).ok().filter(|seats| (1..=MAX_QUANTITY).contains(seats));
    let quantity = quantity.ok_or_else(|| Problem::invalid("quantity", format!("must be from 1 to {MAX_QUANTITY}")))?;
    if request.unit_price.is_some_and(|price| !price.is_finite() || price < 0.0) {
        return Err(Problem::invalid("unit_price", "must not be negative"));
    }
    let pass = text(headers, "x-queue-pass")?.map(str::to_owned).or(request.queue_pass);
    Ok(Wish {
        user,
        event_id: request.event_id,
        show_id: request.show_id,
        zone_id: request.zone_id,
        quantity,
        pass: pass.filter(|token| !token.is_empty()),
        key: key(headers)?,
        any: false,
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Options {
    event_id: EventId,
    options: Vec<WishItem>,
    queue_pass: Option<String>,
}

/// `POST /bookings/reserve/first`.
pub(super) async fn reserve_first(
    State(desk): State<Arc<Desk>>,
    Caller(user): Caller,
    headers: HeaderMap,
    Json(request): Json<Options>,
) -> Result<impl IntoResponse, Problem> {
    check_wish("options", &request.options)?;
    if request.options.is_empty() {
        return Err(Problem::invalid("options", "must name at least one"));
    }
    let pass = text(&headers, "x-queue-pass")?.map(str::to_owned).or(request.queue_pass);
    let asked = Alternatives {
        user,
        event_id: request.event_id,
        items: request.options,
        pass: pass.filter(|token| !token.is_empty()),
        key: key(&headers)?,
    };
    let booking = desk.reserve_first(&asked).await?;
    Ok((StatusCode::CREATED, Json(booking.at(desk.database_now()))))
}

fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let given = match text(headers, "idempotency-key")? {
        Some(given) => Some(given),
        None => text(headers, "x-idempotency-key")?,
    };
    let parse = |given: &str| {
        let wrong = "must be 1 to 128 printable characters without spaces";
        given.parse().map_err(|_| Problem::invalid("idempotency_key", wrong))
    };
    given.map(parse).transpose()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let unreadable = |_| Problem::new(Code::Malformed, format!("the header {name} is not text")).field(name);
    headers.get(name).map(|value| value.to_str().map(str::trim).map_err(unreadable)).transpose()
}
