//! The line of one event: numbers, presence, passes, and the log of removals that positions are
//! projected from.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use super::{
    super::{
        AFTER_FREEZE, Act, Acted, Action, Counters, JoinOutcome, LEAP, LineStatus, NODE_MEMORY_MS,
        NODES_PER_USER, Opening, PROGRESS_LIMIT, RESEND_MS, Reached, Released, STANDSTILL_LIMIT,
        SWEEP_LIMIT, Scope, UNCLAIMED_LIMIT, UNSERVED_PASSES, UNSERVED_RUNS,
    },
    earlier::Earlier,
    ranks::Ranks,
    schedule::Schedule,
    seats::Stock,
};
use crate::{
    absence::{POLL_WINDOW, Presence, node_is_alive},
    clock::Timestamp,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    line::{Addressed, Grant, Lapse, Place, Progress, QueueSettings, SaleState, Told},
    numbers::Numbers,
    rate::{Bucket, Share, paced_burst, paced_rate},
};

/// Where a user stands.
#[derive(Debug, Clone, PartialEq)]
enum Standing {
    /// In line.
    Waiting,
    /// Had a pass that was taken back: out of everybody's count, first again on return.
    Returned,
    /// Holds a pass.
    Passed(Grant),
    /// Used the pass for a hold that is not committed yet.
    Spent(Grant),
}

#[derive(Debug)]
struct Entry {
    number: u64,
    standing: Standing,
    nodes: Vec<NodeId>,
    /// Passes of this place that were taken back.
    unclaimed: u8,
    /// The best position that was told, in a line that was begun again.
    shown: Option<u64>,
}

/// How far the time of passes is behind the line's: it stands still while booking can take nobody.
#[derive(Debug, Default)]
struct Standstill {
    stood: Duration,
    since: Option<Timestamp>,
}

impl Standstill {
    fn span(&self, now: Timestamp) -> Duration {
        self.stood
            + self.since.map_or(Duration::ZERO, |since| {
                now.since(since).min(STANDSTILL_LIMIT)
            })
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Line {
    event: EventId,
    pub(super) settings: QueueSettings,
    pub(super) epoch: Epoch,
    opening_sequence: u64,
    release_from: Timestamp,
    counting_until: Timestamp,
    /// Gateways that have not said yet that their users of the lost line are back.
    awaited: HashSet<NodeId>,
    /// The numbers of earlier incarnations that have not been served.
    earlier: Earlier,
    sequence: u64,
    head: u64,
    clock: Timestamp,
    bucket: Bucket,
    share: Share,
    standstill: Standstill,
    /// How many of the live passes were told again since time went on, while there are more.
    told_again: Option<usize>,
    /// Their passes end by the time of passes.
    entries: HashMap<UserId, Entry>,
    /// Everybody who waits, present or absent: what positions are ranks in.
    waiting: Ranks,
    /// Everybody whose pass was taken back.
    returned: BTreeMap<u64, UserId>,
    /// Who can be released: waiting or returned, and not known to be absent.
    ready: BTreeMap<u64, UserId>,
    /// Users without a connection, by the moment from which they are absent.
    idle: Schedule<UserId>,
    /// Live passes by their end.
    active: Schedule<UserId>,
    /// Passes not acknowledged, by the moment when they are next looked at.
    unacknowledged: Schedule<UserId>,
    nodes: HashMap<NodeId, Timestamp>,
    /// Nodes that were silent for too long and have a connection again, and have not reported yet.
    revived: HashSet<NodeId>,
    /// When time last went on by more than [`LEAP`] at once.
    leapt: Option<Timestamp>,
    published: u64,
    removed: VecDeque<u64>,
    /// `joined` is not among them: it follows from the numbers.
    counters: Counters,
}

impl Line {
    pub(super) fn open(event: EventId, opening: &Opening, now: Timestamp) -> Self {
        Self {
            event,
            settings: opening.settings.clone(),
            epoch: opening.epoch.clone(),
            opening_sequence: opening.sequence,
            earlier: Earlier::new(opening),
            release_from: opening.release_from,
            counting_until: opening.release_from,
            awaited: opening.awaited.iter().cloned().collect(),
            sequence: opening.sequence,
            head: opening.head,
            clock: now,
            bucket: Bucket::full(opening.settings.burst, now),
            share: Share::default(),
            standstill: Standstill::default(),
            told_again: None,
            entries: HashMap::new(),
            waiting: Ranks::above(opening.sequence),
            returned: BTreeMap::new(),
            ready: BTreeMap::new(),
            idle: Schedule::default(),
            active: Schedule::default(),
            unacknowledged: Schedule::default(),
            nodes: HashMap::new(),
            revived: HashSet::new(),
            leapt: None,
            published: 0,
            removed: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The later of the caller's time and the last that this line has seen.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        let gap = now.since(self.clock);
        self.clock = self.clock.max(now);

        if gap > LEAP {
            self.leap(gap);
        }
        self.clock
    }

    /// Time went on by `gap` at once: nobody could act in between. Who was here could not show it,
    /// and passes get the time back, unless theirs stands still already.
    fn leap(&mut self, gap: Duration) {
        self.leapt = Some(self.clock);
        if self.standstill.since.is_none() {
            self.standstill.stood += gap.min(STANDSTILL_LIMIT);
            self.told_again = Some(0);
        }
    }

    pub(super) fn clock(&self) -> Timestamp {
        self.clock
    }

    pub(super) fn status(&self, stock: Stock) -> LineStatus {
        LineStatus {
            settings: self.settings_with(stock),
            share: self.share.part,
            epoch: self.epoch.clone(),
            sequence: self.sequence,
            head: self.head,
            total: self.total(),
            active: self.active.len() as u64,
            seats_left: stock.left,
            absent: self.idle.count_due(self.clock) as u64,
            counters: Counters {
                joined: self.joined(),
                ..self.counters
            },
            counting: self.is_counting(),
            seats_known: stock.is_known,
            frozen: None,
        }
    }

    /// The settings in force: what is open has nothing to sell any more where everything is sold.
    fn settings_with(&self, stock: Stock) -> QueueSettings {
        let mut settings = self.settings.clone();
        if settings.state == SaleState::Open && stock.is_sold {
            settings.state = SaleState::SoldOut;
        }
        settings
    }

    /// Each new place took the next number, or an earlier epoch's.
    fn joined(&self) -> u64 {
        self.sequence - self.opening_sequence + self.earlier.taken()
    }

    pub(super) fn act(&mut self, action: &Action, now: Timestamp) -> Acted {
        let user = &action.user;
        let acted = match &action.what {
            Act::Join { .. } | Act::Resume(_) | Act::BringBack { .. } | Act::Leave
                if self.is_spent(user) =>
            {
                self.advance(now);
                return Acted::Deciding;
            }
            Act::Join { presence, ticket } => self
                .join(user, presence, ticket.as_ref(), now)
                .map_or(Acted::Recovering, Acted::Joined),
            Act::Resume(presence) => Acted::Found(self.resume(user, presence, now)),
            Act::BringBack {
                presence,
                ticket,
                told,
            } => Acted::Found(self.bring_back(user, presence, ticket, *told, now)),
            Act::Detach(node) => {
                self.detach(user, node, now);
                Acted::Done(true)
            }
            Act::Leave => Acted::Left(self.leave(user, now)),
            Act::Acknowledge(pass) => Acted::Done(self.acknowledge(user, pass, now)),
        };
        match acted {
            Acted::Found(None) | Acted::Left(None) if self.is_counting() => Acted::Recovering,
            acted => acted,
        }
    }

    /// Is the line being rebuilt?
    fn is_counting(&self) -> bool {
        self.clock < self.counting_until
    }

    /// Nobody is released before those who are here could show it.
    pub(super) fn hold_back(&mut self, now: Timestamp) {
        self.release_from = self
            .release_from
            .max(self.clock.max(now).plus(AFTER_FREEZE));
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
        if !self.settings.state.admits_joins() {
            return Some(JoinOutcome::NotOpen(self.settings.state));
        }
        if let Some((number, standing)) = ticket.and_then(|ticket| self.unserved_number(ticket)) {
            self.seat(user, number, standing);
        } else if self.is_counting() {
            return None;
        } else if self.total() >= self.settings.max_in_line {
            return Some(JoinOutcome::Full);
        } else {
            self.sequence += 1;
            self.seat(user, self.sequence, Standing::Waiting);
        }
        self.resume(user, presence, now).map(JoinOutcome::Joined)
    }

    fn bring_back(
        &mut self,
        user: &UserId,
        presence: &Presence,
        ticket: &(Epoch, u64),
        told: Option<u64>,
        now: Timestamp,
    ) -> Option<Place> {
        self.advance(now);
        if !self.entries.contains_key(user) && self.settings.state.admits_joins() {
            let (number, standing) = self.unserved_number(ticket)?;
            self.seat(user, number, standing);
        }
        let is_this = self
            .entries
            .get(user)
            .is_some_and(|entry| entry.number == ticket.1)
            && ticket.0 != self.epoch;
        if let Some(position) = told.filter(|_| is_this) {
            self.note_shown(user, position);
        }
        self.resume(user, presence, now)
    }

    /// The user is told this position, or was. Only in a line that was begun again may somebody
    /// come back in front of others, whose positions are not to grow for it.
    fn note_shown(&mut self, user: &UserId, position: u64) {
        let waits =
            |entry: &&mut Entry| matches!(entry.standing, Standing::Waiting | Standing::Returned);
        if self.opening_sequence > 0
            && position > 0
            && let Some(entry) = self.entries.get_mut(user).filter(waits)
        {
            entry.shown = Some(entry.shown.map_or(position, |shown| shown.min(position)));
        }
    }

    fn seat(&mut self, user: &UserId, number: u64, standing: Standing) {
        if standing == Standing::Returned {
            self.returned.insert(number, user.clone());
        } else {
            self.waiting.insert(number, user.clone());
        }
        self.entries.insert(
            user.clone(),
            Entry {
                number,
                standing,
                nodes: Vec::new(),
                unclaimed: 0,
                shown: None,
            },
        );
    }

    /// The number of a ticket of an earlier epoch that has not been served and not been
    /// re-presented, and how it stands.
    fn unserved_number(&mut self, ticket: &(Epoch, u64)) -> Option<(u64, Standing)> {
        let (epoch, number) = ticket;
        let standing = if *epoch == self.epoch {
            None
        } else {
            self.earlier.take(*number)
        };
        standing.map(|returned| {
            (
                *number,
                if returned {
                    Standing::Returned
                } else {
                    Standing::Waiting
                },
            )
        })
    }

    fn resume(&mut self, user: &UserId, presence: &Presence, now: Timestamp) -> Option<Place> {
        let now = self.advance(now);
        let entry = self.entries.get_mut(user)?;
        match presence {
            Presence::Node(node) => {
                entry.nodes.retain(|known| known != node);
                entry.nodes.push(node.clone());
                if entry.nodes.len() > NODES_PER_USER {
                    entry.nodes.remove(0);
                }
                if self
                    .nodes
                    .insert(node.clone(), now)
                    .is_some_and(|seen| !node_is_alive(seen, now))
                {
                    self.revived.insert(node.clone());
                }
                self.idle.remove(user);
            }
            Presence::Poll => {
                self.idle.set(user, now.plus(POLL_WINDOW));
                self.unacknowledged.remove(user);
            }
        }
        if matches!(entry.standing, Standing::Waiting | Standing::Returned) {
            self.ready.insert(entry.number, user.clone());
        }
        self.place(user)
    }

    fn place(&mut self, user: &UserId) -> Option<Place> {
        let place = self.place_now(user)?;
        if !place.counting {
            self.note_shown(user, place.position);
        }
        let told = match self.entries.get(user)?.shown {
            _ if place.grant.is_some() => Told::Nothing,
            _ if place.counting && !self.awaited.is_empty() => Told::Unknown,
            shown => shown.map_or(Told::Nothing, Told::Before),
        };
        Some(Place { told, ..place })
    }

    fn place_now(&self, user: &UserId) -> Option<Place> {
        let entry = self.entries.get(user)?;
        let counting = self.is_counting();
        let (position, grant) = match &entry.standing {
            Standing::Waiting if counting => (self.earlier.bound(entry.number), None),
            Standing::Returned if counting => (self.earlier.bound_of_returned(entry.number), None),
            Standing::Waiting => (self.waiting.rank(entry.number), None),
            Standing::Returned => (self.returned.range(..=entry.number).count() as u64, None),
            Standing::Passed(grant) => (0, Some(self.told(grant))),
            Standing::Spent(_) => return None,
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
            told: Told::Nothing,
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
        if !entry.nodes.is_empty() || matches!(entry.standing, Standing::Spent(_)) {
            return;
        }
        let absent_from = self.idle.get(user).unwrap_or(now).max(now);
        self.idle.set(user, absent_from);
        if absent_from <= now {
            self.ready.remove(&entry.number);
        }
    }

    fn leave(&mut self, user: &UserId, now: Timestamp) -> Option<Vec<NodeId>> {
        self.advance(now);
        self.entries.contains_key(user).then(|| {
            self.counters.left += 1;
            self.drop_place(user)
        })
    }

    /// Removes a user from every index; the nodes that may hold connections of theirs are returned.
    fn drop_place(&mut self, user: &UserId) -> Vec<NodeId> {
        let Some(entry) = self.entries.remove(user) else {
            return Vec::new();
        };
        self.ready.remove(&entry.number);
        self.returned.remove(&entry.number);
        if self.waiting.remove(entry.number).is_some() {
            self.removed.push_back(entry.number);
        }
        self.idle.remove(user);
        self.active.remove(user);
        self.unacknowledged.remove(user);
        entry.nodes
    }

    fn acknowledge(&mut self, user: &UserId, pass: &PassId, now: Timestamp) -> bool {
        self.advance(now);
        let live = self.pass_is_over(user, pass) == Some(false);
        if live {
            self.unacknowledged.remove(user);
        }
        live || self.spent_pass(user, pass).is_some()
    }

    /// How far the line has come.
    pub(super) fn reached(&self) -> Reached {
        let mut unserved = self.earlier.up_to(self.head);
        self.waiting
            .up_to(self.head)
            .for_each(|number| unserved.waiting.insert(number));
        self.returned
            .range(..=self.head)
            .for_each(|(number, _)| unserved.returned.insert(*number));
        let unreached = self
            .unacknowledged
            .members()
            .filter_map(|user| self.entries.get(user));
        let unreached = unreached.filter(|entry| matches!(entry.standing, Standing::Passed(_)));
        unreached.for_each(|entry| unserved.returned.insert(entry.number));
        if self.unacknowledged.len() >= UNSERVED_PASSES {
            unserved.returned = Numbers::run(1, self.head);
        }
        Reached {
            sequence: self.sequence,
            head: self.head,
            unserved: unserved.in_runs(UNSERVED_RUNS, self.head),
        }
    }

    pub(super) fn report_node(&mut self, node: &NodeId, now: Timestamp) -> bool {
        let now = self.advance(now);
        let before = self.nodes.insert(node.clone(), now);
        self.nodes
            .retain(|_, seen| seen.millis() > now.millis() - NODE_MEMORY_MS);
        let revived = self.revived.remove(node);
        before.is_some_and(|seen| node_is_alive(seen, now)) && !revived
    }

    pub(super) fn all_back(&mut self, node: &NodeId, epoch: &Epoch, now: Timestamp) {
        let now = self.advance(now);
        let is_rebuilt = *epoch == self.epoch && self.is_counting();
        if is_rebuilt && self.awaited.remove(node) && self.awaited.is_empty() {
            if self.release_from == self.counting_until {
                self.release_from = now; // else it was handed over meanwhile, and is held back for longer
            }
            self.counting_until = now;
        }
    }

    // ── one admission step ──

    pub(super) fn release(
        &mut self,
        batch: &str,
        limit: u32,
        share: Share,
        scope: Scope,
        stock: Stock,
        now: Timestamp,
    ) -> Released {
        let now = self.advance(now);
        self.take_share(share, now);
        let (lapsed, unacknowledged) = if scope == Scope::Whole {
            self.sweep(now)
        } else {
            Default::default()
        };
        self.refill(now);
        let want = if self.share.part > 0.0 && stock.left > 0 {
            self.allowance(limit, now)
        } else {
            0
        };
        let granted = self.grant(batch, want, now);
        let told = if scope == Scope::Whole {
            self.removed.len().min(PROGRESS_LIMIT)
        } else {
            0
        };
        Released {
            granted,
            unacknowledged,
            lapsed,
            progress: self.progress(told, stock),
        }
    }

    /// Sees to what ended, and to what is to be sent again.
    fn sweep(&mut self, now: Timestamp) -> (Vec<Addressed<Lapse>>, Vec<Addressed<Grant>>) {
        let mut lapsed = self.expire_passes();
        let mut unacknowledged = self.review_unacknowledged(now, &mut lapsed);
        self.tell_again(&mut unacknowledged);
        self.drop_absent(now, &mut lapsed);
        (lapsed, unacknowledged)
    }

    fn expire_passes(&mut self) -> Vec<Addressed<Lapse>> {
        let (spent, expired): (Vec<_>, Vec<_>) = self
            .active
            .due(self.pass_time(), SWEEP_LIMIT)
            .into_iter()
            .partition(|user| self.is_spent(user));
        spent.iter().for_each(|user| self.active.remove(user)); // their holds decide
        self.counters.expired += expired.len() as u64;
        expired
            .into_iter()
            .map(|user| self.lapse(user, Lapse::Expired))
            .collect()
    }

    fn is_spent(&self, user: &UserId) -> bool {
        self.entries
            .get(user)
            .is_some_and(|entry| matches!(entry.standing, Standing::Spent(_)))
    }

    fn lapse(&mut self, user: UserId, what: Lapse) -> Addressed<Lapse> {
        Addressed {
            nodes: self.drop_place(&user),
            user,
            what,
        }
    }

    /// A line that leapt has taken no acknowledgement meanwhile: the time for them begins again.
    fn review_unacknowledged(
        &mut self,
        now: Timestamp,
        lapsed: &mut Vec<Addressed<Lapse>>,
    ) -> Vec<Addressed<Grant>> {
        let mut again = Vec::new();
        for user in self.unacknowledged.due(now, SWEEP_LIMIT) {
            let Some(Entry {
                standing: Standing::Passed(grant),
                nodes,
                ..
            }) = self.entries.get(&user)
            else {
                continue;
            };
            let told_at = self
                .leapt
                .map_or(grant.issued_at, |leapt| leapt.max(grant.issued_at));
            let deadline = told_at.plus(self.settings.claim_window());
            if deadline <= now {
                lapsed.push(self.take_back(user, now));
            } else {
                again.push(Addressed {
                    user: user.clone(),
                    nodes: nodes.clone(),
                    what: self.told(grant),
                });
                self.unacknowledged.set(&user, next_look(now, deadline));
            }
        }
        again
    }

    /// Tells passes whose end has moved.
    fn tell_again(&mut self, again: &mut Vec<Addressed<Grant>>) {
        let Some(told) = self.told_again else { return };
        let some = self
            .active
            .due(Timestamp::from_millis(i64::MAX), told + SWEEP_LIMIT)
            .split_off(told.min(self.active.len()));
        self.told_again = (some.len() == SWEEP_LIMIT).then_some(told + SWEEP_LIMIT);
        for user in some {
            if let Some(Entry {
                standing: Standing::Passed(grant),
                nodes,
                ..
            }) = self.entries.get(&user)
            {
                again.push(Addressed {
                    user,
                    nodes: nodes.clone(),
                    what: self.told(grant),
                });
            }
        }
    }

    fn take_back(&mut self, user: UserId, now: Timestamp) -> Addressed<Lapse> {
        self.counters.taken_back += 1;
        let unclaimed = self.entries.get(&user).map_or(0, |entry| entry.unclaimed) + 1;
        if unclaimed >= UNCLAIMED_LIMIT {
            self.counters.dropped += 1;
            return self.lapse(user, Lapse::Absent);
        }
        self.active.remove(&user);
        self.unacknowledged.remove(&user);
        self.idle.set(&user, now);
        let mut nodes = Vec::new();
        if let Some(entry) = self.entries.get_mut(&user) {
            entry.standing = Standing::Returned;
            entry.unclaimed = unclaimed;
            nodes = std::mem::take(&mut entry.nodes);
            self.returned.insert(entry.number, user.clone());
        }
        Addressed {
            user,
            nodes,
            what: Lapse::Unclaimed,
        }
    }

    fn drop_absent(&mut self, now: Timestamp, lapsed: &mut Vec<Addressed<Lapse>>) {
        let grace = self.settings.grace();
        if self.leapt.is_some_and(|at| now < at.plus(grace)) {
            return;
        }
        for user in self.idle.due(now.minus(grace), SWEEP_LIMIT) {
            let keeps = self.entries.get(&user).is_none_or(|entry| {
                matches!(entry.standing, Standing::Passed(_)) || self.any_alive(&entry.nodes, now)
            });
            if keeps {
                self.idle.remove(&user);
            } else {
                self.counters.dropped += 1;
                lapsed.push(self.lapse(user, Lapse::Absent));
            }
        }
    }

    fn any_alive(&self, nodes: &[NodeId], now: Timestamp) -> bool {
        nodes.iter().any(|node| {
            self.nodes
                .get(node)
                .is_some_and(|seen| node_is_alive(*seen, now))
        })
    }

    /// Of several workers' shares the latest counts. Without any, the time of passes stands still.
    fn take_share(&mut self, share: Share, now: Timestamp) {
        if share.decided_at >= self.share.decided_at {
            self.share = share;
        }
        match (self.share.part > 0.0, self.standstill.since) {
            (false, None) => self.standstill.since = Some(now),
            (true, Some(_)) => {
                self.standstill = Standstill {
                    stood: self.standstill.span(now),
                    since: None,
                };
                self.told_again = Some(0);
            }
            _ => {}
        }
    }

    fn pass_time(&self) -> Timestamp {
        self.clock.minus(self.standstill.span(self.clock))
    }

    /// A pass as it is told: with its end by the line's time.
    fn told(&self, grant: &Grant) -> Grant {
        Grant {
            expires_at: grant.expires_at.plus(self.standstill.span(self.clock)),
            ..grant.clone()
        }
    }

    fn refill(&mut self, now: Timestamp) {
        let (rate, burst, part) = (
            self.settings.rate_per_second,
            self.settings.burst,
            self.share.part,
        );
        self.bucket = self
            .bucket
            .refilled(paced_rate(rate, part), paced_burst(burst, part), now);
    }

    /// How many may go now, by state, bucket and cap.
    fn allowance(&self, limit: u32, now: Timestamp) -> usize {
        if self.settings.state != SaleState::Open || now < self.release_from {
            return 0;
        }
        let allowed = self
            .bucket
            .allows(self.active.len() as u64, self.settings.max_active);
        allowed.min(limit.into()) as usize
    }

    fn grant(&mut self, batch: &str, want: usize, now: Timestamp) -> Vec<Addressed<Grant>> {
        let mut granted = Vec::new();
        let mut looked_at = 0;
        while granted.len() < want && looked_at < want + SWEEP_LIMIT {
            let Some((number, user)) = self.ready.pop_first() else {
                break;
            };
            looked_at += 1;
            if self.is_present(&user, now) {
                granted.push(self.pass_to(user, number, format!("{batch}-{}", granted.len()), now));
            } else {
                self.set_absent(&user, now);
            }
        }
        self.bucket = self.bucket.less(granted.len() as u64);
        self.counters.released += granted.len() as u64;
        granted
    }

    fn is_present(&self, user: &UserId, now: Timestamp) -> bool {
        let polled = self
            .idle
            .get(user)
            .is_some_and(|absent_from| absent_from > now);
        polled
            || self
                .entries
                .get(user)
                .is_some_and(|entry| self.any_alive(&entry.nodes, now))
    }

    /// Absent from the last sign of life of their poll or their dead nodes; a forgotten node counts
    /// as just gone.
    fn set_absent(&mut self, user: &UserId, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(user) else {
            return;
        };
        let node_signs = entry
            .nodes
            .drain(..)
            .filter_map(|node| self.nodes.get(&node).copied())
            .max();
        let absent_from = self.idle.get(user).max(node_signs).unwrap_or(now);
        self.idle.set(user, absent_from);
    }

    fn pass_to(
        &mut self,
        user: UserId,
        number: u64,
        pass_id: String,
        now: Timestamp,
    ) -> Addressed<Grant> {
        if self.waiting.remove(number).is_some() {
            self.removed.push_back(number);
        }
        self.returned.remove(&number);
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
        self.active.set(&user, expires_at);
        self.unacknowledged.set(
            &user,
            next_look(now, now.plus(self.settings.claim_window())),
        );
        let what = self.told(&grant);
        let entry = self
            .entries
            .get_mut(&user)
            .expect("whoever is ready has an entry");
        entry.standing = Standing::Passed(grant);
        entry.shown = None;
        Addressed {
            user,
            nodes: entry.nodes.clone(),
            what,
        }
    }

    /// Where the line is; takes the next `told` removals to publish.
    fn progress(&mut self, told: usize, stock: Stock) -> Progress {
        let removed: Vec<u64> = self.removed.drain(..told).collect();
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
            seats_left: stock.left,
            settings: self.settings_with(stock),
            share: self.share.part,
            released: Some(self.counters.released),
            present: Some(self.ready.len() as u64),
            passed_over: self.waiting.rank(self.head),
            counting: self.is_counting(),
            seats_known: stock.is_known,
        }
    }

    // ── what the seats need of the line ──

    fn live_pass(&self, user: &UserId, pass: &PassId) -> Option<&Grant> {
        match &self.entries.get(user)?.standing {
            Standing::Passed(grant) if grant.pass_id == *pass => Some(grant),
            _ => None,
        }
    }

    /// Is the time of this user's pass over? Nothing where it was used or taken back.
    pub(super) fn pass_is_over(&self, user: &UserId, pass: &PassId) -> Option<bool> {
        self.live_pass(user, pass)
            .map(|grant| grant.expires_at <= self.pass_time())
    }

    /// The end of this user's pass, where it is neither used nor taken back.
    pub(super) fn end_of_pass(&self, user: &UserId, pass: &PassId) -> Option<Timestamp> {
        self.live_pass(user, pass)
            .map(|grant| self.told(grant).expires_at)
    }

    /// Marks the pass as used by a hold that waits for its commit. It goes on counting as active
    /// until then: were its place given to another, a commit that fails would bring it back above
    /// the cap.
    pub(super) fn spend(&mut self, user: &UserId, pass: &PassId) {
        let Some(grant) = self.live_pass(user, pass).cloned() else {
            return;
        };
        self.unacknowledged.remove(user);
        self.idle.remove(user);
        if let Some(entry) = self.entries.get_mut(user) {
            entry.standing = Standing::Spent(grant);
        }
    }

    /// The hold that used the pass is committed: the user has no place any more.
    pub(super) fn forget_spent(&mut self, user: &UserId, pass: &PassId) {
        if self.spent_pass(user, pass).is_some() {
            self.entries.remove(user);
            self.active.remove(user);
        }
    }

    /// The hold that used the pass came to nothing: the pass is as good as before.
    pub(super) fn restore(&mut self, user: &UserId, pass: &PassId) {
        let Some(grant) = self.spent_pass(user, pass).cloned() else {
            return;
        };
        if grant.expires_at <= self.pass_time() {
            self.entries.remove(user);
            self.active.remove(user);
            return;
        }
        if let Some(entry) = self.entries.get_mut(user) {
            entry.standing = Standing::Passed(grant);
        }
    }

    fn spent_pass(&self, user: &UserId, pass: &PassId) -> Option<&Grant> {
        match &self.entries.get(user)?.standing {
            Standing::Spent(grant) if grant.pass_id == *pass => Some(grant),
            _ => None,
        }
    }

    fn total(&self) -> u64 {
        (self.waiting.len() + self.returned.len()) as u64
    }

    fn revision(&self) -> u64 {
        self.published + self.removed.len() as u64
    }
}

/// When to look at an unacknowledged pass again: soon, but not after its deadline.
fn next_look(now: Timestamp, deadline: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.millis() + RESEND_MS).min(deadline)
}
