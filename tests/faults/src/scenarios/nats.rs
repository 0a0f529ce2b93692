//! NATS is away, dies, or loses the stream; a cluster of three loses servers.

use rand::Rng;
use stanchion_tests::process::Signal;

use super::USUAL;
use crate::{
    context::Context,
    installation::{NatsKind, PREFIX, Shape, StoresShape},
    scenario::{Doing, Scenario},
};

/// Servers of a cluster.
const SERVERS: usize = 3;
const CLUSTER: Shape = Shape {
    stores: StoresShape {
        nats: NatsKind::Cluster,
        ..USUAL.stores
    },
    ..USUAL
};

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "nats-stopped",
        text: "NATS is away for 25 s, and back with its data",
        run: |context| {
            Box::pin(async move {
                context.begin("stopped for 25 s", "nats", false);
                context
                    .installation
                    .stores()
                    .nats
                    .server()?
                    .stop(Signal::Terminate)
                    .await;
                context.pause(25.0, 25.0).await;
                context
                    .installation
                    .stores()
                    .nats
                    .server()?
                    .start_again()
                    .await;
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "nats-killed",
        text: "kill -9 of NATS six times, back after 0.2 to 2 s with its data",
        run: |context| {
            Box::pin(async move {
                for _ in 0..6 {
                    context.begin("kill -9 and start", "nats", false);
                    context
                        .installation
                        .stores()
                        .nats
                        .server()?
                        .stop(Signal::Kill)
                        .await;
                    context.pause(0.2, 2.0).await;
                    context
                        .installation
                        .stores()
                        .nats
                        .server()?
                        .start_again()
                        .await;
                    context.end();
                    context.pause(0.5, 3.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "nats-stream-deleted",
        text: "the stream is deleted",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 5.0).await;
                context.stream_is_lost = true;
                context.begin("stream deleted", "nats", false);
                let client = async_nats::connect(context.installation.stores().nats.url()).await?;
                async_nats::jetstream::new(client)
                    .delete_stream(PREFIX.to_uppercase())
                    .await?;
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 20.0,
    },
    Scenario {
        name: "nats-data-lost",
        text: "kill -9 of NATS, back without its data after 0.2 to 2 s, twice",
        run: |context| {
            Box::pin(async move {
                context.stream_is_lost = true;
                for _ in 0..context.times(2) {
                    context.begin("kill -9 and start without data", "nats", false);
                    context.installation.stores().nats.kill_and_forget().await?;
                    context.pause(0.2, 2.0).await;
                    context
                        .installation
                        .stores()
                        .nats
                        .server()?
                        .start_again()
                        .await;
                    context.end();
                    context.pause(4.0, 8.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "nats-cluster-server-killed",
        text: "kill -9 of any server of a NATS cluster of three, back after 0.5 to 4 s, four times",
        run: |context| kill_servers(context, false),
        shape: CLUSTER,
        sale_seconds: 30.0,
    },
    Scenario {
        name: "nats-cluster-leader-killed",
        text: "kill -9 of the stream's leader in a NATS cluster of three, back after 0.5 to 4 s, four times",
        run: |context| kill_servers(context, true),
        shape: CLUSTER,
        sale_seconds: 30.0,
    },
];

fn kill_servers(context: &mut Context, leader: bool) -> Doing<'_> {
    Box::pin(async move {
        let stream = PREFIX.to_uppercase();
        for _ in 0..context.times(4) {
            let any = context.random.random_range(0..SERVERS);
            let server = match leader {
                true => context
                    .installation
                    .stores()
                    .nats
                    .cluster()?
                    .leader(&stream)
                    .await
                    .unwrap_or(any),
                false => any,
            };
            context.begin("kill -9 and start", &format!("nats-{server}"), false);
            context
                .installation
                .stores()
                .nats
                .cluster()?
                .kill(server)
                .await;
            context.pause(0.5, 4.0).await;
            context
                .installation
                .stores()
                .nats
                .cluster()?
                .start_again(server);
            context.end();
            context.pause(2.0, 5.0).await;
        }
        Ok(())
    })
}
