//! How a process starts and ends: every task is tracked, watches one drain token, and a crash of
//! one ends the process.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of one process, and the signals that end them. Cheap to clone.
///
/// A process that is shut down goes through three states: a lame duck serves as before and reports
/// not ready, a draining process takes on nothing new, a stopped one drops the rest.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    lame_duck: CancellationToken,
    drain: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
    crashes: mpsc::Sender<&'static str>,
}

/// Receives the names of tasks that panicked.
#[derive(Debug)]
pub struct PanicReceiver(mpsc::Receiver<&'static str>);

impl PanicReceiver {
    /// The name of the next task that panicked; never returns while there is none.
    pub async fn next(&mut self) -> &'static str {
        match self.0.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }
}

impl Lifecycle {
    /// A process that has just started.
    pub fn new() -> (Self, PanicReceiver) {
        let (crashes, receiver) = mpsc::channel(16);
        let lifecycle = Self {
            lame_duck: CancellationToken::new(),
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            crashes,
        };
        (lifecycle, PanicReceiver(receiver))
    }

    /// Runs a task until it ends or the process stops. A panic in it is reported as a crash.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, crashes) = (self.stop.clone(), self.crashes.clone());
        let work = async move {
            tokio::select! { () = task => {}, () = stop.cancelled() => {} }
        };

        tokio::spawn(self.tasks.track_future(async move {
            // What a crash left behind is seen by nobody: the process ends.
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(task = name, "task panicked");
                let _ = crashes.try_send(name); // one report is enough to end the process
            }
        }));
    }

    /// Counts work that somebody else spawned among the tasks that [`Lifecycle::drain_and_join`]
    /// waits for.
    pub fn track<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.tasks.track_future(work)
    }

    /// Readiness goes off and answers end their connections, while everything is served as before:
    /// those who send clients here have time to notice.
    pub fn begin_lame_duck(&self) {
        self.lame_duck.cancel();
    }

    /// Was the process told to stop?
    pub fn is_stopping(&self) -> bool {
        self.lame_duck.is_cancelled() || self.is_draining()
    }

    /// Begins the drain: readiness goes off, clients are told to go elsewhere, loops finish their
    /// step and return.
    pub fn begin_drain(&self) {
        self.drain.cancel();
    }

    /// Has the drain begun?
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Returns when the drain begins.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Cancelled when the drain begins: for code that needs to know nothing else of the process.
    pub fn drain_token(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Returns when the process stops for good and whatever still runs is dropped.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Returns after `pause`, or false at once when the drain begins: the clock of every loop.
    pub async fn sleep_or_drain(&self, pause: Duration) -> bool {
        tokio::select! { () = tokio::time::sleep(pause) => !self.is_draining(), () = self.draining() => false }
    }

    /// Waits for every task to end; after `patience` those that remain are dropped. True where all
    /// ended by themselves.
    pub async fn drain_and_join(&self, patience: Duration) -> bool {
        self.begin_drain();
        self.tasks.close();
        let in_time = tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_ok();
        self.stop.cancel();
        in_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crash_is_reported_and_a_drain_ends_the_rest() {
        let (lifecycle, mut crashes) = Lifecycle::new();
        let looping = lifecycle.clone();
        lifecycle.spawn("loop", async move {
            while looping.sleep_or_drain(Duration::from_millis(1)).await {}
        });
        lifecycle.spawn("bad", async { panic!("on purpose") });
        assert_eq!(crashes.next().await, "bad");
        assert!(lifecycle.drain_and_join(Duration::from_secs(5)).await);
    }
}
