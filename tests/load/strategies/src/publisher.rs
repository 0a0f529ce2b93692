//! The worker of the bare gateways: releases users in the order of their names, in steps as
//! Stanchion's.

use std::time::Duration;

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use tokio::time::{MissedTickBehavior, interval};
use waitingroom_domain::rate::tick_interval;

use crate::{
    cli::{Strategy, Workload},
    crowd, message,
    route::{EVENT_CHANNEL, NODE_CHANNEL, user_channel},
};

/// As Stanchion's worker, between two steps at most.
const TICK: Duration = Duration::from_millis(100);

/// The pause between two steps, and the passes of each.
pub fn steps(workload: &Workload) -> (Duration, usize) {
    let pause = tick_interval(workload.rate.into(), TICK);
    (
        pause,
        (f64::from(workload.rate) * pause.as_secs_f64())
            .round()
            .max(1.0) as usize,
    )
}

/// Publishes a pass for every user; returns early at the workload's end if Redis does not keep up.
///
/// # Errors
/// A Redis that does not answer.
pub async fn release(
    strategy: Strategy,
    workload: &Workload,
    redis: &mut MultiplexedConnection,
) -> Result<()> {
    let users: Vec<String> = (0..workload.users).map(crowd::name).collect();
    let (pause, each_step) = steps(workload);
    let mut steps = interval(pause);

    steps.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let all = async {
        for released in users.chunks(each_step) {
            steps.tick().await;
            publish(strategy, released, redis).await?;
        }
        Ok(())
    };

    tokio::time::timeout(workload.length(), all)
        .await
        .unwrap_or(Ok(()))
}

async fn publish(
    strategy: Strategy,
    users: &[String],
    redis: &mut MultiplexedConnection,
) -> Result<()> {
    let mut pipeline = redis::pipe();
    for (channel, message) in messages(strategy, users) {
        pipeline.publish(channel, message);
    }

    Ok(pipeline.exec_async(redis).await?)
}

/// The messages of one step, with their channels.
fn messages(strategy: Strategy, users: &[String]) -> Vec<(String, String)> {
    let passes = users.iter().map(|user| (user, message::pass(user)));
    match strategy {
        Strategy::UserChannel => passes
            .map(|(user, pass)| (user_channel(user), pass))
            .collect(),
        Strategy::EventChannel => passes
            .map(|(_, pass)| (EVENT_CHANNEL.to_owned(), pass))
            .collect(),
        Strategy::NodeChannel | Strategy::Stanchion => {
            vec![(
                NODE_CHANNEL.to_owned(),
                message::json(&passes.collect::<Vec<_>>()),
            )]
        }
    }
}
