//! The recorder's clock: Unix milliseconds that go on monotonically from the start of the run.

use std::time::Instant;

use stanchion_tests::wait::now_ms;

/// See the module's documentation.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    began_ms: i64,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
            began_ms: now_ms(),
        }
    }

    /// The time now, in milliseconds since the Unix epoch.
    pub fn now_ms(self) -> i64 {
        self.began_ms
            + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX - self.began_ms)
    }
}
