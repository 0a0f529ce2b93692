//! One booking: seats reserved by a user, from the hold to its end.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, EventId, IdempotencyKey, PassId, ShowId, UserId, ZoneId},
};

use crate::model::money::{Currency, Money};

/// The status of a booking. Only `reserved` can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = BookingStatus)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Seats held until `expires_at`.
    Reserved,
    /// Seats sold.
    Confirmed,
    /// Given back by the user.
    Cancelled,
    /// Given back by time.
    Expired,
}

impl Status {
    /// The name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The status of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Reserved,
            Self::Confirmed,
            Self::Cancelled,
            Self::Expired,
        ];
        all.into_iter().find(|status| status.as_str() == name)
    }
}

/// A booking as the database has it. Serializes as the *booking* of the public interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its name.
    pub booking_id: BookingId,
    /// What it is for.
    pub event_id: EventId,
    /// On which date.
    pub show_id: ShowId,
    /// In which block of seats.
    pub zone_id: ZoneId,
    /// Whose.
    pub user: UserId,
    /// Seats.
    pub quantity: u32,
    /// The catalogue's price of one seat when it was reserved.
    pub unit_price: Money,
    /// Where it stands.
    pub status: Status,
    /// When it was reserved.
    pub created_at: Timestamp,
    /// When the hold ends unless confirmed.
    pub expires_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
}

impl Booking {
    /// The booking as a client sees it at `now`: a hold whose time is over has expired even if the
    /// sweep is yet to come.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        if self.status == Status::Reserved && self.expires_at <= now {
            self.status = Status::Expired;
        }
        self
    }

    /// The outbox message of the booking's present status.
    pub fn message(&self) -> OutboxMessage {
        OutboxMessage {
            message_id: format!("{}:{}", self.booking_id, self.status.as_str()),
            topic: format!("bookings.{}", self.status.as_str()),
            payload: serde_json::to_string(self).expect("a booking has only text keys"),
        }
    }
}

/// A booking: seats of one zone, reserved by a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Booking, example = json!(BookingDocument::example("reserved", None)))]
pub(crate) struct BookingDocument<'a> {
    booking_id: BookingId,
    event_id: EventId,
    show_id: ShowId,
    zone_id: ZoneId,
    user_id: &'a UserId,
    #[schema(minimum = 1, maximum = 10)]
    quantity: u32,
    /// The catalogue's price of one seat at the time of the reservation, in minor units.
    #[schema(minimum = 0)]
    unit_price: i64,
    /// In minor units.
    #[schema(minimum = 0)]
    total_price: i64,
    currency: Currency,
    /// Decimals of the currency's minor unit, by ISO 4217.
    #[schema(maximum = 4)]
    currency_digits: u8,
    status: Status,
    /// The time of the reservation.
    created_at: Timestamp,
    /// When the hold expires unless it is confirmed.
    expires_at: Timestamp,
    /// The time of the confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    confirmed_at: Option<Timestamp>,
}

impl BookingDocument<'_> {
    /// An example for the interface's document.
    pub(crate) fn example(status: &str, confirmed_at: Option<&str>) -> Value {
        let mut booking = json!({
            "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
            "event_id": "d0000000-0000-0001-0000-000000000000",
            "show_id": "d1000000-0000-0001-0000-000000000000",
            "zone_id": "d2000000-0000-0001-0002-000000000000",
            "user_id": "alice",
            "quantity": 2,
            "unit_price": 8900,
            "total_price": 17800,
            "currency": "EUR",
            "currency_digits": 2,
            "status": status,
            "created_at": "2026-06-01T18:00:12.345Z",
            "expires_at": "2026-06-01T18:05:12.345Z",
        });

        if let Some(moment) = confirmed_at {
            booking["confirmed_at"] = moment.into();
        }
        booking
    }
}

impl Serialize for Booking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BookingDocument {
            booking_id: self.booking_id,
            event_id: self.event_id,
            show_id: self.show_id,
            zone_id: self.zone_id,
            user_id: &self.user,
            quantity: self.quantity,
            unit_price: self.unit_price.minor,
            total_price: self.unit_price.times(self.quantity).minor,
            currency: self.unit_price.currency,
            currency_digits: self.unit_price.currency.digits(),
            status: self.status,
            created_at: self.created_at,
            expires_at: self.expires_at,
            confirmed_at: self.confirmed_at,
        }
        .serialize(serializer)
    }
}

/// A message to be published once its change is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// The same for the same change, however often it is published.
    pub message_id: String,
    /// The subject below the installation's prefix: `bookings.reserved`.
    pub topic: String,
    /// JSON.
    pub payload: String,
}

/// A client's name for an attempt, and a digest of what it asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The name, the user's own.
    pub key: IdempotencyKey,
    /// The digest.
    pub fingerprint: String,
}

/// A booking to be stored: seats are held in the engine, the pass is burned there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBooking {
    /// The booking, `Reserved`.
    pub booking: Booking,
    /// The pass it was made with; one booking per pass, ever.
    pub pass_id: PassId,
    /// The idempotency key, if the client sent one.
    pub idempotency: Option<Idempotency>,
}

/// A stored booking and the digest of the attempt that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was made.
    pub booking: Booking,
    /// The fingerprint of the request; `None` if the client sent no key.
    pub fingerprint: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Currency;

    #[test]
    fn serializes_like_wire_sample() {
        let sample = include_str!("../../../tests/wire/server.reserved.confirmed.json");
        let mut sample: serde_json::Value = serde_json::from_str(sample).unwrap();
        let fields = sample.as_object_mut().unwrap();

        fields.remove("type");
        fields.remove("ref");

        let booking = Booking {
            booking_id: "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201".parse().unwrap(),
            event_id: "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01".parse().unwrap(),
            show_id: "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1b01".parse().unwrap(),
            zone_id: "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1c01".parse().unwrap(),
            user: "alice".parse().unwrap(),
            quantity: 2,
            unit_price: Money {
                minor: 12_500,
                currency: Currency::EUR,
            },
            status: Status::Confirmed,
            created_at: Timestamp::parse("2026-06-01T18:00:12.345Z").unwrap(),
            expires_at: Timestamp::parse("2026-06-01T18:08:12.345Z").unwrap(),
            confirmed_at: Timestamp::parse("2026-06-01T18:02:40.002Z"),
        };
        assert_eq!(serde_json::to_value(&booking).unwrap(), sample);
    }
}
