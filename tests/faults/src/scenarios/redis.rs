//! Redis stands still, forgets, dies, or gives way to its replica.

use anyhow::Result;
use rand::seq::SliceRandom;
use stanchion_tests::{process::Signal, redis_cluster::Server};

use super::{USUAL, with_redis};
use crate::{
    context::Context,
    installation::{PREFIX, RedisKind},
    scenario::{Doing, Scenario},
};

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "redis-flushed",
        text: "FLUSHALL while users wait",
        run: |context| flush(context, 1),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-flushed-often",
        text: "FLUSHALL five times, 1 to 7 s apart",
        run: |context| flush(context, 5),
        shape: USUAL,
        sale_seconds: 35.0,
    },
    Scenario {
        name: "redis-killed",
        text: "kill -9 of Redis, back without data",
        run: restart,
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-killed-aof",
        text: "kill -9 of Redis, back with its append-only file",
        run: restart,
        shape: with_redis(RedisKind::Appending),
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-killed-snapshot",
        text: "kill -9 of Redis, back with a snapshot that is 0.5 to 5 s old, twice",
        run: |context| {
            Box::pin(async move {
                for _ in 0..context.times(2) {
                    context.pause(0.5, 4.0).await;
                    context.installation.stores().save_redis().await?;
                    context.pause(0.5, 5.0).await;
                    let down = context.time(0.2, 1.5);
                    context.begin("kill -9 and start with an old snapshot", "redis", true);
                    context.installation.stores().restart_redis(down).await;
                    context.end();
                    context.pause(6.0, 9.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 35.0,
    },
    Scenario {
        name: "redis-failover",
        text: "the primary dies and its replica lacks the last 0.5 to 2 s",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 4.0).await;
                context.begin("failover with lost writes", "redis", true);
                context.installation.stores().signal_replica(Signal::Stop);
                context.pause(0.5, 2.0).await;
                context.installation.stores().signal_redis(Signal::Kill);
                context
                    .installation
                    .stores()
                    .signal_replica(Signal::Continue);
                context.pause(0.1, 2.0).await;
                let port = context.installation.stores().promote_replica().await?;
                for edge in redis_edges(context) {
                    context.installation.edge(&edge).redirect(&[port]);
                }
                context.end();
                Ok(())
            })
        },
        shape: with_redis(RedisKind::Replicated),
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-handed-over",
        text: "a planned failover: the replica takes over, processes move to it one by one within 3 s",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 4.0).await;
                context.begin("planned failover", "redis", true);
                let port = context.installation.stores().promote_replica().await?;
                let mut edges = redis_edges(context);
                edges.shuffle(&mut context.random);
                for edge in edges {
                    context.pause(0.1, 0.6).await;
                    context.installation.edge(&edge).redirect(&[port]);
                }
                context.end();
                Ok(())
            })
        },
        shape: with_redis(RedisKind::Replicated),
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-stopped",
        text: "SIGSTOP of Redis for 10 s",
        run: |context| stop(context, 10.0, 10.1, 1),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-stopped-short",
        text: "SIGSTOP of Redis for 1 to 4 s, five times",
        run: |context| stop(context, 1.0, 4.0, 5),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-cluster-primary-killed",
        text: "kill -9 of the primary of a Redis Cluster that serves the event",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 3.0).await;
                let primary = primary_of_the_event(context).await?;
                context.begin("kill -9", "the primary of the event", true);
                primary.kill();
                // The fault is over once the replica has taken over: the cluster takes a silent
                // primary for dead after a second.
                context.pause(2.0, 2.0).await;
                context.end();
                Ok(())
            })
        },
        shape: with_redis(RedisKind::Cluster),
        sale_seconds: 25.0,
    },
    Scenario {
        name: "redis-cluster-primary-stopped",
        text: "SIGSTOP of the primary of a Redis Cluster that serves the event for 10 s: its replica takes over after 1 s",
        run: stop_primary,
        shape: with_redis(RedisKind::Cluster),
        sale_seconds: 30.0,
    },
    Scenario {
        name: "redis-cluster-primary-frozen",
        text: "the same for 10 s in a cluster that waits longer for a primary: nobody takes over",
        run: stop_primary,
        shape: with_redis(RedisKind::PatientCluster),
        sale_seconds: 30.0,
    },
];

fn redis_edges(context: &Context) -> Vec<String> {
    context
        .installation
        .edges()
        .into_iter()
        .filter(|edge| edge.ends_with("-redis"))
        .collect()
}

async fn primary_of_the_event(context: &mut Context) -> Result<Server> {
    let key = format!("{PREFIX}:{{{}}}:meta", context.event);
    context.installation.stores().primary_of(&key).await
}

fn stop_primary(context: &mut Context) -> Doing<'_> {
    Box::pin(async move {
        context.pause(1.0, 3.0).await;
        let primary = primary_of_the_event(context).await?;
        context.begin("SIGSTOP for 10 s", "the primary of the event", true);
        primary.signal("-STOP");
        context.pause(10.0, 10.0).await;
        primary.signal("-CONT");
        context.end();
        Ok(())
    })
}

fn flush(context: &mut Context, times: usize) -> Doing<'_> {
    Box::pin(async move {
        context.pause(0.5, 4.0).await;
        for _ in 0..context.times(times) {
            context.begin("FLUSHALL", "redis", true);
            context.installation.stores().flush_redis().await?;
            context.end();
            if times > 1 {
                context.pause(1.0, 7.0).await;
            }
        }
        Ok(())
    })
}

fn restart(context: &mut Context) -> Doing<'_> {
    Box::pin(async move {
        context.pause(0.5, 4.0).await;
        let down = context.time(0.2, 1.5);
        context.begin("kill -9 and start", "redis", true);
        context.installation.stores().restart_redis(down).await;
        context.end();
        Ok(())
    })
}

fn stop(context: &mut Context, from: f64, to: f64, times: usize) -> Doing<'_> {
    Box::pin(async move {
        context.pause(0.0, 3.0).await;
        for _ in 0..context.times(times) {
            context.begin("SIGSTOP", "redis", true);
            context.installation.stores().signal_redis(Signal::Stop);
            context.pause(from, to).await;
            context.installation.stores().signal_redis(Signal::Continue);
            context.end();
            context.pause(1.0, 4.0).await;
        }
        Ok(())
    })
}
