//! Which positions are sent now: near the front each one, further back at intervals.
//!
//! Each user has a phase of their own within the interval, derived from their number. This spreads
//! messages over time, also after an event that concerns all users at once: when a queue opens, its
//! thousands of users are not sent a message in one tick.

use std::time::Duration;

use waitingroom_domain::clock::Timestamp;

/// Interval between two position messages at this position. At 10 passes a second, a message then
/// moves a user by about as many places as a person can tell apart.
fn min_interval(position: u64) -> Duration {
    match position {
        0..=50 => Duration::ZERO,
        51..=500 => Duration::from_millis(500),
        501..=5_000 => Duration::from_secs(2),
        _ => Duration::from_secs(5),
    }
}

/// Interval between two messages to a user at this position of which only the length of the queue is news.
fn min_total_interval(position: u64) -> Duration {
    match position {
        0..=500 => Duration::from_secs(4),
        501..=5_000 => Duration::from_secs(10),
        _ => Duration::from_secs(30),
    }
}

/// Does a wait of this length end before the next position message would be due?
pub(super) fn admitted_before_next_update(position: u64, wait_seconds: u32) -> bool {
    Duration::from_secs(wait_seconds.into()) < min_interval(position)
}

/// Does this user's phase fall after `last`, when positions were last checked, and not after `now`?
pub(super) fn is_due(position: u64, number: u64, last: Timestamp, now: Timestamp) -> bool {
    has_passed(min_interval(position), number, last, now)
}

/// The same for a message of which only the length of the queue is news.
pub(super) fn is_total_due(position: u64, number: u64, last: Timestamp, now: Timestamp) -> bool {
    has_passed(min_total_interval(position), number, last, now)
}

fn has_passed(interval: Duration, number: u64, last: Timestamp, now: Timestamp) -> bool {
    let interval_ms = interval.as_millis() as i64;
    if interval_ms == 0 {
        return true;
    }
    let phase_ms = (number.wrapping_mul(GOLDEN_RATIO_64) >> 32) as i64 % interval_ms;
    (last.millis() - phase_ms).div_euclid(interval_ms)
        < (now.millis() - phase_ms).div_euclid(interval_ms)
}

/// 2^64 divided by the golden ratio: the phases of neighbouring numbers lie far apart.
const GOLDEN_RATIO_64: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    /// How many of a thousand users at this position are sent a message in each of these ticks.
    fn messages_sent(position: u64, ticks: &[i64]) -> Vec<usize> {
        let due = |last, now| {
            (1..=1_000)
                .filter(|number| is_due(position, *number, at(last), at(now)))
                .count()
        };
        ticks.windows(2).map(|tick| due(tick[0], tick[1])).collect()
    }

    #[test]
    fn sends_every_position_near_front() {
        assert_eq!(messages_sent(3, &[0, 100, 100, 210]), [1_000, 1_000, 1_000]);
    }

    #[test]
    fn sends_one_message_in_each_interval() {
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
                    messages_sent(position, &ticks).iter().sum::<usize>(),
                    1_000,
                    "{position}, ticks of {tick} ms"
                );
            }
        }
    }

    #[test]
    fn sends_length_alone_once_in_its_interval() {
        for (position, interval_ms) in [(1, 4_000), (501, 10_000), (60_000, 30_000)] {
            let mut ticks: Vec<i64> = (0..interval_ms).step_by(1_000).collect();
            ticks.push(interval_ms);
            let due = |last, now| {
                (1..=1_000)
                    .filter(|number| is_total_due(position, *number, at(last), at(now)))
                    .count()
            };
            let sent: Vec<usize> = ticks.windows(2).map(|tick| due(tick[0], tick[1])).collect();

            assert_eq!(sent.iter().sum::<usize>(), 1_000, "{position}");
            assert!(sent.iter().all(|now| *now < 400), "spread: {sent:?}");
        }
    }

    #[test]
    fn predicts_admission_before_next_update() {
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
    fn spreads_messages_over_interval() {
        let ticks: Vec<i64> = (0..=50).map(|at| at * 100).collect();
        assert!(
            messages_sent(9_000, &ticks)
                .iter()
                .all(|messages_sent| (10..=30).contains(messages_sent)),
            "{:?}",
            messages_sent(9_000, &ticks)
        );
    }
}
