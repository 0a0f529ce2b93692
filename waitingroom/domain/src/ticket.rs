//! Tickets: a number in the queue, signed, so that a queue lost by the engine can be rebuilt in its
//! old order.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{Epoch, EventId, UserId},
    secret::Secret,
};

const ISSUER: &str = "stanchion";
const AUDIENCE: &str = "stanchion:line";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    aud: String,
    event_id: EventId,
    num: u64,
    epoch: Epoch,
}

/// The key that signs and verifies tickets.
#[derive(Clone)]
pub struct TicketKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(…)")
    }
}

impl TicketKey {
    /// The key of one installation; the same secret as the passes', told apart by audience.
    pub fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "sub", "aud"]);
        validation.validate_exp = false; // a ticket has no end: its line has

        Self {
            encoding: EncodingKey::from_secret(secret.expose().as_bytes()),
            decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
        }
    }

    /// The ticket of a place.
    pub fn mint(&self, event_id: EventId, user: &UserId, epoch: &Epoch, number: u64) -> String {
        let claims = Claims {
            iss: ISSUER.into(),
            sub: user.clone(),
            aud: AUDIENCE.into(),
            event_id,
            num: number,
            epoch: epoch.clone(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("claims of plain values always encode")
    }

    /// The queue and the number of a genuine ticket of this user for this event; `None` for any
    /// other.
    pub fn verify(&self, ticket: &str, event_id: EventId, user: &UserId) -> Option<(Epoch, u64)> {
        let claims = decode::<Claims>(ticket, &self.decoding, &self.validation)
            .ok()?
            .claims;
        (claims.event_id == event_id && claims.sub == *user).then_some((claims.epoch, claims.num))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_user_and_event_only() {
        let key = TicketKey::new(&Secret::from("0123456789abcdef"));
        let (event, other) = (
            EventId::from(uuid::Uuid::from_u128(1)),
            EventId::from(uuid::Uuid::from_u128(2)),
        );
        let (ann, bob): (UserId, UserId) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let epoch: Epoch = "e1".parse().unwrap();
        let ticket = key.mint(event, &ann, &epoch, 42);

        assert_eq!(key.verify(&ticket, event, &ann), Some((epoch, 42)));
        assert_eq!(key.verify(&ticket, event, &bob), None);
        assert_eq!(key.verify(&ticket, other, &ann), None);
        assert_eq!(key.verify(&ticket[1..], event, &ann), None);
    }
}
