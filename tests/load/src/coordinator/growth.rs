//! Samples of what must not grow while users come and go: taken once a second, after the warm-up
//! and until the last arrival.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Testbed, Watch};
use crate::{
    cli::Cli,
    growth_check::{Meter, Slope},
    http::Pool,
    loopback::Endpoint,
    meters::{live_tasks, redis},
    scenario::Script,
};

/// Pause between two samples.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub struct Growth {
    begun: Instant,
    /// When sampling begins and ends, after the beginning; `None` if nothing is sampled.
    window: Option<(Duration, Duration)>,
    next: Duration,
    roles: Vec<Pool>,
    redis: Option<Endpoint>,
    samples: BTreeMap<Meter, Vec<(f64, f64)>>,
}

impl Growth {
    /// Nothing sampled yet; the run begins now.
    ///
    /// # Errors
    /// A Redis that is not on this machine.
    pub fn new(cli: &Cli, script: &Script, testbed: &Testbed) -> anyhow::Result<Self> {
        let next = script.steady.map_or(Duration::ZERO, |(from, _)| from);
        let mut roles = vec![testbed.operator.booking.endpoint().clone()];

        roles.extend(testbed.gateways.iter().cloned());

        for url in &cli.metrics_url {
            roles.push(Endpoint::parse(url)?);
        }

        roles.sort_by_key(|role| role.address);
        roles.dedup();

        let roles = roles.into_iter().map(|role| Pool::new(role, 1)).collect();
        let redis = cli
            .redis
            .as_deref()
            .map(|url| Endpoint::parse(&url.replacen("redis://", "http://", 1)))
            .transpose()?;

        Ok(Self {
            begun: Instant::now(),
            window: script.steady,
            next,
            roles,
            redis,
            samples: BTreeMap::new(),
        })
    }

    /// Takes a sample, if it is time to.
    pub async fn look(&mut self, watch: &Watch) {
        let at = self.begun.elapsed();
        if self
            .window
            .is_none_or(|(_, until)| at < self.next || at >= until)
        {
            return;
        }

        self.next = at + PAUSE;
        let used = watch.latest();
        let (tasks, stored) = tokio::join!(live_tasks(&self.roles), redis(self.redis.as_ref()));
        let samples = [
            (Meter::Memory, Some(used.rss_kib as f64)),
            (Meter::Tasks, tasks),
            (Meter::Descriptors, Some(used.descriptors as f64)),
            (Meter::RedisKeys, stored.map(|stored| stored.keys)),
            (Meter::RedisMemory, stored.map(|stored| stored.memory_kib)),
        ];

        for (meter, value) in samples {
            self.samples
                .entry(meter)
                .or_default()
                .extend(value.map(|value| (at.as_secs_f64(), value)));
        }
    }

    /// How each meter went.
    pub fn slopes(&self) -> Vec<Slope> {
        self.samples
            .iter()
            .filter_map(|(meter, samples)| Slope::through(*meter, samples))
            .collect()
    }
}
