//! Confirming and cancelling: the database decides, once.

use waitingroom::ids::{BookingId, UserId};

use crate::{
    error::BookingError,
    model::booking::{Booking, Status},
    state::AppState,
    store::{Transition, TransitionOutcome, TransitionRequest},
};

impl AppState {
    /// Carries out what a user wants done with a booking of theirs. Asking again for what was done
    /// is answered with it.
    pub(crate) async fn decide(
        &self,
        user: UserId,
        booking_id: BookingId,
        verb: Transition,
    ) -> Result<Booking, BookingError> {
        self.needs_database()?;
        let ruling = self
            .committer
            .decide(TransitionRequest {
                booking_id,
                user,
                verb,
            })
            .await?;
        match ruling {
            TransitionOutcome::Changed(booking) => {
                match verb {
                    Transition::Confirm => self.guests.paid(booking_id),
                    Transition::Cancel => self.guests.given_back(booking_id, self.now()),
                }
                Ok(booking)
            }
            TransitionOutcome::Unchanged(booking) => as_it_was(booking, verb),
            TransitionOutcome::NotFound => Err(BookingError::BookingNotFound),
            TransitionOutcome::Unavailable => Err(BookingError::Unavailable(
                "the booking is being changed; try again in a moment",
            )),
        }
    }
}

fn as_it_was(booking: Booking, verb: Transition) -> Result<Booking, BookingError> {
    match (booking.status, verb) {
        (Status::Confirmed, Transition::Confirm) | (Status::Cancelled, Transition::Cancel) => {
            Ok(booking)
        }
        // What is still reserved and did not change is over by the database's clock, which decides;
        // the sweep is yet to come.
        (Status::Expired | Status::Reserved, _) => Err(BookingError::BookingExpired),
        (status, _) => Err(BookingError::BookingNotPending(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_is_answered_and_changing_ones_mind_is_refused() {
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
        assert!(as_it_was(booking(Confirmed), Transition::Confirm).is_ok());
        assert!(as_it_was(booking(Cancelled), Transition::Cancel).is_ok());
        for (status, verb) in [
            (Confirmed, Transition::Cancel),
            (Cancelled, Transition::Confirm),
        ] {
            assert!(
                matches!(as_it_was(booking(status), verb), Err(BookingError::BookingNotPending(s)) if s == status)
            );
        }
        for verb in [Transition::Confirm, Transition::Cancel] {
            for status in [Expired, Reserved] {
                assert!(matches!(
                    as_it_was(booking(status), verb),
                    Err(BookingError::BookingExpired)
                ));
            }
        }
    }
}
