//! Automatic holds: a user with seat preferences receives the pass and the held seats in one
//! message.

use std::{collections::HashSet, time::Duration};

use serde_json::{Map, Value, json};
use stanchion_tests::{
    EventBuilder, PositionStream, Sale, Shape, Socket, Stack, Visitor, eventually,
    inventory::Inventory, process::Signal, stack::Role, wait::with_timeout,
};
use tokio::{sync::mpsc, task::JoinSet};
use waitingroom_server::protocol::{ServerMessage, ZoneLeft};

type Told = (String, Option<Map<String, Value>>, Option<Vec<ZoneLeft>>);

fn item(sale: &Sale, zone: usize, quantity: u32) -> Value {
    json!({"show_id": sale.show, "zone_id": sale.zones[zone], "quantity": quantity})
}

async fn join(socket: &mut Socket, sale: &Sale, wish: &[Value]) {
    socket
        .send_json(json!({"type": "join", "event_id": sale.event, "wish": wish}))
        .await;
}

/// The next pass, and what came with it; it is acknowledged.
async fn pass(socket: &mut Socket) -> Told {
    let told = socket
        .until("the pass", |message| match message {
            ServerMessage::Pass {
                pass_id,
                hold,
                left,
                ..
            } => Some((pass_id.to_string(), hold, left)),
            ServerMessage::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => None,
        })
        .await;
    socket
        .send_json(json!({"type": "ack", "pass_id": told.0}))
        .await;
    told
}

async fn holds_first_preference_that_fits(stack: &Stack) {
    let sale = EventBuilder::new(&[1, 10]).create(&stack.operator()).await;
    let ann = Visitor::new("ann");
    let mut socket = Socket::open(stack.gateway_url(0), &ann).await;
    join(&mut socket, &sale, &[item(&sale, 0, 2), item(&sale, 1, 2)]).await;
    let (_, hold, left) = pass(&mut socket).await;
    let hold = hold.expect("the second alternative fits");
    assert_eq!(
        (&hold["zone_id"], &hold["quantity"], left),
        (&json!(sale.zones[1]), &json!(2), None)
    );
    assert_eq!(
        (&hold["status"], &hold["user_id"]),
        (&json!("reserved"), &json!(ann.name))
    );
    let pending = stack
        .booking(0)
        .by(&ann)
        .get("/bookings/pending")
        .await
        .expect(200);
    assert_eq!(pending["bookings"], json!([hold]), "one, and this one");

    // Nothing fits; another wish does, with the same pass.
    let mut socket = Socket::open(stack.gateway_url(1), &Visitor::new("bob")).await;
    join(&mut socket, &sale, &[item(&sale, 0, 2)]).await;
    let (alone, hold, left) = pass(&mut socket).await;
    assert_eq!(hold, None);
    let left = left.expect("what is left of the wish");
    assert_eq!(
        (left[0].zone_id.to_string(), left[0].available),
        (sale.zones[0].clone(), 1)
    );
    join(&mut socket, &sale, &[item(&sale, 0, 1)]).await;
    let (same, hold, _) = pass(&mut socket).await;
    assert_eq!(
        (same, &hold.expect("it fits now")["quantity"]),
        (alone, &json!(1))
    );

    a_stream_says_what_is_held(stack, &sale).await;

    // By polling: each joining may carry the wish.
    let cem = stack.gateway(0).by(&Visitor::new("cem"));
    let body = json!({"event_id": sale.event, "wish": [item(&sale, 0, 1), item(&sale, 1, 3)]});
    let place = eventually("cem's turn", || async {
        let place = cem.post("/queue/join", &body).await.body;
        (place["is_ready"] == true).then_some(place)
    })
    .await;
    assert_eq!(
        (&place["hold"]["zone_id"], &place["hold"]["quantity"]),
        (&json!(sale.zones[1]), &json!(3)),
        "{place}"
    );
    refusals(stack, &sale).await;
}

async fn a_stream_says_what_is_held(stack: &Stack, sale: &Sale) {
    let gateway = stack.gateway(0).by(&Visitor::new("deb"));
    sale.join(&gateway).await.expect(201);
    let mut stream =
        PositionStream::wishing(&gateway, sale, &[item(sale, 0, 9), item(sale, 1, 2)]).await;
    let hold = loop {
        match stream.next().await.expect("the pass") {
            (event, place) if event == "position" && place["hold"].is_object() => {
                break place["hold"].clone();
            }
            (event, booking) if event == "reserved" => break booking, // booking took its time
            (event, place) => assert!(event == "position" || event == "state", "{event}: {place}"),
        }
    };

    assert_eq!(
        (&hold["zone_id"], &hold["quantity"]),
        (&json!(sale.zones[1]), &json!(2)),
        "{hold}"
    );
}

async fn refusals(stack: &Stack, sale: &Sale) {
    let dan = Visitor::new("dan");
    for (wish, field) in [
        (vec![item(sale, 0, 1); 6], "wish"),
        (vec![item(sale, 0, 11)], "wish[0].quantity"),
    ] {
        let body = json!({"event_id": sale.event, "wish": wish});
        stack
            .gateway(0)
            .by(&dan)
            .post("/queue/join", &body)
            .await
            .expect_invalid_field(422, "INVALID_REQUEST", field);
        let mut socket = Socket::open(stack.gateway_url(0), &dan).await;
        join(&mut socket, sale, &wish).await;
        let refused = socket.until("a refusal", |message| match message {
            ServerMessage::Error { code, message, .. } => Some((code, message)),
            _ => None,
        });
        let (code, message) = refused.await;
        assert!(
            code == "INVALID_REQUEST" && message.starts_with(field),
            "{code}: {message}"
        );
    }
}

async fn holds_no_more_seats_than_exist(stack: &Stack) {
    const WISHERS: usize = 150;
    let sale = EventBuilder::new(&[50])
        .paused()
        .create(&stack.operator())
        .await;
    let mut sockets = Vec::new();
    for (at, visitor) in Visitor::many("wisher", WISHERS).into_iter().enumerate() {
        let mut socket = Socket::open(stack.gateway_url(at), &visitor).await;
        join(&mut socket, &sale, &[item(&sale, 0, 1)]).await;
        let queued = |message| matches!(message, ServerMessage::Queued { .. }).then_some(());
        socket.until("a place", queued).await;
        sockets.push(socket);
    }
    sale.open(&stack.operator()).await;
    let (tell, mut told) = mpsc::channel(1);
    let mut listening: JoinSet<()> = sockets
        .into_iter()
        .map(|socket| listen(socket, tell.clone()))
        .collect();
    let (mut passes, mut holds) = (0, HashSet::new());
    while passes < WISHERS || holds.len() < 50 {
        match with_timeout("every pass and every hold", told.recv()).await {
            Some(Some(hold)) => assert!(holds.insert(hold["booking_id"].to_string()), "told once"),
            _ => passes += 1,
        }
    }
    listening.abort_all();
    let seats = Inventory::settled(&sale, &stack.operator()).await.total();

    assert_eq!((seats.held, seats.available), (50, 0), "once");
}

/// Sends the pass and the held seats: if booking is slow, the seats follow the pass; if no
/// preference fits, only the pass is sent.
async fn listen(mut socket: Socket, tell: mpsc::Sender<Option<Map<String, Value>>>) {
    let (_, mut hold, left) = pass(&mut socket).await;
    tell.send(None).await.expect("somebody listens");

    if hold.is_none() && left.is_none() {
        let late = |message| match message {
            ServerMessage::Reserved { booking, .. } => Some(booking),
            _ => None,
        };
        hold = Some(socket.until("late seats", late).await);
    }

    if hold.is_some() {
        tell.send(hold).await.expect("somebody listens");
    }
}

mod first_fit {
    use super::holds_first_preference_that_fits;
    crate::on_both!(holds_first_preference_that_fits);
}

mod contention {
    use super::holds_no_more_seats_than_exist;
    crate::on_both!(holds_no_more_seats_than_exist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivers_pass_in_time_when_booking_is_slow() {
    let stack = Stack::servers(Shape {
        gateways: 1,
        bookings: 1,
        workers: 1,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[5]).create(&stack.operator()).await;
    let eve = Visitor::new("eve");
    let mut socket = Socket::open(stack.gateway_url(0), &eve).await;
    stack.signal(Role::Booking, 0, Signal::Stop);
    join(&mut socket, &sale, &[item(&sale, 0, 2)]).await;
    let (_, hold, left) = pass(&mut socket).await;

    assert_eq!((hold, left), (None, None), "the pass alone");
    tokio::time::sleep(Duration::from_millis(500)).await;
    stack.signal(Role::Booking, 0, Signal::Continue);
    let late = socket.until("the seats", |message| match message {
        ServerMessage::Reserved { booking, .. } => Some(booking),
        _ => None,
    });

    assert_eq!(late.await["quantity"], json!(2));
}

/// Until there are this many bookings in the database.
async fn booked(stack: &Stack, count: i64) {
    eventually("the seats to be held", || async {
        (stack
            .backends()
            .database
            .number("SELECT count(*) FROM bookings WHERE status <> 'void'")
            .await
            == count)
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn returns_previous_hold_when_gateway_died() {
    let stack = Stack::servers(Shape {
        bookings: 1,
        workers: 1,
        ..Shape::default()
    })
    .await;
    let sale = EventBuilder::new(&[5])
        .paused()
        .create(&stack.operator())
        .await;
    let fay = Visitor::new("fay");
    let mut socket = Socket::open(stack.gateway_url(0), &fay).await;
    join(&mut socket, &sale, &[item(&sale, 0, 2)]).await;
    let ticket = socket
        .until("the ticket", |message| match message {
            ServerMessage::Queued { ticket, .. } => Some(ticket),
            _ => None,
        })
        .await;
    // The gateway has sent the request to booking, and dies before the response.
    stack.signal(Role::QueueWorker, 0, Signal::Stop);
    sale.open(&stack.operator()).await;
    stack.signal(Role::Booking, 0, Signal::Stop);
    stack.signal(Role::QueueWorker, 0, Signal::Continue);
    let (_, hold, _) = pass(&mut socket).await;
    assert_eq!(hold, None, "the pass alone: booking stands still");
    stack.signal(Role::Gateway, 0, Signal::Stop);
    stack.signal(Role::Booking, 0, Signal::Continue);
    booked(&stack, 1).await;
    stack.signal(Role::Gateway, 0, Signal::Kill);
    drop(socket);

    let mut socket = Socket::open(stack.gateway_url(1), &fay).await;
    let wish = [item(&sale, 0, 2)];
    socket
        .send_json(json!({"type": "join", "event_id": sale.event, "ticket": ticket, "wish": wish}))
        .await;
    let booking = socket.until("the seats", |message| match message {
        ServerMessage::Reserved { r#ref, booking } => Some((r#ref, booking)),
        ServerMessage::Queued { .. } => panic!("another place, beside the seats"),
        _ => None,
    });
    let (about, booking) = booking.await;
    assert_eq!(
        (about.as_str(), &booking["quantity"], &booking["status"]),
        ("wish", &json!(2), &json!("reserved"))
    );
    socket
        .until("the end of the place", |message| {
            matches!(message, ServerMessage::Left { .. }).then_some(())
        })
        .await;
    let status = sale.status(&stack.gateway(1).by(&fay)).await;
    assert_eq!(
        (&status["total_in_queue"], &status["active_passes"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
    booked(&stack, 1).await;
}
