//! Redis loses all data, or the last writes, while users wait: the queue is rebuilt in its order,
//! the seats from the database, without any action.

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Sale, Shape, Socket, Stack, Visitor,
    admission::assert_in_order,
    eventually,
    simulated_users::{queue_all, run_all, take_pass},
    tokens,
};
use waitingroom_server::protocol::ServerMessage;

const USERS: usize = 200;
const PASS_TTL: i64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_queue_order() {
    let stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let sale = line(&stack).await;
    let waiting = queue_all(&urls(&stack), &sale, &Visitor::many("waiting", USERS)).await;
    written(&stack).await;

    stack.backends().redis().await.lose_everything().await;

    all_in_line(&stack, &sale, USERS).await;
    served_in_order(&stack, &sale, waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranks_forgotten_users_before_newcomers() {
    let mut stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let sale = line(&stack).await;
    let mut waiting = queue_all(&urls(&stack), &sale, &Visitor::many("kept", USERS / 2)).await;
    stack.backends().redis().await.save().await;
    waiting.extend(queue_all(&urls(&stack), &sale, &Visitor::many("forgotten", USERS / 2)).await);
    written(&stack).await;

    stack.roll_redis_back().await;

    // A new user must not receive the number of a lost one.
    let late = eventually("a place for a newcomer", || async {
        let mut socket = Socket::open(stack.gateway_url(0), &Visitor::new("newcomer")).await;
        let ServerMessage::Queued {
            ticket, position, ..
        } = socket.join(&sale.event, None).await
        else {
            return None;
        };
        Some((Visitor::new("newcomer"), socket, ticket, position))
    });
    waiting.push(late.await);
    all_in_line(&stack, &sale, USERS + 1).await;
    served_in_order(&stack, &sale, waiting).await;
}

type Waiting = (Visitor, Socket, String, u64);

async fn line(stack: &Stack) -> Sale {
    let queue = json!({"rate_per_second": 100, "burst": 10, "pass_ttl_seconds": PASS_TTL});
    EventBuilder::new(&[500])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await
}

fn urls(stack: &Stack) -> Vec<String> {
    (0..2).map(|at| stack.gateway_url(at).to_owned()).collect()
}

/// Waits until the checkpoint has all numbers.
async fn written(stack: &Stack) {
    eventually("the line's checkpoint", || async {
        let written = stack
            .backends()
            .database
            .number("SELECT max(line_sequence) FROM events")
            .await;
        (written >= USERS as i64).then_some(())
    })
    .await;
}

async fn all_in_line(stack: &Stack, sale: &Sale, users: usize) {
    let (watcher, gateway) = (Visitor::new("watcher"), stack.gateway(0));
    eventually("everybody in line again", || async {
        let answer = gateway
            .by(&watcher)
            .get(&format!("/queue/status/{}", sale.event))
            .await;
        let status = (answer.status == 200).then_some(answer.body)?;
        (status["total_in_queue"] == json!(users) && status["seats_left"] == json!(500))
            .then_some(())
    })
    .await;
}

/// Opens the queue: users are served by the number of their first ticket.
async fn served_in_order(stack: &Stack, sale: &Sale, waiting: Vec<Waiting>) {
    let users = waiting.len();
    eventually("the operator to be heard", || async {
        let answer = sale
            .set_queue(&stack.operator(), json!({"state": "open"}))
            .await;
        (answer.status == 200).then_some(())
    })
    .await;
    let admitted = run_all(waiting.into_iter().map(|(visitor, mut socket, ticket, _)| {
        let sale = sale.clone();
        async move {
            let number = tokens::ticket_number(&ticket, &visitor.name, &sale.event);
            let first = socket
                .until("news of the line", |message| {
                    (!matches!(message, ServerMessage::Event { .. })).then_some(message)
                })
                .await;
            let admission = take_pass(&mut socket, first, &sale, &visitor).await;
            assert_eq!(
                admission.claims.num, number,
                "{}: the number of before the loss",
                visitor.name
            );
            admission
        }
    }))
    .await;

    assert_eq!(admitted.len(), users);
    assert_in_order(&admitted, PASS_TTL);
}
