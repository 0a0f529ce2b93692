//! The node's ear and its sign of life: one listener for all its users, one report an event, and a probe that proves that the
//! ear still hears.

mod breath;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::task::yield_now;
use waitingroom::{
    ids::{EventId, UserId},
    line::Place,
    problem::{Code, Problem},
    signal::{Heard, Listener, Recipient, Signal, SignalError},
};

use self::breath::Breath;
use crate::{Gateway, registry::Applied};

/// How often a node reports itself; see [`waitingroom::absence::NODE_TIMEOUT`].
const REPORT: Duration = Duration::from_secs(2);
/// Events that it reports to at the same time: those whose shard of Redis does not answer may not keep the others waiting.
const REPORTS: usize = 256;
/// How often a node probes its own subscription, and looks for lost messages.
const PROBE: Duration = Duration::from_millis(500);
/// Pause before places that could not be read are read again.
const RESYNC_RETRY: Duration = Duration::from_millis(500);
/// Places that are read at the same time in a resync.
const RESYNC_CONCURRENCY: usize = 64;

pub(crate) async fn start(gateway: &Gateway) -> Result<(), SignalError> {
    let with = &gateway.0.with;
    let ear = with.signals.listen(&gateway.0.config.node).await?;
    gateway.0.registry.set_hears(true);
    with.lifecycle.spawn("ear", listen(gateway.clone(), ear));
    with.lifecycle.spawn("node report", report(gateway.clone()));
    with.lifecycle.spawn("probe", probe(gateway.clone()));
    with.lifecycle.spawn("pulse", pulse(gateway.clone()));
    Ok(())
}

async fn pulse(gateway: Gateway) {
    gateway.0.pulse.run(&gateway.0.with.lifecycle, gateway.0.config.drain_window).await;
}

/// Hears until the process stops: also while draining, since the users are still here. What is heard comes before what was told
/// by an earlier signal and can wait.
async fn listen(gateway: Gateway, mut ear: Box<dyn Listener>) {
    let registry = &gateway.0.registry;
    let mut breath = Breath::default();
    loop {
        tokio::select! {
            biased;
            heard = ear.next() => match heard {
                Heard::Signal(signal) => {
                    hear(&gateway, *signal);
                    yield_now().await; // whoever was given a pass writes it before the line's next step is worked out
                }
                Heard::Gap => missed(&gateway).await,
            },
            () = drained(&gateway) => return,
            () = breath.draw(), if registry.wakes() => registry.wake_some(),
        }
    }
}

/// Returns once a draining node has no users.
async fn drained(gateway: &Gateway) {
    gateway.0.with.lifecycle.draining().await;
    while !gateway.0.registry.events().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn hear(gateway: &Gateway, signal: Signal) {
    let registry = &gateway.0.registry;
    match signal {
        Signal::Passes { event_id, passes } => registry.deliver(event_id, passes),
        Signal::Lapsed { event_id, users } => {
            users.iter().for_each(|(user, lapse)| registry.lapse(event_id, user, *lapse));
        }
        Signal::Progress(progress) => {
            if registry.progress(&progress, gateway.0.with.clock.now()) == Applied::Lost {
                spawn_resync(gateway, progress.event_id);
            }
        }
        Signal::Sale { event_id, settings } => registry.sale(event_id, &settings),
        Signal::Probe { .. } => {}
    }
}

async fn missed(gateway: &Gateway) {
    metrics::counter!("stanchion_signal_gaps_total").increment(1);
    gateway.0.registry.set_hears(true);
    for event in gateway.0.registry.events() {
        spawn_resync(gateway, event);
    }
}

fn spawn_resync(gateway: &Gateway, event: EventId) {
    if gateway.0.registry.begin_resync(event) {
        gateway.0.with.lifecycle.spawn("resync", resync(gateway.clone(), event));
    }
}

/// Reads the place of every local user of the event again, and delivers what was missed; repeats what fails, and begins once more
/// where that was asked for meanwhile. One at a time for each event.
async fn resync(gateway: Gateway, event: EventId) {
    let (registry, lifecycle) = (&gateway.0.registry, &gateway.0.with.lifecycle);
    loop {
        let mut users = registry.users(event);
        tracing::info!(%event, users = users.len(), "reading places again");
        metrics::counter!("stanchion_resyncs_total").increment(1);
        while !users.is_empty() {
            users = unread(&gateway, event, users).await;
            if !users.is_empty() && !lifecycle.pause(RESYNC_RETRY).await {
                break;
            }
        }
        if registry.end_resync(event) {
            return;
        }
    }
}

/// Reads these users' places again; returns whose could not be read.
async fn unread(gateway: &Gateway, event: EventId, users: Vec<UserId>) -> Vec<UserId> {
    let readings = users.into_iter().map(|user| async move {
        let read = reread(gateway, event, &user).await;
        (!read).then_some(user)
    });
    let failed = stream::iter(readings).buffer_unordered(RESYNC_CONCURRENCY);
    failed.filter_map(std::future::ready).collect().await
}

/// Reads one user's place again. False where that is to be tried again.
async fn reread(gateway: &Gateway, event: EventId, user: &UserId) -> bool {
    let registry = &gateway.0.registry;
    match place_again(gateway, event, user).await {
        Ok(Some(place)) => {
            registry.refresh(event, user, &place);
            if let Some(grant) = place.grant {
                registry.deliver(event, vec![(user.clone(), grant)]);
            }
        }
        Ok(None) => registry.lost(event, user),
        Err(problem) => return problem.code != Code::Unavailable,
    }
    true
}

/// The user's place; where the line was lost and began anew, they are brought back to their number, as their ticket would.
async fn place_again(gateway: &Gateway, event: EventId, user: &UserId) -> Result<Option<Place>, Problem> {
    let registry = &gateway.0.registry;
    if let Some(ticket) = registry.stranded(event, user) {
        return gateway.seat(event, user, gateway.here(), Some(ticket)).await.map(|(_, place)| Some(place));
    }
    match gateway.find_place(event, user, &gateway.here()).await {
        Err(problem) if problem.code == Code::NotInQueue => {}
        found => return found.map(Some),
    }
    // Gone from this line, or this is another line and nobody has told the room yet?
    let Some(ticket) = registry.ticket(event, user) else { return Ok(None) };
    if gateway.epoch(event).await? == ticket.0 {
        return Ok(None);
    }
    gateway.seat(event, user, gateway.here(), Some(ticket)).await.map(|(_, place)| Some(place))
}

async fn report(gateway: Gateway) {
    let with = &gateway.0.with;
    loop {
        gateway.0.guest_door.forget_quiet();
        for event in gateway.0.registry.stranded_events() {
            spawn_resync(&gateway, event);
        }
        let events = stream::iter(gateway.0.registry.events());
        events.for_each_concurrent(REPORTS, |event| report_of(&gateway, event)).await;
        if !with.lifecycle.pause(REPORT).await && gateway.0.registry.events().is_empty() {
            return;
        }
        if with.lifecycle.is_draining() {
            tokio::time::sleep(PROBE).await;
        }
    }
}

async fn report_of(gateway: &Gateway, event: EventId) {
    let with = &gateway.0.with;
    match with.engine.report_node(event, &gateway.0.config.node, with.clock.now()).await {
        Ok(true) => {}
        Ok(false) => spawn_resync(gateway, event), // its users may have been taken for absent
        Err(error) => tracing::warn!(%event, %error, "this node's sign of life could not be recorded"),
    }
}

async fn probe(gateway: Gateway) {
    let with = &gateway.0.with;
    let mut sequence = 0;
    while with.lifecycle.pause(PROBE).await {
        sequence += 1;
        let probe = [(Recipient::Node(gateway.0.config.node.clone()), Signal::Probe { sequence })];
        let reached = with.signals.send(&probe).await;
        gateway.0.registry.set_hears(reached.is_ok_and(|reached| reached.iter().all(|count| *count > 0)));
        for event in gateway.0.registry.overdue(with.clock.now()) {
            spawn_resync(&gateway, event);
        }
    }
}
