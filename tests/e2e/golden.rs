//! The names that clients, deployments, dashboards and other systems rely on, read off a real sale
//! and compared with `tests/golden`: keys and hash fields of Redis, signals, tables and columns,
//! subjects and messages of the bus, messages of the socket, fields of REST and the stream, codes,
//! settings, metrics.

mod client;
mod files;
mod journey;
mod monitor;
mod shapes;
mod surfaces;

use stanchion_tests::{Shape, Stack, process::Signal, redis_cluster::NEVER, stack::Role};

use self::{files::Contract, monitor::Monitor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_equal_golden_files() {
    let mut contract = Contract::default();
    surfaces::see_codes(&mut contract);
    surfaces::see_settings(&mut contract);
    surfaces::see_sqlite(&mut contract).await;

    // One process of each role, so that each metric is in one place.
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        own_redis: true,
        gateway_settings: vec![("STANCHION_DRAIN_SECONDS", "1".to_owned())],
        ..Shape::default()
    })
    .await;
    let backends = stack.backends();
    let monitor = Monitor::start(&backends.redis_url, &backends.prefix).await;
    client::probe_fields(
        &mut contract,
        stack.gateway_url(0),
        &journey::visitor("ann"),
    )
    .await;
    let topics = journey::sell(&mut contract, &stack, &monitor).await;
    surfaces::see_bus(&mut contract, &stack, &topics).await;
    surfaces::see_postgres(&mut contract, &stack).await;

    let waiting = journey::lose_redis(&mut contract, &stack).await;
    surfaces::see_metrics(&mut contract, &stack).await;
    stack.signal(Role::Gateway, 0, Signal::Terminate);
    journey::drain(&mut contract, waiting).await;

    monitor.describe(&mut contract);
    contract.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_channels_equal_golden_file() {
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        redis_cluster: Some(NEVER),
        ..Shape::default()
    })
    .await;
    let mut contract = Contract::default();

    surfaces::see_cluster_channels(&mut contract, &stack).await;
    contract.check();
}
