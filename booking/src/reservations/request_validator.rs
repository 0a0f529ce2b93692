//! What is checked before any seats are held: the pass, the sale, and how many bookings a guest
//! has.

use waitingroom_domain::{
    clock::Clock,
    pass::{PassClaims, PassError, PassKey},
    queue::SaleState,
};
use waitingroom_engine::MAX_PASS_CLOCK_STOP;

use crate::{
    catalogue::ZoneRef,
    error::BookingError,
    reservations::{
        guest_limits::{GuestLimiter, GuestPermit},
        request::ReserveRequest,
    },
};

/// See the module's documentation.
pub(crate) struct RequestValidator {
    pub(crate) pass_key: PassKey,
    pub(crate) guest_limiter: GuestLimiter,
    pub(crate) clock: Clock,
}

impl RequestValidator {
    /// The claims of the request's pass, and of a guest the permit for one more booking.
    ///
    /// # Errors
    /// The first check that fails. A request that fails with [`BookingError::PassExpired`],
    /// [`BookingError::SaleClosed`] or [`BookingError::GuestLimitExceeded`] may repeat an earlier
    /// one that did not.
    pub(crate) fn validate(
        &self,
        request: &ReserveRequest,
        zone: &ZoneRef,
    ) -> Result<(PassClaims, Option<GuestPermit>), BookingError> {
        let pass = self.verify_pass(request)?;

        // A closed sale is final, unlike a pause: passes that are out do not reserve any more.
        // Existing bookings may be confirmed.
        if zone.event.queue.state == SaleState::Closed {
            return Err(BookingError::SaleClosed);
        }

        let guest_permit = request
            .guest_address
            .map(|address| self.guest_limiter.acquire(address, self.clock.now()))
            .transpose()?;
        Ok((pass, guest_permit))
    }

    fn verify_pass(&self, request: &ReserveRequest) -> Result<PassClaims, BookingError> {
        let token = request.pass.as_deref().ok_or(BookingError::PassRequired)?;
        let (claims, is_expired) = match self.pass_key.verify(token, self.clock.now()) {
            Ok(claims) => (claims, false),
            // Time may have stood still for the pass since it was minted: the engine knows.
            Err(PassError::Expired(claims)) => {
                let may_be_valid = claims.expires_at.plus(MAX_PASS_CLOCK_STOP) > self.clock.now();
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
}
