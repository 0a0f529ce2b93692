//! Expiring: holds whose time is over, in one statement that commits by itself.

use futures_util::{StreamExt, future::join_all, stream};
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

use super::{
    locked_zones::{LOCK_TIMEOUT_MS, LockedZones, MAX_ZONES_PER_SWEEP},
    sql::{database_now, messages_of_changed, seats_of_changed},
};
use crate::{
    model::booking::Booking,
    store::{
        AsOf, StoreError,
        connection::Connections,
        row::{self, BookingRow},
        sql::booking_columns,
        statement::statement,
    },
};

/// Zones that are tried at the same time when it is not known which of them is locked.
const ZONE_CONCURRENCY: usize = 3;

/// Does not wait for the disk: a reservation of one of these seats commits later, and with that
/// commit this one is on disk as well; without one, a crash may undo it, and the holds expire
/// once more. The rows are locked, so they are still where they were found.
///
/// Sent as text, without parameters, so that it is planned each time: a plan that was made while
/// the table was small reads all of it, until it is analyzed. And so its limits are set in the same
/// round trip, as parts of its transaction.
macro_rules! expire {
    () => {
        concat!(
            "SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 2000; SET LOCAL lock_timeout = {patience};
WITH due AS (
    SELECT ctid FROM bookings WHERE status = 'reserved' AND expires_at_ms <= {now} AND {zones}
    ORDER BY expires_at_ms LIMIT {limit} FOR NO KEY UPDATE SKIP LOCKED
), changed AS (
    UPDATE bookings SET status = 'expired' WHERE bookings.ctid = ANY (ARRAY(SELECT ctid FROM due))
    RETURNING bookings.*
), ",
            seats_of_changed!(),
            ", noted AS (
    INSERT INTO outbox (messages, size, created_at_ms)
    SELECT ",
            messages_of_changed!(),
            ", count(*), {now} FROM changed HAVING count(*) > 0
) SELECT ",
            booking_columns!(),
            " FROM changed"
        )
    };
}

/// Which zones' holds.
#[derive(Debug, Clone, Copy)]
enum ZoneFilter<'a> {
    Only(Uuid),
    AllBut(&'a [Uuid]),
}

impl ZoneFilter<'_> {
    fn condition(self) -> String {
        match self {
            Self::Only(zone) => format!("zone_id = '{zone}'"),
            Self::AllBut([]) => "TRUE".to_owned(),
            Self::AllBut(zones) => {
                let zones: Vec<_> = zones.iter().map(|zone| format!("'{zone}'")).collect();
                format!("zone_id NOT IN ({})", zones.join(", "))
            }
        }
    }
}

fn now_expression(as_of: AsOf) -> String {
    as_of
        .fixed_ms()
        .map_or_else(|| database_now!().to_owned(), |given| given.to_string())
}

/// Expires holds whose time is over, some `limit` of them.
pub(super) struct ExpirySweep<'a> {
    pub(super) pool: &'a Connections<Postgres>,
    pub(super) locked: &'a LockedZones,
    pub(super) as_of: AsOf,
    pub(super) limit: u32,
}

impl ExpirySweep<'_> {
    /// The zones that are known to be locked go by themselves; if another one is, each zone does.
    pub(super) async fn run(&self) -> Result<Vec<Booking>, StoreError> {
        let locked = self.locked.all();
        let apart = join_all(locked.iter().map(|zone| self.expire_zone(*zone)));
        let others = self.expire(ZoneFilter::AllBut(&locked), LOCK_TIMEOUT_MS);
        let (apart, others) = futures_util::join!(apart, others);

        let others = match others {
            Err(StoreError::Locked(_)) => self.expire_per_zone(&locked).await?,
            others => others?,
        };

        Ok(apart.into_iter().flatten().chain(others).collect())
    }

    async fn expire_per_zone(&self, but: &[Uuid]) -> Result<Vec<Booking>, StoreError> {
        let due = format!(
            "SELECT DISTINCT zone_id FROM (SELECT zone_id FROM bookings WHERE status = 'reserved' AND expires_at_ms <= {now} AND {zones}
                ORDER BY expires_at_ms LIMIT {limit}) AS due LIMIT {MAX_ZONES_PER_SWEEP}",
            now = now_expression(self.as_of),
            zones = ZoneFilter::AllBut(but).condition(),
            limit = self.limit
        );
        let zones = self
            .pool
            .fetch_all::<(Uuid,)>(statement(AssertSqlSafe(due)))
            .await?;

        let each = zones.into_iter().map(|(zone,)| self.expire_zone(zone));
        let expired: Vec<Vec<Booking>> = stream::iter(each)
            .buffer_unordered(ZONE_CONCURRENCY)
            .collect()
            .await;

        Ok(expired.into_iter().flatten().collect())
    }

    /// The holds of one zone; none if it is locked, which delays no other zone.
    async fn expire_zone(&self, zone: Uuid) -> Vec<Booking> {
        let expired = self
            .expire(ZoneFilter::Only(zone), self.locked.lock_timeout_ms(zone))
            .await;
        self.locked.record_result(zone, &expired);
        if let Err(error) = &expired {
            tracing::debug!(%zone, %error, "the holds of one zone did not expire");
        }

        expired.unwrap_or_default()
    }

    async fn expire(
        &self,
        zones: ZoneFilter<'_>,
        lock_timeout_ms: u32,
    ) -> Result<Vec<Booking>, StoreError> {
        // Numbers, ids and words of ours: there is nothing to escape.
        let expire = format!(
            expire!(),
            patience = lock_timeout_ms,
            now = now_expression(self.as_of),
            zones = zones.condition(),
            limit = self.limit
        );
        let expire = AssertSqlSafe(expire);
        row::all(self.pool.fetch_all_raw::<BookingRow>(expire).await?)
    }
}
