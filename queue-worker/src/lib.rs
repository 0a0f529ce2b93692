//! Releases the line at the rate that booking can take. Any number of workers may run: rate and cap
//! are enforced inside the engine's atomic step, so there is no leader to elect and none to lose.

mod course;
mod pacing;
mod runner;
mod tick;

use std::{sync::Arc, time::Duration};

use waitingroom::{
    clock::Clock, engine::SharedEngine, pace::PaceRules, signal::Signals, vitals::SharedBoard,
};

pub use self::{runner::run, tick::TickReport};

/// How a worker works.
#[derive(Debug, Clone, Copy)]
pub struct WorkerConfig {
    /// Time between two whole admission steps of one event. While a line moves fast, passes go out
    /// in between; see [`waitingroom::rate::step_pause`].
    pub tick: Duration,
    /// Most passes of one step: bounds its time and the size of its messages.
    pub batch_limit: u32,
    /// How far and when booking's troubles slow the lines down.
    pub pace: PaceRules,
}

impl Default for WorkerConfig {
    /// Ten whole steps a second; at most 2,000 passes in any.
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(100),
            batch_limit: 2_000,
            pace: PaceRules::default(),
        }
    }
}

/// One worker. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    engine: SharedEngine,
    signals: Arc<dyn Signals>,
    board: SharedBoard,
    clock: Clock,
    config: WorkerConfig,
}

impl Worker {
    /// A worker on this engine that tells the gateways by these signals, and reads on this board
    /// how booking is.
    pub fn new(
        engine: SharedEngine,
        signals: Arc<dyn Signals>,
        board: SharedBoard,
        clock: Clock,
        config: WorkerConfig,
    ) -> Self {
        Self {
            engine,
            signals,
            board,
            clock,
            config,
        }
    }
}
