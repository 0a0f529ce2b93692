//! Confirming and cancelling: a conditional update decides, and only rows it changed move seats.
//! One statement that commits by itself.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use uuid::Uuid;
use waitingroom::ids::BookingId;

use super::{
    PostgresStore,
    locked_zones::{PATIENCE_MS, parts},
};
use crate::{
    model::booking::{Booking, Status},
    store::{
        AsOf, StoreError, Transition, TransitionOutcome, TransitionRequest,
        row::{self, BookingRow},
        sql::{booking_columns, database_now, messages_of_changed, seats_of_changed},
    },
};

/// The wait for rows is limited in the statement: behind a pooler nothing is sure of the session.
const CHANGE: &str = concat!(
    "WITH moment AS MATERIALIZED (
    SELECT set_config('lock_timeout', $5, TRUE), COALESCE($4, ",
    database_now!(),
    ") AS now_ms
), due AS (
    SELECT bookings.booking_id, wish.status, moment.now_ms FROM moment
    CROSS JOIN UNNEST($1::uuid[], $2::text[], $3::text[]) AS wish (booking_id, user_id, status)
    JOIN bookings ON wish.booking_id = bookings.booking_id AND wish.user_id = bookings.user_id
    -- Said twice, so that the planner takes the rows by their ids and not all that are reserved.
    WHERE bookings.booking_id = ANY($1) AND bookings.status = 'reserved' AND bookings.expires_at_ms > moment.now_ms
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
    ", count(*), (SELECT now_ms FROM moment) FROM changed HAVING count(*) > 0
) SELECT ",
    booking_columns!(),
    " FROM changed"
);

const BY_IDS: &str = concat!(
    "SELECT ",
    booking_columns!(),
    " FROM bookings WHERE booking_id = ANY($1) AND status <> 'void'"
);

const ZONES: &str = "SELECT booking_id, zone_id FROM bookings WHERE booking_id = ANY($1)";

/// What a statement, or several, did with the wishes of a batch.
#[derive(Debug, Default)]
struct Changes {
    changed: Vec<Booking>,
    /// Nobody knows about these: nothing was done, or the answer was lost.
    open: HashSet<BookingId>,
}

impl PostgresStore {
    pub(super) async fn decide_batch(
        &self,
        batch: &[TransitionRequest],
        moment: AsOf,
    ) -> Result<Vec<TransitionOutcome>, StoreError> {
        let changes = self.change_all(&first_wishes(batch), moment).await?;
        Ok(self.rule(batch, changes).await)
    }

    /// All at once; if a zone is locked, each zone by itself.
    async fn change_all(
        &self,
        wishes: &[&TransitionRequest],
        moment: AsOf,
    ) -> Result<Changes, StoreError> {
        let locked = self.locked.all();
        if locked.is_empty() {
            match self.change(wishes, moment, PATIENCE_MS).await {
                Err(StoreError::Locked(_)) => self.change_apart(wishes, moment, |_| true).await,
                changed => Ok(Changes {
                    changed: changed?,
                    open: HashSet::new(),
                }),
            }
        } else {
            self.change_apart(wishes, moment, |zone| locked.contains(zone))
                .await
        }
    }

    async fn change_apart(
        &self,
        wishes: &[&TransitionRequest],
        moment: AsOf,
        apart: impl Fn(&Uuid) -> bool,
    ) -> Result<Changes, StoreError> {
        let ids: Vec<_> = wishes.iter().map(|wish| wish.booking_id.uuid()).collect();
        let zones: Vec<(Uuid, Uuid)> = self
            .pool
            .run(async |on| sqlx::query_as(ZONES).bind(ids).fetch_all(on).await)
            .await?;
        let zones: HashMap<Uuid, Uuid> = zones.into_iter().collect();
        let zone_of = |wish: &&TransitionRequest| {
            zones
                .get(&wish.booking_id.uuid())
                .copied()
                .unwrap_or_default()
        };
        let parts = parts(wishes.iter().map(zone_of), apart);
        let parts = parts.iter().map(|(zone, positions)| {
            let part: Vec<&TransitionRequest> =
                positions.iter().map(|position| wishes[*position]).collect();
            async move { self.change_part(*zone, &part, moment).await }
        });
        let mut changes = Changes::default();
        for part in join_all(parts).await {
            changes.changed.extend(part.changed);
            changes.open.extend(part.open);
        }
        Ok(changes)
    }

    /// One zone's wishes, or those of all that are not known to be locked: if one of these is, each
    /// goes by itself.
    async fn change_part(
        &self,
        zone: Option<Uuid>,
        part: &[&TransitionRequest],
        moment: AsOf,
    ) -> Changes {
        let patience = zone.map_or(PATIENCE_MS, |zone| self.locked.patience_ms(zone));
        let mut changed = self.change(part, moment, patience).await;
        if let Some(zone) = zone {
            self.locked.learn(zone, &changed);
        } else if let Err(StoreError::Locked(_)) = changed {
            match Box::pin(self.change_apart(part, moment, |_| true)).await {
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
                tracing::warn!(%error, decisions = part.len(), "a part of a batch of decisions was not carried out");
                Changes {
                    changed: Vec::new(),
                    open: part.iter().map(|wish| wish.booking_id).collect(),
                }
            }
        }
    }

    async fn change(
        &self,
        wishes: &[&TransitionRequest],
        moment: AsOf,
        patience_ms: u32,
    ) -> Result<Vec<Booking>, StoreError> {
        let query = sqlx::query_as(CHANGE)
            .bind(
                wishes
                    .iter()
                    .map(|wish| wish.booking_id.uuid())
                    .collect::<Vec<_>>(),
            )
            .bind(
                wishes
                    .iter()
                    .map(|wish| wish.user.to_string())
                    .collect::<Vec<_>>(),
            )
            .bind(
                wishes
                    .iter()
                    .map(|wish| wished(wish.verb).as_str())
                    .collect::<Vec<_>>(),
            )
            .bind(moment.given_ms())
            .bind(patience_ms.to_string());
        let changed: Vec<BookingRow> = self.pool.run(async |on| query.fetch_all(on).await).await?;
        row::all(changed)
    }

    /// What did not change is read afterwards: the statement saw it as it was before it waited.
    async fn rule(&self, batch: &[TransitionRequest], changes: Changes) -> Vec<TransitionOutcome> {
        let Changes { changed, open } = changes;
        let mut changed: HashMap<_, _> = changed
            .into_iter()
            .map(|booking| (booking.booking_id, booking))
            .collect();
        let mut rulings: Vec<Option<TransitionOutcome>> = batch
            .iter()
            .map(|wish| first_change(wish, &mut changed))
            .collect();
        for (ruling, wish) in rulings.iter_mut().zip(batch) {
            if open.contains(&wish.booking_id) {
                *ruling = Some(TransitionOutcome::Unavailable);
            }
        }
        let unchanged = batch
            .iter()
            .zip(&rulings)
            .filter(|(_, ruling)| ruling.is_none());
        let ids: Vec<Uuid> = unchanged.map(|(wish, _)| wish.booking_id.uuid()).collect();
        let found = if ids.is_empty() {
            Ok(HashMap::new())
        } else {
            self.by_ids(ids).await
        };
        let rulings = rulings
            .into_iter()
            .zip(batch)
            .map(|(ruling, wish)| match (ruling, &found) {
                (Some(ruling), _) => ruling,
                // What did change is told all the same.
                (None, Err(_)) => TransitionOutcome::Unavailable,
                (None, Ok(found)) => found
                    .get(&wish.booking_id)
                    .filter(|booking| booking.user == wish.user)
                    .map_or(TransitionOutcome::NotFound, |booking| {
                        TransitionOutcome::Unchanged(booking.clone())
                    }),
            });
        rulings.collect()
    }

    async fn by_ids(&self, ids: Vec<Uuid>) -> Result<HashMap<BookingId, Booking>, StoreError> {
        let rows: Vec<BookingRow> = self
            .pool
            .run(async |on| sqlx::query_as(BY_IDS).bind(ids).fetch_all(on).await)
            .await?;
        Ok(row::all::<_, Booking>(rows)?
            .into_iter()
            .map(|booking| (booking.booking_id, booking))
            .collect())
    }
}

/// The ruling of the wish that changed the booking; taken out, so that a second wish for it in the
/// batch finds it changed.
fn first_change(
    wish: &TransitionRequest,
    changed: &mut HashMap<BookingId, Booking>,
) -> Option<TransitionOutcome> {
    let ours = changed.get(&wish.booking_id)?;
    let ours = ours.user == wish.user && ours.status == wished(wish.verb);
    ours.then(|| {
        changed
            .remove(&wish.booking_id)
            .map(TransitionOutcome::Changed)
    })
    .flatten()
}

/// One wish for each user and booking, the first of the batch: a row can be updated once in a
/// statement.
fn first_wishes(batch: &[TransitionRequest]) -> Vec<&TransitionRequest> {
    let mut seen = HashSet::new();
    batch
        .iter()
        .filter(|wish| seen.insert((wish.booking_id, &wish.user)))
        .collect()
}

fn wished(verb: Transition) -> Status {
    match verb {
        Transition::Confirm => Status::Confirmed,
        Transition::Cancel => Status::Cancelled,
    }
}
