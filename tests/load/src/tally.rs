//! The counters of the users' events.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    http::Fault,
    latency::{Latencies, Measured},
};

macro_rules! counts {
    ($($name:ident: $doc:literal;)*) => {
        /// The counters' values.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counts { $(#[doc = $doc] pub $name: u64,)* }

        /// The counters.
        #[derive(Debug, Default)]
        pub struct Counters { $(#[doc = $doc] pub $name: AtomicU64,)* }

        impl Counters {
            /// The counters' values now.
            pub fn now(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl std::ops::AddAssign for Counts {
            fn add_assign(&mut self, other: Self) { $(self.$name += other.$name;)* }
        }
    };
}

counts! {
    arrived: "Users whose time had come.";
    joined: "Users who have, or had, a place.";
    connected: "Connections open now.";
    passes: "Users who received a pass.";
    reserved: "Users whose reservation stood.";
    booked: "Users whose booking was confirmed.";
    cancelled: "Bookings that were cancelled.";
    left: "Users who gave their place up.";
    finished: "Users who came to their end, whatever it was.";
    sent_away: "Connections that a draining node ended in order.";
    rejoined: "Users who came back to their place.";
    stream_errors: "Connections that could not be made, or ended without being asked to.";
    positions: "Position messages received.";
    position_grew: "Positions that were further back than one before.";
    repeated_passes: "Passes received again.";
    prepared: "Users whose pass was fetched beforehand.";
}

/// Counters, times and errors of one process.
#[derive(Default)]
pub struct Tally {
    /// How often.
    pub counters: Counters,
    /// How long.
    pub latencies: Latencies,
    /// When the last place was taken, in microseconds from the start.
    last_join_us: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// A process's tally, as it travels to the coordinator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tallied {
    /// How often.
    pub counts: Counts,
    /// How long.
    pub measured: Vec<Measured>,
    /// Faults as `where: what`, with their number.
    pub errors: BTreeMap<String, u64>,
    /// From the start to the last place that was taken, in seconds.
    pub joining_seconds: f64,
    /// How long the measured phase of `reserve` took, in seconds.
    pub reserving_seconds: f64,
}

/// Adds one.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Takes one away.
pub fn uncount(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}

impl Tally {
    /// Counts a place that was taken so long after the start.
    pub fn joined(&self, after: Duration) {
        count(&self.counters.joined);
        self.last_join_us.fetch_max(
            u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// Counts an error of a connection that serves the line.
    pub fn stream_fault(&self, at: &str, fault: &Fault) {
        count(&self.counters.stream_errors);
        self.fault(at, fault);
    }

    /// Counts an error.
    pub fn fault(&self, at: &str, fault: &Fault) {
        *self
            .errors
            .lock()
            .entry(format!("{at}: {fault}"))
            .or_default() += 1;
    }

    /// Everything, for another process.
    pub fn tallied(&self, reserving_seconds: f64) -> Tallied {
        Tallied {
            counts: self.counters.now(),
            measured: self.latencies.measured(),
            errors: self.errors.lock().clone(),
            joining_seconds: self.last_join_us.load(Ordering::Relaxed) as f64 / 1e6,
            reserving_seconds,
        }
    }
}

/// The sum of errors of several processes.
pub fn add_errors(sum: &mut BTreeMap<String, u64>, errors: &BTreeMap<String, u64>) {
    errors
        .iter()
        .for_each(|(kind, count)| *sum.entry(kind.clone()).or_default() += count);
}
