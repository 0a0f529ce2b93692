//! The parameters of each scenario, and what it asserts about the results.

use std::time::Duration;

use crate::{
    cli::{Cli, Scenario, seconds},
    plan::Purpose,
    sale::Terms,
};

/// Time that a run may take beyond arrivals and releases, before unfinished users have failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(2 * 3_600);
/// Average stay of a churning user.
const STAY: Duration = Duration::from_secs(5);
/// Life of a churning user's pass: what remembers one is gone as long after it.
const CHURNING_PASS: Duration = Duration::from_secs(20);
/// The release rate while passes are fetched beforehand.
const FETCH_RATE: f64 = 100_000.0;

/// A scenario with the command line's changes applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Number of users.
    pub users: u32,
    /// The time over which they arrive.
    pub arrive: Duration,
    /// How long `idle` stays connected; how long `churn` goes on.
    pub hold: Duration,
    /// The time after which unfinished users have failed.
    pub limit: Duration,
    /// From when to when as many users come as go, after the start.
    pub steady: Option<(Duration, Duration)>,
    /// The purpose of the users.
    pub purpose: Purpose,
    /// How the line is run.
    pub terms: Terms,
    /// The assertions about the run.
    pub assertions: Assertions,
}

/// The conditions for the success of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assertions {
    /// All users receive a pass.
    pub passes: bool,
    /// All users have a reservation.
    pub reserved: bool,
    /// All users have a confirmed booking.
    pub booked: bool,
    /// Afterwards, the line is empty and every seat is free.
    pub leaves_nothing: bool,
    /// The users of one gateway come back to their place once.
    pub comes_back: bool,
    /// How many gateways the users are spread over.
    pub gateways: usize,
}

impl Assertions {
    /// How many of so many users come back.
    pub const fn returning(self, users: u64) -> u64 {
        if self.comes_back {
            users.div_ceil(self.gateways as u64)
        } else {
            0
        }
    }
}

struct Defaults {
    users: u32,
    arrive: f64,
    rate: f64,
    hold: f64,
}

const fn defaults(scenario: Scenario) -> Defaults {
    let (users, arrive, rate, hold) = match scenario {
        Scenario::Smoke => (100, 2.0, 50.0, 0.0),
        Scenario::OneThousand => (1_000, 5.0, 100.0, 0.0),
        Scenario::ThreeThousand => (3_000, 10.0, 300.0, 0.0),
        Scenario::TenThousand => (10_000, 20.0, 500.0, 0.0),
        Scenario::Rush => (10_000, 1.0, 1_000.0, 0.0),
        Scenario::Idle => (10_000, 10.0, 1.0, 30.0),
        Scenario::Churn => (6_000, 60.0, 100.0, 60.0),
        Scenario::Drain => (1_000, 3.0, 200.0, 0.0),
        Scenario::Reserve => (20_000, 0.0, FETCH_RATE, 0.0),
    };

    Defaults {
        users,
        arrive,
        rate,
        hold,
    }
}

impl Script {
    /// The scenario that the command line asks for.
    pub fn of(cli: &Cli) -> Self {
        let defaults = defaults(cli.scenario);
        let given = cli.rate.filter(|rate| *rate > 0.0);
        let hold = seconds(cli.hold.unwrap_or(defaults.hold));
        let (users, arrive, rate) = match cli.scenario {
            Scenario::Churn => {
                let rate = given.unwrap_or(defaults.rate);
                let users = cli
                    .users
                    .unwrap_or_else(|| (rate * hold.as_secs_f64()).ceil() as u32)
                    .max(1);
                (users, seconds(f64::from(users) / rate), rate / 4.0)
            }
            Scenario::Reserve => (
                cli.users.unwrap_or(defaults.users),
                Duration::ZERO,
                FETCH_RATE,
            ),
            _ => {
                let arrive = seconds(cli.arrive.unwrap_or(defaults.arrive));
                (
                    cli.users.unwrap_or(defaults.users),
                    arrive,
                    given.unwrap_or(defaults.rate),
                )
            }
        };

        let purpose = purpose(cli, given);
        let releasing = if purpose == Purpose::Wait {
            0.0
        } else {
            f64::from(users) / rate
        };

        let slowest = given
            .filter(|_| cli.scenario == Scenario::Reserve)
            .map_or(0.0, |rate| f64::from(users) / rate);
        let staying = if cli.scenario == Scenario::Churn {
            STAY * 2
        } else {
            hold
        };

        let limit = arrive + staying + seconds(releasing * 1.5 + slowest * 1.5) + PATIENCE;
        Self {
            users,
            arrive,
            hold,
            limit: cli.limit.map_or(limit, seconds).min(LONGEST),
            steady: (cli.scenario == Scenario::Churn).then(|| (warm_up(arrive), arrive)),
            purpose,
            terms: terms(cli, users, rate),
            assertions: assertions(cli),
        }
    }
}

/// Until the crowd has its size and the first memories of used passes have ended: a fifth of the
/// run at least.
fn warm_up(arrive: Duration) -> Duration {
    (arrive / 5).max(STAY * 2).max(CHURNING_PASS + STAY)
}

const fn purpose(cli: &Cli, rate: Option<f64>) -> Purpose {
    match cli.scenario {
        Scenario::Idle => Purpose::Wait,
        Scenario::Churn => Purpose::Visit(STAY),
        Scenario::Drain => Purpose::BuyAcrossRestart,
        Scenario::Reserve => Purpose::Reserve {
            rate,
            confirm: cli.confirm,
        },
        _ => Purpose::Buy,
    }
}

fn terms(cli: &Cli, users: u32, rate: f64) -> Terms {
    let churning = cli.scenario == Scenario::Churn;
    let cap = if cli.scenario == Scenario::Reserve {
        users
    } else {
        (rate * 10.0).clamp(100.0, 1e6) as u32
    };

    Terms {
        seats: users,
        zones: cli.zones,
        rate,
        max_active: cli.max_active.unwrap_or(cap),
        pass_ttl: if churning {
            CHURNING_PASS
        } else {
            Duration::from_secs(900)
        },
        claim_window: Duration::from_secs(if churning { 5 } else { 30 }),
        grace: Duration::from_secs(if churning { 3 } else { 300 }),
        // The crowd stands complete before the doors open: the costs of a join and of a pass can be
        // told apart.
        paused: !matches!(
            cli.scenario,
            Scenario::Smoke | Scenario::Churn | Scenario::Reserve
        ),
    }
}

const fn assertions(cli: &Cli) -> Assertions {
    let scenario = cli.scenario;
    let buys = !matches!(scenario, Scenario::Idle | Scenario::Churn);
    let reserves_only = matches!(scenario, Scenario::Reserve) && !cli.confirm;

    Assertions {
        passes: buys,
        reserved: buys && reserves_only,
        booked: buys && !reserves_only,
        leaves_nothing: matches!(scenario, Scenario::Churn),
        comes_back: matches!(scenario, Scenario::Drain),
        gateways: if cli.url.is_empty() { 1 } else { cli.url.len() },
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn script(arguments: &[&str]) -> Script {
        Script::of(&Cli::parse_from([&["stanchion-load"], arguments].concat()))
    }

    #[test]
    fn every_scenario_ends_by_itself() {
        for name in [
            "smoke", "1k", "3k", "10k", "rush", "idle", "churn", "drain", "reserve",
        ] {
            let script = script(&[name]);
            assert!(
                script.limit >= script.arrive.max(script.hold) + PATIENCE
                    && script.limit <= LONGEST,
                "{name}"
            );
            assert!(script.terms.seats >= script.users, "{name}");
        }
    }

    #[test]
    fn flags_change_the_scenario() {
        let rush = script(&[
            "rush",
            "--users",
            "500",
            "--rate",
            "250",
            "--max-active",
            "40",
        ]);
        assert_eq!(
            (rush.users, rush.terms.rate, rush.terms.max_active),
            (500, 250.0, 40)
        );

        let churn = script(&["churn", "--rate", "20", "--hold", "10"]);
        assert_eq!((churn.users, churn.arrive), (200, Duration::from_secs(10)));

        let hour = script(&["churn", "--rate", "40", "--hold", "3600"]);
        assert_eq!(
            hour.steady,
            Some((Duration::from_secs(720), Duration::from_secs(3_600)))
        );
        assert!(hour.limit > hour.arrive && rush.steady.is_none());

        let reserve = script(&["reserve"]);
        assert_eq!(
            reserve.purpose,
            Purpose::Reserve {
                rate: None,
                confirm: false
            }
        );
        assert!(reserve.assertions.reserved && !reserve.assertions.booked);

        let reserve = script(&["reserve", "--rate", "900", "--confirm", "--zones", "1"]);
        assert_eq!(
            reserve.purpose,
            Purpose::Reserve {
                rate: Some(900.0),
                confirm: true
            }
        );
        assert_eq!((reserve.assertions.booked, reserve.terms.zones), (true, 1));
    }
}
