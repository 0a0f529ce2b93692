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
    catalogue::ZoneRef,
    error::BookingError,
    model::booking::{Attempt, Booking, Idempotency, NewBooking, Status},
    pipeline::ReservationOutcome,
    state::AppState,
};

/// How long a repetition waits for the attempt that is still under way.
const IN_FLIGHT: Duration = Duration::from_millis(1_500);

/// Pause between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A request whose form is right.
#[derive(Debug, Clone)]
pub(crate) struct ReserveRequest {
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

impl ReserveRequest {
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

impl AppState {
    /// Reserves seats, or answers with what the same attempt reserved before.
    pub(crate) async fn reserve(&self, wish: &ReserveRequest) -> Result<Booking, BookingError> {
        let started = Instant::now();
        let beat = self.pulse.begin(started);
        let answer = self.reserve_unmeasured(wish).await;
        beat.end(
            Instant::now(),
            answer.as_ref().is_err_and(BookingError::is_ours),
        );
        let outcome = answer
            .as_ref()
            .map_or_else(|error| error.code().as_str(), |_| "reserved");
        metrics::histogram!("stanchion_booking_reserve_seconds", "outcome" => outcome)
            .record(started.elapsed().as_secs_f64());
        answer
    }

    async fn reserve_unmeasured(&self, wish: &ReserveRequest) -> Result<Booking, BookingError> {
        let place = self
            .catalogue
            .zone(wish.event_id, wish.show_id, wish.zone_id)
            .await?;
        let pass = match self.verify(wish) {
            Ok(pass) => pass,
            Err(BookingError::PassExpired) => {
                return self
                    .made_before(wish)
                    .await?
                    .ok_or(BookingError::PassExpired);
            }
            Err(error) => return Err(error),
        };
        // For good, unlike a pause: passes that are out do not reserve any more. What was reserved
        // may be confirmed.
        if place.event.queue.state == SaleState::Closed {
            return self
                .made_before(wish)
                .await?
                .ok_or(BookingError::SaleClosed);
        }
        let turn = match wish
            .guest_address
            .map(|address| self.guests.turn(address, self.now()))
            .transpose()
        {
            Ok(turn) => turn,
            Err(error) => return self.made_before(wish).await?.ok_or(error),
        };
        let booking = self.hold(wish, &place, &pass).await?;
        if let Some(turn) = turn {
            turn.booked(booking.booking_id, booking.expires_at);
        }
        Ok(booking)
    }

    fn verify(&self, wish: &ReserveRequest) -> Result<PassClaims, BookingError> {
        let token = wish.pass.as_deref().ok_or(BookingError::PassRequired)?;
        let (claims, expired) = match self.backends.pass_key.verify(token, self.now()) {
            Ok(claims) => (claims, false),
            Err(PassError::Expired(claims)) => {
                // Time may have stood still for it since it was minted: the engine knows.
                let may_live = claims.expires_at.plus(STANDSTILL_LIMIT) > self.now();
                (*claims, !may_live)
            }
            Err(PassError::Invalid) => return Err(BookingError::PassInvalid),
        };
        if claims.user != wish.user {
            return Err(BookingError::PassWrongUser);
        }
        if claims.event_id != wish.event_id {
            return Err(BookingError::PassWrongEvent);
        }
        if expired {
            Err(BookingError::PassExpired)
        } else {
            Ok(claims)
        }
    }

    /// Where the engine has lost the event or its zones, rebuilds them and asks once more.
    async fn hold(
        &self,
        wish: &ReserveRequest,
        place: &ZoneRef,
        pass: &PassClaims,
    ) -> Result<Booking, BookingError> {
        match self.take(wish, place, pass).await? {
            ReservationOutcome::EngineFailed(EngineError::UnknownEvent)
            | ReservationOutcome::Rejected(ReserveOutcome::UnknownZone) => {
                self.inventory.sync(&place.event).await?;
                let outcome = self.take(wish, place, pass).await?;
                self.judge(wish, pass, outcome).await
            }
            outcome => self.judge(wish, pass, outcome).await,
        }
    }

    async fn take(
        &self,
        wish: &ReserveRequest,
        place: &ZoneRef,
        pass: &PassClaims,
    ) -> Result<ReservationOutcome, BookingError> {
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
    fn note(&self, event: EventId, outcome: &ReservationOutcome) {
        let now = Instant::now();
        match outcome {
            ReservationOutcome::Stored(_) => self.pulse.stored(),
            ReservationOutcome::EngineFailed(EngineError::Unavailable(_))
            | ReservationOutcome::StoreFailed(_) => {
                return self.pulse.failed(now);
            }
            _ => {}
        }
        self.pulse.lines.heard(event, now);
    }

    async fn judge(
        &self,
        wish: &ReserveRequest,
        pass: &PassClaims,
        outcome: ReservationOutcome,
    ) -> Result<Booking, BookingError> {
        match outcome {
            ReservationOutcome::Stored(booking) => Ok(*booking),
            ReservationOutcome::Rejected(refused) => self.refused(wish, refused).await,
            ReservationOutcome::EngineFailed(error) => Err(error.into()),
            // The engine has forgotten what the database remembers: an old key, or a pass of a lost
            // line.
            ReservationOutcome::Duplicate => match self.made_before(wish).await? {
                Some(booking) => Ok(booking),
                None if self.store().pass_is_used(&pass.pass_id).await? => {
                    Err(BookingError::PassUsed)
                }
                // It came so late that the repair had given the hold back.
                None => Err(BookingError::Unavailable(
                    "the reservation came too late; try again in a moment",
                )),
            },
            ReservationOutcome::NoSeats => {
                self.suspects.report(wish.event_id);
                Err(BookingError::Unavailable(
                    "the seats are being counted anew; try again in a moment",
                ))
            }
            // The engine has lost what the user has.
            ReservationOutcome::OverLimit(room) => {
                self.suspects.report(wish.event_id);
                Err(BookingError::UserLimit(room))
            }
            ReservationOutcome::StoreFailed(error) => Err(BookingError::Store(error)),
            ReservationOutcome::TimedOut => Err(BookingError::Unavailable(
                "too many reservations are under way",
            )),
        }
    }

    async fn refused(
        &self,
        wish: &ReserveRequest,
        refused: ReserveOutcome,
    ) -> Result<Booking, BookingError> {
        match refused {
            ReserveOutcome::Replayed(earlier) => self.await_booking(earlier).await,
            ReserveOutcome::Mismatch => Err(BookingError::IdempotencyMismatch),
            ReserveOutcome::PassUsed(earlier) => match self.made_before(wish).await? {
                Some(booking) => Ok(booking),
                // It is final, so the database has to know of it: what came of the earlier request
                // may be undecided for longer than its key, which ends with the hold, is
                // remembered.
                None => self
                    .await_booking(earlier)
                    .await
                    .and(Err(BookingError::PassUsed)),
            },
            ReserveOutcome::PassExpired => self
                .made_before(wish)
                .await?
                .ok_or(BookingError::PassExpired),
            ReserveOutcome::PassRevoked => self
                .made_before(wish)
                .await?
                .ok_or(BookingError::PassRevoked),
            ReserveOutcome::UserLimit(room) => Err(BookingError::UserLimit(room)),
            ReserveOutcome::Insufficient(left) => Err(BookingError::InsufficientSeats(left)),
            // `Held` is no rejection: a held booking is stored, or its hold is released.
            ReserveOutcome::UnknownZone | ReserveOutcome::Syncing | ReserveOutcome::Held => {
                Err(BookingError::Unavailable(
                    "the seats are being counted anew; try again in a moment",
                ))
            }
        }
    }

    /// The booking that this user's attempt of this name made.
    async fn made_before(&self, wish: &ReserveRequest) -> Result<Option<Booking>, BookingError> {
        let Some(asked) = wish.idempotency() else {
            return Ok(None);
        };
        match self.store().attempt(&wish.user, &asked.key).await? {
            Some(Attempt {
                fingerprint: Some(earlier),
                ..
            }) if earlier != asked.fingerprint => Err(BookingError::IdempotencyMismatch),
            attempt => Ok(attempt.map(|attempt| attempt.booking)),
        }
    }

    /// The booking of a hold that the engine knows; its commit may be under way.
    async fn await_booking(&self, booking: BookingId) -> Result<Booking, BookingError> {
        let until = Instant::now() + IN_FLIGHT;
        loop {
            if let Some(found) = self.store().booking(booking).await? {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(BookingError::Unavailable(
                    "an earlier request is still under way",
                ));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn new_booking(wish: &ReserveRequest, place: &ZoneRef, now: Timestamp) -> Booking {
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
