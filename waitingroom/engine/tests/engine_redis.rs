//! What only the Redis engine has to promise: nothing piles up in Redis, and a lost connection is
//! made again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../../tests/harness/delay.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is shared with other suites")]
mod delay;
#[path = "fixture/redis.rs"]
mod redis;
#[path = "fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ::redis::{AsyncCommands, cmd};
use uuid::Uuid;
use waitingroom_domain::{
    clock::{Clock, Timestamp},
    ids::{EventId, UserId},
    presence::Presence,
    queue::{Counters, Grant, QueueSettings, SEQUENCE_RESERVE},
    seats::{Reserve, ReserveOutcome, SeatSnapshot, Settlement, StaleHold, ZoneSeats},
};
use waitingroom_engine::{
    Engine, EngineError, Frozen, JoinOutcome, OpenParams, RECOVERY_WINDOW, TickScope,
    UnservedNumbers,
    redis::RedisEngine,
    redis_connection::{RedisConnection, RedisServers},
};

use crate::single_action::{Join, SingleAction};

const ZONE: Uuid = Uuid::from_u128(0xb000);

/// An event on the host's clock, since Redis' own expires its keys.
struct Sale {
    engine: RedisEngine,
    prefix: String,
    event: EventId,
}

impl Sale {
    async fn open(settings: QueueSettings) -> Self {
        Self::open_on(redis::engine().await, settings).await
    }

    async fn open_on((engine, prefix): (RedisEngine, String), settings: QueueSettings) -> Self {
        let sale = Self {
            engine,
            prefix,
            event: Uuid::new_v4().into(),
        };
        let opening = OpenParams {
            settings,
            epoch: "now".parse().unwrap(),
            sequence: 10,
            head: 0,
            unserved: UnservedNumbers::default(),
            mark: None,
            release_from: Timestamp::default(),
            awaited_nodes: Vec::new(),
        };

        sale.engine.open(sale.event, &opening, now()).await.unwrap();
        let zones = vec![ZoneSeats {
            zone_id: ZONE.into(),
            available: 100,
        }];
        let snapshot = SeatSnapshot {
            zones,
            ..SeatSnapshot::default()
        };

        sale.engine
            .load_seats(sale.event, &snapshot, now())
            .await
            .unwrap();
        sale
    }

    async fn keys(&self) -> BTreeSet<String> {
        let pattern = format!("{}:*", self.prefix);
        self.engine.connection().keys(pattern).await.unwrap()
    }

    /// With a ticket of an earlier line, for what remembers those.
    async fn join(&self, name: &str, number: u64) -> JoinOutcome {
        let ticket = Some(("earlier".parse().unwrap(), number));
        let join = Join {
            event_id: self.event,
            user: user(name),
            presence: Presence::Poll,
            ticket,
        };
        self.engine.join(&join, now()).await.unwrap()
    }

    async fn release(&self) -> Vec<(UserId, Grant)> {
        let batch = Uuid::new_v4().simple().to_string();
        let released = self
            .engine
            .release(
                self.event,
                &batch,
                100,
                Default::default(),
                TickScope::Full,
                now(),
            )
            .await
            .unwrap();

        released
            .granted
            .into_iter()
            .map(|granted| (granted.user, granted.payload))
            .collect()
    }

    async fn hold(&self, user: UserId, grant: &Grant) -> Reserve {
        let request = self.request(user, grant, Duration::from_secs(1));
        assert_eq!(
            self.engine.reserve(&request, now()).await.unwrap(),
            ReserveOutcome::Held
        );
        request
    }

    fn request(&self, user: UserId, grant: &Grant, hold: Duration) -> Reserve {
        Reserve {
            event_id: self.event,
            zone_id: ZONE.into(),
            quantity: 2,
            pass_id: grant.pass_id.clone(),
            pass_epoch: grant.epoch.clone(),
            pass_expires_at: grant.expires_at,
            idempotency: Some((format!("key-of-{user}").parse().unwrap(), "two".to_owned())),
            booking_id: Uuid::new_v4().into(),
            hold_expires_at: now().plus(hold),
            user_limit: 10,
            user,
        }
    }
}

fn now() -> Timestamp {
    Clock::System.now()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = look().await;
        if seen == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "still {seen:?}, not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn after_everything_has_ended_no_key_is_left() {
    let settings = QueueSettings {
        pass_ttl_seconds: 3,
        claim_window_seconds: 1,
        grace_seconds: 0,
        ..Default::default()
    };
    let sale = Sale::open(settings).await;
    let before = sale.keys().await;
    let base = format!("{}:{{{}}}", sale.prefix, sale.event);
    let kept = ["meta", "zones", "earlier", "counted"].map(|key| format!("{base}:{key}"));
    assert_eq!(
        before,
        [format!("{}:events", sale.prefix)]
            .into_iter()
            .chain(kept)
            .collect()
    );

    for (number, name) in (1..).zip(["confirmed", "released", "aborted", "left", "unclaimed"]) {
        sale.join(name, number).await;
    }
    let passes = sale.release().await;
    let [confirmed, released, aborted, left, unclaimed] = &passes[..] else {
        panic!("five passes: {passes:?}")
    };
    let mut bookings = Vec::new();
    for (user, grant) in [confirmed, released, aborted] {
        bookings.push(sale.hold(user.clone(), grant).await.booking_id);
    }
    sale.join("absent", 6).await;
    sale.engine.leave(sale.event, &left.0, now()).await.unwrap();
    sale.engine.begin_sync(sale.event, now()).await.unwrap();
    let [sold, given_back, failed] = bookings[..] else {
        panic!("three bookings")
    };
    let settlements = [
        (sold, Settlement::Committed),
        (given_back, Settlement::Committed),
        (failed, Settlement::Aborted),
        (sold, Settlement::Confirmed),
        (given_back, Settlement::Released),
    ];
    sale.engine
        .settle(sale.event, &settlements, now())
        .await
        .unwrap();
    let during = sale.keys().await;
    assert!(during.iter().any(|key| key.contains(":memory:")));
    assert!(
        during
            .iter()
            .all(|key| !key.contains(unclaimed.0.as_str()) && !key.contains("key-of")),
        "{during:?}"
    );
    sale.engine
        .load_seats(sale.event, &loaded(), now())
        .await
        .unwrap();

    // Whoever polled is absent 15 s later; the test moves the poll instead of waiting.
    let () = sale
        .engine
        .connection()
        .zadd(format!("{base}:idle"), "absent", 1)
        .await
        .unwrap();
    let removals = sale
        .engine
        .release(
            sale.event,
            "next",
            0,
            Default::default(),
            TickScope::Full,
            now(),
        )
        .await
        .unwrap()
        .removals;
    assert!(removals.iter().any(|lapse| lapse.user == user("absent")));
    let expiry: i64 = sale
        .engine
        .connection()
        .pttl(format!("{base}:earlier"))
        .await
        .unwrap();
    assert!((1..=86_400_000).contains(&expiry), "{expiry}");
    eventually(before, async || {
        sale.engine
            .release(
                sale.event,
                "later",
                0,
                Default::default(),
                TickScope::Full,
                now(),
            )
            .await
            .unwrap();
        sale.keys().await
    })
    .await;
}

#[tokio::test]
async fn memories_of_any_length_are_found_and_expire() {
    const DAY: Duration = Duration::from_secs(86_400);
    let sale = Sale::open(QueueSettings {
        pass_ttl_seconds: 15,
        ..Default::default()
    })
    .await;
    for (number, name) in (1..).zip(["brief", "usual", "long"]) {
        sale.join(name, number).await;
    }
    let passes = sale.release().await;
    let holds = [Duration::from_secs(15), Duration::from_secs(600), DAY];
    let requests: Vec<_> = passes
        .iter()
        .zip(holds)
        .map(|((user, pass), hold)| sale.request(user.clone(), pass, hold))
        .collect();
    for request in &requests {
        assert_eq!(
            sale.engine.reserve(request, now()).await.unwrap(),
            ReserveOutcome::Held
        );
    }
    let replays = sale
        .engine
        .reserve_all(sale.event, &requests, now())
        .await
        .unwrap();
    let earlier = requests
        .iter()
        .map(|request| ReserveOutcome::Replayed(request.booking_id));
    assert_eq!(replays, earlier.collect::<Vec<_>>());

    let mut redis = sale.engine.connection();
    let memories: Vec<_> = sale
        .keys()
        .await
        .into_iter()
        .filter(|key| key.contains(":memory:"))
        .collect();
    // A pass and a hold of one length may end in neighbouring spans of it.
    let lengths: BTreeSet<_> = memories
        .iter()
        .filter_map(|key| key.rsplit(':').nth(1))
        .collect();
    assert_eq!(
        lengths,
        ["163840000", "20000", "640000"].into(),
        "one for each length of a hold"
    );
    let mut longest = 0;
    for memory in &memories {
        let left: i64 = redis.pttl(memory).await.unwrap();
        assert!(
            (1..=86_400_000 + 5_000).contains(&left),
            "{memory} stays for {left} ms"
        );
        longest = longest.max(left);
    }
    assert!(
        longest > 86_000_000,
        "the last to end is a day away, not {longest} ms"
    );
}

#[tokio::test]
async fn a_clock_that_runs_ahead_is_not_believed() {
    let sale = Sale::open(QueueSettings::default()).await;
    sale.join("ann", 1).await;

    let ahead = now().plus(Duration::from_secs(3_600));
    let released = sale
        .engine
        .release(
            sale.event,
            "b",
            1,
            Default::default(),
            TickScope::Full,
            ahead,
        )
        .await
        .unwrap();

    assert_eq!(released.granted.len(), 1, "ann is present");
    assert!(released.granted[0].payload.issued_at < now().plus(Duration::from_secs(10)));
}

/// The commit of a hold may be under way for as long as its holder says, by Redis' clock and nobody
/// else's.
#[tokio::test]
async fn a_clock_that_runs_ahead_takes_no_commit_for_lost() {
    let sale = Sale::open(QueueSettings::default()).await;
    sale.join("ann", 1).await;

    let [(ann, grant)] = sale.release().await.try_into().unwrap();
    let held = sale.hold(ann, &grant).await;
    let (ahead, patience) = (
        now().plus(Duration::from_secs(3_600)),
        Duration::from_secs(60),
    );

    assert_eq!(
        sale.engine
            .stale_holds(sale.event, ahead, patience, 10)
            .await
            .unwrap(),
        []
    );

    let pending = StaleHold {
        booking_id: held.booking_id,
        pending: true,
    };
    assert_eq!(
        sale.engine
            .stale_holds(sale.event, ahead, Duration::ZERO, 10)
            .await
            .unwrap(),
        [pending]
    );
}

fn loaded() -> SeatSnapshot {
    SeatSnapshot {
        zones: vec![ZoneSeats {
            zone_id: ZONE.into(),
            available: 98,
        }],
        ..SeatSnapshot::default()
    }
}

#[tokio::test]
async fn every_key_of_an_event_is_in_its_slot_and_goes_with_it() {
    let sale = Sale::open(QueueSettings::default()).await;
    sale.join("ann", 1).await;
    sale.engine
        .report_node(sale.event, &"n1".parse().unwrap(), now())
        .await
        .unwrap();

    let (events, tag) = (
        format!("{}:events", sale.prefix),
        format!("{}:{{{}}}:", sale.prefix, sale.event),
    );
    assert!(
        sale.keys()
            .await
            .iter()
            .all(|key| *key == events || key.starts_with(&tag))
    );

    let expiry: i64 = sale
        .engine
        .connection()
        .pttl(format!("{tag}nodes"))
        .await
        .unwrap();
    assert!(
        expiry > 0,
        "the nodes of a line that nobody serves any more are forgotten"
    );
    sale.engine.remove(sale.event).await.unwrap();

    assert_eq!(sale.keys().await, BTreeSet::new());
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let sale = Sale::open(QueueSettings::default()).await;
    let id: u64 = cmd("CLIENT")
        .arg("ID")
        .query_async(&mut sale.engine.connection())
        .await
        .unwrap();

    let (other, _) = redis::engine().await;
    kill(&mut other.connection(), id).await;
    eventually(true, async || sale.engine.ping().await.is_ok()).await;

    assert_eq!(
        sale.engine.status(sale.event).await.unwrap().seats_left,
        100
    );
}

async fn kill(connection: &mut RedisConnection, id: u64) {
    let killed: u32 = cmd("CLIENT")
        .arg("KILL")
        .arg("ID")
        .arg(id)
        .query_async(connection)
        .await
        .unwrap();
    assert_eq!(killed, 1);
}

#[tokio::test]
async fn an_engine_without_redis_says_so_in_time() {
    let began = Instant::now();

    // Port 1 refuses; 192.0.2.1 is reserved for documentation and answers nobody.
    for url in [
        "redis://127.0.0.1:1",
        "redis://192.0.2.1",
        "redis+cluster://127.0.0.1:1,192.0.2.1:1",
    ] {
        let refused = RedisEngine::connect(&RedisServers::parse(url).unwrap(), "test").await;
        assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{url}");
    }

    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_redis_that_hangs_is_unavailable_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let began = Instant::now();

    assert!(matches!(
        RedisEngine::connect(&RedisServers::parse(&url).unwrap(), "test").await,
        Err(EngineError::Unavailable(_))
    ));
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_line_that_began_on_another_server_is_taken_for_lost_and_begins_anew() {
    let sale = Sale::open(QueueSettings::default()).await;
    let JoinOutcome::Joined(before) = sale.join("ann", 99).await else {
        panic!("ann has a place")
    };
    let meta = format!("{}:{{{}}}:meta", sale.prefix, sale.event);
    let () = sale
        .engine
        .connection()
        .hset_multiple(
            meta,
            &[("server", "one that was lost"), ("server_seen", "0")],
        )
        .await
        .unwrap();

    let unknown = |answer: Option<EngineError>| {
        assert!(
            matches!(answer, Some(EngineError::UnknownEvent)),
            "{answer:?}"
        )
    };
    unknown(sale.engine.status(sale.event).await.err());
    unknown(
        sale.engine
            .release(
                sale.event,
                "b",
                10,
                Default::default(),
                TickScope::Full,
                now(),
            )
            .await
            .err(),
    );
    let join = Join {
        event_id: sale.event,
        user: user("bob"),
        presence: Presence::Poll,
        ticket: None,
    };
    unknown(sale.engine.join(&join, now()).await.err());

    let opening = OpenParams {
        settings: QueueSettings::default(),
        epoch: "anew".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: UnservedNumbers::default(),
        mark: None,
        release_from: Timestamp::default(),
        awaited_nodes: Vec::new(),
    };
    assert_eq!(
        sale.engine.open(sale.event, &opening, now()).await.unwrap(),
        opening.epoch
    );
    let status = sale.engine.status(sale.event).await.unwrap();
    let sequence = before.number + SEQUENCE_RESERVE;
    assert_eq!(
        (status.sequence, status.total, status.seats_left),
        (sequence, 0, 0),
        "above what may be forgotten"
    );
    let refused = sale.engine.join(&join, now()).await;
    assert!(
        matches!(refused, Err(EngineError::Recovering)),
        "nobody new before the others are back: {refused:?}"
    );
    let ticket = Some((before.epoch, before.number));
    let returning = Join {
        event_id: sale.event,
        user: user("ann"),
        presence: Presence::Poll,
        ticket,
    };
    let JoinOutcome::Joined(after) = sale.engine.join(&returning, now()).await.unwrap() else {
        panic!("ann's place")
    };
    assert_eq!(
        (after.number, after.counting),
        (before.number, true),
        "the ticket counts, and its number"
    );
    let recovered = now().plus(RECOVERY_WINDOW);
    let JoinOutcome::Joined(newcomer) = sale.engine.join(&join, recovered).await.unwrap() else {
        panic!("a place")
    };
    assert_eq!(
        (newcomer.number, newcomer.position, newcomer.counting),
        (sequence + 1, 2, false)
    );
}

#[tokio::test]
async fn a_frozen_line_goes_on_where_its_mark_is_found() {
    let sale = Sale::open(QueueSettings::default()).await;
    let JoinOutcome::Joined(before) = sale.join("ann", 5).await else {
        panic!("a place")
    };
    sale.engine.freeze(sale.event, "the mark").await.unwrap();
    let meta = format!("{}:{{{}}}:meta", sale.prefix, sale.event);
    let elsewhere = async || {
        let fields = [("server", "the one before"), ("server_seen", "0")];
        let () = sale
            .engine
            .connection()
            .hset_multiple(&meta, &fields)
            .await
            .unwrap();
        assert!(matches!(
            sale.engine.status(sale.event).await,
            Err(EngineError::UnknownEvent)
        ));
    };
    let opening = |mark: Option<&str>| OpenParams {
        settings: QueueSettings::default(),
        epoch: "anew".parse().unwrap(),
        sequence: 10,
        head: 0,
        unserved: UnservedNumbers::default(),
        mark: mark.map(str::to_owned),
        release_from: Timestamp::default(),
        awaited_nodes: Vec::new(),
    };
    elsewhere().await;
    let epoch = sale
        .engine
        .open(sale.event, &opening(Some("the mark")), now())
        .await
        .unwrap();
    assert_eq!(epoch, before.epoch, "nothing was lost");
    assert_eq!(
        sale.engine.status(sale.event).await.unwrap().frozen,
        Some(Frozen::HandedOver)
    );
    sale.engine.thaw(sale.event, now()).await.unwrap();
    let after = sale
        .engine
        .resume(sale.event, &user("ann"), &Presence::Poll, now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after, before);
    assert_eq!(
        sale.engine.status(sale.event).await.unwrap().seats_left,
        100
    );

    // It has gone on since: the mark says nothing any more. Nor does another.
    for mark in [Some("the mark"), Some("another"), None] {
        if mark != Some("the mark") {
            sale.engine
                .freeze(sale.event, "the second mark")
                .await
                .unwrap();
        }
        elsewhere().await;
        assert_eq!(
            sale.engine
                .open(sale.event, &opening(mark), now())
                .await
                .unwrap()
                .as_str(),
            "anew",
            "{mark:?}"
        );
        assert_eq!(sale.engine.status(sale.event).await.unwrap().frozen, None);
    }
}

/// What waited on the way for longer than its caller did is not done for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_comes_late_refuses_itself() {
    let sale = Sale::open(QueueSettings::default()).await;
    sale.join("ann", 1).await;
    let [(ann, grant)] = sale.release().await.try_into().unwrap();
    let server = redis::url()
        .trim_start_matches("redis://")
        .trim_end_matches('/')
        .to_owned();
    let way = delay::Delay::before(server).await;
    let servers = RedisServers::parse(&format!("redis://127.0.0.1:{}", way.port)).unwrap();
    let slow = RedisEngine::connect(&servers, &sale.prefix).await.unwrap();
    slow.status(sale.event).await.unwrap();

    way.set(Duration::from_secs(60));
    let request = sale.request(ann.clone(), &grant, Duration::from_secs(60));
    let refused = slow.reserve(&request, now()).await;
    assert!(
        matches!(refused, Err(EngineError::Unavailable(_))),
        "{refused:?}"
    );
    let leaving = slow.leave(sale.event, &ann, now()).await;
    assert!(
        matches!(leaving, Err(EngineError::Unavailable(_))),
        "{leaving:?}"
    );
    way.set(Duration::ZERO); // it arrives now
    eventually(true, async || slow.status(sale.event).await.is_ok()).await;
    assert_eq!(
        sale.engine.status(sale.event).await.unwrap().seats_left,
        100,
        "nothing was done"
    );
    let other = sale.request(ann, &grant, Duration::from_secs(60));
    assert_eq!(
        sale.engine.reserve(&other, now()).await.unwrap(),
        ReserveOutcome::Held,
        "the pass is as good as before"
    );
}

/// Whoever is in goes on; only what takes memory is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_takes_nobody_new_and_serves_the_others() {
    let server = redis::Server::start().await;
    let sale = Sale::open_on(
        redis::engine_on(&server.url()).await,
        QueueSettings::default(),
    )
    .await;
    for (number, name) in (1..).zip(["buys", "gives-up", "waits"]) {
        sale.join(name, number).await;
    }
    let [(buys, grant)] = {
        let released = sale
            .engine
            .release(
                sale.event,
                "b",
                1,
                Default::default(),
                TickScope::Full,
                now(),
            )
            .await
            .unwrap();
        let passes: Vec<_> = released
            .granted
            .into_iter()
            .map(|granted| (granted.user, granted.payload))
            .collect();
        passes.try_into().unwrap()
    };
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let (engine, event) = (&sale.engine, sale.event);
    engine.ready().await.unwrap();
    let join = Join {
        event_id: event,
        user: user("new"),
        presence: Presence::Poll,
        ticket: None,
    };
    let refused = engine.join(&join, now()).await;
    assert!(matches!(refused, Err(EngineError::Full)), "{refused:?}");
    let ticket = ("earlier".parse().unwrap(), 7);
    let refused = engine
        .restore(event, &user("back"), &Presence::Poll, &ticket, None, now())
        .await;
    assert!(matches!(refused, Err(EngineError::Full)), "{refused:?}");
    let opening = OpenParams {
        settings: QueueSettings::default(),
        epoch: "e".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: Default::default(),
        mark: None,
        release_from: now(),
        awaited_nodes: Vec::new(),
    };
    let another = engine.open(Uuid::new_v4().into(), &opening, now()).await;
    assert!(
        matches!(another, Err(EngineError::Unavailable(_))),
        "{another:?}"
    );

    assert!(
        engine
            .acknowledge(event, &buys, &grant.pass_id, now())
            .await
            .unwrap()
    );
    let held = sale.hold(buys.clone(), &grant).await;
    for settlement in [Settlement::Committed, Settlement::Released] {
        engine
            .settle(event, &[(held.booking_id, settlement)], now())
            .await
            .unwrap();
    }
    assert!(
        engine
            .leave(event, &user("gives-up"), now())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        engine
            .resume(event, &user("waits"), &Presence::Poll, now())
            .await
            .unwrap()
            .is_some()
    );
    let node = "n1".parse().unwrap();
    engine.report_node(event, &node, now()).await.unwrap();
    assert!(
        engine
            .resume(event, &user("waits"), &Presence::Node(node.clone()), now())
            .await
            .unwrap()
            .is_some()
    );
    engine
        .detach(event, &user("waits"), &node, now())
        .await
        .unwrap();
    assert!(
        engine
            .resume(event, &user("waits"), &Presence::Poll, now())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(sale.release().await.len(), 1, "the line moves");
    tokio::time::sleep(Duration::from_millis(30)).await; // so that status looks up again which server this is
    assert_eq!(engine.status(event).await.unwrap().seats_left, 100);
    let paused = QueueSettings {
        state: waitingroom_domain::queue::SaleState::Paused,
        ..QueueSettings::default()
    };
    engine.configure(event, &paused).await.unwrap();
    assert_eq!(engine.recovery_point(event).await.unwrap().sequence, 10);
    engine.freeze(event, "a mark").await.unwrap();
    assert!(
        engine.configure(event, &paused).await.is_err(),
        "nothing changes"
    );
    engine.thaw(event, now()).await.unwrap();
    engine.configure(event, &paused).await.unwrap();

    server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    engine
        .configure(event, &QueueSettings::default())
        .await
        .unwrap();
    assert!(matches!(
        engine.join(&join, now()).await,
        Ok(JoinOutcome::Joined(_))
    ));
    let back = engine
        .restore(event, &user("back"), &Presence::Poll, &ticket, None, now())
        .await
        .unwrap();
    assert_eq!(
        back.map(|place| place.number),
        Some(7),
        "their number was not spent"
    );
}

#[tokio::test]
async fn a_user_who_may_not_do_all_is_named_what_is_missing() {
    let server = redis::Server::start().await;
    let rights = [
        "ACL",
        "SETUSER",
        "waits",
        "on",
        ">p@ss",
        "~test-*",
        "&test-*",
        "+@all",
        "-@dangerous",
        "-@admin",
    ];

    server.ask(&rights).await;
    let url = format!("redis://waits:p%40ss@127.0.0.1:{}", server.port);
    let (engine, _) = redis::engine_on(&url).await;
    let refused = engine.ready().await.unwrap_err().to_string();

    assert!(
        refused.contains("INFO") && !refused.contains("HSET"),
        "{refused}"
    );
    server.ask(&["ACL", "SETUSER", "waits", "+info"]).await;
    engine.ready().await.unwrap();
}

/// Whatever the scripts call is among what is tried at the start.
#[test]
fn every_command_of_the_steps_is_tried() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/redis");
    let permissions = std::fs::read_to_string(folder.join("permissions.lua")).unwrap();
    let registry = folder.join("../../../messaging/src/process_registry/redis.rs");
    let registry = std::fs::read_to_string(registry).unwrap();
    let scripts = ["lib", "scripts"]
        .into_iter()
        .flat_map(|part| std::fs::read_dir(folder.join(part)).unwrap());
    let scripts = scripts
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .chain([registry]);
    let mut count = 0;

    for script in scripts {
        for call in ["redis.call('", "redis.pcall('", "call_in_chunks('"] {
            for (at, _) in script.match_indices(call) {
                let command = script[at + call.len()..].split('\'').next().unwrap();
                assert!(
                    permissions.contains(&format!("{{ '{command}'")),
                    "{command} is not tried"
                );
                count += 1;
            }
        }
    }

    assert!(count > 100, "{count}");
}

#[tokio::test]
async fn a_clock_that_runs_ahead_opens_no_line_in_the_future() {
    let (engine, _) = redis::engine().await;
    let (event, ahead) = (
        EventId::from(Uuid::new_v4()),
        now().plus(Duration::from_secs(60)),
    );
    let opening = OpenParams {
        settings: QueueSettings {
            rate_per_second: 1_000.0,
            burst: 1,
            ..QueueSettings::default()
        },
        epoch: "e".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: Default::default(),
        mark: None,
        release_from: ahead,
        awaited_nodes: Vec::new(),
    };

    engine.open(event, &opening, ahead).await.unwrap();
    let zones = vec![ZoneSeats {
        zone_id: ZONE.into(),
        available: 100,
    }];

    engine
        .load_seats(
            event,
            &SeatSnapshot {
                zones,
                ..SeatSnapshot::default()
            },
            now(),
        )
        .await
        .unwrap();

    let soon = now().plus(Duration::from_secs(6));
    let join = Join {
        event_id: event,
        user: user("ann"),
        presence: Presence::Poll,
        ticket: None,
    };

    engine.join(&join, now()).await.unwrap();
    let released = engine
        .release(event, "b", 10, Default::default(), TickScope::Full, soon)
        .await
        .unwrap();

    assert_eq!(
        released.granted.len(),
        1,
        "within the five seconds that a clock may be ahead"
    );
}

/// As an earlier release leaves it, which has fewer settings and counters.
#[tokio::test]
async fn reads_queue_with_fewer_fields() {
    let sale = Sale::open(QueueSettings {
        grace_seconds: 7,
        message: Some("Welcome".into()),
        ..QueueSettings::default()
    })
    .await;
    let meta = format!("{}:{{{}}}:meta", sale.prefix, sale.event);
    let gone = ["grace_seconds", "message", "dropped"];
    let removed: usize = sale.engine.connection().hdel(&meta, &gone).await.unwrap();
    assert_eq!(removed, gone.len());

    let status = sale.engine.status(sale.event).await.unwrap();
    assert_eq!(status.settings, QueueSettings::default());
    assert_eq!(status.counters, Counters::default());
}

/// A release that runs beside this one reads and writes the same.
#[tokio::test]
async fn stores_same_texts_as_earlier_releases() {
    let sale = Sale::open(QueueSettings::default()).await;
    let key = |name: &str| format!("{}:{{{}}}:{name}", sale.prefix, sale.event);
    let mut connection = sale.engine.connection();

    let names = ["state", "rate_per_second", "burst", "max_in_line", "left"];
    let stored: Vec<String> = connection.hmget(key("meta"), &names).await.unwrap();
    assert_eq!(stored, ["open", "50.0", "50", "1000000", "0"]);

    sale.join("ann", 1).await;
    let (ann, grant) = sale.release().await.remove(0);
    let request = Reserve {
        event_id: sale.event,
        user: ann,
        zone_id: ZONE.into(),
        quantity: 2,
        pass_id: grant.pass_id.clone(),
        pass_epoch: grant.epoch,
        pass_expires_at: grant.expires_at,
        idempotency: None,
        booking_id: Uuid::new_v4().into(),
        hold_expires_at: now().plus(Duration::from_secs(60)),
        user_limit: 4,
    };
    let outcome = sale.engine.reserve(&request, now()).await.unwrap();
    assert_eq!(outcome, ReserveOutcome::Held);

    let booking = request.booking_id.to_string();
    let hold: String = connection.hget(key("holds"), booking).await.unwrap();
    let (ends, pass) = (request.hold_expires_at.millis(), grant.pass_id);
    assert_eq!(hold, format!("ann\t{ZONE}\t2\t{ends}\t{pass}\t"));
}
