//! What a gap between two heartbeats means, for both databases.

use std::time::Duration;

use waitingroom_domain::clock::Timestamp;

use super::Outage;

/// No instance wrote for longer than this: an outage. Instances write twice a second; a disk that
/// is busy keeps one waiting for a second or two.
pub(super) const OUTAGE_GAP: Duration = Duration::from_secs(3);

/// Max extension of a hold, over all outages: seats that cannot be bought are not held for ever.
pub(super) const MAX_EXTENSION: Duration = Duration::from_secs(600);

/// A heartbeat that lies further in the future is of a clock that has been set back since.
pub(super) const CLOCK_SET_BACK: Duration = Duration::from_secs(10);

/// No hold is owed time of the outage that ended at `$1` any more.
pub(super) const CLEAR_OUTAGE: &str =
    "UPDATE heartbeat SET owed_from_ms = NULL, owed_to_ms = NULL WHERE owed_to_ms = $1";

/// The outage that holds are owed, by the row.
pub(super) fn outage(owed: (Option<i64>, Option<i64>)) -> Option<Outage> {
    let (from, to) = (owed.0?, owed.1?);
    Some(Outage {
        from: Timestamp::from_millis(from),
        to: Timestamp::from_millis(to),
    })
}
