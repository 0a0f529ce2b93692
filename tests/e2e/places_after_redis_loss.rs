//! Redis loses all data while some passes are released and not delivered: every user keeps the
//! place, with or without a ticket, and receives no wrong position.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stanchion_tests::{
    Admission, EventBuilder, PositionStream, Rest, Sale, Shape, Socket, SocketEvent, Stack,
    TEST_TIMEOUT, Visitor, admission::assert_in_order, eventually, process::Signal,
    simulated_users::MonotonicPositions, stack::Role, tokens,
};
use waitingroom_domain::clock::Clock;
use waitingroom_server::protocol::{ServerMessage, WaitReason};

const USERS: usize = 240;
/// Released before the loss, at least.
const RELEASED: i64 = 40;
const PASS_TTL: i64 = 300;
const POLL_PAUSE: Duration = Duration::from_millis(300);

/// The positions that one user received, and when.
struct Told {
    number: u64,
    positions: Vec<(i64, u64)>,
    told_nothing: usize,
    admission: Admission,
}

struct Watch {
    visitor: Visitor,
    sale: Sale,
    number: u64,
    monotonic: MonotonicPositions,
    positions: Vec<(i64, u64)>,
    /// Number of responses with Retry-After.
    told_nothing: usize,
}

impl Watch {
    fn new(visitor: &Visitor, sale: &Sale, ticket: &str, position: u64) -> Self {
        let number = tokens::ticket_number(ticket, &visitor.name, &sale.event);
        let (visitor, sale) = (visitor.clone(), sale.clone());
        let mut watch = Self {
            visitor,
            sale,
            number,
            monotonic: MonotonicPositions::default(),
            positions: Vec::new(),
            told_nothing: 0,
        };

        watch.see(position, None);
        watch
    }

    fn see(&mut self, position: u64, reason: Option<WaitReason>) {
        assert_ne!(
            reason,
            Some(WaitReason::SoldOut),
            "{}: there are seats",
            self.visitor.name
        );
        self.monotonic.observe(position);

        self.positions
            .push((Clock::System.now().millis(), position));
    }

    fn ticket(&self, ticket: &str) {
        let number = tokens::ticket_number(ticket, &self.visitor.name, &self.sale.event);
        assert_eq!(
            number, self.number,
            "{} has another number",
            self.visitor.name
        );
    }

    fn see_place(&mut self, place: &Value) -> Option<Admission> {
        let reason = serde_json::from_value(place["reason"].clone()).ok();
        self.ticket(place["ticket"].as_str().expect("a ticket"));
        self.see(place["position"].as_u64().expect("a position"), reason);

        let ready = place["is_ready"].as_bool().expect("is_ready");
        ready.then(|| {
            Admission::new(
                &self.visitor,
                &self.sale.event,
                place["queue_pass"].as_str().expect("the pass"),
            )
        })
    }

    fn told(self, admission: Admission) -> Told {
        assert_eq!(
            admission.claims.num, self.number,
            "{}: the number of before the loss",
            self.visitor.name
        );

        Told {
            number: self.number,
            positions: self.positions,
            told_nothing: self.told_nothing,
            admission,
        }
    }
}

async fn by_socket(mut socket: Socket, mut watch: Watch) -> Told {
    let until = Instant::now() + 3 * TEST_TIMEOUT;
    loop {
        let heard = socket
            .next_event_within(until.saturating_duration_since(Instant::now()))
            .await;
        match heard.unwrap_or_else(|| panic!("{} never got a pass", watch.visitor.name)) {
            SocketEvent::Message(ServerMessage::Queued {
                ticket,
                position,
                reason,
                ..
            }) => {
                watch.ticket(&ticket);
                watch.see(position, reason);
            }
            SocketEvent::Message(ServerMessage::Position {
                position, reason, ..
            }) => watch.see(position, reason),
            SocketEvent::Message(ServerMessage::Event { .. }) => {}
            SocketEvent::Message(ServerMessage::Pass {
                pass_id,
                queue_pass,
                ..
            }) => {
                socket
                    .send_json(json!({"type": "ack", "pass_id": pass_id}))
                    .await;
                let admission = Admission::new(&watch.visitor, &watch.sale.event, &queue_pass);
                return watch.told(admission);
            }
            other => panic!(
                "{} waited for a pass and heard {other:?}",
                watch.visitor.name
            ),
        }
    }
}

async fn by_stream(mut stream: PositionStream, mut watch: Watch) -> Told {
    while let Some((event, place)) = stream.next().await {
        match event.as_str() {
            "position" => {
                if let Some(admission) = watch.see_place(&place) {
                    return watch.told(admission);
                }
            }
            "state" => {}
            _ => panic!("{}'s stream said {event}: {place}", watch.visitor.name),
        }
    }
    panic!("{}'s stream ended before the pass", watch.visitor.name)
}

/// Asks again and again, once it may; without a ticket.
async fn by_polling(gateway: Rest, mut watch: Watch, may_ask: Arc<AtomicBool>) -> Told {
    let until = Instant::now() + 3 * TEST_TIMEOUT;
    loop {
        assert!(
            Instant::now() < until,
            "{} never got a pass",
            watch.visitor.name
        );
        tokio::time::sleep(POLL_PAUSE).await;
        if !may_ask.load(Ordering::SeqCst) {
            continue;
        }
        let answer = watch.sale.place(&gateway).await;
        if answer.status == 503 {
            assert!(
                answer.has_retry_after() && answer.code() == "UNAVAILABLE",
                "{}: {}",
                answer.request,
                answer.body
            );
            watch.told_nothing += 1;
        } else if let Some(admission) = watch.see_place(&answer.expect(200)) {
            return watch.told(admission);
        }
    }
}

/// Waits until the checkpoint of the head has not changed for two seconds; returns the head.
async fn quiet_head(stack: &Stack) -> i64 {
    let mut seen = (0, Instant::now());
    loop {
        let head = stack
            .backends()
            .database
            .number("SELECT max(line_head) FROM events")
            .await;
        if head != seen.0 {
            seen = (head, Instant::now());
        } else if head >= RELEASED && seen.1.elapsed() > Duration::from_secs(2) {
            return head;
        }
        assert!(seen.1.elapsed() < TEST_TIMEOUT, "the head stands at {head}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_places_and_positions_when_redis_is_lost() {
    let stack = Stack::servers(Shape {
        own_redis: true,
        ..Shape::default()
    })
    .await;
    let queue = json!({"rate_per_second": 20, "burst": 20, "pass_ttl_seconds": PASS_TTL, "claim_window_seconds": 60});
    let sale = EventBuilder::new(&[500])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await;
    let may_ask = Arc::new(AtomicBool::new(false));
    let mut users = tokio::task::JoinSet::new();
    for (at, visitor) in Visitor::many("user", USERS).into_iter().enumerate() {
        let gateway = stack.gateway(at / 3).by(&visitor);
        if at % 3 == 0 {
            let mut socket = Socket::open(stack.gateway_url(at / 3), &visitor).await;
            let (ticket, position) = socket.queue(&sale.event, None).await;
            users.spawn(by_socket(
                socket,
                Watch::new(&visitor, &sale, &ticket, position),
            ));
            continue;
        }
        let place = sale.join(&gateway).await.expect(201);
        let ticket = place["ticket"].as_str().expect("a ticket");
        let watch = Watch::new(
            &visitor,
            &sale,
            ticket,
            place["position"].as_u64().expect("a position"),
        );
        if at % 3 == 1 {
            users.spawn(by_stream(
                PositionStream::open(&gateway, &sale).await,
                watch,
            ));
        } else {
            users.spawn(by_polling(gateway, watch, may_ask.clone()));
        }
    }

    // One gateway receives no signals, and pollers do not poll: they are released, and not
    // notified.
    stack.signal(Role::Gateway, 1, Signal::Stop);
    sale.open(&stack.operator()).await;
    eventually("some to be released", || async {
        let head = stack
            .backends()
            .database
            .number("SELECT max(line_head) FROM events")
            .await;
        (head >= RELEASED).then_some(())
    })
    .await;
    sale.set_queue(&stack.operator(), json!({"state": "paused"}))
        .await
        .expect(200);
    let head = quiet_head(&stack).await as u64;
    let lost_at = Clock::System.now().millis();
    stack.backends().redis().await.lose_everything().await;
    stack.signal(Role::Gateway, 1, Signal::Continue);
    may_ask.store(true, Ordering::SeqCst);
    eventually("the operator to be heard", || async {
        let answer = sale
            .set_queue(&stack.operator(), json!({"state": "open"}))
            .await;
        (answer.status == 200).then_some(())
    })
    .await;

    let mut told = Vec::new();
    while let Some(one) = users.join_next().await {
        told.push(one.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    assert_eq!(told.len(), USERS);
    let (before, after): (Vec<_>, Vec<_>) = told
        .iter()
        .partition(|one| one.admission.released_ms(PASS_TTL) < lost_at);
    let unreached = after.iter().filter(|one| one.number <= head).count();
    assert!(
        unreached >= 10 && before.len() >= 5,
        "{unreached} of {head} were not reached, {} were",
        before.len()
    );
    assert_in_order(
        &after
            .iter()
            .map(|one| one.admission.clone())
            .collect::<Vec<_>>(),
        PASS_TTL,
    );
    assert!(
        told.iter().any(|one| one.told_nothing > 0),
        "somebody asked while the line was counted"
    );
    for one in &after {
        for (at, position) in one
            .positions
            .iter()
            .filter(|(at, position)| *at > lost_at && *position > 0)
        {
            let in_front = after.iter().filter(|other| {
                let waits = other.admission.released_ms(PASS_TTL) > *at;
                waits && other.number <= one.number && (other.number > head || one.number <= head)
            });
            let rank = in_front.count() as u64;
            assert!(
                *position >= rank,
                "{} was shown {position}, and is {rank}",
                one.number
            );
        }
    }
}

/// Waits until the embedded default has written down that a line has come as far as this.
async fn checkpoint_reaches(stack: &Stack, furthest: &'static str, number: i64) {
    let file = stack.data_directory().join("stanchion.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .read_only(true);
    let database = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("the database can be read");

    eventually("the checkpoint", || async {
        let written = sqlx::query_scalar::<_, i64>(furthest)
            .fetch_one(&database)
            .await;
        (written.expect("the events") >= number).then_some(())
    })
    .await;
    database.close().await;
}

/// The embedded default keeps its line in memory: its end is a loss, and only what the clients have
/// kept brings them back.
async fn nobody_loses_their_place_over_a_restart(signal: Signal) {
    let mut stack = Stack::embedded().await;
    let queue = json!({"rate_per_second": 5, "burst": 1, "claim_window_seconds": 60});
    let sale = EventBuilder::new(&[100])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await;
    let visitors = Visitor::many("poller", 12);
    let mut tickets = Vec::new();
    for visitor in &visitors {
        tickets.push(sale.join(&stack.gateway(0).by(visitor)).await.expect(201)["ticket"].clone());
    }
    sale.open(&stack.operator()).await;
    checkpoint_reaches(&stack, "SELECT max(line_head) FROM events", 5).await;
    stack.restart(signal).await;

    let gateway = stack.gateway(0);
    let newcomer = sale.join(&gateway.by(&Visitor::new("newcomer"))).await;
    assert!(
        newcomer.has_retry_after(),
        "nobody new before the others are back: {}",
        newcomer.body
    );
    for (visitor, ticket) in visitors.iter().zip(&tickets) {
        let gateway = gateway.by(visitor);
        let unknown = sale.place(&gateway).await;
        assert!(
            unknown.has_retry_after(),
            "{} may be back in a moment: {}",
            visitor.name,
            unknown.body
        );
        let place = gateway
            .post(
                "/queue/join",
                &json!({"event_id": sale.event, "ticket": ticket}),
            )
            .await
            .expect(201);
        assert_eq!(place["reason"], "counting");
    }
    for (number, visitor) in (1..).zip(&visitors) {
        let gateway = gateway.by(visitor);
        let pass = eventually("a pass", || async {
            sale.place(&gateway).await.expect(200)["queue_pass"]
                .as_str()
                .map(str::to_owned)
        })
        .await;
        assert_eq!(
            Admission::new(visitor, &sale.event, &pass).claims.num,
            number
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_places_when_embedded_stops() {
    nobody_loses_their_place_over_a_restart(Signal::Terminate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_places_when_embedded_crashes() {
    nobody_loses_their_place_over_a_restart(Signal::Kill).await;
}

/// The process loses the positions that it sent; the client sends its last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_position_when_embedded_crashes() {
    let mut stack = Stack::embedded().await;
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let leavers = Visitor::many("leaver", 3);
    for visitor in &leavers {
        sale.join(&stack.gateway(0).by(visitor)).await.expect(201);
    }
    let stayers = Visitor::many("stayer", 3);
    let mut tickets = Vec::new();
    for visitor in &stayers {
        tickets.push(sale.join(&stack.gateway(0).by(visitor)).await.expect(201)["ticket"].clone());
    }
    for visitor in &leavers {
        stack
            .gateway(0)
            .by(visitor)
            .delete(&format!("/queue/leave?event_id={}", sale.event))
            .await
            .expect(200);
    }
    let told = sale
        .place(&stack.gateway(0).by(&stayers[2]))
        .await
        .expect(200)["position"]
        .clone();
    assert_eq!(told, 3);
    checkpoint_reaches(&stack, "SELECT max(line_sequence) FROM events", 6).await;
    stack.restart(Signal::Kill).await;

    let (gateway, mut socket) = (
        stack.gateway(0),
        Socket::open(stack.gateway_url(0), &stayers[1]).await,
    );
    let bound = socket.join(&sale.event, tickets[1].as_str()).await;
    assert!(
        matches!(bound, ServerMessage::Queued { position: 5, .. }),
        "nothing was said: {bound:?}"
    );
    socket
        .send_json(
            json!({"type": "join", "event_id": sale.event, "ticket": tickets[1], "position": 2}),
        )
        .await;
    let placed = |message| matches!(message, ServerMessage::Queued { .. }).then_some(message);
    let placed = socket.until("the place", placed).await;
    assert!(
        matches!(placed, ServerMessage::Queued { position: 2, .. }),
        "{placed:?}"
    );
    let join = json!({"event_id": sale.event, "ticket": tickets[2], "position": told});
    let last = gateway.by(&stayers[2]);
    assert_eq!(
        last.post("/queue/join", &join).await.expect(201)["position"],
        told
    );

    let of_another = json!({"event_id": sale.event, "ticket": tickets[2], "position": 1});
    let first = gateway.by(&stayers[0]);
    assert!(
        first
            .post("/queue/join", &of_another)
            .await
            .has_retry_after(),
        "the ticket of another brings nobody back"
    );
    for refused in [json!(-1), json!(1.5), json!("3"), json!(4_294_967_296_u64)] {
        let join = json!({"event_id": sale.event, "ticket": tickets[2], "position": refused});
        let problem = last.post("/queue/join", &join).await.expect(422);
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("position")),
            "{problem}"
        );
    }
    let exact = eventually("the line to be counted", || async {
        let place = sale.place(&last).await.expect(200);
        (place["total_in_queue"] == 2).then(|| place["position"].clone())
    })
    .await;
    assert_eq!(exact, 2);
}

/// The first users of a sale arrive in its first second, before any checkpoint of theirs. A second
/// crash then skips a million numbers, which no position may count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_numbers_over_crashes_before_first_checkpoint() {
    let mut stack = Stack::embedded().await;
    let sale = EventBuilder::new(&[100])
        .paused()
        .create(&stack.operator())
        .await;
    let visitors = Visitor::many("early", 3);
    let mut tickets = Vec::new();
    for visitor in &visitors {
        let place = sale.join(&stack.gateway(0).by(visitor)).await.expect(201);
        tickets.push(place["ticket"].clone());
    }

    stack.restart(Signal::Kill).await;

    let gateway = stack.gateway(0);
    let stranger = gateway.by(&Visitor::new("stranger"));
    assert!(sale.join(&stranger).await.has_retry_after());
    for (number, (visitor, ticket)) in (1..).zip(visitors.iter().zip(&tickets)) {
        let join = json!({"event_id": sale.event, "ticket": ticket});
        let gateway = gateway.by(visitor);
        let place = gateway.post("/queue/join", &join).await.expect(201);
        assert_eq!(place["position"], number, "{place}");
    }
    let place = eventually("the queue to be counted", || async {
        let answer = sale.join(&stranger).await;
        (!answer.has_retry_after()).then(|| answer.expect(201))
    })
    .await;
    assert_eq!(place["position"], 4);
    let ticket = place["ticket"].clone();
    checkpoint_reaches(&stack, "SELECT max(line_sequence) FROM events", 1_000_001).await;

    stack.restart(Signal::Kill).await;

    let stranger = stack.gateway(0).by(&Visitor::new("stranger"));
    let join = json!({"event_id": sale.event, "ticket": ticket});
    let unknown = stranger.post("/queue/join", &join).await;
    assert!(
        unknown.has_retry_after(),
        "no bound of a million: {}",
        unknown.body
    );
    let join = json!({"event_id": sale.event, "ticket": ticket, "position": 4});
    let place = stranger.post("/queue/join", &join).await.expect(200);
    assert_eq!(
        (&place["position"], &place["total_in_queue"]),
        (&json!(4), &json!(4))
    );
}
