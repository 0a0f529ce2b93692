//! What is sold: events, their shows, and the zones of interchangeable seats in them.

use std::time::Duration;

use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, ShowId, ZoneId},
    queue::QueueSettings,
};

use crate::model::{
    appearance::Appearance,
    money::{Currency, Money},
    venue::Venue,
};

/// One event: one line, its shows and their zones.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name in requests.
    pub event_id: EventId,
    /// Its name for people.
    pub name: String,
    /// Where it takes place.
    pub venue: Venue,
    /// What its seats are sold in.
    pub currency: Currency,
    /// Most seats that one user may hold and have confirmed.
    pub max_seats_per_user: u32,
    /// Life of a hold.
    pub hold_seconds: u32,
    /// How its line is run.
    pub queue: QueueSettings,
    /// How its pages look.
    pub appearance: Appearance,
    /// Its dates, in the operator's order.
    pub shows: Vec<Show>,
}

/// One date of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// Its name in requests.
    pub show_id: ShowId,
    /// Its name for people.
    pub name: String,
    /// When it begins, if that is known.
    pub starts_at: Option<Timestamp>,
    /// Its blocks of seats, in the operator's order.
    pub zones: Vec<Zone>,
}

/// A block of interchangeable seats of one show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name in requests.
    pub zone_id: ZoneId,
    /// Its name for people.
    pub name: String,
    /// Price of one seat, in minor units of the event's currency.
    pub unit_price: i64,
    /// Seats.
    pub capacity: u32,
}

impl Event {
    /// Life of a hold.
    pub fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds.into())
    }

    /// When the first of its shows begins, as far as that is known.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.shows.iter().filter_map(|show| show.starts_at).min()
    }

    /// The show of that id, if it is one of the event's.
    pub fn show(&self, show: ShowId) -> Option<&Show> {
        self.shows
            .iter()
            .find(|candidate| candidate.show_id == show)
    }

    /// The price of one seat in a zone.
    pub fn price(&self, zone: &Zone) -> Money {
        Money {
            minor: zone.unit_price,
            currency: self.currency,
        }
    }

    /// Every zone with its show.
    pub fn zones(&self) -> impl Iterator<Item = (&Show, &Zone)> {
        self.shows
            .iter()
            .flat_map(|show| show.zones.iter().map(move |zone| (show, zone)))
    }
}

impl Show {
    /// The zone of that id, if it is one of the show's.
    pub fn zone(&self, zone: ZoneId) -> Option<&Zone> {
        self.zones
            .iter()
            .find(|candidate| candidate.zone_id == zone)
    }
}
