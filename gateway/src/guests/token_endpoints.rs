//! Tokens that are signed here: those of guests, and development tokens of the embedded default.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header::HOST},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{AllOfBuilder, Ref, RefOr, Schema},
};
use waitingroom_domain::{clock::Timestamp, ids::UserId};
use waitingroom_server::{
    auth::GUEST_PREFIX,
    http::{Json, SmallJson},
    openapi::problems::{Failed, InvalidBody, InvalidField, NotHere, RateLimited},
    problem::{Code, Problem},
};

use super::{
    cookie::{GuestCookies, token_from_cookie},
    token_issuer::{DevTokenIssuer, GuestTokenIssuer},
};
use crate::{client_addresses::ClientAddresses, web::origin};

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenResponse {
    /// For `Authorization: Bearer` and the `connect` of the WebSocket.
    token: String,
    user_id: UserId,
    /// When the token expires.
    expires_at: Timestamp,
}

/// Create a guest identity, if guests are admitted
///
/// A guest's token renews that guest, which may take places again; the cookie of pages without
/// script gives the guest that it names.
#[utoipa::path(
    post,
    path = "/api/v1/guest",
    operation_id = "createGuest",
    tag = "identity",
    description = "For visitors without a login. By default at most 200 at once and 5 per second from one address. With a guest's \
        token, that guest is renewed. 404 if guests are not admitted.",
    params((
        "stanchion_guest" = Option<String>,
        Cookie,
        nullable = false,
        description = "The guest of the pages without script: the response is the same guest. Over TLS the name of the \
            cookie is `__Host-stanchion_guest`."
    )),
    responses(
        (
            status = 201,
            description = "The identity. It is valid for 24 hours.",
            body = TokenResponse,
            example = json!({
                "token": "header.payload.signature",
                "user_id": "guest-4f180976-cfe1-4391-afe8-33152f882a9d",
                "expires_at": "2026-06-02T18:00:00Z"
            })
        ),
        NotHere, RateLimited, Failed
    ),
    security(())
)]
pub(crate) async fn create_guest(
    State(tokens): State<Arc<GuestTokenIssuer>>,
    State(cookies): State<Arc<GuestCookies>>,
    State(addresses): State<Arc<ClientAddresses>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let of_token = tokens.guest_of_request(&headers);
    let of_cookie = match of_token {
        None => known_token(&cookies, &headers),
        Some(_) => None,
    };

    if let Some(known) = of_cookie {
        return Ok((StatusCode::CREATED, Json(known)).into_response());
    }

    let address = addresses.request_address(peer, &headers);
    let (guest, token) = tokens.mint(address, of_token.map(|identity| identity.user))?;
    let response = TokenResponse {
        token,
        user_id: guest.user,
        expires_at: guest.expires_at,
    };

    Ok((StatusCode::CREATED, Json(response)).into_response())
}

/// The guest that pages without script gave to this browser: it keeps the place once scripts are
/// allowed.
fn known_token(cookies: &GuestCookies, headers: &HeaderMap) -> Option<TokenResponse> {
    let identity = cookies.guest(headers)?;
    Some(TokenResponse {
        token: token_from_cookie(headers)?.to_owned(),
        user_id: identity.user,
        expires_at: identity.expires_at,
    })
}

/// A request for a development token.
#[derive(Deserialize, ToSchema)]
#[schema(as = DevelopmentUser, example = json!({ "user": "alice" }))]
pub(crate) struct DevTokenRequest {
    #[schema(schema_with = development_user)]
    user: UserId,
    /// `admin` for an operator.
    #[serde(default)]
    role: Option<String>,
}

/// The names of guests are for guests.
fn development_user() -> RefOr<Schema> {
    let mut user = AllOfBuilder::new()
        .item(Ref::from_schema_name("UserId"))
        .build();
    user.extensions = Some(
        [("not", json!({ "pattern": "^guest-" }))]
            .into_iter()
            .collect(),
    );
    RefOr::T(Schema::AllOf(user))
}

/// Create a token for any user, on the embedded default only
///
/// A development token names any user: it is given only to a program on this machine that does not
/// connect through a proxy, and to no page of another site, even one whose name resolves to this
/// machine.
#[utoipa::path(
    post,
    path = "/api/v1/dev/token",
    operation_id = "createDevelopmentToken",
    tag = "identity",
    description = "Exists if the embedded default was started with `--dev-tokens`, for requests from the machine itself \
        under the names localhost, 127.0.0.1 and [::1] that no proxy forwarded and no page of another site sent; 404 \
        otherwise.",
    request_body = DevTokenRequest,
    responses(
        (
            status = 200,
            description = "The token. It is valid for 24 hours.",
            body = TokenResponse,
            example = json!({
                "token": "header.payload.signature",
                "user_id": "alice",
                "expires_at": "2026-06-02T18:00:00Z"
            })
        ),
        InvalidBody, NotHere, InvalidField, Failed
    ),
    security(())
)]
pub(crate) async fn create_dev_token(
    State(issuer): State<Option<Arc<DevTokenIssuer>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<SmallJson<DevTokenRequest>, Problem>,
) -> Result<Response, Problem> {
    let issuer = issuer
        .filter(|_| is_loopback_request(peer, &headers))
        .ok_or_else(|| Problem::new(Code::NotFound, "no such route"))?;
    let SmallJson(body) = body?;
    if body.user.as_str().starts_with(GUEST_PREFIX) {
        return Err(Problem::invalid(
            "user",
            "must not begin with 'guest-': such names are for guests",
        ));
    }

    let (token, expires_at) = issuer.mint(&body.user, body.role.as_deref())?;
    Ok(Json(TokenResponse {
        token,
        user_id: body.user,
        expires_at,
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
