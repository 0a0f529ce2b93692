//! From a pass to reserved seats: the pass is verified here, the engine redeems it and holds the
//! seats in one step, and the pipeline commits the booking.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, IdempotencyKey, ShowId, UserId, ZoneId},
    pass::{PassClaims, PassError},
    queue::SaleState,
    seats::{Reserve, ReserveOutcome},
};
use waitingroom_engine::{EngineError, MAX_PASS_CLOCK_STOP};

use crate::{
    catalogue::ZoneRef,
    error::BookingError,
    model::booking::{Attempt, Booking, Idempotency, NewBooking, Status},
    pipeline::ReservationOutcome,
    state::AppState,
};

/// How long a repeated request waits for the first one, which is still in flight.
const IN_FLIGHT_WAIT: Duration = Duration::from_millis(1_500);

const IN_FLIGHT_POLL_INTERVAL: Duration = Duration::from_millis(25);

/// While the engine and the database disagree about the event's seats.
const REBUILDING: BookingError =
    BookingError::Unavailable("the seats are being counted anew; try again in a moment");

/// A request whose form is valid.
#[derive(Debug, Clone)]
pub(crate) struct ReserveRequest {
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) show_id: ShowId,
    pub(crate) zone_id: ZoneId,
    pub(crate) quantity: u32,
    pub(crate) pass: Option<String>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) key_scope: KeyScope,
    /// The address of a guest, if it is known.
    pub(crate) guest_address: Option<IpAddr>,
}

/// Which requests an idempotency key covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyScope {
    /// Requests for the same seats.
    ExactRequest,
    /// Requests for any of the alternatives of one attempt.
    AnyAlternative,
}

impl ReserveRequest {
    /// A digest of the request: a key covers requests of one digest.
    fn fingerprint(&self) -> String {
        let covered = match self.key_scope {
            KeyScope::AnyAlternative => format!("{} any", self.event_id),
            KeyScope::ExactRequest => format!(
                "{} {} {} {}",
                self.event_id, self.show_id, self.zone_id, self.quantity
            ),
        };

        let digest = Sha256::digest(covered);
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
    /// Reserves seats, or returns the booking that the same attempt made before. Counts and times
    /// the answer.
    pub(crate) async fn reserve(&self, request: &ReserveRequest) -> Result<Booking, BookingError> {
        let started = Instant::now();
        let in_flight = self.load_monitor.begin(started);

        let answer = self.reserve_seats(request).await;

        let is_failure = answer.as_ref().is_err_and(BookingError::is_server_error);
        in_flight.end(Instant::now(), is_failure);
        let outcome = match &answer {
            Ok(_) => "reserved",
            Err(error) => error.code().as_str(),
        };
        metrics::histogram!(crate::metric_definitions::RESERVE_DURATION, "outcome" => outcome)
            .record(started.elapsed().as_secs_f64());
        answer
    }

    async fn reserve_seats(&self, request: &ReserveRequest) -> Result<Booking, BookingError> {
        // 1. Validate: the zone is there, the pass is good, the sale is open, and a guest has
        //    bookings left. A request that fails one of the last three may repeat an earlier one
        //    that did not.
        let zone = self
            .catalogue
            .zone(request.event_id, request.show_id, request.zone_id)
            .await?;
        let validated = self.verify_pass(request).and_then(|pass| {
            require_open(&zone)?;
            let address = request.guest_address;
            let permit = address.map(|address| self.guest_limiter.acquire(address, self.now()));
            Ok((pass, permit.transpose()?))
        });
        let (pass, guest_permit) = match validated {
            Ok(validated) => validated,
            Err(
                error @ (BookingError::PassExpired
                | BookingError::SaleClosed
                | BookingError::GuestLimitExceeded(_)),
            ) => return self.previous_booking(request).await?.ok_or(error),
            Err(error) => return Err(error),
        };

        // 2. Hold the seats in the engine and commit the booking. If the engine has lost the event
        //    or its zones, they are rebuilt, and the engine is asked once more.
        let mut outcome = self.submit(request, &zone, &pass).await?;
        if matches!(
            outcome,
            ReservationOutcome::EngineFailed(EngineError::UnknownEvent)
                | ReservationOutcome::Rejected(ReserveOutcome::UnknownZone)
        ) {
            self.inventory.rebuild(&zone.event).await?;
            outcome = self.submit(request, &zone, &pass).await?;
        }

        // 3. Map the outcome; a repeated request gets the booking of the first one.
        let booking = self.booking_of(outcome, request, &pass).await?;

        // 4. The guest's permit becomes a booking that counts; on any other way out it is returned.
        if let Some(permit) = guest_permit {
            permit.mark_booked(booking.booking_id, booking.expires_at);
        }
        Ok(booking)
    }

    fn verify_pass(&self, request: &ReserveRequest) -> Result<PassClaims, BookingError> {
        let token = request.pass.as_deref().ok_or(BookingError::PassRequired)?;
        let (claims, is_expired) = match self.backends.pass_key.verify(token, self.now()) {
            Ok(claims) => (claims, false),
            // Time may have stood still for the pass since it was minted: the engine knows.
            Err(PassError::Expired(claims)) => {
                let may_be_valid = claims.expires_at.plus(MAX_PASS_CLOCK_STOP) > self.now();
                (*claims, !may_be_valid)
            }
            Err(PassError::Invalid) => return Err(BookingError::PassInvalid),
        };

        if claims.user != request.user {
            return Err(BookingError::PassWrongUser);
        }
        if claims.event_id != request.event_id {
            return Err(BookingError::PassWrongEvent);
        }
        if is_expired {
            return Err(BookingError::PassExpired);
        }
        Ok(claims)
    }

    /// Sends the request through the pipeline.
    ///
    /// # Errors
    /// Database or queue are known not to answer, or the pipeline is full: nothing was tried.
    async fn submit(
        &self,
        request: &ReserveRequest,
        zone: &ZoneRef,
        pass: &PassClaims,
    ) -> Result<ReservationOutcome, BookingError> {
        self.require_database()?;
        self.require_queue(request.event_id)?;
        let permit = self.pipeline.reserve_slot()?;

        let booking = new_booking(request, zone, self.database_now());
        let idempotency = request.idempotency();
        let hold = Reserve {
            event_id: request.event_id,
            user: request.user.clone(),
            zone_id: request.zone_id,
            quantity: request.quantity,
            pass_id: pass.pass_id.clone(),
            pass_epoch: pass.epoch.clone(),
            pass_expires_at: pass.expires_at,
            idempotency: idempotency
                .clone()
                .map(|attempt| (attempt.key, attempt.fingerprint)),
            booking_id: booking.booking_id,
            hold_expires_at: booking.expires_at,
            user_limit: zone.event.max_seats_per_user,
        };
        let row = NewBooking {
            booking,
            pass_id: pass.pass_id.clone(),
            idempotency,
        };
        let outcome = permit.submit(hold, row).await;

        self.record_outcome(request.event_id, &outcome);
        Ok(outcome)
    }

    /// Records whether the queue answered, and the database stored.
    fn record_outcome(&self, event: EventId, outcome: &ReservationOutcome) {
        let now = Instant::now();
        match outcome {
            ReservationOutcome::EngineFailed(EngineError::Unavailable(_))
            | ReservationOutcome::StoreFailed(_) => self.load_monitor.reservation_failed(now),
            ReservationOutcome::Stored(_) => {
                self.load_monitor.reservation_stored();
                self.load_monitor.queues.reserve_answered(event, now);
            }
            _ => self.load_monitor.queues.reserve_answered(event, now),
        }
    }

    async fn booking_of(
        &self,
        outcome: ReservationOutcome,
        request: &ReserveRequest,
        pass: &PassClaims,
    ) -> Result<Booking, BookingError> {
        use ReservationOutcome as Outcome;

        match outcome {
            Outcome::Stored(booking) => Ok(*booking),

            // Repeated requests.
            Outcome::Rejected(ReserveOutcome::Replayed(earlier)) => {
                self.await_in_flight(earlier).await
            }
            Outcome::Rejected(ReserveOutcome::Mismatch) => Err(BookingError::IdempotencyMismatch),
            Outcome::Rejected(ReserveOutcome::PassExpired) => self
                .previous_booking(request)
                .await?
                .ok_or(BookingError::PassExpired),
            Outcome::Rejected(ReserveOutcome::PassRevoked) => self
                .previous_booking(request)
                .await?
                .ok_or(BookingError::PassRevoked),
            Outcome::Rejected(ReserveOutcome::PassUsed(earlier)) => {
                match self.previous_booking(request).await? {
                    Some(booking) => Ok(booking),
                    // The answer is final, so the database has to know of the earlier booking: it
                    // may be undecided for longer than its key is remembered, which is until the
                    // hold ends.
                    None => self
                        .await_in_flight(earlier)
                        .await
                        .and(Err(BookingError::PassUsed)),
                }
            }
            // The engine has forgotten what the database remembers: an old key, or a pass of a lost
            // queue.
            Outcome::Duplicate => match self.previous_booking(request).await? {
                Some(booking) => Ok(booking),
                None if self.store().pass_is_used(&pass.pass_id).await? => {
                    Err(BookingError::PassUsed)
                }
                // The commit came so late that the hold had been released as stale.
                None => Err(BookingError::Unavailable(
                    "the reservation came too late; try again in a moment",
                )),
            },

            // No seats for this user.
            Outcome::Rejected(ReserveOutcome::UserLimit(left)) => {
                Err(BookingError::UserLimit(left))
            }
            Outcome::Rejected(ReserveOutcome::Insufficient(left)) => {
                Err(BookingError::InsufficientSeats(left))
            }

            // The engine has lost seats that the database counts.
            Outcome::NoSeats => {
                self.rebuild_queue.request(request.event_id);
                Err(REBUILDING)
            }
            Outcome::OverLimit(left) => {
                self.rebuild_queue.request(request.event_id);
                Err(BookingError::UserLimit(left))
            }
            // `Held` is no rejection: a held booking is stored, or its hold is released.
            Outcome::Rejected(
                ReserveOutcome::UnknownZone | ReserveOutcome::Syncing | ReserveOutcome::Held,
            ) => Err(REBUILDING),

            // Failures.
            Outcome::EngineFailed(error) => Err(error.into()),
            Outcome::StoreFailed(error) => Err(BookingError::Store(error)),
            Outcome::TimedOut => Err(BookingError::Unavailable(
                "too many reservations are under way",
            )),
        }
    }

    /// The booking that an earlier request of this user with this key made.
    async fn previous_booking(
        &self,
        request: &ReserveRequest,
    ) -> Result<Option<Booking>, BookingError> {
        let Some(idempotency) = request.idempotency() else {
            return Ok(None);
        };

        let attempt = self
            .store()
            .find_attempt(&request.user, &idempotency.key)
            .await?;
        match attempt {
            Some(Attempt {
                fingerprint: Some(earlier),
                ..
            }) if earlier != idempotency.fingerprint => Err(BookingError::IdempotencyMismatch),
            attempt => Ok(attempt.map(|attempt| attempt.booking)),
        }
    }

    /// The booking of a hold that the engine knows; its commit may be in flight.
    async fn await_in_flight(&self, booking: BookingId) -> Result<Booking, BookingError> {
        let until = Instant::now() + IN_FLIGHT_WAIT;
        loop {
            if let Some(found) = self.store().booking(booking).await? {
                return Ok(found);
            }

            if Instant::now() >= until {
                return Err(BookingError::Unavailable(
                    "an earlier request is still under way",
                ));
            }

            tokio::time::sleep(IN_FLIGHT_POLL_INTERVAL).await;
        }
    }
}

/// A closed sale is final, unlike a pause: passes that are out do not reserve any more. Existing
/// bookings may be confirmed.
fn require_open(zone: &ZoneRef) -> Result<(), BookingError> {
    if zone.event.queue.state == SaleState::Closed {
        return Err(BookingError::SaleClosed);
    }
    Ok(())
}

fn new_booking(request: &ReserveRequest, zone: &ZoneRef, now: Timestamp) -> Booking {
    Booking {
        booking_id: Uuid::now_v7().into(),
        event_id: request.event_id,
        show_id: request.show_id,
        zone_id: request.zone_id,
        user: request.user.clone(),
        quantity: request.quantity,
        unit_price: zone.event.price(&zone.zone),
        status: Status::Reserved,
        created_at: now,
        expires_at: now.plus(zone.event.hold()),
        confirmed_at: None,
    }
}
