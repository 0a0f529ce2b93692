//! Reads the places of this node's users again after a gap in signals or a loss of the queue, and
//! restores users of a lost queue to their numbers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::{SmallVec, smallvec};
use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    presence::Presence,
    queue::Place,
};
use waitingroom_engine::{Action, ActionKind, ActionResult, EngineError, JoinOutcome, MAX_ACTIONS};
use waitingroom_server::start_and_drain::Lifecycle;

use crate::{
    local_node::LocalNode,
    position_updates::{Registry, RememberedPlace},
    queue_service::{PlaceActions, RoomSubscriber},
};

/// Pause before places that could not be read are read again.
const RESYNC_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Max users without a connection that are restored in one step: each may take two actions.
const RESTORE_BATCH: usize = MAX_ACTIONS / 2;

/// See the module's documentation.
pub(crate) struct ResyncService {
    node: Arc<LocalNode>,
    registry: Arc<Registry>,
    actions: Arc<PlaceActions>,
    subscriber: Arc<RoomSubscriber>,
    lifecycle: Lifecycle,
}

/// Result of reading places again.
struct ReloadOutcome {
    /// Users whose places must be read once more.
    to_retry: Vec<UserId>,
    /// The engine has answered for all users, found or not.
    all_reached: bool,
}

impl ResyncService {
    pub(crate) fn new(
        node: Arc<LocalNode>,
        registry: Arc<Registry>,
        actions: Arc<PlaceActions>,
        subscriber: Arc<RoomSubscriber>,
        lifecycle: Lifecycle,
    ) -> Self {
        Self {
            node,
            registry,
            actions,
            subscriber,
            lifecycle,
        }
    }

    /// Starts a resync of the event, unless one is running: that one then begins once more.
    pub(super) fn spawn(self: &Arc<Self>, event: EventId) {
        if self.registry.begin_resync(event) {
            self.lifecycle
                .spawn("resync", Arc::clone(self).resync(event));
        }
    }

    /// Reads the place of every local user of the event again, and delivers missed passes. Repeats
    /// for users whose read failed, and begins once more if that was requested meanwhile.
    async fn resync(self: Arc<Self>, event: EventId) {
        let registry = &self.registry;
        loop {
            let began = Instant::now();
            let mut users = registry.users(event);
            let count = users.len();
            metrics::counter!(crate::metric_definitions::POSITION_RESYNCS).increment(1);

            loop {
                let epoch = registry.epoch(event);
                let reload = self.reload_places(event, users).await;
                let are_restored = self.restore_remembered_users(event).await;
                if let Some(epoch) = epoch.filter(|_| reload.all_reached && are_restored) {
                    self.report_recovered(event, &epoch).await;
                }

                users = reload.to_retry;
                let is_done = users.is_empty() && are_restored;
                if is_done || !self.lifecycle.sleep_or_drain(RESYNC_RETRY_INTERVAL).await {
                    break;
                }
            }

            tracing::info!(%event, users = count, duration_ms = began.elapsed().as_millis() as u64, "positions resynced");
            if registry.end_resync(event) {
                return;
            }
        }
    }

    /// Tells the engine that this node's users are back in a queue that is being rebuilt, and that
    /// it knows the positions that they had in the lost one.
    pub(super) async fn report_recovered(&self, event: EventId, epoch: &Epoch) {
        if let Err(error) = self.node.report_recovered(event, epoch).await {
            tracing::debug!(%event, %error, "failed to report recovered users; retrying");
        }
    }

    /// Reads these users' places again, in batches.
    async fn reload_places(&self, event: EventId, users: Vec<UserId>) -> ReloadOutcome {
        let mut outcome = ReloadOutcome {
            to_retry: Vec::new(),
            all_reached: true,
        };

        for batch in users.chunks(MAX_ACTIONS) {
            let reload = self.reload_batch(event, batch).await;
            outcome.to_retry.extend(reload.to_retry);
            outcome.all_reached &= reload.all_reached;
        }

        outcome
    }

    /// Reads these users' places again in one step. If the queue was lost, the users are restored
    /// to their numbers, as their tickets would.
    async fn reload_batch(&self, event: EventId, users: &[UserId]) -> ReloadOutcome {
        let registry = &self.registry;
        let action = |user: &UserId| match registry.ticket(event, user) {
            Some(ticket) => ActionKind::Restore {
                presence: self.node.presence(),
                told: registry.last_sent_position(event, user, ticket.1),
                ticket,
            },
            None => ActionKind::Resume(self.node.presence()),
        };

        let mut to_retry = Vec::new();
        let mut missing = Vec::new();
        let mut all_reached = true;
        for (user, acted) in self.run_actions(event, users, action).await {
            match acted.and_then(ActionResult::into_place) {
                Ok(Some(place)) if self.apply_place(event, &user, &place) => {}
                Ok(None) => missing.push(user),
                Ok(Some(_)) | Err(EngineError::Recovering | EngineError::Deciding) => {
                    to_retry.push(user);
                }
                // An event that is known here is about to be rebuilt; any other is gone.
                Err(EngineError::UnknownEvent) if !registry.is_event_known(event) => {}
                Err(_) => {
                    all_reached = false;
                    to_retry.push(user);
                }
            }
        }

        to_retry.extend(self.recover_missing_places(event, missing).await);
        ReloadOutcome {
            to_retry,
            all_reached,
        }
    }

    /// Handles waiting users that the engine does not know. A place of the current epoch is gone; a
    /// user whose place belongs to a lost epoch and cannot be restored joins again. Returns the
    /// users to retry.
    async fn recover_missing_places(&self, event: EventId, users: Vec<UserId>) -> Vec<UserId> {
        let registry = &self.registry;
        let waiting: Vec<_> = users
            .into_iter()
            .filter(|user| registry.ticket(event, user).is_some())
            .collect();
        if waiting.is_empty() {
            return waiting;
        }
        let Ok(epoch) = self.actions.current_epoch(event).await else {
            return waiting;
        };

        let is_of_this_epoch = |user: &UserId| {
            registry
                .ticket(event, user)
                .is_none_or(|ticket| ticket.0 == epoch)
        };
        let (gone, of_lost_epoch): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(is_of_this_epoch);
        for user in &gone {
            registry.place_missing(event, user);
        }

        let action = |user: &UserId| ActionKind::Join {
            presence: self.node.presence(),
            ticket: registry.ticket(event, user),
        };
        let mut to_retry = Vec::new();
        for (user, acted) in self.run_actions(event, &of_lost_epoch, action).await {
            match acted.and_then(ActionResult::into_outcome) {
                Ok(JoinOutcome::Joined(place) | JoinOutcome::Same(place)) => {
                    self.apply_place(event, &user, &place);
                }
                Ok(JoinOutcome::NotOpen(_) | JoinOutcome::Full) => {}
                Err(_) => to_retry.push(user),
            }
        }
        to_retry
    }

    /// Runs one action for each of these users, in one step of the engine.
    async fn run_actions(
        &self,
        event: EventId,
        users: &[UserId],
        action: impl Fn(&UserId) -> ActionKind,
    ) -> Vec<(UserId, Result<ActionResult, EngineError>)> {
        let actions: Vec<_> = users
            .iter()
            .map(|user| Action {
                user: user.clone(),
                kind: action(user),
            })
            .collect();

        let results = match self.node.apply(event, &actions, self.node.now()).await {
            Ok(acted) => acted.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); users.len()],
        };
        users.iter().cloned().zip(results).collect()
    }

    /// Takes over a place that was read again. False if it must be read once more.
    fn apply_place(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        let registry = &self.registry;
        let is_current = registry.refresh_place(event, user, place);
        if let Some(grant) = &place.grant {
            registry.deliver(event, vec![(user.clone(), grant.clone())]);
        }

        // The read marked the user present; the connection may have ended meanwhile.
        let on_last = || self.subscriber.record_detach(event, user);
        registry.detach_if_gone(event, user, on_last);
        is_current
    }

    /// Restores users of a lost queue that had a place here recently, without a connection now, to
    /// their numbers. False if that must be retried.
    async fn restore_remembered_users(&self, event: EventId) -> bool {
        let registry = &self.registry;
        let mut are_restored = true;
        for batch in registry
            .remembered_users_of_previous_epoch(event)
            .chunks(RESTORE_BATCH)
        {
            let now = self.node.now();
            let actions: Vec<Action> = batch
                .iter()
                .flat_map(|(user, remembered)| self.restore_actions(user, remembered, now))
                .collect();
            let Ok(acted) = self.node.apply(event, &actions, now).await else {
                return false;
            };

            // One result for each user: those of detaches say nothing.
            let results = acted
                .into_iter()
                .filter(|acted| !matches!(acted, ActionResult::Done(_)));
            for ((user, remembered), result) in batch.iter().zip(results) {
                match result.into_place() {
                    Ok(Some(place)) => {
                        let position = place.position.min(remembered.last_sent_position);
                        let place = Place { position, ..place };
                        registry.remember(event, user, &place, remembered.present_until, now);
                    }
                    Err(EngineError::Full) => are_restored = false,
                    // The user was served, or has left.
                    Ok(None) | Err(_) => registry.forget(event, user),
                }
            }
        }
        are_restored
    }

    /// Restores a user, present until the same time as before, or absent.
    fn restore_actions(
        &self,
        user: &UserId,
        remembered: &RememberedPlace,
        now: Timestamp,
    ) -> SmallVec<[Action; 2]> {
        let action = |what| Action {
            user: user.clone(),
            kind: what,
        };
        let restore = |presence| {
            action(ActionKind::Restore {
                presence,
                ticket: remembered.ticket(),
                told: Some(remembered.last_sent_position),
            })
        };

        if remembered.present_until > now {
            return smallvec![restore(Presence::Poll)];
        }
        smallvec![
            restore(self.node.presence()),
            action(ActionKind::Detach(self.node.id().clone()))
        ]
    }
}
