//! The latency of the commit stage, from which the wait of a new reservation is estimated.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The duration of the last batch, and the start of the present one.
#[derive(Debug, Default)]
pub(super) struct CommitLatency(Mutex<BatchTimes>);

#[derive(Debug, Default, Clone, Copy)]
struct BatchTimes {
    last: Duration,
    /// When the present batch began.
    present: Option<Instant>,
}

impl CommitLatency {
    /// A batch begins.
    pub(super) fn batch_started(&self, now: Instant) {
        self.update(|batches| batches.present = Some(now));
    }

    /// The batch is done.
    pub(super) fn batch_finished(&self, now: Instant) {
        self.update(|batches| {
            let begun = batches.present.take().unwrap_or(now);
            batches.last = now.saturating_duration_since(begun);
        });
    }

    /// The estimated wait of a request behind this many batches. Zero while no batch is in flight:
    /// after an outage, one batch finds out whether the database has recovered, and the others are
    /// rejected meanwhile.
    pub(super) fn estimated_wait(&self, batches_ahead: usize, now: Instant) -> Duration {
        let BatchTimes { last, present } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(begun) = present else {
            return Duration::ZERO;
        };
        let one = last.max(now.saturating_duration_since(begun));
        one * u32::try_from(batches_ahead + 1).unwrap_or(u32::MAX)
    }

    fn update(&self, update: impl FnOnce(&mut BatchTimes)) {
        update(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn estimates_wait_by_last_batch() {
        let (latency, start) = (CommitLatency::default(), Instant::now());
        assert_eq!(latency.estimated_wait(20, start), Duration::ZERO);
        latency.batch_started(start);
        assert_eq!(latency.estimated_wait(0, start + 5 * MS), 5 * MS);
        assert_eq!(
            latency.estimated_wait(3, start + 500 * MS),
            2_000 * MS,
            "it grows while nothing happens"
        );
        latency.batch_finished(start + 3_000 * MS);
        assert_eq!(
            latency.estimated_wait(0, start + 3_001 * MS),
            Duration::ZERO,
            "somebody has to try"
        );
        latency.batch_started(start + 3_001 * MS);
        assert_eq!(
            latency.estimated_wait(0, start + 3_002 * MS),
            3_000 * MS,
            "the others do not wait for that"
        );
        latency.batch_finished(start + 3_011 * MS);
        latency.batch_started(start + 3_011 * MS);

        assert_eq!(latency.estimated_wait(2, start + 3_012 * MS), 30 * MS);
    }
}
