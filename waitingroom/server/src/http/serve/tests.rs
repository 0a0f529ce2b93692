//! Who is served, for how long, and what the others are told.

use std::convert::Infallible;

use axum::{body::Body, routing::get};
use tokio::io::AsyncReadExt;

use super::{super::Serves, *};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 4096];
    let count = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[tokio::test]
async fn who_never_reads_is_given_up() {
    let limits = ServeLimits {
        write_timeout: Duration::from_millis(500),
        ..ServeLimits::default()
    };
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
    let (mut silent, mut slow) = (
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    );
    slow.write_all(&REQUEST[..20]).await.unwrap();
    assert_eq!(read(&mut slow).await, "", "closed");

    // Idle for longer than headers may take.
    for idle in [&mut regular, &mut silent] {
        idle.write_all(REQUEST).await.unwrap();
        assert!(read(idle).await.ends_with("hello"));
    }
    assert_eq!(read(&mut silent).await, "", "closed after its time");
    assert!(lifecycle.drain_and_join(Duration::from_secs(20)).await);
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
    let routes = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/wait", get(wait));
    let news =
        || async { Body::from_stream(futures_util::stream::pending::<Result<&str, Infallible>>()) };
    let metrics = get(|| async { "figures" });
    let router = routes
        .route("/news", get(news))
        .route("/health", get(|| async { "well" }))
        .route("/metrics", metrics);

    lifecycle.spawn("accept", serve(listener, router, limits, lifecycle.clone()));
    (address, lifecycle, held)
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
    read.await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_full_house_says_so_and_still_tells_operators_of_its_health() {
    let (address, lifecycle, _held) = open(ServeLimits {
        connections: 2,
        ..ServeLimits::default()
    })
    .await;
    let mut guests = Vec::new();

    for _ in 0..2 {
        let mut guest = TcpStream::connect(address).await.unwrap();
        guest.write_all(REQUEST).await.unwrap();
        assert!(read(&mut guest).await.ends_with("hello"));
        guests.push(guest);
    }

    let upgrade =
        "GET /api/v1/ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let refused = ask(address, upgrade).await.to_lowercase();

    assert!(
        refused.starts_with("http/1.1 503") && refused.contains("retry-after: 2"),
        "{refused}"
    );
    assert!(
        ask(address, "GET /health HTTP/1.1\r\nhost: h\r\n\r\n")
            .await
            .ends_with("well")
    );
    drop(guests.pop());

    let mut answer = String::new();
    while !answer.starts_with("HTTP/1.1 200") {
        answer = ask(
            address,
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        )
        .await;
    }

    assert!(lifecycle.drain_and_join(Duration::from_secs(20)).await);
}

#[tokio::test]
async fn an_address_has_its_share_and_no_more() {
    let limits = ServeLimits {
        connections_per_address: Some(2),
        ..ServeLimits::default()
    };
    let (address, lifecycle, _held) = open(limits.clone()).await;
    let mut guests = Vec::new();
    for _ in 0..2 {
        let mut guest = TcpStream::connect(address).await.unwrap();
        guest.write_all(REQUEST).await.unwrap();
        assert!(read(&mut guest).await.ends_with("hello"));
        guests.push(guest);
    }
    let refused = ask(address, "GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .to_lowercase();
    assert!(
        refused.starts_with("http/1.1 429") && refused.contains("retry-after: 5"),
        "{refused}"
    );
    drop(guests);
    assert!(lifecycle.drain_and_join(Duration::from_secs(20)).await);

    // Behind a proxy, what counts is whom it forwards.
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let (address, lifecycle, held) = open(ServeLimits {
        trusted_proxies,
        ..limits
    })
    .await;
    let request = |path: &str, client: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: h\r\nx-forwarded-for: {client}\r\nconnection: close\r\n\r\n"
        )
    };
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(request("/wait", "203.0.113.9").as_bytes())
            .await
            .unwrap();
        waiting.push(stream);
    }
    while held.receiver_count() < 3 {
        tokio::task::yield_now().await; // the route's own, and one for each who waits
    }
    assert!(
        ask(address, &request("/", "203.0.113.9"))
            .await
            .starts_with("HTTP/1.1 429")
    );
    assert!(
        ask(address, &request("/", "203.0.113.10"))
            .await
            .ends_with("hello")
    );
    drop(held);
    for mut stream in waiting {
        assert!(read(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    while !ask(address, &request("/", "203.0.113.9"))
        .await
        .ends_with("hello")
    {}
    assert!(lifecycle.drain_and_join(Duration::from_secs(20)).await);
}

/// A connection that stays open for as long as this does, and is being answered.
async fn busy(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /news HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();
    assert!(read(&mut stream).await.starts_with("HTTP/1.1 200"));
    stream
}

const HELLO: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

/// Long enough for a busy machine; what these tests are about is refused at once otherwise, or
/// never answered.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn asked_at_once(address: SocketAddr, request: &str) -> String {
    tokio::time::timeout(AT_ONCE, ask(address, request))
        .await
        .expect("an answer at once")
}

#[tokio::test]
async fn silence_shuts_nobody_out() {
    let limits = ServeLimits {
        connections: 10,
        ..ServeLimits::default()
    };
    let (address, lifecycle, _held) = open(limits).await;
    let streams = [busy(address).await, busy(address).await];
    let mut silent = Vec::new();

    for _ in 0..50 {
        silent.push(TcpStream::connect(address).await.unwrap());
        assert!(asked_at_once(address, HELLO).await.ends_with("hello"));
    }

    for stream in streams {
        assert!(
            stream.try_read(&mut [0; 8]).is_err(),
            "what is being answered stays"
        );
    }

    drop((silent, lifecycle));
}

#[tokio::test]
async fn operators_are_served_among_those_who_say_nothing() {
    let limits = ServeLimits {
        connections: 2,
        spare: 4,
        ..ServeLimits::default()
    };
    let (address, _lifecycle, _held) = open(limits).await;
    let _streams = [busy(address).await, busy(address).await];
    let mut silent = Vec::new();

    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
        assert!(asked_at_once(address, HEALTH).await.ends_with("well"));
        assert!(
            asked_at_once(address, HELLO)
                .await
                .starts_with("HTTP/1.1 503")
        );
    }
}

#[tokio::test]
async fn who_never_speaks_is_closed_soon() {
    let limits = ServeLimits {
        first_byte_timeout: Duration::from_millis(300),
        ..ServeLimits::default()
    };
    let (address, _lifecycle, _held) = open(limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    assert_eq!(read(&mut silent).await, "");
    assert!(began.elapsed() >= Duration::from_millis(250));

    // The usual time is shorter where room is short.
    let (address, _lifecycle, _held) = open(ServeLimits {
        connections: 1,
        ..ServeLimits::default()
    })
    .await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    assert_eq!(read(&mut silent).await, "");
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_lame_duck_serves_and_lets_each_connection_go() {
    let (address, lifecycle, _held) = open(ServeLimits::default()).await;
    let mut kept = TcpStream::connect(address).await.unwrap();

    kept.write_all(REQUEST).await.unwrap();
    let answer = read(&mut kept).await;

    assert!(
        answer.ends_with("hello") && !answer.contains("connection: close"),
        "{answer}"
    );
    lifecycle.begin_lame_duck();
    kept.write_all(REQUEST).await.unwrap();

    let answer = read(&mut kept).await;
    assert!(
        answer.ends_with("hello") && answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(read(&mut kept).await, "", "closed");

    let answer = asked_at_once(address, "GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(
        answer.ends_with("hello") && answer.contains("connection: close"),
        "{answer}"
    );
    assert!(lifecycle.drain_and_join(Duration::from_secs(20)).await);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn operators_have_a_listener_of_their_own() {
    let (public, _one, _held) = open(ServeLimits {
        serves: Serves::Visitors,
        ..ServeLimits::default()
    })
    .await;
    let (admin, _two, _held) = open(ServeLimits {
        serves: Serves::Operators,
        ..ServeLimits::default()
    })
    .await;

    let metrics = "GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    for (address, request, answer) in [
        (public, HELLO, "200"),
        (public, HEALTH, "200"),
        (public, metrics, "404"),
        (admin, HELLO, "404"),
        (admin, HEALTH, "200"),
        (admin, metrics, "200"),
    ] {
        let answered = asked_at_once(address, request).await;
        assert!(
            answered.starts_with(&format!("HTTP/1.1 {answer}")),
            "{request} {answered}"
        );
    }
}

#[tokio::test]
async fn a_stream_counts_for_the_address_that_a_proxy_forwards() {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let limits = ServeLimits {
        connections_per_address: Some(2),
        trusted_proxies,
        ..ServeLimits::default()
    };

    let (address, _lifecycle, _held) = open(limits).await;
    let request = |path: &str, client: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: h\r\nx-forwarded-for: {client}\r\nconnection: close\r\n\r\n"
        )
    };

    let mut streams = Vec::new();
    for port in [4711, 4712] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(request("/news", &format!("203.0.113.9:{port}")).as_bytes())
            .await
            .unwrap();
        assert!(read(&mut stream).await.starts_with("HTTP/1.1 200"));
        streams.push(stream);
    }

    assert!(
        asked_at_once(address, &request("/", "203.0.113.9"))
            .await
            .starts_with("HTTP/1.1 429")
    );
    assert!(
        asked_at_once(address, &request("/", "203.0.113.10:4711"))
            .await
            .ends_with("hello")
    );
    streams.pop();

    while !ask(address, &request("/", "203.0.113.9"))
        .await
        .ends_with("hello")
    {}
}

#[tokio::test]
async fn a_proxy_that_speaks_the_proxy_protocol_is_told_so() {
    let (address, _lifecycle, _held) = open(ServeLimits::default()).await;
    let first = "PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n";
    let second = format!("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c{}", "\0".repeat(12));

    for header in [first, &second] {
        let answer = asked_at_once(address, header).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("PROXY protocol"),
            "{answer}"
        );
    }
}
