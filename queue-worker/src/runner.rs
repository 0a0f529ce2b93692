//! The loop around the step: each event when its step is due, until the drain.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};
use waitingroom::{ids::EventId, lifecycle::Lifecycle, rate::Share};

use crate::{Worker, course::Course, pacing::LOOK};

/// How often the list of events is read.
const EVENTS_REFRESH: Duration = Duration::from_secs(1);
/// Events that are stepped at the same time.
const CONCURRENT_EVENTS: usize = 16;
/// Pause after steps that took longer than what lies between them.
const BREATH: Duration = Duration::from_millis(5);

struct Rounds {
    share: Share,
    look_at: Instant,
    refresh_at: Instant,
    events: HashMap<EventId, Course>,
}

/// Steps every event when it is due until the process drains.
pub async fn run(worker: Worker, lifecycle: Lifecycle) {
    let now = Instant::now();
    let mut rounds = Rounds { share: Share::default(), look_at: now, refresh_at: now, events: HashMap::new() };
    while !lifecycle.is_draining() {
        rounds.refresh(&worker).await;
        rounds.look(&worker).await;
        rounds.step(&worker).await;
        let next = rounds.next().max(Instant::now() + BREATH);
        tokio::select! { () = sleep_until(next) => {}, () = lifecycle.draining() => break }
    }
}

impl Rounds {
    /// When anything is due next.
    fn next(&self) -> Instant {
        let others = self.look_at.min(self.refresh_at);
        self.events.values().map(Course::due).min().map_or(others, |due| due.min(others))
    }

    async fn refresh(&mut self, worker: &Worker) {
        let now = Instant::now();
        if now < self.refresh_at {
            return;
        }
        self.refresh_at = now + EVENTS_REFRESH;
        match worker.engine.events().await {
            Ok(events) => {
                self.events.retain(|event, _| events.contains(event));
                for event in events {
                    self.events.entry(event).or_insert_with(|| Course::new(now));
                }
            }
            Err(error) => tracing::warn!(%error, "cannot read the list of events"),
        }
    }

    async fn look(&mut self, worker: &Worker) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK;
        match worker.look(self.share).await {
            Ok(share) => self.share = share,
            Err(error) => tracing::warn!(%error, "cannot see how booking is; the share stays"),
        }
    }

    async fn step(&mut self, worker: &Worker) {
        let (now, share) = (Instant::now(), self.share);
        let due = self
            .events
            .iter()
            .filter_map(|(event, course)| Some((*event, course.scope(now)?, course.told(now).cloned())));
        let steps = due.map(|(event, scope, told)| async move {
            let begun = Instant::now();
            (event, scope, begun, worker.tick(event, share, scope, told.as_ref()).await)
        });
        let steps = stream::iter(steps.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_EVENTS);
        for (event, scope, begun, report) in steps.collect::<Vec<_>>().await {
            let Some(course) = self.events.get_mut(&event) else { continue };
            match report {
                Ok(report) => course.stepped(scope, begun, report, worker.config.tick),
                Err(error) => {
                    course.failed(begun, worker.config.tick);
                    tracing::warn!(%event, %error, "the admission step failed");
                }
            }
        }
    }
}
