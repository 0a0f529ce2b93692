//! The heartbeat: one small write that can be made only while bookings can be.

use sqlx::Sqlite;
use uuid::Uuid;
use waitingroom_domain::clock::Timestamp;

use crate::store::{
    ExtendedHolds, Outage, StoreError,
    connection::{Connections, Transaction},
    heartbeat as rules,
    statement::statement,
};

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

pub(super) async fn write(
    transaction: &mut Transaction<Sqlite>,
    now: Timestamp,
) -> Result<Option<Outage>, StoreError> {
    let write = statement(WRITE_HEARTBEAT)
        .bind(rules::OUTAGE_GAP.as_millis() as i64)
        .bind(rules::CLOCK_SET_BACK.as_millis() as i64)
        .bind(now.millis());
    let owed = transaction.fetch_optional(write).await?;

    // Without its row the database does not count as reachable.
    let owed = owed.ok_or_else(|| StoreError::Corrupt("no heartbeat".into()))?;
    Ok(rules::outage(owed))
}

pub(super) async fn extend_holds(
    writer: &Connections<Sqlite>,
    outage: Outage,
) -> Result<ExtendedHolds, StoreError> {
    let extend = statement(EXTEND_HOLDS)
        .bind(outage.from.millis())
        .bind(outage.to.millis())
        .bind(rules::MAX_EXTENSION.as_millis() as i64);
    let extended = writer.fetch_all::<(Uuid,)>(extend).await?;

    let clear = statement(rules::CLEAR_OUTAGE).bind(outage.to.millis());
    writer.execute(clear).await?;

    let holds = extended.len() as u64;
    let mut events: Vec<_> = extended.into_iter().map(|(event,)| event).collect();
    events.sort_unstable();
    events.dedup();
    Ok(ExtendedHolds {
        holds,
        events: events.into_iter().map(Into::into).collect(),
        is_complete: true,
    })
}
