//! A user's bookings.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use waitingroom::{
    http::{Json, Path, Query},
    problem::Problem,
};

use super::{extract::Caller, params};
use crate::{
    model::{booking::Booking, money::Currency},
    reservations::{queries::BookingQueries, transitions::TransitionService},
    store::{Summary, Transition},
};

const DEFAULT_PAGE_SIZE: u32 = 20;
const MAX_PAGE_SIZE: u32 = 100;

pub(super) async fn confirm(
    State(transitions): State<Arc<TransitionService>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    let confirmed = transitions.apply(user, booking_id, Transition::Confirm);
    Ok(Json(confirmed.await?))
}

pub(super) async fn cancel(
    State(transitions): State<Arc<TransitionService>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    let cancelled = transitions.apply(user, booking_id, Transition::Cancel);
    Ok(Json(cancelled.await?))
}

pub(super) async fn get(
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let booking_id = params::booking_id(&booking)?;
    Ok(Json(bookings.booking(&user, booking_id).await?))
}

#[derive(Deserialize)]
pub(super) struct PageQuery {
    limit: Option<String>,
    offset: Option<String>,
    event_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct PageResponse {
    bookings: Vec<Booking>,
    total: u64,
    limit: u32,
    offset: u64,
}

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

#[derive(Serialize)]
pub(super) struct Pending {
    bookings: Vec<Booking>,
}

pub(super) async fn pending(
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
) -> Result<Json<Pending>, Problem> {
    Ok(Json(Pending {
        bookings: bookings.pending(&user).await?,
    }))
}

#[derive(Deserialize)]
pub(super) struct SummaryQuery {
    event_id: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct SummaryResponse {
    reserved_seats: u64,
    confirmed_seats: u64,
    bookings: u64,
    total_spent: i64,
    /// Absent if nothing was spent, and if several currencies were: their sum has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
}

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
    };

    summaries.iter().fold(SummaryResponse::default(), add)
}
