//! The seats of one event: zones, holds, and the two records that make a retry safe (redeemed
//! passes, idempotency keys).

use std::collections::{BTreeMap, HashMap};

use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, IdempotencyKey, PassId, UserId, ZoneId},
    seats::{
        Hold, Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats,
        ZoneTally,
    },
};

use super::{
    super::{COUNTED_USERS_PAGE, SYNC_WINDOW_MS},
    deadline_set::DeadlineSet,
};

/// The totals that the queue needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeatTotals {
    /// Seats that can be reserved now.
    pub(super) left: u64,
    /// None is left, and no hold could give one back.
    pub(super) is_sold_out: bool,
    /// The inventory has been loaded.
    pub(super) is_known: bool,
}

/// The passes of the event, as far as holds use them. Times are the queue's.
pub(super) trait PassLedger {
    /// The incarnation of the queue that live passes are from.
    fn epoch(&self) -> &Epoch;

    /// The end of this user's pass, if it is neither used nor revoked.
    fn pass_expires_at(&self, user: &UserId, pass: &PassId) -> Option<Timestamp>;

    /// A hold that waits for its commit uses the pass, if it is live.
    fn begin_redeem(&mut self, user: &UserId, pass: &PassId);

    /// The hold that used the pass is committed.
    fn finish_redeem(&mut self, user: &UserId, pass: &PassId);

    /// The hold that used the pass came to nothing.
    fn abort_redeem(&mut self, user: &UserId, pass: &PassId);
}

#[derive(Debug)]
struct ActiveHold {
    hold: Hold,
    pending: bool,
    idempotency: Option<IdempotencyKey>,
}

#[derive(Debug)]
struct IdempotencyRecord {
    booking: BookingId,
    fingerprint: String,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Seats {
    zones: BTreeMap<ZoneId, u32>,
    users: HashMap<UserId, u32>,
    holds: HashMap<BookingId, ActiveHold>,
    /// Holds by the moment from which the database has to be asked about them.
    due: DeadlineSet<BookingId>,
    redeemed: HashMap<PassId, (BookingId, Timestamp)>,
    redeemed_until: DeadlineSet<PassId>,
    attempts: HashMap<(UserId, IdempotencyKey), IdempotencyRecord>,
    attempts_until: DeadlineSet<(UserId, IdempotencyKey)>,
    sync_until: Timestamp,
    /// Settlements since the sync began.
    journal: HashMap<BookingId, Settlement>,
}

impl Seats {
    pub(super) fn totals(&self) -> SeatTotals {
        let left = self.zones.values().map(|seats| u64::from(*seats)).sum();
        let is_known = !self.zones.is_empty();
        SeatTotals {
            left,
            is_sold_out: left == 0 && self.holds.is_empty() && is_known,
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

        let is_last = names.len() <= COUNTED_USERS_PAGE;
        names.truncate(COUNTED_USERS_PAGE);

        let next = names
            .last()
            .filter(|_| !is_last)
            .map(|user| user.to_string())
            .unwrap_or_default();
        (names.into_iter().cloned().collect(), next)
    }

    /// `now` is the queue's time, here and below.
    pub(super) fn reserve(
        &mut self,
        passes: &mut impl PassLedger,
        request: &Reserve,
        now: Timestamp,
    ) -> ReserveOutcome {
        self.evict_expired(now);

        if let Some(rejection) = self.rejection(passes, request, now) {
            return rejection;
        }

        let ends = passes
            .pass_expires_at(&request.user, &request.pass_id)
            .max(Some(request.pass_expires_at));
        self.hold(request, ends.unwrap_or(request.pass_expires_at), now);
        passes.begin_redeem(&request.user, &request.pass_id);

        ReserveOutcome::Held
    }

    fn rejection(
        &self,
        passes: &impl PassLedger,
        request: &Reserve,
        now: Timestamp,
    ) -> Option<ReserveOutcome> {
        self.find_attempt(request)
            .or_else(|| {
                self.redeemed
                    .get(&request.pass_id)
                    .map(|(booking, _)| ReserveOutcome::PassUsed(*booking))
            })
            .or_else(|| (self.sync_until > now).then_some(ReserveOutcome::Syncing))
            .or_else(|| pass_error(passes, request, now))
            .or_else(|| self.seat_error(request))
    }

    fn find_attempt(&self, request: &Reserve) -> Option<ReserveOutcome> {
        let (key, fingerprint) = request.idempotency.as_ref()?;
        let attempt = self.attempts.get(&(request.user.clone(), key.clone()))?;
        Some(match attempt.fingerprint == *fingerprint {
            true => ReserveOutcome::Replayed(attempt.booking),
            false => ReserveOutcome::Mismatch,
        })
    }

    fn seat_error(&self, request: &Reserve) -> Option<ReserveOutcome> {
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
        self.take_seats(&hold);
        self.mark_redeemed(&request.pass_id, request.booking_id, pass_ends);

        let idempotency = request.idempotency.as_ref().map(|(key, _)| key.clone());
        if let Some((key, fingerprint)) = &request.idempotency {
            self.record_attempt(&request.user, key, fingerprint, request);
        }

        self.due.set(&request.booking_id, now);
        self.holds.insert(
            request.booking_id,
            ActiveHold {
                hold,
                pending: true,
                idempotency,
            },
        );
    }

    fn record_attempt(
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
            IdempotencyRecord {
                booking: request.booking_id,
                fingerprint: fingerprint.to_owned(),
            },
        );
    }

    /// Was the pass redeemed, as far as the records at `now` say?
    pub(super) fn was_redeemed(&self, pass: &PassId, now: Timestamp) -> bool {
        self.redeemed
            .get(pass)
            .is_some_and(|(_, until)| *until > now)
    }

    fn mark_redeemed(&mut self, pass: &PassId, booking: BookingId, until: Timestamp) {
        self.redeemed.insert(pass.clone(), (booking, until));
        self.redeemed_until.set(pass, until);
    }

    fn take_seats(&mut self, hold: &Hold) {
        if let Some(available) = self.zones.get_mut(&hold.zone_id) {
            *available = available.saturating_sub(hold.quantity);
        }
        *self.users.entry(hold.user.clone()).or_default() += hold.quantity;
    }

    fn release_seats(&mut self, hold: &Hold) {
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

    /// Redis does this by key expiry.
    fn evict_expired(&mut self, now: Timestamp) {
        for pass in self.redeemed_until.due(now, usize::MAX) {
            self.redeemed_until.remove(&pass);
            self.redeemed.remove(&pass);
        }
        for name in self.attempts_until.due(now, usize::MAX) {
            self.attempts_until.remove(&name);
            self.attempts.remove(&name);
        }
    }

    pub(super) fn settle(
        &mut self,
        passes: &mut impl PassLedger,
        booking: BookingId,
        settlement: Settlement,
        now: Timestamp,
    ) {
        self.evict_expired(now);

        if self.sync_until > now {
            self.journal.insert(booking, settlement);
        }

        match settlement {
            Settlement::Committed => self.commit_hold(passes, booking),
            Settlement::Aborted => self.abort_hold(passes, booking),
            Settlement::Confirmed => {
                self.end_hold(passes, booking);
            }
            Settlement::Released => {
                if let Some(held) = self.end_hold(passes, booking) {
                    self.release_seats(&held.hold);
                }
            }
        }
    }

    fn commit_hold(&mut self, passes: &mut impl PassLedger, booking: BookingId) {
        let Some(held) = self.holds.get_mut(&booking) else {
            return;
        };
        held.pending = false;
        self.due.set(&booking, held.hold.expires_at);
        passes.finish_redeem(&held.hold.user, &held.hold.pass_id);
    }

    fn abort_hold(&mut self, passes: &mut impl PassLedger, booking: BookingId) {
        if !self.holds.get(&booking).is_some_and(|held| held.pending) {
            return;
        }

        let Some(held) = self.holds.remove(&booking) else {
            return;
        };
        self.due.remove(&booking);
        self.release_seats(&held.hold);
        self.redeemed.remove(&held.hold.pass_id);
        self.redeemed_until.remove(&held.hold.pass_id);

        if let Some(key) = held.idempotency {
            let name = (held.hold.user.clone(), key);
            self.attempts.remove(&name);
            self.attempts_until.remove(&name);
        }

        passes.abort_redeem(&held.hold.user, &held.hold.pass_id);
    }

    fn end_hold(&mut self, passes: &mut impl PassLedger, booking: BookingId) -> Option<ActiveHold> {
        let held = self.holds.remove(&booking)?;
        self.due.remove(&booking);
        passes.finish_redeem(&held.hold.user, &held.hold.pass_id);
        Some(held)
    }

    pub(super) fn stale_holds(&self, before: Timestamp, limit: u32) -> Vec<StaleHold> {
        let due = self.due.due(before, limit as usize);
        due.into_iter()
            .map(|booking_id| StaleHold {
                booking_id,
                pending: self.holds.get(&booking_id).is_some_and(|held| held.pending),
            })
            .collect()
    }

    pub(super) fn begin_sync(&mut self, now: Timestamp) -> u64 {
        self.sync_until = Timestamp::from_millis(now.millis() + SYNC_WINDOW_MS);
        self.journal.clear();
        self.holds.values().filter(|held| held.pending).count() as u64
    }

    pub(super) fn load(&mut self, passes: &mut impl PassLedger, snapshot: &SeatSnapshot) {
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
            passes.finish_redeem(&hold.user, &hold.pass_id);
            self.mark_redeemed(&hold.pass_id, hold.booking_id, hold.expires_at);
            match journal.get(&hold.booking_id) {
                Some(Settlement::Released) => self.release_seats(hold),
                Some(Settlement::Confirmed) => {}
                _ => self.insert_hold(hold.clone()),
            }
        }

        for (booking, held) in before {
            let committed_since = journal.get(&booking) == Some(&Settlement::Committed);
            if (held.pending || committed_since) && !self.holds.contains_key(&booking) {
                self.take_seats(&held.hold);
                self.due
                    .set(&booking, due.get(&booking).unwrap_or(held.hold.expires_at));
                self.holds.insert(booking, held);
            }
        }
    }

    fn insert_hold(&mut self, hold: Hold) {
        self.due.set(&hold.booking_id, hold.expires_at);
        self.holds.insert(
            hold.booking_id,
            ActiveHold {
                hold,
                pending: false,
                idempotency: None,
            },
        );
    }
}

/// A pass of this epoch must be live, and ends when the queue says; one of an earlier epoch must
/// not have ended (the database decides whether it was used).
fn pass_error(
    passes: &impl PassLedger,
    request: &Reserve,
    now: Timestamp,
) -> Option<ReserveOutcome> {
    let is_expired = request.pass_expires_at <= now;
    if request.pass_epoch != *passes.epoch() {
        return is_expired.then_some(ReserveOutcome::PassExpired);
    }

    match passes.pass_expires_at(&request.user, &request.pass_id) {
        Some(end) if end > now => None,
        None if !is_expired => Some(ReserveOutcome::PassRevoked),
        _ => Some(ReserveOutcome::PassExpired),
    }
}
