//! Calls booking with the user's token and pass.

use std::{net::IpAddr, time::Duration};

use axum::http::{
    HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::{sync::Semaphore, time::timeout};
use waitingroom_domain::{
    guest_address::{self, GuestAddressKey},
    ids::{EventId, IdempotencyKey},
    queue::SaleState,
};
use waitingroom_server::{
    auth::Identity,
    problem::{Code, Problem},
    protocol::{ReserveSeats, SeatPreference},
};

use crate::booking_api::{BookingUnreachable, SharedBookingApi};

/// Timeout of a call, connecting included.
const BOOKING_TIMEOUT: Duration = Duration::from_secs(5);
/// Max automatic holds that this node requests at the same time.
const MAX_CONCURRENT_HOLDS: usize = 64;

/// A client of booking's public interface. A reservation is never retried here: its idempotency key
/// lets the user do so.
pub(crate) struct BookingClient {
    service: SharedBookingApi,
    /// Vouches for guests' addresses.
    addresses: GuestAddressKey,
    /// A tick may release hundreds of users with seat preferences.
    hold_permits: Semaphore,
}

/// The user that booking is called for.
#[derive(Debug, Clone)]
pub(crate) struct UserCredentials {
    pub(crate) token: String,
    /// The address of a guest, signed for booking.
    pub(crate) guest_address: Option<String>,
}

/// An event as pages without script show it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EventSummary {
    pub(crate) event_id: EventId,
    pub(crate) name: String,
    pub(crate) state: SaleState,
    pub(crate) message: Option<String>,
    /// Every seat is sold. Booking of an earlier release does not say so.
    #[serde(default)]
    pub(crate) sold_out: bool,
    pub(crate) venue: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) starts_at: Option<String>,
    pub(crate) starts_at_local: Option<String>,
    /// Only of a single event.
    #[serde(default)]
    pub(crate) shows: Vec<ShowSummary>,
}

/// A show as pages without script show it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ShowSummary {
    pub(crate) name: String,
    pub(crate) starts_at: Option<String>,
    pub(crate) starts_at_local: Option<String>,
}

impl EventSummary {
    /// Venue and city, as far as they are known.
    pub(crate) fn place(&self) -> Option<String> {
        let known: Vec<&str> = [&self.venue, &self.city]
            .into_iter()
            .filter_map(|part| part.as_deref())
            .collect();
        (!known.is_empty()).then(|| known.join(", "))
    }

    /// When the first show begins, with the zone's name.
    pub(crate) fn time(&self) -> Option<String> {
        self.named_time(self.starts_at.as_deref(), self.starts_at_local.as_deref())
    }

    /// When a show begins, with the zone's name.
    pub(crate) fn time_of(&self, show: &ShowSummary) -> Option<String> {
        self.named_time(show.starts_at.as_deref(), show.starts_at_local.as_deref())
    }

    /// Pages without script do not know their visitor's zone: without the venue's, it is UTC.
    fn named_time(&self, utc: Option<&str>, local: Option<&str>) -> Option<String> {
        let (moment, zone) = match (local, &self.time_zone) {
            (Some(local), Some(zone)) => (local, zone.as_str()),
            _ => (utc?, "UTC"),
        };
        let to_minute = moment.get(..16)?.replace('T', " ");
        Some(format!("{to_minute} ({zone})"))
    }

    /// The state as users should know it: an open sale of which every seat is sold is sold out.
    pub(crate) fn sale(&self) -> SaleState {
        if self.sold_out && self.state == SaleState::Open {
            SaleState::SoldOut
        } else {
            self.state
        }
    }
}

#[derive(Deserialize)]
struct PendingBookings {
    bookings: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct EventList {
    events: Vec<EventSummary>,
}

/// Booking's error, or that it cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BookingClientError {
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl BookingClient {
    /// A client of booking.
    pub(crate) fn new(service: SharedBookingApi, addresses: GuestAddressKey) -> Self {
        Self {
            service,
            addresses,
            hold_permits: Semaphore::new(MAX_CONCURRENT_HOLDS),
        }
    }

    /// The credentials of this user.
    pub(crate) fn credentials(
        &self,
        token: &str,
        caller: &Identity,
        address: IpAddr,
    ) -> UserCredentials {
        let guest_address = caller
            .guest
            .and_then(|_| self.addresses.sign(&caller.user, address));
        UserCredentials {
            token: token.to_owned(),
            guest_address,
        }
    }

    /// All events.
    pub(crate) async fn events(&self) -> Result<Vec<EventSummary>, BookingUnreachable> {
        let response = self.get("/events", None).await?;
        Ok(decode::<EventList>(&response)?.events)
    }

    /// One event, if it exists.
    pub(crate) async fn event(
        &self,
        event: EventId,
    ) -> Result<Option<EventSummary>, BookingUnreachable> {
        let response = self.get(&format!("/events/{event}"), None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        decode(&response).map(Some)
    }

    /// Reserves seats; returns the booking's JSON.
    pub(crate) async fn reserve(
        &self,
        credentials: &UserCredentials,
        pass: &str,
        request: &ReserveSeats,
    ) -> Result<Map<String, Value>, BookingClientError> {
        let body = serde_json::json!({
            "event_id": request.event_id, "show_id": request.show_id, "zone_id": request.zone_id,
            "quantity": request.quantity,
        });

        self.post(
            "/bookings/reserve",
            credentials,
            pass,
            &request.idempotency_key,
            &body,
        )
        .await
    }

    /// Reserves the first of the preferences that fits; returns the booking's JSON. Waits for a
    /// permit, see [`MAX_CONCURRENT_HOLDS`].
    pub(crate) async fn reserve_first(
        &self,
        credentials: &UserCredentials,
        pass: &str,
        event: EventId,
        preferences: &[SeatPreference],
        key: &IdempotencyKey,
    ) -> Result<Map<String, Value>, BookingClientError> {
        let _permit = self
            .hold_permits
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let body = serde_json::json!({"event_id": event, "options": preferences});

        self.post("/bookings/reserve/first", credentials, pass, key, &body)
            .await
    }

    /// The user's bookings that wait to be confirmed.
    pub(crate) async fn pending_bookings(
        &self,
        token: &str,
    ) -> Result<Vec<Map<String, Value>>, BookingUnreachable> {
        let response = self.get("/bookings/pending", Some(token)).await?;
        Ok(decode::<PendingBookings>(&response)?.bookings)
    }

    async fn get(
        &self,
        path: &str,
        token: Option<&str>,
    ) -> Result<Response<Bytes>, BookingUnreachable> {
        let mut request = Request::get(format!("/api/v1{path}"));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }

        let request = request
            .body(Bytes::new())
            .map_err(|error| BookingUnreachable(error.to_string()))?;
        with_timeout(self.service.call(request)).await
    }

    async fn post(
        &self,
        path: &str,
        credentials: &UserCredentials,
        pass: &str,
        key: &IdempotencyKey,
        body: &Value,
    ) -> Result<Map<String, Value>, BookingClientError> {
        let mut request = Request::post(format!("/api/v1{path}"));
        if let Some(address) = &credentials.guest_address {
            request = request.header(guest_address::HEADER, address);
        }
        let request = request
            .header(AUTHORIZATION, format!("Bearer {}", credentials.token))
            .header(CONTENT_TYPE, "application/json")
            .header("X-Queue-Pass", pass)
            .header("Idempotency-Key", header_value(key)?)
            .body(Bytes::from(body.to_string()))
            .map_err(|error| booking_unreachable(&BookingUnreachable(error.to_string())))?;

        let response = with_timeout(self.service.call(request))
            .await
            .map_err(|error| booking_unreachable(&error))?;
        let fields: Map<String, Value> = serde_json::from_slice(response.body())
            .map_err(|error| booking_unreachable(&BookingUnreachable(error.to_string())))?;
        let status = response.status();
        if status == StatusCode::CREATED || status == StatusCode::OK {
            Ok(fields)
        } else {
            Err(decode_error(&fields))
        }
    }
}

async fn with_timeout(
    call: impl Future<Output = Result<Response<Bytes>, BookingUnreachable>>,
) -> Result<Response<Bytes>, BookingUnreachable> {
    let late = |_| {
        Err(BookingUnreachable(format!(
            "no answer in {} s",
            BOOKING_TIMEOUT.as_secs()
        )))
    };

    timeout(BOOKING_TIMEOUT, call).await.unwrap_or_else(late)
}

/// The body of a successful response.
fn decode<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, BookingUnreachable> {
    if !response.status().is_success() {
        return Err(BookingUnreachable(format!(
            "booking answers {}",
            response.status()
        )));
    }
    serde_json::from_slice(response.body()).map_err(|error| BookingUnreachable(error.to_string()))
}

/// A key in a frame may be any printable text, a key in a header only ASCII.
fn header_value(key: &IdempotencyKey) -> Result<HeaderValue, BookingClientError> {
    let unfit = |_| {
        Problem::invalid(
            "idempotency_key",
            "must be ASCII to be handed on to booking",
        )
        .into()
    };
    HeaderValue::from_str(key.as_str()).map_err(unfit)
}

fn decode_error(fields: &Map<String, Value>) -> BookingClientError {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    BookingClientError {
        code: text("code").unwrap_or_else(|| Code::Internal.as_str().to_owned()),
        detail: text("detail").unwrap_or_else(|| "booking refused without saying why".to_owned()),
    }
}

fn booking_unreachable(error: &BookingUnreachable) -> BookingClientError {
    tracing::warn!(%error, "booking request failed");
    Problem::new(
        Code::Unavailable,
        "booking cannot be reached; try again with the same idempotency_key",
    )
    .into()
}

impl From<Problem> for BookingClientError {
    fn from(problem: Problem) -> Self {
        Self {
            code: problem.code.as_str().to_owned(),
            detail: problem.detail,
        }
    }
}
