//! Calendar files (RFC 5545) of shows: for one's own calendar, with the place and, in a booking's,
//! seats and reference. Times are in UTC, which every calendar shows in its user's zone; the
//! description has the time at the venue.

use icalendar::{Calendar, Component, Event as Entry, EventLike, Property};
use waitingroom_domain::clock::Timestamp;

use crate::{
    error::BookingError,
    model::{
        booking::Booking,
        event::{Event, Show},
    },
};

/// The shows of an event whose start is known, or the one that is wanted.
///
/// # Errors
/// [`BookingError::NoStartTime`] if there is none: a calendar needs an entry.
pub(crate) fn of_shows<'a>(
    event: &Event,
    shows: impl Iterator<Item = &'a Show>,
    now: Timestamp,
) -> Result<String, BookingError> {
    let entries: Vec<Entry> = shows
        .filter_map(|show| entry(event, show, &format!("show-{}", show.show_id), None, now))
        .collect();
    calendar(entries)
}

/// The show of a booking, with its seats.
///
/// # Errors
/// [`BookingError::NoStartTime`] if it is not known when it begins.
pub(crate) fn of_booking(
    event: &Event,
    booking: &Booking,
    now: Timestamp,
) -> Result<String, BookingError> {
    let show = event.show(booking.show_id);
    let show = show.ok_or(BookingError::ShowNotFound)?;
    let zone = show
        .zone(booking.zone_id)
        .map_or("", |zone| zone.name.as_str());
    let seats = format!(
        "{} × {zone} · {}",
        booking.quantity,
        reference(&booking.booking_id.to_string())
    );

    let uid = format!("booking-{}", booking.booking_id);
    calendar(
        entry(event, show, &uid, Some(&seats), now)
            .into_iter()
            .collect(),
    )
}

fn calendar(entries: Vec<Entry>) -> Result<String, BookingError> {
    if entries.is_empty() {
        return Err(BookingError::NoStartTime);
    }

    let mut calendar = Calendar::empty();
    for (name, value) in [
        ("VERSION", "2.0"),
        ("PRODID", "-//Stanchion//Bookings//EN"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        calendar.append_property(Property::new(name, value));
    }
    for entry in entries {
        calendar.push(entry);
    }
    Ok(calendar.to_string())
}

fn entry(
    event: &Event,
    show: &Show,
    uid: &str,
    seats: Option<&str>,
    now: Timestamp,
) -> Option<Entry> {
    let starts_at = show.starts_at?;
    let mut entry = Entry::new();
    entry
        .uid(uid)
        .summary(&format!("{} · {}", event.name, show.name))
        .add_property("DTSTAMP", utc(now))
        .add_property("DTSTART", utc(starts_at));
    if let Some(place) = event.venue.line() {
        entry.location(&place);
    }

    let at_venue = event.venue.time_zone.as_ref().and_then(|zone| {
        let shown = zone.wall_time(starts_at)?.to_minute();
        Some(format!("{shown} ({})", zone.name()))
    });
    let lines: Vec<&str> = [at_venue.as_deref(), seats].into_iter().flatten().collect();
    if !lines.is_empty() {
        entry.description(&lines.join("\n"));
    }
    Some(entry.done())
}

/// `20300503T180000Z`.
fn utc(at: Timestamp) -> String {
    let text = Timestamp::from_millis(at.seconds() * 1000).to_string();
    text.replace(['-', ':'], "")
}

/// What a booking is called among people: the last twelve digits of its id.
fn reference(booking: &str) -> String {
    let digits = &booking[booking.len() - 12..];
    let groups: Vec<&str> = [0, 4, 8].map(|from| &digits[from..from + 4]).into();
    groups.join("-").to_uppercase()
}
