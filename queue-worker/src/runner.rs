//! The loop around the step: every event once a tick, until the drain.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval};
use waitingroom::{ids::EventId, lifecycle::Lifecycle, line::Progress, rate::Share};

use crate::{Worker, pacing::LOOK};

/// How often the list of events is read.
const EVENTS_REFRESH: Duration = Duration::from_secs(1);
/// The line is told at least this often, so that a gateway that has just started knows it.
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// Events that are stepped at the same time.
const CONCURRENT_EVENTS: usize = 16;

#[derive(Default)]
struct Rounds {
    share: Share,
    looked: Option<Instant>,
    events: Vec<EventId>,
    told: HashMap<EventId, (Instant, Progress)>,
}

/// Steps every event once a tick until the process drains.
pub async fn run(worker: Worker, lifecycle: Lifecycle) {
    let mut rounds = Rounds::default();
    let mut ticks = interval(worker.config.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refreshed: Option<Instant> = None;
    while !lifecycle.is_draining() {
        tokio::select! { _ = ticks.tick() => {}, () = lifecycle.draining() => break }
        if refreshed.is_none_or(|at| at.elapsed() >= EVENTS_REFRESH) {
            rounds.refresh(&worker).await;
            refreshed = Some(Instant::now());
        }
        rounds.look(&worker).await;
        rounds.step(&worker).await;
    }
}

impl Rounds {
    async fn refresh(&mut self, worker: &Worker) {
        match worker.engine.events().await {
            Ok(events) => self.events = events,
            Err(error) => tracing::warn!(%error, "cannot read the list of events"),
        }
        self.told.retain(|event, _| self.events.contains(event));
    }

    async fn look(&mut self, worker: &Worker) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        match worker.look(self.share).await {
            Ok(share) => self.share = share,
            Err(error) => tracing::warn!(%error, "cannot see how booking is; the share stays"),
        }
    }

    async fn step(&mut self, worker: &Worker) {
        let steps = self.events.iter().map(|event| {
            let told = self.told.get(event).filter(|(at, _)| at.elapsed() < TELL_AGAIN);
            let told_at = told.map(|(at, _)| *at);
            let told = told.map(|(_, progress)| progress.clone());
            let share = self.share;
            async move { (*event, told_at, told.clone(), worker.tick(*event, share, told.as_ref()).await) }
        });
        let reports: Vec<_> =
            stream::iter(steps.collect::<Vec<_>>()).buffer_unordered(CONCURRENT_EVENTS).collect().await;
        for (event, told_at, told, report) in reports {
            match report {
                Ok(report) => {
                    let unchanged =
                        told.is_some_and(|told| told.to == report.progress.to && told.total == report.progress.total);
                    let at = told_at.filter(|_| unchanged).unwrap_or_else(Instant::now);
                    self.told.insert(event, (at, report.progress));
                }
                Err(error) => tracing::warn!(%event, %error, "the admission step failed"),
            }
        }
    }
}
