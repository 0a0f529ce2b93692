//! Which positions are worth a message now: near the front every one, far back seldom.

use std::time::Duration;

use waitingroom::clock::Timestamp;

/// The pause between two position messages to someone this far back. At 10 passes a second, a message then announces about
/// as many steps as a person can tell apart.
pub(super) fn pause(position: u64) -> Duration {
    match position {
        0..=50 => Duration::ZERO,
        51..=500 => Duration::from_millis(500),
        501..=5_000 => Duration::from_secs(2),
        _ => Duration::from_secs(5),
    }
}

/// Is a message due?
pub(super) fn is_due(position: u64, told_at: Timestamp, now: Timestamp) -> bool {
    told_at.plus(pause(position)) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_hears_every_step_and_the_back_seldom() {
        let at = Timestamp::from_millis(1_000);
        assert!(is_due(3, at, at));
        assert!(!is_due(10_000, at, at.plus(Duration::from_secs(4))));
        assert!(is_due(10_000, at, at.plus(Duration::from_secs(5))));
    }
}
