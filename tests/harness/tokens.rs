//! Tokens as the shop's login signs them, and a look into those that Stanchion signs.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::wait::now_ms;

/// The secret of the shop's login, on every stack.
pub const JWT_SECRET: &str = "the-shop-signs-its-users-in-with-this";
/// The secret of tickets and passes, on every stack.
pub const PASS_SECRET: &str = "tickets-and-passes-are-signed-with-this";

/// What a pass says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassClaims {
    /// Issuer.
    pub iss: String,
    /// Whose.
    pub sub: String,
    /// For whom.
    pub aud: String,
    /// For which event.
    pub event_id: String,
    /// That it is a pass.
    pub purpose: String,
    /// Which pass.
    pub jti: String,
    /// The number in line that it was given for.
    pub num: u64,
    /// The line it was given in.
    pub epoch: String,
    /// When it was released, in seconds.
    pub iat: i64,
    /// The same.
    pub nbf: i64,
    /// When it ends, in seconds, rounded up.
    pub exp: i64,
    /// When it ends, in milliseconds.
    pub end: i64,
}

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TicketClaims {
    /// Whose.
    pub sub: String,
    /// For which event.
    pub event_id: String,
    /// The number in line.
    pub num: u64,
    /// The line that the number was given in.
    pub epoch: String,
}

/// A user's token.
pub fn user(name: &str) -> String {
    signed(
        &json!({"sub": name, "exp": now_ms() / 1000 + 3600}),
        JWT_SECRET,
    )
}

/// An operator's token.
pub fn operator() -> String {
    signed(
        &json!({"sub": "operator", "role": "admin", "exp": now_ms() / 1000 + 3600}),
        JWT_SECRET,
    )
}

/// Any claims, signed with any secret.
pub fn signed(claims: &impl Serialize, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("claims can be written down")
}

/// What a genuine pass says.
pub fn pass(token: &str) -> PassClaims {
    opened(token)
}

/// What a genuine ticket says.
pub fn ticket(token: &str) -> TicketClaims {
    opened(token)
}

/// The number that a genuine ticket of this user for this event gives.
pub fn ticket_number(token: &str, user: &str, event: &str) -> u64 {
    let claims = ticket(token);
    assert_eq!(
        (claims.sub.as_str(), claims.event_id.as_str()),
        (user, event),
        "a ticket names its user and event"
    );
    claims.num
}

fn opened<T: DeserializeOwned>(token: &str) -> T {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(PASS_SECRET.as_bytes());
    decode(token, &key, &validation)
        .unwrap_or_else(|error| panic!("{token} is not genuine: {error}"))
        .claims
}
