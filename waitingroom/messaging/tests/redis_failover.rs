//! Engine and signals after a failover of Redis: both leave a demoted primary for the new one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../engine/tests/fixture/redis.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod redis;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use uuid::Uuid;
use waitingroom_domain::{clock::Clock, queue::QueueSettings};
use waitingroom_engine::{Engine, OpenParams, redis_connection::RedisServers};
use waitingroom_messaging::signal::{
    ListenerEvent, Recipient, Signal, Signals, redis::RedisSignals,
};

async fn eventually(mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);

    while !look().await {
        assert!(Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A name for a server: what connects is led to the server that has the name then, and stays there.
async fn name_for(target: Arc<AtomicU16>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();

    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let port = target.load(Ordering::SeqCst);
            tokio::spawn(async move {
                let Ok(mut server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

/// As a managed failover does it: the old primary stays up, and answers; the name leads to the new
/// one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_demoted_is_left_for_the_one_that_has_its_name() {
    let (a, b) = (redis::Server::start().await, redis::Server::start().await);
    b.ask(&["REPLICAOF", "127.0.0.1", &a.port.to_string()])
        .await;
    let target = Arc::new(AtomicU16::new(a.port));
    let url = format!("redis://127.0.0.1:{}", name_for(Arc::clone(&target)).await);
    let (engine, prefix) = redis::engine_on(&url).await;
    let RedisServers::One(server) = RedisServers::parse(&url).unwrap() else {
        panic!("one server")
    };
    let signals = RedisSignals::new(server, engine.connection(), &prefix).unwrap();
    let mut ear = signals.listen(&"n1".parse().unwrap()).await.unwrap();
    engine.ready().await.unwrap();

    b.ask(&["REPLICAOF", "NO", "ONE"]).await;
    a.ask(&["REPLICAOF", "127.0.0.1", &b.port.to_string()])
        .await;
    let refused = engine.ready().await;
    assert!(
        refused.is_err(),
        "who cannot write is not ready: {refused:?}"
    );
    target.store(b.port, Ordering::SeqCst);
    let moved = Instant::now();
    eventually(async || engine.ready().await.is_ok()).await;
    assert!(
        moved.elapsed() < Duration::from_secs(5),
        "{:?}",
        moved.elapsed()
    );

    let now = Clock::System.now();
    let opening = OpenParams {
        settings: QueueSettings::default(),
        epoch: "anew".parse().unwrap(),
        sequence: 0,
        head: 0,
        unserved: Default::default(),
        mark: None,
        release_from: now,
        awaited_nodes: Vec::new(),
    };
    engine
        .open(Uuid::new_v4().into(), &opening, now)
        .await
        .unwrap();

    let listening = tokio::spawn(async move {
        while ear.next().await != ListenerEvent::Gap {}
        ear.next().await
    });
    eventually(async || {
        let probe = [(
            Recipient::Node("n1".parse().unwrap()),
            Signal::Probe { sequence: 7 },
        )];
        signals
            .send(&probe)
            .await
            .is_ok_and(|reached| reached == [1])
    })
    .await;
    let heard = tokio::time::timeout(Duration::from_secs(5), listening)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        heard,
        ListenerEvent::Signal(Box::new(Signal::Probe { sequence: 7 }))
    );
    assert!(
        moved.elapsed() < Duration::from_secs(5),
        "{:?}",
        moved.elapsed()
    );
}
