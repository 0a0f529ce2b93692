//! How a process accepts connections: at the limit of file descriptors, during a shutdown, with
//! bodies that are too large, behind proxies, and for operators.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use stanchion_tests::{
    EventBuilder, Shape, Stack, Visitor, eventually, ports,
    process::Signal,
    stack::{LAME_DUCK_SECONDS, Role},
    tokens,
    wait::within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for a busy machine; without room, an answer would not come at all.
const PROMPT: Duration = Duration::from_secs(5);

/// A connection of its own, which the answer leaves open.
async fn send(url: &str, request: &str) -> std::io::Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
    stream.write_all(request.as_bytes()).await?;

    let mut head = vec![0; 4096];
    let count = stream.read(&mut head).await?;

    head.truncate(count);
    let head = String::from_utf8_lossy(&head).to_lowercase();

    if head.is_empty() {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok((stream, head))
    }
}

async fn get(url: &str, path: &str) -> std::io::Result<(TcpStream, String)> {
    send(
        url,
        &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    )
    .await
}

async fn get_promptly(url: &str, path: &str) -> String {
    let answer = timeout(PROMPT, get(url, path))
        .await
        .unwrap_or_else(|_| panic!("{path} is not answered in {PROMPT:?}"));
    answer.unwrap_or_else(|error| panic!("{path}: {error}")).1
}

const HANDSHAKE: &str = "GET /api/v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Streams, and sockets once there may be no more of those, until one is refused for want of room.
async fn fill(url: &str, event: &str) -> Vec<TcpStream> {
    let stream = format!(
        "GET /api/v1/events/{event}/availability/stream HTTP/1.1\r\nhost: localhost\r\n\r\n"
    );
    let mut request = &*stream;
    let mut open = Vec::new();

    loop {
        let (connection, head) = timeout(PROMPT, send(url, request))
            .await
            .expect("an answer, whatever it is")
            .expect("an answer");
        if head.starts_with("http/1.1 200") || head.starts_with("http/1.1 101") {
            open.push(connection);
        } else if head.contains("retry-after: 5") && request == stream {
            request = HANDSHAKE;
        } else {
            assert!(
                head.starts_with("http/1.1 503") && head.contains("retry-after: 2"),
                "{head}"
            );
            return open;
        }
    }
}

async fn health_is_told(url: &str) {
    for path in ["/health", "/ready", "/metrics"] {
        assert!(
            get_promptly(url, path).await.starts_with("http/1.1 200"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_connections_at_descriptor_limit() {
    let stack = Stack::embedded_within(200, &[]).await;
    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let url = stack.url(Role::Embedded, 0);
    let streams = fill(url, &sale.event.to_string()).await;

    assert!(
        (50..=180).contains(&streams.len()),
        "{} of 200",
        streams.len()
    );
    health_is_told(url).await;

    // What the process itself needs is left.
    let refused = stack
        .gateway(0)
        .metric("stanchion_accept_errors_total")
        .await;
    assert!(refused < 1.0, "{refused} connections could not be accepted");

    drop(streams);
    eventually("room again", || async {
        let (_, head) = get(url, "/api/v1/events").await.ok()?;
        head.starts_with("http/1.1 200").then_some(())
    })
    .await;
}

/// Whatever takes the descriptors, and however many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_connections_without_descriptors() {
    let stack = Stack::embedded_within(1_000, &[]).await;
    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let url = stack.url(Role::Embedded, 0);
    let pid = stack.pid(Role::Embedded, 0).to_string();
    let lowered = Command::new("prlimit")
        .args(["--pid", &pid, "--nofile=120:120"])
        .status();

    assert!(
        lowered.is_ok_and(|status| status.success()),
        "prlimit is a part of util-linux"
    );
    let streams = fill(url, &sale.event.to_string()).await;

    assert!(
        (20..120).contains(&streams.len()),
        "{} of 120",
        streams.len()
    );
    for _ in 0..20 {
        health_is_told(url).await;
    }

    assert!(
        stack
            .gateway(0)
            .metric("stanchion_accept_errors_total")
            .await
            > 0.0,
        "this is about such errors"
    );
    drop(streams);
    eventually("room again", || async {
        let (_, head) = get(url, "/api/v1/events").await.ok()?;
        head.starts_with("http/1.1 200").then_some(())
    })
    .await;
}

const LAME_DUCK: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_during_lame_duck_span() {
    let span = vec![
        (LAME_DUCK_SECONDS, LAME_DUCK.as_secs().to_string()),
        ("STANCHION_DRAIN_SECONDS", "0".to_owned()),
    ];
    let shape = Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        gateway_settings: span.clone(),
        booking_settings: span.clone(),
        worker_settings: span,
        ..Shape::default()
    };

    let stack = Stack::servers(shape).await;
    for (role, path) in [
        (Role::QueueWorker, "/health"),
        (Role::Gateway, "/openapi.json"),
        (Role::Booking, "/api/v1/events"),
    ] {
        let url = stack.url(role, 0);
        let told = Instant::now();
        stack.signal(role, 0, Signal::Terminate);
        within(LAME_DUCK, "readiness to go off", || async {
            let (_, head) = get(url, "/ready").await.expect("the listener is open");
            (head.starts_with("http/1.1 503") && head.contains("connection: close")).then_some(())
        })
        .await;
        let mut served = 0;
        let refused_after = loop {
            match get(url, path).await {
                Ok((_, head)) => {
                    assert!(
                        head.starts_with("http/1.1 200") && head.contains("connection: close"),
                        "{role:?} {head}"
                    );
                    served += 1;
                }
                Err(_) => break told.elapsed(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(
            refused_after >= LAME_DUCK,
            "{role:?} refused after {refused_after:?}"
        );
        assert!(served > 10, "{role:?} served {served}");
        assert!(stack.ended(role, 0).await.success(), "{role:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exits_at_once_on_second_signal() {
    let stack = Stack::embedded_with(&[(LAME_DUCK_SECONDS, "600")]).await;
    let url = stack.url(Role::Embedded, 0);
    stack.signal(Role::Embedded, 0, Signal::Terminate);
    eventually("readiness to go off", || async {
        let (_, head) = get(url, "/ready").await.expect("the listener is open");
        head.starts_with("http/1.1 503").then_some(())
    })
    .await;

    assert!(stack.gateway(0).get("/events").await.status == 200);
    stack.signal(Role::Embedded, 0, Signal::Terminate);

    assert!(!stack.ended(Role::Embedded, 0).await.success());
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("Linux tells");

    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buffers_no_bodies_without_token() {
    const BODIES: usize = 500;
    let stack = Stack::embedded().await;
    let (url, pid) = (stack.url(Role::Embedded, 0), stack.pid(Role::Embedded, 0));
    assert!(get_promptly(url, "/").await.starts_with("http/1.1"));
    let before = resident_mib(pid);
    // Of 256 KiB, and never whole.
    let body = format!("[{}", "1,".repeat(130_000));
    let mut held = Vec::new();
    for at in 0..BODIES {
        let others = [
            "/api/v1/guest",
            "/api/v1/queue/join",
            "/api/v1/bookings/reserve",
            "/api/v1/admin/events",
        ];
        let path = others.get(at).unwrap_or(&"/api/v1/dev/token");
        let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
            .await
            .unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 262144\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = timeout(
            Duration::from_millis(100),
            stream.write_all(body.as_bytes()),
        )
        .await; // it may be closed already
        held.push(stream);
    }
    let grown = resident_mib(pid).saturating_sub(before);
    assert!(grown < 48, "{grown} MiB for {BODIES} bodies");
    drop(held);

    // With a token, what is larger than any order is refused unread, and an operator's event may be
    // large.
    let ann = Visitor::new("ann");
    let large = json!({"event_id": "x".repeat(20_000)});
    assert_eq!(
        stack
            .booking(0)
            .by(&ann)
            .post("/bookings/reserve", &large)
            .await
            .status,
        413
    );
    assert_eq!(
        stack
            .booking(0)
            .by(&ann)
            .post("/admin/events", &large)
            .await
            .status,
        403
    );
    assert_eq!(
        stack
            .booking(0)
            .with_token(&tokens::operator())
            .post("/admin/events", &large)
            .await
            .status,
        422
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_forwarded_addresses_and_streams() {
    const GUESTS: usize = 300; // more than one address may have at once
    let settings = [
        ("STANCHION_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("STANCHION_MAX_CONNECTIONS_PER_ADDRESS", "3"),
    ];
    let stack = Stack::embedded_with(&settings).await;
    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let gateway = stack.gateway(0);
    for at in 0..GUESTS {
        let (high, low) = (at / 250, at % 250);
        let forwarded = match at % 3 {
            0 => format!("198.{}.{low}.7:{}", 18 + high, 50_000 + at),
            1 => format!("[2001:db8:{at:x}::1]:443"),
            _ => format!("[2001:db8:{at:x}::1]"),
        };
        let request = gateway
            .request(reqwest::Method::POST, "/guest")
            .header("x-forwarded-for", &forwarded);
        gateway.send(request).await.expect(201);
    }

    // Both of booking's streams, of one address.
    let url = stack.url(Role::Embedded, 0);
    for (path, client) in [("availability", "203.0.113.7"), ("live", "203.0.113.8")] {
        let route = if path == "live" {
            "admin/events"
        } else {
            "events"
        };
        let mut open = Vec::new();
        for port in 5_000..5_004 {
            let request = format!(
                "GET /api/v1/{route}/{}/{path}/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nx-forwarded-for: \
                 {client}:{port}\r\n\r\n",
                sale.event,
                tokens::operator()
            );
            open.push(send(url, &request).await.expect("an answer"));
        }
        let statuses: Vec<&str> = open.iter().map(|(_, head)| &head[9..12]).collect();
        assert_eq!(statuses, ["200", "200", "200", "429"], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_operators_on_admin_listener() {
    let admin = format!("127.0.0.1:{}", ports::free());
    let injected = [
        ("STANCHION_PORT", "tcp://10.96.0.12:8080"),
        ("STANCHION_SERVICE_HOST", "10.96.0.12"),
    ];
    let settings = [
        ("STANCHION_ADMIN_LISTEN", &*admin),
        ("STANCHION_MAX_CONNECTIONS", "5"),
        injected[0],
        injected[1],
    ];
    let stack = Stack::embedded_with(&settings).await;
    let sale = EventBuilder::new(&[10]).create(&stack.operator()).await;
    let url = stack.url(Role::Embedded, 0);
    let _streams = fill(url, &sale.event.to_string()).await;
    health_is_told(&admin).await;
    let operator = tokens::operator();
    let nodes = format!(
        "GET /api/v1/admin/nodes HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {operator}\r\n\r\n"
    );
    let (_, head) = send(&admin, &nodes).await.expect("an answer");

    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        get_promptly(&admin, "/api/v1/events")
            .await
            .starts_with("http/1.1 404")
    );
    assert!(
        get_promptly(url, "/metrics")
            .await
            .starts_with("http/1.1 404")
    );

    let log = stack.log(Role::Embedded, 0);
    assert_eq!(
        log.matches("STANCHION_PORT STANCHION_SERVICE_HOST").count()
            + log.matches("STANCHION_SERVICE_HOST STANCHION_PORT").count(),
        1,
        "{log}"
    );
}
