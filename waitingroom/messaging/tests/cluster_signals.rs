//! Signals over a Redis Cluster: every node hears everything, by one connection to each shard, also
//! after slots have moved and after a primary has died.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../../../tests/harness/redis_cluster.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the suites share it, and none needs all of it"
)]
mod cluster;

use std::time::{Duration, Instant};

use redis::{Client, aio::MultiplexedConnection, cmd};
use uuid::Uuid;
use waitingroom_domain::{
    ids::{EventId, NodeId},
    queue::QueueSettings,
};
use waitingroom_engine::redis_connection::{RedisConnection, RedisServers};
use waitingroom_messaging::signal::{
    Listener, ListenerEvent, Recipient, Signal, Signals, cluster::ClusterSignals,
};

use self::cluster::{NEVER, RedisCluster, SOON, Server};

const PATIENCE: Duration = Duration::from_secs(20);

async fn signals(cluster: &RedisCluster) -> (ClusterSignals, RedisConnection) {
    let servers = RedisServers::parse(&cluster.url).unwrap();
    let commands = servers.connect().await.unwrap();
    let RedisServers::Cluster(servers) = servers else {
        panic!("a cluster")
    };

    (
        ClusterSignals::new(servers, commands.clone(), "test"),
        commands,
    )
}

async fn look_into(server: &Server) -> MultiplexedConnection {
    let client = Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Subscriber connections to one server.
async fn subscribers(server: &Server) -> usize {
    let list: String = cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut look_into(server).await)
        .await
        .unwrap();
    list.lines()
        .filter(|line| line.contains(" ssub=") && !line.contains(" ssub=0 "))
        .count()
}

fn sale(event: u128) -> Signal {
    let event_id: EventId = Uuid::from_u128(event).into();
    Signal::Sale {
        event_id,
        settings: QueueSettings::default(),
    }
}

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

/// Reads until all of these were heard, in whatever order across events; what else is heard is
/// passed over.
async fn hears(ear: &mut dyn Listener, signals: &[Signal]) {
    let mut missing = signals.to_vec();
    while !missing.is_empty() {
        if let ListenerEvent::Signal(signal) = tokio::time::timeout(PATIENCE, ear.next())
            .await
            .expect("a signal")
        {
            missing.retain(|expected| *expected != *signal);
        }
    }
}

/// Probes until one reaches the node after a gap, as a gateway does; returns how long it took.
async fn until_reached(signals: &ClusterSignals, ear: &mut dyn Listener, name: &str) -> Duration {
    let began = Instant::now();
    let mut gap = false;

    for sequence in 0.. {
        assert!(began.elapsed() < PATIENCE, "not reached");
        let sent = signals
            .send(&[(Recipient::Node(node(name)), Signal::Probe { sequence })])
            .await;
        if gap && sent.is_ok_and(|reached| reached == [1]) {
            break;
        }
        let listening = tokio::time::timeout(Duration::from_millis(100), async {
            while ear.next().await != ListenerEvent::Gap {}
        });
        gap |= listening.await.is_ok();
    }

    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_every_event_by_one_connection_to_each_shard() {
    let cluster = RedisCluster::start(NEVER);
    let (signals, _) = signals(&cluster).await;
    let mut ears = Vec::new();
    for name in ["n1", "n2"] {
        ears.push(signals.listen(&node(name)).await.unwrap());
    }
    let mut connections = 0;
    for server in &cluster.servers {
        let here = subscribers(server).await;
        assert!(here == 0 || here == 2, "one of each node: {here}");
        assert!(
            here == 0 || server.primary == server.port,
            "none to a replica"
        );
        connections += here;
    }
    assert!(connections >= 4, "the lanes are on several shards");

    let everyone: Vec<_> = (0..64)
        .map(|event| (Recipient::AllNodes, sale(event)))
        .collect();
    assert_eq!(signals.send(&everyone).await.unwrap(), vec![2; 64]);
    let own: Vec<_> = (100..164)
        .map(|event| (Recipient::Node(node("n1")), sale(event)))
        .collect();
    assert_eq!(signals.send(&own).await.unwrap(), vec![1; 64]);
    let strangers = [
        (Recipient::Node(node("n3")), sale(1)),
        (Recipient::Node(node("n2")), sale(200)),
    ];
    assert_eq!(signals.send(&strangers).await.unwrap(), [0, 1]);
    let both: Vec<Signal> = everyone.into_iter().map(|(_, signal)| signal).collect();
    let mut own: Vec<Signal> = own.into_iter().map(|(_, signal)| signal).collect();
    own.extend(both.clone());
    hears(&mut *ears[0], &own).await;
    hears(&mut *ears[1], &[both, vec![sale(200)]].concat()).await;

    // In order for each event.
    let probes: Vec<_> = (0..50)
        .map(|sequence| (Recipient::Node(node("n1")), Signal::Probe { sequence }))
        .collect();
    assert_eq!(signals.send(&probes).await.unwrap(), vec![1; 50]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_is_heard_again_where_its_slot_has_moved() {
    let cluster = RedisCluster::start(NEVER);
    let (signals, _) = signals(&cluster).await;
    let mut ear = signals.listen(&node("n1")).await.unwrap();

    // A lane of the first shard, moved to the second as an operator would.
    let (from, to) = (&cluster.servers[0], &cluster.servers[1]);
    let id: String = cmd("CLUSTER")
        .arg("MYID")
        .query_async(&mut look_into(to).await)
        .await
        .unwrap();

    let mut slot = None;
    for lane in 0..16 {
        let key = format!("{{lane-{lane}}}");
        let of: u16 = cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query_async(&mut look_into(from).await)
            .await
            .unwrap();
        slot = slot.or((of < 16_384 / 3).then_some(of));
    }

    let slot = slot.expect("the first shard has a lane");
    for server in [to, from] {
        let mut moved = cmd("CLUSTER");
        moved.arg("SETSLOT").arg(slot).arg("NODE").arg(&id);
        let (): () = moved
            .query_async(&mut look_into(server).await)
            .await
            .unwrap();
    }

    until_reached(&signals, &mut *ear, "n1").await;

    for server in &cluster.servers {
        assert!(
            subscribers(server).await <= 1,
            "one connection to each shard"
        );
    }

    let all: Vec<_> = (0..32)
        .map(|event| (Recipient::AllNodes, sale(event)))
        .collect();
    assert_eq!(signals.send(&all).await.unwrap(), vec![1; 32]);

    hears(
        &mut *ear,
        &all.into_iter()
            .map(|(_, signal)| signal)
            .collect::<Vec<_>>(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_again_after_a_primary_has_died() {
    let cluster = RedisCluster::start(SOON);
    let (signals, _) = signals(&cluster).await;
    let mut ear = signals.listen(&node("n1")).await.unwrap();
    let dead = cluster.servers[0];

    assert!(subscribers(&dead).await == 1, "it has lanes");
    dead.kill();

    let took = until_reached(&signals, &mut *ear, "n1").await;
    assert!(took < PATIENCE);

    let all: Vec<_> = (0..32)
        .map(|event| (Recipient::AllNodes, sale(event)))
        .collect();
    assert_eq!(signals.send(&all).await.unwrap(), vec![1; 32]);

    hears(
        &mut *ear,
        &all.into_iter()
            .map(|(_, signal)| signal)
            .collect::<Vec<_>>(),
    )
    .await;
}
