//! Confirming, cancelling and expiring: a conditional update decides, and only rows it changed move seats.

use std::collections::HashMap;

use sqlx::{Postgres, Transaction};
use uuid::Uuid;
use waitingroom::{clock::Timestamp, ids::BookingId};

use super::PostgresStore;
use crate::{
    parcel::pack,
    reservation::{Booking, Status},
    store::{
        Decision, Ruling, StoreError, Verb,
        row::{self, BookingRow},
        sql::booking_columns,
    },
};

const CHANGE: &str = concat!(
    "WITH due AS (
    SELECT bookings.booking_id, wish.status FROM bookings
    JOIN UNNEST($1::uuid[], $2::text[], $3::text[]) AS wish (booking_id, user_id, status)
        ON wish.booking_id = bookings.booking_id AND wish.user_id = bookings.user_id
    -- Said twice, so that the planner takes the rows by their ids and not all that are reserved.
    WHERE bookings.booking_id = ANY($1) AND bookings.status = 'reserved' AND bookings.expires_at_ms > $4
    ORDER BY bookings.booking_id FOR NO KEY UPDATE OF bookings
), changed AS (
    UPDATE bookings SET status = due.status,
        confirmed_at_ms = CASE WHEN due.status = 'confirmed' THEN $4 END
    FROM due WHERE bookings.booking_id = due.booking_id
    RETURNING bookings.*
) SELECT ",
    booking_columns!(),
    " FROM changed"
);

/// Does not wait for the disk: whoever reserves one of these seats commits later, and with that commit this one is on disk as well;
/// if nobody does, a crash may undo it, and the holds expire once more. The rows are locked, so they are still where they were found.
const EXPIRE: &str = concat!(
    "WITH lightly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE)), due AS (
    SELECT ctid FROM bookings WHERE status = 'reserved' AND expires_at_ms <= $1
    ORDER BY expires_at_ms LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
), changed AS (
    UPDATE bookings SET status = 'expired' FROM lightly WHERE bookings.ctid = ANY (ARRAY(SELECT ctid FROM due))
    RETURNING bookings.*
) SELECT ",
    booking_columns!(),
    " FROM changed"
);

const COUNT_AND_NOTE: &str = "
WITH change AS (
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS change (zone_id, held, confirmed)
), locked AS (
    SELECT zones.zone_id, change.held, change.confirmed FROM zones JOIN change ON change.zone_id = zones.zone_id
    ORDER BY zones.zone_id FOR NO KEY UPDATE OF zones
), counted AS (
    UPDATE zones SET held = zones.held - locked.held, confirmed = zones.confirmed + locked.confirmed
    FROM locked WHERE zones.zone_id = locked.zone_id
)
INSERT INTO outbox (messages, size, created_at_ms) VALUES ($4, $5, $6)";

const BY_IDS: &str = concat!("SELECT ", booking_columns!(), " FROM bookings WHERE booking_id = ANY($1)");

impl PostgresStore {
    pub(super) async fn decide_batch(&self, batch: &[Decision], now: Timestamp) -> Result<Vec<Ruling>, StoreError> {
        let first = first_wishes(batch);
        let mut transaction = self.begin().await?;
        let changed: Vec<BookingRow> = sqlx::query_as(CHANGE)
            .bind(first.iter().map(|wish| wish.booking_id.uuid()).collect::<Vec<_>>())
            .bind(first.iter().map(|wish| wish.user.to_string()).collect::<Vec<_>>())
            .bind(first.iter().map(|wish| wished(wish.verb).as_str()).collect::<Vec<_>>())
            .bind(now.millis())
            .fetch_all(&mut *transaction)
            .await?;
        let changed: Vec<Booking> = row::all(changed)?;
        count_and_note(&mut transaction, &changed, now).await?;
        transaction.commit().await?;
        self.rule(batch, changed).await
    }

    pub(super) async fn expire_batch(&self, now: Timestamp, limit: u32) -> Result<Vec<Booking>, StoreError> {
        let mut transaction = self.begin().await?;
        // Planned anew each time: a plan that was made while the table was small reads all of it, until it is analyzed.
        let query = sqlx::query_as(EXPIRE).bind(now.millis()).bind(i64::from(limit)).persistent(false);
        let expired: Vec<BookingRow> = query.fetch_all(&mut *transaction).await?;
        let expired: Vec<Booking> = row::all(expired)?;
        count_and_note(&mut transaction, &expired, now).await?;
        transaction.commit().await?;
        Ok(expired)
    }

    async fn rule(&self, batch: &[Decision], changed: Vec<Booking>) -> Result<Vec<Ruling>, StoreError> {
        let mut changed: HashMap<_, _> = changed.into_iter().map(|booking| (booking.booking_id, booking)).collect();
        let mut rulings: Vec<Option<Ruling>> = batch.iter().map(|wish| first_change(wish, &mut changed)).collect();
        let open = batch.iter().zip(&rulings).filter(|(_, ruling)| ruling.is_none());
        let ids: Vec<Uuid> = open.map(|(wish, _)| wish.booking_id.uuid()).collect();
        let found = if ids.is_empty() { HashMap::new() } else { self.by_ids(ids).await? };
        let rulings = rulings.iter_mut().zip(batch).map(|(ruling, wish)| match ruling.take() {
            Some(ruling) => ruling,
            None => found
                .get(&wish.booking_id)
                .filter(|booking| booking.user == wish.user)
                .map_or(Ruling::NotFound, |booking| Ruling::Unchanged(booking.clone())),
        });
        Ok(rulings.collect())
    }

    async fn by_ids(&self, ids: Vec<Uuid>) -> Result<HashMap<BookingId, Booking>, StoreError> {
        let rows: Vec<BookingRow> = sqlx::query_as(BY_IDS).bind(ids).fetch_all(&self.pool).await?;
        Ok(row::all::<_, Booking>(rows)?.into_iter().map(|booking| (booking.booking_id, booking)).collect())
    }
}

/// The ruling of the wish that changed the booking; taken out, so that a second wish for it in the batch finds it changed.
fn first_change(wish: &Decision, changed: &mut HashMap<BookingId, Booking>) -> Option<Ruling> {
    let ours = changed.get(&wish.booking_id)?;
    let ours = ours.user == wish.user && ours.status == wished(wish.verb);
    ours.then(|| changed.remove(&wish.booking_id).map(Ruling::Changed)).flatten()
}

/// One wish for each user and booking, the first of the batch: a row can be updated once in a statement.
fn first_wishes(batch: &[Decision]) -> Vec<&Decision> {
    let mut seen = std::collections::HashSet::new();
    batch.iter().filter(|wish| seen.insert((wish.booking_id, &wish.user))).collect()
}

fn wished(verb: Verb) -> Status {
    match verb {
        Verb::Confirm => Status::Confirmed,
        Verb::Cancel => Status::Cancelled,
    }
}

async fn count_and_note(
    transaction: &mut Transaction<'_, Postgres>,
    changed: &[Booking],
    now: Timestamp,
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut zones = HashMap::<Uuid, (i64, i64)>::new();
    for booking in changed {
        let (held, confirmed) = zones.entry(booking.zone_id.uuid()).or_default();
        *held += i64::from(booking.quantity);
        *confirmed += if booking.status == Status::Confirmed { i64::from(booking.quantity) } else { 0 };
    }
    let messages: Vec<_> = changed.iter().map(Booking::message).collect();
    sqlx::query(COUNT_AND_NOTE)
        .bind(zones.keys().copied().collect::<Vec<_>>())
        .bind(zones.values().map(|(held, _)| *held).collect::<Vec<_>>())
        .bind(zones.values().map(|(_, confirmed)| *confirmed).collect::<Vec<_>>())
        .bind(pack(&messages))
        .bind(messages.len() as i32)
        .bind(now.millis())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
