//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// Compares ways to bring a pass to its user, on the same workload: so many browsers wait on
/// WebSockets; then each receives one pass, in order, at a constant rate, in steps as Stanchion's
/// worker takes them. Then the strategies that route in the gateway do the same at a high rate: so
/// fast that hardly a position is told in between. At last they do it in a sale that is open
/// already, so that nobody is told of the opening either, which leaves the cost of the passes.
///
/// Needs redis-server, and for the row `stanchion` PostgreSQL and NATS: `make bench-strategies`
/// brings them. Each run has a Redis of its own. A gateway process spends up to two descriptors on
/// a user.
#[derive(Debug, Parser)]
#[command(version, about, long_about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub part: Option<Part>,
    #[command(flatten)]
    pub workload: Workload,
}

/// What the processes that the conductor starts do.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// One gateway of a strategy; says its port
    #[command(hide = true)]
    Gateway { strategy: Strategy, redis: String },
    /// Browsers that wait for their passes
    #[command(hide = true)]
    Crowd(Crowd),
}

/// Seconds for late passes at the high rate: none of its strategies needs long, and heartbeats
/// begin to be due afterwards.
const HIGH_RATE_PATIENCE: u64 = 3;

/// The workload.
#[derive(Debug, Clone, Args)]
pub struct Workload {
    /// Browsers that wait, each for one pass
    #[arg(long, value_name = "N", default_value_t = 9_000, value_parser = clap::value_parser!(u32).range(1..=9_800))]
    pub users: u32,
    /// Passes a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub rate: u32,
    /// Passes a second in the second part; 0 leaves it out
    #[arg(long, value_name = "PER_SECOND", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub high_rate: u32,
    /// Browsers that arrive a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1_500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub arrivals: u32,
    /// Seconds after the last pass in which late ones still count
    #[arg(long, value_name = "SECONDS", default_value_t = 13)]
    pub patience: u64,
    /// Runs of each strategy, alternating; the median of each figure is reported
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=21))]
    pub runs: u32,
    /// Strategies to compare
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Strategy::value_variants())]
    pub strategies: Vec<Strategy>,
    /// When Stanchion's sale opens
    #[arg(skip)]
    pub opening: Opening,
    /// Write the table here, between the lines `<!-- strategies -->` and `<!-- /strategies -->`
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Write the distribution of latencies here, as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// When Stanchion's sale opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Opening {
    /// With the first pass: everybody is told that it opens.
    #[default]
    WithPasses,
    /// Before anybody comes; they wait because the cap is reached, until it is lifted.
    Before,
}

impl Workload {
    /// All parts, this one first.
    pub fn parts(&self) -> Vec<Self> {
        let high = [Opening::WithPasses, Opening::Before].map(|opening| self.at_high_rate(opening));
        let high = high.into_iter().filter(|part| part.rate > 0);
        std::iter::once(self.clone()).chain(high).collect()
    }

    fn at_high_rate(&self, opening: Opening) -> Self {
        let routed =
            |strategy: &Strategy| matches!(strategy, Strategy::NodeChannel | Strategy::Stanchion);
        let strategies = self.strategies.iter().copied().filter(routed).collect();
        let patience = self.patience.min(HIGH_RATE_PATIENCE);

        Self {
            rate: self.high_rate,
            strategies,
            patience,
            opening,
            ..self.clone()
        }
    }

    /// From the first pass to the moment when a pass is too late.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.users) / f64::from(self.rate))
            + Duration::from_secs(self.patience)
    }
}

/// A crowd of browsers.
#[derive(Debug, Args)]
pub struct Crowd {
    /// The gateway's port
    pub port: u16,
    /// The event they want
    pub event: String,
    /// How many they are
    pub users: u32,
    /// How many arrive a second
    pub arrivals: u32,
    /// The life of a pass in seconds, from which its release is known
    pub pass_life: i64,
}

/// How a pass finds its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Each connection subscribes to its user's own channel, on a Redis connection of its own
    UserChannel,
    /// Each connection subscribes to the event's channel, on a Redis connection of its own, and
    /// keeps what is its user's
    EventChannel,
    /// One subscription a node, one message a node and step, routed in the process: Stanchion's
    /// signals on a bare gateway
    NodeChannel,
    /// The whole of Stanchion: users' tokens, the line, tickets, signed passes, acknowledgements
    Stanchion,
}

impl Strategy {
    /// The strategy's name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// The strategy in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::UserChannel => "a subscription per user",
            Self::EventChannel => "a channel per event, filtered by each subscriber",
            Self::NodeChannel => "a channel per node, routed (bare)",
            Self::Stanchion => "Stanchion, whole",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from([
            "stanchion-strategies",
            "--strategies",
            "user-channel,stanchion",
        ]);

        assert_eq!(
            cli.workload.strategies,
            [Strategy::UserChannel, Strategy::Stanchion]
        );
        assert_eq!(cli.workload.length(), Duration::from_secs(31));

        let [_, fast, open] = cli.workload.parts().try_into().unwrap();
        assert_eq!(
            (fast.rate, fast.strategies.as_slice()),
            (10_000, [Strategy::Stanchion].as_slice())
        );
        assert_eq!(
            (fast.opening, open.opening),
            (Opening::WithPasses, Opening::Before)
        );

        let one = Cli::parse_from(["stanchion-strategies", "--high-rate", "0"]);
        assert_eq!(one.workload.parts().len(), 1);
    }
}
