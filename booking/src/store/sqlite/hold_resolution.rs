//! Finds out whether unknown holds are bookings. A hold that is none gets a tombstone.

use std::collections::HashMap;

use uuid::Uuid;
use waitingroom_domain::{
    clock::Clock,
    ids::{BookingId, EventId},
};

use super::SqliteStore;
use crate::store::{HoldResolution, StoreError, row};

const STATUS: &str = "SELECT booking_id, status FROM bookings WHERE booking_id = $1";

/// Inserts a tombstone for a booking that is not there, in some zone of its event.
const INSERT_TOMBSTONE: &str = "INSERT INTO bookings (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency,
        status, pass_jti, created_at_ms, expires_at_ms)
    SELECT $1, event_id, show_id, zone_id, '', 1, 0, 'XXX', 'void', 'void:' || $3, $4, $4 FROM zones WHERE event_id = $2 LIMIT 1
    ON CONFLICT (booking_id) DO NOTHING";

impl SqliteStore {
    /// Those who wrote before have committed by now, or never will: their connections are closed,
    /// and the turn is ours.
    pub(super) async fn resolve_batch(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut rows: Vec<(Uuid, String)> = Vec::with_capacity(holds.len());
        for hold in holds.iter().map(|hold| hold.uuid()) {
            let place = sqlx::query(INSERT_TOMBSTONE)
                .bind(hold)
                .bind(event.uuid())
                .bind(hold.to_string());
            place
                .bind(Clock::System.now().millis())
                .execute(&mut *transaction)
                .await?;
            rows.extend(
                sqlx::query_as(STATUS)
                    .bind(hold)
                    .fetch_optional(&mut *transaction)
                    .await?,
            );
        }

        transaction.commit().await?;
        row::hold_resolutions(rows)
    }
}
