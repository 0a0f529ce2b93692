//! What a scenario works with: the installation, randomness from the seed, and the list of what was
//! done.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use stanchion_audit::Fault;
use stanchion_tests::{output, process::Signal};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    edge::Mode,
    installation::{Installation, Kind},
    journal::Journal,
};

/// See the module's documentation.
pub struct Context {
    /// What is under test.
    pub installation: Installation,
    /// Every choice of a scenario.
    pub random: StdRng,
    /// What was done so far.
    pub faults: Vec<Fault>,
    /// The stream was thrown away.
    pub stream_is_lost: bool,
    /// The event on sale.
    pub event: Uuid,
    journal: Arc<Journal>,
    began_ms: i64,
    hurries: bool,
}

impl Context {
    /// Nothing done yet.
    pub fn new(
        installation: Installation,
        random: StdRng,
        journal: Arc<Journal>,
        hurries: bool,
    ) -> Self {
        let began_ms = journal.clock.now_ms();
        let (faults, event) = (Vec::new(), Uuid::nil());

        Self {
            installation,
            random,
            faults,
            stream_is_lost: false,
            event,
            journal,
            began_ms,
            hurries,
        }
    }

    /// A line of progress.
    pub fn say(&self, text: &str) {
        let at = (self.journal.clock.now_ms() - self.began_ms) as f64 / 1_000.0;
        output::report(&format!("  [{at:6.2}] {text}"));
    }

    /// A fault begins. `silences`: users may count as absent for it.
    pub fn begin(&mut self, what: &str, target: &str, silences: bool) {
        self.say(&format!("begins: {what}, {target}"));
        let now = self.journal.clock.now_ms();
        let (what, target) = (what.to_owned(), target.to_owned());

        self.faults.push(Fault {
            what,
            target,
            from_ms: now,
            to_ms: now,
            silences,
            loses_commits: false,
        });
    }

    /// What is committed during the fault that began last may be gone after it.
    pub fn commits_may_be_lost(&mut self) {
        if let Some(fault) = self.faults.last_mut() {
            fault.loses_commits = true;
        }
    }

    /// The fault that began last is over.
    pub fn end(&mut self) {
        let now = self.journal.clock.now_ms();
        if let Some(fault) = self.faults.last_mut() {
            fault.to_ms = now;
            let text = format!("over: {}, {}", fault.what, fault.target);
            self.say(&text);
        }
    }

    /// How often a fault is repeated: a third as often in a hurry.
    pub fn times(&self, usual: usize) -> usize {
        if self.hurries {
            usual.div_ceil(3)
        } else {
            usual
        }
    }

    /// Lets between so many seconds pass.
    pub async fn pause(&mut self, from: f64, to: f64) {
        let seconds = if to > from {
            self.random.random_range(from..to)
        } else {
            from
        };
        sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// A time between so many seconds.
    pub fn time(&mut self, from: f64, to: f64) -> Duration {
        Duration::from_secs_f64(self.random.random_range(from..to))
    }

    /// One of them.
    pub fn choose(&mut self, from: &[String]) -> String {
        from.choose(&mut self.random).cloned().unwrap_or_default()
    }

    /// Kills a process and starts it again after a moment.
    ///
    /// # Errors
    /// It does not start again.
    pub async fn kill_and_start(&mut self, name: &str) -> Result<()> {
        let silences = self.installation.member(name).kind == Kind::Gateway;
        self.begin("kill -9", name, silences);
        self.installation.member(name).kill().await;
        self.pause(0.3, 2.5).await;
        self.installation.member(name).start().await?;
        self.end();
        Ok(())
    }

    /// Lets processes stand still for so many seconds.
    pub async fn stand_still(&mut self, names: &[String], seconds: f64) {
        let silences = names
            .iter()
            .any(|name| self.installation.member(name).kind == Kind::Gateway);
        self.begin(
            &format!("SIGSTOP for {seconds:.1} s"),
            &names.join(", "),
            silences,
        );

        for name in names {
            self.installation.member(name).signal(Signal::Stop);
        }

        self.pause(seconds, seconds).await;

        for name in names {
            self.installation.member(name).signal(Signal::Continue);
        }

        self.end();
    }

    /// Lets edges carry less for so many seconds; then what was sent arrives, or the connections
    /// are ended.
    pub async fn open_half(
        &mut self,
        edges: &[String],
        mode: Mode,
        seconds: f64,
        then_cut: bool,
        silences: bool,
    ) {
        self.begin(
            &format!("{mode:?} for {seconds:.1} s"),
            &edges.join(", "),
            silences,
        );

        for edge in edges {
            self.installation.edge(edge).set(mode);
        }

        self.pause(seconds, seconds).await;

        for edge in edges {
            if then_cut {
                self.installation.edge(edge).cut();
            }
            self.installation.edge(edge).set(Mode::Whole);
        }

        self.end();
    }
}
