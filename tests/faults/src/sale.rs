//! What is sold in a run, and where.

use std::sync::Arc;

use rand::seq::IndexedRandom;
use reqwest::Client;
use uuid::Uuid;

use crate::journal::Journal;

/// See the module's documentation.
#[derive(Debug)]
pub struct Sale {
    /// What clients write down.
    pub journal: Arc<Journal>,
    /// Their connections.
    pub http: Client,
    /// URLs of the gateways.
    pub gateways: Vec<String>,
    /// URLs of the instances of booking.
    pub bookings: Vec<String>,
    /// Users wait on WebSockets, behind a balancer.
    pub is_balanced: bool,
    /// The event.
    pub event: Uuid,
    /// Its show.
    pub show: Uuid,
    /// Its zones; the first is small and sells out.
    pub zones: Vec<Uuid>,
}

impl Sale {
    /// A gateway, as a balancer would choose.
    pub fn gateway(&self, random: &mut impl rand::Rng) -> &str {
        self.gateways.choose(random).map_or("", String::as_str)
    }

    /// An instance of booking, as a balancer would choose.
    pub fn booking(&self, random: &mut impl rand::Rng) -> &str {
        self.bookings.choose(random).map_or("", String::as_str)
    }
}

/// The short name of a process by its URL, for records: its port.
pub fn short(url: &str) -> String {
    url.rsplit(':').next().unwrap_or(url).to_owned()
}
