//! How fast queued connections are woken: the updates of one tick at once, those for all
//! connections of an event (a sale opens) over some time, so that neither passes nor clients'
//! machines wait for them.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// Average time between two batches.
const WAKE_INTERVAL: Duration = Duration::from_millis(2);
/// Max batches without a pause: a thousand connections, more than one tick's positions.
const WAKE_BURST: u32 = 32;

/// A virtual schedule of batches: one each [`WAKE_INTERVAL`], at most [`WAKE_BURST`] of them late.
#[derive(Debug, Default)]
pub(crate) struct WakePacer {
    next: Option<Instant>,
}

impl WakePacer {
    /// Waits until the next batch may be woken; other tasks run first.
    pub(crate) async fn ready(&mut self) {
        match self.next.filter(|next| *next > Instant::now()) {
            Some(next) => sleep_until(next).await,
            None => yield_now().await,
        }
        self.advance(Instant::now());
    }

    fn advance(&mut self, now: Instant) {
        let earliest = now.checked_sub(WAKE_INTERVAL * WAKE_BURST).unwrap_or(now);
        self.next = Some(self.next.map_or(earliest, |next| next.max(earliest)) + WAKE_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn allows_a_burst_then_a_steady_pace() {
        let (mut pacer, start) = (WakePacer::default(), Instant::now());
        for _ in 0..WAKE_BURST {
            pacer.ready().await;
        }

        assert_eq!(start.elapsed(), Duration::ZERO);

        for _ in 0..100 {
            pacer.ready().await;
        }

        let taken = start.elapsed();
        assert!(
            (WAKE_INTERVAL * 98..=WAKE_INTERVAL * 102).contains(&taken),
            "{taken:?}"
        );
        tokio::time::advance(WAKE_INTERVAL * WAKE_BURST * 2).await;

        let rested = Instant::now();
        for _ in 0..WAKE_BURST {
            pacer.ready().await;
        }

        assert_eq!(
            rested.elapsed(),
            Duration::ZERO,
            "a rest gives no more than that back"
        );
        pacer.ready().await;
        pacer.ready().await;

        assert!(rested.elapsed() > Duration::ZERO);
    }
}
