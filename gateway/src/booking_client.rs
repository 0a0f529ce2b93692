//! Hands a pass to booking on the user's behalf.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use waitingroom::{
    ids::{EventId, IdempotencyKey},
    line::SaleState,
    problem::{Code, Problem},
    wire::{ReserveSeats, WishItem},
};

/// Deadline of a reservation, connecting included.
const DEADLINE: Duration = Duration::from_secs(5);
/// Wishes that booking is asked about at the same time by this node.
const WISHES_AT_ONCE: usize = 64;

/// A keep-alive client of booking's public interface. A reservation is never retried here: its idempotency key lets the user do
/// so.
#[derive(Debug, Clone)]
pub(crate) struct BookingClient {
    http: Client,
    reserve: String,
    pending: String,
    events: String,
    /// A tick may release hundreds who have a wish: so many are asked about at the same time.
    wishes: Arc<Semaphore>,
}

/// What the pages without script show of an event.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EventHead {
    pub(crate) event_id: EventId,
    pub(crate) name: String,
    pub(crate) state: SaleState,
    pub(crate) message: Option<String>,
}

#[derive(Deserialize)]
struct Pending {
    bookings: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct EventList {
    events: Vec<EventHead>,
}

/// What booking answered that is not a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl BookingClient {
    /// A client for the booking service at this URL.
    pub(crate) fn new(url: &str) -> Self {
        let http = Client::builder().timeout(DEADLINE).pool_max_idle_per_host(64).build().unwrap_or_default();
        let base = format!("{}/api/v1", url.trim_end_matches('/'));
        let wishes = Arc::new(Semaphore::new(WISHES_AT_ONCE));
        Self {
            http,
            wishes,
            reserve: format!("{base}/bookings/reserve"),
            pending: format!("{base}/bookings/pending"),
            events: format!("{base}/events"),
        }
    }

    /// Everything that is on.
    pub(crate) async fn events(&self) -> Result<Vec<EventHead>, reqwest::Error> {
        let list: EventList = self.http.get(&self.events).send().await?.error_for_status()?.json().await?;
        Ok(list.events)
    }

    /// One event, if it exists.
    pub(crate) async fn event(&self, event: EventId) -> Result<Option<EventHead>, reqwest::Error> {
        let answer = self.http.get(format!("{}/{event}", self.events)).send().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(answer.error_for_status()?.json().await?))
    }

    /// Reserves; the answer is the booking's JSON.
    pub(crate) async fn reserve(
        &self,
        token: &str,
        pass: &str,
        request: &ReserveSeats,
    ) -> Result<Map<String, Value>, Refusal> {
        let body = serde_json::json!({
            "event_id": request.event_id, "show_id": request.show_id, "zone_id": request.zone_id,
            "quantity": request.quantity,
        });
        self.post(&self.reserve, token, pass, &request.idempotency_key, &body).await
    }

    /// Reserves the first of the wish's items that fits; the answer is the booking's JSON. Waits its turn.
    pub(crate) async fn reserve_first(
        &self,
        token: &str,
        pass: &str,
        event: EventId,
        wish: &[WishItem],
        key: &IdempotencyKey,
    ) -> Result<Map<String, Value>, Refusal> {
        let _turn = self.wishes.acquire().await.expect("the semaphore is never closed");
        let body = serde_json::json!({"event_id": event, "options": wish});
        self.post(&format!("{}/first", self.reserve), token, pass, key, &body).await
    }

    /// The user's bookings that wait to be confirmed.
    pub(crate) async fn pending(&self, token: &str) -> Result<Vec<Map<String, Value>>, reqwest::Error> {
        let answer = self.http.get(&self.pending).bearer_auth(token).send().await?.error_for_status()?;
        Ok(answer.json::<Pending>().await?.bookings)
    }

    async fn post(
        &self,
        url: &str,
        token: &str,
        pass: &str,
        key: &IdempotencyKey,
        body: &Value,
    ) -> Result<Map<String, Value>, Refusal> {
        let call = self
            .http
            .post(url)
            .bearer_auth(token)
            .header("X-Queue-Pass", pass)
            .header("Idempotency-Key", key.as_str())
            .json(body);
        let answer = call.send().await.map_err(|error| unreachable_booking(&error))?;
        let status = answer.status();
        let answer: Map<String, Value> = answer.json().await.map_err(|error| unreachable_booking(&error))?;
        if status == StatusCode::CREATED || status == StatusCode::OK { Ok(answer) } else { Err(refusal(&answer)) }
    }
}

fn refusal(answer: &Map<String, Value>) -> Refusal {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    Refusal {
        code: text("code").unwrap_or_else(|| Code::Internal.as_str().to_owned()),
        detail: text("detail").unwrap_or_else(|| "booking refused without saying why".to_owned()),
    }
}

fn unreachable_booking(error: &reqwest::Error) -> Refusal {
    tracing::warn!(%error, "booking did not answer");
    Problem::new(Code::Unavailable, "booking cannot be reached; try again with the same idempotency_key").into()
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code.as_str().to_owned(), detail: problem.detail }
    }
}
