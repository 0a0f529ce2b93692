//! What Redis and the gateway have used at one moment.

use std::fs;

use anyhow::{Context, Result};
use redis::{InfoDict, aio::MultiplexedConnection};

/// A moment's state; costs are differences of two.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Connections of Redis' clients.
    pub connections: f64,
    /// Memory Redis has allocated, in bytes.
    pub redis_bytes: f64,
    /// CPU time of Redis, user and system, in microseconds.
    pub redis_cpu_us: f64,
    /// Messages published.
    pub published: f64,
    /// CPU time of the gateway, user and system, in microseconds.
    pub gateway_cpu_us: f64,
    /// Resident memory of the gateway, in bytes.
    pub gateway_bytes: f64,
}

/// Reads both.
///
/// # Errors
/// A Redis that does not answer, a gateway that has ended.
pub async fn read(redis: &mut MultiplexedConnection, gateway: u32) -> Result<Reading> {
    let info: InfoDict = redis::cmd("INFO")
        .arg("everything")
        .query_async(redis)
        .await?;
    let number = |name: &str| {
        info.get::<f64>(name)
            .with_context(|| format!("INFO {name}"))
    };
    let status = fs::read_to_string(format!("/proc/{gateway}/status"))?;

    Ok(Reading {
        connections: number("connected_clients")?,
        redis_bytes: number("used_memory")?,
        redis_cpu_us: (number("used_cpu_user")? + number("used_cpu_sys")?) * 1e6,
        published: published(&info.get::<String>("cmdstat_publish").unwrap_or_default()),
        gateway_cpu_us: cpu_us(gateway).context("the gateway has ended")?,
        gateway_bytes: resident_kib(&status).context("resident memory")? * 1024.0,
    })
}

fn published(stats: &str) -> f64 {
    let calls = stats
        .split(',')
        .find_map(|field| field.strip_prefix("calls="));
    calls.and_then(|calls| calls.parse().ok()).unwrap_or(0.0)
}

/// CPU time of a process' threads, in microseconds. To the nanosecond, by the scheduler: a
/// gateway's part in all its passes is some fifteen of the clock ticks that `stat` counts in.
fn cpu_us(process: u32) -> Result<f64> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))?;
    let accounts =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
    Ok(accounts
        .filter_map(|account| on_cpu_ns(&account))
        .sum::<f64>()
        / 1e3)
}

/// The first field: time on a CPU. The others are of waiting for one.
fn on_cpu_ns(schedstat: &str) -> Option<f64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn resident_kib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_accounts_are_understood() {
        assert_eq!(published("calls=120,usec=99,usec_per_call=0.83"), 120.0);
        assert_eq!(published(""), 0.0);
        assert_eq!(on_cpu_ns("200000 31 7\n"), Some(200_000.0));
        assert_eq!(
            resident_kib("Name:\tx\nVmRSS:\t   5120 kB\n"),
            Some(5_120.0)
        );
    }
}
