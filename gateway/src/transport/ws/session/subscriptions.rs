//! The events that a connection is subscribed to, with what it knows of each.

use std::sync::Arc;

use waitingroom_domain::{
    ids::{EventId, PassId},
    queue::{Grant, Place},
};
use waitingroom_server::protocol::SeatPreference;

use super::auto_hold::AutoHoldState;
use crate::{
    auto_hold::AutoHoldOutcome, connection::mailbox::MAX_EVENTS_PER_CONNECTION,
    queue_service::RoomSubscription,
};

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Subscriptions(Vec<EventSubscription>);

/// A connection's subscription to one event.
pub(super) struct EventSubscription {
    /// Detaches the connection when dropped.
    pub(super) room: RoomSubscription,
    /// The last pass, to be acknowledged and handed to booking.
    pub(super) pass: Option<Arc<Grant>>,
    /// Seat preferences, if the user has some.
    auto_hold: Option<Box<AutoHoldState>>,
}

impl Subscriptions {
    pub(super) fn get(&self, event: EventId) -> Option<&EventSubscription> {
        self.0
            .iter()
            .find(|subscription| subscription.room.event() == event)
    }

    pub(super) fn get_mut(&mut self, event: EventId) -> Option<&mut EventSubscription> {
        self.0
            .iter_mut()
            .find(|subscription| subscription.room.event() == event)
    }

    /// Is there no room for another event?
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_EVENTS_PER_CONNECTION
    }

    pub(super) fn add(&mut self, room: RoomSubscription) {
        self.0.reserve_exact(1); // nearly always the only one
        self.0.push(EventSubscription {
            room,
            pass: None,
            auto_hold: None,
        });
    }

    pub(super) fn remove(&mut self, event: EventId) {
        self.0
            .retain(|subscription| subscription.room.event() != event);
    }

    /// The event whose last pass this is.
    pub(super) fn event_of_pass(&self, pass: &PassId) -> Option<EventId> {
        let has_pass = |subscription: &&EventSubscription| {
            subscription
                .pass
                .as_ref()
                .is_some_and(|grant| grant.pass_id == *pass)
        };
        self.0
            .iter()
            .find(has_pass)
            .map(|subscription| subscription.room.event())
    }

    /// Does this pass have seats already?
    pub(super) fn has_hold(&self, pass: &PassId) -> bool {
        self.0.iter().any(|subscription| {
            matches!(
                subscription.hold_outcome(pass),
                Some(AutoHoldOutcome::Held(_))
            )
        })
    }
}

impl EventSubscription {
    /// Takes over the result of a join; its preferences replace earlier ones.
    pub(super) fn on_join(&mut self, place: &Place, preferences: Option<&Vec<SeatPreference>>) {
        self.pass = place.grant.clone().map(Arc::new);
        if let Some(preferences) = preferences {
            self.auto_hold
                .get_or_insert_default()
                .replace(preferences.clone());
        }
    }

    /// The preferences of which one must be held with this pass before the pass is sent.
    pub(super) fn preferences_to_hold(&self, pass: &PassId) -> Option<Vec<SeatPreference>> {
        self.auto_hold
            .as_ref()
            .filter(|auto_hold| auto_hold.outcome_for(pass).is_none())
            .map(|auto_hold| auto_hold.preferences())
            .filter(|preferences| !preferences.is_empty())
            .map(<[SeatPreference]>::to_vec)
    }

    /// The result of the hold with this pass.
    pub(super) fn hold_outcome(&self, pass: &PassId) -> Option<&AutoHoldOutcome> {
        self.auto_hold.as_ref()?.outcome_for(pass)
    }

    /// Keeps the result of the hold with this pass.
    pub(super) fn keep_hold_outcome(&mut self, pass: PassId, outcome: AutoHoldOutcome) {
        self.auto_hold
            .get_or_insert_default()
            .keep_outcome(pass, outcome);
    }
}
