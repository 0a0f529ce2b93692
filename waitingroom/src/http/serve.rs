//! The accept loop. Our own, because the framework's sets no limit on slow headers and forgets upgraded connections when it
//! shuts down.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::{lifecycle::Lifecycle, problem::Problem};

/// What one listener accepts.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Most connections at once; beyond it a connection is answered 503 and closed.
    pub connections: usize,
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
    /// 18,000 connections: what a limit of 20,000 file descriptors leaves after a reserve of a tenth. 10 s for headers,
    /// 120 s for silence. 30 s for clients that do not take what they are sent: longer than a phone needs to change cells.
    fn default() -> Self {
        Self {
            connections: 18_000,
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

/// Serves until the drain begins; the requests under way are finished by tasks of `lifecycle`. Connections that were upgraded to WebSockets belong
/// to the role that upgraded them.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, lifecycle: Lifecycle) {
    let places = Arc::new(Semaphore::new(limits.connections));
    PLACES.get_or_init(|| (Arc::clone(&places), limits.connections)); // a process has one listener
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lifecycle.draining() => break,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => connection(stream, peer, router.clone(), limits, &lifecycle, place),
                Err(_) => lifecycle.spawn("refuse", refuse(stream)),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors: let some close
            }
        }
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
    lifecycle: &Lifecycle,
    place: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true); // only a matter of speed
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(limits.write_timeout)); // elsewhere TCP's own patience
    let place = Arc::new(place);
    let first_request = CancellationToken::new();
    let arrived = first_request.clone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        arrived.cancel();
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Arc::clone(&place)); // an upgraded connection keeps its place by keeping this
        let mut router = router.clone();
        async move {
            let request: Request = request.map(Body::new);
            let Ok(router) = ServiceExt::<Request>::ready(&mut router).await;
            Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.idle_timeout).max_buf_size(16 * 1024);
    let draining = lifecycle.clone();
    lifecycle.spawn("connection", async move {
        tokio::select! {
            speaks = speaks(&stream, limits.idle_timeout) => if !speaks { return },
            () = draining.draining() => return,
        }
        let serving = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = serving.as_mut() => return, // a connection's end is its own affair
            () = missing(first_request, limits.header_timeout) => return,
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
async fn missing(first_request: CancellationToken, time: Duration) {
    if tokio::time::timeout(time, first_request.cancelled()).await.is_ok() {
        std::future::pending().await
    }
}

/// A full house says so, instead of leaving the client to guess.
async fn refuse(stream: TcpStream) {
    let problem = Problem::unavailable("this node has no room for another connection", Duration::from_secs(2));
    let body = problem.to_json();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 2\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let write = tokio::io::AsyncWriteExt::write_all(&mut { stream }, answer.as_bytes()).await;
    drop(write);
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
}
