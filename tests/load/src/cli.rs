//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// Puts Stanchion under load and reports how the users fared.
///
/// Without --url, it starts its own embedded server on a free port and a temporary data directory,
/// and ends it afterwards. Times count from the moment when something was due, so a server that
/// stalls is charged for everybody who waits: a join from the user's arrival, a reservation from
/// the pass (in an open loop, from its moment in the schedule), a wait for one of the
/// --connections included. `released → pass` is the delivery alone: from the release on the server, known to the millisecond
/// from the pass's end and life, until the client holds the pass. Memory is the server's resident
/// user memory.
///
/// Only loopback addresses are ever put under load. The exit code is 1 if a user did not get
/// what the scenario asserts.
#[derive(Debug, Parser)]
#[command(version, about, long_about)]
pub struct Cli {
    /// The scenario
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// A server that runs already, for example http://127.0.0.1:8080: its gateways, separated by
    /// commas. Users are spread over them, and go to the next one if they lose theirs
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    pub url: Vec<String>,
    /// Where booking answers, if elsewhere than the gateway
    #[arg(long, value_name = "URL", requires = "url")]
    pub booking_url: Option<String>,
    /// The secret of users' HS256 tokens [default: made up for the own server]
    #[arg(
        long,
        env = "STANCHION_JWT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub jwt_secret: Option<String>,
    /// Processes whose memory and CPU are measured; on --url, `drain` ends the first of them
    #[arg(long, value_name = "PID")]
    pub server_pid: Vec<u32>,
    /// Processes of Redis, PostgreSQL and NATS: CPU time of each is reported, their memory is not
    /// counted as the server's
    #[arg(long, value_name = "PID")]
    pub store_pid: Vec<u32>,
    /// Where else a role tells its metrics: `churn` counts its tasks beside those of gateways and
    /// booking
    #[arg(long, value_name = "URL")]
    pub metrics_url: Vec<String>,
    /// The Redis whose keys and memory `churn` follows, for example redis://127.0.0.1:6379; the
    /// audit at the end reads it too
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    /// The PostgreSQL database of booking, with --url: it is audited at the end, and with it
    /// --redis and --nats. The own server's database is audited in any case
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// The NATS server whose stream is audited at the end
    #[arg(long, value_name = "URL", requires = "database")]
    pub nats: Option<String>,
    /// The binary of the own server, without --url [default: stanchion beside this program]
    #[arg(long, env = "STANCHION_BIN", value_name = "FILE")]
    pub stanchion: Option<PathBuf>,
    /// How many users [default: by scenario]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub users: Option<u32>,
    /// How users follow the line; `mix` is 80 % WebSocket, 10 % streams, 10 % polling
    #[arg(long, value_enum, default_value_t = Transport::Ws)]
    pub transport: Transport,
    /// Users released per second; in `churn`, users arriving per second; in `reserve`, reservations
    /// per second (open loop)
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<f64>,
    /// Max active passes
    #[arg(long, value_name = "N")]
    pub max_active: Option<u32>,
    /// Seconds over which users arrive
    #[arg(long, value_name = "SECONDS")]
    pub arrive: Option<f64>,
    /// Seconds that `idle` stays connected or `churn` goes on
    #[arg(long, value_name = "SECONDS")]
    pub hold: Option<f64>,
    /// Seconds after which unfinished users have failed
    #[arg(long, value_name = "SECONDS")]
    pub limit: Option<f64>,
    /// How seats are reserved: by REST, or through the gateway's socket if the user has one
    #[arg(long, value_enum, default_value_t = ReserveBy::Rest)]
    pub reserve_by: ReserveBy,
    /// Max REST connections of each process to each server [default: 512]; in `reserve`, of all
    /// [default: 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub connections: Option<u32>,
    /// In `reserve`: confirm reservations afterwards
    #[arg(long)]
    pub confirm: bool,
    /// Zones that the seats are in: one is the hottest; 45 are those of the reference data
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub zones: u32,
    /// Milliseconds between two questions of a polling user
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(50..=14_000))]
    pub poll_ms: u64,
    /// Processes that the users are spread over [default: as many as descriptors and cores ask for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: Option<u32>,
    /// Write the report here as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// The scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// 100 users through everything, in seconds
    Smoke,
    /// 1,000 users in 5 s; once all are in line, 100 released a second
    #[value(name = "1k")]
    #[serde(rename = "1k")]
    OneThousand,
    /// 3,000 users in 10 s; once all are in line, 300 released a second
    #[value(name = "3k")]
    #[serde(rename = "3k")]
    ThreeThousand,
    /// 10,000 users in 20 s; once all are in line, 500 released a second
    #[value(name = "10k")]
    #[serde(rename = "10k")]
    TenThousand,
    /// 10,000 users in one second; once all are in line, 1,000 released a second
    Rush,
    /// 10,000 users who wait: memory and CPU of a connection
    Idle,
    /// Users come and go at a constant rate: nothing may pile up. Memory, tasks, descriptors and
    /// Redis keys must be flat
    Churn,
    /// 1,000 users in line when the server is stopped and started again
    Drain,
    /// Reservations only, by users whose passes are fetched beforehand: closed loop, or open loop
    /// with --rate
    Reserve,
}

/// How users follow the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// WebSocket
    Ws,
    /// Server-sent events
    Sse,
    /// Polling
    Poll,
    /// All of them
    Mix,
}

/// How seats are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReserveBy {
    /// By REST
    Rest,
    /// By the gateway's socket
    Socket,
}

impl Scenario {
    /// The scenario's name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

impl Transport {
    /// How the user with this number follows the line.
    pub const fn of(self, user: usize) -> Self {
        match (self, user % 10) {
            (Self::Mix, 8) => Self::Sse,
            (Self::Mix, 9) => Self::Poll,
            (Self::Mix, _) => Self::Ws,
            (one, _) => one,
        }
    }
}

/// Seconds as a duration; nothing if it is not a length of time.
pub fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mix_has_every_transport() {
        let of = |kind| {
            (0..1_000)
                .filter(|user| Transport::Mix.of(*user) == kind)
                .count()
        };

        assert_eq!(
            [of(Transport::Ws), of(Transport::Sse), of(Transport::Poll)],
            [800, 100, 100]
        );
    }
}
