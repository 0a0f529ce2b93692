//! The guest of a browser without script, kept in a cookie.
//!
//! The cookie is `HttpOnly` and `SameSite=Lax`, over TLS also `Secure` and of a name that only this
//! very host can set; it is renewed while its guest has a place.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue, header};
use waitingroom::{
    identity::{GUEST_LIFE, Identity},
    problem::{Code, Problem},
};

use crate::Gateway;

const COOKIE: &str = "stanchion_guest";
/// The same over TLS: browsers take a cookie of this name from the very host only, over TLS, so
/// that no sibling can put a guest of its own in its place. Over plain HTTP, as at this machine,
/// they do not take it at all.
const TLS_COOKIE: &str = "__Host-stanchion_guest";
/// A guest who has a place is renewed when less than this is left of its token.
const RENEWAL_THRESHOLD: Duration = Duration::from_secs(GUEST_LIFE.as_secs() / 2);
impl Gateway {
    /// The guest of this browser's cookie.
    pub(crate) fn guest_from_cookie(&self, headers: &HeaderMap) -> Option<Identity> {
        let token = guest_token_from_cookie(headers)?;
        self.0
            .deps
            .authenticator
            .identify(token)
            .ok()
            .filter(|identity| identity.guest.is_some())
    }

    /// The guest of this browser's cookie, renewed, or a new one.
    fn issue_guest_cookie(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Result<(Identity, HeaderValue), Problem> {
        let known = self.guest_from_cookie(headers).map(|guest| guest.user);
        let (guest, token) = self.mint_guest(address, known)?;
        let life = GUEST_LIFE.as_secs();
        let (name, secure) = if is_over_tls(headers) {
            (TLS_COOKIE, "; Secure")
        } else {
            (COOKIE, "")
        };
        let cookie =
            format!("{name}={token}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
        Ok((
            guest,
            HeaderValue::from_str(&cookie)
                .map_err(|_| Problem::new(Code::Internal, "no cookie"))?,
        ))
    }

    /// The cookie of a guest who has a place and whose token is half over: a line may take longer
    /// than a token lasts. Where too many are made at this address, a later look renews it.
    fn renewed_cookie(
        &self,
        here: &QueueView,
        peer: SocketAddr,
        headers: &HeaderMap,
    ) -> Option<HeaderValue> {
        let guest = self
            .guest_from_cookie(headers)
            .filter(|_| !matches!(here, QueueView::NotQueued))?;
        let left = guest.expires_at.since(self.0.deps.clock.now());
        if left > RENEWAL_THRESHOLD {
            return None;
        }
        let address = self.0.guest_rate_limiter.request_address(peer, headers);
        self.issue_guest_cookie(address, headers)
            .ok()
            .map(|(_, cookie)| cookie)
    }
}

/// As the proxy says that holds the certificate.
fn is_over_tls(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme == "https")
}

/// The token of the guest's cookie. Over TLS only that which no other host can have set.
pub(crate) fn guest_token_from_cookie(headers: &HeaderMap) -> Option<&str> {
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
    fn over_tls_only_a_cookie_counts_that_no_other_host_can_set() {
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
        assert_eq!(guest_token_from_cookie(&headers(true, both)), Some("own"));
        assert_eq!(
            guest_token_from_cookie(&headers(true, &["stanchion_guest=sibling"])),
            None
        );
        assert_eq!(
            guest_token_from_cookie(&headers(false, &["a=b;stanchion_guest=own"])),
            Some("own")
        );
    }
}
