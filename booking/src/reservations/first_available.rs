//! Reserves the first of several alternatives that there are seats for, with one pass.

use std::net::IpAddr;

use waitingroom_domain::ids::{EventId, IdempotencyKey, UserId};
use waitingroom_server::protocol::SeatPreference;

use crate::{
    error::BookingError,
    model::booking::Booking,
    reservations::{
        request::{KeyScope, ReserveRequest},
        reserve::ReservationService,
    },
};

/// A request for the first of several alternatives, in order of preference; its form is valid.
#[derive(Debug, Clone)]
pub(crate) struct ReserveFirstAvailable {
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) preferences: Vec<SeatPreference>,
    pub(crate) pass: Option<String>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) guest_address: Option<IpAddr>,
}

impl ReservationService {
    /// Reserves the first alternative that there are seats for. A repeated request with the same
    /// key gets the booking of the first one, whatever its preferences: the pass is good for one
    /// booking.
    ///
    /// # Errors
    /// As [`ReservationService::reserve`]; if no alternative fits, why the last one was rejected.
    /// The pass stays valid then.
    #[tracing::instrument(level = "debug", skip_all, fields(event = %request.event_id))]
    pub(crate) async fn reserve_first_available(
        &self,
        request: &ReserveFirstAvailable,
    ) -> Result<Booking, BookingError> {
        let event = self.catalogue.event(request.event_id).await?;

        let mut last_error = BookingError::ZoneNotFound;
        for preference in &request.preferences {
            let found = event.zones().find(|(show, zone)| {
                zone.zone_id == preference.zone_id
                    && preference.show_id.is_none_or(|id| id == show.show_id)
            });
            let Some((show, _)) = found else { continue };

            let alternative = ReserveRequest {
                user: request.user.clone(),
                event_id: request.event_id,
                show_id: show.show_id,
                zone_id: preference.zone_id,
                quantity: preference.quantity,
                pass: request.pass.clone(),
                key: request.key.clone(),
                key_scope: KeyScope::AnyAlternative,
                guest_address: request.guest_address,
            };
            match self.reserve(&alternative).await {
                Err(error @ (BookingError::InsufficientSeats(_) | BookingError::UserLimit(_))) => {
                    last_error = error;
                }
                answer => return answer,
            }
        }
        Err(last_error)
    }
}
