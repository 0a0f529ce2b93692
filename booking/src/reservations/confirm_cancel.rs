//! Confirms and cancels bookings: the database decides, once.

use waitingroom_domain::{
    clock::Clock,
    ids::{BookingId, UserId},
};

use crate::{
    error::BookingError,
    model::booking::{Booking, Status},
    pipeline::Pipeline,
    reservations::guest_limits::GuestLimiter,
    store::{Transition, TransitionOutcome, TransitionRequest},
};

/// See the module's documentation.
pub(crate) struct TransitionService {
    pub(crate) pipeline: Pipeline,
    /// Counts the unpaid bookings of guests.
    pub(crate) guest_limiter: GuestLimiter,
    pub(crate) clock: Clock,
}

impl TransitionService {
    /// Confirms or cancels a booking of this user. A repeated request gets the booking as the first
    /// one left it.
    #[tracing::instrument(level = "debug", skip_all, fields(%booking_id, ?transition))]
    pub(crate) async fn apply(
        &self,
        user: UserId,
        booking_id: BookingId,
        transition: Transition,
    ) -> Result<Booking, BookingError> {
        let outcome = self
            .pipeline
            .submit_transition(TransitionRequest {
                booking_id,
                user,
                transition,
            })
            .await?;

        match outcome {
            TransitionOutcome::Changed(booking) => {
                match transition {
                    Transition::Confirm => self.guest_limiter.mark_paid(booking_id),
                    Transition::Cancel => {
                        let now = self.clock.now();
                        self.guest_limiter.mark_released(booking_id, now);
                    }
                }
                Ok(booking)
            }
            TransitionOutcome::Unchanged(booking) => replay(booking, transition),
            TransitionOutcome::NotFound => Err(BookingError::BookingNotFound),
            TransitionOutcome::Unavailable => Err(BookingError::Unavailable(
                "the booking is being changed; try again in a moment",
            )),
        }
    }
}

fn replay(booking: Booking, transition: Transition) -> Result<Booking, BookingError> {
    match (booking.status, transition) {
        (Status::Confirmed, Transition::Confirm) | (Status::Cancelled, Transition::Cancel) => {
            Ok(booking)
        }

        // A booking that is still reserved and did not change is over by the database's clock,
        // which decides; it is about to be expired.
        (Status::Expired | Status::Reserved, _) => Err(BookingError::BookingExpired),
        (status, _) => Err(BookingError::BookingNotPending(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_repeats_and_rejects_changes() {
        let booking = |status| Booking {
            booking_id: uuid::Uuid::nil().into(),
            event_id: uuid::Uuid::nil().into(),
            show_id: uuid::Uuid::nil().into(),
            zone_id: uuid::Uuid::nil().into(),
            user: "ann".parse().unwrap(),
            quantity: 1,
            unit_price: crate::model::money::Money {
                minor: 1,
                currency: crate::model::money::Currency::EUR,
            },
            status,
            created_at: Default::default(),
            expires_at: Default::default(),
            confirmed_at: None,
        };
        use Status::{Cancelled, Confirmed, Expired, Reserved};
        assert!(replay(booking(Confirmed), Transition::Confirm).is_ok());
        assert!(replay(booking(Cancelled), Transition::Cancel).is_ok());

        for (status, transition) in [
            (Confirmed, Transition::Cancel),
            (Cancelled, Transition::Confirm),
        ] {
            assert!(
                matches!(replay(booking(status), transition), Err(BookingError::BookingNotPending(s)) if s == status)
            );
        }

        for transition in [Transition::Confirm, Transition::Cancel] {
            for status in [Expired, Reserved] {
                assert!(matches!(
                    replay(booking(status), transition),
                    Err(BookingError::BookingExpired)
                ));
            }
        }
    }
}
