//! Where a guest comes from, as gateway and booking count it, and how a gateway tells booking of
//! it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

use crate::{ids::UserId, secret::Secret};

/// The header in which a gateway tells booking where the user of a request comes from.
pub const HEADER: &str = "x-stanchion-guest-address";
/// A network of addresses may have as much as this many addresses.
pub const NETWORK_LIMIT_FACTOR: u32 = 4;

/// The network that an address is likely to share its owner with: /24 with IPv4, /48 with IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !((1 << 80) - 1)).into(),
    }
}

/// Vouches for addresses: booking believes what is signed with the secret of passes, which gateways
/// have and clients have not.
#[derive(Clone)]
pub struct GuestAddressKey {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl std::fmt::Debug for GuestAddressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GuestAddressKey(…)")
    }
}

impl GuestAddressKey {
    /// A key of the secret of passes.
    pub fn new(secret: &Secret) -> Self {
        let secret = secret.expose().as_bytes();
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
        }
    }

    /// The header's value for this user.
    pub fn sign(&self, user: &UserId, address: IpAddr) -> Option<String> {
        let signature = crypto::sign(
            said(user, address).as_bytes(),
            &self.signing,
            Algorithm::HS256,
        )
        .ok()?;
        Some(format!("{address} {signature}"))
    }

    /// The address of a header's value; nothing where it was not vouched for, or for another user.
    pub fn verify(&self, user: &UserId, value: &str) -> Option<IpAddr> {
        let (address, signature) = value.split_once(' ')?;
        let address = address.parse().ok()?;
        let message = said(user, address);
        let genuine = crypto::verify(
            signature,
            message.as_bytes(),
            &self.verifying,
            Algorithm::HS256,
        );

        genuine.unwrap_or(false).then_some(address)
    }
}

/// Line breaks are in no token's message, so that this is no token.
fn said(user: &UserId, address: IpAddr) -> String {
    format!("guest address\n{user}\n{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_believed_for_the_user_that_it_was_vouched_for() {
        let (key, other) = (
            GuestAddressKey::new(&"the-pass-secret-here".into()),
            GuestAddressKey::new(&"another-secret-here".into()),
        );
        let (ann, bob): (UserId, UserId) =
            ("guest-ann".parse().unwrap(), "guest-bob".parse().unwrap());

        for address in ["203.0.113.9", "2001:db8::1"] {
            let address = address.parse().unwrap();
            let value = key.sign(&ann, address).unwrap();
            assert_eq!(key.verify(&ann, &value), Some(address));
            assert_eq!(key.verify(&bob, &value), None);
            assert_eq!(other.verify(&ann, &value), None);
            let forged = value.replacen(&address.to_string(), "198.51.100.1", 1);
            assert_eq!(key.verify(&ann, &forged), None);
        }

        assert_eq!(key.verify(&ann, "203.0.113.9"), None);
    }

    #[test]
    fn networks_are_what_one_owner_has() {
        for (address, of) in [
            ("203.0.113.9", "203.0.113.0"),
            ("::ffff:203.0.113.9", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ] {
            assert_eq!(
                network(address.parse().unwrap()),
                of.parse::<IpAddr>().unwrap()
            );
        }
    }
}
