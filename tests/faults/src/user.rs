//! A user of the crowd: waits in line, takes the pass, reserves, decides. Writes down all that is
//! seen. Comes back after whatever went wrong, as the documents tell clients to.

mod buyer;
mod polling;
mod sight;
mod socket;
mod stream;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use rand::{Rng, SeedableRng, rngs::StdRng};
use stanchion_audit::{Decision, Outcome, Seen};
use stanchion_tests::tokens;
use tokio::{sync::watch, time::sleep};

use self::{
    buyer::{Bought, Buyer},
    sight::{Heard, Pass, Sight},
};
use crate::sale::Sale;

/// A silent connection is given up: heartbeats come every 5 s.
const SILENCE: Duration = Duration::from_millis(12_500);
/// Longest wait for the answer to a request.
const ANSWER: Duration = Duration::from_secs(6);
/// First pause before coming back; it grows up to the other.
const FIRST_PAUSE: f64 = 0.3;
const LONGEST_PAUSE: f64 = 3.0;

/// A balancer leads past gateways that refuse at once, as often as this.
const LED_PAST: u32 = 8;

/// How a user waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    OnSocket,
    OnStream,
    Polling,
}

/// What sets users apart, decided by the seed.
#[derive(Debug, Clone)]
struct Habits {
    waits: Waits,
    /// `None` lets the hold run out.
    decides: Option<Decision>,
    /// Goes away from the page for some seconds while waiting, after this many.
    goes_away_after: Option<f64>,
    /// Gives the place up while waiting, after this many seconds, and joins again.
    leaves_after: Option<f64>,
    /// Tries a used pass again.
    tries_again: bool,
    /// Sends a reservation twice with its key.
    repeats: bool,
    /// Reserves over the socket.
    by_socket: bool,
}

impl Habits {
    fn random(random: &mut StdRng, on_sockets: bool) -> Self {
        let waits = match random.random_range(0..100) {
            _ if on_sockets => Waits::OnSocket,
            0..70 => Waits::OnSocket,
            70..85 => Waits::OnStream,
            _ => Waits::Polling,
        };
        let decides = match random.random_range(0..100) {
            0..55 => Some(Decision::Confirm),
            55..70 => Some(Decision::Cancel),
            _ => None,
        };

        Self {
            waits,
            decides,
            goes_away_after: random
                .random_bool(0.06)
                .then(|| random.random_range(2.0..12.0)),
            leaves_after: random
                .random_bool(0.02)
                .then(|| random.random_range(1.0..6.0)),
            tries_again: random.random_bool(0.10),
            repeats: random.random_bool(0.10),
            by_socket: waits == Waits::OnSocket && random.random_bool(0.20),
        }
    }
}

/// How a stay in line went.
enum Turn {
    /// The user is done.
    Done(Outcome),
    /// The connection is over, and why.
    Again(String),
}

/// See the module's documentation.
pub struct User {
    sale: Arc<Sale>,
    habits: Habits,
    random: StdRng,
    sight: Sight,
    buyer: Buyer,
    token: String,
}

impl User {
    /// A user of this name; everything about them follows from the seed.
    pub fn new(sale: &Arc<Sale>, name: &str, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let habits = Habits::random(&mut random, sale.is_balanced);
        let token = tokens::user(name);
        let buyer = Buyer::new(
            Arc::clone(sale),
            name,
            &token,
            habits.clone(),
            random.random(),
        );

        let sight = Sight::new(Arc::clone(&sale.journal), name);
        Self {
            sale: Arc::clone(sale),
            habits,
            random,
            sight,
            buyer,
            token,
        }
    }

    /// Arrives after this time and stays until done, or until the run stops.
    pub async fn live(mut self, arrives: Duration, mut stop: watch::Receiver<bool>) -> Outcome {
        sleep(arrives).await;
        let outcome = tokio::select! {
            outcome = self.stay() => outcome,
            _ = stop.wait_for(|stop| *stop) => Outcome::Unfinished,
        };
        self.sight.detached("done");
        self.sight.see(Seen::End { outcome });
        outcome
    }

    async fn stay(&mut self) -> Outcome {
        let (mut pause, mut refusals) = (FIRST_PAUSE, 0);
        loop {
            let gateway = self.sale.gateway(&mut self.random).to_owned();
            self.sight.connect(&gateway);
            let began = tokio::time::Instant::now();
            let turn = match self.habits.waits {
                Waits::OnSocket => self.on_socket(&gateway).await,
                Waits::OnStream => self.on_stream(&gateway).await,
                Waits::Polling => self.by_polling(&gateway).await,
            };
            let is_refused = turn.as_ref().is_err_and(is_refused);
            refusals = if is_refused { refusals + 1 } else { 0 };
            if self.sale.is_balanced && (1..=LED_PAST).contains(&refusals) {
                continue;
            }
            refusals = 0; // the next attempt is led past as many
            let why = match turn {
                Ok(Turn::Done(outcome)) => return outcome,
                Ok(Turn::Again(why)) => why,
                Err(error) => format!("{error:#}"),
            };
            self.sight.detached(&why);
            if began.elapsed() > Duration::from_secs(5) {
                pause = FIRST_PAUSE;
            }
            self.pause(pause * 0.5, pause * 1.5).await;
            pause = (pause * 1.7).min(LONGEST_PAUSE);
        }
    }

    async fn pause(&mut self, from: f64, to: f64) {
        sleep(Duration::from_secs_f64(self.random.random_range(from..to))).await;
    }

    /// Buys with a pass, away from the line: the connection is over, or needs nobody.
    async fn buy(&mut self, pass: Pass) -> Result<Turn> {
        Ok(match self.buyer.buy(&pass, None).await {
            Bought::Final(outcome) => Turn::Done(outcome),
            Bought::PassIsGone => Turn::Again("the pass is gone".to_owned()),
        })
    }
}

/// Did nobody listen there?
fn is_refused(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// A text for a failed exchange.
fn why(error: &impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}
