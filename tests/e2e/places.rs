//! A place belongs to a user, not to a connection: other tabs, reloads, other gateways and
//! restarts find it again.

use std::time::Duration;

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Sale, Shape, Socket, Stack, Visitor,
    admission::assert_in_order,
    eventually,
    process::Signal,
    shopping::with_retries,
    simulated_users::{MonotonicPositions, admit, queue_all, run_all},
    tokens,
};
use waitingroom_server::protocol::ServerMessage;

const LINE: usize = 20;
const RELOADING: usize = 100;
const RELOADS: usize = 4;

async fn keeps_place_over_every_transport(stack: &Stack) {
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let urls: Vec<String> = (0..2).map(|at| stack.gateway_url(at).to_owned()).collect();
    let mut others = Vec::new(); // held: who closes is absent, and this is not about absence
    for visitor in Visitor::many("other", 3) {
        others.extend(queue_all(&urls, &sale, &[visitor]).await);
    }
    let ann = Visitor::new("ann");
    let number = |ticket: &str| tokens::ticket_number(ticket, &ann.name, &sale.event);
    let mut first = Socket::open(&urls[0], &ann).await;
    let (ticket, position) = first.queue(&sale.event, None).await;
    assert_eq!((position, number(&ticket)), (4, 4));
    let mine = |socket: &(String, u64)| (number(&socket.0), socket.1);

    let mut second_tab = Socket::open(&urls[0], &ann).await;
    assert_eq!(
        mine(&second_tab.queue(&sale.event, None).await),
        (4, 4),
        "a second tab"
    );
    let mut elsewhere = Socket::open(&urls[1], &ann).await;
    assert_eq!(
        mine(&elsewhere.queue(&sale.event, None).await),
        (4, 4),
        "another gateway"
    );
    let by_rest = sale.join(&stack.gateway(1).by(&ann)).await.expect(200);
    assert_eq!(
        (&by_rest["position"], &by_rest["total_in_queue"]),
        (&4.into(), &4.into()),
        "joining again by REST"
    );

    for socket in [first, second_tab, elsewhere] {
        socket.close().await;
    }
    let mut reloaded = Socket::open(&urls[0], &ann).await;
    assert_eq!(
        mine(&reloaded.queue(&sale.event, Some(&ticket)).await),
        (4, 4),
        "a reload"
    );
    drop(reloaded); // vanishes without a word
    let mut elsewhere = Socket::open(&urls[1], &ann).await;
    assert_eq!(
        mine(&elsewhere.queue(&sale.event, Some(&ticket)).await),
        (4, 4),
        "a change of networks"
    );

    only_ones_own_ticket_counts(stack, &sale, &ticket).await;
    positions_only_fall(stack, &sale, others).await;
}

/// A ticket of another user has no effect.
async fn only_ones_own_ticket_counts(stack: &Stack, sale: &Sale, ticket: &str) {
    let thief = Visitor::new("thief");
    let mut socket = Socket::open(stack.gateway_url(0), &thief).await;
    let (own, position) = socket.queue(&sale.event, Some(ticket)).await;

    assert_eq!(
        (
            tokens::ticket_number(&own, &thief.name, &sale.event),
            position
        ),
        (5, 5)
    );
    socket.close().await;
}

/// Users in front leave: the others move up, and never back.
async fn positions_only_fall(
    stack: &Stack,
    sale: &Sale,
    others: Vec<(Visitor, Socket, String, u64)>,
) {
    let last = Visitor::new("last");
    let mut socket = Socket::open(stack.gateway_url(1), &last).await;
    let mut positions = MonotonicPositions::default();

    positions.observe(socket.queue(&sale.event, None).await.1);

    for (visitor, _, _, _) in &others {
        let gateway = stack.gateway(0).by(visitor);
        gateway
            .delete(&format!("/queue/leave?event_id={}", sale.event))
            .await
            .expect(200);
    }

    socket
        .until("the third place", |message| match message {
            ServerMessage::Position { position, .. } => {
                positions.observe(position);
                (position == 3).then_some(())
            }
            _ => None,
        })
        .await;
}

crate::on_both!(keeps_place_over_every_transport);

/// All users return in another order, and keep their own.
async fn the_line_survives(signal: Signal) {
    let mut stack = Stack::embedded().await;
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let visitors = Visitor::many("patient", LINE);
    let mut tickets = Vec::new();
    for visitor in &visitors {
        let mut socket = Socket::open(stack.gateway_url(0), visitor).await;
        let (ticket, position) = socket.queue(&sale.event, None).await;
        assert_eq!(position, tickets.len() as u64 + 1);
        tickets.push(ticket);
    }
    if matches!(signal, Signal::Kill) {
        written_down(&stack).await; // a power cut may cost the last second's order, not more
    }
    stack.restart(signal).await;

    let newcomer = Visitor::new("newcomer");
    let refused = sale.join(&stack.gateway(0).by(&newcomer)).await;
    assert!(
        refused.has_retry_after(),
        "nobody new before the others are back: {} {}",
        refused.status,
        refused.body
    );
    let mut sockets = Vec::new();
    for (visitor, ticket) in visitors.iter().zip(&tickets).rev() {
        let mut socket = Socket::open(stack.gateway_url(0), visitor).await;
        let (again, _) = socket.queue(&sale.event, Some(ticket)).await;
        let number = |ticket: &str| tokens::ticket_number(ticket, &visitor.name, &sale.event);
        assert_eq!(
            number(&again),
            number(ticket),
            "{} has the number of before",
            visitor.name
        );
        sockets.push(socket);
    }
    let gateway = stack.gateway(0).by(&newcomer);
    with_retries(|| sale.join(&gateway)).await.expect(201);
    for (at, visitor) in visitors.iter().chain([&newcomer]).enumerate() {
        let place = sale.place(&stack.gateway(0).by(visitor)).await.expect(200);
        assert_eq!(place["position"], at as u64 + 1, "{}", visitor.name);
    }
    sale.open(&stack.operator()).await;
    let work = visitors.iter().chain([&newcomer]).map(|visitor| {
        let (gateway, sale, visitor) = (stack.gateway(0), sale.clone(), visitor.clone());
        async move { admit(&gateway, &sale, &visitor).await }
    });
    let mut admissions = run_all(work).await;
    assert_in_order_of_numbers(&mut admissions, &visitors, &newcomer);
}

fn assert_in_order_of_numbers(
    admissions: &mut [stanchion_tests::Admission],
    visitors: &[Visitor],
    newcomer: &Visitor,
) {
    admissions.sort_by_key(|admission| admission.claims.num);
    let order: Vec<&str> = admissions
        .iter()
        .map(|admission| admission.visitor.name.as_str())
        .collect();
    let wanted: Vec<&str> = visitors
        .iter()
        .chain([newcomer])
        .map(|visitor| visitor.name.as_str())
        .collect();

    assert_eq!(order, wanted);
    assert_in_order(admissions, 300);
}

/// Waits until the database knows how far the line has come.
async fn written_down(stack: &Stack) {
    let file = stack.data_directory().join("stanchion.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .read_only(true);
    let database = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("the database can be read");

    eventually("the line to be written down", || async {
        let reached = sqlx::query_scalar::<_, i64>("SELECT max(line_sequence) FROM events")
            .fetch_one(&database)
            .await;
        (reached.expect("the events") >= LINE as i64).then_some(())
    })
    .await;
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_place_over_restart() {
    the_line_survives(Signal::Terminate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_place_over_power_cut() {
    the_line_survives(Signal::Kill).await;
}

/// Each reload's new connection joins while the old one ends: whichever the gateway sees first, the
/// user is here.
async fn reloaded_users_are_served(stack: &Stack) {
    let sale = EventBuilder::new(&[1_000])
        .paused()
        .create(&stack.operator())
        .await;
    let url = vec![stack.gateway_url(0).to_owned()];
    let mut waiting = queue_all(&url, &sale, &Visitor::many("reloading", RELOADING)).await;

    for round in 0..RELOADS {
        waiting = run_all(waiting.into_iter().enumerate().map(
            |(at, (visitor, old, ticket, position))| {
                let (url, event) = (url[0].clone(), sale.event.clone());
                async move {
                    let mut new = Socket::open(&url, &visitor).await;
                    new.send_json(json!({"type": "join", "event_id": event}))
                        .await;
                    tokio::time::sleep(Duration::from_micros(100 * ((at + round) as u64 % 20)))
                        .await;
                    drop(old);
                    new.until("its place", |message| {
                        matches!(message, ServerMessage::Queued { .. }).then_some(())
                    })
                    .await;
                    (visitor, new, ticket, position)
                }
            },
        ))
        .await;
    }

    sale.open(&stack.operator()).await;
    run_all(waiting.into_iter().map(|(_, mut socket, ..)| async move {
        socket
            .until("a pass", |message| {
                matches!(message, ServerMessage::Pass { .. }).then_some(())
            })
            .await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_users_present_over_reloads_embedded() {
    reloaded_users_are_served(&Stack::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_users_present_over_reloads_servers() {
    let shape = Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        ..Shape::default()
    };
    reloaded_users_are_served(&Stack::servers(shape).await).await;
}
