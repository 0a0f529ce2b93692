//! When the next tick of an event is due, and its scope. The full tick sweeps the queue and
//! publishes its progress; while the queue moves fast, grants-only ticks in between release passes,
//! so that they do not come by the dozen at once.

use std::time::Duration;

use tokio::time::Instant;
use waitingroom_domain::{
    queue::{Progress, SaleState},
    rate::tick_interval,
};
use waitingroom_engine::TickScope;

use crate::tick::TickReport;

/// Progress is published at least this often, so that a gateway that has just started receives it.
const REPUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// Interval of a closed event's ticks: only expiries happen in it.
const CLOSED_INTERVAL: Duration = Duration::from_secs(1);

/// The tick schedule of one event.
#[derive(Debug, Clone)]
pub(crate) struct TickSchedule {
    full_at: Instant,
    /// When a grants-only tick is due before that.
    grants_at: Option<Instant>,
    last_published: Option<(Instant, Progress)>,
}

impl TickSchedule {
    /// An event without a tick yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            full_at: now,
            grants_at: None,
            last_published: None,
        }
    }

    /// When the next tick is due.
    pub(crate) fn due(&self) -> Instant {
        self.grants_at
            .map_or(self.full_at, |at| at.min(self.full_at))
    }

    /// The scope of the tick that is due now.
    pub(crate) fn scope(&self, now: Instant) -> Option<TickScope> {
        match (self.full_at <= now, self.due() <= now) {
            (true, _) => Some(TickScope::Full),
            (false, true) => Some(TickScope::GrantsOnly),
            (false, false) => None,
        }
    }

    /// The progress that was published last, unless it has to be published again.
    pub(crate) fn last_published(&self, now: Instant) -> Option<&Progress> {
        self.last_published
            .as_ref()
            .filter(|(at, _)| now - *at < REPUBLISH_INTERVAL)
            .map(|(_, progress)| progress)
    }

    /// A tick that began at `begun` is done. Schedules another grants-only tick if this one
    /// released passes; one that released none, for lack of tokens, cap or users, is followed by
    /// the next full tick.
    pub(crate) fn on_tick(
        &mut self,
        scope: TickScope,
        begun: Instant,
        report: TickReport,
        tick: Duration,
    ) {
        let progress = report.progress;
        if scope == TickScope::Full {
            let pause = if progress.settings.state == SaleState::Closed {
                CLOSED_INTERVAL.max(tick)
            } else {
                tick
            };
            self.full_at = begun + pause;
        }

        let pause = tick_interval(progress.rate_effective(), tick);
        self.grants_at = (report.released > 0).then(|| begun + pause);

        if scope == TickScope::Full {
            self.record(begun, progress);
        }
    }

    /// A tick failed: the next one is full.
    pub(crate) fn on_failure(&mut self, begun: Instant, tick: Duration) {
        (self.full_at, self.grants_at) = (begun + tick, None);
    }

    /// Records a publication, unless nothing had changed since the last.
    fn record(&mut self, at: Instant, progress: Progress) {
        let is_unchanged = self
            .last_published(at)
            .is_some_and(|last| last.to == progress.to && last.total == progress.total);
        let at = self
            .last_published
            .as_ref()
            .filter(|_| is_unchanged)
            .map_or(at, |(at, _)| *at);
        self.last_published = Some((at, progress));
    }
}

#[cfg(test)]
mod tests {
    use waitingroom_domain::queue::QueueSettings;

    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    fn report(released: usize, state: SaleState, rate_per_second: f64) -> TickReport {
        let settings = QueueSettings {
            state,
            rate_per_second,
            ..QueueSettings::default()
        };
        let progress = Progress {
            event_id: uuid::Uuid::nil().into(),
            epoch: "e".parse().unwrap(),
            from: 0,
            to: 0,
            removed: vec![],
            total: 5,
            active: 2,
            seats_left: 9,
            settings,
            share: 1.0,
            released: None,
            present: None,
            passed_over: 0,
            counting: false,
            seats_known: true,
        };

        TickReport {
            released,
            progress,
            signals: vec![],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_are_stepped_finely_while_some_go_and_the_line_once_a_tick() {
        let ms = Duration::from_millis;
        for (released, state, rate, passes, whole) in [
            (50, SaleState::Open, 500.0, Some(16), 100),
            (0, SaleState::Open, 500.0, None, 100),
            (3, SaleState::Open, 10_000.0, Some(10), 100),
            (1, SaleState::Open, 10.0, None, 100),
            (0, SaleState::Paused, 500.0, None, 100),
            (0, SaleState::Closed, 500.0, None, 1_000),
        ] {
            let begun = Instant::now();
            let mut schedule = TickSchedule::new(begun);
            assert_eq!(schedule.scope(begun), Some(TickScope::Full));
            schedule.on_tick(TickScope::Full, begun, report(released, state, rate), TICK);
            let (next, scope) = passes.map_or((whole, TickScope::Full), |passes| {
                (passes, TickScope::GrantsOnly)
            });
            assert_eq!(
                schedule.due() - begun,
                ms(next),
                "{released} of {rate}/s, {state:?}"
            );
            assert_eq!(schedule.scope(begun + ms(next - 1)), None);
            assert_eq!(schedule.scope(begun + ms(next)), Some(scope));
            assert_eq!(schedule.scope(begun + ms(whole)), Some(TickScope::Full));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fine_step_that_releases_nobody_is_the_last_before_the_whole_one() {
        let begun = Instant::now();
        let mut schedule = TickSchedule::new(begun);

        schedule.on_tick(
            TickScope::Full,
            begun,
            report(50, SaleState::Open, 500.0),
            TICK,
        );

        let later = begun + Duration::from_millis(16);
        schedule.on_tick(
            TickScope::GrantsOnly,
            later,
            report(8, SaleState::Open, 500.0),
            TICK,
        );
        assert_eq!(schedule.due() - later, Duration::from_millis(16));
        schedule.on_tick(
            TickScope::GrantsOnly,
            later,
            report(0, SaleState::Open, 500.0),
            TICK,
        );
        assert_eq!(schedule.due() - begun, TICK);
        schedule.on_failure(later, TICK);

        assert_eq!(schedule.due() - later, TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_told_again_after_a_while() {
        let begun = Instant::now();
        let mut schedule = TickSchedule::new(begun);

        assert_eq!(schedule.last_published(begun), None);

        for tenths in 0..10 {
            let at = begun + TICK * tenths;
            schedule.on_tick(TickScope::Full, at, report(0, SaleState::Open, 5.0), TICK);
            schedule.on_tick(
                TickScope::GrantsOnly,
                at,
                report(0, SaleState::Open, 7.0),
                TICK,
            );
            assert_eq!(
                schedule
                    .last_published(at)
                    .map(|last| last.settings.rate_per_second),
                Some(5.0),
                "by the whole step"
            );
        }

        assert_eq!(schedule.last_published(begun + REPUBLISH_INTERVAL), None);
    }
}
