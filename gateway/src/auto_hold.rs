//! What a user said they want: handed to booking with the pass as soon as it is there, so that the
//! seats arrive with it.

use std::{collections::HashMap, time::Duration};

use tokio::time::timeout;

use serde_json::{Map, Value};
use waitingroom::{
    ids::{EventId, IdempotencyKey, PassId, UserId, ZoneId},
    line::Grant,
    problem::Code,
    wire::{WishItem, ZoneLeft},
};

use crate::{booking_client::UserCredentials, state::Gateway};

/// How long a pass waits for its hold before it is told alone.
pub(crate) const HOLD_TIMEOUT: Duration = Duration::from_secs(1);

/// The `ref` of seats that were held by a gateway which did not live to tell.
pub(crate) const PREVIOUS_HOLD_REF: &str = "wish";

/// What became of a wish.
#[derive(Debug, Clone)]
pub(crate) enum AutoHoldOutcome {
    /// A booking.
    Held(Map<String, Value>),
    /// Nothing of it fits; this is left.
    NoneAvailable(Vec<ZoneLeft>),
    /// Booking did not answer, or refused for another reason: the pass is as good as before.
    Failed,
}

impl AutoHoldOutcome {
    /// The booking, and what is left, as they are told.
    pub(crate) fn message_parts(&self) -> (Option<Map<String, Value>>, Option<Vec<ZoneLeft>>) {
        match self {
            Self::Held(booking) => (Some(booking.clone()), None),
            Self::NoneAvailable(left) => (None, Some(left.clone())),
            Self::Failed => (None, None),
        }
    }
}

/// The name of the attempt: the same for the same pass on every node and in every tab, so that one
/// pass holds once.
pub(crate) fn idempotency_key(pass: &PassId) -> IdempotencyKey {
    format!("wish-{pass}")
        .parse()
        .expect("a pass's id is printable and short")
}

impl Gateway {
    /// Hands the pass to booking for the first item that fits.
    pub(crate) async fn hold_first_available(
        &self,
        behalf: &UserCredentials,
        event: EventId,
        user: &UserId,
        grant: &Grant,
        wish: &[WishItem],
    ) -> AutoHoldOutcome {
        let pass = self.token(event, user, grant);
        let answer = self
            .0
            .booking
            .reserve_first(behalf, &pass, event, wish, &idempotency_key(&grant.pass_id))
            .await;
        let none_fits = [
            Code::InsufficientSeats,
            Code::UserLimitExceeded,
            Code::ZoneNotFound,
        ];
        let (held, outcome) = match answer {
            Ok(booking) => (AutoHoldOutcome::Held(booking), "held"),
            Err(refusal) if none_fits.iter().any(|code| code.as_str() == refusal.code) => (
                AutoHoldOutcome::NoneAvailable(self.seats_left_from(event, wish).await),
                "nothing_fits",
            ),
            Err(refusal) => {
                tracing::debug!(%event, code = refusal.code, "automatic hold rejected");
                (AutoHoldOutcome::Failed, "failed")
            }
        };
        metrics::counter!("stanchion_wishes_total", "outcome" => outcome).increment(1);
        held
    }

    /// The seats of this wish that were held with a pass of before, and of which nobody told the
    /// user: the gateway that asked booking died. They are pending, and just what one of the items
    /// asks for.
    pub(crate) async fn previous_hold(
        &self,
        token: &str,
        event: EventId,
        wish: &[WishItem],
    ) -> Option<Map<String, Value>> {
        let pending = timeout(HOLD_TIMEOUT, self.0.booking.pending_bookings(token))
            .await
            .ok()?
            .ok()?;
        pending
            .into_iter()
            .find(|booking| wish.iter().any(|item| belongs_to(booking, event, item)))
    }

    async fn seats_left_from(&self, event: EventId, wish: &[WishItem]) -> Vec<ZoneLeft> {
        let zones = self.0.deps.engine.seats(event).await.unwrap_or_default(); // then nothing is known to be left
        let zones: HashMap<ZoneId, u32> = zones
            .iter()
            .map(|zone| (zone.zone_id, zone.available))
            .collect();
        let left = |item: &WishItem| {
            let available = zones.get(&item.zone_id).copied()?;
            Some(ZoneLeft {
                show_id: item.show_id,
                zone_id: item.zone_id,
                available,
            })
        };
        wish.iter().filter_map(left).collect()
    }
}

fn belongs_to(booking: &Map<String, Value>, event: EventId, item: &WishItem) -> bool {
    let names = |field: &str, id: String| booking.get(field).and_then(Value::as_str) == Some(&id);
    let seats = booking.get("quantity").and_then(Value::as_u64);
    names("event_id", event.to_string())
        && names("zone_id", item.zone_id.to_string())
        && seats == Some(item.quantity.into())
}
