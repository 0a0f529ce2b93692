//! How fast connections whose news can wait are woken: what a tick of the line tells at once, and
//! what is said to the whole line, as that its sale opens, over some time, so that neither passes
//! nor the clients' machines wait for it.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// Pause between two wakings, in the long run.
const WAKE_INTERVAL: Duration = Duration::from_millis(2);
/// Wakings that may follow each other at once: a thousand connections, more than a tick's
/// positions.
const WAKE_BURST: u32 = 32;

/// A virtual schedule of wakings: one each [`WAKE_INTERVAL`], and no more than [`WAKE_BURST`] of them late.
#[derive(Debug, Default)]
pub(crate) struct WakePacer {
    next: Option<Instant>,
}

impl WakePacer {
    /// Returns when the next few may be woken; others have their turn first.
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
    async fn a_ticks_news_is_told_at_once_and_more_in_a_steady_pace() {
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
