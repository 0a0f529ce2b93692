//! Parses the parameters of paths and queries.

use waitingroom_domain::{
    ids::{BookingId, EventId, ShowId},
    queue::InvalidSetting,
};
use waitingroom_server::problem::Problem;

/// The event of a path.
pub(super) fn event_id(text: &str) -> Result<EventId, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid("event_id", "must be a UUID"))
}

/// The event that a query is limited to.
pub(super) fn event_filter(text: Option<&str>) -> Result<Option<EventId>, Problem> {
    text.map(event_id).transpose()
}

/// The show of a query.
pub(super) fn show_id(text: &str) -> Result<ShowId, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid("show_id", "must be a UUID"))
}

/// The booking of a path.
pub(super) fn booking_id(text: &str) -> Result<BookingId, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid("booking_id", "must be a UUID"))
}

/// A number of a query.
pub(super) fn number(
    text: Option<&str>,
    field: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let detail = format!("must be a number from {} to {}", range.start(), range.end());
            Problem::invalid(field, detail)
        })
}

/// A setting of the object at `path` (empty, or ending with a dot) is out of its range.
pub(super) fn invalid_setting(path: &str, invalid: &InvalidSetting) -> Problem {
    Problem::invalid(
        &format!("{path}{}", invalid.field),
        format!("must be {}", invalid.range),
    )
}
