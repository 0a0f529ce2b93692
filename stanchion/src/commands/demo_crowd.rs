//! `demo-crowd`: guests who wait in the line of a running server, through its public interface, so
//! that a single person sees a line move. They buy nothing: each gives its turn back after a while,
//! and all give their places back at the end.

mod api;
mod guest;
mod progress;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use self::{
    api::Api,
    guest::{Guest, Update},
    progress::Progress,
};
use crate::{cli::DemoCrowd, output::print_line};

/// Time between two guests who arrive.
const ARRIVAL_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports of guests that may wait to be counted.
const UPDATES: usize = 1_024;
/// Maximum wait for guests who give their places back.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the crowd until every guest is done, a signal, or a failure.
///
/// # Errors
/// No server, no guests, no sale, or a server that goes away.
pub async fn run(options: DemoCrowd) -> Result<()> {
    let api = Arc::new(Api::new(&options.url)?);
    api.check_server().await?;
    let event = api.choose_event(options.event).await?;
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );

    print_line(&format!(
        "{} guests join the line of \"{}\"; join them at {}/e/{}\nCtrl-C ends it. They buy nothing.",
        options.users, event.name, options.url, event.event_id
    ))?;
    if event.is_paused() {
        print_line("The sale is paused: the line stands until an operator resumes it.")?;
    }

    let (stop, stopped) = watch::channel(false);
    let (updates, mut reports) = mpsc::channel::<Update>(UPDATES);
    let mut guests = JoinSet::new();
    for index in 0..usize::from(options.users) {
        let guest = Guest {
            index,
            api: Arc::clone(&api),
            event: event.event_id,
            turns: if options.once { Some(1) } else { None },
            updates: updates.clone(),
        };
        let arrives = Instant::now() + ARRIVAL_INTERVAL * u32::try_from(index).unwrap_or(u32::MAX);
        guests.spawn(guest.run(arrives, stopped.clone()));
    }
    drop(updates);

    let mut progress = Progress::new(options.users.into());
    let mut report = interval(REPORT_INTERVAL);
    report.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut failure = None;
    let mut leave_by = None;

    while !guests.is_empty() {
        let begin_to_leave = tokio::select! {
            Some(update) = reports.recv() => {
                progress.apply(update);
                false
            }
            Some(ended) = guests.join_next() => {
                let ended = ended.context("a guest crashed").and_then(|ended| ended);
                failure = failure.or(ended.err());
                failure.is_some()
            }
            _ = report.tick() => {
                progress.print()?;
                false
            }
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = sleep_until(leave_by.unwrap_or_else(Instant::now)), if leave_by.is_some() => break,
        };

        if begin_to_leave && leave_by.is_none() {
            let _ = stop.send(true); // guests hold the other end
            leave_by = Some(Instant::now() + LEAVE_TIMEOUT);
        }
    }

    while let Ok(update) = reports.try_recv() {
        progress.apply(update);
    }
    progress.finish()?;
    failure.map_or(Ok(()), Err)
}
