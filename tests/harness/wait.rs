//! Waiting for conditions. Nothing in the suites sleeps for a time that it hopes is long enough.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Long enough for debug builds on a busy machine; a healthy stack never needs it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// What `look` finds, once it finds it; panics with `what` after [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl FnMut() -> F,
) -> T {
    within(PATIENCE, what, look).await
}

/// What `look` finds, once it finds it; panics with `what` where that takes longer than `time`.
pub async fn within<T, F: Future<Output = Option<T>>>(
    time: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {time:?} for: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The answer of `work`; panics with `what` where it takes longer than [`PATIENCE`].
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} for: {what}"))
}

/// The host's clock, in milliseconds since the Unix epoch: the same that the processes under test
/// read.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as i64)
}
