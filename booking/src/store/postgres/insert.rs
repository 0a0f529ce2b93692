//! A batch of bookings in one statement: rows, counters and an outbox batch, all or nothing;
//! no user beyond their limit. If a zone is locked, its bookings go by themselves.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use sqlx::Postgres;
use uuid::Uuid;

use super::locked_zones::{LOCK_TIMEOUT_MS, LockedZones, partition};
use crate::{
    model::{booking::NewBooking, outbox::encode_message},
    store::{
        InsertOutcome, StoreError,
        connection::Connections,
        statement::{Statement, statement},
    },
};

/// The columns of a batch, in the order in which [`bind_columns`] binds them.
macro_rules! input {
    () => {
        "UNNEST(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::bigint[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::bigint[], $13::bigint[]"
    };
}

macro_rules! names {
    () => {
        "booking_id, event_id, show_id, zone_id, user_id, quantity, unit_price, currency, pass_jti,
        idempotency_key, idempotency_fingerprint, created_at_ms, expires_at_ms"
    };
}

/// All of a batch or nothing: for bookings of which none has the pass or the key of another, as the
/// engine has it. A batch costs the database as much as some thirty rows, so what can be summed and
/// packed is summed and packed before: seats by zone ($14, $15), the outbox batch ($16) and its
/// size ($17). An outbox batch that is empty is rejected, and with it a batch that names a zone
/// that is not there.
///
/// One statement is one transaction: no second round trip while hot rows are locked. Whatever is
/// locked is locked in one order by all: users ($20 to $22) by their names, then passes and keys,
/// then zones by their ids.
const INSERT_NEW: &str = concat!(
    "
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $19, TRUE)), limited AS MATERIALIZED (
    SELECT claim_seats($20, $21, $22) AS checked FROM patience
), stored AS (
    INSERT INTO bookings (status, ",
    names!(),
    ")
    SELECT 'reserved', input.* FROM patience CROSS JOIN ",
    input!(),
    ") AS input WHERE (SELECT max(checked) FROM limited) = 0
    RETURNING 1
), locked AS (
    SELECT zones.zone_id, demand.seats
    FROM zones JOIN UNNEST($14::uuid[], $15::bigint[]) AS demand (zone_id, seats) ON demand.zone_id = zones.zone_id
    WHERE (SELECT count(*) FROM stored) > 0
    ORDER BY zones.zone_id FOR NO KEY UPDATE OF zones
), counted AS (
    UPDATE zones SET held = held + locked.seats FROM locked WHERE zones.zone_id = locked.zone_id RETURNING 1
)
INSERT INTO outbox (messages, size, created_at_ms)
SELECT $16, CASE (SELECT count(*) FROM counted) WHEN cardinality($14) THEN $17::int ELSE 0 END, $18"
);

/// What there is not of a batch yet, and has seats. It looks for conflicts first, into three
/// indices for each row, and answers which rows were stored (true), and which name a zone that is
/// not there (false).
const INSERT_MISSING: &str = concat!(
    "
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $15, TRUE)), limited AS MATERIALIZED (
    SELECT claim_seats($16, $17, $18) AS checked FROM patience
), input AS (
    SELECT input.* FROM patience CROSS JOIN ",
    input!(),
    ", $14::text[]) AS input (",
    names!(),
    ", message)
), stored AS (
    INSERT INTO bookings (status, ",
    names!(),
    ")
    SELECT 'reserved', ",
    names!(),
    "
    FROM input WHERE zone_id IN (SELECT zones.zone_id FROM zones) AND (SELECT max(checked) FROM limited) = 0
    ON CONFLICT DO NOTHING
    RETURNING booking_id, zone_id, quantity
), demand AS (
    SELECT zone_id, sum(quantity) AS seats FROM stored GROUP BY zone_id
), locked AS (
    SELECT zones.zone_id, demand.seats FROM zones JOIN demand ON demand.zone_id = zones.zone_id
    ORDER BY zones.zone_id FOR NO KEY UPDATE OF zones
), counted AS (
    UPDATE zones SET held = held + locked.seats FROM locked WHERE zones.zone_id = locked.zone_id
), noted AS (
    INSERT INTO outbox (messages, size, created_at_ms)
    SELECT string_agg(message, ''), count(*), min(created_at_ms)
    FROM input JOIN stored ON stored.booking_id = input.booking_id HAVING count(*) > 0
)
SELECT booking_id, TRUE FROM stored
UNION ALL SELECT booking_id, FALSE FROM input WHERE zone_id NOT IN (SELECT zones.zone_id FROM zones)"
);

/// Who wants more than their limit of an event leaves them, and how much that is: after the
/// rejection, in a query of its own.
const OVER_LIMIT: &str = "
SELECT event_id, user_id, CAST(GREATEST(max_seats_per_user - has, 0) AS INTEGER) FROM (
    SELECT claim.event_id, claim.user_id, claim.seats AS wanted, max_seats_per_user, (
        SELECT COALESCE(sum(quantity) FILTER (WHERE bookings.event_id = claim.event_id
            AND status IN ('reserved', 'confirmed')), 0)
        FROM bookings WHERE bookings.user_id = claim.user_id
    ) AS has
    FROM UNNEST($1::uuid[], $2::text[], $3::int[]) AS claim (event_id, user_id, seats)
    JOIN events ON events.event_id = claim.event_id
) AS claims WHERE wanted + has > max_seats_per_user";

const HAS_BOOKING: &str =
    "SELECT count(*) FROM bookings WHERE pass_jti = $1 OR (user_id = $2 AND idempotency_key = $3)";

/// Reservations that are stored together.
pub(super) struct InsertBatch<'a> {
    pub(super) pool: &'a Connections<Postgres>,
    pub(super) locked: &'a LockedZones,
}

impl InsertBatch<'_> {
    /// All zones at once; if one is locked, each by itself.
    pub(super) async fn run(&self, batch: &[NewBooking]) -> Result<Vec<InsertOutcome>, StoreError> {
        let locked = self.locked.all();
        if locked.is_empty() {
            match self.insert_batch(batch, LOCK_TIMEOUT_MS).await {
                Err(StoreError::Locked(_)) => Ok(self.insert_per_zone(batch, |_| true).await),
                answer => answer,
            }
        } else {
            Ok(self
                .insert_per_zone(batch, |zone| locked.contains(zone))
                .await)
        }
    }

    async fn insert_per_zone(
        &self,
        batch: &[NewBooking],
        apart: impl Fn(&Uuid) -> bool,
    ) -> Vec<InsertOutcome> {
        let partition = partition(batch.iter().map(|row| row.booking.zone_id.uuid()), apart);
        let partition = partition.into_iter().map(|(zone, positions)| {
            let part: Vec<_> = positions
                .iter()
                .map(|position| batch[*position].clone())
                .collect();
            async move { (positions, self.insert_part(zone, &part).await) }
        });

        let mut answers = vec![InsertOutcome::Unavailable; batch.len()];
        for (positions, part) in join_all(partition).await {
            positions
                .into_iter()
                .zip(part)
                .for_each(|(position, answer)| answers[position] = answer);
        }
        answers
    }

    /// One zone's, or those of all that are not known to be locked: if one of these is, each goes
    /// by itself.
    async fn insert_part(&self, zone: Option<Uuid>, part: &[NewBooking]) -> Vec<InsertOutcome> {
        let patience = zone.map_or(LOCK_TIMEOUT_MS, |zone| self.locked.lock_timeout_ms(zone));
        let stored = self.insert_batch(part, patience).await;
        match (zone, &stored) {
            (Some(zone), _) => self.locked.record_result(zone, &stored),
            (None, Err(StoreError::Locked(_))) => {
                return Box::pin(self.insert_per_zone(part, |_| true)).await;
            }
            (None, _) => {}
        }

        stored.unwrap_or_else(|error| {
            tracing::warn!(%error, reservations = part.len(), "part of a reservation batch failed");
            vec![
                if error.may_be_committed() {
                    InsertOutcome::Unknown
                } else {
                    InsertOutcome::Unavailable
                };
                part.len()
            ]
        })
    }

    /// The whole batch at once, in the hope that all of it is new; if one row makes the database
    /// refuse the batch, each row by itself. Users who want too much are taken out before.
    async fn insert_batch(
        &self,
        batch: &[NewBooking],
        lock_timeout_ms: u32,
    ) -> Result<Vec<InsertOutcome>, StoreError> {
        // By pass, so that two batches with the same ones wait for each other in one order only.
        let mut rows: Vec<_> = batch.iter().collect();
        rows.sort_unstable_by_key(|row| row.pass_id.as_str());
        let (mut apart, mut answers) = (Vec::new(), HashMap::new());
        let mut stored = self.insert_new(&rows, lock_timeout_ms).await;
        if is_over_limit(&stored) {
            let room = self.over_limit(&rows).await?;
            (apart, rows) = rows
                .into_iter()
                .partition(|row| room.contains_key(&claimant(row)));
            stored = self.insert_new(&rows, lock_timeout_ms).await;
        }

        match stored {
            Ok(()) => answers.extend(
                rows.iter()
                    .map(|row| (booking_key(row), InsertOutcome::Stored)),
            ),
            Err(StoreError::Rejected(_)) => match self.insert_missing(&rows, lock_timeout_ms).await
            {
                Ok(found) => {
                    answers.extend(rows.iter().map(|row| (booking_key(row), found.answer(row))))
                }
                Err(StoreError::Rejected(_)) => apart.append(&mut rows),
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }

        for row in apart {
            // Rows before this one may stand: that is for the caller to find out.
            let answer = self
                .insert_alone(row, lock_timeout_ms)
                .await
                .map_err(|error| StoreError::Uncertain(error.to_string()))?;
            answers.insert(booking_key(row), answer);
        }

        Ok(batch
            .iter()
            .map(|row| {
                answers
                    .get(&booking_key(row))
                    .copied()
                    .unwrap_or(InsertOutcome::Duplicate)
            })
            .collect())
    }

    async fn insert_alone(
        &self,
        row: &NewBooking,
        lock_timeout_ms: u32,
    ) -> Result<InsertOutcome, StoreError> {
        let mut stored = self.insert_missing(&[row], lock_timeout_ms).await;
        if is_over_limit(&stored) {
            if let Some(room) = self.over_limit(&[row]).await?.remove(&claimant(row)) {
                let has_booking = self.has_booking(row).await?;
                return Ok(if has_booking {
                    InsertOutcome::Duplicate
                } else {
                    InsertOutcome::OverLimit(room)
                });
            }

            stored = self.insert_missing(&[row], lock_timeout_ms).await;
        }

        match stored {
            // Others were as quick for the same user.
            refused if is_over_limit(&refused) => Ok(InsertOutcome::OverLimit(0)),
            Err(StoreError::Rejected(_)) => Ok(InsertOutcome::NoSeats),
            found => found.map(|found| found.answer(row)),
        }
    }

    async fn over_limit<'a>(
        &self,
        rows: &[&'a NewBooking],
    ) -> Result<HashMap<Claimant<'a>, u32>, StoreError> {
        let claims = SeatClaims::of(rows);
        let over = statement(OVER_LIMIT)
            .bind(&claims.events)
            .bind(&claims.users)
            .bind(&claims.seats);
        let over = self.pool.fetch_all::<(Uuid, String, i32)>(over).await?;
        let room = |claimant: Claimant<'a>| {
            let (_, _, room) = over
                .iter()
                .find(|(event, user, _)| (*event, user.as_str()) == claimant)?;
            Some((claimant, (*room).max(0) as u32))
        };

        Ok(claims.claimants().filter_map(room).collect())
    }

    async fn has_booking(&self, row: &NewBooking) -> Result<bool, StoreError> {
        let bookings = statement(HAS_BOOKING)
            .bind(row.pass_id.as_str())
            .bind(row.booking.user.as_str())
            .bind(row.idempotency.as_ref().map(|attempt| attempt.key.as_str()));
        let (bookings,) = self.pool.fetch_one::<(i64,)>(bookings).await?;
        Ok(bookings > 0)
    }

    async fn insert_new(
        &self,
        rows: &[&NewBooking],
        lock_timeout_ms: u32,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }

        let claims = SeatClaims::of(rows);
        let mut demand = BTreeMap::<Uuid, i64>::new();
        for NewBooking { booking, .. } in rows {
            *demand.entry(booking.zone_id.uuid()).or_default() += i64::from(booking.quantity);
        }

        let (zones, seats): (Vec<_>, Vec<_>) = demand.into_iter().unzip();
        let insert = bind_columns(statement(INSERT_NEW), rows)
            .bind(zones)
            .bind(seats)
            .bind(
                rows.iter()
                    .map(|row| encode_message(&row.booking.message()))
                    .collect::<String>(),
            )
            .bind(rows.len() as i32)
            .bind(rows.iter().map(|row| row.booking.created_at.millis()).min())
            .bind(lock_timeout_ms.to_string())
            .bind(claims.events)
            .bind(claims.users)
            .bind(claims.seats);
        self.pool.execute(insert).await.map(drop)
    }

    async fn insert_missing(
        &self,
        rows: &[&NewBooking],
        lock_timeout_ms: u32,
    ) -> Result<Found, StoreError> {
        let claims = SeatClaims::of(rows);
        let insert = bind_columns(statement(INSERT_MISSING), rows)
            .bind(column(rows, |row| encode_message(&row.booking.message())))
            .bind(lock_timeout_ms.to_string())
            .bind(claims.events)
            .bind(claims.users)
            .bind(claims.seats);

        let found = self.pool.fetch_all::<(Uuid, bool)>(insert).await?;
        Ok(Found(found.into_iter().collect()))
    }
}

/// Does the limit of seats of one of the users stand in the way? The name is the migration's.
fn is_over_limit<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Rejected(why)) if why.contains("user_seats_limit"))
}

/// A user of an event.
type Claimant<'a> = (Uuid, &'a str);

fn claimant(row: &NewBooking) -> Claimant<'_> {
    (row.booking.event_id.uuid(), row.booking.user.as_str())
}

fn booking_key(row: &NewBooking) -> Uuid {
    row.booking.booking_id.uuid()
}

/// The seats that rows want, by event and user.
struct SeatClaims<'a> {
    events: Vec<Uuid>,
    users: Vec<&'a str>,
    seats: Vec<i32>,
}

impl<'a> SeatClaims<'a> {
    fn of(rows: &[&'a NewBooking]) -> Self {
        let mut claims = BTreeMap::<Claimant<'a>, i32>::new();
        for row in rows {
            *claims.entry(claimant(row)).or_default() += row.booking.quantity as i32;
        }

        let (claimants, seats): (Vec<_>, _) = claims.into_iter().unzip();
        let (events, users) = claimants.into_iter().unzip();
        Self {
            events,
            users,
            seats,
        }
    }

    fn claimants(&self) -> impl Iterator<Item = Claimant<'a>> {
        self.events.iter().copied().zip(self.users.iter().copied())
    }
}

/// Which rows were stored (true), and which name a zone that is not there (false).
struct Found(HashMap<Uuid, bool>);

impl Found {
    fn answer(&self, row: &NewBooking) -> InsertOutcome {
        match self.0.get(&row.booking.booking_id.uuid()) {
            Some(true) => InsertOutcome::Stored,
            Some(false) => InsertOutcome::NoSeats,
            None => InsertOutcome::Duplicate,
        }
    }
}

fn column<'a, T>(rows: &[&'a NewBooking], value: impl Fn(&'a NewBooking) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

fn bind_columns(statement: Statement<Postgres>, rows: &[&NewBooking]) -> Statement<Postgres> {
    statement
        .bind(column(rows, |row| row.booking.booking_id.uuid()))
        .bind(column(rows, |row| row.booking.event_id.uuid()))
        .bind(column(rows, |row| row.booking.show_id.uuid()))
        .bind(column(rows, |row| row.booking.zone_id.uuid()))
        .bind(column(rows, |row| row.booking.user.as_str()))
        .bind(column(rows, |row| row.booking.quantity as i32))
        .bind(column(rows, |row| row.booking.unit_price.minor))
        .bind(column(rows, |row| {
            row.booking.unit_price.currency.to_string()
        }))
        .bind(column(rows, |row| row.pass_id.as_str()))
        .bind(column(rows, |row| {
            row.idempotency.as_ref().map(|attempt| attempt.key.as_str())
        }))
        .bind(column(rows, |row| {
            row.idempotency
                .as_ref()
                .map(|attempt| attempt.fingerprint.as_str())
        }))
        .bind(column(rows, |row| row.booking.created_at.millis()))
        .bind(column(rows, |row| row.booking.expires_at.millis()))
}
