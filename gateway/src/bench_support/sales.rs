//! Whole sales on the in-memory engine, in simulated time: the waits that users were sent, and the
//! waits that followed.

use std::collections::HashMap;

use futures_util::FutureExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use waitingroom_domain::{
    clock::Timestamp,
    ids::{EventId, NodeId, UserId},
    presence::Presence,
    queue::QueueSettings,
    rate::Throttle,
    seats::{SeatSnapshot, ZoneSeats},
};
use waitingroom_engine::{Engine, OpenParams, TickScope, memory::InMemoryEngine};

use super::PROGRESS_INTERVAL;
use super::single_action::{Join, SingleAction};
use crate::wait_estimator::WaitEstimator;

/// Ticks between two samples of the waits that users are sent.
const SAMPLE_EVERY_TICKS: usize = 30;
/// Users in one sample.
const USERS_PER_SAMPLE: usize = 10;
/// Shorter waits are left out: estimates are whole seconds.
const MIN_WAIT_SECONDS: f64 = 3.0;

/// What kind of sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleKind {
    /// The rate limits the queue.
    Rate,
    /// The cap limits it, and passes are used after very different times.
    Cap,
    /// The cap limits it, and no pass is used.
    Unused,
    /// Users come in waves, each larger than the rate takes until the next.
    Waves,
    /// Booking is overloaded at times, and allows a part of the rate.
    Throttled,
    /// Two in five are absent.
    Absent,
    /// The operator doubles the rate, then halves it, then sets a cap.
    Changing,
}

/// All kinds.
pub const SALE_KINDS: [SaleKind; 7] = [
    SaleKind::Rate,
    SaleKind::Cap,
    SaleKind::Unused,
    SaleKind::Waves,
    SaleKind::Throttled,
    SaleKind::Absent,
    SaleKind::Changing,
];

impl SaleKind {
    /// Its name in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "held back by the rate",
            Self::Cap => "by the cap",
            Self::Unused => "by the cap, passes unused",
            Self::Waves => "in waves",
            Self::Throttled => "throttled booking",
            Self::Absent => "two in five absent",
            Self::Changing => "changing settings",
        }
    }
}

/// A user's wait at one moment, in seconds: as sent, and as it was.
#[derive(Debug, Clone, Copy)]
pub struct SampledWait {
    /// The estimate.
    pub wait: f64,
    /// The range of the estimate.
    pub range: Option<(f64, f64)>,
    /// How long the user waited from then on.
    pub truth: f64,
}

/// Accuracy of the estimates of a sale.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    /// Number of waits.
    pub samples: usize,
    /// Median of the estimate's distance from the truth, as a part of the truth.
    pub median_error: f64,
    /// The part of the waits that ended within the range.
    pub within_range: f64,
}

impl Score {
    /// The score of these waits.
    pub fn of(waits: &[SampledWait]) -> Self {
        let mut errors: Vec<_> = waits
            .iter()
            .map(|one| (one.wait - one.truth).abs() / one.truth)
            .collect();
        errors.sort_unstable_by(f64::total_cmp);
        let within = |one: &&SampledWait| {
            one.range
                .is_some_and(|(low, high)| (low - 1.0..=high + 1.0).contains(&one.truth))
        };

        Self {
            samples: waits.len(),
            median_error: errors
                .get(errors.len() / 2)
                .copied()
                .unwrap_or(f64::INFINITY),
            within_range: waits.iter().filter(within).count() as f64 / waits.len().max(1) as f64,
        }
    }
}

/// How a sale of this kind is run.
struct SalePlan {
    settings: QueueSettings,
    users: usize,
    /// Ticks from one wave of users to the next, and how many waves there are.
    wave: usize,
    waves: usize,
    absent: f64,
    /// Seconds until a pass is used: a minimum, and the mean beyond it; nothing if it is not used.
    use_after: Option<(f64, f64)>,
    ticks: usize,
}

impl SalePlan {
    fn of(kind: SaleKind) -> Self {
        let settings = QueueSettings {
            rate_per_second: 5.0,
            burst: 5,
            max_active: 10_000,
            pass_ttl_seconds: 120,
            grace_seconds: 1_000,
            ..QueueSettings::default()
        };

        let plan = Self {
            settings: settings.clone(),
            users: 1_000,
            wave: usize::MAX,
            waves: 1,
            absent: 0.0,
            use_after: Some((10.0, 30.0)),
            ticks: 2_400,
        };

        match kind {
            SaleKind::Rate | SaleKind::Throttled => plan,
            SaleKind::Cap => Self {
                settings: QueueSettings {
                    max_active: 60,
                    ..settings
                },
                users: 400,
                ticks: 4_000,
                ..plan
            },
            SaleKind::Unused => Self {
                settings: QueueSettings {
                    max_active: 20,
                    pass_ttl_seconds: 15,
                    ..settings
                },
                users: 200,
                use_after: None,
                ..plan
            },
            SaleKind::Waves => Self {
                users: 300,
                wave: 400,
                waves: 4,
                ..plan
            },
            SaleKind::Absent => Self {
                absent: 0.4,
                ..plan
            },
            SaleKind::Changing => Self {
                ticks: 3_000,
                users: 1_400,
                ..plan
            },
        }
    }
}

/// Runs a sale and compares the estimates with the waits that followed.
///
/// # Panics
/// The engine in memory does not fail.
pub fn simulate(kind: SaleKind, seed: u64) -> Vec<SampledWait> {
    let plan = SalePlan::of(kind);
    let mut random = StdRng::seed_from_u64(seed);
    let engine = InMemoryEngine::new();
    let event = EventId::from(uuid::Uuid::from_u128(1));
    let node: NodeId = "gw-1".parse().expect("a node is letters, digits and '-'");
    let begin = Timestamp::from_millis(1_700_000_000_000);
    let opening = OpenParams {
        settings: plan.settings.clone(),
        epoch: "e1".parse().expect("an epoch is letters and digits"),
        sequence: 0,
        head: 0,
        unserved: Default::default(),
        mark: None,
        release_from: begin,
        awaited_nodes: Vec::new(),
    };
    let zone = ZoneSeats {
        zone_id: uuid::Uuid::from_u128(2).into(),
        available: 1_000_000,
    };
    let seats = SeatSnapshot {
        zones: vec![zone],
        ..SeatSnapshot::default()
    };
    completed(engine.open(event, &opening, begin));
    completed(engine.load_seats(event, &seats, begin));

    let (mut estimator, mut settings, mut share) =
        (WaitEstimator::default(), plan.settings.clone(), 1.0);
    let mut waiting = Vec::<UserId>::new();
    let mut uses = HashMap::<usize, Vec<UserId>>::new();
    let mut asked = HashMap::<UserId, Vec<(f64, Option<(f64, f64)>, usize)>>::new();
    let mut waits = Vec::new();
    for tick in 0..plan.ticks {
        let at = begin.plus(PROGRESS_INTERVAL * tick as u32);
        completed(engine.report_node(event, &node, at));
        if tick.is_multiple_of(plan.wave) && tick / plan.wave < plan.waves {
            for number in 0..plan.users {
                let user: UserId = format!("u-{tick}-{number}")
                    .parse()
                    .expect("a user is letters, digits and '-'");
                let presence = Presence::Node(node.clone());
                completed(engine.join(
                    &Join {
                        event_id: event,
                        user: user.clone(),
                        presence,
                        ticket: None,
                    },
                    at,
                ));
                if random.random_bool(plan.absent) {
                    completed(engine.detach(event, &user, &node, at));
                } else {
                    waiting.push(user);
                }
            }
        }
        if kind == SaleKind::Changing && change(&mut settings, tick) {
            completed(engine.configure(event, &settings));
        }
        if kind == SaleKind::Throttled && tick.is_multiple_of(100) {
            share = [1.0, 1.0, 0.5, 0.25][random.random_range(0..4)];
        }
        for user in uses.remove(&tick).into_iter().flatten() {
            // A pass that is given up frees the same as one that is used.
            completed(engine.leave(event, &user, at));
        }

        let released = completed(engine.release(
            event,
            &format!("b{tick}"),
            1_000,
            Throttle {
                factor: share,
                decided_at: at,
            },
            TickScope::Full,
            at,
        ));
        estimator.observe(&released.progress, at);
        for granted in released.granted {
            completed(engine.acknowledge(event, &granted.user, &granted.payload.pass_id, at));
            waiting.retain(|user| *user != granted.user);
            if let Some((least, mean)) = plan.use_after {
                let after = least - mean * random.random_range(f64::MIN_POSITIVE..1.0_f64).ln();
                uses.entry(tick + 1 + (after * 10.0) as usize)
                    .or_default()
                    .push(granted.user.clone());
            }
            for (wait, range, since) in asked.remove(&granted.user).into_iter().flatten() {
                let truth = (tick - since) as f64 * PROGRESS_INTERVAL.as_secs_f64();
                if truth >= MIN_WAIT_SECONDS {
                    waits.push(SampledWait { wait, range, truth });
                }
            }
        }

        // An estimate before the operator's last change cannot foresee it.
        if tick % SAMPLE_EVERY_TICKS == SAMPLE_EVERY_TICKS - 1
            && !(kind == SaleKind::Changing && is_before_a_change(tick))
        {
            for _ in 0..USERS_PER_SAMPLE.min(waiting.len()) {
                let user = &waiting[random.random_range(0..waiting.len())];
                let presence = Presence::Node(node.clone());
                let Some(place) = completed(engine.resume(event, user, &presence, at)) else {
                    continue;
                };
                let estimate = estimator.estimate(place.position, &settings, 1_000_000, at);
                let range = estimate
                    .range
                    .map(|range| (f64::from(range.low), f64::from(range.high)));
                asked.entry(user.clone()).or_default().push((
                    f64::from(estimate.wait_seconds),
                    range,
                    tick,
                ));
            }
        }
    }
    waits
}

/// Ticks after which the operator changes another setting.
const TICKS_PER_CHANGE: usize = 500;

fn change(settings: &mut QueueSettings, tick: usize) -> bool {
    match tick / TICKS_PER_CHANGE {
        _ if !tick.is_multiple_of(TICKS_PER_CHANGE) => return false,
        1 => settings.rate_per_second = 10.0,
        2 => settings.rate_per_second = 4.0,
        3 => settings.max_active = 60,
        _ => return false,
    }
    true
}

fn is_before_a_change(tick: usize) -> bool {
    tick < 3 * TICKS_PER_CHANGE
}

/// The result of an engine call: the in-memory engine does not wait.
fn completed<T, E: std::fmt::Debug>(step: impl Future<Output = Result<T, E>>) -> T {
    step.now_or_never()
        .expect("the engine in memory does not wait")
        .expect("the engine in memory does not fail")
}
