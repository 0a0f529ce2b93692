//! The board of vitals, the same on both backends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    overload_throttle::{AdmissionThrottle, BookingLoad},
};
use waitingroom_messaging::process_registry::{
    PROCESS_TTL, PUBLISH_INTERVAL, Process, ProcessRegistry, ProcessStatus, ReportedBooking, Role,
    SharedProcessRegistry, StatusReporter, memory::InMemoryProcessRegistry,
    redis::RedisProcessRegistry,
};

#[path = "../../engine/tests/fixture/redis.rs"]
mod redis;

fn vitals(name: &str, booking: Option<BookingLoad>) -> ProcessStatus {
    let process = Process {
        node: name.parse().unwrap(),
        roles: vec![Role::Booking, Role::QueueWorker],
        version: "1.2.3".into(),
        started_at: Timestamp::from_millis(1_700_000_000_123),
        settings: BTreeMap::from([("guests".to_owned(), "true".to_owned())]),
    };

    ProcessStatus {
        process,
        connections: 3,
        memory_bytes: Some(20_000_000),
        live_tasks: 28,
        booking,
        guest_majority: None,
    }
}

async fn a_board_keeps_what_is_live(board: SharedProcessRegistry) {
    let first = board.read().await.unwrap();
    assert_eq!((first.processes, first.throttle), (vec![], None));

    let strained = BookingLoad {
        reserve_p95_ms: Some(812.4),
        error_share: 1.0 / 3.0,
        ..BookingLoad::default()
    };
    let (one, other) = (vitals("b-1", Some(strained)), vitals("a-2", None));

    board.publish(&vitals("b-1", None)).await.unwrap();
    board.publish(&one).await.unwrap();
    board.publish(&other).await.unwrap();

    let snapshot = board.read().await.unwrap();
    assert!(snapshot.at >= first.at);

    let read: Vec<_> = snapshot
        .processes
        .into_iter()
        .map(|live| live.status)
        .collect();
    assert_eq!(read, [other.clone(), one], "the latest of each, in order");
    board.deregister(&"b-1".parse().unwrap()).await.unwrap();

    let left: Vec<_> = board
        .read()
        .await
        .unwrap()
        .processes
        .into_iter()
        .map(|live| live.status)
        .collect();
    assert_eq!(left, [other]);
}

async fn of_those_who_decide_at_once_one_prevails(board: SharedProcessRegistry) {
    let pace = |ms| AdmissionThrottle::full(Timestamp::from_millis(ms));
    assert!(board.set_throttle(None, &pace(1)).await.unwrap());
    assert!(!board.set_throttle(None, &pace(2)).await.unwrap());
    assert!(board.set_throttle(Some(&pace(1)), &pace(3)).await.unwrap());
    assert!(!board.set_throttle(Some(&pace(1)), &pace(4)).await.unwrap());
    assert_eq!(board.read().await.unwrap().throttle, Some(pace(3)));
}

macro_rules! on_both {
    ($($name:ident),*) => {
        mod local_board { $(#[tokio::test] async fn $name() { super::$name(super::local()).await; })* }
        mod redis_board { $(#[tokio::test] async fn $name() { super::$name(super::in_redis().await).await; })* }
    };
}

on_both!(
    a_board_keeps_what_is_live,
    of_those_who_decide_at_once_one_prevails
);

fn local() -> SharedProcessRegistry {
    Arc::new(InMemoryProcessRegistry::new(Clock::System))
}

async fn in_redis() -> SharedProcessRegistry {
    let (engine, prefix) = redis::engine().await;
    Arc::new(RedisProcessRegistry::new(engine.connection(), &prefix))
}

/// A process that cannot say how it is would be taken for dead.
#[tokio::test]
async fn a_full_redis_takes_records_and_the_throttle() {
    let server = redis::Server::start().await;
    let (engine, prefix) = redis::engine_on(&server.url()).await;
    let board = RedisProcessRegistry::new(engine.connection(), &prefix);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let status = vitals("b-1", None);
    board.publish(&status).await.unwrap();
    let full = AdmissionThrottle::full(Timestamp::from_millis(1));
    assert!(board.set_throttle(None, &full).await.unwrap());

    let snapshot = board.read().await.unwrap();
    assert_eq!(snapshot.processes[0].status, status);
    assert_eq!(snapshot.throttle, Some(full));
}

#[tokio::test]
async fn who_is_silent_is_forgotten() {
    let clock = Clock::manual(Timestamp::from_millis(1_000));
    let board: SharedProcessRegistry = Arc::new(InMemoryProcessRegistry::new(clock.clone()));

    board.publish(&vitals("gone", None)).await.unwrap();
    clock.advance(PROCESS_TTL);
    assert_eq!(board.read().await.unwrap().processes[0].age_ms, 5_000);
    board.publish(&vitals("here", None)).await.unwrap();
    clock.advance(Duration::from_millis(1));

    let names: Vec<_> = board
        .read()
        .await
        .unwrap()
        .processes
        .into_iter()
        .map(|live| live.status.process.node)
        .collect();
    assert_eq!(names, ["here".parse().unwrap()]);
}

/// A booking that is unable while this is true.
struct BookingOfTest(Arc<AtomicBool>);

impl ReportedBooking for BookingOfTest {
    fn load(&self) -> BookingLoad {
        BookingLoad {
            unable: self.is_unable(),
            ..BookingLoad::default()
        }
    }

    fn is_unable(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn publishes_at_once_when_booking_becomes_able() {
    let (board, unable) = (local(), Arc::new(AtomicBool::new(true)));
    let ability = Arc::clone(&unable);
    let reporter = StatusReporter {
        process: vitals("b-1", None).process,
        registry: Arc::clone(&board),
        booking: Some(Arc::new(BookingOfTest(ability))),
        connections: Box::new(|| 7),
        guest_majority: Box::new(|| None),
    };
    let drain = CancellationToken::new();
    let running = tokio::spawn(reporter.run(drain.clone()));
    let published = async || {
        let snapshot = board.read().await.unwrap();
        let status = &snapshot.processes[0].status;
        assert_eq!(status.connections, 7);
        status.booking.unwrap().unable
    };
    tokio::time::sleep(PUBLISH_INTERVAL / 10).await;
    assert!(published().await);

    unable.store(false, Ordering::Relaxed);
    tokio::time::sleep(PUBLISH_INTERVAL / 4).await;
    assert!(!published().await, "within a quarter of the usual time");

    drain.cancel();
    running.await.unwrap();
    assert_eq!(board.read().await.unwrap().processes, []);
}
