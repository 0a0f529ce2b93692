//! The seats of one event: zones, holds, and the two memories that make a retry safe (burned
//! passes, idempotency keys).

use std::collections::{BTreeMap, HashMap};

use super::{
    super::{COUNTED_USERS, SYNC_WINDOW_MS},
    line::Line,
    schedule::Schedule,
};
use crate::{
    clock::Timestamp,
    ids::{BookingId, IdempotencyKey, PassId, UserId, ZoneId},
    seats::{
        Hold, Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats,
        ZoneTally,
    },
};

/// What the line needs to know of the seats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stock {
    /// Seats that can be reserved now.
    pub(super) left: u64,
    /// None is left, and none is held that could come back.
    pub(super) is_sold: bool,
    /// They have been loaded.
    pub(super) is_known: bool,
}

#[derive(Debug)]
struct Held {
    hold: Hold,
    pending: bool,
    idempotency: Option<IdempotencyKey>,
}

#[derive(Debug)]
struct Attempt {
    booking: BookingId,
    fingerprint: String,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Seats {
    zones: BTreeMap<ZoneId, u32>,
    users: HashMap<UserId, u32>,
    holds: HashMap<BookingId, Held>,
    /// Holds by the moment from which the database has to be asked about them.
    due: Schedule<BookingId>,
    burned: HashMap<PassId, (BookingId, Timestamp)>,
    burned_until: Schedule<PassId>,
    attempts: HashMap<(UserId, IdempotencyKey), Attempt>,
    attempts_until: Schedule<(UserId, IdempotencyKey)>,
    sync_until: Timestamp,
    /// Settlements since the sync began.
    journal: HashMap<BookingId, Settlement>,
}

impl Seats {
    pub(super) fn stock(&self) -> Stock {
        let left = self.zones.values().map(|seats| u64::from(*seats)).sum();
        let is_known = !self.zones.is_empty();
        Stock {
            left,
            is_sold: left == 0 && self.holds.is_empty() && is_known,
            is_known,
        }
    }

    pub(super) fn zones(&self) -> Vec<ZoneSeats> {
        self.zones
            .iter()
            .map(|(zone_id, available)| ZoneSeats {
                zone_id: *zone_id,
                available: *available,
            })
            .collect()
    }

    pub(super) fn tally(&self, users: &[UserId]) -> Tally {
        let (mut pending, mut pending_of) = (
            HashMap::<ZoneId, u32>::new(),
            HashMap::<&UserId, u32>::new(),
        );
        for held in self.holds.values().filter(|held| held.pending) {
            *pending.entry(held.hold.zone_id).or_default() += held.hold.quantity;
            *pending_of.entry(&held.hold.user).or_default() += held.hold.quantity;
        }
        let zone = |(zone_id, available): (&ZoneId, &u32)| ZoneTally {
            zone_id: *zone_id,
            available: *available,
            pending: pending.get(zone_id).copied().unwrap_or(0),
        };
        let of_user = |user: &UserId| self.users.get(user).copied().unwrap_or(0);
        Tally {
            zones: self.zones.iter().map(zone).collect(),
            users: users.iter().map(of_user).collect(),
            pending: users
                .iter()
                .map(|user| pending_of.get(user).copied().unwrap_or(0))
                .collect(),
        }
    }

    /// In the order of their names; a cursor is the last one.
    pub(super) fn counted_users(&self, cursor: &str) -> (Vec<UserId>, String) {
        let mut names: Vec<&UserId> = self
            .users
            .keys()
            .filter(|user| user.as_str() > cursor)
            .collect();
        names.sort_unstable();
        let is_last = names.len() <= COUNTED_USERS;
        names.truncate(COUNTED_USERS);
        let next = names
            .last()
            .filter(|_| !is_last)
            .map(|user| user.to_string())
            .unwrap_or_default();
        (names.into_iter().cloned().collect(), next)
    }

    pub(super) fn reserve(
        &mut self,
        line: &mut Line,
        request: &Reserve,
        now: Timestamp,
    ) -> ReserveOutcome {
        let now = line.advance(now);
        self.forget_ended(now);
        if let Some(refusal) = self.refusal(line, request, now) {
            return refusal;
        }
        let ends = line
            .end_of_pass(&request.user, &request.pass_id)
            .max(Some(request.pass_expires_at));
        self.hold(request, ends.unwrap_or(request.pass_expires_at), now);
        line.spend(&request.user, &request.pass_id);
        ReserveOutcome::Held
    }

    fn refusal(&self, line: &Line, request: &Reserve, now: Timestamp) -> Option<ReserveOutcome> {
        self.earlier_attempt(request)
            .or_else(|| {
                self.burned
                    .get(&request.pass_id)
                    .map(|(booking, _)| ReserveOutcome::PassUsed(*booking))
            })
            .or_else(|| (self.sync_until > now).then_some(ReserveOutcome::Syncing))
            .or_else(|| dead_pass(line, request, now))
            .or_else(|| self.no_seats(request))
    }

    fn earlier_attempt(&self, request: &Reserve) -> Option<ReserveOutcome> {
        let (key, fingerprint) = request.idempotency.as_ref()?;
        let attempt = self.attempts.get(&(request.user.clone(), key.clone()))?;
        Some(match attempt.fingerprint == *fingerprint {
            true => ReserveOutcome::Replayed(attempt.booking),
            false => ReserveOutcome::Mismatch,
        })
    }

    fn no_seats(&self, request: &Reserve) -> Option<ReserveOutcome> {
        let Some(available) = self.zones.get(&request.zone_id) else {
            return Some(ReserveOutcome::UnknownZone);
        };
        let room = request
            .user_limit
            .saturating_sub(self.users.get(&request.user).copied().unwrap_or(0));
        if request.quantity > room {
            return Some(ReserveOutcome::UserLimit(room));
        }
        (request.quantity > *available).then_some(ReserveOutcome::Insufficient(*available))
    }

    fn hold(&mut self, request: &Reserve, pass_ends: Timestamp, now: Timestamp) {
        let hold = Hold {
            booking_id: request.booking_id,
            user: request.user.clone(),
            zone_id: request.zone_id,
            quantity: request.quantity,
            expires_at: request.hold_expires_at,
            pass_id: request.pass_id.clone(),
        };
        self.take(&hold);
        self.burn(&request.pass_id, request.booking_id, pass_ends);
        let idempotency = request.idempotency.as_ref().map(|(key, _)| key.clone());
        if let Some((key, fingerprint)) = &request.idempotency {
            self.remember_attempt(&request.user, key, fingerprint, request);
        }
        self.due.set(&request.booking_id, now);
        self.holds.insert(
            request.booking_id,
            Held {
                hold,
                pending: true,
                idempotency,
            },
        );
    }

    fn remember_attempt(
        &mut self,
        user: &UserId,
        key: &IdempotencyKey,
        fingerprint: &str,
        request: &Reserve,
    ) {
        let name = (user.clone(), key.clone());
        let until = request.hold_expires_at;
        self.attempts_until.set(&name, until);
        self.attempts.insert(
            name,
            Attempt {
                booking: request.booking_id,
                fingerprint: fingerprint.to_owned(),
            },
        );
    }

    /// Was the pass used, as far as that is remembered at `now`?
    pub(super) fn has_burned(&self, pass: &PassId, now: Timestamp) -> bool {
        self.burned.get(pass).is_some_and(|(_, until)| *until > now)
    }

    fn burn(&mut self, pass: &PassId, booking: BookingId, until: Timestamp) {
        self.burned.insert(pass.clone(), (booking, until));
        self.burned_until.set(pass, until);
    }

    fn take(&mut self, hold: &Hold) {
        if let Some(available) = self.zones.get_mut(&hold.zone_id) {
            *available = available.saturating_sub(hold.quantity);
        }
        *self.users.entry(hold.user.clone()).or_default() += hold.quantity;
    }

    fn give_back(&mut self, hold: &Hold) {
        if let Some(available) = self.zones.get_mut(&hold.zone_id) {
            *available += hold.quantity;
        }
        if let Some(held) = self.users.get_mut(&hold.user) {
            *held = held.saturating_sub(hold.quantity);
            if *held == 0 {
                self.users.remove(&hold.user);
            }
        }
    }

    /// What Redis does by key expiry.
    fn forget_ended(&mut self, now: Timestamp) {
        for pass in self.burned_until.due(now, usize::MAX) {
            self.burned_until.remove(&pass);
            self.burned.remove(&pass);
        }
        for name in self.attempts_until.due(now, usize::MAX) {
            self.attempts_until.remove(&name);
            self.attempts.remove(&name);
        }
    }

    pub(super) fn settle(
        &mut self,
        line: &mut Line,
        booking: BookingId,
        settlement: Settlement,
        now: Timestamp,
    ) {
        let now = line.advance(now);
        self.forget_ended(now);
        if self.sync_until > now {
            self.journal.insert(booking, settlement);
        }
        match settlement {
            Settlement::Committed => self.committed(line, booking),
            Settlement::Aborted => self.aborted(line, booking),
            Settlement::Confirmed => {
                self.ended(line, booking);
            }
            Settlement::Released => {
                if let Some(held) = self.ended(line, booking) {
                    self.give_back(&held.hold);
                }
            }
        }
    }

    fn committed(&mut self, line: &mut Line, booking: BookingId) {
        let Some(held) = self.holds.get_mut(&booking) else {
            return;
        };
        held.pending = false;
        self.due.set(&booking, held.hold.expires_at);
        line.forget_spent(&held.hold.user, &held.hold.pass_id);
    }

    fn aborted(&mut self, line: &mut Line, booking: BookingId) {
        if !self.holds.get(&booking).is_some_and(|held| held.pending) {
            return;
        }
        let Some(held) = self.holds.remove(&booking) else {
            return;
        };
        self.due.remove(&booking);
        self.give_back(&held.hold);
        self.burned.remove(&held.hold.pass_id);
        self.burned_until.remove(&held.hold.pass_id);
        if let Some(key) = held.idempotency {
            let name = (held.hold.user.clone(), key);
            self.attempts.remove(&name);
            self.attempts_until.remove(&name);
        }
        line.restore(&held.hold.user, &held.hold.pass_id);
    }

    fn ended(&mut self, line: &mut Line, booking: BookingId) -> Option<Held> {
        let held = self.holds.remove(&booking)?;
        self.due.remove(&booking);
        line.forget_spent(&held.hold.user, &held.hold.pass_id);
        Some(held)
    }

    pub(super) fn stale(&self, before: Timestamp, limit: u32) -> Vec<StaleHold> {
        let due = self.due.due(before, limit as usize);
        due.into_iter()
            .map(|booking_id| StaleHold {
                booking_id,
                pending: self.holds.get(&booking_id).is_some_and(|held| held.pending),
            })
            .collect()
    }

    pub(super) fn begin_sync(&mut self, line: &mut Line, now: Timestamp) -> u64 {
        let now = line.advance(now);
        self.sync_until = Timestamp::from_millis(now.millis() + SYNC_WINDOW_MS);
        self.journal.clear();
        self.holds.values().filter(|held| held.pending).count() as u64
    }

    pub(super) fn load(&mut self, line: &mut Line, snapshot: &SeatSnapshot, now: Timestamp) {
        line.advance(now);
        let before = std::mem::take(&mut self.holds);
        let due = std::mem::take(&mut self.due);
        let journal = std::mem::take(&mut self.journal);
        self.sync_until = Timestamp::default();
        self.zones = snapshot
            .zones
            .iter()
            .map(|zone| (zone.zone_id, zone.available))
            .collect();
        self.users = snapshot.users.iter().cloned().collect();
        for hold in &snapshot.holds {
            line.forget_spent(&hold.user, &hold.pass_id);
            self.burn(&hold.pass_id, hold.booking_id, hold.expires_at);
            match journal.get(&hold.booking_id) {
                Some(Settlement::Released) => self.give_back(hold),
                Some(Settlement::Confirmed) => {}
                _ => self.adopt(hold.clone()),
            }
        }
        for (booking, held) in before {
            let committed_since = journal.get(&booking) == Some(&Settlement::Committed);
            if (held.pending || committed_since) && !self.holds.contains_key(&booking) {
                self.take(&held.hold);
                self.due
                    .set(&booking, due.get(&booking).unwrap_or(held.hold.expires_at));
                self.holds.insert(booking, held);
            }
        }
    }

    fn adopt(&mut self, hold: Hold) {
        self.due.set(&hold.booking_id, hold.expires_at);
        self.holds.insert(
            hold.booking_id,
            Held {
                hold,
                pending: false,
                idempotency: None,
            },
        );
    }
}

/// A pass of this line must be live, and ends when the line says; one of an earlier epoch must not
/// have ended (the database decides whether it was used).
fn dead_pass(line: &Line, request: &Reserve, now: Timestamp) -> Option<ReserveOutcome> {
    let is_over = request.pass_expires_at <= now;
    if request.pass_epoch != line.epoch {
        return is_over.then_some(ReserveOutcome::PassExpired);
    }
    match line.pass_is_over(&request.user, &request.pass_id) {
        Some(false) => None,
        None if !is_over => Some(ReserveOutcome::PassRevoked),
        _ => Some(ReserveOutcome::PassExpired),
    }
}
