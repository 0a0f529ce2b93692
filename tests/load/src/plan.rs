//! The plan of a run: made once by the coordinator, sent to every worker.

use std::{ops::Range, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cli::{ReserveBy, Transport},
    loopback::Endpoint,
};

/// A run, as a worker needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Where the line is; at least one.
    pub gateways: Vec<Endpoint>,
    /// Where seats are reserved.
    pub booking: Endpoint,
    /// The secret of users' tokens.
    pub secret: String,
    /// The event for sale.
    pub sale: Sale,
    /// First part of every user's name: no two runs share users.
    pub run: String,
    /// All users, in all processes.
    pub users: usize,
    /// How many processes there are.
    pub processes: usize,
    /// Which of them this is.
    pub process: usize,
    /// The time over which users arrive, evenly.
    pub arrive: Duration,
    /// The time after which unfinished users have failed.
    pub limit: Duration,
    /// How users follow the line.
    pub transport: Transport,
    /// How seats are reserved.
    pub reserve_by: ReserveBy,
    /// The purpose of the users.
    pub purpose: Purpose,
    /// Pause of polling users.
    pub poll: Duration,
    /// REST connections of this process.
    pub connections: usize,
}

/// The purpose of the users.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Purpose {
    /// Join, wait, reserve, confirm.
    Buy,
    /// The same, while the server is stopped and started again.
    BuyAcrossRestart,
    /// Join and wait until the order to leave.
    Wait,
    /// Join, stay this long, leave; with a pass, reserve and cancel.
    Visit(Duration),
    /// Reserve with a pass that was fetched beforehand.
    Reserve {
        /// In all processes, per second; unlimited if it is left out.
        rate: Option<f64>,
        /// Whether reservations are confirmed afterwards.
        confirm: bool,
    },
}

/// The event for sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sale {
    /// Whose line.
    pub event: Uuid,
    /// Its only show.
    pub show: Uuid,
    /// Its zones: user `i` buys in zone `i mod zones`.
    pub zones: Vec<Uuid>,
    /// Seats of each zone.
    pub zone_capacity: u32,
    /// Life of a pass.
    pub pass_ttl: Duration,
}

impl Plan {
    /// The users of this process: every n-th, so that each process has users of every moment.
    pub fn own_users(&self) -> std::iter::StepBy<Range<usize>> {
        (self.process..self.users).step_by(self.processes)
    }

    /// When a user comes, after the start.
    pub fn arrival(&self, user: usize) -> Duration {
        self.arrive.mul_f64(user as f64 / self.users as f64)
    }

    /// How a user follows the line.
    pub const fn transport_of(&self, user: usize) -> Transport {
        self.transport.of(user)
    }

    /// Where a user buys.
    pub fn zone(&self, user: usize) -> Uuid {
        self.sale.zones[user % self.sale.zones.len()]
    }

    /// Is it part of the run that connections end?
    pub fn restarts(&self) -> bool {
        self.purpose == Purpose::BuyAcrossRestart
    }
}
