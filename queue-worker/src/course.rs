//! When the next step of an event is due, and what it sees to. The line as a whole is seen to, and
//! told, once a tick; while it moves fast, passes go out in smaller steps in between, so that they
//! do not come by the dozen at once.

use std::time::Duration;

use tokio::time::Instant;
use waitingroom::{
    engine::Scope,
    line::{Progress, SaleState},
    rate::step_pause,
};

use crate::tick::TickReport;

/// The line is told at least this often, so that a gateway that has just started knows it.
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// A closed event is looked at this seldom: nothing happens in it but what ends.
const CLOSED: Duration = Duration::from_secs(1);

/// Where an event is between its steps.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    whole_at: Instant,
    /// When passes are due before that.
    passes_at: Option<Instant>,
    told: Option<(Instant, Progress)>,
}

impl Course {
    /// An event that was not stepped yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            whole_at: now,
            passes_at: None,
            told: None,
        }
    }

    /// When the next step is due.
    pub(crate) fn due(&self) -> Instant {
        self.passes_at
            .map_or(self.whole_at, |at| at.min(self.whole_at))
    }

    /// What is due now.
    pub(crate) fn scope(&self, now: Instant) -> Option<Scope> {
        match (self.whole_at <= now, self.due() <= now) {
            (true, _) => Some(Scope::Whole),
            (false, true) => Some(Scope::Passes),
            (false, false) => None,
        }
    }

    /// What the gateways were told of the line, unless they are to be told again.
    pub(crate) fn told(&self, now: Instant) -> Option<&Progress> {
        self.told
            .as_ref()
            .filter(|(at, _)| now - *at < TELL_AGAIN)
            .map(|(_, progress)| progress)
    }

    /// A step that began at `begun` is done. Passes follow after a step that released some; one
    /// that released nobody, for want of tokens, of room below the cap or of people, is followed by
    /// the next whole one.
    pub(crate) fn stepped(
        &mut self,
        scope: Scope,
        begun: Instant,
        report: TickReport,
        tick: Duration,
    ) {
        let progress = report.progress;
        if scope == Scope::Whole {
            let pause = if progress.settings.state == SaleState::Closed {
                CLOSED.max(tick)
            } else {
                tick
            };
            self.whole_at = begun + pause;
        }
        let pause = step_pause(progress.rate_effective(), tick);
        self.passes_at = (report.released > 0).then(|| begun + pause);
        if scope == Scope::Whole {
            self.note(begun, progress);
        }
    }

    /// A step failed: the next whole one is the next.
    pub(crate) fn failed(&mut self, begun: Instant, tick: Duration) {
        (self.whole_at, self.passes_at) = (begun + tick, None);
    }

    /// The line was told, unless nothing had changed since it was.
    fn note(&mut self, at: Instant, progress: Progress) {
        let told = self
            .told(at)
            .is_some_and(|told| told.to == progress.to && told.total == progress.total);
        let at = self
            .told
            .as_ref()
            .filter(|_| told)
            .map_or(at, |(at, _)| *at);
        self.told = Some((at, progress));
    }
}

#[cfg(test)]
mod tests {
    use waitingroom::line::QueueSettings;

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
            resent: 0,
            lapsed: 0,
            progress,
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
            let mut course = Course::new(begun);
            assert_eq!(course.scope(begun), Some(Scope::Whole));
            course.stepped(Scope::Whole, begun, report(released, state, rate), TICK);
            let (next, scope) =
                passes.map_or((whole, Scope::Whole), |passes| (passes, Scope::Passes));
            assert_eq!(
                course.due() - begun,
                ms(next),
                "{released} of {rate}/s, {state:?}"
            );
            assert_eq!(course.scope(begun + ms(next - 1)), None);
            assert_eq!(course.scope(begun + ms(next)), Some(scope));
            assert_eq!(course.scope(begun + ms(whole)), Some(Scope::Whole));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fine_step_that_releases_nobody_is_the_last_before_the_whole_one() {
        let begun = Instant::now();
        let mut course = Course::new(begun);
        course.stepped(
            Scope::Whole,
            begun,
            report(50, SaleState::Open, 500.0),
            TICK,
        );
        let later = begun + Duration::from_millis(16);
        course.stepped(
            Scope::Passes,
            later,
            report(8, SaleState::Open, 500.0),
            TICK,
        );
        assert_eq!(course.due() - later, Duration::from_millis(16));
        course.stepped(
            Scope::Passes,
            later,
            report(0, SaleState::Open, 500.0),
            TICK,
        );
        assert_eq!(course.due() - begun, TICK);
        course.failed(later, TICK);
        assert_eq!(course.due() - later, TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_told_again_after_a_while() {
        let begun = Instant::now();
        let mut course = Course::new(begun);
        assert_eq!(course.told(begun), None);
        for tenths in 0..10 {
            let at = begun + TICK * tenths;
            course.stepped(Scope::Whole, at, report(0, SaleState::Open, 5.0), TICK);
            course.stepped(Scope::Passes, at, report(0, SaleState::Open, 7.0), TICK);
            assert_eq!(
                course.told(at).map(|told| told.settings.rate_per_second),
                Some(5.0),
                "by the whole step"
            );
        }
        assert_eq!(course.told(begun + TELL_AGAIN), None);
    }
}
