//! Redis is restarted, or fails over, as planned by an operator: `stanchion handover` loses
//! nothing.

use std::time::Duration;

use serde_json::json;
use stanchion_tests::{
    Admission, EventBuilder, Rest, Sale, Shape, Socket, Stack, Visitor,
    admission::assert_in_order,
    eventually,
    process::Signal,
    redis_cluster::SOON,
    redis_server::Inspector,
    simulated_users::{MonotonicPositions, queue_all, run_all},
    tokens,
};
use waitingroom_server::protocol::{ServerMessage, WaitReason};

const PASS_TTL: i64 = 300;
const SOCKETS: usize = 60;
const POLLERS: usize = 20;

/// A queue during a release, and all its users. They receive only better positions, and the pass.
async fn waiting(stack: &Stack) -> (Sale, Vec<tokio::task::JoinHandle<Admission>>) {
    let queue = json!({"rate_per_second": 10, "burst": 5, "pass_ttl_seconds": PASS_TTL});
    let sale = EventBuilder::new(&[500])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await;

    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let mut work = Vec::new();

    for (visitor, socket, ticket, position) in
        queue_all(&urls, &sale, &Visitor::many("socket", SOCKETS)).await
    {
        let number = tokens::ticket_number(&ticket, &visitor.name, &sale.event);
        work.push(tokio::spawn(by_socket(
            socket,
            sale.clone(),
            visitor,
            number,
            position,
        )));
    }

    for (at, visitor) in Visitor::many("poller", POLLERS).into_iter().enumerate() {
        let gateway = stack.gateway(at).by(&visitor);
        let place = sale.join(&gateway).await.expect(201);
        work.push(tokio::spawn(by_polling(
            gateway,
            sale.clone(),
            visitor,
            place["ticket"].clone(),
        )));
    }

    sale.open(&stack.operator()).await;
    let (gateway, watcher) = (stack.gateway(0), Visitor::new("watcher"));

    eventually("the middle of the release", || async {
        let left = sale.status(&gateway.by(&watcher)).await["total_in_queue"].as_u64();
        left.is_some_and(|left| left < 70).then_some(())
    })
    .await;
    (sale, work)
}

async fn by_socket(
    mut socket: Socket,
    sale: Sale,
    visitor: Visitor,
    number: u64,
    position: u64,
) -> Admission {
    let mut positions = MonotonicPositions::default();
    positions.observe(position);
    let (pass_id, pass) = loop {
        match socket.until("the pass", Some).await {
            ServerMessage::Position {
                position, reason, ..
            } => {
                assert!(
                    !matches!(reason, Some(WaitReason::Counting | WaitReason::SoldOut)),
                    "{reason:?}"
                );
                positions.observe(position);
            }
            ServerMessage::Pass {
                pass_id,
                queue_pass,
                ..
            } => break (pass_id, queue_pass),
            ServerMessage::Event { .. } => {}
            other => panic!("{} heard {other:?}", visitor.name),
        }
    };
    socket
        .send_json(json!({"type": "ack", "pass_id": pass_id}))
        .await;
    let admission = Admission::new(&visitor, &sale.event, &pass);

    assert_eq!(admission.claims.num, number);
    admission
}

async fn by_polling(
    gateway: Rest,
    sale: Sale,
    visitor: Visitor,
    ticket: serde_json::Value,
) -> Admission {
    let mut positions = MonotonicPositions::default();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer = sale.place(&gateway).await;
        if answer.has_retry_after() {
            continue;
        }
        let place = answer.expect(200);
        assert_eq!(
            place["ticket"], ticket,
            "{} has another ticket",
            visitor.name
        );
        positions.observe(place["position"].as_u64().expect("a position"));
        if let Some(pass) = place["queue_pass"].as_str() {
            return Admission::new(&visitor, &sale.event, pass);
        }
    }
}

async fn all_are_served_in_one_line(work: Vec<tokio::task::JoinHandle<Admission>>) {
    let admissions = run_all(
        work.into_iter()
            .map(|one| async { one.await.expect("a pass") }),
    )
    .await;
    assert_eq!(admissions.len(), SOCKETS + POLLERS);
    assert!(
        admissions
            .iter()
            .all(|one| one.claims.epoch == admissions[0].claims.epoch),
        "one epoch"
    );

    assert_in_order(&admissions, PASS_TTL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_queue_over_saved_restart() {
    let mut stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let (_, work) = waiting(&stack).await;

    assert!(
        stack
            .hand_over(&["begin"])
            .await
            .contains("1 queues are frozen")
    );
    stack.backends().redis().await.save().await;
    stack.roll_redis_back().await;
    stack.hand_over(&["wait"]).await;
    all_are_served_in_one_line(work).await;
    let marks = "SELECT count(*) FROM events WHERE handover_mark IS NOT NULL";

    assert_eq!(stack.backends().database.number(marks).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_queue_over_append_only_restart() {
    let mut stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    stack.backends_mut().redis_server().append().await;

    let (_, work) = waiting(&stack).await;
    stack.hand_over(&["begin"]).await;

    let redis = stack.backends_mut().redis_server();
    redis.stop(Signal::Terminate).await;
    redis.start_again().await;
    stack.hand_over(&["wait"]).await;

    all_are_served_in_one_line(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_queue_when_replica_is_promoted() {
    let mut stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let replica = stack.backends_mut().redis_server().replica().await;
    let (_, work) = waiting(&stack).await;

    stack.hand_over(&["begin"]).await;
    stack
        .backends_mut()
        .redis_server()
        .fail_over(&replica)
        .await;
    stack.hand_over(&["wait"]).await;

    all_are_served_in_one_line(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_queue_over_cluster_failover() {
    let stack = Stack::on_cluster(SOON).await;
    let (sale, work) = waiting(&stack).await;

    stack.hand_over(&["begin"]).await;
    let line = format!("{}:{{{}}}:meta", stack.backends().prefix, sale.event);
    let mut home = None;

    for server in stack.backends().cluster().primaries() {
        let inspector = Inspector::open(&server.url())
            .await
            .expect("a server that answers");
        if inspector.elements().await.contains_key(&line) {
            home = Some(*server);
        }
    }

    home.expect("a primary holds the line").kill();
    stack.hand_over(&["resume"]).await;
    all_are_served_in_one_line(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumes_queue_when_redis_stays() {
    let stack = Stack::servers(Shape::default()).await;
    let (_, work) = waiting(&stack).await;
    stack.hand_over(&["begin", "--seconds", "2"]).await;
    stack.hand_over(&["wait"]).await;
    all_are_served_in_one_line(work).await;
}
