//! Finds out whether unknown holds are bookings: the unique index of the bookings knows. A hold
//! that is none gets a tombstone, a row with the status `void`.

use std::collections::HashMap;

use rand::seq::SliceRandom;
use sqlx::Postgres;
use uuid::Uuid;
use waitingroom_domain::ids::{BookingId, EventId};

use super::sql::database_now;
use crate::store::{
    HoldResolution, StoreError, connection::Connections, row, statement::statement,
};

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

/// Holds of one event to find out about.
pub(super) struct ResolutionBatch<'a> {
    pub(super) pool: &'a Connections<Postgres>,
    pub(super) event: EventId,
}

impl ResolutionBatch<'_> {
    pub(super) async fn run(
        &self,
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
            match self.insert_tombstones(&part).await {
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

    async fn insert_tombstones(&self, holds: &[Uuid]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }

        let insert = statement(INSERT_TOMBSTONES)
            .bind(holds)
            .bind(self.event.uuid())
            .bind(COMMIT_LOCK_TIMEOUT_MS);
        self.pool.execute(insert).await.map(drop)
    }

    async fn known_resolutions(
        &self,
        holds: &[BookingId],
    ) -> Result<HashMap<BookingId, HoldResolution>, StoreError> {
        let ids: Vec<Uuid> = holds.iter().map(|hold| hold.uuid()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }

        let statuses = statement(STATUSES).bind(ids);
        row::hold_resolutions(self.pool.fetch_all(statuses).await?)
    }
}
