//! A queue on a Redis Cluster: the connections of its processes to each shard, and the failure of
//! a primary during a release.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::json;
use stanchion_tests::{
    Admission, EventBuilder, Rest, Sale, Shape, Socket, Stack, Visitor,
    admission::assert_in_order,
    eventually,
    inventory::Inventory,
    redis_cluster::{NEVER, SOON, Server},
    redis_server::{Inspector, RedisClient},
    shopping,
    simulated_users::{queue_all, run_all},
    tokens,
    wait::within,
};
use waitingroom_server::protocol::ServerMessage;

const PASS_TTL: i64 = 300;
const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_secs(15);
const USERS: u32 = 90;

async fn look_into(server: &Server) -> Inspector {
    Inspector::open(&server.url())
        .await
        .expect("a server that answers")
}

/// The primary that holds an event's line.
async fn home(stack: &Stack, sale: &Sale) -> Server {
    let line = format!("{}:{{{}}}:meta", stack.backends().prefix, sale.event);
    for server in stack.backends().cluster().primaries() {
        if look_into(server).await.elements().await.contains_key(&line) {
            return *server;
        }
    }
    panic!("no primary holds the line");
}

/// So many sales, each on another shard.
async fn sales_apart(
    stack: &Stack,
    count: usize,
    draft: impl Fn() -> EventBuilder,
) -> Vec<(Sale, Server)> {
    let (mut sales, mut ports) = (Vec::new(), HashSet::new());
    while sales.len() < count {
        let sale = draft().create(&stack.operator()).await;
        let server = home(stack, &sale).await;
        if ports.insert(server.port) {
            sales.push((sale, server));
        }
    }

    sales
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opens_two_connections_per_shard() {
    let shape = Shape {
        workers: 1,
        bookings: 1,
        redis_cluster: Some(NEVER),
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let mut waiting = Vec::new();
    for (sale, _) in sales_apart(&stack, 3, || EventBuilder::new(&[1_000]).paused()).await {
        waiting.extend(queue_all(&urls, &sale, &Visitor::many("waiting", 100)).await);
    }
    let mut nodes = 0;
    for server in stack.backends().cluster().primaries() {
        let inspector = look_into(server).await;
        // Redis' own, between primary and replica, are not clients of ours.
        let clients: Vec<RedisClient> = inspector
            .clients()
            .await
            .into_iter()
            .filter(|one| !one.replicates())
            .collect();
        let subscribers = clients.iter().filter(|client| client.subscribes()).count();
        assert!(subscribers <= 2, "one a gateway: {clients:?}");
        assert!(
            clients.len() - subscribers <= 4,
            "one a process: {clients:?}"
        );
        nodes += subscribers;
    }

    assert!(nodes >= 4, "signals are spread over shards");
    assert_eq!(waiting.len(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_queue_when_primary_dies() {
    let stack = Stack::on_cluster(SOON).await;
    let queue = json!({"rate_per_second": 15, "burst": 5, "pass_ttl_seconds": PASS_TTL});
    let sales = sales_apart(&stack, 2, || {
        EventBuilder::new(&[USERS]).queue(queue.clone()).paused()
    })
    .await;
    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let mut work = Vec::new();
    for (at, (sale, _)) in sales.iter().enumerate() {
        for (visitor, socket, ..) in
            queue_all(&urls, sale, &Visitor::many(&format!("shopper-{at}"), 90)).await
        {
            work.push(shop(stack.booking(at), socket, sale.clone(), visitor));
        }
    }
    for (sale, _) in &sales {
        sale.open(&stack.operator()).await;
    }
    let (gateway, watcher) = (stack.gateway(0), Visitor::new("watcher"));
    let crash = async {
        eventually("the middle of the release", || async {
            let left = sales[0].0.status(&gateway.by(&watcher)).await["total_in_queue"].as_u64();
            left.is_some_and(|left| left < 60).then_some(())
        })
        .await;
        let status = sales[0].0.status(&gateway.by(&watcher)).await;
        sales[0].1.kill();
        assert!(
            status["total_in_queue"]
                .as_u64()
                .is_some_and(|left| left > 20),
            "it was the middle: {status}"
        );
    };
    let (admissions, ()) = tokio::join!(run_all(work), crash);

    let database = &stack.backends().database;
    assert_eq!(
        database
            .number("SELECT count(*) FROM bookings WHERE status = 'confirmed'")
            .await,
        180
    );
    assert_eq!(
        database
            .number("SELECT count(DISTINCT user_id) FROM bookings WHERE status <> 'void'")
            .await,
        180,
        "one booking each"
    );
    assert_eq!(
        database
            .number("SELECT count(DISTINCT pass_jti) FROM bookings WHERE status <> 'void'")
            .await,
        180,
        "each by a pass of its own"
    );
    for (sale, _) in &sales {
        let here: Vec<Admission> = admissions
            .iter()
            .filter(|admission| admission.claims.event_id == sale.event)
            .cloned()
            .collect();
        assert_eq!(here.len(), 90);
        assert_in_order(&here, PASS_TTL);
        let seats = Inventory::settled(sale, &stack.operator()).await.total();
        assert_eq!((seats.available, seats.held, seats.confirmed), (0, 0, 90));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_joins_lost_with_primary() {
    let stack = Stack::on_cluster(SOON).await;
    let queue = json!({"pass_ttl_seconds": PASS_TTL, "rate_per_second": 100, "burst": 1});
    let sale = EventBuilder::new(&[USERS])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await;
    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let mut waiting = queue_all(&urls, &sale, &Visitor::many("copied", 40)).await;
    let primary = home(&stack, &sale).await;
    let replica = stack.backends().cluster().replica_of(&primary);
    look_into(&primary)
        .await
        .part_with(&look_into(&replica).await)
        .await;
    waiting.extend(queue_all(&urls, &sale, &Visitor::many("lost", 30)).await);
    primary.kill();

    let (gateway, watcher) = (stack.gateway(0), Visitor::new("watcher"));
    eventually("everybody in line again", || async {
        let answer = gateway
            .by(&watcher)
            .get(&format!("/queue/status/{}", sale.event))
            .await;
        (answer.status == 200 && answer.body["total_in_queue"] == 70).then_some(())
    })
    .await;
    sale.open(&stack.operator()).await;
    let admissions = run_all(waiting.into_iter().map(|(visitor, mut socket, ticket, _)| {
        let sale = sale.clone();
        async move {
            let admission = next_pass(&mut socket, &sale, &visitor).await;
            let number = tokens::ticket_number(&ticket, &visitor.name, &sale.event);
            assert_eq!(
                admission.claims.num, number,
                "the number of before the loss"
            );
            admission
        }
    }))
    .await;
    assert_eq!(admissions.len(), 70);
    assert_in_order(&admissions, PASS_TTL);
}

/// Waits for the pass and buys one seat with it. A pass that the cluster has forgotten, because its
/// release was not replicated before the primary died, is no pass any more: another one comes.
async fn shop(booking: Rest, mut socket: Socket, sale: Sale, visitor: Visitor) -> Admission {
    let booking = booking.by(&visitor);
    loop {
        let admission = next_pass(&mut socket, &sale, &visitor).await;
        let key = shopping::new_key();
        let answer = loop {
            let answer = shopping::reserve_once(
                &booking,
                &sale.wish(0, 1),
                Some(&admission.pass),
                Some(&key),
            )
            .await;
            if !answer.has_retry_after() {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        if answer.status == 201 || answer.status == 200 {
            shopping::confirm(&booking, shopping::id(&answer.body))
                .await
                .expect(200);
            return admission;
        }
        answer.expect_problem(403, "PASS_REVOKED");
    }
}

/// What else is said, positions and that the line cannot be reached for a moment, is passed over.
async fn next_pass(socket: &mut Socket, sale: &Sale, visitor: &Visitor) -> Admission {
    let pass = |message| match message {
        ServerMessage::Pass {
            pass_id,
            queue_pass,
            ..
        } => Some((pass_id, queue_pass)),
        _ => None,
    };
    let (pass_id, pass) = socket.until("a pass", pass).await;

    socket
        .send_json(json!({"type": "ack", "pass_id": pass_id}))
        .await;
    Admission::new(visitor, &sale.event, &pass)
}

/// With the default node timeout and many events, a client library that hangs while it looks for
/// the slots' new servers must not end the sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_many_events_when_primary_dies() {
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        redis_cluster: Some(DEFAULT_NODE_TIMEOUT),
        ..Shape::default()
    })
    .await;
    let mut sales = Vec::new();

    for _ in 0..30 {
        sales.push(EventBuilder::new(&[10]).create(&stack.operator()).await);
    }

    home(&stack, &sales[0]).await.kill();
    let (gateway, booking) = (stack.gateway(0), stack.booking(0));

    for (at, sale) in sales.iter().enumerate() {
        let visitor = Visitor::new(format!("visitor-{at}"));
        let (here, sale) = (gateway.by(&visitor), sale.clone());
        let pass = within(Duration::from_secs(120), "a pass", || async {
            let place = sale.join(&here).await;
            place.body["queue_pass"]
                .as_str()
                .filter(|_| place.status == 200)
                .map(str::to_owned)
        });
        let (pass, booking, key) = (pass.await, booking.by(&visitor), shopping::new_key());
        within(Duration::from_secs(60), "seats", || async {
            let answer =
                shopping::reserve_once(&booking, &sale.wish(0, 1), Some(&pass), Some(&key)).await;
            matches!(answer.status, 200 | 201).then_some(())
        })
        .await;
    }

    for process in [gateway, booking] {
        process.health("ready").await.expect(200);
        process.health("health").await.expect(200);
    }
}

/// Events, and lanes of signals, of a shard that hangs keep none of the others waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_other_shards_while_primary_hangs() {
    const RATE: u64 = 20;
    const MEASURED: Duration = Duration::from_secs(8);
    let shape = Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        redis_cluster: Some(NEVER),
        ..Shape::default()
    };
    let stack = Stack::servers(shape).await;
    let queue = json!({"rate_per_second": RATE, "burst": 5, "pass_ttl_seconds": PASS_TTL});
    let (mut hanging, mut well): (Option<Server>, Option<Sale>) = (None, None);
    let mut events_there = 0;
    while events_there < 6 || well.is_none() {
        let sale = EventBuilder::new(&[1_000])
            .queue(queue.clone())
            .paused()
            .create(&stack.operator())
            .await;
        let server = home(&stack, &sale).await;
        let port = hanging.get_or_insert(server).port;
        if server.port == port {
            events_there += 1;
        } else {
            well.get_or_insert(sale);
        }
    }
    let (Some(hanging), Some(sale)) = (hanging, well) else {
        panic!("two shards")
    };
    let urls = [stack.gateway_url(0).to_owned()];
    let _waiting = queue_all(&urls, &sale, &Visitor::many("waiting", 600)).await;
    sale.open(&stack.operator()).await;
    let (gateway, watcher) = (stack.gateway(0), Visitor::new("watcher"));
    let gone = async || {
        let left = sale.status(&gateway.by(&watcher)).await["total_in_queue"]
            .as_u64()
            .expect("a number");
        600 - left
    };
    eventually("the line to move", || async {
        (gone().await > RATE).then_some(())
    })
    .await;

    // Users per second; on a busy machine less than the setting, also with all shards.
    let rate = async || {
        let (before, began) = (gone().await, Instant::now());
        tokio::time::sleep(MEASURED).await;
        (gone().await - before) as f64 / began.elapsed().as_secs_f64()
    };
    let whole = rate().await;
    hanging.signal("-STOP");
    let hung = rate().await;
    hanging.signal("-CONT");

    assert!(hung >= 0.9 * whole, "{hung} a second, and {whole} before");
}
