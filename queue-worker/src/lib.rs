//! Releases the queue at the rate that booking can take. Any number of workers may run: rate and
//! cap are enforced inside the engine's atomic step, so there is no leader to elect and none to
//! lose.

mod admission_schedule;
mod event_loop;
pub mod metric_definitions;
mod push;
mod throttle_poll;
mod tick;

use std::{sync::Arc, time::Duration};

use waitingroom_domain::{clock::Clock, overload_throttle::ThrottleConfig, push::PushConfig};
use waitingroom_engine::SharedEngine;
use waitingroom_messaging::{process_registry::SharedProcessRegistry, signal::Signals};

pub use self::event_loop::run;
use self::{
    push::{PushQueue, PushSender, push_queue},
    throttle_poll::ThrottleService,
    tick::TickService,
};

/// The configuration of a worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkerConfig {
    /// Interval of the full admission ticks of one event. While a queue moves fast, passes go out
    /// in between; see [`waitingroom_domain::rate::tick_interval`].
    pub tick: Duration,
    /// Maximum of passes in one tick: bounds its time and the size of its messages.
    pub batch_limit: u32,
    /// When and how far an overloaded booking throttles admission.
    pub throttle: ThrottleConfig,
}

impl Default for WorkerConfig {
    /// Ten full ticks a second; at most 2,000 passes in any.
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(100),
            batch_limit: 2_000,
            throttle: ThrottleConfig::default(),
        }
    }
}

/// One worker: what [`run`] runs.
pub struct Worker {
    ticks: TickService,
    throttle: ThrottleService,
    tick_interval: Duration,
    push_sender: Option<PushSender>,
}

impl Worker {
    /// A worker on this engine that signals the gateways, and reads in this registry
    /// how loaded booking is.
    pub fn new(
        engine: SharedEngine,
        signals: Arc<dyn Signals>,
        registry: SharedProcessRegistry,
        clock: Clock,
        config: WorkerConfig,
    ) -> Self {
        Self {
            ticks: TickService {
                engine,
                signals,
                clock,
                batch_limit: config.batch_limit,
                pushes: PushQueue::off(),
            },
            throttle: ThrottleService {
                registry,
                rules: config.throttle,
            },
            tick_interval: config.tick,
            push_sender: None,
        }
    }

    /// Sends pushes to users who asked for one when they are released.
    #[must_use]
    pub fn with_push(mut self, config: PushConfig) -> Self {
        let (engine, clock) = (self.ticks.engine.clone(), self.ticks.clock.clone());
        let (queue, sender) = push_queue(config, engine, clock);
        self.ticks.pushes = queue;
        self.push_sender = Some(sender);
        self
    }
}
