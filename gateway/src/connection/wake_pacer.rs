//! How fast connections whose news can wait are woken: what a tick of the line tells at once, and
//! what is said to the whole line, as that its sale opens, over some time, so that neither passes
//! nor the clients' machines wait for it.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// Pause between two wakings, in the long run.
const PAUSE: Duration = Duration::from_millis(2);
/// Wakings that may follow each other at once: a thousand connections, more than a tick's
/// positions.
const AT_ONCE: u32 = 32;

/// A virtual schedule of wakings: one each [`PAUSE`], and no more than [`AT_ONCE`] of them late.
#[derive(Debug, Default)]
pub(crate) struct WakePacer {
    next: Option<Instant>,
}

impl WakePacer {
    /// Returns when the next few may be woken; others have their turn first.
    pub(crate) async fn draw(&mut self) {
        match self.next.filter(|next| *next > Instant::now()) {
            Some(next) => sleep_until(next).await,
            None => yield_now().await,
        }
        self.drawn(Instant::now());
    }

    fn drawn(&mut self, now: Instant) {
        let earliest = now.checked_sub(PAUSE * AT_ONCE).unwrap_or(now);
        self.next = Some(self.next.map_or(earliest, |next| next.max(earliest)) + PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ticks_news_is_told_at_once_and_more_in_a_steady_pace() {
        let (mut breath, start) = (WakePacer::default(), Instant::now());
        for _ in 0..AT_ONCE {
            breath.draw().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..100 {
            breath.draw().await;
        }
        let taken = start.elapsed();
        assert!((PAUSE * 98..=PAUSE * 102).contains(&taken), "{taken:?}");
        tokio::time::advance(PAUSE * AT_ONCE * 2).await;
        let rested = Instant::now();
        for _ in 0..AT_ONCE {
            breath.draw().await;
        }
        assert_eq!(
            rested.elapsed(),
            Duration::ZERO,
            "a rest gives no more than that back"
        );
        breath.draw().await;
        breath.draw().await;
        assert!(rested.elapsed() > Duration::ZERO);
    }
}
