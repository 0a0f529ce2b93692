//! Key sets as identity providers publish them, with keys made here.

use std::sync::LazyLock;

use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use rsa::{
    pkcs1::EncodeRsaPrivateKey as _,
    rand_core::{CryptoRng, RngCore, impls},
    traits::PublicKeyParts as _,
};

use super::*;

/// A pair: the private half, and the public half as a key set has it.
struct Pair {
    private: EncodingKey,
    public: Value,
}

/// Numbers that are the same in every run; the keys guard nothing.
struct Numbers(u64);

impl RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    /// SplitMix64.
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        impls::fill_bytes_via_next(self, bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Numbers {}

fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

static RSA: LazyLock<Pair> = LazyLock::new(|| rsa_pair(2048));

fn rsa_pair(bits: usize) -> Pair {
    let private = rsa::RsaPrivateKey::new(&mut Numbers(1), bits).unwrap();
    let public = json!({"kty": "RSA", "n": base64url(&private.n().to_bytes_be()), "e": base64url(&private.e().to_bytes_be())});
    Pair {
        private: EncodingKey::from_rsa_der(private.to_pkcs1_der().unwrap().as_bytes()),
        public,
    }
}

fn p256_pair(seed: u8) -> Pair {
    let private = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
    let point = private.public_key().to_encoded_point(false);
    let public = json!({"kty": "EC", "crv": "P-256", "x": base64url(point.x().unwrap()), "y": base64url(point.y().unwrap())});
    Pair {
        private: EncodingKey::from_ec_der(private.to_pkcs8_der().unwrap().as_bytes()),
        public,
    }
}

fn p384_pair() -> Pair {
    let private = p384::SecretKey::from_slice(&[3; 48]).unwrap();
    let point = private.public_key().to_encoded_point(false);
    let public = json!({"kty": "EC", "crv": "P-384", "x": base64url(point.x().unwrap()), "y": base64url(point.y().unwrap())});
    Pair {
        private: EncodingKey::from_ec_der(private.to_pkcs8_der().unwrap().as_bytes()),
        public,
    }
}

fn ed25519_pair() -> Pair {
    let private = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let public =
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(private.verifying_key().as_bytes())});
    Pair {
        private: EncodingKey::from_ed_der(private.to_pkcs8_der().unwrap().as_bytes()),
        public,
    }
}

impl Pair {
    /// The public half with these members too.
    fn with(&self, members: Value) -> Value {
        let mut key = self.public.clone();
        key.as_object_mut()
            .unwrap()
            .append(&mut members.as_object().unwrap().clone());
        key
    }

    fn token(&self, algorithm: Algorithm, named: &str, key_id: Option<&str>) -> String {
        let header = key_id.map_or_else(
            || json!({"alg": named}),
            |id| json!({"alg": named, "kid": id}),
        );

        with_header(
            &header,
            &json!({"sub": "ann", "exp": in_a_minute()}),
            |message| jsonwebtoken::crypto::sign(message, &self.private, algorithm).unwrap(),
        )
    }
}

fn of_keys(keys: &[Value]) -> Result<Authenticator, JwksError> {
    let jwks = Some(json!({"keys": keys}).to_string());
    Authenticator::new(&IdentityConfig {
        jwks,
        ..IdentityConfig::default()
    })
}

fn left_out(keys: &[Value]) -> Vec<(String, String)> {
    let set = KeySet::parse(&json!({"keys": keys}).to_string()).unwrap();
    set.left_out
        .into_iter()
        .map(|key| (key.key, key.reason))
        .collect()
}

/// A coordinate of the right length; nobody looks at the keys that it is for.
fn coordinate(bytes: usize) -> String {
    base64url(&vec![1; bytes])
}

/// Keys that providers publish beside those that we verify with.
fn foreign() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"kty": "EC", "crv": "P-521", "kid": "p521", "x": coordinate(66), "y": coordinate(66)}),
            "P-521",
        ),
        (
            json!({"kty": "EC", "crv": "secp256k1", "kid": "k1", "x": coordinate(32), "y": coordinate(32)}),
            "secp256k1",
        ),
        (
            json!({"kty": "OKP", "crv": "X25519", "use": "enc", "kid": "x", "x": coordinate(32)}),
            "use is \"enc\"",
        ),
        (
            json!({"kty": "OKP", "crv": "X25519", "kid": "x2", "x": coordinate(32)}),
            "X25519",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed448", "kid": "ed448", "x": coordinate(57)}),
            "Ed448",
        ),
        (
            json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": coordinate(1312)}),
            "AKP",
        ),
        (
            json!({"kty": "oct", "kid": "secret", "k": coordinate(32)}),
            "symmetric",
        ),
        (json!({"kid": "nothing"}), "kty"),
        (json!("a text"), "not an object"),
        (
            json!({"kty": "EC", "crv": "P-256", "kid": "off", "x": coordinate(32), "y": coordinate(32)}),
            "not a valid",
        ),
        (
            json!({"kty": "EC", "crv": "P-256", "kid": "half", "x": coordinate(32)}),
            "y is missing",
        ),
        (
            json!({"kty": "RSA", "kid": "padded", "n": "++==", "e": "AQAB"}),
            "base64url",
        ),
    ]
}

#[test]
fn a_set_is_read_key_by_key() {
    let known = ed25519_pair();
    for (key, why) in foreign() {
        let set = [key.clone(), known.with(json!({"kid": "ours"}))];
        let accepted = of_keys(&set).unwrap().verify_token(&known.token(
            Algorithm::EdDSA,
            "EdDSA",
            Some("ours"),
        ));
        assert_eq!(accepted.unwrap().user.as_str(), "ann");
        let left_out = left_out(&set);
        let [(name, reason)] = left_out.as_slice() else {
            panic!("{key}: {left_out:?}")
        };
        assert_eq!(name, key.get("kid").and_then(Value::as_str).unwrap_or("#0"));
        assert!(reason.contains(why), "{reason:?} should say {why}");
    }

    let Err(error) = of_keys(
        &foreign()
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>(),
    ) else {
        panic!("no key")
    };
    assert!(
        error.to_string().contains("P-521") && error.to_string().contains("\"pq\""),
        "{error}"
    );
    assert!(of_keys(&[]).is_err());

    for document in ["", "{}", "[]", r#"{"keys": {}}"#] {
        let config = IdentityConfig {
            jwks: Some(document.into()),
            ..IdentityConfig::default()
        };
        assert!(Authenticator::new(&config).is_err(), "{document}");
    }
}

#[test]
fn a_key_is_for_what_it_says() {
    let pair = p256_pair(7);
    for (members, why) in [
        (json!({"use": "enc"}), "use"),
        (json!({"use": ["sig"]}), "use"),
        (json!({"key_ops": ["sign"]}), "key_ops"),
        (json!({"key_ops": "verify"}), "key_ops"),
        (json!({"alg": "ECDH-ES"}), "ECDH-ES"),
        (json!({"alg": "ES384"}), "ES384"),
        (json!({"alg": "HS256"}), "HS256"),
        (json!({"alg": 256}), "alg"),
    ] {
        let (key, other) = (pair.with(members.clone()), ed25519_pair().public);
        let left_out = left_out(&[key.clone(), other.clone()]);
        assert!(
            left_out.len() == 1 && left_out[0].1.contains(why),
            "{members}: {left_out:?}"
        );
        assert!(
            of_keys(&[key, other])
                .unwrap()
                .verify_token(&pair.token(Algorithm::ES256, "ES256", None))
                .is_err()
        );
    }

    for members in [
        json!({}),
        json!({"use": "sig", "alg": "ES256", "key_ops": ["verify", "sign"]}),
        json!({"use": null, "alg": null, "key_ops": null, "x5t": 3, "ext": true}),
    ] {
        let set = of_keys(&[pair.with(members.clone())]).unwrap();
        assert!(
            set.verify_token(&pair.token(Algorithm::ES256, "ES256", None))
                .is_ok(),
            "{members}"
        );
    }
}

#[test]
fn a_key_without_an_algorithm_is_for_all_of_its_family() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let (p256, p384, ed25519) = (p256_pair(7), p384_pair(), ed25519_pair());
    let set = of_keys(&[
        RSA.public.clone(),
        p256.public.clone(),
        p384.public.clone(),
        ed25519.public.clone(),
    ])
    .unwrap();

    for (pair, algorithm, named) in [
        (&*RSA, RS256, "RS256"),
        (&*RSA, RS384, "RS384"),
        (&*RSA, RS512, "RS512"),
        (&*RSA, PS256, "PS256"),
        (&*RSA, PS384, "PS384"),
        (&*RSA, PS512, "PS512"),
        (&p256, ES256, "ES256"),
        (&p384, ES384, "ES384"),
        (&ed25519, EdDSA, "EdDSA"),
        (&ed25519, EdDSA, "Ed25519"),
    ] {
        assert!(
            set.verify_token(&pair.token(algorithm, named, None))
                .is_ok(),
            "{named}"
        );
        let only = of_keys(&[pair.with(json!({"alg": named}))]).unwrap();
        assert!(
            only.verify_token(&pair.token(algorithm, named, None))
                .is_ok(),
            "{named} by name"
        );
    }

    let only = of_keys(&[RSA.with(json!({"alg": "RS256", "kid": "r"}))]).unwrap();
    let detail = refusal(&only, &RSA.token(RS512, "RS512", Some("r")));

    assert!(detail.contains("RS512 is not one of its key's"), "{detail}");
    let small = rsa_pair(1024).public;
    assert!(left_out(&[small, p256.public])[0].1.contains("1024 bits"));
}

#[test]
fn a_token_names_its_key_or_leaves_no_doubt() {
    let (one, two, ed25519) = (p256_pair(7), p256_pair(8), ed25519_pair());
    let set = of_keys(&[
        one.with(json!({"kid": "shared"})),
        ed25519.with(json!({"kid": "shared"})),
        RSA.with(json!({"kid": "enc", "use": "enc", "alg": "RSA-OAEP"})),
    ])
    .unwrap();

    for key_id in [Some("shared"), None] {
        assert!(
            set.verify_token(&one.token(Algorithm::ES256, "ES256", key_id))
                .is_ok(),
            "one kid, two kinds"
        );
        assert!(
            set.verify_token(&ed25519.token(Algorithm::EdDSA, "EdDSA", key_id))
                .is_ok(),
            "one kid, two kinds"
        );
    }

    for (token, why) in [
        (
            two.token(Algorithm::ES256, "ES256", Some("shared")),
            "not genuine",
        ),
        (
            one.token(Algorithm::ES256, "ES256", Some("other")),
            "(kid) is not known",
        ),
        (
            RSA.token(Algorithm::RS256, "RS256", Some("enc")),
            "(kid) is not known",
        ),
        (
            RSA.token(Algorithm::RS256, "RS256", None),
            "RS256 are not accepted",
        ),
        (
            RSA.token(Algorithm::RS256, "RS256", Some("shared")),
            "RS256 is not one of its key's",
        ),
    ] {
        let detail = refusal(&set, &token);
        assert!(detail.contains(why), "{detail:?} should say {why}");
    }

    let doubtful =
        of_keys(&[one.with(json!({"kid": "1"})), two.with(json!({"kid": "2"}))]).unwrap();
    assert!(
        refusal(&doubtful, &one.token(Algorithm::ES256, "ES256", None)).contains("several keys")
    );
    assert!(
        doubtful
            .verify_token(&two.token(Algorithm::ES256, "ES256", Some("2")))
            .is_ok()
    );

    // The public key used as an HMAC secret: the classic confusion of algorithms.
    let public = ed25519.public["x"].as_str().unwrap();
    let confused = Pair {
        private: EncodingKey::from_secret(public.as_bytes()),
        public: Value::Null,
    };

    assert!(
        set.verify_token(&confused.token(Algorithm::HS256, "HS256", Some("shared")))
            .is_err()
    );
}

/// The shapes of two public sets that kept us from starting: a national login's (P-521 and P-256),
/// and a realm's of a common identity server (several algorithms, one key for encryption).
#[test]
fn published_sets_are_taken() {
    let p256 = p256_pair(9);
    let national = [
        json!({"kty": "EC", "use": "sig", "crv": "P-521", "kid": "sig-a", "x": coordinate(66), "y": coordinate(66), "alg": "ES512"}),
        p256.with(json!({"kid": "sig-b", "use": "sig", "alg": "ES256"})),
    ];
    let token = p256.token(Algorithm::ES256, "ES256", Some("sig-b"));

    assert!(of_keys(&national).unwrap().verify_token(&token).is_ok());
    let realm = [
        p256.with(json!({"kid": "a", "use": "sig", "alg": "ES256"})),
        json!({"kty": "EC", "use": "sig", "crv": "P-521", "kid": "b", "x": coordinate(66), "y": coordinate(66), "alg": "ES512"}),
        RSA.with(json!({"kid": "c", "use": "sig", "alg": "RS256", "x5c": ["MIIC"], "x5t": "t", "x5t#S256": "s"})),
        RSA.with(
            json!({"kid": "d", "use": "enc", "alg": "RSA-OAEP-256", "x5c": ["MIIC"], "x5t": "t", "x5t#S256": "s"}),
        ),
    ];

    let set = of_keys(&realm).unwrap();
    assert!(
        set.verify_token(&p256.token(Algorithm::ES256, "ES256", Some("a")))
            .is_ok()
    );
    assert!(
        set.verify_token(&RSA.token(Algorithm::RS256, "RS256", Some("c")))
            .is_ok()
    );
    assert!(
        set.verify_token(&RSA.token(Algorithm::RS256, "RS256", Some("d")))
            .is_err(),
        "a key for encryption"
    );
}
