//! A batch of bookings in one statement: rows, counters and a parcel of messages, all or nothing. If a zone is locked, its bookings go
//! by themselves.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

use super::{
    PostgresStore,
    zones::{PATIENCE_MS, parts},
};
use crate::{
    parcel::line,
    reservation::NewBooking,
    store::{Inserted, StoreError},
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

/// All of a batch or nothing: for bookings of which none has the pass or the key of another, as the engine has it. A batch costs
/// the database as much as some thirty rows, so what can be summed and packed is summed and packed before: seats by zone ($14,
/// $15), the parcel ($16) and its size ($17). A parcel that is empty is refused, and with it a batch that names a zone that is not
/// there.
///
/// One statement is one transaction: no second round trip while hot rows are locked. Zones are locked last and by their ids.
const INSERT_NEW: &str = concat!(
    "
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $19, TRUE)), stored AS (
    INSERT INTO bookings (status, ",
    names!(),
    ")
    SELECT 'reserved', input.* FROM patience CROSS JOIN ",
    input!(),
    ") AS input
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

/// What there is not of a batch yet, and has seats. It looks for conflicts first, into three indices for each row, and answers which
/// rows were stored (true), and which name a zone that is not there (false).
const INSERT_MISSING: &str = concat!(
    "
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $15, TRUE)), input AS (
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
    FROM input WHERE zone_id IN (SELECT zones.zone_id FROM zones)
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

impl PostgresStore {
    /// All zones at once; if one is locked, each by itself.
    pub(super) async fn insert_by_zones(&self, batch: &[NewBooking]) -> Result<Vec<Inserted>, StoreError> {
        let locked = self.locked.all();
        if locked.is_empty() {
            match self.insert_batch(batch, PATIENCE_MS).await {
                Err(StoreError::Locked(_)) => Ok(self.insert_apart(batch, |_| true).await),
                answer => answer,
            }
        } else {
            Ok(self.insert_apart(batch, |zone| locked.contains(zone)).await)
        }
    }

    async fn insert_apart(&self, batch: &[NewBooking], apart: impl Fn(&Uuid) -> bool) -> Vec<Inserted> {
        let parts = parts(batch.iter().map(|row| row.booking.zone_id.uuid()), apart);
        let parts = parts.into_iter().map(|(zone, positions)| {
            let part: Vec<_> = positions.iter().map(|position| batch[*position].clone()).collect();
            async move { (positions, self.insert_part(zone, &part).await) }
        });
        let mut answers = vec![Inserted::NotNow; batch.len()];
        for (positions, part) in join_all(parts).await {
            positions.into_iter().zip(part).for_each(|(position, answer)| answers[position] = answer);
        }
        answers
    }

    /// One zone's, or those of all that are not known to be locked: if one of these is, each goes by itself.
    async fn insert_part(&self, zone: Option<Uuid>, part: &[NewBooking]) -> Vec<Inserted> {
        let patience = zone.map_or(PATIENCE_MS, |zone| self.locked.patience_ms(zone));
        let stored = self.insert_batch(part, patience).await;
        match (zone, &stored) {
            (Some(zone), _) => self.locked.learn(zone, &stored),
            (None, Err(StoreError::Locked(_))) => return Box::pin(self.insert_apart(part, |_| true)).await,
            (None, _) => {}
        }
        stored.unwrap_or_else(|error| {
            tracing::warn!(%error, reservations = part.len(), "a part of a batch was not committed");
            vec![if error.may_stand() { Inserted::Unknown } else { Inserted::NotNow }; part.len()]
        })
    }

    /// The whole batch at once, in the hope that all of it is new; where one row makes the database refuse the batch, each row
    /// by itself.
    async fn insert_batch(&self, batch: &[NewBooking], patience_ms: u32) -> Result<Vec<Inserted>, StoreError> {
        // By pass, so that two batches with the same ones wait for each other in one order only.
        let mut rows: Vec<_> = batch.iter().collect();
        rows.sort_unstable_by_key(|row| row.pass_id.as_str());
        match self.insert_new(&rows, patience_ms).await {
            Err(StoreError::Refused(_)) => {}
            answer => return answer.map(|()| vec![Inserted::Stored; batch.len()]),
        }
        match self.insert_missing(&rows, patience_ms).await {
            Err(StoreError::Refused(_)) => self.insert_singly(batch, patience_ms).await,
            found => found.map(|found| batch.iter().map(|row| found.answer(row)).collect()),
        }
    }

    async fn insert_singly(&self, batch: &[NewBooking], patience_ms: u32) -> Result<Vec<Inserted>, StoreError> {
        let mut answers = Vec::with_capacity(batch.len());
        for row in batch {
            match self.insert_missing(&[row], patience_ms).await {
                Ok(found) => answers.push(found.answer(row)),
                Err(StoreError::Refused(_)) => answers.push(Inserted::NoSeats),
                // Rows before this one stand: that is for the caller to find out.
                Err(error) => return Err(StoreError::Uncertain(error.to_string())),
            }
        }
        Ok(answers)
    }

    async fn insert_new(&self, rows: &[&NewBooking], patience_ms: u32) -> Result<(), StoreError> {
        let mut demand = BTreeMap::<Uuid, i64>::new();
        for NewBooking { booking, .. } in rows {
            *demand.entry(booking.zone_id.uuid()).or_default() += i64::from(booking.quantity);
        }
        let (zones, seats): (Vec<_>, Vec<_>) = demand.into_iter().unzip();
        let statement = bind_columns(sqlx::query(INSERT_NEW), rows)
            .bind(zones)
            .bind(seats)
            .bind(rows.iter().map(|row| line(&row.booking.message())).collect::<String>())
            .bind(rows.len() as i32)
            .bind(rows.iter().map(|row| row.booking.created_at.millis()).min())
            .bind(patience_ms.to_string());
        self.pool.run(async |on| statement.execute(on).await).await.map(drop)
    }

    async fn insert_missing(&self, rows: &[&NewBooking], patience_ms: u32) -> Result<Found, StoreError> {
        let statement = bind_columns(sqlx::query(INSERT_MISSING), rows);
        let statement = statement.bind(column(rows, |row| line(&row.booking.message()))).bind(patience_ms.to_string());
        let found = self.pool.run(async |on| statement.fetch_all(on).await).await?;
        let pair = |row: PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        Ok(Found(found.into_iter().map(pair).collect::<Result<_, sqlx::Error>>()?))
    }
}

/// Which rows were stored (true), and which name a zone that is not there (false).
struct Found(HashMap<Uuid, bool>);

impl Found {
    fn answer(&self, row: &NewBooking) -> Inserted {
        match self.0.get(&row.booking.booking_id.uuid()) {
            Some(true) => Inserted::Stored,
            Some(false) => Inserted::NoSeats,
            None => Inserted::Duplicate,
        }
    }
}

type Statement<'a> = Query<'a, Postgres, PgArguments>;

fn column<'a, T>(rows: &[&'a NewBooking], value: impl Fn(&'a NewBooking) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

fn bind_columns<'a>(statement: Statement<'a>, rows: &[&'a NewBooking]) -> Statement<'a> {
    statement
        .bind(column(rows, |row| row.booking.booking_id.uuid()))
        .bind(column(rows, |row| row.booking.event_id.uuid()))
        .bind(column(rows, |row| row.booking.show_id.uuid()))
        .bind(column(rows, |row| row.booking.zone_id.uuid()))
        .bind(column(rows, |row| row.booking.user.as_str()))
        .bind(column(rows, |row| row.booking.quantity as i32))
        .bind(column(rows, |row| row.booking.unit_price.minor))
        .bind(column(rows, |row| row.booking.unit_price.currency.to_string()))
        .bind(column(rows, |row| row.pass_id.as_str()))
        .bind(column(rows, |row| row.idempotency.as_ref().map(|attempt| attempt.key.as_str())))
        .bind(column(rows, |row| row.idempotency.as_ref().map(|attempt| attempt.fingerprint.as_str())))
        .bind(column(rows, |row| row.booking.created_at.millis()))
        .bind(column(rows, |row| row.booking.expires_at.millis()))
}
