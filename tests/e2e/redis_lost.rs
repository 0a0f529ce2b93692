//! Redis loses everything while a line waits: the line is rebuilt in its old order, the seats from the database, and nobody
//! has to do anything.

use serde_json::json;
use stanchion_tests::{
    Draft, Shape, Stack, Visitor,
    admission::assert_in_order,
    crowd::{everyone, queue_all, take_pass},
    eventually, tokens,
};
use waitingroom::wire::ServerMessage;

const USERS: usize = 200;
const PASS_TTL: i64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_comes_back_in_its_old_order() {
    let stack = Stack::servers(Shape { own_redis: true, ..Shape::default() }).await;
    let queue = json!({"rate_per_second": 100, "burst": 10, "pass_ttl_seconds": PASS_TTL});
    let sale = Draft::new(&[500]).queue(queue).paused().create(&stack.operator()).await;
    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let waiting = queue_all(&urls, &sale, &Visitor::many("waiting", USERS)).await;
    let (watcher, gateway) = (Visitor::new("watcher"), stack.gateway(0));
    eventually("the line's checkpoint", || async {
        let written = stack.backing().database.number("SELECT max(line_sequence) FROM events").await;
        (written >= USERS as i64).then_some(())
    })
    .await;

    stack.backing().redis().await.lose_everything().await;

    eventually("everybody in line again", || async {
        let answer = gateway.by(&watcher).get(&format!("/queue/status/{}", sale.event)).await;
        let status = (answer.status == 200).then_some(answer.body)?;
        (status["total_in_queue"] == json!(USERS) && status["seats_left"] == json!(500)).then_some(())
    })
    .await;
    sale.open(&stack.operator()).await;
    let admitted = everyone(waiting.into_iter().map(|(visitor, mut socket, ticket, _)| {
        let sale = sale.clone();
        async move {
            let number = tokens::ticket_number(&ticket, &visitor.name, &sale.event);
            let first = socket
                .until("news of the line", |message| {
                    (!matches!(message, ServerMessage::Event { .. })).then_some(message)
                })
                .await;
            let admission = take_pass(&mut socket, first, &sale, &visitor).await;
            assert_eq!(admission.claims.num, number, "the number of before the loss");
            admission
        }
    }))
    .await;
    assert_eq!(admitted.len(), USERS);
    assert_in_order(&admitted, PASS_TTL);
}
