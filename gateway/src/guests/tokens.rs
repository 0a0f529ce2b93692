//! Tokens that are signed here: those of guests, and development tokens of the embedded default.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header::HOST},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use waitingroom_domain::{clock::Timestamp, ids::UserId};
use waitingroom_server::{
    auth::{GUEST_PREFIX, GUEST_TTL, Identity, mint_user_token},
    http::{Json, SmallJson},
    problem::{Code, Problem},
};

use super::cookie::guest_token_from_cookie;
use crate::{state::Gateway, web::origin};

const DEV_TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize)]
struct TokenResponse {
    token: String,
    user_id: UserId,
    expires_at: Timestamp,
}

/// Creates a guest. A guest's token renews that guest, which may take places again; the cookie of
/// pages without script gives the guest that it names.
pub(crate) async fn create_guest(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let of_token = gateway
        .0
        .deps
        .authenticator
        .authenticate(&headers)
        .ok()
        .filter(|identity| identity.guest.is_some());
    let of_cookie = match of_token {
        None => token_from_cookie(&gateway, &headers),
        Some(_) => None,
    };

    if let Some(known) = of_cookie {
        return Ok((StatusCode::CREATED, Json(known)).into_response());
    }

    let address = gateway.0.guest_rate_limiter.request_address(peer, &headers);
    let (guest, token) = gateway.mint_guest(address, of_token.map(|identity| identity.user))?;
    let response = TokenResponse {
        token,
        user_id: guest.user,
        expires_at: guest.expires_at,
    };

    Ok((StatusCode::CREATED, Json(response)).into_response())
}

/// The guest that pages without script gave to this browser: it keeps the place once scripts are
/// allowed.
fn token_from_cookie(gateway: &Gateway, headers: &HeaderMap) -> Option<TokenResponse> {
    let identity = gateway.guest_from_cookie(headers)?;
    Some(TokenResponse {
        token: guest_token_from_cookie(headers)?.to_owned(),
        user_id: identity.user,
        expires_at: identity.expires_at,
    })
}

impl Gateway {
    /// A guest, new or known, with a new token, if guests are admitted. Both count towards the
    /// limit.
    pub(crate) fn mint_guest(
        &self,
        address: IpAddr,
        known: Option<UserId>,
    ) -> Result<(Identity, String), Problem> {
        let deps = &self.0.deps;
        if !deps.authenticator.admits_guests() {
            return Err(Problem::new(
                Code::NotFound,
                "guests are not admitted here; sign in at the shop",
            ));
        }

        self.0.guest_rate_limiter.check(address)?;
        let user = match known {
            Some(user) => user,
            None => format!("{GUEST_PREFIX}{}", Uuid::new_v4())
                .parse()
                .map_err(|_| signing_failed())?,
        };

        let now = deps.clock.now();
        let expires_at = now.plus(GUEST_TTL);
        let token = deps
            .authenticator
            .mint_guest(&user, now, expires_at)
            .ok_or_else(signing_failed)?;
        Ok((
            Identity {
                user,
                admin: false,
                guest: Some(now),
                expires_at,
            },
            token,
        ))
    }
}

#[derive(Deserialize)]
pub(crate) struct DevTokenRequest {
    user: UserId,
    #[serde(default)]
    role: Option<String>,
}

/// A development token names any user: it is given only to a program on this machine that does not
/// connect through a proxy, and to no page of another site, even one whose name resolves to this
/// machine.
pub(crate) async fn create_dev_token(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<SmallJson<DevTokenRequest>, Problem>,
) -> Result<Response, Problem> {
    let secret = gateway
        .0
        .config
        .development_secret
        .as_ref()
        .filter(|_| is_loopback_request(peer, &headers));
    let secret =
        secret.ok_or_else(|| Problem::new(Code::NotFound, "there is nothing at this path"))?;
    let SmallJson(body) = body?;
    if body.user.as_str().starts_with(GUEST_PREFIX) {
        return Err(Problem::invalid(
            "user",
            "must not begin with 'guest-': such names are for guests",
        ));
    }

    let now = gateway.0.deps.clock.now();
    let token = mint_user_token(secret, &body.user, body.role.as_deref(), now, DEV_TOKEN_TTL)
        .ok_or_else(signing_failed)?;
    Ok(Json(TokenResponse {
        token,
        user_id: body.user,
        expires_at: now.plus(DEV_TOKEN_TTL),
    })
    .into_response())
}

fn is_loopback_request(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let forwards = |name: &str| {
        matches!(
            name,
            "forwarded" | "x-real-ip" | "via" | "true-client-ip" | "cf-connecting-ip"
        ) || name.starts_with("x-forwarded")
    };

    peer.ip().to_canonical().is_loopback()
        && is_loopback_host(headers)
        && origin::is_same_origin(headers)
        && !headers.keys().any(|name| forwards(name.as_str()))
}

/// Does the `Host` header name this machine, on any port?
fn is_loopback_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers
        .get_all(HOST)
        .iter()
        .map(|host| host.to_str().ok().map(origin::host_name));
    let own = |host: Option<&str>| {
        host.is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
    };
    hosts.next().is_some_and(own) && hosts.next().is_none()
}

fn signing_failed() -> Problem {
    Problem::new(Code::Internal, "the token could not be signed")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_served(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_loopback_request(peer.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn serves_dev_tokens_to_local_programs_only() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:9",
        ] {
            assert!(is_served("127.0.0.1:5", &[("host", host)]), "{host}");
        }

        assert!(is_served(
            "[::ffff:127.0.0.1]:5",
            &[("host", "localhost:1"), ("origin", "http://localhost:1")]
        ));

        for (peer, headers) in [
            ("203.0.113.9:5", vec![("host", "localhost")]),
            ("127.0.0.1:5", vec![]),
            ("127.0.0.1:5", vec![("host", "attacker.example")]),
            (
                "127.0.0.1:5",
                vec![("host", "localhost.attacker.example:8080")],
            ),
            ("127.0.0.1:5", vec![("host", "127.0.0.2")]),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("origin", "http://attacker.example")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("origin", "null")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("sec-fetch-site", "cross-site")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("x-forwarded-proto", "https")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("x-forwarded-for", "127.0.0.1")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("forwarded", "for=127.0.0.1")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("x-real-ip", "127.0.0.1")],
            ),
            (
                "127.0.0.1:5",
                vec![("host", "localhost"), ("via", "1.1 proxy")],
            ),
        ] {
            assert!(!is_served(peer, &headers), "{peer} {headers:?}");
        }
    }
}
