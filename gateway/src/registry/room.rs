//! One event's local users, and the projection of their positions: rank when attached, minus the
//! removals below since.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use parking_lot::Mutex;
use smallvec::SmallVec;
use waitingroom::{
    clock::Timestamp,
    ids::{Epoch, EventId, UserId},
    line::{Grant, Place, Progress, QueueSettings, Told},
    wire::WaitReason,
};

use super::conflation;
use crate::{
    connection::{
        mailbox::{Mailbox, PositionUpdate},
        wake_queue::WakeQueue,
    },
    wait_estimator::{WaitEstimate, WaitEstimator},
};

/// Most connections of one user on one node: a browser with many tabs.
const MAX_CONNECTIONS_PER_USER: usize = 8;
/// Messages that may wait for one that is missing.
const MAX_BUFFERED: usize = 64;
/// How long a missing message may be late before the places are read again.
const REORDER_TIMEOUT: Duration = Duration::from_millis(500);

/// The user has more connections here than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooManyConnections;

/// What a progress message did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProgressOutcome {
    /// Positions were moved, or there was nothing to move.
    Applied,
    /// A message before this one is missing; it may still come.
    Buffered,
    /// The line is another incarnation, or too much is missing: read the places again.
    GapDetected,
}

/// The line as a whole, as far as this node knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoomView {
    pub(crate) settings: QueueSettings,
    pub(crate) seats_left: u64,
    /// Everybody in line, when that was known last.
    pub(crate) total: Option<u64>,
    known: bool,
    /// The number of seats has been heard.
    seats_known: bool,
    pace: WaitEstimator,
}

impl RoomView {
    /// What to tell of the wait from this position.
    pub(crate) fn estimate(&self, position: u64, now: Timestamp) -> WaitEstimate {
        let seats_left = if self.known && self.seats_known {
            self.seats_left
        } else {
            u64::MAX
        };
        self.pace
            .estimate(position, &self.settings, seats_left, now)
    }

    /// Takes over what a message says of the line as a whole; while that is being rebuilt, it does
    /// not know.
    fn apply(&mut self, progress: &Progress) {
        if progress.seats_known {
            (self.seats_left, self.seats_known) = (progress.seats_left, true);
        }
        if !progress.counting {
            self.total = Some(progress.total);
        }
    }
}

#[derive(Debug, Default)]
struct ProgressBuffer {
    epoch: Option<Epoch>,
    revision: u64,
    buffered: BTreeMap<u64, Progress>,
    gap_since: Option<Timestamp>,
    last_checked_at: Timestamp,
    /// The line is being rebuilt, as far as was heard.
    counting: bool,
    view: RoomView,
}

/// How the reading of all places stands.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Resync {
    #[default]
    Idle,
    Running,
    /// Running, and asked for again since it began.
    RunningAndRequested,
}

#[derive(Debug)]
struct LocalUser {
    number: u64,
    epoch: Epoch,
    position: u64,
    revision: u64,
    last_sent_position: u64,
    last_sent_wait: u32,
    last_sent_reason: Option<WaitReason>,
    skipped_once: bool,
    /// The position is a bound: it was read while the line was being rebuilt.
    counting: bool,
    /// Two fit without an allocation; more tabs are rare.
    mailboxes: SmallVec<[Arc<Mailbox>; 2]>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Room {
    buffer: Mutex<ProgressBuffer>,
    users: DashMap<UserId, LocalUser>,
    /// May somebody here wait for a position? Where all have their passes, a step of the line
    /// concerns nobody.
    has_waiting_users: AtomicBool,
    resync: Mutex<Resync>,
    wake_queue: Arc<WakeQueue>,
}

impl Room {
    /// A room without users, whose news wakes them by and by.
    pub(super) fn new(wake_queue: Arc<WakeQueue>) -> Self {
        Self {
            wake_queue,
            ..Self::default()
        }
    }

    pub(super) fn attach(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        mailbox: &Arc<Mailbox>,
    ) -> Result<bool, TooManyConnections> {
        let place = &Place {
            epoch: self.same_epoch(&place.epoch),
            ..place.clone()
        };
        let estimate = {
            let buffer = self.buffer.lock();
            buffer.view.estimate(place.position, buffer.last_checked_at)
        };
        let mut local = self
            .users
            .entry(user.clone())
            .or_insert_with(|| LocalUser::new(place));
        let number = local.number;
        self.apply_snapshot(&mut local, place);
        if local.number != number {
            let tabs = local
                .mailboxes
                .iter()
                .filter(|known| !Arc::ptr_eq(known, mailbox));
            tabs.for_each(|tab| tab.push_place(event, place.clone()));
        }
        if !local
            .mailboxes
            .iter()
            .any(|known| Arc::ptr_eq(known, mailbox))
        {
            if local.mailboxes.len() >= MAX_CONNECTIONS_PER_USER {
                return Err(TooManyConnections);
            }
            local.mailboxes.push(Arc::clone(mailbox));
        }
        // The client is told this place next, also where a later reading is known: somebody may
        // have come back in front meanwhile.
        let shown = place.position.min(local.position);
        if shown > 0 {
            local.last_sent_position = local.last_sent_position.min(shown);
        }
        if local.mailboxes.len() == 1 {
            local.record_sent(estimate); // which the client is told now
        }
        // What an attempt with an older reading left in the mailbox would lead the client back.
        mailbox.discard_stale_position(event, shown);
        drop(local);
        self.has_waiting_users.store(true, Ordering::Release);
        Ok(self.is_current(place))
    }

    /// This epoch, as the room holds it already where it does: a reading brings a copy for each
    /// user.
    fn same_epoch(&self, epoch: &Epoch) -> Epoch {
        let buffer = self.buffer.lock();
        buffer
            .epoch
            .clone()
            .filter(|known| known == epoch)
            .unwrap_or_else(|| epoch.clone())
    }

    /// Has no removal been applied here that the place does not count, and was the line not rebuilt
    /// since?
    fn is_current(&self, place: &Place) -> bool {
        let buffer = self.buffer.lock();
        !buffer.view.known
            || buffer.epoch.as_ref() != Some(&place.epoch)
            || (buffer.revision <= place.revision && (buffer.counting || !place.counting))
    }

    /// Takes over a place that was read again. False where that was too early: it has to be read
    /// once more.
    pub(super) fn refresh_place(&self, event: EventId, user: &UserId, place: &Place) -> bool {
        let place = &Place {
            epoch: self.same_epoch(&place.epoch),
            ..place.clone()
        };
        let last_checked_at = self.buffer.lock().last_checked_at; // a statement of its own: the lock is held to its end
        let (view, is_current) = (self.view(), self.is_current(place));
        let mut is_news = true;
        if let Some(mut local) = self.users.get_mut(user) {
            let (number, counted) = (local.number, local.counting);
            is_news = counted || place.counting;
            self.apply_snapshot(&mut local, place);
            if local.number != number && local.position > 0 {
                local
                    .mailboxes
                    .iter()
                    .for_each(|mailbox| mailbox.push_place(event, place.clone()));
                local.last_sent_position = local.position;
            } else if counted && !local.counting && local.position > 0 {
                let news = local.exact_update(place.total, &view, last_checked_at);
                let laid = local
                    .mailboxes
                    .iter()
                    .filter(|mailbox| mailbox.set_position_quietly(event, news.clone()));
                laid.for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }
        self.has_waiting_users.store(true, Ordering::Release);
        is_current || !is_news
    }

    /// The client of this connection was told this position of this number before: none that is
    /// worse follows.
    pub(super) fn lower_last_sent_position(
        &self,
        event: EventId,
        user: &UserId,
        number: u64,
        position: u64,
        mailbox: &Mailbox,
    ) {
        if let Some(mut local) = self
            .users
            .get_mut(user)
            .filter(|local| local.number == number)
        {
            local.last_sent_position = local.last_sent_position.min(position);
            mailbox.discard_stale_position(event, position);
        }
    }

    /// The position of this number that the user was told last.
    pub(super) fn last_sent_position(&self, user: &UserId, number: u64) -> Option<u64> {
        let local = self.users.get(user)?;
        (local.number == number && local.last_sent_position < u64::MAX)
            .then_some(local.last_sent_position)
    }

    /// Takes a reading over. Who has a pass is not moved on by messages: what has been applied here
    /// meanwhile counts for them too, so that an older reading does not lead them back into the
    /// line.
    fn apply_snapshot(&self, local: &mut LocalUser, place: &Place) {
        if local.position == 0 {
            let buffer = self.buffer.lock();
            if buffer.epoch.as_ref() == Some(&local.epoch) {
                local.revision = local.revision.max(buffer.revision);
            }
        }
        local.apply_snapshot(place);
    }

    /// Takes a connection away; where it was the user's last one here, answers the place as it was
    /// told.
    pub(super) fn detach(&self, user: &UserId, mailbox: &Arc<Mailbox>) -> Option<Place> {
        if let Some(mut local) = self.users.get_mut(user) {
            local.mailboxes.retain(|known| !Arc::ptr_eq(known, mailbox));
        }
        self.users
            .remove_if(user, |_, local| local.mailboxes.is_empty())
            .map(|(_, local)| local.into_last_sent_place())
    }

    /// Has the user a connection here?
    pub(super) fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn broadcast(&self, user: &UserId, tell: impl Fn(&Mailbox)) {
        if let Some(local) = self.users.get(user) {
            local.mailboxes.iter().for_each(|mailbox| tell(mailbox));
        }
    }

    /// Hands a pass to every connection of its user: no position any more.
    pub(super) fn deliver(&self, event: EventId, user: &UserId, grant: Grant) {
        if let Some(mut local) = self.users.get_mut(user) {
            local.position = 0;
            let grant = Arc::new(grant);
            local
                .mailboxes
                .iter()
                .for_each(|mailbox| mailbox.push_pass(event, Arc::clone(&grant)));
        }
    }

    /// Line and number of a user who waits here.
    pub(super) fn ticket(&self, user: &UserId) -> Option<(Epoch, u64)> {
        let local = self.users.get(user)?;
        (local.position > 0).then(|| (local.epoch.clone(), local.number))
    }

    pub(super) fn begin_resync(&self) -> bool {
        let mut resync = self.resync.lock();
        let begins = *resync == Resync::Idle;
        *resync = if begins {
            Resync::Running
        } else {
            Resync::RunningAndRequested
        };
        begins
    }

    pub(super) fn end_resync(&self) -> bool {
        let mut resync = self.resync.lock();
        let ends = *resync != Resync::RunningAndRequested;
        *resync = if ends { Resync::Idle } else { Resync::Running };
        ends
    }

    /// Which incarnation of the line is known.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.buffer.lock().epoch.clone()
    }

    /// Is the line being rebuilt, as far as was heard?
    pub(super) fn is_counting(&self) -> bool {
        self.buffer.lock().counting
    }

    /// Does anybody wait in an incarnation of the line that is not the one known now?
    pub(super) fn has_users_of_previous_epoch(&self) -> bool {
        let Some(current) = self.buffer.lock().epoch.clone() else {
            return false;
        };
        self.users
            .iter()
            .any(|local| local.position > 0 && local.epoch != current)
    }

    pub(super) fn apply_settings(&self, event: EventId, settings: &QueueSettings) {
        let changed = {
            let mut buffer = self.buffer.lock();
            let before = std::mem::replace(&mut buffer.view.settings, settings.clone());
            before.state != settings.state
                || before.message != settings.message
                || !buffer.view.known
        };
        if changed {
            let settings = Arc::new(settings.clone());
            for local in &self.users {
                local
                    .mailboxes
                    .iter()
                    .filter(|mailbox| mailbox.set_sale_quietly(event, Arc::clone(&settings)))
                    .for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }
    }

    pub(super) fn apply_progress(&self, progress: &Progress, now: Timestamp) -> ProgressOutcome {
        let (first, recounted, ready) = {
            let mut buffer = self.buffer.lock();
            let (first, counting) = (!buffer.view.known, buffer.counting);
            match buffer.ingest(progress, now) {
                Ok(ready) => (first, counting && !buffer.counting, ready),
                Err(applied) => return applied,
            }
        };
        // The first message that is heard may not be the first that was sent.
        let missed_by = |local: &LocalUser| {
            local.revision < progress.from || (local.counting && !progress.counting)
        };
        let missed = recounted || (first && self.users.iter().any(|local| missed_by(&local)));
        self.apply_settings(progress.event_id, &progress.settings);
        for progress in ready {
            self.project(&progress, now);
        }
        if missed {
            ProgressOutcome::GapDetected
        } else {
            ProgressOutcome::Applied
        }
    }

    fn project(&self, progress: &Progress, now: Timestamp) {
        let view = self.view();
        let last = self.buffer.lock().mark_checked(now);
        if !self.has_waiting_users.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut removed = progress.removed.clone();
        removed.sort_unstable();
        let mut waits = false; // whoever comes while this is found out says so themselves
        for mut local in self.users.iter_mut().filter(|local| local.position > 0) {
            waits = true;
            if local.counting || local.epoch != progress.epoch {
                continue; // their rank is about to be read
            }
            local.apply_removals(progress, &removed);
            if let Some(news) = local.next_update(progress.total, &view, last, now) {
                let laid = local.mailboxes.iter().filter(|mailbox| {
                    mailbox.set_position_quietly(progress.event_id, news.clone())
                });
                laid.for_each(|mailbox| self.wake_queue.push(mailbox));
            }
        }
        self.has_waiting_users.fetch_or(waits, Ordering::AcqRel);
    }

    pub(super) fn drop_stale_gap(&self, now: Timestamp) -> bool {
        let mut buffer = self.buffer.lock();
        let overdue = buffer
            .gap_since
            .is_some_and(|since| since.plus(REORDER_TIMEOUT) <= now);
        if overdue {
            buffer.drop_gap();
        }
        overdue
    }

    pub(super) fn view(&self) -> RoomView {
        self.buffer.lock().view.clone()
    }

    pub(super) fn is_known(&self) -> bool {
        self.buffer.lock().view.known
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|local| local.key().clone()).collect()
    }
}

impl ProgressBuffer {
    /// Positions are looked at now; answers when they were last.
    fn mark_checked(&mut self, now: Timestamp) -> Timestamp {
        let last = self.last_checked_at;
        self.last_checked_at = last.max(now);
        last
    }

    /// The messages that can be applied now, in order.
    fn ingest(
        &mut self,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<Vec<Progress>, ProgressOutcome> {
        if self.epoch.as_ref() != Some(&progress.epoch) {
            let first = !self.view.known;
            self.reset_to(progress);
            return if first {
                Ok(vec![progress.clone()])
            } else {
                Err(ProgressOutcome::GapDetected)
            };
        }
        if progress.to < self.revision
            || (progress.to == self.revision && progress.from < progress.to)
        {
            return Ok(Vec::new()); // heard before
        }
        self.buffered.insert(progress.from, progress.clone());
        if self.buffered.len() > MAX_BUFFERED {
            self.drop_gap();
            return Err(ProgressOutcome::GapDetected);
        }
        let ready = self.pop_contiguous(now);
        if ready.is_empty() {
            Err(ProgressOutcome::Buffered)
        } else {
            Ok(ready)
        }
    }

    fn reset_to(&mut self, progress: &Progress) {
        self.view.known = true;
        self.epoch = Some(progress.epoch.clone());
        self.revision = progress.to;
        self.buffered.clear();
        self.gap_since = None;
        self.counting = progress.counting;
        self.view.apply(progress);
    }

    fn pop_contiguous(&mut self, now: Timestamp) -> Vec<Progress> {
        let mut ready = Vec::new();
        while let Some(next) = self.buffered.remove(&self.revision) {
            self.view.pace.observe(&next, now);
            self.view.apply(&next);
            self.counting = next.counting;
            let still = next.from == next.to;
            self.revision = next.to;
            ready.push(next);
            if still {
                break;
            }
        }
        self.gap_since = (!self.buffered.is_empty()).then(|| self.gap_since.unwrap_or(now));
        ready
    }

    /// Gives up on what is missing: goes on after the newest message.
    fn drop_gap(&mut self) {
        if let Some(newest) = self.buffered.values().map(|progress| progress.to).max() {
            self.revision = self.revision.max(newest);
        }
        self.buffered.clear();
        self.gap_since = None;
    }
}

impl LocalUser {
    fn new(place: &Place) -> Self {
        Self {
            number: place.number,
            epoch: place.epoch.clone(),
            position: place.position,
            revision: place.revision,
            last_sent_position: place.told_before().unwrap_or(u64::MAX),
            last_sent_wait: u32::MAX,
            last_sent_reason: None,
            skipped_once: false,
            counting: place.counting,
            mailboxes: SmallVec::new(),
        }
    }

    /// Takes a reading over, unless a later one was: readings of several connections may overtake
    /// each other.
    fn apply_snapshot(&mut self, place: &Place) {
        let same = self.number == place.number && self.epoch == place.epoch;
        if self.number != place.number {
            (self.last_sent_position, self.last_sent_wait) = (u64::MAX, u32::MAX); // another place
        }
        self.last_sent_position = self
            .last_sent_position
            .min(place.told_before().unwrap_or(u64::MAX));
        if same && (place.revision < self.revision || (place.counting && !self.counting)) {
            return;
        }
        self.number = place.number;
        self.epoch = place.epoch.clone();
        self.position = place.position;
        self.revision = place.revision;
        self.counting = place.counting;
    }

    /// The place, with the position that was told last.
    fn into_last_sent_place(self) -> Place {
        Place {
            number: self.number,
            epoch: self.epoch,
            position: self.position.min(self.last_sent_position),
            total: 0,
            revision: self.revision,
            grant: None,
            counting: self.counting,
            told: Told::Nothing,
        }
    }

    /// The message that the line is counted: also where the position is the same.
    fn exact_update(&mut self, total: u64, view: &RoomView, now: Timestamp) -> PositionUpdate {
        let position = self.position.min(self.last_sent_position);
        let estimate = view.estimate(position, now);
        self.last_sent_position = position;
        self.record_sent(estimate);
        PositionUpdate {
            position,
            total: total.max(position),
            seats_left: view.seats_left,
            estimate,
        }
    }

    /// Moves who waits on by one message; `removed` are its removals in the order of numbers, to be
    /// searched instead of counted by each of thousands.
    fn apply_removals(&mut self, progress: &Progress, removed: &[u64]) {
        if self.revision >= progress.to {
            return;
        }
        let below = match self.revision.saturating_sub(progress.from) as usize {
            0 => removed.partition_point(|number| *number < self.number),
            counted => progress
                .removed
                .iter()
                .skip(counted)
                .filter(|number| **number < self.number)
                .count(),
        } as u64;
        self.position = self.position.saturating_sub(below).max(1); // who waits is at least next
        self.revision = progress.to;
    }

    /// A message for the user, if one is due: for a position that is better, or a wait that is
    /// worse. A position that is shown never grows.
    fn next_update(
        &mut self,
        total: u64,
        view: &RoomView,
        last: Timestamp,
        now: Timestamp,
    ) -> Option<PositionUpdate> {
        let position = self.position.min(self.last_sent_position);
        if position == 0 || !conflation::is_due(position, self.number, last, now) {
            return None;
        }
        let mut estimate = view.estimate(self.position, now);
        estimate.reason = estimate.reason.or_else(|| self.delay_reason(estimate));
        let news = estimate.reason.is_some()
            && (estimate.reason != self.last_sent_reason
                || estimate.is_worse_than(self.last_sent_wait));
        if position == self.last_sent_position && !news {
            return None;
        }
        if !news && self.should_skip(position, estimate) {
            return None;
        }
        self.last_sent_position = position;
        self.record_sent(estimate);
        Some(PositionUpdate {
            position,
            total: total.max(position),
            seats_left: view.seats_left,
            estimate,
        })
    }

    /// The pass is the next news of somebody whom a fast line reaches before another position would
    /// be told. Once only: the line may stop after all.
    fn should_skip(&mut self, position: u64, estimate: WaitEstimate) -> bool {
        let soon = estimate.range.is_some()
            && conflation::admitted_before_next_update(position, estimate.wait_seconds);
        self.skipped_once = soon && !self.skipped_once;
        self.skipped_once
    }

    /// This is what the user knows of the wait.
    fn record_sent(&mut self, estimate: WaitEstimate) {
        (self.last_sent_wait, self.last_sent_reason) = (estimate.wait_seconds, estimate.reason);
    }

    /// Why a moving line needs longer than was told, if it does.
    fn delay_reason(&self, estimate: WaitEstimate) -> Option<WaitReason> {
        let reason = if self.position > self.last_sent_position {
            WaitReason::Returned
        } else {
            WaitReason::Slowed
        };
        estimate
            .is_worse_than(self.last_sent_wait)
            .then_some(reason)
    }
}

#[cfg(test)]
mod tests;
