//! Finds out whether unknown holds are bookings: the unique index of the bookings knows. A hold
//! that is none gets a tombstone, a row with the status `void`.

use std::collections::HashMap;

use rand::seq::SliceRandom;
use uuid::Uuid;
use waitingroom_domain::ids::{BookingId, EventId};

use super::PostgresStore;
use crate::store::{HoldResolution, StoreError, row, sql::database_now};

const STATUSES: &str = "SELECT booking_id, status FROM bookings WHERE booking_id = ANY($1)";

/// Inserts tombstones for bookings that are not there. If one is about to be committed, the index
/// lets this wait for that commit: it is there afterwards, and keeps its place, or it is not and
/// never will be.
const INSERT_TOMBSTONES: &str = concat!(
    "WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $3, TRUE))
INSERT INTO bookings (booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, status, pass_jti,
    created_at_ms, expires_at_ms)
SELECT hold.booking_id, $2, '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '', 1, 0, 'XXX', 'void',
    'void:' || hold.booking_id, ",
    database_now!(),
    ", ",
    database_now!(),
    "
FROM patience CROSS JOIN UNNEST($1::uuid[]) AS hold (booking_id)
ORDER BY hold.booking_id
ON CONFLICT (booking_id) DO NOTHING"
);

/// Longest wait for one commit: it is asked for again with the next step.
const COMMIT_LOCK_TIMEOUT_MS: &str = "100";

/// Statements of one step: enough to find one commit that is under way among 500 holds by halving,
/// and to go on with the others.
const MAX_STATEMENTS: usize = 20;

impl PostgresStore {
    pub(super) async fn resolve_batch(
        &self,
        event: EventId,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        let mut fates = self.known_resolutions(holds).await?;
        let mut missing: Vec<Uuid> = holds
            .iter()
            .filter(|hold| !fates.contains_key(hold))
            .map(|hold| hold.uuid())
            .collect();
        // In another order each time: none stays behind those that hang for long.
        missing.shuffle(&mut rand::rng());
        let mut partition = vec![missing];
        for _ in 0..MAX_STATEMENTS {
            let Some(part) = partition.pop() else { break };
            match self.insert_tombstones(event, &part).await {
                Ok(()) => {
                    let part: Vec<BookingId> = part.into_iter().map(Into::into).collect();
                    fates.extend(self.known_resolutions(&part).await?);
                }

                // A commit of one of these is under way. The others are not kept from their fate.
                Err(StoreError::Locked(_)) if part.len() > 1 => {
                    let (former, latter) = part.split_at(part.len() / 2);
                    partition.extend([former.to_vec(), latter.to_vec()]);
                }
                Err(StoreError::Locked(_)) => {}
                Err(error) => return Err(error),
            }
        }

        Ok(fates)
    }

    async fn insert_tombstones(&self, event: EventId, holds: &[Uuid]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }

        let query = sqlx::query(INSERT_TOMBSTONES)
            .bind(holds)
            .bind(event.uuid())
            .bind(COMMIT_LOCK_TIMEOUT_MS);
        self.pool
            .run(async |on| query.execute(on).await)
            .await
            .map(drop)
    }

    async fn known_resolutions(
        &self,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        let ids: Vec<Uuid> = holds.iter().map(|hold| hold.uuid()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }

        let rows: Vec<(Uuid, String)> = self
            .pool
            .run(async |on| sqlx::query_as(STATUSES).bind(ids).fetch_all(on).await)
            .await?;
        row::hold_resolutions(rows)
    }
}
