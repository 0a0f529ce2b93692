use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{future::join_all, poll};
use tokio::sync::Semaphore;
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::BookingId,
    queue::QueueSettings,
    rate::Throttle,
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, Tally, ZoneSeats},
};

use super::*;
use crate::{
    Engine, OpenParams, QueueStatus, RecoveryPoint, Released, TickScope, memory::InMemoryEngine,
};

/// An engine that answers when it is told to, and counts its steps.
struct Slow {
    memory: InMemoryEngine,
    may_answer: Semaphore,
    steps: AtomicUsize,
    fails: bool,
}

#[async_trait]
impl Engine for Slow {
    async fn apply(
        &self,
        event: EventId,
        actions: &[Action],
        now: Timestamp,
    ) -> Result<Vec<ActionResult>, EngineError> {
        self.steps.fetch_add(1, Ordering::SeqCst);
        self.may_answer.acquire().await.unwrap().forget();
        assert!(actions.len() <= MAX_ACTIONS);

        if self.fails {
            return Err(EngineError::Unavailable("on purpose".to_owned()));
        }

        self.memory.apply(event, actions, now).await
    }
    async fn open(
        &self,
        event: EventId,
        opening: &OpenParams,
        now: Timestamp,
    ) -> Result<Epoch, EngineError> {
        self.memory.open(event, opening, now).await
    }
    async fn configure(&self, _: EventId, _: &QueueSettings) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn events(&self) -> Result<Vec<EventId>, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn status(&self, _: EventId) -> Result<QueueStatus, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn recovery_point(&self, _: EventId) -> Result<RecoveryPoint, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn freeze(&self, _: EventId, _: &str) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn thaw(&self, _: EventId, _: Timestamp) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn remove(&self, _: EventId) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn report_node(&self, _: EventId, _: &NodeId, _: Timestamp) -> Result<bool, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn finish_restore(
        &self,
        _: EventId,
        _: &NodeId,
        _: &Epoch,
        _: Timestamp,
    ) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn release(
        &self,
        _: EventId,
        _: &str,
        _: u32,
        _: Throttle,
        _: TickScope,
        _: Timestamp,
    ) -> Result<Released, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn reserve_all(
        &self,
        _: EventId,
        _: &[Reserve],
        _: Timestamp,
    ) -> Result<Vec<ReserveOutcome>, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn settle(
        &self,
        _: EventId,
        _: &[(BookingId, Settlement)],
        _: Timestamp,
    ) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn stale_holds(
        &self,
        _: EventId,
        _: Timestamp,
        _: Duration,
        _: u32,
    ) -> Result<Vec<StaleHold>, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn seats(&self, _: EventId) -> Result<Vec<ZoneSeats>, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn tally(&self, _: EventId, _: &[UserId]) -> Result<Tally, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn counted_users(
        &self,
        _: EventId,
        _: &str,
    ) -> Result<(Vec<UserId>, String), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn begin_sync(&self, _: EventId, _: Timestamp) -> Result<u64, EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
    async fn load_seats(
        &self,
        _: EventId,
        _: &SeatSnapshot,
        _: Timestamp,
    ) -> Result<(), EngineError> {
        unreachable!("the batcher asks for actions alone")
    }
}

struct Crowd {
    engine: Arc<Slow>,
    batcher: ActionBatcher,
    event: EventId,
}

impl Crowd {
    async fn before(fails: bool) -> Self {
        let (memory, may_answer) = (InMemoryEngine::new(), Semaphore::new(0));
        let engine = Arc::new(Slow {
            memory,
            may_answer,
            steps: AtomicUsize::new(0),
            fails,
        });

        let batcher = ActionBatcher::new(engine.clone(), Clock::System, |task| {
            drop(tokio::spawn(task))
        });
        let crowd = Self {
            engine,
            batcher,
            event: Uuid::new_v4().into(),
        };

        crowd.open(crowd.event).await;
        crowd
    }

    async fn open(&self, event: EventId) {
        let epoch = "now".parse().unwrap();
        let (settings, release_from) = (QueueSettings::default(), Timestamp::default());
        let opening = OpenParams {
            settings,
            epoch,
            sequence: 0,
            head: 0,
            unserved: Default::default(),
            mark: None,
            release_from,
            awaited_nodes: Vec::new(),
        };

        self.engine
            .open(event, &opening, Timestamp::default())
            .await
            .unwrap();
    }

    async fn join(&self, event: EventId, number: usize) -> Result<JoinOutcome, EngineError> {
        self.batcher
            .join(
                event,
                &format!("u{number}").parse().unwrap(),
                Presence::Poll,
                None,
            )
            .await
    }

    fn answer(&self, steps: usize) {
        self.engine.may_answer.add_permits(steps);
    }

    fn steps(&self) -> usize {
        self.engine.steps.load(Ordering::SeqCst)
    }
}

fn number(outcome: Result<JoinOutcome, EngineError>) -> u64 {
    match outcome.unwrap() {
        JoinOutcome::Joined(place) => place.number,
        refused => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn what_comes_during_a_step_makes_the_next_in_its_order() {
    let crowd = Crowd::before(false).await;
    let joins = join_all((1..=1_000).map(|number| crowd.join(crowd.event, number)));
    let (outcomes, ()) = tokio::join!(joins, async { crowd.answer(10) });
    let numbers: Vec<u64> = outcomes.into_iter().map(number).collect();

    assert_eq!(numbers, (1..=1_000).collect::<Vec<u64>>());
    assert_eq!(
        crowd.steps(),
        1 + 999usize.div_ceil(MAX_ACTIONS),
        "the first alone, the rest in full steps"
    );
    assert_eq!(
        number(crowd.join(crowd.event, 1_001).await),
        1_001,
        "the lane begins anew"
    );
}

#[tokio::test]
async fn an_event_does_not_wait_for_another() {
    let crowd = Crowd::before(false).await;
    let other = Uuid::new_v4().into();

    crowd.open(other).await;
    let (one, two) = tokio::join!(crowd.join(crowd.event, 1), async {
        let joins = async { tokio::join!(crowd.join(other, 2), async { crowd.answer(2) }).0 };
        assert_eq!(crowd.steps(), 1);
        joins.await
    });
    assert_eq!((number(one), number(two)), (1, 1));
}

#[tokio::test]
async fn whoever_gives_up_does_not_take_others_along() {
    let crowd = Crowd::before(false).await;
    let mut first = Box::pin(crowd.join(crowd.event, 1));

    assert!(poll!(&mut first).is_pending());
    drop(first);

    let (second, ()) = tokio::join!(crowd.join(crowd.event, 2), async { crowd.answer(2) });
    assert_eq!(
        number(second),
        2,
        "what was asked happens, whether or not somebody waits for the answer"
    );
}

#[tokio::test]
async fn what_waits_behind_a_failed_step_fails_with_it() {
    let crowd = Crowd::before(true).await;
    let joins = join_all((1..=600).map(|number| crowd.join(crowd.event, number)));
    let (outcomes, ()) = tokio::join!(joins, async { crowd.answer(1) });

    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(EngineError::Unavailable(_))))
    );
    assert_eq!(crowd.steps(), 1);
}

#[tokio::test]
async fn too_many_are_refused_at_once() {
    let crowd = Crowd::before(false).await;
    let mut waiting: Vec<_> = (0..MAX_QUEUED + 1)
        .map(|number| Box::pin(crowd.join(crowd.event, number)))
        .collect();

    for (index, join) in waiting.iter_mut().enumerate() {
        // The first is under way and waits for nothing.
        assert_eq!(poll!(join).is_ready(), index > MAX_QUEUED, "{index}");
    }

    assert!(matches!(
        crowd.join(crowd.event, 0).await,
        Err(EngineError::Busy)
    ));
    crowd.answer(1_000);
    assert_eq!(
        join_all(waiting).await.into_iter().map(number).max(),
        Some(MAX_QUEUED as u64 + 1)
    );
    assert_eq!(crowd.join(crowd.event, 0).await.map(drop).ok(), Some(()));
}

#[tokio::test]
async fn an_acknowledgement_that_nobody_waits_for_is_heard_of_where_it_is_refused() {
    for fails in [false, true] {
        let crowd = Crowd::before(fails).await;
        let (refuse, refused) = oneshot::channel();
        let (user, pass) = ("u1".parse().unwrap(), "never-given-0".parse().unwrap());
        let hear = |error| drop(refuse.send(error));
        crowd
            .batcher
            .acknowledge_detached(crowd.event, &user, pass, hear)
            .unwrap();
        crowd.answer(1);
        let error = refused.await.unwrap();
        assert_eq!(
            matches!(error, Some(EngineError::Unavailable(_))),
            fails,
            "{error:?}"
        );
        assert_eq!(error.is_none(), !fails, "{error:?}");
    }
}
