//! Carries a random step out on both engines, and remembers what later steps can refer to: passes
//! given and bookings made.

use std::{fmt::Debug, time::Duration};

use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, NodeId, PassId, UserId, ZoneId},
    numbers::Numbers,
    presence::Presence,
    push::PushSubscription,
    queue::QueueSettings,
    rate::Throttle,
    seats::{Hold, Reserve, SeatSnapshot, ZoneSeats},
};
use waitingroom_engine::{
    Action, ActionKind, Engine, EngineError, OpenParams, Released, TickScope, UnservedNumbers,
    memory::InMemoryEngine, redis::RedisEngine,
};

use super::operation::{Attempt, Change, Operation, ZONES};
use crate::single_action::{SingleAction, browser};

/// Asks both engines the same, concurrently, and shows both answers as text.
macro_rules! both {
    ($memory:expr, $redis:expr, |$engine:ident| $ask:expr) => {{
        let expected = {
            let $engine = $memory;
            $ask.await
        };
        let answered = {
            let $engine = $redis;
            $ask.await
        };
        (expected, answered)
    }};
}

/// Numbers up to this were given out before the line was opened; up to [`SERVED`] they were
/// released, save for the last two.
const EARLIER: u64 = 12;
const SERVED: u64 = 3;

/// See the module's documentation.
pub(crate) struct Actor {
    event: EventId,
    now: Timestamp,
    epoch: Epoch,
    epochs: usize,
    batches: usize,
    passes: Vec<(UserId, PassId)>,
    attempts: Vec<Reserve>,
}

impl Default for Actor {
    fn default() -> Self {
        Self {
            event: Uuid::new_v4().into(),
            now: Timestamp::from_millis(1_700_000_000_000),
            epoch: "e1".parse().unwrap(),
            epochs: 0,
            batches: 0,
            passes: Vec::new(),
            attempts: Vec::new(),
        }
    }
}

type Answers = (String, String);

impl Actor {
    pub(crate) fn event(&self) -> EventId {
        self.event
    }

    /// Opens the line, with some seats.
    pub(crate) async fn open(&mut self, memory: &InMemoryEngine, redis: &RedisEngine) {
        let opening = self.opening(settings(QueueSettings {
            pass_ttl_seconds: 20,
            ..QueueSettings::default()
        }));
        let zones = (0..ZONES)
            .map(|index| ZoneSeats {
                zone_id: zone(index),
                available: 6,
            })
            .collect();

        let snapshot = SeatSnapshot {
            zones,
            ..SeatSnapshot::default()
        };

        for engine in [memory as &dyn Engine, redis] {
            engine.open(self.event, &opening, self.now).await.unwrap();
            engine
                .load_seats(self.event, &snapshot, self.now)
                .await
                .unwrap();
        }
    }

    /// The answers to the step, with the state of line and seats after it.
    pub(crate) async fn step(
        &mut self,
        memory: &InMemoryEngine,
        redis: &RedisEngine,
        step: &Operation,
    ) -> Answers {
        let (expected, answered) = self.answers(memory, redis, step).await;
        let (before, after) = (
            state(memory, self.event).await,
            state(redis, self.event).await,
        );

        (
            format!("{expected}\n  {before}"),
            format!("{answered}\n  {after}"),
        )
    }

    async fn answers(
        &mut self,
        memory: &InMemoryEngine,
        redis: &RedisEngine,
        step: &Operation,
    ) -> Answers {
        let (event, now) = (self.event, self.now);
        match step {
            Operation::Join { .. }
            | Operation::Resume { .. }
            | Operation::Restore { .. }
            | Operation::Detach { .. }
            | Operation::Leave { .. }
            | Operation::Acknowledge { .. }
            | Operation::Subscribe { .. }
            | Operation::Unsubscribe { .. } => {
                let action = self.action(step);
                let (user, what) = (&action.user, &action.kind);
                shown(both!(memory, redis, |engine| engine.act_alone(
                    event,
                    user,
                    what.clone(),
                    now
                )))
            }
            Operation::Together(steps) => {
                let actions: Vec<Action> = steps.iter().map(|step| self.action(step)).collect();
                shown(both!(memory, redis, |engine| engine.apply(event, &actions, now)))
            }
            Operation::ReportNode { node: index } => {
                let node = node(*index);
                shown(both!(memory, redis, |engine| engine
                    .report_node(event, &node, now)))
            }
            Operation::AllBack { node: index, own } => {
                let (node, epoch) = (node(*index), self.epoch(*own));
                shown(both!(memory, redis, |engine| engine
                    .finish_restore(event, &node, &epoch, now)))
            }
            Operation::Release {
                limit,
                tenths,
                decided_ago_ms,
                whole,
            } => {
                let share = Throttle {
                    factor: f64::from(*tenths) / 10.0,
                    decided_at: later(now, -decided_ago_ms),
                };
                let scope = if *whole {
                    TickScope::Full
                } else {
                    TickScope::GrantsOnly
                };
                self.release(memory, redis, *limit, share, scope).await
            }
            Operation::Reserve(attempts) => {
                let requests = attempts
                    .iter()
                    .map(|attempt| self.request(attempt))
                    .collect();
                self.reserve(memory, redis, requests).await
            }
            Operation::ReserveAgain { back, otherwise } => match self.repetition(*back, *otherwise)
            {
                Some(request) => self.reserve(memory, redis, vec![request]).await,
                None => Answers::default(),
            },
            Operation::Settle { decisions } => {
                let decisions: Vec<_> = decisions
                    .iter()
                    .map(|(index, what)| (self.booking(*index), *what))
                    .collect();
                shown(both!(memory, redis, |engine| engine
                    .settle(event, &decisions, now)))
            }
            Operation::StaleHolds { after_ms, limit } => {
                let at = later(now, *after_ms);
                shown(both!(memory, redis, |engine| engine.stale_holds(
                    event,
                    at,
                    Duration::ZERO,
                    *limit
                )))
            }
            Operation::BeginSync => {
                shown(both!(memory, redis, |engine| engine.begin_sync(event, now)))
            }
            Operation::LoadSeats {
                available,
                held,
                holds,
                foreign,
            } => {
                let snapshot = self.snapshot(available, held, *holds, *foreign);
                shown(both!(memory, redis, |engine| engine
                    .load_seats(event, &snapshot, now)))
            }
            Operation::Configure(change) => {
                let settings = changed(change);
                shown(both!(memory, redis, |engine| engine.configure(event, &settings)))
            }
            Operation::OpenAgain(change) => {
                let opening = self.opening(changed(change));
                let (expected, answered) =
                    both!(memory, redis, |engine| engine.open(event, &opening, now));
                self.epoch = expected.clone().unwrap();
                shown((expected, answered))
            }
            Operation::Remove => shown(both!(memory, redis, |engine| engine.remove(event))),
            Operation::Wait { ms } => {
                self.now = later(now, *ms);
                Answers::default()
            }
        }
    }

    fn action(&self, step: &Operation) -> Action {
        match step {
            Operation::Join {
                user: index,
                node,
                ticket,
            } => {
                let ticket = ticket.map(|(own, number)| (self.epoch(own), number));
                Action {
                    user: user(*index),
                    kind: ActionKind::Join {
                        presence: presence(*node),
                        ticket,
                    },
                }
            }
            Operation::Resume { user: index, node } => Action {
                user: user(*index),
                kind: ActionKind::Resume(presence(*node)),
            },
            Operation::Restore {
                user: index,
                node,
                ticket: (own, number),
                told,
            } => {
                let (presence, ticket) = (presence(*node), (self.epoch(*own), *number));
                Action {
                    user: user(*index),
                    kind: ActionKind::Restore {
                        presence,
                        ticket,
                        told: *told,
                    },
                }
            }
            Operation::Detach {
                user: index,
                node: from,
            } => Action {
                user: user(*index),
                kind: ActionKind::Detach(node(*from)),
            },
            Operation::Leave { user: index } => Action {
                user: user(*index),
                kind: ActionKind::Leave,
            },
            Operation::Acknowledge { user: other, pass } => {
                let (user, pass) = self.holder(*other, *pass);
                Action {
                    user,
                    kind: ActionKind::Acknowledge(pass),
                }
            }
            Operation::Subscribe {
                user: index,
                browser,
            } => Action {
                user: user(*index),
                kind: ActionKind::Subscribe(named_browser(*browser)),
            },
            Operation::Unsubscribe {
                user: index,
                browser,
            } => {
                let endpoint = browser.map(|one| named_browser(one).endpoint().to_owned());
                Action {
                    user: user(*index),
                    kind: ActionKind::Unsubscribe(endpoint),
                }
            }
            other => unreachable!("{other:?} is no user's action"),
        }
    }

    async fn release(
        &mut self,
        memory: &InMemoryEngine,
        redis: &RedisEngine,
        limit: u32,
        share: Throttle,
        scope: TickScope,
    ) -> Answers {
        self.batches += 1;
        let (event, now, batch) = (self.event, self.now, format!("b{}", self.batches));
        let (expected, answered) = both!(memory, redis, |engine| engine
            .release(event, &batch, limit, share, scope, now));

        for grant in expected.iter().flat_map(|released| &released.granted) {
            self.passes
                .push((grant.user.clone(), grant.payload.pass_id.clone()));
        }

        let (one, other) = (endpoints(&expected), endpoints(&answered));
        let (expected, answered) = shown((expected, answered));
        (
            format!("{expected} {one:?}"),
            format!("{answered} {other:?}"),
        )
    }

    async fn reserve(
        &mut self,
        memory: &InMemoryEngine,
        redis: &RedisEngine,
        requests: Vec<Reserve>,
    ) -> Answers {
        self.attempts.extend(requests.iter().cloned());
        shown(both!(memory, redis, |engine| engine
            .reserve_all(self.event, &requests, self.now)))
    }

    fn request(&self, attempt: &Attempt) -> Reserve {
        let (user, pass_id) = self.holder(attempt.user, attempt.pass);
        Reserve {
            event_id: self.event,
            zone_id: zone(attempt.zone),
            quantity: attempt.quantity,
            pass_id,
            pass_epoch: self.epoch(!attempt.earlier_epoch),
            pass_expires_at: later(self.now, attempt.pass_left_ms),
            idempotency: attempt.key.map(|(key, same)| {
                (
                    format!("key-{key}").parse().unwrap(),
                    format!("asked-{same}"),
                )
            }),
            booking_id: Uuid::new_v4().into(),
            hold_expires_at: later(self.now, attempt.hold_ms),
            user_limit: attempt.user_limit,
            user,
        }
    }

    /// An earlier attempt once more, as its client would repeat it, or with another content under
    /// the same key.
    fn repetition(&self, back: usize, otherwise: bool) -> Option<Reserve> {
        let earlier = self.attempts.iter().rev().nth(back)?.clone();
        let differently = |(key, asked): (_, String)| {
            (
                key,
                if otherwise {
                    format!("{asked}!")
                } else {
                    asked
                },
            )
        };

        let idempotency = earlier.idempotency.map(differently);
        Some(Reserve {
            booking_id: Uuid::new_v4().into(),
            idempotency,
            ..earlier
        })
    }

    fn opening(&mut self, settings: QueueSettings) -> OpenParams {
        self.epochs += 1;
        let epoch = format!("e{}", self.epochs).parse().unwrap();
        let unserved = UnservedNumbers {
            waiting: Numbers::run(2, 2),
            unclaimed: Numbers::run(3, 3),
        };
        let release_from = later(self.now, 2_000);
        let awaited = (0..self.epochs % 3).map(node).collect();

        OpenParams {
            settings,
            epoch,
            sequence: EARLIER,
            head: SERVED,
            unserved,
            mark: None,
            release_from,
            awaited_nodes: awaited,
        }
    }

    /// The epoch in force, or an earlier one.
    fn epoch(&self, own: bool) -> Epoch {
        if own {
            self.epoch.clone()
        } else {
            "e0".parse().unwrap()
        }
    }

    /// The latest pass but so many, and its holder or someone else; an unknown one beyond.
    fn holder(&self, other: Option<usize>, back: usize) -> (UserId, PassId) {
        let known = self.passes.iter().rev().nth(back).cloned();
        let (holder, pass) = known.unwrap_or_else(|| (user(0), "unknown".parse().unwrap()));
        (other.map_or(holder, user), pass)
    }

    /// The latest attempted booking but so many; an unknown one beyond.
    fn booking(&self, back: usize) -> BookingId {
        self.attempts
            .iter()
            .rev()
            .nth(back)
            .map_or_else(|| Uuid::nil().into(), |attempt| attempt.booking_id)
    }

    fn snapshot(&self, available: &[u32], held: &[u32], holds: u16, foreign: bool) -> SeatSnapshot {
        let zones = available.iter().enumerate();
        let zones = zones
            .map(|(index, available)| ZoneSeats {
                zone_id: zone(index),
                available: *available,
            })
            .collect();

        let users = held
            .iter()
            .enumerate()
            .map(|(index, seats)| (user(index), *seats))
            .collect();
        let recent = self.attempts.iter().rev().take(16).enumerate();
        let mut known: Vec<Hold> = recent
            .filter(|(back, _)| holds & (1 << back) != 0)
            .map(|(_, attempt)| hold(attempt))
            .collect();

        if foreign && let Some(last) = self.attempts.last() {
            known.push(Hold {
                booking_id: Uuid::max().into(),
                pass_id: "foreign".parse().unwrap(),
                ..hold(last)
            });
        }

        SeatSnapshot {
            zones,
            holds: known,
            users,
        }
    }
}

fn hold(request: &Reserve) -> Hold {
    Hold {
        booking_id: request.booking_id,
        user: request.user.clone(),
        zone_id: request.zone_id,
        quantity: request.quantity,
        expires_at: request.hold_expires_at,
        pass_id: request.pass_id.clone(),
    }
}

/// Of the browsers that are notified; their own text hides them.
fn endpoints(released: &Result<Released, EngineError>) -> Vec<String> {
    let recipients = released.iter().flat_map(|released| &released.pushes);
    let browsers = recipients.flat_map(|notified| &notified.subscriptions);
    browsers.map(|one| one.endpoint().to_owned()).collect()
}

async fn state(engine: &dyn Engine, event: EventId) -> String {
    let (status, seats, reached) = tokio::join!(
        engine.status(event),
        engine.seats(event),
        engine.recovery_point(event)
    );
    format!("{:?} {:?} {:?}", told(status), told(seats), told(reached))
}

fn shown<T: Debug>(
    (expected, answered): (Result<T, EngineError>, Result<T, EngineError>),
) -> Answers {
    (
        format!("{:?}", told(expected)),
        format!("{:?}", told(answered)),
    )
}

/// An unavailable backend is no answer to compare.
fn told<T>(answer: Result<T, EngineError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(EngineError::UnknownEvent) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Names that could confuse a packing.
fn user(index: usize) -> UserId {
    ["ann", "bob|1,2", "é:{x}", "p%d\\t", "-inf", "9"][index]
        .parse()
        .unwrap()
}

fn named_browser(index: usize) -> PushSubscription {
    browser(&format!("b{index}"))
}

fn node(index: usize) -> NodeId {
    format!("n{index}").parse().unwrap()
}

fn presence(index: Option<usize>) -> Presence {
    index.map_or(Presence::Poll, |index| Presence::Node(node(index)))
}

fn zone(index: usize) -> ZoneId {
    Uuid::from_u128(0xb000 + index as u128).into()
}

fn later(moment: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_millis(moment.millis() + ms)
}

fn settings(settings: QueueSettings) -> QueueSettings {
    QueueSettings {
        burst: 3,
        rate_per_second: 1.3,
        max_active: 4,
        grace_seconds: 20,
        claim_window_seconds: 3,
        push_claim_window_seconds: 8,
        ..settings
    }
}

fn changed(change: &Change) -> QueueSettings {
    QueueSettings {
        state: change.state,
        rate_per_second: change.rate_per_second,
        burst: change.burst,
        max_active: change.max_active,
        max_in_line: change.max_in_line,
        grace_seconds: change.grace_seconds,
        claim_window_seconds: change.claim_window_seconds,
        push_claim_window_seconds: change.claim_window_seconds * 2,
        message: change.message.clone(),
        ..QueueSettings {
            pass_ttl_seconds: 20,
            ..QueueSettings::default()
        }
    }
}
