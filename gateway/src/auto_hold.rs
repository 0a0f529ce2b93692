//! Automatic holds: a user's seat preferences are handed to booking with the pass as soon as it is
//! granted, so that the seats arrive with it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::timeout;
use waitingroom_domain::{
    ids::{EventId, IdempotencyKey, PassId, UserId, ZoneId},
    pass::PassKey,
    queue::Grant,
};
use waitingroom_engine::SharedEngine;
use waitingroom_server::{
    problem::Code,
    protocol::{SeatPreference, ZoneLeft},
};

use crate::booking_client::{BookingClient, UserCredentials};

/// How long a pass waits for its hold before it is sent alone.
pub(crate) const HOLD_TIMEOUT: Duration = Duration::from_secs(1);

/// The `ref` of seats that were held through a gateway which ended before it could send them.
pub(crate) const PREVIOUS_HOLD_REF: &str = "wish";

/// Result of an automatic hold.
#[derive(Debug, Clone)]
pub(crate) enum AutoHoldOutcome {
    /// Seats are held: the booking.
    Held(Map<String, Value>),
    /// No preference fits: the seats that are left.
    NoneAvailable(Vec<ZoneLeft>),
    /// Booking did not reply, or rejected the hold for another reason: the pass is not used.
    Failed,
}

impl AutoHoldOutcome {
    /// The fields of a message: the booking, and the seats that are left.
    pub(crate) fn message_parts(&self) -> (Option<Map<String, Value>>, Option<Vec<ZoneLeft>>) {
        match self {
            Self::Held(booking) => (Some(booking.clone()), None),
            Self::NoneAvailable(left) => (None, Some(left.clone())),
            Self::Failed => (None, None),
        }
    }
}

/// The key of a hold: the same for the same pass on every node and in every tab, so that one pass
/// holds once.
pub(crate) fn idempotency_key(pass: &PassId) -> IdempotencyKey {
    format!("wish-{pass}")
        .parse()
        .expect("a pass's id is printable and short")
}

/// The user whose previous hold is looked for, and the preferences that it was made with.
pub(crate) struct PreviousHoldQuery<'a> {
    pub(crate) token: &'a str,
    pub(crate) preferences: &'a [SeatPreference],
}

/// See the module's documentation.
pub(crate) struct AutoHoldService {
    booking: Arc<BookingClient>,
    engine: SharedEngine,
    /// Mints passes.
    passes: PassKey,
}

impl AutoHoldService {
    pub(crate) fn new(booking: Arc<BookingClient>, engine: SharedEngine, passes: PassKey) -> Self {
        Self {
            booking,
            engine,
            passes,
        }
    }

    /// Reserves the first of the preferences that fits, with the pass.
    #[tracing::instrument(level = "debug", skip_all, fields(%event))]
    pub(crate) async fn hold_first_available(
        &self,
        credentials: &UserCredentials,
        event: EventId,
        user: &UserId,
        grant: &Grant,
        preferences: &[SeatPreference],
    ) -> AutoHoldOutcome {
        let pass = self.passes.mint(event, user, grant);
        let result = self
            .booking
            .reserve_first(
                credentials,
                &pass,
                event,
                preferences,
                &idempotency_key(&grant.pass_id),
            )
            .await;
        let none_fits = [
            Code::InsufficientSeats,
            Code::UserLimitExceeded,
            Code::ZoneNotFound,
        ];

        let (outcome, label) = match result {
            Ok(booking) => (AutoHoldOutcome::Held(booking), "held"),
            Err(error) if none_fits.iter().any(|code| code.as_str() == error.code) => (
                AutoHoldOutcome::NoneAvailable(self.seats_left_from(event, preferences).await),
                "nothing_fits",
            ),
            Err(error) => {
                tracing::debug!(%event, code = error.code, "automatic hold rejected");
                (AutoHoldOutcome::Failed, "failed")
            }
        };

        metrics::counter!(crate::metric_definitions::AUTO_HOLDS, "outcome" => label).increment(1);
        outcome
    }

    /// Seats that were held with an earlier pass, but never sent to the user because the gateway
    /// ended: a pending booking that is exactly one of the preferences.
    pub(crate) async fn previous_hold(
        &self,
        event: EventId,
        query: &PreviousHoldQuery<'_>,
    ) -> Option<Map<String, Value>> {
        let pending = timeout(HOLD_TIMEOUT, self.booking.pending_bookings(query.token))
            .await
            .ok()?
            .ok()?;

        pending.into_iter().find(|booking| {
            query
                .preferences
                .iter()
                .any(|item| belongs_to(booking, event, item))
        })
    }

    async fn seats_left_from(
        &self,
        event: EventId,
        preferences: &[SeatPreference],
    ) -> Vec<ZoneLeft> {
        // If the engine fails, no seats are reported as left.
        let zones = self.engine.seats(event).await.unwrap_or_default();
        let zones: HashMap<ZoneId, u32> = zones
            .iter()
            .map(|zone| (zone.zone_id, zone.available))
            .collect();
        let left = |item: &SeatPreference| {
            let available = zones.get(&item.zone_id).copied()?;
            Some(ZoneLeft {
                show_id: item.show_id,
                zone_id: item.zone_id,
                available,
            })
        };

        preferences.iter().filter_map(left).collect()
    }
}

fn belongs_to(booking: &Map<String, Value>, event: EventId, item: &SeatPreference) -> bool {
    let has_id = |field: &str, id: String| booking.get(field).and_then(Value::as_str) == Some(&id);
    let seats = booking.get("quantity").and_then(Value::as_u64);
    has_id("event_id", event.to_string())
        && has_id("zone_id", item.zone_id.to_string())
        && seats == Some(item.quantity.into())
}
