//! The accept loop. Our own, because the framework's sets no limit on slow headers and forgets upgraded connections when it
//! shuts down.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::{Service, ServiceExt};

use super::address::{AddressPlace, Addresses, client_address, is_trusted};
use crate::{
    lifecycle::Lifecycle,
    problem::{Code, Problem},
};

/// What one listener accepts.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Most connections at once; beyond it a connection is answered 503 and closed, save that operators are still served.
    pub connections: usize,
    /// Most connections at once of one address (of one /64 network, with IPv6); beyond it they are answered 429. Behind a
    /// trusted proxy: most sockets, streams and requests of the forwarded address.
    pub connections_per_address: Option<usize>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Time for the headers of a connection's first request, once it has begun to arrive.
    pub header_timeout: Duration,
    /// How long a connection may stand idle, before its first request and between two. Longer than clients keep one in
    /// their pools (proxies 30 to 60 s, libraries up to 90 s): who closes first must be the client, or a request that may
    /// not be repeated is lost on a connection that is just being closed.
    pub idle_timeout: Duration,
    /// How long what was sent may stay unacknowledged, or a client may leave its window shut, before the connection is given
    /// up (`TCP_USER_TIMEOUT`): the deadline of every write, also of streams that nobody reads.
    pub write_timeout: Duration,
}

impl Default for ServeLimits {
    /// 19,000 connections: what a limit of 20,000 file descriptors leaves after a reserve of a twentieth. 10 s for headers,
    /// 120 s for silence. 30 s for clients that do not take what they are sent: longer than a phone needs to change cells.
    fn default() -> Self {
        Self {
            connections: 19_000,
            connections_per_address: None,
            trusted_proxies: Vec::new(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// The places of this process's listener, and how many there are.
static PLACES: OnceLock<(Arc<Semaphore>, usize)> = OnceLock::new();

/// How many connections this process serves, upgraded ones among them.
pub fn open_connections() -> u64 {
    PLACES.get().map_or(0, |(free, all)| all.saturating_sub(free.available_permits()) as u64)
}

/// Connections beyond the limit that are served at the same time, to be refused in order, or for operators; beyond them
/// connections are closed without a word.
const SPARE: usize = 64;
/// A connection beyond the limit has this long to ask.
const SPARE_TIME: Duration = Duration::from_secs(2);

/// A connection's place among the listener's; kept in a request's extensions. What outlives its request (a socket, a stream)
/// keeps it for as long as it lives.
#[derive(Debug, Clone)]
pub struct Place(#[expect(dead_code, reason = "held for its end")] Arc<Held>);

#[derive(Debug)]
#[expect(dead_code, reason = "held for its end")]
enum Held {
    Connection(OwnedSemaphorePermit, Option<AddressPlace>),
    Forwarded(Place, AddressPlace),
}

/// Why a connection is not served.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Full,
    Address,
}

impl Refusal {
    fn counted(self) -> Self {
        let reason = match self {
            Self::Full => "full",
            Self::Address => "address",
        };
        metrics::counter!("stanchion_connections_refused_total", "reason" => reason).increment(1);
        self
    }

    fn answer(self) -> Response {
        let problem = match self {
            Self::Full => Problem::unavailable("this node has no room for another connection", Duration::from_secs(2)),
            Self::Address => Problem::new(Code::RateLimited, "too many connections from this address")
                .retry_after(Duration::from_secs(5)),
        };
        let mut response = problem.into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// What a connection may do.
enum Admitted {
    Whole(Place),
    Spare(Refusal, #[expect(dead_code, reason = "held for its end")] OwnedSemaphorePermit),
}

/// Decides who is served.
struct Door {
    limits: ServeLimits,
    router: Router,
    places: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

impl Door {
    fn new(router: Router, limits: ServeLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        PLACES.get_or_init(|| (Arc::clone(&places), limits.connections)); // a process has one listener
        let addresses = Addresses::new(limits.connections_per_address);
        Self { limits, router, places, spare: Arc::new(Semaphore::new(SPARE)), addresses }
    }

    /// Nothing where even refusing would take too much.
    fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        let refusal = match self.enter(peer) {
            Ok(place) => return Some(Admitted::Whole(place)),
            Err(refusal) => refusal.counted(),
        };
        let spare = Arc::clone(&self.spare).try_acquire_owned().ok()?;
        Some(Admitted::Spare(refusal, spare))
    }

    fn enter(&self, peer: SocketAddr) -> Result<Place, Refusal> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Full)?;
        let forwards = is_trusted(peer.ip(), &self.limits.trusted_proxies);
        let address = if forwards { Ok(None) } else { self.addresses.enter(peer.ip()) };
        Ok(Place(Arc::new(Held::Connection(permit, address.map_err(|_| Refusal::Address)?))))
    }

    /// The place of one request; behind a trusted proxy it counts for the address that it forwards.
    fn place_of(&self, place: &Place, peer: SocketAddr, request: &hyper::Request<Incoming>) -> Result<Place, Refusal> {
        let trusted = &self.limits.trusted_proxies;
        let address = client_address(peer.ip(), request.headers(), trusted);
        if address == peer.ip() {
            return Ok(place.clone());
        }
        let forwarded = self.addresses.enter(address).map_err(|_| Refusal::Address.counted())?;
        Ok(forwarded.map_or_else(|| place.clone(), |share| Place(Arc::new(Held::Forwarded(place.clone(), share)))))
    }

    async fn serve(
        &self,
        peer: SocketAddr,
        admitted: &Admitted,
        mut request: hyper::Request<Incoming>,
    ) -> Result<Response, Infallible> {
        let place = match admitted {
            Admitted::Spare(refusal, _) if !is_for_operators(request.uri().path()) => return Ok(refusal.answer()),
            Admitted::Spare(..) => None,
            Admitted::Whole(place) => match self.place_of(place, peer, &request) {
                Ok(place) => Some(place), // held until the answer, whatever becomes of the request
                Err(refusal) => return Ok(refusal.answer()),
            },
        };
        if let Some(place) = &place {
            request.extensions_mut().insert(place.clone());
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        let request: Request = request.map(Body::new);
        let mut router = self.router.clone();
        let Ok(router) = ServiceExt::<Request>::ready(&mut router).await;
        router.call(request).await
    }
}

/// What is served even if there is no room: whoever looks after the node must not be locked out of it.
fn is_for_operators(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/metrics") || path.starts_with("/api/v1/admin/")
}

/// Serves until the drain begins; the requests under way are finished by tasks of `lifecycle`. Connections that were upgraded to
/// WebSockets belong to the role that upgraded them.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, lifecycle: Lifecycle) {
    let door = Arc::new(Door::new(router, limits));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lifecycle.draining() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(admitted) = door.admit(peer) {
                    connection(&door, stream, peer, admitted, &lifecycle);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                metrics::counter!("stanchion_accept_errors_total").increment(1);
                tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors: let some close
            }
        }
    }
}

fn connection(door: &Arc<Door>, stream: TcpStream, peer: SocketAddr, admitted: Admitted, lifecycle: &Lifecycle) {
    let limits = &door.limits;
    let _ = stream.set_nodelay(true); // only a matter of speed
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(limits.write_timeout)); // elsewhere TCP's own patience
    let whole = matches!(admitted, Admitted::Whole(_));
    let (idle_timeout, header_timeout) =
        if whole { (limits.idle_timeout, limits.header_timeout) } else { (SPARE_TIME, SPARE_TIME) };
    let arrived = Arc::new(AtomicBool::new(false));
    let (door, admitted, arrives) = (Arc::clone(door), Arc::new(admitted), Arc::clone(&arrived));
    let service = hyper::service::service_fn(move |request| {
        arrives.store(true, Ordering::Relaxed);
        let (door, admitted) = (Arc::clone(&door), Arc::clone(&admitted));
        async move { door.serve(peer, &admitted, request).await }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(idle_timeout).max_buf_size(16 * 1024).keep_alive(whole);
    let draining = lifecycle.clone();
    lifecycle.spawn("connection", async move {
        tokio::select! {
            speaks = speaks(&stream, idle_timeout) => if !speaks { return },
            () = draining.draining() => return,
        }
        let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = serving.as_mut() => return, // a connection's end is its own affair
            () = missing(&arrived, header_timeout) => return,
            () = draining.draining() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    });
}

/// Does the client say anything before this time is over? Pools and browsers open connections ahead of their need.
async fn speaks(stream: &TcpStream, time: Duration) -> bool {
    let first_byte = tokio::time::timeout(time, stream.peek(&mut [0])).await;
    first_byte.is_ok_and(|read| read.is_ok_and(|bytes| bytes > 0))
}

/// Returns where the first request does not arrive in time.
async fn missing(arrived: &AtomicBool, time: Duration) {
    tokio::time::sleep(time).await;
    if arrived.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    async fn read(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 4096];
        let count = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn who_never_reads_is_given_up() {
        let limits = ServeLimits { write_timeout: Duration::from_millis(500), ..ServeLimits::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lifecycle, _crashes) = Lifecycle::new();
        let (held, mut given_up) = tokio::sync::mpsc::channel::<()>(1);
        let endless = move || {
            let held = held.clone();
            let chunk = axum::body::Bytes::from_static(&[0; 16 * 1024]);
            async move {
                Body::from_stream(futures_util::stream::repeat_with(move || {
                    let _held = &held;
                    Ok::<_, Infallible>(chunk.clone())
                }))
            }
        };
        let router = Router::new().route("/", get(endless));
        lifecycle.spawn("accept", serve(listener, router, limits, lifecycle.clone()));
        let mut reader = TcpStream::connect(address).await.unwrap();
        reader.write_all(REQUEST).await.unwrap();
        reader.readable().await.unwrap();
        lifecycle.begin_drain(); // the accept loop lets go of the route: only the stream holds on to it
        let ended = tokio::time::timeout(Duration::from_secs(20), given_up.recv()).await;
        assert_eq!(ended, Ok(None), "the stream is dropped");
        drop(reader);
    }

    #[tokio::test]
    async fn who_dawdles_is_closed_and_who_is_idle_may_ask_later() {
        let limits = ServeLimits {
            header_timeout: Duration::from_millis(200),
            idle_timeout: Duration::from_secs(3),
            ..ServeLimits::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lifecycle, _crashes) = Lifecycle::new();
        let router = Router::new().route("/", get(|| async { "hello" }));
        lifecycle.spawn("accept", serve(listener, router, limits, lifecycle.clone()));

        let mut regular = TcpStream::connect(address).await.unwrap();
        regular.write_all(REQUEST).await.unwrap();
        assert!(read(&mut regular).await.ends_with("hello"));
        let (mut silent, mut slow) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        slow.write_all(&REQUEST[..20]).await.unwrap();
        assert_eq!(read(&mut slow).await, "", "closed");

        // Idle for longer than headers may take.
        for idle in [&mut regular, &mut silent] {
            idle.write_all(REQUEST).await.unwrap();
            assert!(read(idle).await.ends_with("hello"));
        }
        assert_eq!(read(&mut silent).await, "", "closed after its time");
        assert!(lifecycle.finish(Duration::from_secs(20)).await);
    }

    /// A listener with these limits, whose `/wait` answers when the sender is dropped.
    async fn open(limits: ServeLimits) -> (SocketAddr, Lifecycle, tokio::sync::watch::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lifecycle, _crashes) = Lifecycle::new();
        let (held, waits) = tokio::sync::watch::channel(());
        let wait = move || {
            let mut waits = waits.clone();
            async move { drop(waits.changed().await) }
        };
        let routes = Router::new().route("/", get(|| async { "hello" })).route("/wait", get(wait));
        let router = routes.route("/health", get(|| async { "well" }));
        lifecycle.spawn("accept", serve(listener, router, limits, lifecycle.clone()));
        (address, lifecycle, held)
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let whole = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
        whole.await.unwrap().unwrap();
        answer
    }

    #[tokio::test]
    async fn a_full_house_says_so_and_still_tells_operators_of_its_health() {
        let (address, lifecycle, _held) = open(ServeLimits { connections: 2, ..ServeLimits::default() }).await;
        let mut guests = Vec::new();
        for _ in 0..2 {
            let mut guest = TcpStream::connect(address).await.unwrap();
            guest.write_all(REQUEST).await.unwrap();
            assert!(read(&mut guest).await.ends_with("hello"));
            guests.push(guest);
        }
        let upgrade = "GET /api/v1/ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let refused = ask(address, upgrade).await.to_lowercase();
        assert!(refused.starts_with("http/1.1 503") && refused.contains("retry-after: 2"), "{refused}");
        assert!(ask(address, "GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await.ends_with("well"));
        drop(guests.pop());
        let mut answer = String::new();
        while !answer.starts_with("HTTP/1.1 200") {
            answer = ask(address, "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
        }
        assert!(lifecycle.finish(Duration::from_secs(20)).await);
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_no_more() {
        let limits = ServeLimits { connections_per_address: Some(2), ..ServeLimits::default() };
        let (address, lifecycle, _held) = open(limits.clone()).await;
        let mut guests = Vec::new();
        for _ in 0..2 {
            let mut guest = TcpStream::connect(address).await.unwrap();
            guest.write_all(REQUEST).await.unwrap();
            assert!(read(&mut guest).await.ends_with("hello"));
            guests.push(guest);
        }
        let refused = ask(address, "GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.to_lowercase();
        assert!(refused.starts_with("http/1.1 429") && refused.contains("retry-after: 5"), "{refused}");
        drop(guests);
        assert!(lifecycle.finish(Duration::from_secs(20)).await);

        // Behind a proxy, what counts is whom it forwards.
        let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        let (address, lifecycle, held) = open(ServeLimits { trusted_proxies, ..limits }).await;
        let request = |path: &str, client: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: h\r\nx-forwarded-for: {client}\r\nconnection: close\r\n\r\n")
        };
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request("/wait", "203.0.113.9").as_bytes()).await.unwrap();
            waiting.push(stream);
        }
        while held.receiver_count() < 3 {
            tokio::task::yield_now().await; // the route's own, and one for each who waits
        }
        assert!(ask(address, &request("/", "203.0.113.9")).await.starts_with("HTTP/1.1 429"));
        assert!(ask(address, &request("/", "203.0.113.10")).await.ends_with("hello"));
        drop(held);
        for mut stream in waiting {
            assert!(read(&mut stream).await.starts_with("HTTP/1.1 200"));
        }
        while !ask(address, &request("/", "203.0.113.9")).await.ends_with("hello") {}
        assert!(lifecycle.finish(Duration::from_secs(20)).await);
    }
}
