//! Reserving and confirming, as a careful client does: a response with Retry-After is followed by a
//! retry with the same key.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::{admission::Admission, rest::Rest, rest_response::RestResponse, wait::TEST_TIMEOUT};

/// Shorter than the whole seconds of Retry-After: recovery takes milliseconds here.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// An idempotency key for a new attempt.
pub fn new_key() -> String {
    Uuid::new_v4().to_string()
}

/// One request to reserve.
pub async fn reserve_once(
    booking: &Rest,
    wish: &Value,
    pass: Option<&str>,
    key: Option<&str>,
) -> RestResponse {
    let mut request = booking
        .request(Method::POST, "/bookings/reserve")
        .json(wish);

    if let Some(pass) = pass {
        request = request.header("X-Queue-Pass", pass);
    }

    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }

    booking.send(request).await
}

/// Reserves with this pass, as a new attempt.
pub async fn reserve(booking: &Rest, admission: &Admission, wish: &Value) -> RestResponse {
    let (booking, key) = (booking.by(&admission.visitor), new_key());
    with_retries(|| reserve_once(&booking, wish, Some(&admission.pass), Some(&key))).await
}

/// Confirms.
pub async fn confirm(booking: &Rest, id: &str) -> RestResponse {
    let path = format!("/bookings/{id}/confirm");
    with_retries(|| booking.send(booking.request(Method::POST, &path))).await
}

/// Reserves and confirms; the confirmed booking.
pub async fn buy(booking: &Rest, admission: &Admission, wish: &Value) -> Value {
    let reserved = reserve(booking, admission, wish).await.expect(201);
    assert_eq!(reserved["status"], "reserved", "{reserved}");

    let confirmed = confirm(&booking.by(&admission.visitor), id(&reserved))
        .await
        .expect(200);
    assert_eq!(
        (confirmed["status"].as_str(), id(&confirmed)),
        (Some("confirmed"), id(&reserved)),
        "{confirmed}"
    );

    confirmed
}

/// A booking's id.
pub fn id(booking: &Value) -> &str {
    booking["booking_id"].as_str().expect("a booking has an id")
}

/// Sends the request again while the response has Retry-After.
pub async fn with_retries<F: Future<Output = RestResponse>>(ask: impl Fn() -> F) -> RestResponse {
    let deadline = std::time::Instant::now() + TEST_TIMEOUT;
    loop {
        let answer = ask().await;
        if !answer.has_retry_after() || std::time::Instant::now() > deadline {
            return answer;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}
