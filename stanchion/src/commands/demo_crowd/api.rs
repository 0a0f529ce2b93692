//! The part of the public interface that the crowd uses.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use waitingroom_domain::{ids::EventId, queue::SaleState};

/// Maximum wait for a response.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Wait before a repetition if the server names none.
const RETRY_AFTER: u64 = 1;

/// A server's public interface.
pub struct Api {
    http: Client,
    base: String,
}

/// An event of the list.
#[derive(Debug, Deserialize)]
pub struct ListedEvent {
    pub event_id: EventId,
    pub name: String,
    pub state: SaleState,
}

impl ListedEvent {
    pub fn is_paused(&self) -> bool {
        self.state == SaleState::Paused
    }
}

#[derive(Deserialize)]
struct ListedEvents {
    events: Vec<ListedEvent>,
}

#[derive(Deserialize)]
struct GuestToken {
    token: String,
}

/// Where a guest stands.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Place {
    pub position: u64,
    pub is_ready: bool,
}

/// Why a request was not granted.
#[derive(Debug)]
pub enum Refusal {
    /// The same request may succeed after this time.
    Later(Duration, String),
    /// The guest has no place.
    NotInQueue,
    /// The guest has to be renewed before it joins.
    GuestTooOld,
    /// Nothing that this guest can do helps.
    Final(String),
}

#[derive(Deserialize)]
struct ProblemBody {
    code: String,
    detail: String,
    retry_after: Option<u64>,
}

impl Api {
    /// The interface of the server at this URL.
    pub fn new(base: &str) -> Result<Self> {
        let http = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self {
            http,
            base: base.to_owned(),
        })
    }

    /// Fails unless a Stanchion answers.
    pub async fn check_server(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct ServerHealth {
            service: String,
        }

        let base = &self.base;
        let response = self.http.get(format!("{base}/health")).send().await;
        let response = response.with_context(|| {
            format!(
                "nothing answers at {base}: start a server (make run), or name another with --url"
            )
        })?;
        match response.json::<ServerHealth>().await {
            Ok(alive) if alive.service == "stanchion" => Ok(()),
            _ => bail!("{base} answers, but is no Stanchion; name the server with --url"),
        }
    }

    /// The event of this id, or the first that is on sale.
    pub async fn choose_event(&self, wanted: Option<EventId>) -> Result<ListedEvent> {
        let list = self.send::<ListedEvents>(self.request(Method::GET, "/events", None));
        let events = match list.await {
            Ok(list) => list.events,
            Err(refusal) => bail!("the server does not list its events: {refusal}"),
        };
        let is_on_sale =
            |event: &ListedEvent| matches!(event.state, SaleState::Open | SaleState::Paused);

        let Some(wanted) = wanted else {
            let on_sale = events.into_iter().find(is_on_sale);
            return on_sale.context("no event is on sale; open one at /admin");
        };
        let event = events.into_iter().find(|event| event.event_id == wanted);
        let event = event.with_context(|| format!("the server has no event {wanted}"))?;
        if !is_on_sale(&event) {
            let state = serde_json::to_value(event.state)?;
            let state = state.as_str().unwrap_or("not open").to_owned();
            bail!(
                "the sale of \"{}\" is {state}; open it at /admin",
                event.name
            );
        }
        Ok(event)
    }

    /// A token of a new guest, or a new token of this one.
    pub async fn guest(&self, known: Option<&str>) -> Result<String, Refusal> {
        let request = self.request(Method::POST, "/guest", known);
        match self.send::<GuestToken>(request).await {
            Ok(token) => Ok(token.token),
            Err(Refusal::Final(reason)) => Err(Refusal::Final(format!(
                "the server admits no guests ({reason}); start it with --guests true"
            ))),
            Err(refusal) => Err(refusal),
        }
    }

    /// Takes a place, or finds the one that the guest has.
    pub async fn join(&self, token: &str, event: EventId) -> Result<Place, Refusal> {
        let request = self.request(Method::POST, "/queue/join", Some(token));
        self.send(request.json(&json!({"event_id": event}))).await
    }

    /// The guest's place; a poll keeps it.
    pub async fn position(&self, token: &str, event: EventId) -> Result<Place, Refusal> {
        let path = format!("/queue/position/{event}");
        self.send(self.request(Method::GET, &path, Some(token)))
            .await
    }

    /// Gives place or turn back.
    pub async fn leave(&self, token: &str, event: EventId) -> Result<(), Refusal> {
        let path = format!("/queue/leave?event_id={event}");
        let left = self.send::<serde_json::Value>(self.request(Method::DELETE, &path, Some(token)));
        match left.await {
            Ok(_) | Err(Refusal::NotInQueue) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.base));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let later = |reason: String| Refusal::Later(Duration::from_secs(RETRY_AFTER), reason);
        let response = request.send().await.map_err(|error| {
            later(format!(
                "the server does not answer: {}",
                error.without_url()
            ))
        })?;

        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| later(error.without_url().to_string()))?;
        if status.is_success() {
            let read = serde_json::from_slice(&body);
            return read.map_err(|error| Refusal::Final(format!("an unknown response: {error}")));
        }
        Err(refusal(status, &body))
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> Refusal {
    let Ok(problem) = serde_json::from_slice::<ProblemBody>(body) else {
        let reason = format!("the server answers {status}");
        return match status.is_server_error() {
            true => Refusal::Later(Duration::from_secs(RETRY_AFTER), reason),
            false => Refusal::Final(reason),
        };
    };

    match problem.code.as_str() {
        "NOT_IN_QUEUE" => Refusal::NotInQueue,
        "GUEST_TOO_OLD" => Refusal::GuestTooOld,
        "RATE_LIMITED" | "UNAVAILABLE" => {
            let seconds = problem.retry_after.unwrap_or(RETRY_AFTER);
            Refusal::Later(Duration::from_secs(seconds), problem.detail)
        }
        _ => Refusal::Final(problem.detail),
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Later(_, reason) | Self::Final(reason) => f.write_str(reason),
            Self::NotInQueue => f.write_str("the guest has no place"),
            Self::GuestTooOld => f.write_str("the guest is too old to join"),
        }
    }
}
