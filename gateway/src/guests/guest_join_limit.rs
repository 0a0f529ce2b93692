//! Limits of joins by guests: a guest's place is counted by its address, and an old guest identity
//! takes no new place.

use std::{net::IpAddr, sync::Arc, time::Duration};

use waitingroom_domain::{
    clock::Clock,
    ids::{EventId, UserId},
    ticket::TicketKey,
};
use waitingroom_server::{
    auth::Identity,
    problem::{Code, Problem},
};

use super::{
    new_guest_limit::rate_limited,
    places::{GuestConnection, GuestPlaces},
};

/// See the module's documentation. Users that are no guests have no limits, and are not counted.
pub(crate) struct GuestJoinLimits {
    places: Arc<GuestPlaces>,
    /// How long after it was made a guest identity may take new places.
    join_for: Duration,
    /// Verifies tickets.
    tickets: TicketKey,
    clock: Clock,
}

/// May a user take a place?
pub(crate) enum JoinPermit {
    /// No guest.
    Unlimited,
    /// A guest whose place was counted before.
    AlreadyCounted,
    /// A guest whose place is counted from now on.
    NewlyCounted,
    /// A guest that may only keep a place; why it takes no new one.
    Refused(fn() -> Problem),
}

impl GuestJoinLimits {
    pub(crate) fn new(
        places: Arc<GuestPlaces>,
        join_for: Duration,
        tickets: TicketKey,
        clock: Clock,
    ) -> Self {
        Self {
            places,
            join_for,
            tickets,
            clock,
        }
    }

    /// Counts the place that a guest is about to take, if it may take one.
    pub(crate) fn acquire(
        &self,
        event: EventId,
        caller: &Identity,
        address: IpAddr,
        ticket: Option<&str>,
    ) -> JoinPermit {
        let user = &caller.user;
        let Some(made) = caller.guest else {
            return JoinPermit::Unlimited;
        };

        let is_counted = self.places.contains(event, user);
        let is_old = self.clock.now().since(made) > self.join_for;
        let has_ticket =
            || ticket.is_some_and(|ticket| self.tickets.verify(ticket, event, user).is_some());
        if !is_counted && is_old && !has_ticket() {
            return JoinPermit::Refused(guest_too_old);
        }

        match self.places.acquire(event, user, address) {
            true if is_counted => JoinPermit::AlreadyCounted,
            true => JoinPermit::NewlyCounted,
            false => JoinPermit::Refused(too_many_places),
        }
    }

    /// Counts a guest's place for as long as a connection follows it.
    pub(crate) fn track_connection(
        &self,
        event: EventId,
        caller: &Identity,
    ) -> Option<Box<GuestConnection>> {
        caller
            .guest
            .map(|_| Box::new(GuestConnection::new(&self.places, event, &caller.user)))
    }

    /// Counts a guest's place for as long as a poll keeps it.
    pub(crate) fn extend(&self, event: EventId, caller: &Identity) {
        if caller.guest.is_some() {
            self.places.extend(event, &caller.user);
        }
    }

    /// Counts a guest's place for as long as a push keeps it.
    ///
    /// # Errors
    /// The place was not counted here before, and the address has too many.
    pub(crate) fn subscribe(
        &self,
        event: EventId,
        caller: &Identity,
        address: IpAddr,
    ) -> Result<(), Problem> {
        if caller.guest.is_none() {
            return Ok(());
        }
        if !self.places.acquire(event, &caller.user, address) {
            return Err(too_many_places());
        }
        self.places.subscribe(event, &caller.user);
        Ok(())
    }

    /// No push keeps the user's place any more: it is off, or the pass has arrived.
    pub(crate) fn unsubscribe(&self, event: EventId, user: &UserId) {
        self.places.unsubscribe(event, user);
    }

    /// Stops counting the place of a guest that has left.
    pub(crate) fn release(&self, event: EventId, caller: &Identity) {
        if caller.guest.is_some() {
            self.places.release(event, &caller.user);
        }
    }
}

fn too_many_places() -> Problem {
    rate_limited(
        "places",
        "too many guests from this address are in the queue",
        Duration::from_secs(10),
    )
}

fn guest_too_old() -> Problem {
    metrics::counter!(crate::metric_definitions::GUESTS_REJECTED, "reason" => "age").increment(1);
    let detail =
        "this guest was created too long ago to join a queue; renew it with POST /api/v1/guest";
    Problem::new(Code::GuestTooOld, detail)
}
