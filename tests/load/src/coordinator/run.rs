//! The run itself: receives the messages of workers, watches the server, shows the progress.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{Growth, Testbed, Watch, Workers, progress::ProgressLine, scenario_step::ScenarioStep};
use crate::{
    cli::Cli,
    plan::Plan,
    scenario::Script,
    tally::{Counts, Tallied},
    worker_protocol::{WorkerMessage, WorkerOrder},
};

/// How often the server is looked at and the line of progress drawn.
const LOOK: Duration = Duration::from_millis(250);
/// How long workers may take beyond the run's limit.
const GRACE: Duration = Duration::from_secs(30);

/// See the module's documentation.
pub struct Run<'a> {
    workers: Workers,
    step: ScenarioStep,
    testbed: &'a mut Testbed,
    watch: &'a mut Watch,
    growth: &'a mut Growth,
    line: ProgressLine,
    counts: Vec<Counts>,
    prepared: usize,
    done: Vec<Tallied>,
}

impl<'a> Run<'a> {
    /// Runs until all workers are done.
    ///
    /// # Errors
    /// Workers that fail or do not end in time, a server that cannot be stopped or started.
    pub async fn execute(
        cli: &Cli,
        script: &Script,
        plan: &Plan,
        testbed: &'a mut Testbed,
        watch: &'a mut Watch,
        growth: &'a mut Growth,
    ) -> Result<Vec<Tallied>> {
        let mut workers = Workers::start(plan).await?;
        watch.begin(workers.pids());
        workers.broadcast(&WorkerOrder::Start).await?;

        let counts = vec![Counts::default(); plan.processes];
        let (step, line) = (ScenarioStep::new(cli, script), ProgressLine::new(script));
        let mut run = Self {
            workers,
            step,
            testbed,
            watch,
            growth,
            line,
            counts,
            prepared: 0,
            done: Vec::new(),
        };

        run.run_until(Instant::now() + script.limit + GRACE).await?;
        Ok(run.done)
    }

    async fn run_until(&mut self, until: Instant) -> Result<()> {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

        while self.done.len() < self.counts.len() {
            tokio::select! {
                (worker, message) = self.workers.next_message() => self.note(worker, message?).await?,
                _ = ticks.tick() => self.look().await?,
                () = sleep_until(until) => bail!("the run did not end in time"),
            }
        }

        let sum = self.sum();
        self.watch.look(&sum);
        self.line.end(&sum, self.watch);

        Ok(())
    }

    async fn note(&mut self, worker: usize, message: WorkerMessage) -> Result<()> {
        match message {
            WorkerMessage::Ready => {}
            WorkerMessage::Progress(counts) => self.counts[worker] = counts,
            WorkerMessage::Prepared => {
                self.prepared += 1;
                if self.prepared == self.counts.len() {
                    self.watch.measured_phase_begins();
                    self.workers.broadcast(&WorkerOrder::Proceed).await?;
                }
            }
            WorkerMessage::Done(tallied) => {
                self.counts[worker] = tallied.counts;
                self.done.push(*tallied);
            }
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        let sum = self.sum();
        self.watch.look(&sum);
        self.growth.look(self.watch).await;
        self.line.draw(&sum, self.watch);
        self.step
            .advance(&sum, self.testbed, self.watch, &mut self.workers)
            .await
    }

    fn sum(&self) -> Counts {
        self.counts.iter().fold(Counts::default(), |mut sum, one| {
            sum += *one;
            sum
        })
    }
}
