//! Confirming and cancelling: a conditional update decides, and only rows it changed move seats.
//! One statement that commits by itself.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use sqlx::Postgres;
use uuid::Uuid;
use waitingroom_domain::ids::BookingId;

use super::{
    locked_zones::{LOCK_TIMEOUT_MS, LockedZones, partition},
    sql::{database_now, messages_of_changed, seats_of_changed},
};
use crate::{
    model::booking::{Booking, Status},
    store::{
        AsOf, StoreError, Transition, TransitionOutcome, TransitionRequest,
        connection::Connections,
        row::{self, BookingRow},
        sql::booking_columns,
        statement::statement,
    },
};

/// The wait for rows is limited in the statement: behind a pooler nothing is sure of the session.
const APPLY_TRANSITIONS: &str = concat!(
    "WITH as_of AS MATERIALIZED (
    SELECT set_config('lock_timeout', $5, TRUE), COALESCE($4, ",
    database_now!(),
    ") AS now_ms
), due AS (
    SELECT bookings.booking_id, request.status, as_of.now_ms FROM as_of
    CROSS JOIN UNNEST($1::uuid[], $2::text[], $3::text[]) AS request (booking_id, user_id, status)
    JOIN bookings ON request.booking_id = bookings.booking_id AND request.user_id = bookings.user_id
    -- Said twice, so that the planner takes the rows by their ids and not all that are reserved.
    WHERE bookings.booking_id = ANY($1) AND bookings.status = 'reserved' AND bookings.expires_at_ms > as_of.now_ms
    ORDER BY bookings.booking_id FOR NO KEY UPDATE OF bookings
), changed AS (
    UPDATE bookings SET status = due.status,
        confirmed_at_ms = CASE WHEN due.status = 'confirmed' THEN due.now_ms END
    FROM due WHERE bookings.booking_id = due.booking_id
    RETURNING bookings.*
), ",
    seats_of_changed!(),
    ", noted AS (
    INSERT INTO outbox (messages, size, created_at_ms)
    SELECT ",
    messages_of_changed!(),
    ", count(*), (SELECT now_ms FROM as_of) FROM changed HAVING count(*) > 0
) SELECT ",
    booking_columns!(),
    " FROM changed"
);

const BY_IDS: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE booking_id = ANY($1) AND status <> 'void'"
);

const BOOKING_ZONES: &str = "SELECT booking_id, zone_id FROM bookings WHERE booking_id = ANY($1)";

/// What a statement, or several, did with the requests of a batch.
#[derive(Debug, Default)]
struct Changes {
    changed: Vec<Booking>,
    /// Their outcome is unknown: nothing was done, or the answer was lost.
    open: HashSet<BookingId>,
}

/// Requests that are decided at one time.
pub(super) struct TransitionBatch<'a> {
    pub(super) pool: &'a Connections<Postgres>,
    pub(super) locked: &'a LockedZones,
    pub(super) as_of: AsOf,
}

impl TransitionBatch<'_> {
    pub(super) async fn run(
        &self,
        batch: &[TransitionRequest],
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        let changes = self.apply_all(&dedup_requests(batch)).await?;
        Ok(self.outcomes_of(batch, changes).await)
    }

    /// All at once; if a zone is locked, each zone by itself.
    async fn apply_all(&self, requests: &[&TransitionRequest]) -> Result<Changes, StoreError> {
        let locked = self.locked.all();
        if locked.is_empty() {
            match self.apply(requests, LOCK_TIMEOUT_MS).await {
                Err(StoreError::Locked(_)) => self.apply_per_zone(requests, |_| true).await,
                changed => Ok(Changes {
                    changed: changed?,
                    open: HashSet::new(),
                }),
            }
        } else {
            self.apply_per_zone(requests, |zone| locked.contains(zone))
                .await
        }
    }

    async fn apply_per_zone(
        &self,
        requests: &[&TransitionRequest],
        apart: impl Fn(&Uuid) -> bool,
    ) -> Result<Changes, StoreError> {
        let ids: Vec<_> = requests
            .iter()
            .map(|request| request.booking_id.uuid())
            .collect();
        let zones = statement(BOOKING_ZONES).bind(ids);
        let zones = self.pool.fetch_all::<(Uuid, Uuid)>(zones).await?;
        let zones: HashMap<Uuid, Uuid> = zones.into_iter().collect();
        let zone_of = |request: &&TransitionRequest| {
            zones
                .get(&request.booking_id.uuid())
                .copied()
                .unwrap_or_default()
        };

        let partition = partition(requests.iter().map(zone_of), apart);
        let partition = partition.iter().map(|(zone, positions)| {
            let part: Vec<&TransitionRequest> = positions
                .iter()
                .map(|position| requests[*position])
                .collect();
            async move { self.apply_part(*zone, &part).await }
        });

        let mut changes = Changes::default();
        for part in join_all(partition).await {
            changes.changed.extend(part.changed);
            changes.open.extend(part.open);
        }

        Ok(changes)
    }

    /// One zone's requests, or those of all that are not known to be locked: if one of these is,
    /// each goes by itself.
    async fn apply_part(&self, zone: Option<Uuid>, part: &[&TransitionRequest]) -> Changes {
        let patience = zone.map_or(LOCK_TIMEOUT_MS, |zone| self.locked.lock_timeout_ms(zone));
        let mut changed = self.apply(part, patience).await;
        if let Some(zone) = zone {
            self.locked.record_result(zone, &changed);
        } else if let Err(StoreError::Locked(_)) = changed {
            match Box::pin(self.apply_per_zone(part, |_| true)).await {
                Ok(changes) => return changes,
                Err(error) => changed = Err(error),
            }
        }

        match changed {
            Ok(changed) => Changes {
                changed,
                open: HashSet::new(),
            },
            Err(error) => {
                tracing::warn!(%error, decisions = part.len(), "part of a transition batch failed");
                Changes {
                    changed: Vec::new(),
                    open: part.iter().map(|request| request.booking_id).collect(),
                }
            }
        }
    }

    async fn apply(
        &self,
        requests: &[&TransitionRequest],
        lock_timeout_ms: u32,
    ) -> Result<Vec<Booking>, StoreError> {
        let apply = statement(APPLY_TRANSITIONS)
            .bind(
                requests
                    .iter()
                    .map(|request| request.booking_id.uuid())
                    .collect::<Vec<_>>(),
            )
            .bind(
                requests
                    .iter()
                    .map(|request| request.user.to_string())
                    .collect::<Vec<_>>(),
            )
            .bind(
                requests
                    .iter()
                    .map(|request| target_status(request.transition).as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(self.as_of.fixed_ms())
            .bind(lock_timeout_ms.to_string());

        row::all(self.pool.fetch_all::<BookingRow>(apply).await?)
    }

    /// What did not change is read afterwards: the statement saw it as it was before it waited.
    async fn outcomes_of(
        &self,
        batch: &[TransitionRequest],
        changes: Changes,
    ) -> Vec<TransitionOutcome> {
        let Changes { changed, open } = changes;
        let mut changed: HashMap<_, _> = changed
            .into_iter()
            .map(|booking| (booking.booking_id, booking))
            .collect();
        let mut rulings: Vec<Option<TransitionOutcome>> = batch
            .iter()
            .map(|request| take_changed(request, &mut changed))
            .collect();
        for (ruling, request) in rulings.iter_mut().zip(batch) {
            if open.contains(&request.booking_id) {
                *ruling = Some(TransitionOutcome::Unavailable);
            }
        }

        let unchanged = batch
            .iter()
            .zip(&rulings)
            .filter(|(_, ruling)| ruling.is_none());
        let ids: Vec<Uuid> = unchanged
            .map(|(request, _)| request.booking_id.uuid())
            .collect();
        let found = if ids.is_empty() {
            Ok(HashMap::new())
        } else {
            self.by_ids(ids).await
        };

        let rulings =
            rulings
                .into_iter()
                .zip(batch)
                .map(|(ruling, request)| match (ruling, &found) {
                    (Some(ruling), _) => ruling,
                    // The changes are reported all the same.
                    (None, Err(_)) => TransitionOutcome::Unavailable,
                    (None, Ok(found)) => found
                        .get(&request.booking_id)
                        .filter(|booking| booking.user == request.user)
                        .map_or(TransitionOutcome::NotFound, |booking| {
                            TransitionOutcome::Unchanged(booking.clone())
                        }),
                });
        rulings.collect()
    }

    async fn by_ids(&self, ids: Vec<Uuid>) -> Result<HashMap<BookingId, Booking>, StoreError> {
        let rows = statement(BY_IDS).bind(ids);
        let rows = self.pool.fetch_all::<BookingRow>(rows).await?;
        Ok(row::all::<_, Booking>(rows)?
            .into_iter()
            .map(|booking| (booking.booking_id, booking))
            .collect())
    }
}

/// The outcome of the request that changed the booking; taken out, so that a second request for it
/// in the batch finds it changed.
fn take_changed(
    request: &TransitionRequest,
    changed: &mut HashMap<BookingId, Booking>,
) -> Option<TransitionOutcome> {
    let ours = changed.get(&request.booking_id)?;
    let ours = ours.user == request.user && ours.status == target_status(request.transition);

    ours.then(|| {
        changed
            .remove(&request.booking_id)
            .map(TransitionOutcome::Changed)
    })
    .flatten()
}

/// One request for each user and booking, the first of the batch: a row can be updated once in a
/// statement.
fn dedup_requests(batch: &[TransitionRequest]) -> Vec<&TransitionRequest> {
    let mut seen = HashSet::new();
    batch
        .iter()
        .filter(|request| seen.insert((request.booking_id, &request.user)))
        .collect()
}

fn target_status(transition: Transition) -> Status {
    match transition {
        Transition::Confirm => Status::Confirmed,
        Transition::Cancel => Status::Cancelled,
    }
}
