//! The first of several alternatives that fits, with one pass: how a wish becomes a hold.

use std::net::IpAddr;

use waitingroom::{
    ids::{EventId, IdempotencyKey, UserId},
    wire::WishItem,
};

use crate::{
    error::BookingError, model::booking::Booking, reservations::reserve::ReserveRequest,
    state::AppState,
};

/// A request for the first of several alternatives, in order of preference; its form is valid.
#[derive(Debug, Clone)]
pub(crate) struct ReserveFirstAvailable {
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) items: Vec<WishItem>,
    pub(crate) pass: Option<String>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) guest_address: Option<IpAddr>,
}

impl AppState {
    /// Reserves the first alternative that there are seats for. A repetition under the same key is
    /// answered with what the first one reserved, whatever it wishes: the pass is good for one
    /// booking.
    ///
    /// # Errors
    /// As [`AppState::reserve`]; where nothing fits, what the last alternative was refused for. The
    /// pass stays valid then.
    pub(crate) async fn reserve_first(
        &self,
        asked: &ReserveFirstAvailable,
    ) -> Result<Booking, BookingError> {
        let event = self.catalogue.event(asked.event_id).await?;
        let mut error = BookingError::ZoneNotFound;
        for item in &asked.items {
            let place = event.zones().find(|(show, zone)| {
                zone.zone_id == item.zone_id
                    && item.show_id.is_none_or(|wanted| wanted == show.show_id)
            });
            let Some((show, _)) = place else { continue };
            let wish = ReserveRequest {
                user: asked.user.clone(),
                event_id: asked.event_id,
                show_id: show.show_id,
                zone_id: item.zone_id,
                quantity: item.quantity,
                pass: asked.pass.clone(),
                key: asked.key.clone(),
                any: true,
                guest_address: asked.guest_address,
            };
            match self.reserve(&wish).await {
                Err(no @ (BookingError::InsufficientSeats(_) | BookingError::UserLimit(_))) => {
                    error = no
                }
                answer => return answer,
            }
        }
        Err(error)
    }
}
