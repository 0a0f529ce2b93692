//! Automatic holds of one connection: a pass whose user has seat preferences waits a moment for
//! booking, so that pass and seats are sent together.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use waitingroom_domain::{
    ids::{EventId, PassId},
    queue::Grant,
};
use waitingroom_server::protocol::SeatPreference;

use crate::auto_hold::{AutoHoldOutcome, HOLD_TIMEOUT};

/// A user's seat preferences for one event, and the result of the hold.
#[derive(Default)]
pub(super) struct AutoHoldState {
    preferences: Vec<SeatPreference>,
    outcome: Option<(PassId, AutoHoldOutcome)>,
}

impl AutoHoldState {
    /// Takes over other preferences. Held seats stay; a failed hold is tried again.
    pub(super) fn replace(&mut self, preferences: Vec<SeatPreference>) {
        self.preferences = preferences;
        self.outcome
            .take_if(|(_, outcome)| !matches!(outcome, AutoHoldOutcome::Held(_)));
    }

    pub(super) fn preferences(&self) -> &[SeatPreference] {
        &self.preferences
    }

    /// The result of the hold with this pass.
    pub(super) fn outcome_for(&self, pass: &PassId) -> Option<&AutoHoldOutcome> {
        self.outcome
            .as_ref()
            .filter(|(known, _)| known == pass)
            .map(|(_, outcome)| outcome)
    }

    /// Keeps the result of the hold with this pass.
    pub(super) fn keep_outcome(&mut self, pass: PassId, outcome: AutoHoldOutcome) {
        self.outcome = Some((pass, outcome));
    }
}

/// Progress of a hold that was requested from booking.
pub(super) enum AutoHoldEvent {
    /// Booking has replied before the pass was sent.
    Ready(AutoHoldReply),
    /// Booking has not replied in time: the pass is sent alone, and the request goes on.
    TimedOut(EventId, Arc<Grant>, BoxFuture<'static, AutoHoldReply>),
    /// Booking has replied after the pass was sent.
    ReadyLate(AutoHoldReply),
}

/// Booking's reply for one pass.
pub(super) struct AutoHoldReply {
    pub(super) event: EventId,
    pub(super) grant: Arc<Grant>,
    pub(super) outcome: AutoHoldOutcome,
}

/// Waits for booking as long as the pass may wait.
pub(super) async fn with_timeout(
    event: EventId,
    grant: Arc<Grant>,
    mut request: BoxFuture<'static, AutoHoldReply>,
) -> AutoHoldEvent {
    match timeout(HOLD_TIMEOUT, &mut request).await {
        Ok(reply) => AutoHoldEvent::Ready(reply),
        Err(_) => AutoHoldEvent::TimedOut(event, grant, request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_held_seats_when_preferences_change() {
        let pass: PassId = "b-1".parse().unwrap();
        let mut state = AutoHoldState::default();

        state.keep_outcome(pass.clone(), AutoHoldOutcome::NoneAvailable(Vec::new()));
        assert!(state.outcome_for(&pass).is_some());
        assert!(state.outcome_for(&"b-2".parse().unwrap()).is_none());
        state.replace(Vec::new());
        assert!(state.outcome_for(&pass).is_none(), "tried again");

        let held = AutoHoldOutcome::Held(serde_json::Map::new());
        state.keep_outcome(pass.clone(), held);
        state.replace(Vec::new());
        assert!(matches!(
            state.outcome_for(&pass),
            Some(AutoHoldOutcome::Held(_))
        ));
    }
}
