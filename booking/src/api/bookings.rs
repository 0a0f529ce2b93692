//! A user's bookings.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waitingroom_domain::ids::{BookingId, EventId};
use waitingroom_server::{
    http::{Json, Path, Query},
    openapi::problems::{InvalidField, RateLimited, Unauthorized, Unavailable},
    problem::Problem,
};

use super::{
    extract::Caller,
    params,
    problems::{BookingNotFound, NotPending},
};
use crate::{
    model::{
        booking::{Booking, BookingDocument},
        money::Currency,
    },
    reservations::{confirm_cancel::TransitionService, queries::BookingQueries},
    store::{Summary, Transition},
};

const DEFAULT_PAGE_SIZE: u32 = 20;
const MAX_PAGE_SIZE: u32 = 100;

/// Buy the reserved seats
#[utoipa::path(
    post,
    path = "/api/v1/bookings/{booking_id}/confirm",
    operation_id = "confirmBooking",
    tag = "bookings",
    params(("booking_id" = BookingId, Path, example = "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201")),
    responses(
        (
            status = 200,
            description = "Confirmed, now or before.",
            body = BookingDocument,
            example = json!(BookingDocument::example("confirmed", Some("2026-06-01T18:02:40.002Z")))
        ),
        Unauthorized, BookingNotFound, NotPending, InvalidField, Unavailable
    )
)]
pub(super) async fn confirm(
    State(transitions): State<Arc<TransitionService>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    let confirmed = transitions.apply(user, booking_id, Transition::Confirm);
    Ok(Json(confirmed.await?))
}

/// Release the reserved seats
#[utoipa::path(
    post,
    path = "/api/v1/bookings/{booking_id}/cancel",
    operation_id = "cancelBooking",
    tag = "bookings",
    params(("booking_id" = BookingId, Path, example = "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201")),
    responses(
        (
            status = 200,
            description = "Cancelled, now or before.",
            body = BookingDocument,
            example = json!(BookingDocument::example("cancelled", None))
        ),
        Unauthorized, BookingNotFound, NotPending, InvalidField, Unavailable
    )
)]
pub(super) async fn cancel(
    State(transitions): State<Arc<TransitionService>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    let cancelled = transitions.apply(user, booking_id, Transition::Cancel);
    Ok(Json(cancelled.await?))
}

/// Release the reserved seats
#[utoipa::path(
    delete,
    path = "/api/v1/bookings/{booking_id}",
    operation_id = "deleteBooking",
    tag = "bookings",
    params(("booking_id" = BookingId, Path, example = "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201")),
    responses(
        (
            status = 200,
            description = "Cancelled, now or before.",
            body = BookingDocument,
            example = json!(BookingDocument::example("cancelled", None))
        ),
        Unauthorized, BookingNotFound, NotPending, InvalidField, Unavailable
    )
)]
pub(super) async fn delete(
    transitions: State<Arc<TransitionService>>,
    caller: Caller,
    booking: Path<String>,
) -> Result<Json<Booking>, Problem> {
    cancel(transitions, caller, booking).await
}

/// A booking of the user
#[utoipa::path(
    get,
    path = "/api/v1/bookings/{booking_id}",
    operation_id = "getBooking",
    tag = "bookings",
    params(("booking_id" = BookingId, Path, example = "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201")),
    responses(
        (status = 200, description = "The booking.", body = BookingDocument),
        Unauthorized, BookingNotFound, InvalidField, RateLimited, Unavailable
    )
)]
pub(super) async fn get(
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    Ok(Json(bookings.booking(&user, booking_id).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    limit: Option<String>,
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9223372036854775807_i64, default = 0)]
    offset: Option<String>,
    /// Only bookings of this event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
}

/// A page of bookings.
#[derive(Serialize, ToSchema)]
#[schema(as = BookingPage, example = json!({
    "bookings": [BookingDocument::example("reserved", None)], "total": 1, "limit": 20, "offset": 0
}))]
pub(super) struct PageResponse {
    #[schema(value_type = Vec<BookingDocument>)]
    bookings: Vec<Booking>,
    /// Bookings on all pages.
    total: u64,
    limit: u32,
    offset: u64,
}

/// The user's bookings, newest first
#[utoipa::path(
    get,
    path = "/api/v1/bookings",
    operation_id = "listBookings",
    tag = "bookings",
    params(PageQuery),
    responses(
        (status = 200, description = "A page.", body = PageResponse),
        Unauthorized, InvalidField, RateLimited, Unavailable
    )
)]
pub(super) async fn list(
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageResponse>, Problem> {
    let limit = params::number(
        query.limit.as_deref(),
        "limit",
        u64::from(DEFAULT_PAGE_SIZE),
        1..=u64::from(MAX_PAGE_SIZE),
    )? as u32;
    let offset = params::number(query.offset.as_deref(), "offset", 0, 0..=i64::MAX as u64)?;
    let event = params::event_filter(query.event_id.as_deref())?;
    let page = bookings.list(&user, event, limit, offset).await?;

    Ok(Json(PageResponse {
        bookings: page.bookings,
        total: page.total,
        limit,
        offset,
    }))
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "bookings": [BookingDocument::example("reserved", None)] }))]
pub(super) struct Pending {
    #[schema(value_type = Vec<BookingDocument>)]
    bookings: Vec<Booking>,
}

/// The user's reservations that are not confirmed yet
#[utoipa::path(
    get,
    path = "/api/v1/bookings/pending",
    operation_id = "listPendingBookings",
    tag = "bookings",
    responses(
        (status = 200, description = "Newest first.", body = inline(Pending)),
        Unauthorized, RateLimited, Unavailable
    )
)]
pub(super) async fn pending(
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
) -> Result<Json<Pending>, Problem> {
    Ok(Json(Pending {
        bookings: bookings.pending(&user).await?,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SummaryQuery {
    /// Only bookings of this event.
    #[param(value_type = Option<EventId>)]
    event_id: Option<String>,
}

/// The user's bookings in numbers.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = BookingSummary, example = json!({
    "reserved_seats": 2, "confirmed_seats": 4, "bookings": 3, "total_spent": 35600, "currency": "EUR",
    "currency_digits": 2
}))]
pub(super) struct SummaryResponse {
    /// Seats held at present.
    reserved_seats: u64,
    /// Seats bought.
    confirmed_seats: u64,
    /// Bookings, held or bought.
    bookings: u64,
    /// Price of the seats bought, in minor units.
    #[schema(minimum = 0)]
    total_spent: i64,
    /// Absent if there are no bookings, or bookings in several currencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    currency: Option<Currency>,
    /// Decimals of the currency's minor unit, by ISO 4217; absent as `currency` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, maximum = 4)]
    currency_digits: Option<u8>,
}

/// The user's bookings in numbers
#[utoipa::path(
    get,
    path = "/api/v1/bookings/summary",
    operation_id = "summarizeBookings",
    tag = "bookings",
    params(SummaryQuery),
    responses(
        (status = 200, description = "The numbers.", body = SummaryResponse),
        Unauthorized, InvalidField, RateLimited, Unavailable
    )
)]
pub(super) async fn summary(
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<SummaryResponse>, Problem> {
    let event = params::event_filter(query.event_id.as_deref())?;
    let summaries = bookings.summary(&user, event).await?;
    Ok(Json(total(&summaries)))
}

fn total(summaries: &[Summary]) -> SummaryResponse {
    let currency = match summaries {
        [only] => Some(only.currency),
        _ => None,
    };

    let add = |sum: SummaryResponse, part: &Summary| SummaryResponse {
        reserved_seats: sum.reserved_seats + part.reserved_seats,
        confirmed_seats: sum.confirmed_seats + part.confirmed_seats,
        bookings: sum.bookings + part.bookings,
        total_spent: sum.total_spent + part.total_spent,
        currency,
        currency_digits: currency.map(Currency::digits),
    };

    summaries.iter().fold(SummaryResponse::default(), add)
}
