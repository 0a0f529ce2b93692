//! From a pass to reserved seats: the pass is verified here, the engine redeems it and holds the
//! seats in one step, and the pipeline commits the booking.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::BookingId,
    pass::PassClaims,
    seats::{Reserve, ReserveOutcome},
};

use crate::{
    catalogue::{Catalogue, ZoneRef},
    database_clock::DatabaseClock,
    error::BookingError,
    inventory::rebuild::InventoryRebuilder,
    load_monitor::LoadMonitor,
    model::booking::{Attempt, Booking, NewBooking, Status},
    pipeline::{Pipeline, ReservationOutcome},
    reservations::{request::ReserveRequest, request_validator::RequestValidator},
    store::SharedStore,
};

/// How long a repeated request waits for the first one, which is still in flight.
const IN_FLIGHT_WAIT: Duration = Duration::from_millis(1_500);

const IN_FLIGHT_POLL_INTERVAL: Duration = Duration::from_millis(25);

/// While the engine and the database disagree about the event's seats.
const REBUILDING: BookingError =
    BookingError::Unavailable("seat inventory is being rebuilt; retry");

/// See the module's documentation.
pub(crate) struct ReservationService {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) validator: RequestValidator,
    pub(crate) pipeline: Pipeline,
    /// Rebuilds events that the engine has lost, or whose seats differ from the database's.
    pub(crate) inventory: Arc<InventoryRebuilder>,
    /// Finds the bookings of earlier requests.
    pub(crate) store: SharedStore,
    /// Times the answers.
    pub(crate) load: Arc<LoadMonitor>,
    /// Decides when a hold begins and ends.
    pub(crate) database_clock: Arc<DatabaseClock>,
}

impl ReservationService {
    /// Reserves seats, or returns the booking that the same attempt made before, as it stands now.
    /// Counts and times the answer.
    #[tracing::instrument(level = "debug", skip_all, fields(event = %request.event_id, zone = %request.zone_id))]
    pub(crate) async fn reserve(&self, request: &ReserveRequest) -> Result<Booking, BookingError> {
        let booking = measured(&self.load, self.reserve_or_replay(request)).await?;
        Ok(booking.at(self.database_clock.now()))
    }

    async fn reserve_or_replay(&self, request: &ReserveRequest) -> Result<Booking, BookingError> {
        use BookingError::{GuestLimitExceeded, PassExpired, PassUsed, SaleClosed};
        use ReservationOutcome::{Duplicate, Rejected};

        // 1. Validate: the zone is there, the pass is good, the sale is open, and a guest has
        //    bookings left. If it is too late for one of the last three, the request may repeat an
        //    earlier one that was in time.
        let (event, show) = (request.event_id, request.show_id);
        let zone = self.catalogue.zone(event, show, request.zone_id).await?;
        let (pass, guest_permit) = match self.validator.validate(request, &zone) {
            Ok(validated) => validated,
            Err(error @ (PassExpired | SaleClosed | GuestLimitExceeded(_))) => {
                return self.previous_booking(request).await?.ok_or(error);
            }
            Err(error) => return Err(error),
        };

        let mut is_rebuilt = false;
        let outcome = loop {
            // 2. Take a slot in the pipeline, before any seats are held.
            let slot = self.pipeline.reserve_slot(event)?;
            let (hold, row) = new_booking(request, &zone, &pass, self.database_clock.now());

            // 3. Hold the seats, and await the commit. If the engine has lost the event or its
            //    zones, they are rebuilt, and it is asked once more.
            let outcome = slot.submit(hold, row).await;
            if is_rebuilt || !outcome.is_lost_by_engine() {
                break outcome;
            }
            self.inventory.rebuild(&zone.event).await?;
            is_rebuilt = true;
        };

        // 4. Map the outcome. A request that repeats an earlier one gets the booking of that one.
        if outcome.shows_drift() {
            self.inventory.rebuild_queue.request(event);
        }
        let earlier = if outcome.may_be_repeated() {
            self.previous_booking(request).await?
        } else {
            None
        };
        let booking = match (outcome, earlier) {
            (_, Some(earlier)) => earlier,
            (Rejected(ReserveOutcome::Replayed(earlier)), None) => {
                self.await_in_flight(earlier).await?
            }
            // The answer is final, so the database has to know of the earlier booking: it may be
            // undecided for longer than its key is remembered, which is until the hold ends.
            (Rejected(ReserveOutcome::PassUsed(earlier)), None) => {
                self.await_in_flight(earlier).await.and(Err(PassUsed))?
            }
            // The engine has forgotten what the database remembers: an old key, or a pass of a lost
            // queue.
            (Duplicate, None) if self.store.pass_is_used(&pass.pass_id).await? => {
                return Err(PassUsed);
            }
            (outcome, None) => into_result(outcome)?,
        };

        // The guest's permit becomes a booking that counts; on any other way out it is returned.
        if let Some(permit) = guest_permit {
            permit.mark_booked(booking.booking_id, booking.expires_at);
        }
        Ok(booking)
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
            .store
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
            if let Some(found) = self.store.booking(booking).await? {
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

/// Counts a reservation as in flight until it is answered, and times the answer.
async fn measured(
    load: &LoadMonitor,
    reservation: impl Future<Output = Result<Booking, BookingError>>,
) -> Result<Booking, BookingError> {
    let started = Instant::now();
    let in_flight = load.begin(started);

    let answer = reservation.await;

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

/// A booking to be stored, and the hold of its seats in the engine.
fn new_booking(
    request: &ReserveRequest,
    zone: &ZoneRef,
    pass: &PassClaims,
    now: Timestamp,
) -> (Reserve, NewBooking) {
    let booking = Booking {
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
    };
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
    (hold, row)
}

/// The booking, or why there is none.
fn into_result(outcome: ReservationOutcome) -> Result<Booking, BookingError> {
    use ReservationOutcome as Outcome;

    Err(match outcome {
        Outcome::Stored(booking) => return Ok(*booking),

        Outcome::Rejected(ReserveOutcome::Mismatch) => BookingError::IdempotencyMismatch,
        Outcome::Rejected(ReserveOutcome::PassExpired) => BookingError::PassExpired,
        Outcome::Rejected(ReserveOutcome::PassRevoked) => BookingError::PassRevoked,
        Outcome::Rejected(ReserveOutcome::PassUsed(_)) => BookingError::PassUsed,
        // The commit came so late that the hold had been released as stale.
        Outcome::Duplicate => {
            BookingError::Unavailable("the reservation came too late; try again in a moment")
        }

        // No seats for this user.
        Outcome::Rejected(ReserveOutcome::UserLimit(left)) | Outcome::OverLimit(left) => {
            BookingError::UserLimit(left)
        }
        Outcome::Rejected(ReserveOutcome::Insufficient(left)) => {
            BookingError::InsufficientSeats(left)
        }

        // `Held` and `Replayed` are no rejections: a held booking is stored, or its hold is
        // released, and the booking of a replayed request is read.
        Outcome::NoSeats
        | Outcome::Rejected(
            ReserveOutcome::UnknownZone
            | ReserveOutcome::Syncing
            | ReserveOutcome::Held
            | ReserveOutcome::Replayed(_),
        ) => REBUILDING,

        // Failures.
        Outcome::EngineFailed(error) => error.into(),
        Outcome::StoreFailed(error) => BookingError::Store(error),
        Outcome::TimedOut => BookingError::Unavailable("too many reservations are in progress"),
    })
}
