//! The heartbeat: one small write that can be made only while bookings can be.

use async_trait::async_trait;
use uuid::Uuid;

use super::SqliteStore;
use crate::store::{ExtendedHolds, Heartbeat, Outage, StoreError, heartbeat as rules};

/// A gap becomes what is owed; one that comes before that has been given back prolongs it. A clock
/// that is set back starts again.
const WRITE_HEARTBEAT: &str = "
UPDATE heartbeat SET
    beat_at_ms = CASE WHEN beat_at_ms > now_ms + $2 THEN now_ms ELSE MAX(beat_at_ms, now_ms) END,
    owed_from_ms = CASE WHEN beat_at_ms > 0 AND now_ms - beat_at_ms > $1
        THEN COALESCE(owed_from_ms, beat_at_ms) ELSE owed_from_ms END,
    owed_to_ms = CASE WHEN beat_at_ms > 0 AND now_ms - beat_at_ms > $1 THEN now_ms ELSE owed_to_ms END
FROM (SELECT $3 AS now_ms)
RETURNING owed_from_ms, owed_to_ms";

const EXTEND_HOLDS: &str = "
UPDATE bookings SET
    expires_at_ms = expires_at_ms + MIN($2 - MAX($1, created_at_ms, prolonged_to_ms), $3 - prolonged_ms),
    prolonged_ms = prolonged_ms + MIN($2 - MAX($1, created_at_ms, prolonged_to_ms), $3 - prolonged_ms),
    prolonged_to_ms = $2
WHERE status = 'reserved' AND expires_at_ms > $1 AND created_at_ms < $2 AND prolonged_to_ms < $2 AND prolonged_ms < $3
RETURNING event_id";

const CLEAR_OUTAGE: &str =
    "UPDATE heartbeat SET owed_from_ms = NULL, owed_to_ms = NULL WHERE owed_to_ms = $1";

#[async_trait]
impl Heartbeat for SqliteStore {
    async fn write_heartbeat(&self) -> Result<Option<Outage>, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_as::<_, (Option<i64>, Option<i64>)>(WRITE_HEARTBEAT)
                .bind(rules::OUTAGE_GAP.as_millis() as i64)
                .bind(rules::CLOCK_SET_BACK.as_millis() as i64)
                .bind(self.clock.now().millis());
            let owed = self
                .writer
                .run(async |on| query.fetch_optional(on).await)
                .await?;
            // Without its row the database does not count as reachable.
            Ok(rules::outage(owed.ok_or_else(|| {
                StoreError::Corrupt("no heartbeat".into())
            })?))
        })
        .await
    }

    async fn extend_holds(&self, outage: Outage) -> Result<ExtendedHolds, StoreError> {
        self.with_timeout(async {
            let query = sqlx::query_scalar::<_, Uuid>(EXTEND_HOLDS)
                .bind(outage.from.millis())
                .bind(outage.to.millis())
                .bind(rules::MAX_EXTENSION.as_millis() as i64);
            let mut events = self
                .writer
                .run(async |on| query.fetch_all(on).await)
                .await?;
            let holds = events.len() as u64;
            let settled = sqlx::query(CLEAR_OUTAGE).bind(outage.to.millis());
            self.writer
                .run(async |on| settled.execute(on).await)
                .await?;
            events.sort_unstable();
            events.dedup();
            Ok(ExtendedHolds {
                holds,
                events: events.into_iter().map(Into::into).collect(),
                is_complete: true,
            })
        })
        .await
    }
}
