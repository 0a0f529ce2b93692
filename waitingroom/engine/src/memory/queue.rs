//! The queue of one event: numbers, presence, passes, and the log of removals that positions are
//! projected from.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use waitingroom_domain::{
    clock::Timestamp,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    numbers::Numbers,
    presence::{POLL_PRESENCE_TTL, Presence, node_is_alive},
    push::{MAX_PUSH_SUBSCRIPTIONS, PushSubscription},
    queue::{Grant, LastPosition, Place, Progress, QueueSettings, Removal, Routed, SaleState},
    rate::{Throttle, TokenBucket, throttled_burst, throttled_rate},
};

use super::{
    super::{
        Action, ActionKind, ActionResult, CLOCK_JUMP_THRESHOLD, Counters, GRANT_RESEND_MS,
        JoinOutcome, MAX_NODES_PER_USER, MAX_PASS_CLOCK_STOP, MAX_PROGRESS_REMOVALS,
        MAX_SWEPT_USERS, MAX_UNCLAIMED_PASSES, MAX_UNSERVED_PASSES, MAX_UNSERVED_RUNS,
        NODE_RETENTION_MS, OpenParams, PushRecipient, QueueStatus, RELEASE_DELAY_AFTER_FREEZE,
        RecoveryPoint, Released, TickScope,
    },
    deadline_set::DeadlineSet,
    earlier_numbers::EarlierNumbers,
    rank_index::RankIndex,
    seats::{PassLedger, SeatTotals},
};

/// The state of a user in the queue.
#[derive(Debug, Clone, PartialEq)]
enum EntryState {
    /// In line.
    Waiting,
    /// Had a pass that was not claimed in time: not counted in positions, first again on return.
    Unclaimed,
    /// Holds a pass.
    HasPass(Grant),
    /// Uses the pass for a hold that is not committed yet.
    Redeeming(Grant),
}

#[derive(Debug)]
struct Entry {
    number: u64,
    state: EntryState,
    nodes: Vec<NodeId>,
    /// How many passes of this entry were not claimed.
    unclaimed_passes: u8,
    /// The lowest position that the user was sent, in a queue that was reopened after a loss.
    last_position: Option<u64>,
    /// The browsers that are notified of the pass.
    subscriptions: Vec<PushSubscription>,
}

/// The clock by which passes end. It stops while nothing can be booked, and then lags behind the
/// queue's.
#[derive(Debug, Default)]
struct PassClock {
    stopped_for: Duration,
    stopped_since: Option<Timestamp>,
}

impl PassClock {
    fn lag(&self, now: Timestamp) -> Duration {
        self.stopped_for
            + self.stopped_since.map_or(Duration::ZERO, |since| {
                now.since(since).min(MAX_PASS_CLOCK_STOP)
            })
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Queue {
    event: EventId,
    pub(super) settings: QueueSettings,
    pub(super) epoch: Epoch,
    opening_sequence: u64,
    release_from: Timestamp,
    rebuilding_until: Timestamp,
    /// Gateways that have not confirmed yet that they restored their users of the lost queue.
    awaited_nodes: HashSet<NodeId>,
    /// The numbers of earlier incarnations that have not been served.
    earlier: EarlierNumbers,
    sequence: u64,
    head: u64,
    clock: Timestamp,
    bucket: TokenBucket,
    throttle: Throttle,
    pass_clock: PassClock,
    /// How many live passes were sent again since the pass clock goes on, while there are more.
    resend_from: Option<usize>,
    entries: HashMap<UserId, Entry>,
    /// Users who wait, present or absent: positions are ranks among them.
    waiting: RankIndex,
    /// Users whose pass was not claimed.
    unclaimed: BTreeMap<u64, UserId>,
    /// Users who can be released: waiting or unclaimed, and not known to be absent, or to be notified
    /// by a push.
    ready: BTreeMap<u64, UserId>,
    /// Users in the queue without a connection, by the moment from which they are absent. A user
    /// with a pass is not in the queue, so not among them.
    absent_since: DeadlineSet<UserId>,
    /// Live passes by their end.
    active: DeadlineSet<UserId>,
    /// Users with an unacknowledged pass, by the moment of its next check.
    unacknowledged: DeadlineSet<UserId>,
    nodes: HashMap<NodeId, Timestamp>,
    /// Nodes that were dead, have a connection again, and have not sent a heartbeat yet.
    returning_nodes: HashSet<NodeId>,
    /// When the clock last jumped by more than [`CLOCK_JUMP_THRESHOLD`].
    clock_jumped_at: Option<Timestamp>,
    published: u64,
    removed: VecDeque<u64>,
    /// `joined` is not among them: it follows from the numbers.
    counters: Counters,
}

impl Queue {
    pub(super) fn open(event: EventId, opening: &OpenParams, now: Timestamp) -> Self {
        Self {
            event,
            settings: opening.settings.clone(),
            epoch: opening.epoch.clone(),
            opening_sequence: opening.sequence,
            earlier: EarlierNumbers::new(opening),
            release_from: opening.release_from,
            rebuilding_until: opening.release_from,
            awaited_nodes: opening.awaited_nodes.iter().cloned().collect(),
            sequence: opening.sequence,
            head: opening.head,
            clock: now,
            bucket: TokenBucket::full(opening.settings.burst, now),
            throttle: Throttle::default(),
            pass_clock: PassClock::default(),
            resend_from: None,
            entries: HashMap::new(),
            waiting: RankIndex::starting_after(opening.sequence),
            unclaimed: BTreeMap::new(),
            ready: BTreeMap::new(),
            absent_since: DeadlineSet::default(),
            active: DeadlineSet::default(),
            unacknowledged: DeadlineSet::default(),
            nodes: HashMap::new(),
            returning_nodes: HashSet::new(),
            clock_jumped_at: None,
            published: 0,
            removed: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The later of the caller's time and the last that this queue has seen.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        let gap = now.since(self.clock);
        self.clock = self.clock.max(now);

        if gap > CLOCK_JUMP_THRESHOLD {
            self.on_clock_jump(gap);
        }
        self.clock
    }

    /// The clock went on by `gap` at once: no action could arrive in between. Users could not show
    /// presence, and passes get the time back, unless their clock is stopped already.
    fn on_clock_jump(&mut self, gap: Duration) {
        self.clock_jumped_at = Some(self.clock);
        if self.pass_clock.stopped_since.is_none() {
            self.pass_clock.stopped_for += gap.min(MAX_PASS_CLOCK_STOP);
            self.resend_from = Some(0);
        }
    }

    pub(super) fn clock(&self) -> Timestamp {
        self.clock
    }

    pub(super) fn status(&self, seats: SeatTotals) -> QueueStatus {
        QueueStatus {
            settings: self.current_settings(seats),
            share: self.throttle.factor,
            epoch: self.epoch.clone(),
            sequence: self.sequence,
            head: self.head,
            total: self.total(),
            active: self.active.len() as u64,
            seats_left: seats.left,
            absent: self.absent_since.count_due(self.clock) as u64,
            counters: Counters {
                joined: self.joined(),
                ..self.counters
            },
            counting: self.is_rebuilding(),
            seats_known: seats.is_known,
            frozen: None,
        }
    }

    /// The settings in force: what is open has nothing to sell any more where everything is sold.
    fn current_settings(&self, seats: SeatTotals) -> QueueSettings {
        let mut settings = self.settings.clone();
        if settings.state == SaleState::Open && seats.is_sold_out {
            settings.state = SaleState::SoldOut;
        }
        settings
    }

    /// Each new place took the next number, or an earlier epoch's.
    fn joined(&self) -> u64 {
        self.sequence - self.opening_sequence + self.earlier.redeemed()
    }

    pub(super) fn apply(&mut self, action: &Action, now: Timestamp) -> ActionResult {
        let user = &action.user;
        let acted = match &action.kind {
            ActionKind::Join { .. }
            | ActionKind::Resume(_)
            | ActionKind::Restore { .. }
            | ActionKind::Leave
            | ActionKind::Subscribe(_)
                if self.is_redeeming(user) =>
            {
                self.advance(now);
                return ActionResult::Deciding;
            }
            ActionKind::Join { presence, ticket } => self
                .join(user, presence, ticket.as_ref(), now)
                .map_or(ActionResult::Recovering, ActionResult::Joined),
            ActionKind::Resume(presence) => ActionResult::Found(self.resume(user, presence, now)),
            ActionKind::Restore {
                presence,
                ticket,
                told,
            } => ActionResult::Found(self.restore(user, presence, ticket, *told, now)),
            ActionKind::Detach(node) => {
                self.detach(user, node, now);
                ActionResult::Done(true)
            }
            ActionKind::Leave => ActionResult::Left(self.leave(user, now)),
            ActionKind::Acknowledge(pass) => ActionResult::Done(self.acknowledge(user, pass, now)),
            ActionKind::Subscribe(subscription) => {
                ActionResult::Done(self.subscribe(user, subscription, now))
            }
            ActionKind::Unsubscribe(endpoint) => {
                ActionResult::Done(self.unsubscribe(user, endpoint.as_deref(), now))
            }
        };

        match acted {
            ActionResult::Found(None) | ActionResult::Left(None) if self.is_rebuilding() => {
                ActionResult::Recovering
            }
            ActionResult::Done(false)
                if self.is_rebuilding() && matches!(action.kind, ActionKind::Subscribe(_)) =>
            {
                ActionResult::Recovering
            }
            acted => acted,
        }
    }

    /// Is the queue being rebuilt?
    fn is_rebuilding(&self) -> bool {
        self.clock < self.rebuilding_until
    }

    /// Delays the next release until users could show presence.
    pub(super) fn delay_release(&mut self, now: Timestamp) {
        self.release_from = self
            .release_from
            .max(self.clock.max(now).plus(RELEASE_DELAY_AFTER_FREEZE));
    }

    fn join(
        &mut self,
        user: &UserId,
        presence: &Presence,
        ticket: Option<&(Epoch, u64)>,
        now: Timestamp,
    ) -> Option<JoinOutcome> {
        if let Some(place) = self.resume(user, presence, now) {
            return Some(JoinOutcome::Same(place));
        }

        if !self.settings.state.accepts_joins() {
            return Some(JoinOutcome::NotOpen(self.settings.state));
        }

        if let Some((number, state)) = ticket.and_then(|ticket| self.redeem_ticket(ticket)) {
            self.assign_number(user, number, state);
        } else if self.is_rebuilding() {
            return None;
        } else if self.total() >= self.settings.max_in_line {
            return Some(JoinOutcome::Full);
        } else {
            self.sequence += 1;
            self.assign_number(user, self.sequence, EntryState::Waiting);
        }

        self.resume(user, presence, now).map(JoinOutcome::Joined)
    }

    fn restore(
        &mut self,
        user: &UserId,
        presence: &Presence,
        ticket: &(Epoch, u64),
        told: Option<u64>,
        now: Timestamp,
    ) -> Option<Place> {
        self.advance(now);

        if !self.entries.contains_key(user) && self.settings.state.accepts_joins() {
            let (number, state) = self.redeem_ticket(ticket)?;
            self.assign_number(user, number, state);
        }

        let is_this = self
            .entries
            .get(user)
            .is_some_and(|entry| entry.number == ticket.1)
            && ticket.0 != self.epoch;

        if let Some(position) = told.filter(|_| is_this) {
            self.record_position(user, position);
        }

        self.resume(user, presence, now)
    }

    /// Records a position that the user is sent, or was. Only in a queue that was reopened may a
    /// user return in front of others, whose positions must not grow for it.
    fn record_position(&mut self, user: &UserId, position: u64) {
        let waits =
            |entry: &&mut Entry| matches!(entry.state, EntryState::Waiting | EntryState::Unclaimed);
        if self.opening_sequence > 0
            && position > 0
            && let Some(entry) = self.entries.get_mut(user).filter(waits)
        {
            entry.last_position = Some(
                entry
                    .last_position
                    .map_or(position, |before| before.min(position)),
            );
        }
    }

    fn assign_number(&mut self, user: &UserId, number: u64, state: EntryState) {
        if state == EntryState::Unclaimed {
            self.unclaimed.insert(number, user.clone());
        } else {
            self.waiting.insert(number, user.clone());
        }

        self.entries.insert(
            user.clone(),
            Entry {
                number,
                state,
                nodes: Vec::new(),
                unclaimed_passes: 0,
                last_position: None,
                subscriptions: Vec::new(),
            },
        );
    }

    /// The number of a ticket of an earlier epoch that has not been served and not been
    /// redeemed, and the state of its user.
    fn redeem_ticket(&mut self, ticket: &(Epoch, u64)) -> Option<(u64, EntryState)> {
        let (epoch, number) = ticket;
        let state = if *epoch == self.epoch {
            None
        } else {
            self.earlier.redeem(*number)
        };

        state.map(|is_unclaimed| {
            (
                *number,
                if is_unclaimed {
                    EntryState::Unclaimed
                } else {
                    EntryState::Waiting
                },
            )
        })
    }

    fn resume(&mut self, user: &UserId, presence: &Presence, now: Timestamp) -> Option<Place> {
        let now = self.advance(now);
        let entry = self.entries.get_mut(user)?;
        let waits = matches!(entry.state, EntryState::Waiting | EntryState::Unclaimed);

        match presence {
            Presence::Node(node) => {
                entry.nodes.retain(|known| known != node);
                entry.nodes.push(node.clone());
                if entry.nodes.len() > MAX_NODES_PER_USER {
                    entry.nodes.remove(0);
                }
                if self
                    .nodes
                    .insert(node.clone(), now)
                    .is_some_and(|seen| !node_is_alive(seen, now))
                {
                    self.returning_nodes.insert(node.clone());
                }
                self.absent_since.remove(user);
            }
            Presence::Poll => {
                if waits {
                    self.absent_since.set(user, now.plus(POLL_PRESENCE_TTL));
                }
                self.unacknowledged.remove(user);
            }
        }

        if waits {
            self.ready.insert(entry.number, user.clone());
        }

        self.place(user)
    }

    fn place(&mut self, user: &UserId) -> Option<Place> {
        let place = self.current_place(user)?;
        if !place.counting {
            self.record_position(user, place.position);
        }

        let sent = self.entries.get(user)?.last_position;
        Some(place.after_loss(sent, !self.awaited_nodes.is_empty()))
    }

    fn current_place(&self, user: &UserId) -> Option<Place> {
        let entry = self.entries.get(user)?;
        let counting = self.is_rebuilding();
        let (position, grant) = match &entry.state {
            EntryState::Waiting if counting => (self.earlier.max_rank(entry.number), None),
            EntryState::Unclaimed if counting => {
                (self.earlier.max_rank_of_unclaimed(entry.number), None)
            }
            EntryState::Waiting => (self.waiting.rank(entry.number), None),
            EntryState::Unclaimed => (self.unclaimed.range(..=entry.number).count() as u64, None),
            EntryState::HasPass(grant) => (0, Some(self.in_queue_time(grant))),
            EntryState::Redeeming(_) => return None,
        };

        let counting = counting && grant.is_none();
        Some(Place {
            number: entry.number,
            epoch: self.epoch.clone(),
            position,
            total: if counting { position } else { self.total() },
            revision: self.revision(),
            grant,
            counting,
            last_position: LastPosition::NotSent,
        })
    }

    fn detach(&mut self, user: &UserId, node: &NodeId, now: Timestamp) {
        let now = self.advance(now);
        let Some(entry) = self.entries.get_mut(user) else {
            return;
        };
        let Some(held) = entry.nodes.iter().position(|known| known == node) else {
            return;
        };

        entry.nodes.remove(held);

        let waits = matches!(entry.state, EntryState::Waiting | EntryState::Unclaimed);
        if !entry.nodes.is_empty() || !waits {
            return;
        }

        let absent_from = self.absent_since.get(user).unwrap_or(now).max(now);
        self.absent_since.set(user, absent_from);

        if absent_from <= now && entry.subscriptions.is_empty() {
            self.ready.remove(&entry.number);
        }
    }

    /// False without a place. Who subscribes is here, and can be released from now on.
    fn subscribe(
        &mut self,
        user: &UserId,
        subscription: &PushSubscription,
        now: Timestamp,
    ) -> bool {
        self.advance(now);
        let Some(entry) = self.entries.get_mut(user) else {
            return false;
        };

        let known = &mut entry.subscriptions;
        known.retain(|one| one.endpoint() != subscription.endpoint());
        known.push(subscription.clone());
        if known.len() > MAX_PUSH_SUBSCRIPTIONS {
            known.remove(0);
        }

        if matches!(entry.state, EntryState::Waiting | EntryState::Unclaimed) {
            self.ready.insert(entry.number, user.clone());
        }
        true
    }

    /// False if there was no such subscription. A user who is away and cannot be notified any more is
    /// found absent when it would be their turn.
    fn unsubscribe(&mut self, user: &UserId, endpoint: Option<&str>, now: Timestamp) -> bool {
        self.advance(now);
        let Some(entry) = self.entries.get_mut(user) else {
            return false;
        };

        let before = entry.subscriptions.len();
        entry
            .subscriptions
            .retain(|one| endpoint.is_some_and(|endpoint| one.endpoint() != endpoint));
        entry.subscriptions.len() < before
    }

    /// Can a push tell the user of a pass?
    fn is_subscribed(&self, user: &UserId) -> bool {
        self.entries
            .get(user)
            .is_some_and(|entry| !entry.subscriptions.is_empty())
    }

    fn leave(&mut self, user: &UserId, now: Timestamp) -> Option<Vec<NodeId>> {
        self.advance(now);
        self.entries.contains_key(user).then(|| {
            self.counters.left += 1;
            self.remove_user(user)
        })
    }

    /// Removes a user from every index; the nodes that may hold connections of theirs are returned.
    fn remove_user(&mut self, user: &UserId) -> Vec<NodeId> {
        let Some(entry) = self.entries.remove(user) else {
            return Vec::new();
        };
        self.ready.remove(&entry.number);
        self.unclaimed.remove(&entry.number);

        if self.waiting.remove(entry.number).is_some() {
            self.removed.push_back(entry.number);
        }

        self.absent_since.remove(user);
        self.active.remove(user);
        self.unacknowledged.remove(user);

        entry.nodes
    }

    fn acknowledge(&mut self, user: &UserId, pass: &PassId, now: Timestamp) -> bool {
        self.advance(now);
        let live = self.is_pass_expired(user, pass) == Some(false);
        if live {
            self.unacknowledged.remove(user);
        }
        live || self.redeeming_pass(user, pass).is_some()
    }

    /// How far the queue has come.
    pub(super) fn recovery_point(&self) -> RecoveryPoint {
        let mut unserved = self.earlier.up_to(self.head);
        self.waiting
            .up_to(self.head)
            .for_each(|number| unserved.waiting.insert(number));
        self.unclaimed
            .range(..=self.head)
            .for_each(|(number, _)| unserved.unclaimed.insert(*number));

        let unreached = self
            .unacknowledged
            .members()
            .filter_map(|user| self.entries.get(user));
        let unreached = unreached.filter(|entry| matches!(entry.state, EntryState::HasPass(_)));

        unreached.for_each(|entry| unserved.unclaimed.insert(entry.number));

        if self.unacknowledged.len() >= MAX_UNSERVED_PASSES {
            unserved.unclaimed = Numbers::run(1, self.head);
        }

        RecoveryPoint {
            sequence: self.sequence,
            head: self.head,
            unserved: unserved.limit_runs(MAX_UNSERVED_RUNS, self.head),
        }
    }

    pub(super) fn report_node(&mut self, node: &NodeId, now: Timestamp) -> bool {
        let now = self.advance(now);
        let before = self.nodes.insert(node.clone(), now);
        self.nodes
            .retain(|_, seen| seen.millis() > now.millis() - NODE_RETENTION_MS);
        let is_returning = self.returning_nodes.remove(node);
        before.is_some_and(|seen| node_is_alive(seen, now)) && !is_returning
    }

    pub(super) fn finish_restore(&mut self, node: &NodeId, epoch: &Epoch, now: Timestamp) {
        let now = self.advance(now);
        let is_rebuilt = *epoch == self.epoch && self.is_rebuilding();
        if is_rebuilt && self.awaited_nodes.remove(node) && self.awaited_nodes.is_empty() {
            if self.release_from == self.rebuilding_until {
                self.release_from = now; // else it was handed over meanwhile, and is held back for longer
            }
            self.rebuilding_until = now;
        }
    }

    // ── one admission step ──

    pub(super) fn release(
        &mut self,
        batch: &str,
        limit: u32,
        throttle: Throttle,
        scope: TickScope,
        seats: SeatTotals,
        now: Timestamp,
    ) -> Released {
        let now = self.advance(now);
        self.apply_throttle(throttle, now);

        let (removals, unacknowledged) = if scope == TickScope::Full {
            self.sweep(now)
        } else {
            Default::default()
        };
        self.refill_tokens(now);

        let want = if self.throttle.factor > 0.0 && seats.left > 0 {
            self.grant_budget(limit, now)
        } else {
            0
        };
        let granted = self.issue_passes(batch, want, now);
        let published = if scope == TickScope::Full {
            self.removed.len().min(MAX_PROGRESS_REMOVALS)
        } else {
            0
        };

        Released {
            pushes: self.push_recipients(&granted),
            granted,
            unacknowledged,
            removals,
            progress: self.progress(published, seats),
        }
    }

    fn push_recipients(&self, granted: &[Routed<Grant>]) -> Vec<PushRecipient> {
        let recipient = |grant: &Routed<Grant>| {
            let subscriptions = self.entries.get(&grant.user)?.subscriptions.clone();
            (!subscriptions.is_empty()).then(|| PushRecipient {
                user: grant.user.clone(),
                subscriptions,
            })
        };
        granted.iter().filter_map(recipient).collect()
    }

    /// Ends what expired, and collects the passes to send again.
    fn sweep(&mut self, now: Timestamp) -> (Vec<Routed<Removal>>, Vec<Routed<Grant>>) {
        let mut removals = self.expire_passes();
        let mut unacknowledged = self.resend_unacknowledged(now, &mut removals);
        self.resend_live_passes(&mut unacknowledged);
        self.drop_absent(now, &mut removals);
        (removals, unacknowledged)
    }

    fn expire_passes(&mut self) -> Vec<Routed<Removal>> {
        let (redeeming, expired): (Vec<_>, Vec<_>) = self
            .active
            .due(self.pass_time(), MAX_SWEPT_USERS)
            .into_iter()
            .partition(|user| self.is_redeeming(user));
        redeeming.iter().for_each(|user| self.active.remove(user)); // their holds decide
        self.counters.expired += expired.len() as u64;

        expired
            .into_iter()
            .map(|user| self.remove_and_report(user, Removal::Expired))
            .collect()
    }

    fn is_redeeming(&self, user: &UserId) -> bool {
        self.entries
            .get(user)
            .is_some_and(|entry| matches!(entry.state, EntryState::Redeeming(_)))
    }

    fn remove_and_report(&mut self, user: UserId, reason: Removal) -> Routed<Removal> {
        Routed {
            nodes: self.remove_user(&user),
            user,
            payload: reason,
        }
    }

    /// After a clock jump the claim window begins again: no acknowledgement could arrive meanwhile.
    /// It is longer for a pass that was pushed.
    fn resend_unacknowledged(
        &mut self,
        now: Timestamp,
        removals: &mut Vec<Routed<Removal>>,
    ) -> Vec<Routed<Grant>> {
        let mut again = Vec::new();
        for user in self.unacknowledged.due(now, MAX_SWEPT_USERS) {
            let Some(Entry {
                state: EntryState::HasPass(grant),
                nodes,
                subscriptions,
                ..
            }) = self.entries.get(&user)
            else {
                continue;
            };
            let window = if subscriptions.is_empty() {
                self.settings.claim_window()
            } else {
                self.settings.push_claim_window()
            };
            let claimed_from = self
                .clock_jumped_at
                .map_or(grant.issued_at, |jumped_at| jumped_at.max(grant.issued_at));
            let deadline = claimed_from.plus(window);
            if deadline <= now {
                removals.push(self.mark_unclaimed(user, now));
            } else {
                again.push(Routed {
                    user: user.clone(),
                    nodes: nodes.clone(),
                    payload: self.in_queue_time(grant),
                });
                self.unacknowledged.set(&user, next_check(now, deadline));
            }
        }

        again
    }

    /// Sends passes again whose end has moved, a part at a time.
    fn resend_live_passes(&mut self, again: &mut Vec<Routed<Grant>>) {
        let Some(resent) = self.resend_from else {
            return;
        };
        let some = self
            .active
            .due(Timestamp::from_millis(i64::MAX), resent + MAX_SWEPT_USERS)
            .split_off(resent.min(self.active.len()));

        self.resend_from = (some.len() == MAX_SWEPT_USERS).then_some(resent + MAX_SWEPT_USERS);

        for user in some {
            if let Some(Entry {
                state: EntryState::HasPass(grant),
                nodes,
                ..
            }) = self.entries.get(&user)
            {
                again.push(Routed {
                    user,
                    nodes: nodes.clone(),
                    payload: self.in_queue_time(grant),
                });
            }
        }
    }

    fn mark_unclaimed(&mut self, user: UserId, now: Timestamp) -> Routed<Removal> {
        self.counters.unclaimed += 1;
        let unclaimed_passes = self
            .entries
            .get(&user)
            .map_or(0, |entry| entry.unclaimed_passes)
            + 1;

        if unclaimed_passes >= MAX_UNCLAIMED_PASSES {
            self.counters.dropped += 1;
            return self.remove_and_report(user, Removal::Absent);
        }

        self.active.remove(&user);
        self.unacknowledged.remove(&user);
        self.absent_since.set(&user, now);

        let mut nodes = Vec::new();
        if let Some(entry) = self.entries.get_mut(&user) {
            entry.state = EntryState::Unclaimed;
            entry.unclaimed_passes = unclaimed_passes;
            nodes = std::mem::take(&mut entry.nodes);
            self.unclaimed.insert(entry.number, user.clone());
        }

        Routed {
            user,
            nodes,
            payload: Removal::Unclaimed,
        }
    }

    fn drop_absent(&mut self, now: Timestamp, removals: &mut Vec<Routed<Removal>>) {
        let grace = self.settings.grace();
        if self.clock_jumped_at.is_some_and(|at| now < at.plus(grace)) {
            return;
        }

        for user in self.absent_since.due(now.minus(grace), MAX_SWEPT_USERS) {
            let keeps = self
                .entries
                .get(&user)
                .is_none_or(|entry| self.is_any_alive(&entry.nodes, now));
            if keeps {
                self.absent_since.remove(&user);
            } else if self.is_ready(&user) && self.is_subscribed(&user) {
                self.absent_since.set(&user, now); // the subscription may end
            } else {
                self.counters.dropped += 1;
                removals.push(self.remove_and_report(user, Removal::Absent));
            }
        }
    }

    fn is_ready(&self, user: &UserId) -> bool {
        self.entries
            .get(user)
            .is_some_and(|entry| self.ready.contains_key(&entry.number))
    }

    fn is_any_alive(&self, nodes: &[NodeId], now: Timestamp) -> bool {
        nodes.iter().any(|node| {
            self.nodes
                .get(node)
                .is_some_and(|seen| node_is_alive(*seen, now))
        })
    }

    /// Of several workers' throttles the latest counts. At 0 the pass clock stops.
    fn apply_throttle(&mut self, throttle: Throttle, now: Timestamp) {
        if throttle.decided_at >= self.throttle.decided_at {
            self.throttle = throttle;
        }
        match (self.throttle.factor > 0.0, self.pass_clock.stopped_since) {
            (false, None) => self.pass_clock.stopped_since = Some(now),
            (true, Some(_)) => {
                self.pass_clock = PassClock {
                    stopped_for: self.pass_clock.lag(now),
                    stopped_since: None,
                };
                self.resend_from = Some(0);
            }
            _ => {}
        }
    }

    fn pass_time(&self) -> Timestamp {
        self.clock.minus(self.pass_clock.lag(self.clock))
    }

    /// A pass with its end in the queue's time, as clients see it.
    fn in_queue_time(&self, grant: &Grant) -> Grant {
        Grant {
            expires_at: grant.expires_at.plus(self.pass_clock.lag(self.clock)),
            ..grant.clone()
        }
    }

    fn refill_tokens(&mut self, now: Timestamp) {
        let (rate, burst, part) = (
            self.settings.rate_per_second,
            self.settings.burst,
            self.throttle.factor,
        );

        self.bucket = self.bucket.refilled(
            throttled_rate(rate, part),
            throttled_burst(burst, part),
            now,
        );
    }

    /// How many may go now, by state, bucket and cap.
    fn grant_budget(&self, limit: u32, now: Timestamp) -> usize {
        if self.settings.state != SaleState::Open || now < self.release_from {
            return 0;
        }
        let allowed = self
            .bucket
            .available(self.active.len() as u64, self.settings.max_active);
        allowed.min(limit.into()) as usize
    }

    fn issue_passes(&mut self, batch: &str, want: usize, now: Timestamp) -> Vec<Routed<Grant>> {
        let mut granted = Vec::new();
        let mut examined = 0;

        while granted.len() < want && examined < want + MAX_SWEPT_USERS {
            let Some((number, user)) = self.ready.pop_first() else {
                break;
            };
            examined += 1;
            if self.is_present(&user, now) || self.is_subscribed(&user) {
                granted.push(self.issue_pass(
                    user,
                    number,
                    format!("{batch}-{}", granted.len()),
                    now,
                ));
            } else {
                self.set_absent(&user, now);
            }
        }

        self.bucket = self.bucket.take(granted.len() as u64);
        self.counters.released += granted.len() as u64;
        granted
    }

    fn is_present(&self, user: &UserId, now: Timestamp) -> bool {
        let polled = self
            .absent_since
            .get(user)
            .is_some_and(|absent_from| absent_from > now);

        polled
            || self
                .entries
                .get(user)
                .is_some_and(|entry| self.is_any_alive(&entry.nodes, now))
    }

    /// Absent since the last poll or the last heartbeat of their dead nodes; a deleted node counts
    /// as just gone.
    fn set_absent(&mut self, user: &UserId, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(user) else {
            return;
        };
        let last_seen = entry
            .nodes
            .drain(..)
            .filter_map(|node| self.nodes.get(&node).copied())
            .max();

        let absent_from = self.absent_since.get(user).max(last_seen).unwrap_or(now);
        self.absent_since.set(user, absent_from);
    }

    fn issue_pass(
        &mut self,
        user: UserId,
        number: u64,
        pass_id: String,
        now: Timestamp,
    ) -> Routed<Grant> {
        if self.waiting.remove(number).is_some() {
            self.removed.push_back(number);
        }

        self.unclaimed.remove(&number);
        self.head = self.head.max(number);

        let pass_id: PassId = pass_id
            .parse()
            .expect("batch names are letters, digits and '-'");
        let expires_at = self.pass_time().plus(self.settings.pass_ttl());
        let grant = Grant {
            pass_id,
            number,
            epoch: self.epoch.clone(),
            issued_at: now,
            expires_at,
        };

        self.absent_since.remove(&user);
        self.active.set(&user, expires_at);
        self.unacknowledged.set(
            &user,
            next_check(now, now.plus(self.settings.claim_window())),
        );

        let payload = self.in_queue_time(&grant);
        let entry = self
            .entries
            .get_mut(&user)
            .expect("a ready user has an entry");

        entry.state = EntryState::HasPass(grant);
        entry.last_position = None;

        Routed {
            user,
            nodes: entry.nodes.clone(),
            payload,
        }
    }

    /// The state of the queue; takes the next `count` removals to publish.
    fn progress(&mut self, count: usize, seats: SeatTotals) -> Progress {
        let removed: Vec<u64> = self.removed.drain(..count).collect();
        let from = self.published;

        self.published += removed.len() as u64;
        Progress {
            event_id: self.event,
            epoch: self.epoch.clone(),
            from,
            to: self.published,
            removed,
            total: self.total(),
            active: self.active.len() as u64,
            seats_left: seats.left,
            settings: self.current_settings(seats),
            share: self.throttle.factor,
            released: Some(self.counters.released),
            present: Some(self.ready.len() as u64),
            passed_over: self.waiting.rank(self.head),
            counting: self.is_rebuilding(),
            seats_known: seats.is_known,
        }
    }

    fn live_pass(&self, user: &UserId, pass: &PassId) -> Option<&Grant> {
        match &self.entries.get(user)?.state {
            EntryState::HasPass(grant) if grant.pass_id == *pass => Some(grant),
            _ => None,
        }
    }

    /// Has this user's live pass expired? `None` if it was used or revoked.
    fn is_pass_expired(&self, user: &UserId, pass: &PassId) -> Option<bool> {
        self.live_pass(user, pass)
            .map(|grant| grant.expires_at <= self.pass_time())
    }

    fn redeeming_pass(&self, user: &UserId, pass: &PassId) -> Option<&Grant> {
        match &self.entries.get(user)?.state {
            EntryState::Redeeming(grant) if grant.pass_id == *pass => Some(grant),
            _ => None,
        }
    }

    fn total(&self) -> u64 {
        (self.waiting.len() + self.unclaimed.len()) as u64
    }

    fn revision(&self) -> u64 {
        self.published + self.removed.len() as u64
    }
}

impl PassLedger for Queue {
    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn pass_expires_at(&self, user: &UserId, pass: &PassId) -> Option<Timestamp> {
        self.live_pass(user, pass)
            .map(|grant| self.in_queue_time(grant).expires_at)
    }

    /// The pass goes on counting as active until the commit: if another pass took its slot, a commit
    /// that fails would bring it back above the cap.
    fn begin_redeem(&mut self, user: &UserId, pass: &PassId) {
        let Some(grant) = self.live_pass(user, pass).cloned() else {
            return;
        };
        self.unacknowledged.remove(user);
        self.absent_since.remove(user);
        if let Some(entry) = self.entries.get_mut(user) {
            entry.state = EntryState::Redeeming(grant);
        }
    }

    /// The user has no place any more.
    fn finish_redeem(&mut self, user: &UserId, pass: &PassId) {
        if self.redeeming_pass(user, pass).is_some() {
            self.entries.remove(user);
            self.active.remove(user);
        }
    }

    /// The pass is as good as before.
    fn abort_redeem(&mut self, user: &UserId, pass: &PassId) {
        let Some(grant) = self.redeeming_pass(user, pass).cloned() else {
            return;
        };

        if grant.expires_at <= self.pass_time() {
            self.entries.remove(user);
            self.active.remove(user);
            return;
        }

        if let Some(entry) = self.entries.get_mut(user) {
            entry.state = EntryState::HasPass(grant);
        }
    }
}

/// When to check an unacknowledged pass again: soon, but not after its deadline.
fn next_check(now: Timestamp, deadline: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.millis() + GRANT_RESEND_MS).min(deadline)
}
