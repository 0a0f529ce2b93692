//! Sales in which everything happens that has a name in the contract.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stanchion_tests::{
    EventBuilder, PositionStream, Rest, RestResponse, Sale, Stack, Visitor, eventually,
    shopping::{id, new_key, with_retries},
    wait::with_timeout,
};

use super::{
    client::{Client, see_answer, see_stream},
    files::Contract,
    monitor::Monitor,
    shapes::USER,
};

/// Interval of requests that are refused until the queue is rebuilt.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Seats of the zone for visitors with seat preferences.
const WISHED: u32 = 5;

/// A visitor whose name is recognized as one.
pub fn visitor(name: &str) -> Visitor {
    Visitor::new(format!("{USER}{name}"))
}

/// Sells seats on every transport; returns the topics of the messages that are published then.
pub async fn sell(contract: &mut Contract, stack: &Stack, monitor: &Monitor) -> [&'static str; 4] {
    wait_and_reserve(contract, stack).await;
    be_slowed_and_paused(contract, stack).await;
    let_end(contract, stack, monitor).await;

    [
        "bookings.reserved",
        "bookings.confirmed",
        "bookings.cancelled",
        "bookings.expired",
    ]
}

/// Three visitors wait on the three transports, receive their passes and reserve; others leave, or
/// have seat preferences.
async fn wait_and_reserve(contract: &mut Contract, stack: &Stack) {
    let (operator, url) = (stack.operator(), stack.gateway_url(0));
    let sale = EventBuilder::new(&[100, WISHED])
        .queue(json!({"message": "Welcome"}))
        .paused()
        .create(&operator)
        .await;
    let join = json!({"event_id": sale.event});

    let (mut socket, _) =
        Client::join(contract, url, &visitor("socket"), join.clone(), "queued").await;
    let is_paused = |message: &Value| message["reason"] == "paused";
    socket.hear(contract, "position", is_paused).await;
    let first = stack.gateway(0).by(&visitor("first"));
    see_answer(contract, sale.join(&first).await).expect(201);
    see_answer(contract, sale.join(&first).await).expect(200);
    let polling = stack.gateway(0).by(&visitor("polling"));
    see_answer(contract, sale.join(&polling).await).expect(201);
    see_answer(contract, sale.place(&polling).await).expect(200);
    let streaming = stack.gateway(0).by(&visitor("streaming"));
    sale.join(&streaming).await.expect(201);
    let mut stream = PositionStream::open(&streaming, &sale).await;
    see_stream(contract, &mut stream, |event, place| {
        event == "position" && place["is_ready"] == false
    })
    .await;
    let (mut last, queued) = Client::join(contract, url, &visitor("last"), join, "queued").await;
    assert!(is_paused(&queued), "{queued}");
    see_answer(contract, sale_status(&sale, &first).await).expect(200);

    // A user who leaves moves the users behind.
    let leave = format!("/queue/leave?event_id={}", sale.event);
    see_answer(contract, first.delete(&leave).await).expect(200);
    last.hear(contract, "position", |_| true).await;
    last.send_json(json!({"type": "ping"})).await;
    last.hear(contract, "heartbeat", |_| true).await;
    last.send_json(json!({"type": "leave", "event_id": sale.event}))
        .await;
    last.hear(contract, "left", |_| true).await;
    last.close().await;

    sale.open(&operator).await;
    socket
        .hear(contract, "event", |message| message["message"].is_string())
        .await;
    let pass = socket.hear(contract, "pass", |_| true).await;
    socket.acknowledge(&pass).await;
    let mut reserve = sale.wish(0, 2);
    reserve["type"] = json!("reserve");
    reserve["idempotency_key"] = json!(new_key());
    reserve["zone_id"] = json!(sale.event);
    socket.send_json(reserve.clone()).await;
    socket
        .hear(contract, "error", |message| message["ref"].is_string())
        .await;
    reserve["zone_id"] = json!(sale.zones[0]);
    socket.send_json(reserve).await;
    let reserved = socket.hear(contract, "reserved", |_| true).await;
    let booking = stack.booking(0).by(&visitor("socket"));
    decide(contract, &booking, &reserved, "confirm").await;
    socket.close().await;

    let place = eventually("a pass by polling", || async {
        let place = sale.place(&polling).await;
        (place.body["is_ready"] == true).then_some(place)
    });
    let place = see_answer(contract, place.await).expect(200);
    let reserved = reserve_by_rest(contract, stack, "polling", &sale, &place).await;
    let booking = stack.booking(0).by(&visitor("polling"));
    decide(contract, &booking, &reserved, "cancel").await;
    let one = format!("/bookings/{}", id(&reserved));
    for path in ["/bookings", "/bookings/summary", one.as_str()] {
        see_answer(contract, booking.get(path).await).expect(200);
    }

    let place = see_stream(contract, &mut stream, |_, place| place["is_ready"] == true).await;
    reserve_by_rest(contract, stack, "streaming", &sale, &place).await;
    let booking = stack.booking(0).by(&visitor("streaming"));
    see_answer(contract, booking.get("/bookings/pending").await).expect(200);

    have_seats_held(contract, stack, &sale).await;
    see_operators_routes(contract, &operator, &sale).await;
}

async fn sale_status(sale: &Sale, gateway: &Rest) -> RestResponse {
    gateway.get(&format!("/queue/status/{}", sale.event)).await
}

async fn reserve_by_rest(
    contract: &mut Contract,
    stack: &Stack,
    name: &str,
    sale: &Sale,
    place: &Value,
) -> Value {
    let booking = stack.booking(0).by(&visitor(name));
    let (pass, key, wish) = (&place["queue_pass"], new_key(), sale.wish(0, 1));
    let answer = with_retries(|| {
        let request = booking
            .request(Method::POST, "/bookings/reserve")
            .header("X-Queue-Pass", pass.as_str().expect("a pass is text"))
            .header("Idempotency-Key", &key);
        booking.send(request.json(&wish))
    });

    see_answer(contract, answer.await).expect(201)
}

async fn decide(contract: &mut Contract, booking: &Rest, reserved: &Value, verb: &str) {
    let path = format!("/bookings/{}/{verb}", id(reserved));
    let answer = with_retries(|| booking.send(booking.request(Method::POST, &path))).await;
    see_answer(contract, answer).expect(200);
}

/// One visitor receives held seats with the pass, another the seats that are left. If booking is
/// slow, the pass comes alone: then the next visitor tries.
async fn have_seats_held(contract: &mut Contract, stack: &Stack, sale: &Sale) {
    for (quantity, field) in [(1, "hold"), (WISHED + 1, "left")] {
        for attempt in 0.. {
            let visitor = visitor(&format!("wishing-{field}-{attempt}"));
            let pass = pass_with_wish(contract, stack, sale, &visitor, quantity).await;
            if pass.get(field).is_some() {
                break;
            }
        }
    }
}

async fn pass_with_wish(
    contract: &mut Contract,
    stack: &Stack,
    sale: &Sale,
    visitor: &Visitor,
    quantity: u32,
) -> Value {
    let wish = json!({"show_id": sale.show, "zone_id": sale.zones[1], "quantity": quantity});
    let join = json!({"event_id": sale.event, "wish": [wish]});
    let url = stack.gateway_url(0);
    let (mut client, pass) = Client::join(contract, url, visitor, join, "pass").await;

    client.acknowledge(&pass).await;
    client.close().await;
    pass
}

async fn see_operators_routes(contract: &mut Contract, operator: &Rest, sale: &Sale) {
    let event = json!({"event_id": sale.event});
    see_answer(
        contract,
        operator.post("/admin/sync-inventory", &event).await,
    )
    .expect(200);

    let paths = [
        "/admin/inventory-status".to_owned(),
        "/admin/events".to_owned(),
        format!("/admin/events/{}/queue", sale.event),
    ];

    for path in paths {
        see_answer(contract, operator.get(&path).await).expect(200);
    }
}

/// A slow queue sends the range of the wait, and a paused one the reason.
async fn be_slowed_and_paused(contract: &mut Contract, stack: &Stack) {
    let (operator, url) = (stack.operator(), stack.gateway_url(0));
    let sale = EventBuilder::new(&[100])
        .queue(json!({"rate_per_second": 2, "burst": 1}))
        .create(&operator)
        .await;
    for at in 0..8 {
        let gateway = stack.gateway(0).by(&visitor(&format!("ahead-{at}")));
        see_answer(contract, sale.join(&gateway).await).expect(201);
    }
    let join = json!({"event_id": sale.event});
    let (mut client, queued) =
        Client::join(contract, url, &visitor("behind"), join, "queued").await;

    assert!(queued["wait_range_seconds"].is_object(), "{queued}");
    client
        .hear(contract, "position", |message| {
            message["wait_range_seconds"].is_object() && message["seats_left"].is_number()
        })
        .await;
    sale.set_queue(&operator, json!({"state": "paused"}))
        .await
        .expect(200);
    client
        .hear(contract, "position", |message| {
            message["reason"] == "paused"
        })
        .await;
    client.close().await;
}

/// An unclaimed pass, and a hold that expires.
async fn let_end(contract: &mut Contract, stack: &Stack, monitor: &Monitor) {
    let url = stack.gateway_url(0);
    let queue = json!({"claim_window_seconds": 2, "grace_seconds": 1});
    let sale = EventBuilder::new(&[100])
        .queue(queue)
        .hold_seconds(3)
        .create(&stack.operator())
        .await;
    let join = json!({"event_id": sale.event});
    let (mut client, pass) =
        Client::join(contract, url, &visitor("paying-late"), join.clone(), "pass").await;
    client.acknowledge(&pass).await;
    reserve_by_rest(contract, stack, "paying-late", &sale, &pass).await;
    client.close().await;

    let (client, _) = Client::join(contract, url, &visitor("silent"), join, "pass").await;
    monitor
        .until("value <prefix>:{<event>}:users <user>: packed # r *")
        .await;
    client.close().await;
}

/// Redis loses all data while two users have places: the gateway restores the one who waits, and
/// the one who is absent returns with the ticket. Returns the connection of the first.
pub async fn lose_redis(contract: &mut Contract, stack: &Stack) -> Client {
    // The only one that is paused and has given two numbers.
    const CHECKPOINTS: &str = "SELECT count(*) FROM events
        WHERE line_sequence = 2 AND queue_settings LIKE '%paused%'";
    let url = stack.gateway_url(0);
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let join = json!({"event_id": sale.event});
    let (waiting, _) =
        Client::join(contract, url, &visitor("waiting"), join.clone(), "queued").await;
    let (absent, queued) = Client::join(contract, url, &visitor("absent"), join, "queued").await;
    absent.close().await;
    eventually("the checkpoint", || async {
        (stack.backends().database.number(CHECKPOINTS).await == 1).then_some(())
    })
    .await;
    eventually("booking to know the gateway", || async {
        let known = stack.booking(0).metric("stanchion_gateways_known").await;
        (known >= 1.0).then_some(())
    })
    .await;

    stack.backends().redis().await.lose_everything().await;
    let rejoin = json!({
        "event_id": sale.event, "ticket": queued["ticket"], "position": queued["position"],
    });
    let returned = async {
        while !Client::try_join(contract, url, &visitor("absent"), rejoin.clone()).await {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    };
    with_timeout("a place with the ticket", returned).await;
    waiting
}

/// A gateway that drains announces the close to its clients.
pub async fn drain(contract: &mut Contract, mut waiting: Client) {
    waiting.hear(contract, "reconnect", |_| true).await;
    assert_eq!(waiting.close_code(contract).await, Some(4001));
}
