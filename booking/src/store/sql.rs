//! Statements that both databases understand.

macro_rules! booking_columns {
    () => {
        "booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, status, \
         created_at_ms, expires_at_ms, confirmed_at_ms, idempotency_fingerprint"
    };
}
pub(super) use booking_columns;

/// The database's clock when the statement began, in milliseconds (PostgreSQL).
macro_rules! database_now {
    () => {
        "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
    };
}
pub(super) use database_now;

/// Moves the seats of the rows that a statement has `changed` away from the held ones, as parts of
/// the same statement (PostgreSQL). Zones are locked last and by their ids.
macro_rules! seats_of_changed {
    () => {
        "change AS (
    SELECT zone_id, sum(quantity) AS held, sum(CASE WHEN status = 'confirmed' THEN quantity ELSE 0 END) AS confirmed
    FROM changed GROUP BY zone_id
), locked AS (
    SELECT zones.zone_id, change.held, change.confirmed FROM zones JOIN change ON change.zone_id = zones.zone_id
    ORDER BY zones.zone_id FOR NO KEY UPDATE OF zones
), counted AS (
    UPDATE zones SET held = zones.held - locked.held, confirmed = zones.confirmed + locked.confirmed
    FROM locked WHERE zones.zone_id = locked.zone_id
)"
    };
}
pub(super) use seats_of_changed;

/// A column of Unix milliseconds as RFC 3339, without zeroes at the end of the fraction
/// (PostgreSQL).
macro_rules! rfc_3339 {
    ($column:literal) => {
        concat!(
            "rtrim(rtrim(to_char(TIMESTAMP 'epoch' + ",
            $column,
            " * INTERVAL '1 millisecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS'), '0'), '.') || 'Z'"
        )
    };
}
pub(super) use rfc_3339;

/// The messages of the rows that a statement has `changed`, as an outbox batch: to the letter those
/// of `Booking::message` and `outbox::encode` (PostgreSQL). `chr(123)` is a brace: this is part of
/// formats too.
macro_rules! messages_of_changed {
    () => {
        concat!(
            "string_agg(booking_id || ':' || status || E'\\tbookings.' || status || E'\\t' || chr(123)
        || '\"booking_id\":\"' || booking_id || '\",\"event_id\":\"' || event_id || '\",\"show_id\":\"' || show_id
        || '\",\"zone_id\":\"' || zone_id || '\",\"user_id\":' || to_json(user_id) || ',\"quantity\":' || quantity
        || ',\"unit_price\":' || unit_price || ',\"total_price\":' || unit_price * quantity
        || ',\"currency\":\"' || currency || '\",\"status\":\"' || status
        || '\",\"created_at\":\"' || ",
            $crate::store::sql::rfc_3339!("created_at_ms"),
            " || '\",\"expires_at\":\"' || ",
            $crate::store::sql::rfc_3339!("expires_at_ms"),
            " || COALESCE('\",\"confirmed_at\":\"' || ",
            $crate::store::sql::rfc_3339!("confirmed_at_ms"),
            ", '') || '\"' || chr(125) || E'\\n', '')"
        )
    };
}
pub(super) use messages_of_changed;

pub(super) const REVISION: &str = "SELECT revision FROM catalogue";

pub(super) const RAISE_REVISION: &str = "UPDATE catalogue SET revision = revision + 1";

pub(super) const EVENTS: &str =
    "SELECT event_id, name, currency, max_seats_per_user, hold_seconds, queue_settings,
        appearance
    FROM events ORDER BY created_at_ms, event_id";

pub(super) const SHOWS: &str =
    "SELECT show_id, event_id, name, starts_at_ms FROM shows ORDER BY event_id, ordinal";

pub(super) const ZONES: &str =
    "SELECT zone_id, show_id, name, unit_price, capacity FROM zones ORDER BY event_id, ordinal";

pub(super) const ADD_EVENT: &str = "INSERT INTO events
    (event_id, name, currency, max_seats_per_user, hold_seconds, queue_settings, appearance, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) const ADD_SHOW: &str =
    "INSERT INTO shows (show_id, event_id, name, starts_at_ms, ordinal)
    VALUES ($1, $2, $3, $4, $5)";

pub(super) const ADD_ZONE: &str = "INSERT INTO zones
    (zone_id, show_id, event_id, name, unit_price, capacity, ordinal) VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const PUT_SETTINGS: &str = "UPDATE events SET queue_settings = $2 WHERE event_id = $1";

pub(super) const PUT_APPEARANCE: &str = "UPDATE events SET appearance = $2 WHERE event_id = $1";

pub(super) const APPEND_AUDIT: &str =
    "INSERT INTO audit (at_ms, operator, event_id, action, was, became)
    VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) const AUDIT_RECORDS: &str =
    "SELECT audit_id, at_ms, operator, event_id, action, was, became FROM audit
    WHERE ($1 IS NULL OR event_id = $1) AND audit_id < $2 ORDER BY audit_id DESC LIMIT $3";

pub(super) const BOOKING: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE booking_id = $1 AND status <> 'void'"
);

pub(super) const ATTEMPT: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE user_id = $1 AND idempotency_key = $2"
);

pub(super) const PASS_IS_USED: &str = "SELECT count(*) FROM bookings WHERE pass_jti = $1";

pub(super) const PAGE: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE user_id = $1 AND event_id = COALESCE($2, event_id)
    ORDER BY created_at_ms DESC, booking_id DESC LIMIT $3 OFFSET $4"
);

pub(super) const PAGE_TOTAL: &str =
    "SELECT count(*) FROM bookings WHERE user_id = $1 AND event_id = COALESCE($2, event_id)";

pub(super) const PENDING: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE user_id = $1 AND status = 'reserved' AND expires_at_ms > $2
    ORDER BY created_at_ms DESC, booking_id DESC LIMIT 1000"
);

pub(super) const SUMMARY: &str = "SELECT currency,
        CAST(sum(CASE WHEN status = 'reserved' THEN quantity ELSE 0 END) AS BIGINT) AS reserved_seats,
        CAST(sum(CASE WHEN status = 'confirmed' THEN quantity ELSE 0 END) AS BIGINT) AS confirmed_seats,
        count(*) AS bookings,
        CAST(sum(CASE WHEN status = 'confirmed' THEN quantity * unit_price ELSE 0 END) AS BIGINT) AS total_spent
    FROM bookings
    WHERE user_id = $1 AND event_id = COALESCE($2, event_id)
        AND (status = 'confirmed' OR status = 'reserved' AND expires_at_ms > $3)
    GROUP BY currency ORDER BY currency";

pub(super) const ZONE_COUNTS: &str = "SELECT event_id, show_id, zone_id, capacity, held, confirmed
    FROM zones WHERE event_id = COALESCE($1, event_id) ORDER BY zone_id";

pub(super) const HOLDS: &str =
    "SELECT booking_id, zone_id, user_id, quantity, expires_at_ms, pass_jti
    FROM bookings WHERE event_id = $1 AND status = 'reserved'";

pub(super) const USER_SEATS: &str = "SELECT user_id, CAST(sum(quantity) AS BIGINT) AS seats
    FROM bookings WHERE event_id = $1 AND status IN ('reserved', 'confirmed') GROUP BY user_id";

/// The users of the next bookings, of whatever event, by the index that begins with users: those of
/// one event would have to be found among all that it sold.
pub(super) const USER_PAGE: &str = "SELECT user_id, CAST(COALESCE(sum(
        CASE WHEN event_id = $1 AND status IN ('reserved', 'confirmed') THEN quantity END
    ), 0) AS BIGINT) AS seats
    FROM bookings WHERE user_id IN (
        SELECT user_id FROM (SELECT user_id FROM bookings WHERE user_id > $2 ORDER BY user_id LIMIT $3) AS page
    ) GROUP BY user_id ORDER BY user_id";

pub(super) const CHECKPOINT: &str =
    "SELECT line_sequence, line_head, line_unserved FROM events WHERE event_id = $1";

pub(super) const SAVE_CHECKPOINT: &str = "UPDATE events
    SET line_sequence = $2, line_head = $3, line_unserved = $4
    WHERE event_id = $1 AND (line_sequence < $2 OR (line_sequence = $2 AND line_head <= $3))";

pub(super) const CLEAR_CHECKPOINT: &str =
    "UPDATE events SET line_sequence = 0, line_head = 0, line_unserved = NULL WHERE event_id = $1";

pub(super) const HANDOVER: &str = "SELECT handover_mark, handover_until_ms FROM events
    WHERE event_id = $1 AND handover_mark IS NOT NULL";

pub(super) const BEGIN_HANDOVER: &str =
    "UPDATE events SET handover_mark = $2, handover_until_ms = $3 WHERE event_id = $1";

pub(super) const HASTEN_HANDOVER: &str =
    "UPDATE events SET handover_until_ms = 0 WHERE event_id = $1";

pub(super) const END_HANDOVER: &str = "UPDATE events SET handover_mark = NULL, handover_until_ms = 0 WHERE event_id = $1 AND handover_mark = $2";

pub(super) const LEASE_SYNC: &str =
    "UPDATE events SET sync_lease_until_ms = $3 WHERE event_id = $1 AND sync_lease_until_ms <= $2";

pub(super) const RELEASE_SYNC: &str =
    "UPDATE events SET sync_lease_until_ms = 0 WHERE event_id = $1";

pub(super) const BACKLOG: &str = "SELECT COALESCE(sum(size), 0), min(created_at_ms) FROM outbox";

/// Run in this order, in one transaction.
pub(super) const RESET: [&str; 3] = [
    "DELETE FROM outbox",
    "DELETE FROM bookings",
    "UPDATE zones SET held = 0, confirmed = 0",
];
