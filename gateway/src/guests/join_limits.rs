//! Joins with the limits of guests: a guest's place is counted by its address, and an old guest
//! identity takes no new place.

use std::{net::IpAddr, time::Duration};

use waitingroom_domain::{ids::EventId, presence::Presence, queue::Place};
use waitingroom_server::{
    auth::Identity,
    problem::{Code, Problem},
};

use super::{places::GuestConnection, rate_limit::rate_limited};
use crate::{queue_service::PresentedTicket, state::Gateway};

impl Gateway {
    /// Joins as [`Gateway::join`]. A guest's place is counted, and refused if there are too many or
    /// the identity is too old; a guest that has a place keeps it.
    pub(crate) async fn join_within_limits(
        &self,
        event: EventId,
        caller: &Identity,
        address: IpAddr,
        presence: Presence,
        presented: PresentedTicket<'_>,
    ) -> Result<(bool, Place), Problem> {
        let user = &caller.user;
        let Some(made) = caller.guest else {
            return self.join(event, user, presence, presented).await;
        };

        let limiter = &self.0.guest_rate_limiter;
        let is_counted = limiter.places.contains(event, user);
        let is_old = self.0.deps.clock.now().since(made) > limiter.limits.join_for;
        let has_ticket = || {
            presented
                .ticket
                .is_some_and(|ticket| self.0.deps.tickets.verify(ticket, event, user).is_some())
        };
        let refusal: Option<fn() -> Problem> = if !is_counted && is_old && !has_ticket() {
            Some(guest_too_old)
        } else if limiter.places.acquire(event, user, address) {
            None
        } else {
            Some(too_many_places)
        };

        let Some(refusal) = refusal else {
            let joined = self.join(event, user, presence, presented).await;
            if joined.is_err() && !is_counted {
                limiter.places.release(event, user);
            }
            return joined;
        };
        match self.resume(event, user, &presence).await {
            Ok(place) => Ok((false, place)),
            Err(problem) if problem.code == Code::NotInQueue => Err(refusal()),
            Err(problem) => Err(problem),
        }
    }

    /// Counts a guest's place for as long as a connection follows it; nothing for other users.
    pub(crate) fn track_guest_connection(
        &self,
        event: EventId,
        caller: &Identity,
    ) -> Option<Box<GuestConnection>> {
        let places = &self.0.guest_rate_limiter.places;
        caller
            .guest
            .map(|_| Box::new(GuestConnection::new(places, event, &caller.user)))
    }

    /// Counts a guest's place for as long as a poll keeps it.
    pub(crate) fn extend_guest_place(&self, event: EventId, caller: &Identity) {
        if caller.guest.is_some() {
            self.0.guest_rate_limiter.places.extend(event, &caller.user);
        }
    }

    /// Stops counting the place of a guest that has left.
    pub(crate) fn release_guest_place(&self, event: EventId, caller: &Identity) {
        if caller.guest.is_some() {
            let places = &self.0.guest_rate_limiter.places;
            places.release(event, &caller.user);
        }
    }
}

fn too_many_places() -> Problem {
    rate_limited(
        "places",
        "too many guests from this address are in line",
        Duration::from_secs(10),
    )
}

fn guest_too_old() -> Problem {
    metrics::counter!(crate::metric_definitions::GUESTS_REJECTED, "reason" => "age").increment(1);
    let detail = "this guest was made too long ago to take a new place: POST /api/v1/guest with this token renews it";
    Problem::new(Code::GuestTooOld, detail)
}
