//! What all clients write down.

use parking_lot::Mutex;
use stanchion_audit::{Record, Seen, Walk};

use crate::clock::Clock;

/// See the module's documentation.
#[derive(Debug)]
pub struct Journal {
    /// What its times are of.
    pub clock: Clock,
    records: Mutex<Vec<Record>>,
    walks: Mutex<Vec<Walk>>,
}

impl Journal {
    /// An empty one.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            records: Mutex::default(),
            walks: Mutex::default(),
        }
    }

    /// A user saw this now.
    pub fn see(&self, user: &str, seen: Seen) {
        let mut records = self.records.lock();
        records.push(Record {
            at_ms: self.clock.now_ms(),
            user: user.to_owned(),
            seen,
        });
    }

    /// The prober walked.
    pub fn walked(&self, walk: Walk) {
        self.walks.lock().push(walk);
    }

    /// Everything so far.
    pub fn read(&self) -> (Vec<Record>, Vec<Walk>) {
        (self.records.lock().clone(), self.walks.lock().clone())
    }
}
