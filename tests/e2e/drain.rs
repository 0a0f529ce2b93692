//! A process that receives SIGTERM sends its clients away, finishes its work, and exits with 0 in
//! time.

use std::time::{Duration, Instant};

use serde_json::json;
use stanchion_tests::{
    Admission, EventBuilder, PositionStream, Sale, Shape, Socket, SocketEvent, Stack, Visitor,
    admission::assert_in_order,
    eventually,
    process::Signal,
    shopping,
    simulated_users::{MonotonicPositions, admit, queue_all, run_all},
    stack::Role,
    tokens,
};
use waitingroom_server::protocol::ServerMessage;

const CLIENTS: usize = 100;
/// Visitors who are released while a gateway drains.
const RELEASED: usize = 240;
const DRAIN_SECONDS: u64 = 2;
/// What finishing may take beyond the window.
const FINISH: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_clients_when_gateway_drains() {
    let gateway_settings = vec![("STANCHION_DRAIN_SECONDS", DRAIN_SECONDS.to_string())];
    let stack = Stack::servers(Shape {
        workers: 1,
        bookings: 1,
        gateway_settings,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[1_000])
        .paused()
        .create(&stack.operator())
        .await;
    let leaving = [stack.gateway_url(0).to_owned()];
    let staying = stack.gateway_url(1).to_owned();
    let waiting = queue_all(&leaving, &sale, &Visitor::many("client", CLIENTS)).await;
    let streamer = Visitor::new("streamer");
    sale.join(&stack.gateway(0).by(&streamer)).await.expect(201);
    let mut stream = PositionStream::open(&stack.gateway(0).by(&streamer), &sale).await;

    let told = Instant::now();
    stack.signal(Role::Gateway, 0, Signal::Terminate);
    let moved = run_all(
        waiting
            .into_iter()
            .map(|(visitor, mut socket, ticket, position)| {
                let (sale, staying) = (sale.clone(), staying.clone());
                async move {
                    socket
                        .until("the invitation to reconnect", |message| {
                            matches!(message, ServerMessage::Reconnect { .. }).then_some(())
                        })
                        .await;
                    assert_eq!(socket.close_code().await, Some(4001));
                    let mut socket = Socket::open(&staying, &visitor).await;
                    let (again, position_now) = socket.queue(&sale.event, Some(&ticket)).await;
                    let number =
                        |ticket: &str| tokens::ticket_number(ticket, &visitor.name, &sale.event);
                    assert_eq!(
                        (number(&again), position_now),
                        (number(&ticket), position),
                        "{}",
                        visitor.name
                    );
                    (visitor, socket)
                }
            }),
    );
    let moved = moved.await;
    while stream.next().await.is_some() {}
    let ended = stack.ended(Role::Gateway, 0).await;
    assert!(ended.success(), "{ended}");
    assert!(
        told.elapsed() < Duration::from_secs(DRAIN_SECONDS) + FINISH,
        "it took {:?}",
        told.elapsed()
    );

    sale.open(&stack.operator()).await;
    run_all(moved.into_iter().map(|(visitor, mut socket)| async move {
        let pass = |message| matches!(message, ServerMessage::Pass { .. }).then_some(());
        socket
            .until(&format!("the pass of {}", visitor.name), pass)
            .await;
    }))
    .await;
}

/// What became of one visitor in a drain.
struct Through {
    admission: Admission,
    /// The announced moment of the close, in milliseconds.
    told: Option<u64>,
    /// Their node went away before they had the pass.
    was_moved: bool,
}

/// One visitor through the drain of the node they are on.
async fn through_the_drain(
    (visitor, mut socket, ticket, position): (Visitor, Socket, String, u64),
    sale: Sale,
    staying: String,
    leaves: bool,
) -> Through {
    let (mut admission, mut told, mut moved, mut was_moved) =
        (None::<Admission>, None, !leaves, false);
    let mut positions = MonotonicPositions::default();

    positions.observe(position);

    loop {
        match socket.next_event().await {
            SocketEvent::Message(ServerMessage::Pass {
                pass_id,
                queue_pass,
                ..
            }) => {
                socket
                    .send_json(json!({"type": "ack", "pass_id": pass_id}))
                    .await;
                let pass = Admission::new(&visitor, &sale.event, &queue_pass);
                assert!(
                    admission.is_none_or(|before| before.claims.jti == pass.claims.jti),
                    "one pass each"
                );
                admission = Some(pass);
            }
            SocketEvent::Message(
                ServerMessage::Position { position, .. } | ServerMessage::Queued { position, .. },
            ) => {
                positions.observe(position);
            }
            SocketEvent::Message(ServerMessage::Reconnect { after_ms }) => told = Some(after_ms),
            SocketEvent::Message(_) => {}
            SocketEvent::Closed(code) => {
                assert_eq!(
                    (code, told.is_some(), moved),
                    (Some(4001), true, false),
                    "{}",
                    visitor.name
                );
                (moved, was_moved) = (true, admission.is_none());
                socket = Socket::open(&staying, &visitor).await;
                socket
                    .send_json(json!({"type": "join", "event_id": sale.event, "ticket": ticket}))
                    .await;
            }
        }
        if let (Some(admission), true) = (&admission, moved) {
            return Through {
                admission: admission.clone(),
                told,
                was_moved,
            };
        }
    }
}

/// One of two gateways drains during a release: no user loses a pass or a place, or receives one
/// twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivers_passes_while_gateway_drains() {
    let gateway_settings = vec![("STANCHION_DRAIN_SECONDS", DRAIN_SECONDS.to_string())];
    let stack = Stack::servers(Shape {
        workers: 1,
        bookings: 1,
        gateway_settings,
        ..Shape::default()
    })
    .await;
    let rate = json!({"rate_per_second": 80, "burst": 5});
    let sale = EventBuilder::new(&[1_000])
        .paused()
        .queue(rate)
        .create(&stack.operator())
        .await;
    let urls = [
        stack.gateway_url(0).to_owned(),
        stack.gateway_url(1).to_owned(),
    ];
    let visitors = Visitor::many("visitor", RELEASED);
    let waiting = queue_all(&urls, &sale, &visitors).await;
    let gateway = stack.gateway(0);
    let released = "stanchion_passes_delivered_total";
    let draining = async {
        sale.open(&stack.operator()).await;
        eventually("passes to go out", || async {
            (gateway.metric(released).await >= 20.0).then_some(())
        })
        .await;
        stack.signal(Role::Gateway, 0, Signal::Terminate);
        stack.ended(Role::Gateway, 0).await
    };
    let through = run_all(waiting.into_iter().map(|one| {
        let leaves = visitors
            .iter()
            .position(|visitor| visitor.name == one.0.name)
            .is_some_and(|at| at % 2 == 0);
        through_the_drain(one, sale.clone(), urls[1].clone(), leaves)
    }));
    let (ended, admitted) = tokio::join!(draining, through);

    assert!(ended.success(), "{ended}");
    assert_eq!(admitted.len(), RELEASED);

    // Who is on the way to another node when their turn comes is away: the next tick has their
    // pass.
    let there = admitted
        .iter()
        .filter(|one| !one.was_moved)
        .map(|one| one.admission.clone());
    assert_in_order(&there.collect::<Vec<_>>(), 300);

    let mut told: Vec<u64> = admitted.iter().filter_map(|one| one.told).collect();
    told.sort_unstable();

    assert_eq!(
        told.len(),
        RELEASED / 2,
        "everybody on the node that stopped"
    );
    let window = DRAIN_SECONDS * 1_000;
    for (at, after_ms) in told.iter().enumerate() {
        let share = window * at as u64 / told.len() as u64;
        assert!(
            after_ms.abs_diff(share) < window / 10,
            "the {at}th of {} leaves after {after_ms} ms",
            told.len()
        );
    }
}

/// The whole of it in one process, in the middle of a sale: what was answered before the end is
/// there after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exits_cleanly_when_embedded() {
    let mut stack = Stack::embedded_with(&[("STANCHION_DRAIN_SECONDS", "1")]).await;
    let sale = EventBuilder::new(&[50]).create(&stack.operator()).await;
    let (ann, bob) = (Visitor::new("ann"), Visitor::new("bob"));
    let pass = admit(&stack.gateway(0), &sale, &ann).await;
    let held = shopping::reserve(&stack.booking(0), &pass, &sale.wish(0, 2))
        .await
        .expect(201);
    sale.set_queue(&stack.operator(), json!({"state": "paused"}))
        .await
        .expect(200);
    let mut socket = Socket::open(stack.gateway_url(0), &bob).await;
    socket.queue(&sale.event, None).await;

    let told = Instant::now();
    stack.signal(Role::Embedded, 0, Signal::Terminate);
    assert_eq!(socket.close_code().await, Some(4001));
    let ended = stack.ended(Role::Embedded, 0).await;
    assert!(ended.success(), "{ended}");
    assert!(told.elapsed() < FINISH, "it took {:?}", told.elapsed());

    stack.start_again().await;
    let confirmed = shopping::confirm(&stack.booking(0).by(&ann), shopping::id(&held))
        .await
        .expect(200);
    assert_eq!(confirmed["status"], "confirmed");
    let state = sale.status(&stack.gateway(0).by(&ann)).await;
    assert_eq!(
        (&state["state"], &state["seats_left"]),
        (&json!("paused"), &json!(48))
    );
}
