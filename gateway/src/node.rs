//! The node's ear and its sign of life: one listener for all its users, one report an event, and a
//! probe that proves that the listener still hears.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use smallvec::{SmallVec, smallvec};
use tokio::task::yield_now;
use waitingroom::{
    absence::Presence,
    clock::Timestamp,
    engine::{ACTIONS_LIMIT, Act, Acted, Action, EngineError, JoinOutcome},
    ids::{Epoch, EventId, UserId},
    line::Place,
    signal::{Heard, Listener, Recipient, Signal, SignalError},
};

use crate::{
    Gateway,
    connection::wake_pacer::WakePacer,
    registry::{ProgressOutcome, RememberedPlace},
};

/// How often a node reports itself; see [`waitingroom::absence::NODE_TIMEOUT`].
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// Events that it reports to at the same time: those whose shard of Redis does not answer may not
/// keep the others waiting.
const MAX_CONCURRENT_HEARTBEATS: usize = 256;
/// How often a node probes its own subscription, and looks for lost messages.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Pause before places that could not be read are read again.
const RESYNC_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Users without a connection who are brought back in one step: each may take two actions.
const RESTORE_BATCH: usize = ACTIONS_LIMIT / 2;

pub(crate) async fn spawn_tasks(gateway: &Gateway) -> Result<(), SignalError> {
    let with = &gateway.0.deps;
    let listener = with.signals.listen(&gateway.0.config.node).await?;
    gateway.0.registry.set_subscribed(true);
    with.lifecycle
        .spawn("signal listener", listen(gateway.clone(), listener));
    with.lifecycle
        .spawn("node heartbeat", heartbeat_loop(gateway.clone()));
    with.lifecycle
        .spawn("subscription check", check_subscription(gateway.clone()));
    with.lifecycle
        .spawn("heartbeat wheel", run_heartbeat_wheel(gateway.clone()));
    Ok(())
}

async fn run_heartbeat_wheel(gateway: Gateway) {
    gateway
        .0
        .heartbeat_wheel
        .run(&gateway.0.deps.lifecycle, gateway.0.config.drain_window)
        .await;
}

/// Hears until the process stops: also while draining, since the users are still here. What is
/// heard comes before what was told by an earlier signal and can wait.
async fn listen(gateway: Gateway, mut listener: Box<dyn Listener>) {
    let registry = &gateway.0.registry;
    let mut pacer = WakePacer::default();
    loop {
        tokio::select! {
            biased;
            heard = listener.next() => match heard {
                Heard::Signal(signal) => {
                    apply_signal(&gateway, *signal);
                    yield_now().await; // whoever was given a pass writes it before the line's next step is worked out
                }
                Heard::Gap => on_gap(&gateway).await,
            },
            () = users_drained(&gateway) => return,
            () = pacer.ready(), if registry.has_pending_wakes() => registry.wake_batch(),
        }
    }
}

/// Returns once a draining node has no users.
async fn users_drained(gateway: &Gateway) {
    gateway.0.deps.lifecycle.draining().await;
    while !gateway.0.registry.active_events().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn apply_signal(gateway: &Gateway, signal: Signal) {
    let registry = &gateway.0.registry;
    match signal {
        Signal::Passes { event_id, passes } => registry.deliver(event_id, passes),
        Signal::Lapsed { event_id, users } => {
            users
                .iter()
                .for_each(|(user, lapse)| registry.remove_user(event_id, user, *lapse));
        }
        Signal::Progress(progress) => {
            if registry.apply_progress(&progress, gateway.0.deps.clock.now())
                == ProgressOutcome::GapDetected
            {
                spawn_resync(gateway, progress.event_id);
            }
        }
        Signal::Sale { event_id, settings } => registry.apply_settings(event_id, &settings),
        Signal::Probe { .. } => {}
    }
}

async fn on_gap(gateway: &Gateway) {
    metrics::counter!("stanchion_signal_gaps_total").increment(1);
    gateway.0.registry.set_subscribed(true);
    for event in gateway.0.registry.active_events() {
        spawn_resync(gateway, event);
    }
}

fn spawn_resync(gateway: &Gateway, event: EventId) {
    if gateway.0.registry.begin_resync(event) {
        gateway
            .0
            .deps
            .lifecycle
            .spawn("resync", resync(gateway.clone(), event));
    }
}

/// Reads the place of every local user of the event again, and delivers what was missed; repeats
/// what fails, and begins once more where that was asked for meanwhile. One at a time for each
/// event.
async fn resync(gateway: Gateway, event: EventId) {
    let (registry, lifecycle) = (&gateway.0.registry, &gateway.0.deps.lifecycle);
    loop {
        let (mut users, began) = (registry.users(event), Instant::now());
        let count = users.len();
        metrics::counter!("stanchion_resyncs_total").increment(1);
        loop {
            let epoch = registry.epoch(event);
            let read = reload_places(&gateway, event, users).await;
            let are_back = restore_remembered_users(&gateway, event).await;
            if let Some(epoch) = epoch.filter(|_| read.all_reached && are_back) {
                report_recovered(&gateway, event, &epoch).await;
            }
            users = read.to_retry;
            if (users.is_empty() && are_back) || !lifecycle.pause(RESYNC_RETRY_INTERVAL).await {
                break;
            }
        }
        tracing::info!(%event, users = count, duration_ms = began.elapsed().as_millis() as u64, "positions resynced");
        if registry.end_resync(event) {
            return;
        }
    }
}

/// In a line that is being rebuilt, this node's users are back; what they were told of the lost one
/// is known to the engine.
async fn report_recovered(gateway: &Gateway, event: EventId, epoch: &Epoch) {
    let with = &gateway.0.deps;
    if let Err(error) = with
        .engine
        .all_back(event, &gateway.0.config.node, epoch, with.clock.now())
        .await
    {
        tracing::debug!(%event, %error, "failed to report recovered users; retrying");
    }
}

/// What came of reading places again.
struct ReloadOutcome {
    /// Whose are to be read once more.
    to_retry: Vec<UserId>,
    /// The engine has heard of everybody, found or not.
    all_reached: bool,
}

/// Reads these users' places again, many in one step.
async fn reload_places(gateway: &Gateway, event: EventId, users: Vec<UserId>) -> ReloadOutcome {
    let mut read = ReloadOutcome {
        to_retry: Vec::new(),
        all_reached: true,
    };
    for some in users.chunks(ACTIONS_LIMIT) {
        let ReloadOutcome {
            to_retry: left,
            all_reached,
        } = reload_batch(gateway, event, some).await;
        read.to_retry.extend(left);
        read.all_reached &= all_reached;
    }
    read
}

/// The same in one step. Where the line was lost and began anew, users are brought back to their
/// numbers, as their tickets would.
async fn reload_batch(gateway: &Gateway, event: EventId, users: &[UserId]) -> ReloadOutcome {
    let registry = &gateway.0.registry;
    let what = |user: &UserId| match registry.ticket(event, user) {
        Some(ticket) => {
            let told = registry.last_sent_position(event, user, ticket.1);
            Act::BringBack {
                presence: gateway.node_presence(),
                ticket,
                told,
            }
        }
        None => Act::Resume(gateway.node_presence()),
    };
    let (mut left, mut gone, mut all_reached) = (Vec::new(), Vec::new(), true);
    for (user, acted) in run_actions(gateway, event, users, what).await {
        match acted.and_then(Acted::found) {
            Ok(Some(place)) if apply_place(gateway, event, &user, &place) => {}
            Ok(None) => gone.push(user),
            Ok(Some(_)) | Err(EngineError::Recovering | EngineError::Deciding) => left.push(user),
            Err(EngineError::UnknownEvent) if !registry.is_event_known(event) => {} // else it is about to be rebuilt
            Err(_) => {
                all_reached = false;
                left.push(user);
            }
        }
    }
    left.extend(recover_missing_places(gateway, event, gone).await);
    ReloadOutcome {
        to_retry: left,
        all_reached,
    }
}

/// Who is not in this line, and waits: is their place gone, or was it in an earlier line and cannot
/// be brought back? Then they take a new one. Returns for whom that is to be asked again.
async fn recover_missing_places(
    gateway: &Gateway,
    event: EventId,
    users: Vec<UserId>,
) -> Vec<UserId> {
    let registry = &gateway.0.registry;
    let waiting: Vec<_> = users
        .into_iter()
        .filter(|user| registry.ticket(event, user).is_some())
        .collect();
    if waiting.is_empty() {
        return waiting;
    }
    let Ok(epoch) = gateway.current_epoch(event).await else {
        return waiting;
    };
    let of_this_line = |user: &UserId| {
        registry
            .ticket(event, user)
            .is_none_or(|ticket| ticket.0 == epoch)
    };
    let (gone, strangers): (Vec<_>, Vec<_>) = waiting.into_iter().partition(of_this_line);
    gone.iter()
        .for_each(|user| registry.place_missing(event, user));
    let what = |user: &UserId| Act::Join {
        presence: gateway.node_presence(),
        ticket: registry.ticket(event, user),
    };
    let mut left = Vec::new();
    for (user, acted) in run_actions(gateway, event, &strangers, what).await {
        match acted.and_then(Acted::joined) {
            Ok(JoinOutcome::Joined(place) | JoinOutcome::Same(place)) => {
                apply_place(gateway, event, &user, &place);
            }
            Ok(JoinOutcome::NotOpen(_) | JoinOutcome::Full) => {}
            Err(_) => left.push(user),
        }
    }
    left
}

/// What each of these users does, in one step.
async fn run_actions(
    gateway: &Gateway,
    event: EventId,
    users: &[UserId],
    what: impl Fn(&UserId) -> Act,
) -> Vec<(UserId, Result<Acted, EngineError>)> {
    let actions: Vec<_> = users
        .iter()
        .map(|user| Action {
            user: user.clone(),
            what: what(user),
        })
        .collect();
    let with = &gateway.0.deps;
    let answers = match with.engine.act(event, &actions, with.clock.now()).await {
        Ok(acted) => acted.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); users.len()],
    };
    users.iter().cloned().zip(answers).collect()
}

/// Takes over a place that was read again. False where it has to be read once more.
fn apply_place(gateway: &Gateway, event: EventId, user: &UserId, place: &Place) -> bool {
    let registry = &gateway.0.registry;
    let is_current = registry.refresh_place(event, user, place);
    if let Some(grant) = &place.grant {
        registry.deliver(event, vec![(user.clone(), grant.clone())]);
    }
    registry.detach_if_gone(event, user, || gateway.record_detach(event, user)); // gone meanwhile
    is_current
}

/// Brings those back to their numbers who had a place here lately without a connection, in a line
/// that was lost. False where that is to be tried again.
async fn restore_remembered_users(gateway: &Gateway, event: EventId) -> bool {
    let (registry, with) = (&gateway.0.registry, &gateway.0.deps);
    let mut are_back = true;
    for some in registry
        .remembered_users_of_previous_epoch(event)
        .chunks(RESTORE_BATCH)
    {
        let now = with.clock.now();
        let actions: Vec<Action> = some
            .iter()
            .flat_map(|(user, seen)| restore_actions(gateway, user, seen, now))
            .collect();
        let Ok(acted) = with.engine.act(event, &actions, now).await else {
            return false;
        };
        let answers = acted
            .into_iter()
            .filter(|acted| !matches!(acted, Acted::Done(_)));
        for ((user, seen), answer) in some.iter().zip(answers) {
            match answer.found() {
                Ok(Some(place)) => {
                    let told = Place {
                        position: place.position.min(seen.last_sent_position),
                        ..place
                    };
                    registry.remember(event, user, &told, seen.present_until, now);
                }
                Err(EngineError::Full) => are_back = false,
                // Served, or given up.
                Ok(None) | Err(_) => registry.forget(event, user),
            }
        }
    }
    are_back
}

/// Present for as long as they were, or absent.
fn restore_actions(
    gateway: &Gateway,
    user: &UserId,
    seen: &RememberedPlace,
    now: Timestamp,
) -> SmallVec<[Action; 2]> {
    let (ticket, told) = (
        (seen.epoch.clone(), seen.number),
        Some(seen.last_sent_position),
    );
    let action = |what| Action {
        user: user.clone(),
        what,
    };
    if seen.present_until > now {
        return smallvec![action(Act::BringBack {
            presence: Presence::Poll,
            ticket,
            told
        })];
    }
    let back = action(Act::BringBack {
        presence: gateway.node_presence(),
        ticket,
        told,
    });
    smallvec![back, action(Act::Detach(gateway.0.config.node.clone()))]
}

async fn heartbeat_loop(gateway: Gateway) {
    let with = &gateway.0.deps;
    loop {
        gateway.0.guest_rate_limiter.evict_idle();
        for event in gateway.0.registry.events_to_recover() {
            spawn_resync(&gateway, event);
        }
        // Unless a resync has said so: nobody may be here.
        let gathered = stream::iter(gateway.0.registry.recovered_events());
        let gateway = &gateway;
        gathered
            .for_each_concurrent(MAX_CONCURRENT_HEARTBEATS, |(event, epoch)| async move {
                report_recovered(gateway, event, &epoch).await
            })
            .await;
        let events = stream::iter(gateway.0.registry.active_events());
        events
            .for_each_concurrent(MAX_CONCURRENT_HEARTBEATS, |event| {
                send_heartbeat(gateway, event)
            })
            .await;
        if !with.lifecycle.pause(HEARTBEAT_INTERVAL).await
            && gateway.0.registry.active_events().is_empty()
        {
            return;
        }
        if with.lifecycle.is_draining() {
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }
}

async fn send_heartbeat(gateway: &Gateway, event: EventId) {
    let with = &gateway.0.deps;
    match with
        .engine
        .report_node(event, &gateway.0.config.node, with.clock.now())
        .await
    {
        Ok(true) => {}
        Ok(false) => spawn_resync(gateway, event), // its users may have been taken for absent
        Err(error) => {
            tracing::warn!(%event, %error, "node heartbeat failed")
        }
    }
}

async fn check_subscription(gateway: Gateway) {
    let with = &gateway.0.deps;
    let mut sequence = 0;
    while with.lifecycle.pause(PROBE_INTERVAL).await {
        sequence += 1;
        let probe = [(
            Recipient::Node(gateway.0.config.node.clone()),
            Signal::Probe { sequence },
        )];
        let reached = with.signals.send(&probe).await;
        gateway
            .0
            .registry
            .set_subscribed(reached.is_ok_and(|reached| reached.iter().all(|count| *count > 0)));
        for event in gateway.0.registry.stale_rooms(with.clock.now()) {
            spawn_resync(&gateway, event);
        }
    }
}
