//! The run itself: hears the workers, watches the server, shows how it goes.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{Crew, Growth, Stage, Watch, act::Act, progress::ProgressLine};
use crate::{
    cli::Cli,
    orders::{Order, Word},
    plan::Plan,
    scenario::Script,
    tally::{Counts, Tallied},
};

/// How often the server is looked at and the line of progress drawn.
const LOOK: Duration = Duration::from_millis(250);
/// How long workers may take beyond the run's limit.
const GRACE: Duration = Duration::from_secs(30);

/// See the module's documentation.
pub struct Performance<'a> {
    crew: Crew,
    act: Act,
    stage: &'a mut Stage,
    watch: &'a mut Watch,
    growth: &'a mut Growth,
    line: ProgressLine,
    counts: Vec<Counts>,
    prepared: usize,
    done: Vec<Tallied>,
}

impl<'a> Performance<'a> {
    /// Plays until everybody is done.
    ///
    /// # Errors
    /// Workers that fail or do not end in time, a server that cannot be stopped or started.
    pub async fn play(
        cli: &Cli,
        script: &Script,
        plan: &Plan,
        stage: &'a mut Stage,
        watch: &'a mut Watch,
        growth: &'a mut Growth,
    ) -> Result<Vec<Tallied>> {
        let mut crew = Crew::hire(plan).await?;
        watch.begin(crew.pids());
        crew.tell(&Order::Start).await?;
        let counts = vec![Counts::default(); plan.processes];
        let (act, line) = (Act::new(cli, script), ProgressLine::new(script));
        let mut performance = Self {
            crew,
            act,
            stage,
            watch,
            growth,
            line,
            counts,
            prepared: 0,
            done: Vec::new(),
        };
        performance
            .go_on(Instant::now() + script.limit + GRACE)
            .await?;
        Ok(performance.done)
    }

    async fn go_on(&mut self, until: Instant) -> Result<()> {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.done.len() < self.counts.len() {
            tokio::select! {
                (worker, word) = self.crew.hear() => self.note(worker, word?).await?,
                _ = ticks.tick() => self.look().await?,
                () = sleep_until(until) => bail!("the run did not end in time"),
            }
        }
        let sum = self.sum();
        self.watch.look(&sum);
        self.line.end(&sum, self.watch);
        Ok(())
    }

    async fn note(&mut self, worker: usize, word: Word) -> Result<()> {
        match word {
            Word::Ready => {}
            Word::Progress(counts) => self.counts[worker] = counts,
            Word::Prepared => {
                self.prepared += 1;
                if self.prepared == self.counts.len() {
                    self.watch.measured_phase_begins();
                    self.crew.tell(&Order::Proceed).await?;
                }
            }
            Word::Done(tallied) => {
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
        self.act
            .go_on(&sum, self.stage, self.watch, &mut self.crew)
            .await
    }

    fn sum(&self) -> Counts {
        self.counts.iter().fold(Counts::default(), |mut sum, one| {
            sum += *one;
            sum
        })
    }
}
