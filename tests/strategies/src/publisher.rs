//! The worker of the bare gateways: releases users in the order of their names, in steps of 100 ms.

use std::time::Duration;

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    cli::{Strategy, Workload},
    crowd, message,
    route::{EVENT_CHANNEL, NODE_CHANNEL, user_channel},
};

/// As Stanchion's worker.
const STEP: Duration = Duration::from_millis(100);

/// Publishes a pass for every user; returns early at the workload's end if Redis does not keep up.
///
/// # Errors
/// A Redis that does not answer.
pub async fn release(strategy: Strategy, workload: &Workload, redis: &mut MultiplexedConnection) -> Result<()> {
    let users: Vec<String> = (0..workload.users).map(crowd::name).collect();
    let each_step = (workload.rate as usize / 10).max(1);
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let all = async {
        for released in users.chunks(each_step) {
            steps.tick().await;
            publish(strategy, released, redis).await?;
        }
        Ok(())
    };
    tokio::time::timeout(workload.length(), all).await.unwrap_or(Ok(()))
}

async fn publish(strategy: Strategy, users: &[String], redis: &mut MultiplexedConnection) -> Result<()> {
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
        Strategy::UserChannel => passes.map(|(user, pass)| (user_channel(user), pass)).collect(),
        Strategy::EventChannel => passes.map(|(_, pass)| (EVENT_CHANNEL.to_owned(), pass)).collect(),
        Strategy::NodeChannel | Strategy::Stanchion => {
            vec![(NODE_CHANNEL.to_owned(), message::json(&passes.collect::<Vec<_>>()))]
        }
    }
}
