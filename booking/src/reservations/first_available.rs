//! The first of several alternatives that fits, with one pass: how a wish becomes a hold.

use std::net::IpAddr;

use waitingroom::{
    ids::{EventId, IdempotencyKey, UserId},
    wire::WishItem,
};

use crate::{error::Refusal, model::booking::Booking, reservations::reserve::Wish, state::Desk};

/// Alternatives whose form is right, in order of preference.
#[derive(Debug, Clone)]
pub(crate) struct Alternatives {
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) items: Vec<WishItem>,
    pub(crate) pass: Option<String>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) guest_address: Option<IpAddr>,
}

impl Desk {
    /// Reserves the first alternative that there are seats for. A repetition under the same key is
    /// answered with what the first one reserved, whatever it wishes: the pass is good for one
    /// booking.
    ///
    /// # Errors
    /// As [`Desk::reserve`]; where nothing fits, what the last alternative was refused for. The
    /// pass stays valid then.
    pub(crate) async fn reserve_first(&self, asked: &Alternatives) -> Result<Booking, Refusal> {
        let event = self.catalogue.event(asked.event_id).await?;
        let mut refusal = Refusal::ZoneNotFound;
        for item in &asked.items {
            let place = event.zones().find(|(show, zone)| {
                zone.zone_id == item.zone_id
                    && item.show_id.is_none_or(|wanted| wanted == show.show_id)
            });
            let Some((show, _)) = place else { continue };
            let wish = Wish {
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
                Err(no @ (Refusal::InsufficientSeats(_) | Refusal::UserLimit(_))) => refusal = no,
                answer => return answer,
            }
        }
        Err(refusal)
    }
}
