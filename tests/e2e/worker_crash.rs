//! A worker dies during a release: the other continues, no user is skipped or released twice, and
//! the rate holds.

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Shape, Stack, Visitor,
    admission::{assert_in_order, assert_within_rate},
    eventually,
    process::Signal,
    simulated_users::{queue_all, run_all, take_pass},
    stack::Role,
};
use waitingroom_server::protocol::ServerMessage;

const USERS: usize = 300;
const RATE: f64 = 60.0;
const BURST: f64 = 10.0;
const PASS_TTL: i64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_releasing_when_worker_crashes() {
    let stack = Stack::servers(Shape {
        bookings: 1,
        ..Shape::default()
    })
    .await;
    let queue =
        json!({"rate_per_second": RATE, "burst": BURST as u32, "pass_ttl_seconds": PASS_TTL});
    let sale = EventBuilder::new(&[1_000])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await;
    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let waiting = queue_all(&urls, &sale, &Visitor::many("waiting", USERS)).await;
    sale.open(&stack.operator()).await;

    let (watcher, gateway) = (Visitor::new("watcher"), stack.gateway(0));
    let release = run_all(waiting.into_iter().map(|(visitor, mut socket, ..)| {
        let sale = sale.clone();
        async move {
            let first = socket
                .until("news of the line", |message| {
                    (!matches!(message, ServerMessage::Event { .. })).then_some(message)
                })
                .await;
            (take_pass(&mut socket, first, &sale, &visitor).await, socket)
        }
    }));
    let crash = async {
        eventually("the middle of the release", || async {
            let left = sale.status(&gateway.by(&watcher)).await["total_in_queue"].as_u64();
            left.is_some_and(|left| left <= USERS as u64 * 2 / 3)
                .then_some(())
        })
        .await;
        stack.signal(Role::QueueWorker, 0, Signal::Kill);
        let status = sale.status(&gateway.by(&watcher)).await;
        assert!(
            status["total_in_queue"]
                .as_u64()
                .is_some_and(|left| left > 0),
            "it was the middle: {status}"
        );
    };
    let (admitted, ()) = tokio::join!(release, crash);

    let (admissions, sockets): (Vec<_>, Vec<_>) = admitted.into_iter().unzip();
    assert_eq!(admissions.len(), USERS);
    assert_in_order(&admissions, PASS_TTL);
    assert_within_rate(&admissions, PASS_TTL, RATE, BURST);
    let status = sale.status(&gateway.by(&watcher)).await;
    assert_eq!(
        (&status["active_passes"], &status["total_in_queue"]),
        (&json!(USERS), &json!(0)),
        "one pass each"
    );

    // A pass that is still on its way is the one that the user already has.
    run_all(
        admissions
            .into_iter()
            .zip(sockets)
            .map(|(admission, mut socket)| async move {
                socket
                    .send_json(json!({"type": "join", "event_id": admission.claims.event_id}))
                    .await;
                let pass = |message| match message {
                    ServerMessage::Pass {
                        pass_id,
                        queue_pass,
                        ..
                    } => Some((pass_id.to_string(), queue_pass)),
                    _ => None,
                };
                let (pass_id, token) = socket.until("the same pass again", pass).await;
                assert_eq!((&pass_id, &token), (&admission.claims.jti, &admission.pass));
            }),
    )
    .await;
}
