//! Which positions are worth a message now: near the front every one, far back seldom.
//!
//! Everybody has a moment of their own in each min_interval, by their number. So messages are spread over
//! time by themselves, also where something happened to all at once: when a line is opened, its
//! thousands are not told in one tick.

use std::time::Duration;

use waitingroom::clock::Timestamp;

/// The min_interval between two position messages to someone this far back. At 10 passes a second, a
/// message then announces about as many steps as a person can tell apart.
fn min_interval(position: u64) -> Duration {
    match position {
        0..=50 => Duration::ZERO,
        51..=500 => Duration::from_millis(500),
        501..=5_000 => Duration::from_secs(2),
        _ => Duration::from_secs(5),
    }
}

/// Is a turn that comes after this wait there before the next message about this position would be?
pub(super) fn admitted_before_next_update(position: u64, wait_seconds: u32) -> bool {
    Duration::from_secs(wait_seconds.into()) < min_interval(position)
}

/// Does this user's moment lie after `last`, when positions were last looked at, and not after
/// `now`?
pub(super) fn is_due(position: u64, number: u64, last: Timestamp, now: Timestamp) -> bool {
    let min_interval = min_interval(position).as_millis() as i64;
    if min_interval == 0 {
        return true;
    }
    let own = (number.wrapping_mul(GOLDEN_RATIO_64) >> 32) as i64 % min_interval;
    (last.millis() - own).div_euclid(min_interval) < (now.millis() - own).div_euclid(min_interval)
}

/// Neighbours' moments lie far apart: 2^64 divided by the golden ratio.
const GOLDEN_RATIO_64: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    /// How many of a thousand users at this position are told in each of these ticks.
    fn told(position: u64, ticks: &[i64]) -> Vec<usize> {
        let due = |last, now| {
            (1..=1_000)
                .filter(|number| is_due(position, *number, at(last), at(now)))
                .count()
        };
        ticks.windows(2).map(|tick| due(tick[0], tick[1])).collect()
    }

    #[test]
    fn the_front_hears_every_step() {
        assert_eq!(told(3, &[0, 100, 100, 210]), [1_000, 1_000, 1_000]);
    }

    #[test]
    fn everybody_is_told_once_in_a_pause_however_the_ticks_fall() {
        for (position, min_interval) in [
            (51, 500),
            (500, 500),
            (501, 2_000),
            (5_000, 2_000),
            (5_001, 5_000),
            (60_000, 5_000),
        ] {
            for tick in [100, 103, 1_000] {
                let mut ticks: Vec<i64> = (0..)
                    .map(|at| at * tick)
                    .take_while(|at| *at < min_interval)
                    .collect();
                ticks.push(min_interval);
                assert_eq!(
                    told(position, &ticks).iter().sum::<usize>(),
                    1_000,
                    "{position}, ticks of {tick} ms"
                );
            }
        }
    }

    #[test]
    fn only_a_fast_line_reaches_somebody_before_their_next_message() {
        let ends = |position: u64, per_second: u64| {
            admitted_before_next_update(position, position.div_ceil(per_second) as u32)
        };
        let positions = [1, 50, 51, 500, 501, 1_000, 5_000, 5_001, 20_000, 60_000];
        assert!(!positions.iter().any(|position| ends(*position, 500)));
        let soon = positions.map(|position| ends(position, 5_000));
        assert_eq!(
            soon,
            [
                false, false, false, false, true, true, true, true, true, false
            ]
        );
    }

    #[test]
    fn messages_are_spread_over_the_pause() {
        let ticks: Vec<i64> = (0..=50).map(|at| at * 100).collect();
        assert!(
            told(9_000, &ticks)
                .iter()
                .all(|told| (10..=30).contains(told)),
            "{:?}",
            told(9_000, &ticks)
        );
    }
}
