//! The accept loop. Our own, because the framework's sets no limit on slow headers and forgets
//! upgraded connections when it shuts down.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{
    connection_limiter::{Admitted, ConnectionLimiter, Rejected},
    connection_slots::ConnectionSlot,
    descriptors::{self, DescriptorReserve},
    serve_limits::ServeLimits,
};
use crate::{
    problem::{Code, Problem},
    start_and_drain::Lifecycle,
};

/// A connection beyond the limit has this long to ask, and any has this long for its first byte
/// where room is short.
const SHORT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a connection that has not spoken looks whether room has become short.
const CROWDED_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Pause where there is no descriptor at all.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Time between two log lines of the same trouble.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What a connection begins with if a proxy in front speaks the PROXY protocol, version 1 or 2.
const PROXY_HEADERS: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// Serves until the drain begins; the requests under way are finished by tasks of `lifecycle`.
/// Connections that were upgraded to WebSockets belong to the role that upgraded them.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    lifecycle: Lifecycle,
) {
    let mut reserve = DescriptorReserve::new(limits.reserve);
    let mut last_logged: Option<Instant> = None;
    let limiter = Arc::new(ConnectionLimiter::new(router, limits, lifecycle.clone()));

    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lifecycle.draining() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                reserve.refill();
                // What was accepted on the reserve needs the descriptor of another, or is refused
                // in order.
                let admitted = if reserve.is_whole() || limiter.slots.evict_one() {
                    limiter.admit(peer)
                } else {
                    limiter.admit_overflow(Rejected::Descriptors)
                };
                if let Some(admitted) = admitted {
                    connection(&limiter, stream, peer, admitted, &lifecycle);
                }
            }
            Err(error) => {
                metrics::counter!(crate::metric_definitions::ACCEPT_ERRORS).increment(1);
                if last_logged.is_none_or(|at| at.elapsed() > LOG_INTERVAL) {
                    tracing::warn!(%error, "accept failed");
                    last_logged = Some(Instant::now());
                }
                free_descriptor(&error, &limiter, &mut reserve).await;
            }
        }
    }
}

/// Frees a descriptor to accept with. The system wants one before it looks whether a connection
/// waits at all.
async fn free_descriptor(
    error: &io::Error,
    limiter: &ConnectionLimiter,
    reserve: &mut DescriptorReserve,
) {
    if !descriptors::is_exhaustion(error) {
        return tokio::time::sleep(ACCEPT_RETRY_PAUSE).await; // a client that has gone already, say
    }
    if !reserve.lend() {
        limiter.overflow.evict_one();
        tokio::time::sleep(ACCEPT_RETRY_PAUSE).await;
        reserve.refill();
        reserve.lend();
    }
}

fn connection(
    limiter: &Arc<ConnectionLimiter>,
    stream: TcpStream,
    peer: SocketAddr,
    admitted: Admitted,
    lifecycle: &Lifecycle,
) {
    let limits = &limiter.limits;
    let _ = stream.set_nodelay(true); // only a matter of speed
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(limits.write_timeout)); // elsewhere TCP's own patience
    let is_full = matches!(admitted, Admitted::Full(_));
    let timeouts = if is_full {
        ConnectionTimeouts {
            first_byte: limits.first_byte_timeout,
            headers: limits.header_timeout,
            idle: limits.idle_timeout,
        }
    } else {
        ConnectionTimeouts {
            first_byte: SHORT_TIMEOUT,
            headers: SHORT_TIMEOUT,
            idle: SHORT_TIMEOUT,
        }
    };

    let arrived = Arc::new(AtomicBool::new(false));
    let (limiter, admitted, arrives) = (
        Arc::clone(limiter),
        Arc::new(admitted),
        Arc::clone(&arrived),
    );

    let holds = Arc::clone(&admitted);
    let service = hyper::service::service_fn(move |request| {
        arrives.store(true, Ordering::Relaxed);
        let (limiter, admitted) = (Arc::clone(&limiter), Arc::clone(&admitted));
        async move { limiter.serve(peer, admitted, request).await }
    });

    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.idle)
        .max_buf_size(16 * 1024)
        .keep_alive(is_full);

    let draining = lifecycle.clone();
    lifecycle.spawn("connection", async move {
        let slot = holds.slot();
        let first = tokio::select! {
            first = wait_for_first_byte(&stream, slot, timeouts.first_byte) => first,
            () = slot.evicted() => return,
            () = draining.draining() => return,
        };
        match first {
            FirstBytes::Request => {}
            FirstBytes::ProxyHeader => return refuse_proxy_header(stream).await,
            FirstBytes::Nothing => return count_timeout("silent"),
            FirstBytes::Closed => return,
        }
        let serving = builder
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = serving.as_mut() => return, // a connection's end is its own affair
            () = slot.evicted() => return,
            () = request_timeout(&arrived, timeouts.headers) => return count_timeout("headers"),
            () = draining.draining() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    });
}

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
struct ConnectionTimeouts {
    first_byte: Duration,
    headers: Duration,
    idle: Duration,
}

/// What a connection begins with.
enum FirstBytes {
    Request,
    ProxyHeader,
    Nothing,
    Closed,
}

/// Waits for the client's first bytes, for less time as soon as room is short.
async fn wait_for_first_byte(
    stream: &TcpStream,
    slot: &ConnectionSlot,
    timeout: Duration,
) -> FirstBytes {
    let began = Instant::now();
    let mut bytes = [0; 12];

    loop {
        let timeout = if slot.is_crowded() {
            timeout.min(SHORT_TIMEOUT)
        } else {
            timeout
        };
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return FirstBytes::Nothing;
        }
        match tokio::time::timeout(left.min(CROWDED_CHECK_INTERVAL), stream.peek(&mut bytes)).await
        {
            Ok(Ok(0) | Err(_)) => return FirstBytes::Closed,
            Ok(Ok(_)) if PROXY_HEADERS.iter().any(|header| bytes.starts_with(header)) => {
                return FirstBytes::ProxyHeader;
            }
            Ok(Ok(_)) => return FirstBytes::Request,
            Err(_) => {} // look around
        }
    }
}

/// Tells whoever looks at the proxy's side of the connection what is wrong with it.
async fn refuse_proxy_header(mut stream: TcpStream) {
    metrics::counter!(crate::metric_definitions::CONNECTIONS_REJECTED, "reason" => "proxy_protocol")
        .increment(1);
    let detail = "this listener does not speak the PROXY protocol: switch it off in the proxy, and let it set X-Forwarded-For";
    let problem = Problem::new(Code::Malformed, detail).to_json();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n\
         {problem}",
        problem.len()
    );

    // What lies unread when a connection is closed makes the kernel reset it, and the answer is
    // lost.
    let _ = stream.try_read(&mut [0; 4096]);
    let _ = tokio::time::timeout(SHORT_TIMEOUT, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}

/// Counts a connection that is closed because its client is too slow.
fn count_timeout(reason: &'static str) {
    metrics::counter!(crate::metric_definitions::CONNECTIONS_ABANDONED, "reason" => reason)
        .increment(1);
}

/// Returns where the first request does not arrive in time.
async fn request_timeout(arrived: &AtomicBool, time: Duration) {
    tokio::time::sleep(time).await;
    if arrived.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
