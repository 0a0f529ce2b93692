//! The guest of a browser without script, kept in a cookie.
//!
//! The cookie is `HttpOnly` and `SameSite=Lax`, over TLS also `Secure` and of a name that only this
//! very host can set; it is renewed while its guest has a place.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue, header};
use waitingroom_server::{
    auth::{GUEST_TTL, Identity},
    problem::{Code, Problem},
};

use super::token_issuer::GuestTokenIssuer;
use crate::client_addresses::ClientAddresses;

/// The cookie over plain HTTP.
const COOKIE: &str = "stanchion_guest";
/// The cookie over TLS: browsers accept a cookie of this name from the very host only, over TLS, so
/// that no sibling can replace it. Over plain HTTP, as on a developer's machine, they reject it.
const TLS_COOKIE: &str = "__Host-stanchion_guest";
/// A guest that has a place is renewed when less than this is left of its token.
const RENEWAL_THRESHOLD: Duration = Duration::from_secs(GUEST_TTL.as_secs() / 2);

/// Reads, issues and renews the cookie.
pub(crate) struct GuestCookies {
    tokens: Arc<GuestTokenIssuer>,
    addresses: Arc<ClientAddresses>,
}

impl GuestCookies {
    pub(crate) fn new(tokens: Arc<GuestTokenIssuer>, addresses: Arc<ClientAddresses>) -> Self {
        Self { tokens, addresses }
    }

    /// The guest of this browser's cookie.
    pub(crate) fn guest(&self, headers: &HeaderMap) -> Option<Identity> {
        self.tokens.guest_of_token(token_from_cookie(headers)?)
    }

    /// The guest of this browser's cookie, renewed, or a new one.
    pub(crate) fn issue(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Result<(Identity, HeaderValue), Problem> {
        let known = self.guest(headers).map(|guest| guest.user);
        let (guest, token) = self.tokens.mint(address, known)?;

        let life = GUEST_TTL.as_secs();
        let (name, secure) = if is_over_tls(headers) {
            (TLS_COOKIE, "; Secure")
        } else {
            (COOKIE, "")
        };
        let cookie =
            format!("{name}={token}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
        let cookie = HeaderValue::from_str(&cookie)
            .map_err(|_| Problem::new(Code::Internal, "no cookie"))?;
        Ok((guest, cookie))
    }

    /// A new cookie for the guest of this browser, if less than half of its token's life is left: a
    /// queue may take longer than a token lasts. If too many guests are made at this address, a
    /// later request renews it.
    pub(crate) fn renew(&self, peer: SocketAddr, headers: &HeaderMap) -> Option<HeaderValue> {
        let guest = self.guest(headers)?;
        if self.tokens.remaining_life(&guest) > RENEWAL_THRESHOLD {
            return None;
        }

        let address = self.addresses.request_address(peer, headers);
        self.issue(address, headers).ok().map(|(_, cookie)| cookie)
    }
}

/// Did the browser send the request over TLS, according to the proxy that terminates it?
fn is_over_tls(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme == "https")
}

/// The token of the guest's cookie. Over TLS only the cookie that no other host can have set
/// counts.
pub(super) fn token_from_cookie(headers: &HeaderMap) -> Option<&str> {
    let wanted = if is_over_tls(headers) {
        TLS_COOKIE
    } else {
        COOKIE
    };

    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .into_iter()
        .find(|(name, _)| *name == wanted)
        .map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_plain_cookie_when_over_tls() {
        let headers = |https: bool, cookies: &'static [&'static str]| {
            let cookies = cookies
                .iter()
                .map(|value| (header::COOKIE, HeaderValue::from_static(value)));
            let scheme = HeaderValue::from_static(if https { "https" } else { "http" });
            cookies
                .chain([(header::HeaderName::from_static("x-forwarded-proto"), scheme)])
                .collect::<HeaderMap>()
        };

        let both: &[&str] = &["stanchion_guest=sibling; a=b", "__Host-stanchion_guest=own"];
        assert_eq!(token_from_cookie(&headers(true, both)), Some("own"));
        assert_eq!(
            token_from_cookie(&headers(true, &["stanchion_guest=sibling"])),
            None
        );
        assert_eq!(
            token_from_cookie(&headers(false, &["a=b;stanchion_guest=own"])),
            Some("own")
        );
    }
}
