//! Measurements by the servers themselves: metrics of the roles, INFO of Redis.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::{Method, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{http::Pool, loopback::Endpoint};

/// Longest wait for an answer of Redis.
const DEADLINE: Duration = Duration::from_secs(5);
/// Redis ends its answers with these.
const ASK: &[u8] = b"INFO memory\r\nDBSIZE\r\nQUIT\r\n";

/// The contents of Redis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    /// Keys of the first database.
    pub keys: f64,
    /// Memory of data, in KiB: what clients' buffers take is not counted.
    pub memory_kib: f64,
}

/// The number of live tasks in these roles together; `None` if one is missing.
pub async fn live_tasks(roles: &[Pool]) -> Option<f64> {
    join_all(roles.iter().map(tasks_of)).await.into_iter().sum()
}

async fn tasks_of(role: &Pool) -> Option<f64> {
    let call = Request::builder()
        .method(Method::GET)
        .uri("/metrics")
        .body(Default::default())
        .ok()?;
    gauge(
        role.call(call).await.ok()?.text()?,
        "stanchion_tokio_alive_tasks",
    )
}

fn gauge(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// The contents of Redis now; `None` without one, or if it does not answer.
pub async fn redis(at: Option<&Endpoint>) -> Option<Stored> {
    let answer = timeout(DEADLINE, ask(at?)).await.ok()?.ok()?;
    stored(&answer)
}

async fn ask(redis: &Endpoint) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(redis.address).await?;
    stream.write_all(ASK).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn stored(answer: &str) -> Option<Stored> {
    let number = |prefix: &str| {
        answer
            .lines()
            .find_map(|line| line.strip_prefix(prefix)?.trim().parse::<f64>().ok())
    };

    Some(Stored {
        keys: number(":")?,
        memory_kib: number("used_memory_dataset:")? / 1024.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_their_whole_name() {
        let metrics = "# TYPE stanchion_tokio_alive_tasks gauge\nstanchion_tokio_alive_tasks_peak 7\nstanchion_tokio_alive_tasks 31\n";
        assert_eq!(gauge(metrics, "stanchion_tokio_alive_tasks"), Some(31.0));
        assert_eq!(gauge(metrics, "stanchion_websocket_connections"), None);
    }

    #[test]
    fn redis_answers_are_understood() {
        let answer = "$60\r\n# Memory\r\nused_memory:900000\r\nused_memory_dataset:20480\r\n\r\n:42\r\n+OK\r\n";
        assert_eq!(
            stored(answer),
            Some(Stored {
                keys: 42.0,
                memory_kib: 20.0
            })
        );
        assert_eq!(stored("-NOAUTH Authentication required.\r\n"), None);
    }
}
