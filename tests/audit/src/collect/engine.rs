//! Seats and holds in Redis, by the keys that docs/reference/redis.md lists.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use redis::{AsyncCommands, Client, FromRedisValue, aio::ConnectionLike, cluster::ClusterClient};
use uuid::Uuid;

use super::in_time;
use crate::world::{Engine, Stock};

/// How the URL of a cluster begins; its nodes follow, separated by commas.
const CLUSTER: &str = "redis+cluster://";

/// Reads these events.
///
/// # Errors
/// A Redis that does not answer in time; a value that is no number.
pub async fn redis(url: &str, prefix: &str, events: &[Uuid]) -> Result<Engine> {
    in_time("Redis", async {
        match url.strip_prefix(CLUSTER) {
            Some(nodes) => {
                let nodes = nodes.split(',').map(|node| format!("redis://{node}"));
                let connection = ClusterClient::new(nodes)?.get_async_connection().await?;
                read(connection, prefix, events).await
            }
            None => {
                read(
                    Client::open(url)?
                        .get_multiplexed_async_connection()
                        .await?,
                    prefix,
                    events,
                )
                .await
            }
        }
    })
    .await
}

async fn read(
    mut redis: impl ConnectionLike + Send + Sync,
    prefix: &str,
    events: &[Uuid],
) -> Result<Engine> {
    let mut zones = BTreeMap::new();
    let mut stock = Stock::default();

    for event in events {
        let key = |name: &str| format!("{prefix}:{{{event}}}:{name}");
        let seats: BTreeMap<String, i64> = redis.hgetall(key("zones")).await?;
        for (zone, seats) in seats {
            zones.insert(id(&zone)?, seats);
        }
        let left: Option<f64> = redis.hget(key("meta"), "seats_left").await?;
        stock.seats_left += left.unwrap_or(0.0) as i64;
        let users: BTreeMap<String, i64> = redis.hgetall(key("user_seats")).await?;
        for (user, seats) in users {
            *stock.user_seats.entry(user).or_default() += seats;
        }
        stock.holds.extend(ids(redis.hkeys(key("holds")).await?)?);
        stock
            .uncommitted
            .extend(ids(redis.zrange(key("uncommitted"), 0, -1).await?)?);
    }

    Ok(Engine {
        zones,
        stock: Some(stock),
    })
}

fn ids(texts: Vec<String>) -> Result<Vec<Uuid>> {
    texts.iter().map(|text| id(text)).collect()
}

fn id(text: &str) -> Result<Uuid> {
    text.parse().with_context(|| format!("{text} is no id"))
}

/// One figure of an event's `meta`.
///
/// # Errors
/// A Redis that does not answer in time.
pub async fn meta<T: FromRedisValue>(
    url: &str,
    prefix: &str,
    event: Uuid,
    field: &str,
) -> Result<T> {
    in_time("Redis", async {
        let mut redis = Client::open(url)?
            .get_multiplexed_async_connection()
            .await?;
        Ok(redis
            .hget(format!("{prefix}:{{{event}}}:meta"), field)
            .await?)
    })
    .await
}
