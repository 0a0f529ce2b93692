//! Places and passes as clients read them: in the responses of REST and streams, and in a socket's
//! messages.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{ToSchema, openapi::Ref};
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{EventId, PassId, UserId},
    pass::PassKey,
    queue::{Grant, Place, Removal},
    ticket::TicketKey,
};
use waitingroom_server::{
    problem::{Code, Problem},
    protocol::{ServerMessage, WaitRange, WaitReason, ZoneLeft},
};

use crate::{auto_hold::AutoHoldOutcome, position_updates::Registry, wait_estimator::WaitEstimate};

/// A user's place in the queue, or the pass.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceResponse {
    event_id: EventId,
    user_id: UserId,
    /// 1 for the next user, 0 once `is_ready`.
    pub(crate) position: u64,
    /// Users in the queue without a pass.
    total_in_queue: u64,
    /// Position divided by the measured rate, or by the configured rate until one is measured.
    estimated_wait_seconds: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wait_range_seconds: Option<WaitRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<WaitReason>,
    /// True if there is a pass.
    pub(crate) is_ready: bool,
    /// Clients keep the ticket: it restores the place if the queue is lost.
    ticket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pass_id: Option<PassId>,
    /// The pass, for `X-Queue-Pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    queue_pass: Option<String>,
    /// When the pass expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    queue_pass_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = booking_reference)]
    hold: Option<Map<String, Value>>,
    /// If none of the seat preferences could be held: the seats left in their zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    left: Option<Vec<ZoneLeft>>,
}

/// Booking describes its bookings itself.
fn booking_reference() -> Ref {
    Ref::from_schema_name("Booking")
}

/// An example of a place for the interface's document.
pub(crate) fn place_example() -> Value {
    json!({
        "event_id": "d0000000-0000-0001-0000-000000000000",
        "user_id": "alice",
        "position": 12,
        "total_in_queue": 340,
        "estimated_wait_seconds": 3,
        "wait_range_seconds": { "low": 2, "high": 4 },
        "is_ready": false,
        "ticket": "header.payload.signature",
    })
}

/// An example of a place with a pass.
pub(crate) fn ready_example() -> Value {
    json!({
        "event_id": "d0000000-0000-0001-0000-000000000000",
        "user_id": "alice",
        "position": 0,
        "total_in_queue": 328,
        "estimated_wait_seconds": 0,
        "is_ready": true,
        "ticket": "header.payload.signature",
        "pass_id": "cdf5217975754c57b404592380b3fa8a-0",
        "queue_pass": "header.payload.signature",
        "queue_pass_expires_at": "2026-06-01T18:05:00.284Z",
    })
}

impl PlaceResponse {
    /// The same with the result of the automatic hold.
    pub(crate) fn with_hold(mut self, outcome: &AutoHoldOutcome) -> Self {
        (self.hold, self.left) = outcome.message_parts();
        self
    }
}

/// See the module's documentation.
pub(crate) struct PlacePresenter {
    registry: Arc<Registry>,
    /// Mints tickets.
    tickets: TicketKey,
    /// Mints passes.
    passes: PassKey,
    clock: Clock,
    passes_sent: metrics::Counter,
}

impl PlacePresenter {
    pub(crate) fn new(
        registry: Arc<Registry>,
        tickets: TicketKey,
        passes: PassKey,
        clock: Clock,
    ) -> Self {
        Self {
            registry,
            tickets,
            passes,
            clock,
            // Looked up once: it is incremented for each pass.
            passes_sent: metrics::counter!(crate::metric_definitions::PASSES_DELIVERED),
        }
    }

    /// A pass's token.
    pub(crate) fn token(&self, event: EventId, user: &UserId, grant: &Grant) -> String {
        self.passes.mint(event, user, grant)
    }

    /// How long this pass is still valid.
    pub(crate) fn remaining_life(&self, grant: &Grant) -> Duration {
        grant.expires_at.since(self.clock.now())
    }

    /// The longest likely wait at this place, if an end can be foreseen.
    pub(crate) fn max_wait(&self, event: EventId, place: &Place) -> Option<Duration> {
        let range = self.estimate(event, place).range?;
        Some(Duration::from_secs(range.high.into()))
    }

    /// A place as REST and streams return it.
    pub(crate) fn place_response(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
    ) -> PlaceResponse {
        self.place_response_with(event, user, place, self.estimate(event, place))
    }

    /// The wait to show at this place.
    fn estimate(&self, event: EventId, place: &Place) -> WaitEstimate {
        let estimate = self
            .registry
            .estimate(event, place.position, self.clock.now());

        match place.counting && place.grant.is_none() {
            true => WaitEstimate {
                range: None,
                reason: Some(WaitReason::Counting),
                ..estimate
            },
            false => estimate,
        }
    }

    /// As [`PlacePresenter::place_response`], with this estimate.
    pub(crate) fn place_response_with(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
        estimate: WaitEstimate,
    ) -> PlaceResponse {
        let grant = place.grant.as_ref();
        PlaceResponse {
            event_id: event,
            user_id: user.clone(),
            position: place.position,
            total_in_queue: place.total,
            estimated_wait_seconds: estimate.wait_seconds,
            wait_range_seconds: estimate.range,
            reason: estimate.reason,
            is_ready: grant.is_some(),
            ticket: self.tickets.mint(event, user, &place.epoch, place.number),
            pass_id: grant.map(|grant| grant.pass_id.clone()),
            queue_pass: grant.map(|grant| self.token(event, user, grant)),
            queue_pass_expires_at: grant.map(|grant| grant.expires_at),
            hold: None,
            left: None,
        }
    }

    /// The socket's message for a place without a pass.
    pub(crate) fn place_message(
        &self,
        event: EventId,
        user: &UserId,
        place: &Place,
    ) -> ServerMessage {
        let estimate = self.estimate(event, place);
        ServerMessage::Queued {
            event_id: event,
            ticket: self.tickets.mint(event, user, &place.epoch, place.number),
            position: place.position,
            total_in_queue: place.total,
            estimated_wait_seconds: estimate.wait_seconds.into(),
            wait_range_seconds: estimate.range,
            reason: estimate.reason,
        }
    }

    /// The socket's message for a pass.
    pub(crate) fn pass_message(
        &self,
        event: EventId,
        user: &UserId,
        grant: &Grant,
        hold: Option<Map<String, Value>>,
        left: Option<Vec<ZoneLeft>>,
    ) -> ServerMessage {
        self.passes_sent.increment(1);
        ServerMessage::Pass {
            event_id: event,
            pass_id: grant.pass_id.clone(),
            queue_pass: self.token(event, user, grant),
            expires_at: grant.expires_at,
            hold,
            left,
        }
    }
}

/// The end of a pass or place as its user reads it.
pub(crate) fn removal_problem(lapse: Removal) -> Problem {
    match lapse {
        Removal::Unclaimed => Problem::new(
            Code::PassRevoked,
            "the pass was not claimed in time; join again and you are first in the queue",
        ),
        Removal::Expired => Problem::new(
            Code::PassExpired,
            "the pass has expired; join the queue again",
        ),
        Removal::Left => Problem::new(Code::NotInQueue, "you left the queue"),
        Removal::Absent => Problem::new(
            Code::NotInQueue,
            "you were disconnected for too long; join the queue again",
        ),
    }
}
