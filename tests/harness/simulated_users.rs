//! Ways through the line, and many visitors who go them at once.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};
use waitingroom::wire::ServerMessage;

use crate::{
    admission::Admission,
    rest::Rest,
    sale::Sale,
    shopping::insistently,
    socket::Socket,
    stream::PositionStream,
    tokens,
    visitor::Visitor,
    wait::{eventually, patiently},
};

/// Visitors who knock at the same moment. More would measure the listener's backlog.
const AT_ONCE: usize = 64;

/// Pause of a client that polls.
const POLL_PAUSE: Duration = Duration::from_millis(1_000);

/// How a visitor waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On a WebSocket.
    Socket,
    /// On server-sent events.
    Stream,
    /// By asking again and again.
    Polling,
}

/// Positions as they were shown to one client: they must never grow.
#[derive(Debug, Default)]
pub struct Shown(Option<u64>);

impl Shown {
    /// One more.
    #[track_caller]
    pub fn see(&mut self, position: u64) {
        assert!(
            self.0.is_none_or(|before| position <= before),
            "a position grew from {:?} to {position}",
            self.0
        );
        self.0 = Some(position);
    }
}

/// Lets a few pass a door at the same time.
#[derive(Debug, Clone)]
pub struct Door(Arc<Semaphore>);

impl Default for Door {
    fn default() -> Self {
        Self::of(AT_ONCE)
    }
}

impl Door {
    /// One that lets this many through.
    pub fn of(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Does this at the door.
    pub async fn pass<T>(&self, work: impl Future<Output = T>) -> T {
        let _permit = self.0.acquire().await.expect("the door is never closed");
        work.await
    }
}

/// Waits in line until the pass has arrived.
pub async fn wait_for_pass(
    gateway: &Rest,
    url: &str,
    sale: &Sale,
    visitor: &Visitor,
    way: Way,
    door: &Door,
) -> Admission {
    let work = async {
        match way {
            Way::Socket => by_socket(url, sale, visitor, door).await,
            Way::Stream => by_stream(&gateway.by(visitor), sale, visitor, door).await,
            Way::Polling => by_polling(&gateway.by(visitor), sale, visitor, door).await,
        }
    };
    // A whole crowd may be in front.
    tokio::time::timeout(Duration::from_secs(120), work)
        .await
        .unwrap_or_else(|_| panic!("{} never got a pass", visitor.name))
}

async fn by_socket(url: &str, sale: &Sale, visitor: &Visitor, door: &Door) -> Admission {
    let (mut socket, answer) = door
        .pass(async {
            let mut socket = Socket::open(url, visitor).await;
            let answer = socket.join(&sale.event, None).await;
            (socket, answer)
        })
        .await;
    let admission = take_pass(&mut socket, answer, sale, visitor).await;
    socket.close().await;
    admission
}

/// Follows the line on a socket that has joined, and acknowledges the pass.
pub async fn take_pass(
    socket: &mut Socket,
    joined: ServerMessage,
    sale: &Sale,
    visitor: &Visitor,
) -> Admission {
    let (mut shown, mut number) = (Shown::default(), None);
    let mut message = joined;
    loop {
        match message {
            ServerMessage::Queued {
                ticket, position, ..
            } => {
                shown.see(position);
                number = Some(tokens::ticket_number(&ticket, &visitor.name, &sale.event));
            }
            ServerMessage::Position { position, .. } => shown.see(position),
            ServerMessage::Pass {
                pass_id,
                queue_pass,
                ..
            } => {
                socket.say(json!({"type": "ack", "pass_id": pass_id})).await;
                let admission = Admission::new(visitor, &sale.event, &queue_pass);
                assert_eq!(admission.claims.jti, pass_id.as_str());
                assert!(
                    number.is_none_or(|number| number == admission.claims.num),
                    "the pass is for the ticket's number"
                );
                return admission;
            }
            ServerMessage::Event { .. } => {}
            other => panic!("{} waited for a pass and heard {other:?}", visitor.name),
        }
        message = socket.until("the pass", Some).await;
    }
}

async fn by_stream(gateway: &Rest, sale: &Sale, visitor: &Visitor, door: &Door) -> Admission {
    let mut stream = door
        .pass(async {
            sale.join(gateway).await.expect(201);
            PositionStream::open(gateway, sale).await
        })
        .await;
    let mut shown = Shown::default();
    while let Some((event, place)) = stream.next().await {
        match event.as_str() {
            "position" => {
                if let Some(admission) = see(&mut shown, &place, sale, visitor) {
                    return admission;
                }
            }
            "state" => {}
            _ => panic!(
                "{} waited for a pass and the stream said {event}: {place}",
                visitor.name
            ),
        }
    }
    panic!("{}'s stream ended before the pass", visitor.name)
}

async fn by_polling(gateway: &Rest, sale: &Sale, visitor: &Visitor, door: &Door) -> Admission {
    let mut shown = Shown::default();
    let mut place = door.pass(sale.join(gateway)).await.expect(201);
    loop {
        if let Some(admission) = see(&mut shown, &place, sale, visitor) {
            return admission;
        }
        tokio::time::sleep(POLL_PAUSE).await;
        place = insistently(|| sale.place(gateway)).await.expect(200);
    }
}

/// A *place*: the pass, if it is there.
fn see(shown: &mut Shown, place: &Value, sale: &Sale, visitor: &Visitor) -> Option<Admission> {
    let position = place["position"].as_u64().expect("a place has a position");
    shown.see(position);
    let ready = place["is_ready"]
        .as_bool()
        .expect("a place says whether it is ready");
    assert_eq!(ready, position == 0, "position 0 means ready: {place}");
    let number = tokens::ticket_number(
        place["ticket"].as_str().expect("ticket"),
        &visitor.name,
        &sale.event,
    );
    ready.then(|| {
        let admission = Admission::new(
            visitor,
            &sale.event,
            place["queue_pass"].as_str().expect("the pass"),
        );
        assert_eq!(
            admission.claims.num, number,
            "the pass is for the ticket's number"
        );
        assert_eq!(place["pass_id"], admission.claims.jti.as_str());
        admission
    })
}

/// Joins by REST and takes the pass of a line that releases at once.
pub async fn admit(gateway: &Rest, sale: &Sale, visitor: &Visitor) -> Admission {
    let gateway = gateway.by(visitor);
    let joined = sale.join(&gateway).await;
    assert!(
        matches!(joined.status, 200 | 201),
        "{}: {}",
        joined.asked,
        joined.body
    );
    let what = format!("the pass of {}", visitor.name);
    let place = eventually(&what, || async {
        let place = sale.place(&gateway).await.expect(200);
        place["is_ready"]
            .as_bool()
            .expect("is_ready")
            .then_some(place)
    });
    Admission::new(
        visitor,
        &sale.event,
        place.await["queue_pass"].as_str().expect("the pass"),
    )
}

/// Does the work of everyone at once; the results in no order. A panic in one is the caller's.
pub async fn everyone<T: Send + 'static>(
    work: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for one in work {
        tasks.spawn(one);
    }
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results
}

/// Admits a crowd by REST, spread over the gateways.
pub async fn admit_all(gateways: &[Rest], sale: &Sale, visitors: &[Visitor]) -> Vec<Admission> {
    let door = Door::default();
    let work = visitors.iter().enumerate().map(|(at, visitor)| {
        let (gateway, sale, visitor, door) = (
            gateways[at % gateways.len()].clone(),
            sale.clone(),
            visitor.clone(),
            door.clone(),
        );
        async move { door.pass(admit(&gateway, &sale, &visitor)).await }
    });
    patiently_long(everyone(work)).await
}

async fn patiently_long<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), work)
        .await
        .unwrap_or_else(|_| panic!("a crowd was not admitted in time"))
}

/// A socket in line for each visitor, spread over the gateways: the socket, the ticket, the
/// position.
pub async fn queue_all(
    urls: &[String],
    sale: &Sale,
    visitors: &[Visitor],
) -> Vec<(Visitor, Socket, String, u64)> {
    let door = Door::default();
    let work = visitors.iter().enumerate().map(|(at, visitor)| {
        let (url, sale, visitor, door) = (
            urls[at % urls.len()].clone(),
            sale.clone(),
            visitor.clone(),
            door.clone(),
        );
        async move {
            door.pass(async {
                let mut socket = Socket::open(&url, &visitor).await;
                let (ticket, position) = socket.queue(&sale.event, None).await;
                (visitor, socket, ticket, position)
            })
            .await
        }
    });
    patiently("a crowd to stand in line", everyone(work)).await
}
