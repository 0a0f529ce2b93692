//! A user's bookings.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use waitingroom_domain::ids::{EventId, UserId};
use waitingroom_server::{
    http::{Json, Path, Query},
    problem::Problem,
};

use super::{extract::Caller, params};
use crate::{
    error::BookingError,
    model::{booking::Booking, money::Currency},
    state::AppState,
    store::{Summary, Transition},
};

const DEFAULT_PAGE_SIZE: u32 = 20;
const MAX_PAGE_SIZE: u32 = 100;

pub(super) async fn confirm(
    State(state): State<Arc<AppState>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    Ok(Json(
        state
            .apply_transition(user, params::booking_id(&booking)?, Transition::Confirm)
            .await?,
    ))
}

pub(super) async fn cancel(
    State(state): State<Arc<AppState>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    Ok(Json(
        state
            .apply_transition(user, params::booking_id(&booking)?, Transition::Cancel)
            .await?,
    ))
}

pub(super) async fn get(
    State(state): State<Arc<AppState>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<Json<Booking>, Problem> {
    let _permit = state.read_limiter.acquire(&user)?;
    let booking = state
        .store()
        .booking(params::booking_id(&booking)?)
        .await
        .map_err(BookingError::from)?;

    let own = booking
        .filter(|booking| booking.user == user)
        .ok_or(BookingError::BookingNotFound)?;
    Ok(Json(own.at(state.database_now())))
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
    State(state): State<Arc<AppState>>,
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
    let _permit = state.read_limiter.acquire(&user)?;
    let page = state
        .store()
        .list(&user, event, limit, offset)
        .await
        .map_err(BookingError::from)?;

    Ok(Json(PageResponse {
        bookings: with_current_status(page.bookings, &state),
        total: page.total,
        limit,
        offset,
    }))
}

fn with_current_status(bookings: Vec<Booking>, state: &AppState) -> Vec<Booking> {
    bookings
        .into_iter()
        .map(|booking| booking.at(state.database_now()))
        .collect()
}

#[derive(Serialize)]
pub(super) struct Pending {
    bookings: Vec<Booking>,
}

pub(super) async fn pending(
    State(state): State<Arc<AppState>>,
    Caller(user): Caller,
) -> Result<Json<Pending>, Problem> {
    let _permit = state.read_limiter.acquire(&user)?;
    let bookings = state
        .store()
        .pending(&user, state.database_now())
        .await
        .map_err(BookingError::from)?;

    Ok(Json(Pending { bookings }))
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
    State(state): State<Arc<AppState>>,
    Caller(user): Caller,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<SummaryResponse>, Problem> {
    Ok(Json(
        summarize(
            &state,
            &user,
            params::event_filter(query.event_id.as_deref())?,
        )
        .await?,
    ))
}

async fn summarize(
    state: &AppState,
    user: &UserId,
    event: Option<EventId>,
) -> Result<SummaryResponse, BookingError> {
    let _permit = state.read_limiter.acquire(user)?;
    let summaries = state
        .store()
        .summary(user, event, state.database_now())
        .await?;
    let currency = match summaries.as_slice() {
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

    Ok(summaries.iter().fold(SummaryResponse::default(), add))
}
