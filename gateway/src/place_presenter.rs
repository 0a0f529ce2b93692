//! Places and passes as clients read them: in the responses of REST and streams, and in a socket's
//! messages.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use waitingroom::{
    clock::{Clock, Timestamp},
    ids::{EventId, PassId, UserId},
    pass::PassKey,
    problem::{Code, Problem},
    protocol::{ServerMessage, WaitRange, WaitReason, ZoneLeft},
    queue::{Grant, Place, Removal},
    ticket::TicketKey,
};

use crate::{auto_hold::AutoHoldOutcome, registry::Registry, wait_estimator::WaitEstimate};

/// A place on the wire.
#[derive(Debug, Serialize)]
pub(crate) struct PlaceResponse {
    event_id: EventId,
    user_id: UserId,
    pub(crate) position: u64,
    total_in_queue: u64,
    estimated_wait_seconds: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_range_seconds: Option<WaitRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<WaitReason>,
    pub(crate) is_ready: bool,
    ticket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass_id: Option<PassId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_pass: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_pass_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<ZoneLeft>>,
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
            "nobody claimed the pass in time; come back and you are first again",
        ),
        Removal::Expired => Problem::new(
            Code::PassExpired,
            "the pass has expired; join the line again",
        ),
        Removal::Left => Problem::new(Code::NotInQueue, "you gave your place up"),
        Removal::Absent => Problem::new(
            Code::NotInQueue,
            "you were away for too long; join the line again",
        ),
    }
}
