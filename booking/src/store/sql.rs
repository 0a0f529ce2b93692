//! What statements of several files have in common.

macro_rules! booking_columns {
    () => {
        "booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, status, \
         created_at_ms, expires_at_ms, confirmed_at_ms, idempotency_fingerprint"
    };
}
pub(super) use booking_columns;

pub(super) const BOOKING: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE booking_id = $1 AND status <> 'void'"
);
