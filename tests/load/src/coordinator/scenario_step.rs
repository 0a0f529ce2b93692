//! The steps of the coordinator while users are on their way; most scenarios have none.

use anyhow::Result;
use tokio::time::{Duration, Instant};

use super::{Testbed, Watch, Workers};
use crate::{
    cli::Cli, plan::Purpose, scenario::Script, tally::Counts, worker_protocol::WorkerOrder,
};

/// How far the scenario is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Users are arriving.
    Arriving,
    /// All users are in the queue; nothing happens until this moment.
    Holding(Instant),
    /// The server was started again; users are coming back.
    Returning,
    /// Nothing more to do.
    Over,
}

/// See the module's documentation.
pub struct ScenarioStep {
    phase: Phase,
    purpose: Purpose,
    users: u64,
    returning: u64,
    hold: Duration,
    others: Vec<u32>,
}

impl ScenarioStep {
    /// The first step of a scenario.
    pub fn new(cli: &Cli, script: &Script) -> Self {
        Self {
            phase: if script.terms.paused {
                Phase::Arriving
            } else {
                Phase::Over
            },
            purpose: script.purpose,
            users: script.users.into(),
            returning: script.assertions.returning(script.users.into()),
            hold: script.hold,
            others: cli.server_pid.clone(),
        }
    }

    /// Takes the next step once the users are ready for it.
    ///
    /// # Errors
    /// A server that cannot be stopped or started, a worker that is gone.
    pub async fn advance(
        &mut self,
        counts: &Counts,
        testbed: &mut Testbed,
        watch: &mut Watch,
        workers: &mut Workers,
    ) -> Result<()> {
        // A user who failed has finished without waiting for anything.
        let all_here =
            counts.joined + (counts.finished.saturating_sub(counts.booked)) >= self.users;
        match self.phase {
            Phase::Arriving if all_here => self.phase = self.complete(testbed, watch).await?,
            Phase::Holding(until) if Instant::now() >= until => {
                watch.measured_phase_ends();
                workers.broadcast(&WorkerOrder::Stop).await?;
                self.phase = Phase::Over;
            }
            Phase::Returning if counts.rejoined + counts.finished >= self.returning => {
                testbed.operator.set_state(&testbed.sale, "open").await?;
                self.phase = Phase::Over;
            }
            _ => {}
        }

        Ok(())
    }

    /// The phase that begins once all users are in the queue.
    async fn complete(&self, testbed: &mut Testbed, watch: &mut Watch) -> Result<Phase> {
        match self.purpose {
            Purpose::Wait => {
                watch.measured_phase_begins();
                Ok(Phase::Holding(Instant::now() + self.hold))
            }
            Purpose::BuyAcrossRestart => {
                watch.server_goes();
                testbed.restart(&self.others).await?;
                watch.server_comes(testbed.own_pid());
                Ok(Phase::Returning)
            }
            _ => {
                watch.measured_phase_begins();
                testbed.operator.set_state(&testbed.sale, "open").await?;
                Ok(Phase::Over)
            }
        }
    }
}
