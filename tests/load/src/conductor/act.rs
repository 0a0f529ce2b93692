//! What the conductor does while users are on their way: nothing, for most scenarios.

use anyhow::Result;
use tokio::time::{Duration, Instant};

use super::{Crew, Stage, Watch};
use crate::{cli::Cli, orders::Order, plan::Purpose, scenario::Script, tally::Counts};

/// How far the act has come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scene {
    /// Users are arriving.
    Arriving,
    /// Everybody is in line; until this moment nothing happens.
    Holding(Instant),
    /// The server was started again; users are coming back.
    Returning,
    /// Nothing more to do.
    Over,
}

/// See the module's documentation.
pub struct Act {
    scene: Scene,
    purpose: Purpose,
    users: u64,
    returning: u64,
    hold: Duration,
    others: Vec<u32>,
}

impl Act {
    /// The act of a scenario.
    pub fn new(cli: &Cli, script: &Script) -> Self {
        Self {
            scene: if script.terms.paused {
                Scene::Arriving
            } else {
                Scene::Over
            },
            purpose: script.purpose,
            users: script.users.into(),
            returning: script.promise.returning(script.users.into()),
            hold: script.hold,
            others: cli.server_pid.clone(),
        }
    }

    /// Goes on as far as the users are.
    ///
    /// # Errors
    /// A server that cannot be stopped or started, a worker that is gone.
    pub async fn go_on(
        &mut self,
        counts: &Counts,
        stage: &mut Stage,
        watch: &mut Watch,
        crew: &mut Crew,
    ) -> Result<()> {
        // Whoever failed on the way has finished without waiting for anything.
        let all_here =
            counts.joined + (counts.finished.saturating_sub(counts.booked)) >= self.users;
        match self.scene {
            Scene::Arriving if all_here => self.scene = self.complete(stage, watch).await?,
            Scene::Holding(until) if Instant::now() >= until => {
                watch.measured_phase_ends();
                crew.tell(&Order::Stop).await?;
                self.scene = Scene::Over;
            }
            Scene::Returning if counts.rejoined + counts.finished >= self.returning => {
                stage.operator.set_state(&stage.sale, "open").await?;
                self.scene = Scene::Over;
            }
            _ => {}
        }
        Ok(())
    }

    /// What begins once everybody is in line.
    async fn complete(&self, stage: &mut Stage, watch: &mut Watch) -> Result<Scene> {
        match self.purpose {
            Purpose::Wait => {
                watch.measured_phase_begins();
                Ok(Scene::Holding(Instant::now() + self.hold))
            }
            Purpose::BuyAcrossRestart => {
                watch.server_goes();
                stage.restart(&self.others).await?;
                watch.server_comes(stage.own_pid());
                Ok(Scene::Returning)
            }
            _ => {
                watch.measured_phase_begins();
                stage.operator.set_state(&stage.sale, "open").await?;
                Ok(Scene::Over)
            }
        }
    }
}
