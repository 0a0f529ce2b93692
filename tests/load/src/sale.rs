//! The event of a run: created for it, looked at afterwards.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    http::{Fault, Pool, call},
    plan::Sale,
};

/// Longest wait until the gateway knows a new event.
const KNOWN_DEADLINE: Duration = Duration::from_secs(15);

/// How the line of a run is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Seats that users may get.
    pub seats: u32,
    /// Zones that they are in.
    pub zones: u32,
    /// Users released per second.
    pub rate: f64,
    /// Max active passes.
    pub max_active: u32,
    /// Life of a pass, and of a hold.
    pub pass_ttl: Duration,
    /// Time within which a pass must be acknowledged.
    pub claim_window: Duration,
    /// Time an absent user keeps a place.
    pub grace: Duration,
    /// Whether the queue is paused at first.
    pub paused: bool,
}

/// The response of `GET /queue/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// All users in the queue.
    pub total_in_queue: u64,
    /// Passes neither used nor over.
    pub active_passes: u64,
}

/// An operator at booking and gateway.
pub struct Operator {
    /// Where the line is.
    pub gateway: Pool,
    /// Where seats are.
    pub booking: Pool,
    /// Proves the role.
    pub token: String,
}

impl Terms {
    fn queue(&self) -> Value {
        // A step of the worker takes a tenth of a second: half a second's worth lets a late step
        // catch up.
        let burst = (self.rate / 2.0).ceil().clamp(1.0, 100_000.0) as u32;
        json!({
            "state": if self.paused { "paused" } else { "open" },
            "rate_per_second": self.rate,
            "burst": burst,
            "max_active": self.max_active,
            "pass_ttl_seconds": self.pass_ttl.as_secs(),
            "claim_window_seconds": self.claim_window.as_secs(),
            "grace_seconds": self.grace.as_secs(),
            "max_in_line": 10_000_000,
        })
    }
}

impl Operator {
    /// Creates the event of a run and waits until the gateway knows it.
    ///
    /// # Errors
    /// A server that refuses it, or does not answer.
    pub async fn create(&self, run: &str, terms: &Terms) -> Result<Sale> {
        let id = Uuid::new_v4;
        let sale = Sale {
            event: id(),
            show: id(),
            zones: (0..terms.zones).map(|_| id()).collect(),
            zone_capacity: terms.seats.div_ceil(terms.zones),
            pass_ttl: terms.pass_ttl,
        };

        let body = event(run, &sale, terms);
        self.ask(&self.booking, Method::POST, "/admin/events", Some(&body))
            .await
            .context("POST /admin/events")?;
        self.await_known(&sale).await?;

        Ok(sale)
    }

    async fn await_known(&self, sale: &Sale) -> Result<()> {
        let until = tokio::time::Instant::now() + KNOWN_DEADLINE;
        while let Err(fault) = self.status(sale).await {
            if tokio::time::Instant::now() > until {
                bail!("the gateway does not know the new event: {fault}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The line now.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn status(&self, sale: &Sale) -> Result<Status, Fault> {
        let path = format!("/queue/status/{}", sale.event);
        self.gateway
            .call(call(Method::GET, &path, &self.token, None))
            .await?
            .json()
    }

    /// Sets the state of the sale.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn set_state(&self, sale: &Sale, state: &str) -> Result<()> {
        let path = format!("/admin/events/{}/queue", sale.event);
        self.ask(
            &self.booking,
            Method::PUT,
            &path,
            Some(&json!({"state": state})),
        )
        .await
        .map(drop)
    }

    /// Available seats according to the public catalogue.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn available(&self, sale: &Sale) -> Result<u64> {
        let answer = self
            .ask(
                &self.booking,
                Method::GET,
                &format!("/events/{}", sale.event),
                None,
            )
            .await?;
        let shows = answer["shows"].as_array().into_iter().flatten();
        let zones = shows.flat_map(|show| show["zones"].as_array().into_iter().flatten());

        Ok(zones.filter_map(|zone| zone["available"].as_u64()).sum())
    }

    async fn ask(
        &self,
        of: &Pool,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let answer = of.call(call(method, path, &self.token, body)).await;
        let answer =
            answer.map_err(|fault| anyhow::anyhow!("{}: {fault}", of.endpoint().authority))?;

        answer
            .json()
            .map_err(|fault| anyhow::anyhow!("{path}: {fault}"))
    }
}

fn event(run: &str, sale: &Sale, terms: &Terms) -> Value {
    let zones: Vec<Value> = sale.zones.iter().enumerate().map(|(at, zone)| {
        json!({"zone_id": zone, "name": format!("Zone {}", at + 1), "capacity": sale.zone_capacity, "unit_price": 5_000})
    }).collect();
    json!({
        "event_id": sale.event,
        "name": format!("Load test {run}"),
        "hold_seconds": terms.pass_ttl.as_secs(),
        "queue": terms.queue(),
        "shows": [{"show_id": sale.show, "name": "The only show", "zones": zones}],
    })
}
