//! Waiting for conditions: no suite sleeps for a fixed time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Max time of one step of a test: enough for debug builds on a busy machine.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Calls `check` until it returns a value; panics with `what` after [`TEST_TIMEOUT`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    check: impl FnMut() -> F,
) -> T {
    within(TEST_TIMEOUT, what, check).await
}

/// Calls `check` until it returns a value; panics with `what` after `time`.
pub async fn within<T, F: Future<Output = Option<T>>>(
    time: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {time:?} for: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The result of `work`; panics with `what` if it takes longer than [`TEST_TIMEOUT`].
pub async fn with_timeout<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| panic!("waited {TEST_TIMEOUT:?} for: {what}"))
}

/// The host's clock, in milliseconds since the Unix epoch: the same that the processes under test
/// read.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as i64)
}
