//! A user at the till: reserves with a pass, repeats with the same key what may have failed, then
//! confirms, cancels or lets expire.

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stanchion_audit::{Answer, Decision, Outcome, Seen};
use tokio::time::sleep;
use uuid::Uuid;

use super::{Habits, Pass, socket::Till, why};
use crate::sale::Sale;

/// Longest wait for an answer of booking.
const ANSWER: Duration = Duration::from_secs(8);
/// A user gives up this long after the pass's end.
const PATIENCE_MS: i64 = 8_000;
/// Refusals that no repetition changes.
const FINAL: &[&str] = &[
    "INSUFFICIENT_SEATS",
    "PASS_EXPIRED",
    "PASS_USED",
    "PASS_REVOKED",
    "USER_LIMIT_EXCEEDED",
    "IDEMPOTENCY_MISMATCH",
    "PASS_INVALID",
    "ZONE_NOT_FOUND",
    "EVENT_NOT_FOUND",
    "PASS_REQUIRED",
    "NOT_IN_QUEUE",
];

/// How a purchase went.
pub(super) enum Bought {
    /// The user is done.
    Final(Outcome),
    /// The pass has run out or was taken back: to the line again.
    PassIsGone,
}

/// See the module's documentation.
pub(super) struct Buyer {
    sale: Arc<Sale>,
    user: String,
    token: String,
    habits: Habits,
    random: StdRng,
    tries: u32,
}

impl Buyer {
    pub(super) fn new(sale: Arc<Sale>, user: &str, token: &str, habits: Habits, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self {
            sale,
            user: user.to_owned(),
            token: token.to_owned(),
            habits,
            random,
            tries: 0,
        }
    }

    /// Buys with this pass, over the socket if one is given.
    pub(super) async fn buy(&mut self, pass: &Pass, mut till: Option<&mut Till<'_>>) -> Bought {
        self.pause(0.05, 1.5).await;
        let mut zones = self.sale.zones.clone();

        zones.shuffle(&mut self.random);

        if self.random.random_bool(0.3) {
            zones.sort_by_key(|zone| *zone != self.sale.zones[0]); // many want the small one
        }

        for zone in zones {
            let quantity = [1, 1, 2, 2, 3][self.random.random_range(0..5)];
            self.tries += 1;
            let key = format!("{}-{}", self.user, self.tries);
            let answer = self.insist(pass, zone, quantity, &key, &mut till).await;
            match (answer.booking, answer.code.as_deref()) {
                (Some(booking), _) => {
                    self.test_the_pass(pass, zone, quantity, &key, booking)
                        .await;
                    return Bought::Final(self.decide(booking).await);
                }
                (None, Some("INSUFFICIENT_SEATS")) => {}
                (None, Some(code)) if FINAL.contains(&code) => return self.refused(pass, code),
                (None, _) => return Bought::Final(Outcome::NoAnswer),
            }
        }

        Bought::Final(Outcome::NoSeats)
    }

    fn refused(&self, pass: &Pass, code: &str) -> Bought {
        let left_ms = pass.ends_at_ms - self.sale.journal.clock.now_ms();
        self.see(Seen::PassRefused {
            pass_id: pass.id.clone(),
            code: code.to_owned(),
            left_ms,
        });

        match code {
            "PASS_EXPIRED" | "PASS_REVOKED" => Bought::PassIsGone,
            _ => Bought::Final(Outcome::PassRefused),
        }
    }

    /// Reserves until there is an answer that stays, with the same key.
    async fn insist(
        &mut self,
        pass: &Pass,
        zone: Uuid,
        quantity: i64,
        key: &str,
        till: &mut Option<&mut Till<'_>>,
    ) -> Answer {
        let mut attempt = 0;
        loop {
            let answer = self.reserve(pass, zone, quantity, key, till).await;
            // A gateway may have lost the pass; the client still has it.
            let has_lost = till.is_some()
                && matches!(
                    answer.code.as_deref(),
                    Some("PASS_REQUIRED" | "NOT_IN_QUEUE")
                );
            let is_final = answer
                .code
                .as_deref()
                .is_some_and(|code| FINAL.contains(&code))
                && !has_lost;
            if has_lost || answer.status == 0 {
                *till = None;
            }
            let is_over = self.sale.journal.clock.now_ms() > pass.ends_at_ms + PATIENCE_MS;
            if answer.status == 201 || is_final || is_over {
                return answer;
            }
            attempt += 1;
            self.back_off(attempt).await;
        }
    }

    async fn reserve(
        &mut self,
        pass: &Pass,
        zone: Uuid,
        quantity: i64,
        key: &str,
        till: &mut Option<&mut Till<'_>>,
    ) -> Answer {
        let answer = match till {
            Some(till) => till
                .reserve(&self.sale, zone, quantity, key)
                .await
                .unwrap_or_else(|error| Answer {
                    status: 0,
                    code: Some(format!("{error:#}")),
                    booking: None,
                }),
            None => {
                let sale = &self.sale;
                let wish = json!({"event_id": sale.event, "show_id": sale.show, "zone_id": zone, "quantity": quantity});
                let request = self.request(Method::POST, "/bookings/reserve");
                let request = request
                    .header("x-queue-pass", &pass.token)
                    .header("idempotency-key", key);
                answer(request.json(&wish)).await
            }
        };
        self.see(Seen::Reserve {
            key: key.to_owned(),
            pass_id: pass.id.clone(),
            zone,
            quantity,
            answer: answer.clone(),
        });
        answer
    }

    /// Some send the same key again, some try the used pass with another key: neither may make
    /// another booking.
    async fn test_the_pass(
        &mut self,
        pass: &Pass,
        zone: Uuid,
        quantity: i64,
        key: &str,
        booking: Uuid,
    ) {
        if self.habits.repeats {
            let again = self.reserve(pass, zone, quantity, key, &mut None).await;
            self.compare(booking, again.booking, "the same key");
        }

        if self.habits.tries_again {
            let again = self
                .reserve(pass, zone, 1, &format!("{key}-again"), &mut None)
                .await;
            self.compare(booking, again.booking, "a used pass");
        }
    }

    fn compare(&self, first: Uuid, again: Option<Uuid>, repeated: &str) {
        if let Some(second) = again.filter(|second| *second != first) {
            self.see(Seen::AnotherBooking {
                first,
                second,
                repeated: repeated.to_owned(),
            });
        }
    }

    async fn decide(&mut self, booking: Uuid) -> Outcome {
        let Some(decision) = self.habits.decides else {
            return Outcome::LeftToExpire;
        };
        self.pause(0.1, 2.5).await;

        let mut attempt = 0;
        loop {
            let request = match decision {
                Decision::Confirm => {
                    self.request(Method::POST, &format!("/bookings/{booking}/confirm"))
                }
                Decision::Cancel => self.request(Method::DELETE, &format!("/bookings/{booking}")),
            };
            let answer = answer(request).await;
            let status = answer.status;
            self.see(Seen::Decide {
                booking,
                decision,
                answer,
            });
            match (status, decision) {
                (200, Decision::Confirm) => return Outcome::Confirmed,
                (200, Decision::Cancel) => return Outcome::Cancelled,
                (400..=428 | 430..=499, _) => return Outcome::DecisionRefused,
                _ => {}
            }
            attempt += 1;
            self.back_off(attempt).await;
        }
    }

    /// To any instance, as a balancer would choose.
    fn request(&mut self, method: Method, path: &str) -> RequestBuilder {
        let booking = self.sale.booking(&mut self.random);
        self.sale
            .http
            .request(method, format!("{booking}/api/v1{path}"))
            .bearer_auth(&self.token)
    }

    fn see(&self, seen: Seen) {
        self.sale.journal.see(&self.user, seen);
    }

    async fn back_off(&mut self, attempt: i32) {
        let pause = (0.3 * 1.5_f64.powi(attempt.min(5))).min(1.5);
        self.pause(pause * 0.5, pause * 1.5).await;
    }

    async fn pause(&mut self, from: f64, to: f64) {
        sleep(Duration::from_secs_f64(self.random.random_range(from..to))).await;
    }
}

/// What came back, or that nothing did.
async fn answer(request: RequestBuilder) -> Answer {
    let exchange = async {
        let response = request.timeout(ANSWER).send().await?;
        let status = response.status().as_u16();
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };

    match exchange.await {
        Ok((status, text)) => {
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            let code =
                (status >= 400).then(|| body["code"].as_str().unwrap_or("NO_CODE").to_owned());
            let booking = if status == 201 {
                body["booking_id"].as_str().and_then(|id| id.parse().ok())
            } else {
                None
            };
            Answer {
                status,
                code,
                booking,
            }
        }
        Err(error) => Answer {
            status: 0,
            code: Some(why(&error)),
            booking: None,
        },
    }
}
