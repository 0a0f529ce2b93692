//! Calendar files.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, header},
};
use serde::Deserialize;
use utoipa::IntoParams;
use waitingroom_domain::{
    clock::Clock,
    ids::{BookingId, EventId, ShowId},
};
use waitingroom_server::{
    http::{Path, Query},
    openapi::problems::{InvalidField, RateLimited, Unauthorized, Unavailable},
    problem::Problem,
};

use super::{
    extract::Caller,
    params,
    problems::{BookingCalendarNotFound, CalendarNotFound},
};
use crate::{calendar, catalogue::Catalogue, reservations::queries::BookingQueries};

const MEDIA_TYPE: &str = "text/calendar; charset=utf-8";

type CalendarFile = ([(HeaderName, &'static str); 2], String);

fn file(text: String) -> CalendarFile {
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"event.ics\"",
        ),
    ];
    (headers, text)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CalendarQuery {
    /// Only this show.
    #[param(value_type = Option<ShowId>)]
    show_id: Option<String>,
}

/// The shows of an event as a calendar file
#[utoipa::path(
    get,
    path = "/api/v1/events/{event_id}/calendar",
    operation_id = "getEventCalendar",
    tag = "catalogue",
    description = "iCalendar (RFC 5545), times in UTC. Shows without a start time are left out.",
    params(("event_id" = EventId, Path, example = "d0000000-0000-0001-0000-000000000000"), CalendarQuery),
    responses(
        (status = 200, description = "The file.", content_type = "text/calendar", body = String),
        CalendarNotFound, InvalidField, Unavailable
    ),
    security(())
)]
pub(super) async fn of_event(
    State(catalogue): State<Arc<Catalogue>>,
    Path(event): Path<String>,
    Query(query): Query<CalendarQuery>,
) -> Result<CalendarFile, Problem> {
    let wanted = query.show_id.as_deref().map(params::show_id).transpose()?;
    let event = catalogue.event(params::event_id(&event)?).await?;
    let is_wanted = |show: ShowId| wanted.is_none_or(|wanted| wanted == show);
    let shows = event.shows.iter().filter(|show| is_wanted(show.show_id));

    Ok(file(calendar::of_shows(
        &event,
        shows,
        Clock::System.now(),
    )?))
}

/// The show of a booking as a calendar file
#[utoipa::path(
    get,
    path = "/api/v1/bookings/{booking_id}/calendar",
    operation_id = "getBookingCalendar",
    tag = "bookings",
    description = "iCalendar (RFC 5545), times in UTC, with seats and reference.",
    params(("booking_id" = BookingId, Path, example = "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201")),
    responses(
        (status = 200, description = "The file.", content_type = "text/calendar", body = String),
        Unauthorized, BookingCalendarNotFound, InvalidField, RateLimited, Unavailable
    )
)]
pub(super) async fn of_booking(
    State(catalogue): State<Arc<Catalogue>>,
    State(bookings): State<Arc<BookingQueries>>,
    Caller(user): Caller,
    Path(booking): Path<String>,
) -> Result<CalendarFile, Problem> {
    let booking = bookings
        .booking(&user, params::booking_id(&booking)?)
        .await?;
    let event = catalogue.event(booking.event_id).await?;

    Ok(file(calendar::of_booking(
        &event,
        &booking,
        Clock::System.now(),
    )?))
}
