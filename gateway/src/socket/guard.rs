//! How much a client may say.

use waitingroom::{clock::Timestamp, rate::Bucket};

/// Messages per second that a client may send over time: many times what the web client needs.
const RATE: f64 = 20.0;
/// Messages that a client may send at once.
const BURST: u32 = 60;

/// Counts one connection's messages.
#[derive(Debug)]
pub(super) struct Guard(Bucket);

impl Guard {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Bucket::full(BURST, now))
    }

    /// May the client say one more thing?
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        self.0 = self.0.refilled(RATE, BURST.into(), now);
        let admits = self.0.allows(0, 1) > 0;
        if admits {
            self.0 = self.0.less(1);
        }
        admits
    }
}
