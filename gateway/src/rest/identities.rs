//! Identities that are signed here: guests, and development tokens on the embedded default.

use std::{net::SocketAddr, time::Duration};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use waitingroom::{
    clock::Timestamp,
    http::{Json, SmallJson},
    identity::mint_user_token,
    ids::UserId,
    problem::{Code, Problem},
};

use crate::{
    Gateway,
    plain::{GUEST_LIFE, guest_token},
};

/// Life of a development token.
const DEVELOPMENT_LIFE: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize)]
struct Token {
    token: String,
    user_id: UserId,
    expires_at: Timestamp,
}

pub(super) async fn guest(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(known) = known_guest(&gateway, &headers) {
        return Ok((StatusCode::CREATED, Json(known)).into_response());
    }
    let (user_id, token, expires_at) = gateway.mint_guest(peer, &headers)?;
    Ok((StatusCode::CREATED, Json(Token { token, user_id, expires_at })).into_response())
}

/// The guest that the pages without script gave to this browser: who allows scripts then keeps the place.
fn known_guest(gateway: &Gateway, headers: &HeaderMap) -> Option<Token> {
    let token = guest_token(headers)?;
    let identity = gateway.0.with.authenticator.identify(token).ok().filter(|identity| identity.guest)?;
    Some(Token { token: token.to_owned(), user_id: identity.user, expires_at: identity.expires_at })
}

impl Gateway {
    /// A new guest and the token that proves it, where guests are admitted.
    pub(crate) fn mint_guest(
        &self,
        peer: SocketAddr,
        headers: &HeaderMap,
    ) -> Result<(UserId, String, Timestamp), Problem> {
        self.0.guest_door.admit(peer, headers)?;
        let with = &self.0.with;
        let user_id: UserId = format!("guest-{}", Uuid::new_v4()).parse().map_err(|_| internal())?;
        let expires_at = with.clock.now().plus(GUEST_LIFE);
        let token = with
            .authenticator
            .mint_guest(&user_id, expires_at)
            .ok_or_else(|| Problem::new(Code::NotFound, "guests are not admitted here; sign in at the shop"))?;
        Ok((user_id, token, expires_at))
    }
}

#[derive(Deserialize)]
pub(super) struct DevelopmentUser {
    user: UserId,
    #[serde(default)]
    role: Option<String>,
}

/// Whoever may ask for one may be anybody: only somebody at this machine, and not by way of a proxy.
pub(super) async fn development_token(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<SmallJson<DevelopmentUser>, Problem>,
) -> Result<Response, Problem> {
    let secret = gateway.0.config.development_secret.as_ref().filter(|_| is_at_this_machine(peer, &headers));
    let secret = secret.ok_or_else(|| Problem::new(Code::NotFound, "there is nothing at this path"))?;
    let SmallJson(body) = body?;
    let now = gateway.0.with.clock.now();
    let token =
        mint_user_token(secret, &body.user, body.role.as_deref(), now, DEVELOPMENT_LIFE).ok_or_else(internal)?;
    Ok(Json(Token { token, user_id: body.user, expires_at: now.plus(DEVELOPMENT_LIFE) }).into_response())
}

fn is_at_this_machine(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer.ip().to_canonical().is_loopback() && !forwarded.iter().any(|name| headers.contains_key(*name))
}

fn internal() -> Problem {
    Problem::new(Code::Internal, "the token could not be signed")
}
