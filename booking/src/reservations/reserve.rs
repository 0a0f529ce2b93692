//! From a pass to reserved seats: the pass is verified here, the engine burns it and holds the
//! seats in one step, and the group commit makes it true.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;
use waitingroom::{
    clock::Timestamp,
    engine::{EngineError, STANDSTILL_LIMIT},
    ids::{BookingId, EventId, IdempotencyKey, ShowId, UserId, ZoneId},
    line::SaleState,
    pass::{PassClaims, PassError},
    seats::{Reserve, ReserveOutcome},
};

use crate::{
    catalogue::Place,
    error::Refusal,
    model::booking::{Attempt, Booking, Idempotency, NewBooking, Status},
    pipeline::Outcome,
    state::Desk,
};

/// How long a repetition waits for the attempt that is still under way.
const IN_FLIGHT: Duration = Duration::from_millis(1_500);

/// Pause between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A request whose form is right.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) show_id: ShowId,
    pub(crate) zone_id: ZoneId,
    pub(crate) quantity: u32,
    pub(crate) pass: Option<String>,
    pub(crate) key: Option<IdempotencyKey>,
    /// One of several alternatives: the key stands for all of them.
    pub(crate) any: bool,
    /// Where the user comes from, if they are a guest and that is known.
    pub(crate) guest_address: Option<IpAddr>,
}

impl Wish {
    /// A digest of what is asked: a key stands for one of these.
    fn fingerprint(&self) -> String {
        let asked = match self.any {
            true => format!("{} any", self.event_id),
            false => format!(
                "{} {} {} {}",
                self.event_id, self.show_id, self.zone_id, self.quantity
            ),
        };
        let digest = Sha256::digest(asked);
        let half = Uuid::from_slice(&digest[..16]).expect("sixteen bytes");
        half.simple().to_string()
    }

    fn idempotency(&self) -> Option<Idempotency> {
        self.key.clone().map(|key| Idempotency {
            key,
            fingerprint: self.fingerprint(),
        })
    }
}

impl Desk {
    /// Reserves seats, or answers with what the same attempt reserved before.
    pub(crate) async fn reserve(&self, wish: &Wish) -> Result<Booking, Refusal> {
        let started = Instant::now();
        let beat = self.pulse.begin(started);
        let answer = self.reserve_unmeasured(wish).await;
        beat.end(Instant::now(), answer.as_ref().is_err_and(Refusal::is_ours));
        let outcome = answer
            .as_ref()
            .map_or_else(|refusal| refusal.code().as_str(), |_| "reserved");
        metrics::histogram!("stanchion_booking_reserve_seconds", "outcome" => outcome)
            .record(started.elapsed().as_secs_f64());
        answer
    }

    async fn reserve_unmeasured(&self, wish: &Wish) -> Result<Booking, Refusal> {
        let place = self
            .catalogue
            .zone(wish.event_id, wish.show_id, wish.zone_id)
            .await?;
        let pass = match self.verify(wish) {
            Ok(pass) => pass,
            Err(Refusal::PassExpired) => {
                return self.made_before(wish).await?.ok_or(Refusal::PassExpired);
            }
            Err(refusal) => return Err(refusal),
        };
        // For good, unlike a pause: passes that are out do not reserve any more. What was reserved
        // may be confirmed.
        if place.event.queue.state == SaleState::Closed {
            return self.made_before(wish).await?.ok_or(Refusal::SaleClosed);
        }
        let turn = match wish
            .guest_address
            .map(|address| self.guests.turn(address, self.now()))
            .transpose()
        {
            Ok(turn) => turn,
            Err(refusal) => return self.made_before(wish).await?.ok_or(refusal),
        };
        let booking = self.hold(wish, &place, &pass).await?;
        if let Some(turn) = turn {
            turn.booked(booking.booking_id, booking.expires_at);
        }
        Ok(booking)
    }

    fn verify(&self, wish: &Wish) -> Result<PassClaims, Refusal> {
        let token = wish.pass.as_deref().ok_or(Refusal::PassRequired)?;
        let (claims, expired) = match self.backends.pass_key.verify(token, self.now()) {
            Ok(claims) => (claims, false),
            Err(PassError::Expired(claims)) => {
                // Time may have stood still for it since it was minted: the engine knows.
                let may_live = claims.expires_at.plus(STANDSTILL_LIMIT) > self.now();
                (*claims, !may_live)
            }
            Err(PassError::Invalid) => return Err(Refusal::PassInvalid),
        };
        if claims.user != wish.user {
            return Err(Refusal::PassWrongUser);
        }
        if claims.event_id != wish.event_id {
            return Err(Refusal::PassWrongEvent);
        }
        if expired {
            Err(Refusal::PassExpired)
        } else {
            Ok(claims)
        }
    }

    /// Where the engine has lost the event or its zones, rebuilds them and asks once more.
    async fn hold(
        &self,
        wish: &Wish,
        place: &Place,
        pass: &PassClaims,
    ) -> Result<Booking, Refusal> {
        match self.take(wish, place, pass).await? {
            Outcome::Unasked(EngineError::UnknownEvent)
            | Outcome::Refused(ReserveOutcome::UnknownZone) => {
                self.inventory.sync(&place.event).await?;
                let outcome = self.take(wish, place, pass).await?;
                self.judge(wish, pass, outcome).await
            }
            outcome => self.judge(wish, pass, outcome).await,
        }
    }

    async fn take(
        &self,
        wish: &Wish,
        place: &Place,
        pass: &PassClaims,
    ) -> Result<Outcome, Refusal> {
        self.needs_database()?;
        self.needs_line(wish.event_id)?;
        let turn = self.committer.turn()?;
        let booking = new_booking(wish, place, self.database_now());
        let idempotency = wish.idempotency();
        let request = Reserve {
            event_id: wish.event_id,
            user: wish.user.clone(),
            zone_id: wish.zone_id,
            quantity: wish.quantity,
            pass_id: pass.pass_id.clone(),
            pass_epoch: pass.epoch.clone(),
            pass_expires_at: pass.expires_at,
            idempotency: idempotency
                .clone()
                .map(|attempt| (attempt.key, attempt.fingerprint)),
            booking_id: booking.booking_id,
            hold_expires_at: booking.expires_at,
            user_limit: place.event.max_seats_per_user,
        };
        let outcome = turn
            .take(
                request,
                NewBooking {
                    booking,
                    pass_id: pass.pass_id.clone(),
                    idempotency,
                },
            )
            .await;
        self.note(wish.event_id, &outcome);
        Ok(outcome)
    }

    /// Whether the line answered, and the database stored.
    fn note(&self, event: EventId, outcome: &Outcome) {
        let now = Instant::now();
        match outcome {
            Outcome::Stored(_) => self.pulse.stored(),
            Outcome::Unasked(EngineError::Unavailable(_)) | Outcome::Failed(_) => {
                return self.pulse.failed(now);
            }
            _ => {}
        }
        self.pulse.lines.heard(event, now);
    }

    async fn judge(
        &self,
        wish: &Wish,
        pass: &PassClaims,
        outcome: Outcome,
    ) -> Result<Booking, Refusal> {
        match outcome {
            Outcome::Stored(booking) => Ok(*booking),
            Outcome::Refused(refused) => self.refused(wish, refused).await,
            Outcome::Unasked(error) => Err(error.into()),
            // The engine has forgotten what the database remembers: an old key, or a pass of a lost
            // line.
            Outcome::Duplicate => match self.made_before(wish).await? {
                Some(booking) => Ok(booking),
                None if self.store().pass_is_used(&pass.pass_id).await? => Err(Refusal::PassUsed),
                // It came so late that the repair had given the hold back.
                None => Err(Refusal::NotNow(
                    "the reservation came too late; try again in a moment",
                )),
            },
            Outcome::NoSeats => {
                self.suspects.report(wish.event_id);
                Err(Refusal::NotNow(
                    "the seats are being counted anew; try again in a moment",
                ))
            }
            // The engine has lost what the user has.
            Outcome::OverLimit(room) => {
                self.suspects.report(wish.event_id);
                Err(Refusal::UserLimit(room))
            }
            Outcome::Failed(error) => Err(Refusal::Store(error)),
            Outcome::TooLate => Err(Refusal::NotNow("too many reservations are under way")),
        }
    }

    async fn refused(&self, wish: &Wish, refused: ReserveOutcome) -> Result<Booking, Refusal> {
        match refused {
            ReserveOutcome::Replayed(earlier) => self.await_booking(earlier).await,
            ReserveOutcome::Mismatch => Err(Refusal::IdempotencyMismatch),
            ReserveOutcome::PassUsed(earlier) => match self.made_before(wish).await? {
                Some(booking) => Ok(booking),
                // It is final, so the database has to know of it: what came of the earlier request
                // may be undecided for longer than its key, which ends with the hold, is
                // remembered.
                None => self
                    .await_booking(earlier)
                    .await
                    .and(Err(Refusal::PassUsed)),
            },
            ReserveOutcome::PassExpired => {
                self.made_before(wish).await?.ok_or(Refusal::PassExpired)
            }
            ReserveOutcome::PassRevoked => {
                self.made_before(wish).await?.ok_or(Refusal::PassRevoked)
            }
            ReserveOutcome::UserLimit(room) => Err(Refusal::UserLimit(room)),
            ReserveOutcome::Insufficient(left) => Err(Refusal::InsufficientSeats(left)),
            // Held is no refusal: what is held is stored, or given back.
            ReserveOutcome::UnknownZone | ReserveOutcome::Syncing | ReserveOutcome::Held => Err(
                Refusal::NotNow("the seats are being counted anew; try again in a moment"),
            ),
        }
    }

    /// The booking that this user's attempt of this name made.
    async fn made_before(&self, wish: &Wish) -> Result<Option<Booking>, Refusal> {
        let Some(asked) = wish.idempotency() else {
            return Ok(None);
        };
        match self.store().attempt(&wish.user, &asked.key).await? {
            Some(Attempt {
                fingerprint: Some(earlier),
                ..
            }) if earlier != asked.fingerprint => Err(Refusal::IdempotencyMismatch),
            attempt => Ok(attempt.map(|attempt| attempt.booking)),
        }
    }

    /// The booking of a hold that the engine knows; its commit may be under way.
    async fn await_booking(&self, booking: BookingId) -> Result<Booking, Refusal> {
        let until = Instant::now() + IN_FLIGHT;
        loop {
            if let Some(found) = self.store().booking(booking).await? {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(Refusal::NotNow("an earlier request is still under way"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn new_booking(wish: &Wish, place: &Place, now: Timestamp) -> Booking {
    Booking {
        booking_id: Uuid::now_v7().into(),
        event_id: wish.event_id,
        show_id: wish.show_id,
        zone_id: wish.zone_id,
        user: wish.user.clone(),
        quantity: wish.quantity,
        unit_price: place.event.price(&place.zone),
        status: Status::Reserved,
        created_at: now,
        expires_at: now.plus(place.event.hold()),
        confirmed_at: None,
    }
}
