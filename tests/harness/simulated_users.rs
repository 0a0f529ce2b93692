//! Simulated users: one who waits in line on any transport, or many at the same time.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};
use waitingroom_server::protocol::ServerMessage;

use crate::{
    admission::Admission,
    rest::Rest,
    sale::Sale,
    shopping::with_retries,
    socket::Socket,
    stream::PositionStream,
    tokens,
    visitor::Visitor,
    wait::{eventually, with_timeout},
};

/// Connections that are opened at the same time. More would measure the listener's backlog.
const MAX_CONCURRENT_CONNECTS: usize = 64;

/// Interval of a client that polls.
const CLIENT_POLL_INTERVAL: Duration = Duration::from_millis(1_000);

/// Time for a crowd to be admitted, beyond that of one request.
const CROWD_TIMEOUT: Duration = Duration::from_secs(180);

/// How a visitor waits in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// On a WebSocket.
    Socket,
    /// On server-sent events.
    Stream,
    /// By polling.
    Polling,
}

/// The positions that one client receives: they must never grow.
#[derive(Debug, Default)]
pub struct MonotonicPositions(Option<u64>);

impl MonotonicPositions {
    /// Adds the next position.
    #[track_caller]
    pub fn observe(&mut self, position: u64) {
        assert!(
            self.0.is_none_or(|before| position <= before),
            "a position grew from {:?} to {position}",
            self.0
        );
        self.0 = Some(position);
    }
}

/// Limits how many run at the same time.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimit(Arc<Semaphore>);

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self::new(MAX_CONCURRENT_CONNECTS)
    }
}

impl ConcurrencyLimit {
    /// Lets this many run.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max)))
    }

    /// Runs the work once it is within the limit.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let _permit = self
            .0
            .acquire()
            .await
            .expect("the semaphore is never closed");
        work.await
    }
}

/// Waits in the queue until the pass has arrived.
pub async fn wait_for_pass(
    gateway: &Rest,
    url: &str,
    sale: &Sale,
    visitor: &Visitor,
    transport: Transport,
    limit: &ConcurrencyLimit,
) -> Admission {
    let work = async {
        match transport {
            Transport::Socket => by_socket(url, sale, visitor, limit).await,
            Transport::Stream => by_stream(&gateway.by(visitor), sale, visitor, limit).await,
            Transport::Polling => by_polling(&gateway.by(visitor), sale, visitor, limit).await,
        }
    };

    // Many users may be in front.
    tokio::time::timeout(Duration::from_secs(120), work)
        .await
        .unwrap_or_else(|_| panic!("{} never got a pass", visitor.name))
}

async fn by_socket(
    url: &str,
    sale: &Sale,
    visitor: &Visitor,
    limit: &ConcurrencyLimit,
) -> Admission {
    let (mut socket, answer) = limit
        .run(async {
            let mut socket = Socket::open(url, visitor).await;
            let answer = socket.join(&sale.event, None).await;
            (socket, answer)
        })
        .await;
    let admission = take_pass(&mut socket, answer, sale, visitor).await;

    socket.close().await;
    admission
}

/// Waits on a socket that has joined, and acknowledges the pass.
pub async fn take_pass(
    socket: &mut Socket,
    joined: ServerMessage,
    sale: &Sale,
    visitor: &Visitor,
) -> Admission {
    let (mut positions, mut number) = (MonotonicPositions::default(), None);
    let mut message = joined;

    loop {
        match message {
            ServerMessage::Queued {
                ticket, position, ..
            } => {
                positions.observe(position);
                number = Some(tokens::ticket_number(&ticket, &visitor.name, &sale.event));
            }
            ServerMessage::Position { position, .. } => positions.observe(position),
            ServerMessage::Pass {
                pass_id,
                queue_pass,
                ..
            } => {
                socket
                    .send_json(json!({"type": "ack", "pass_id": pass_id}))
                    .await;
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

async fn by_stream(
    gateway: &Rest,
    sale: &Sale,
    visitor: &Visitor,
    limit: &ConcurrencyLimit,
) -> Admission {
    let mut stream = limit
        .run(async {
            sale.join(gateway).await.expect(201);
            PositionStream::open(gateway, sale).await
        })
        .await;
    let mut positions = MonotonicPositions::default();

    while let Some((event, place)) = stream.next().await {
        match event.as_str() {
            "position" => {
                if let Some(admission) = admission_from(&mut positions, &place, sale, visitor) {
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

async fn by_polling(
    gateway: &Rest,
    sale: &Sale,
    visitor: &Visitor,
    limit: &ConcurrencyLimit,
) -> Admission {
    let mut positions = MonotonicPositions::default();
    let mut place = limit.run(sale.join(gateway)).await.expect(201);

    loop {
        if let Some(admission) = admission_from(&mut positions, &place, sale, visitor) {
            return admission;
        }
        tokio::time::sleep(CLIENT_POLL_INTERVAL).await;
        place = with_retries(|| sale.place(gateway)).await.expect(200);
    }
}

/// Checks a response with a place; the pass, if it is there.
fn admission_from(
    positions: &mut MonotonicPositions,
    place: &Value,
    sale: &Sale,
    visitor: &Visitor,
) -> Option<Admission> {
    let position = place["position"].as_u64().expect("a place has a position");
    positions.observe(position);
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

/// Joins by REST and takes the pass of a queue that releases at once.
pub async fn admit(gateway: &Rest, sale: &Sale, visitor: &Visitor) -> Admission {
    let gateway = gateway.by(visitor);
    let joined = sale.join(&gateway).await;

    assert!(
        matches!(joined.status, 200 | 201),
        "{}: {}",
        joined.request,
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

/// Runs all work concurrently; the results are in no order. A panic in one is the caller's.
pub async fn run_all<T: Send + 'static>(
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
    let limit = ConcurrencyLimit::default();
    let work = visitors.iter().enumerate().map(|(at, visitor)| {
        let (gateway, sale, visitor, limit) = (
            gateways[at % gateways.len()].clone(),
            sale.clone(),
            visitor.clone(),
            limit.clone(),
        );
        async move { limit.run(admit(&gateway, &sale, &visitor)).await }
    });

    tokio::time::timeout(CROWD_TIMEOUT, run_all(work))
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
    let limit = ConcurrencyLimit::default();
    let work = visitors.iter().enumerate().map(|(at, visitor)| {
        let (url, sale, visitor, limit) = (
            urls[at % urls.len()].clone(),
            sale.clone(),
            visitor.clone(),
            limit.clone(),
        );
        async move {
            limit
                .run(async {
                    let mut socket = Socket::open(&url, &visitor).await;
                    let (ticket, position) = socket.queue(&sale.event, None).await;
                    (visitor, socket, ticket, position)
                })
                .await
        }
    });
    with_timeout("a crowd to stand in line", run_all(work)).await
}
