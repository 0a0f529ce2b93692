//! Web Push: where a browser can be notified of its user's turn, which push services are asked, and the
//! key by which they know this installation (VAPID, RFC 8292).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Uri;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::{PublicKey, SecretKey, elliptic_curve::sec1::ToEncodedPoint, pkcs8::EncodePrivateKey};
use serde::Serialize;

use crate::{clock::Timestamp, secret::Secret};

/// The longest endpoint that is accepted, in bytes; the longest of the known services has about 400.
pub const MAX_ENDPOINT_BYTES: usize = 1_024;

/// Browsers of one user that can be notified of one turn; a further one replaces the oldest.
pub const MAX_PUSH_SUBSCRIPTIONS: usize = 3;

/// How long the signature of requests to one service is used: services ask for at most a day, and
/// some refuse keys that sign too often.
pub const VAPID_LIFETIME_SECONDS: i64 = 12 * 3_600;

/// Whom [`PushServices`] accepts unless an operator names others: the push services of Chrome and
/// most other browsers, Firefox, Safari, Edge.
pub const KNOWN_PUSH_SERVICES: [&str; 4] = [
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];

const AUTH_BYTES: usize = 16;

/// Why a subscription is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubscription {
    /// The endpoint is no URL of a push service.
    #[error("must be a URL of at most {} bytes", MAX_ENDPOINT_BYTES)]
    Endpoint,
    /// The key is no point of P-256.
    #[error("must be a public key of P-256, 65 bytes in base64url")]
    Key,
    /// The secret has another length.
    #[error("must be 16 bytes in base64url")]
    Auth,
}

impl InvalidSubscription {
    /// The field in a browser's `PushSubscription` as JSON.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Key => "keys.p256dh",
            Self::Auth => "keys.auth",
        }
    }
}

/// A browser's subscription (RFC 8030), and the keys that messages to it are encrypted with (RFC
/// 8291). Who knows an endpoint can send to it, so debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PushSubscription {
    endpoint: String,
    p256dh: String,
    auth: String,
}

impl std::fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushSubscription(…)")
    }
}

impl PushSubscription {
    /// From the texts of a browser's subscription.
    ///
    /// # Errors
    /// Names the part that is not valid.
    pub fn parse(endpoint: &str, p256dh: &str, auth: &str) -> Result<Self, InvalidSubscription> {
        let subscription = Self {
            endpoint: endpoint.to_owned(),
            p256dh: p256dh.trim_end_matches('=').to_owned(),
            auth: auth.trim_end_matches('=').to_owned(),
        };

        parse_endpoint(endpoint).ok_or(InvalidSubscription::Endpoint)?;
        decode_key(&subscription.p256dh).ok_or(InvalidSubscription::Key)?;
        decode_auth(&subscription.auth).ok_or(InvalidSubscription::Auth)?;
        Ok(subscription)
    }

    /// The URL that messages are posted to.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The URL, taken apart by the parser that requests are made with.
    pub fn uri(&self) -> Uri {
        parse_endpoint(&self.endpoint).expect("checked when it was parsed")
    }

    /// The browser's public key, in base64url.
    pub fn p256dh(&self) -> &str {
        &self.p256dh
    }

    /// The browser's authentication secret, in base64url.
    pub fn auth(&self) -> &str {
        &self.auth
    }

    /// The key and the secret that a message is encrypted with.
    pub fn keys(&self) -> (PublicKey, [u8; AUTH_BYTES]) {
        let key = decode_key(&self.p256dh).expect("checked when it was parsed");
        let auth = decode_auth(&self.auth).expect("checked when it was parsed");
        (key, auth)
    }
}

/// Visible ASCII without user and password: nothing that two parsers read differently.
fn parse_endpoint(text: &str) -> Option<Uri> {
    let is_plain =
        text.len() <= MAX_ENDPOINT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    let uri: Uri = text.parse().ok().filter(|_| is_plain)?;
    let is_web = matches!(uri.scheme_str(), Some("https" | "http"));
    let has_plain_authority = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    (is_web && has_plain_authority).then_some(uri)
}

fn decode_key(text: &str) -> Option<PublicKey> {
    PublicKey::from_sec1_bytes(
        &URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .filter(|key| key.len() == 65)?,
    )
    .ok()
}

fn decode_auth(text: &str) -> Option<[u8; AUTH_BYTES]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// A name that no push service has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a host's name nor *. with one")]
pub struct InvalidPushService(String);

/// The push services that are asked. What a browser says is an endpoint is whatever its user sends,
/// and no server may be made to send requests to arbitrary hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushServices {
    names: Vec<String>,
    test_origin: Option<String>,
}

impl PushServices {
    /// The services of these names, or the known ones if there are none. `*.` before a name stands
    /// for every host below it. `test_origin` is accepted besides, without TLS.
    ///
    /// # Errors
    /// One that is no host's name, or an address: names alone have certificates.
    pub fn new(names: &[String], test_origin: Option<&str>) -> Result<Self, InvalidPushService> {
        for name in names {
            let host = name.strip_prefix("*.").unwrap_or(name);
            let is_label = |label: &str| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            };
            let is_name = host.contains('.') && host.split('.').all(is_label);
            if !is_name || host.parse::<Ipv4Addr>().is_ok() {
                return Err(InvalidPushService(name.clone()));
            }
        }

        let known = || KNOWN_PUSH_SERVICES.map(str::to_owned).to_vec();
        let names = if names.is_empty() {
            known()
        } else {
            names.to_vec()
        };
        Ok(Self {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            test_origin: test_origin.map(|origin| origin.trim_end_matches('/').to_owned()),
        })
    }

    /// May requests be sent to this endpoint? Over TLS at the usual port, to a host that is named.
    pub fn admits(&self, subscription: &PushSubscription) -> bool {
        let uri = subscription.uri();
        if self.is_test_origin(&uri) {
            return true;
        }
        let host = uri.host().unwrap_or_default();
        let authority = uri.authority().map(|authority| authority.as_str());
        let is_usual_port = authority
            .and_then(|authority| authority.strip_prefix(host))
            .is_some_and(|port| matches!(port, "" | ":443"));
        let host = host.to_ascii_lowercase();
        uri.scheme_str() == Some("https")
            && is_usual_port
            && self.names.iter().any(|name| matches_name(name, &host))
    }

    /// Is this the push service of a test?
    pub fn is_test_origin(&self, uri: &Uri) -> bool {
        self.test_origin.is_some() && self.test_origin == origin(uri)
    }
}

fn matches_name(name: &str, host: &str) -> bool {
    match name.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => host == name,
    }
}

/// Scheme, host and port of a URL: the audience of a VAPID signature.
pub fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// Is this an address on the public internet? A push service whose name leads elsewhere is not
/// asked: the name may have been made to lead there.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocol = (a, b, c) == (192, 0, 0);
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 224
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || is_shared
        || is_protocol
        || is_benchmark)
}

/// Global unicast, without what stands for an IPv4 address in a tunnel; through NAT64, as that
/// address is.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_tunnel = segments[0] == 0x2002 || segments[..2] == [0x2001, 0];
    let is_documentation = segments[..2] == [0x2001, 0xdb8];
    segments[0] & 0xe000 == 0x2000 && !is_tunnel && !is_documentation
}

/// Not the private key of a VAPID pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a private key of P-256, 32 bytes in base64url; `stanchion push-key` prints one")]
pub struct InvalidVapidKey;

/// The key that signs requests to push services. Browsers subscribe with its public half: another
/// key makes every subscription worthless.
#[derive(Clone)]
pub struct VapidKey {
    signing: EncodingKey,
    public: String,
}

impl std::fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VapidKey(…)")
    }
}

#[derive(Serialize)]
struct VapidClaims<'a> {
    aud: &'a str,
    exp: i64,
    sub: &'a str,
}

impl VapidKey {
    /// The key of an installation.
    ///
    /// # Errors
    /// The secret is no private key.
    pub fn parse(secret: &Secret) -> Result<Self, InvalidVapidKey> {
        let bytes = URL_SAFE_NO_PAD
            .decode(secret.expose().trim_end_matches('='))
            .map_err(|_| InvalidVapidKey)?;
        let key = SecretKey::from_slice(&bytes).map_err(|_| InvalidVapidKey)?;
        let der = key.to_pkcs8_der().map_err(|_| InvalidVapidKey)?;
        let public = key.public_key().to_encoded_point(false);
        Ok(Self {
            signing: EncodingKey::from_ec_der(der.as_bytes()),
            public: URL_SAFE_NO_PAD.encode(public.as_bytes()),
        })
    }

    /// The secret of a new key from random bytes; nothing for the few that are no key.
    pub fn secret_from(random: &[u8; 32]) -> Option<Secret> {
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(random));
        Self::parse(&secret).is_ok().then_some(secret)
    }

    /// The public half as browsers take it: `applicationServerKey`, in base64url.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The value of `Authorization` for requests to one origin, good for
    /// [`VAPID_LIFETIME_SECONDS`].
    pub fn authorization(&self, audience: &str, contact: &str, now: Timestamp) -> String {
        let claims = VapidClaims {
            aud: audience,
            exp: now.seconds() + VAPID_LIFETIME_SECONDS,
            sub: contact,
        };
        let token = encode(&Header::new(Algorithm::ES256), &claims, &self.signing)
            .expect("plain claims and a key that was checked");
        format!("vapid t={token}, k={}", self.public)
    }
}

/// May push services be given this as the contact of an operator?
pub fn is_contact(text: &str) -> bool {
    let address = |text: &str| {
        text.split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
    };
    let is_mail = text.strip_prefix("mailto:").is_some_and(address);
    let is_page = text.starts_with("https://") && text.parse::<Uri>().is_ok();
    (is_mail || is_page) && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What an installation sends pushes with.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Signs requests.
    pub key: VapidKey,
    /// Whom push services may write to: `mailto:` or `https://`.
    pub contact: String,
    /// Who is asked.
    pub services: PushServices,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of P-256 that nobody uses.
    fn subscription(endpoint: &str) -> Result<PushSubscription, InvalidSubscription> {
        let key = VapidKey::parse(&VapidKey::secret_from(&[7; 32]).unwrap()).unwrap();
        PushSubscription::parse(endpoint, key.public(), "AAAAAAAAAAAAAAAAAAAAAA")
    }

    #[test]
    fn endpoints_of_named_services_alone_are_asked() {
        let services = PushServices::new(&[], Some("http://127.0.0.1:9999/")).unwrap();
        for endpoint in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://FCM.googleapis.com:443/wp/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://web.push.apple.com/QGuQ",
            "https://wns2-par02p.notify.windows.com/w/?token=BQYA%2b",
            "http://127.0.0.1:9999/push/1",
        ] {
            assert!(
                services.admits(&subscription(endpoint).unwrap()),
                "{endpoint}"
            );
        }

        for endpoint in [
            "http://fcm.googleapis.com/fcm/send/abc",
            "https://fcm.googleapis.com:8443/fcm/send/abc",
            "https://fcm.googleapis.com:65979/fcm/send/abc",
            "https://fcm.googleapis.com.attacker.example/a",
            "https://attacker.example/fcm.googleapis.com",
            "https://push.apple.com/a",
            "https://notpush.apple.com/a",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/a",
            "http://127.0.0.1:9998/push/1",
            "https://127.0.0.1:9999/push/1",
            "http://localhost:9999/push/1",
        ] {
            assert!(
                !services.admits(&subscription(endpoint).unwrap()),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn what_is_no_subscription_is_refused_by_its_part() {
        for endpoint in [
            "",
            "fcm.googleapis.com/a",
            "/push",
            "ftp://fcm.googleapis.com/a",
            "https://user@fcm.googleapis.com/a",
            "https:///a",
            "https://fcm.googleapis.com/a b",
            "https://fcm.googleapis.com/ä",
            &format!(
                "https://fcm.googleapis.com/{}",
                "a".repeat(MAX_ENDPOINT_BYTES)
            ),
        ] {
            assert_eq!(
                subscription(endpoint),
                Err(InvalidSubscription::Endpoint),
                "{endpoint}"
            );
        }

        let endpoint = "https://fcm.googleapis.com/a";
        let off_the_curve = URL_SAFE_NO_PAD.encode([4; 65]);
        for key in ["", "BA", "not base64!", &off_the_curve] {
            let parsed = PushSubscription::parse(endpoint, key, "AAAAAAAAAAAAAAAAAAAAAA");
            assert_eq!(parsed, Err(InvalidSubscription::Key), "{key}");
        }

        let key = subscription(endpoint).unwrap().p256dh().to_owned();
        for auth in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            let parsed = PushSubscription::parse(endpoint, &key, auth);
            assert_eq!(parsed, Err(InvalidSubscription::Auth), "{auth}");
        }
        assert!(
            PushSubscription::parse(endpoint, &format!("{key}="), "AAAAAAAAAAAAAAAAAAAAAA==")
                .is_ok()
        );
    }

    #[test]
    fn services_are_named_by_hosts() {
        for name in [
            "*",
            "*.",
            "https://push.example",
            "push.example:443",
            "localhost",
            "10.0.0.1",
            "*.a..b",
            "",
        ] {
            assert!(
                PushServices::new(&[name.to_owned()], None).is_err(),
                "{name}"
            );
        }
        let own = PushServices::new(&["Push.example.org".to_owned()], None).unwrap();
        assert!(own.admits(&subscription("https://push.example.org/a").unwrap()));
        assert!(!own.admits(&subscription("https://fcm.googleapis.com/a").unwrap()));
    }

    #[test]
    fn private_addresses_are_not_public() {
        for address in [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:8.8.8.8",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "142.250.1.95",
            "2a00:1450:4001::5f",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_contact_can_be_written_to() {
        for contact in ["mailto:ops@shop.example", "https://shop.example/contact"] {
            assert!(is_contact(contact), "{contact}");
        }
        for contact in [
            "",
            "ops@shop.example",
            "mailto:",
            "mailto:ops",
            "mailto:ops@localhost",
            "http://shop.example",
            "https://a b",
        ] {
            assert!(!is_contact(contact), "{contact}");
        }
    }

    #[test]
    fn a_key_is_32_bytes_below_the_order_of_the_curve() {
        assert!(VapidKey::secret_from(&[0; 32]).is_none());
        assert!(VapidKey::secret_from(&[255; 32]).is_none());
        for secret in ["", "short", "a secret that is no key at all"] {
            assert!(VapidKey::parse(&Secret::from(secret)).is_err(), "{secret}");
        }
    }
}
