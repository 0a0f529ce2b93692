//! Finds out whether unknown holds are bookings. A hold that is none gets a tombstone.

use sqlx::Sqlite;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Clock,
    ids::{BookingId, EventId},
};

use crate::store::{StoreError, connection::Transaction, statement::statement};

const STATUS: &str = "SELECT booking_id, status FROM bookings WHERE booking_id = $1";

/// Inserts a tombstone for a booking that is not there, in some zone of its event.
const INSERT_TOMBSTONE: &str = "INSERT INTO bookings (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency,
        status, pass_jti, created_at_ms, expires_at_ms)
    SELECT $1, event_id, show_id, zone_id, '', 1, 0, 'XXX', 'void', 'void:' || $3, $4, $4 FROM zones WHERE event_id = $2 LIMIT 1
    ON CONFLICT (booking_id) DO NOTHING";

/// Those who wrote before have committed by now, or never will: their connections are closed, and
/// the turn is that of this transaction.
pub(super) async fn resolve(
    transaction: &mut Transaction<Sqlite>,
    event: EventId,
    holds: &[BookingId],
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let mut rows = Vec::with_capacity(holds.len());
    for hold in holds.iter().map(|hold| hold.uuid()) {
        let tombstone = statement(INSERT_TOMBSTONE)
            .bind(hold)
            .bind(event.uuid())
            .bind(hold.to_string())
            .bind(Clock::System.now().millis());
        transaction.execute(tombstone).await?;

        let status = statement(STATUS).bind(hold);
        rows.extend(transaction.fetch_optional(status).await?);
    }

    Ok(rows)
}
