//! Tokens that must be accepted, and tokens that must not.

use super::*;

const SECRET: &str = "a-secret-of-the-shop";

fn authenticator(config: IdentityConfig) -> Authenticator {
    Authenticator::new(&config).unwrap()
}

fn hs256() -> Authenticator {
    authenticator(IdentityConfig { jwt_secret: Some(SECRET.into()), ..IdentityConfig::default() })
}

fn now() -> Timestamp {
    crate::clock::Clock::System.now()
}

fn token(claims: serde_json::Value) -> String {
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[test]
fn a_users_token_names_the_user_and_the_role() {
    let far = now().seconds() + 60;
    let user = hs256().identify(&token(serde_json::json!({"sub": "ann", "exp": far}))).unwrap();
    assert_eq!((user.user.as_str(), user.admin, user.guest), ("ann", false, false));
    let admin = hs256().identify(&token(serde_json::json!({"sub": "ann", "exp": far, "role": "admin"}))).unwrap();
    assert!(admin.operator().is_ok());
}

#[test]
fn tokens_that_prove_nothing_are_refused_each_for_its_reason() {
    let far = now().seconds() + 60;
    let past = now().seconds() - 3600;
    let cases = [
        ("not-a-jwt".to_owned(), "not a JWT"),
        (token(serde_json::json!({"sub": "ann"})), "exp"),
        (token(serde_json::json!({"exp": far})), "sub"),
        (token(serde_json::json!({"sub": "a b", "exp": far})), "claims"),
        (token(serde_json::json!({"sub": "ann", "exp": past})), "expired"),
        (format!("{}x", token(serde_json::json!({"sub": "ann", "exp": far}))), "not genuine"),
    ];
    for (token, why) in cases {
        let problem = hs256().identify(&token).unwrap_err();
        assert!(problem.detail.contains(why), "{problem:?} should say {why}");
        assert_eq!(problem.code.status(), 401);
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    // header {"alg":"none"}
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    assert!(hs256().identify(none).is_err());
}

#[test]
fn issuer_and_audience_are_checked_where_configured() {
    let strict = authenticator(IdentityConfig {
        jwt_secret: Some(SECRET.into()),
        issuer: Some("shop".into()),
        audience: Some("tickets".into()),
        ..IdentityConfig::default()
    });
    let exp = now().seconds() + 60;
    let good = token(serde_json::json!({"sub": "ann", "exp": exp, "iss": "shop", "aud": "tickets"}));
    assert!(strict.identify(&good).is_ok());
    for bad in [
        serde_json::json!({"sub": "ann", "exp": exp, "aud": "tickets"}),
        serde_json::json!({"sub": "ann", "exp": exp, "iss": "shop", "aud": "other"}),
        serde_json::json!({"sub": "ann", "exp": exp, "iss": "other", "aud": "tickets"}),
    ] {
        assert!(strict.identify(&token(bad)).is_err());
    }
}

#[test]
fn guests_are_known_where_allowed_and_never_operators() {
    let both = authenticator(IdentityConfig {
        jwt_secret: Some(SECRET.into()),
        guest_secret: Some("the-pass-secret-here".into()),
        ..IdentityConfig::default()
    });
    let user: UserId = "guest-1".parse().unwrap();
    let token = both.mint_guest(&user, now().plus(Duration::from_secs(60))).unwrap();
    let guest = both.identify(&token).unwrap();
    assert!(guest.guest && !guest.admin);
    assert!(hs256().identify(&token).is_err());
    assert!(hs256().mint_guest(&user, now()).is_none());
}

#[test]
fn keys_of_a_set_verify_what_they_signed_and_nothing_else() {
    // An Ed25519 pair made for this test with openssl.
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIMRqmFJRlJtNdWicPb8Tr9NIpWOMluWQ3Bu4ZUFT94md\n-----END PRIVATE KEY-----\n";
    let Ok(signing) = EncodingKey::from_ed_pem(private.as_bytes()) else { panic!("the test's key is readable") };
    let public = "gg63Vy_MqvzHG1ut5tfaTVpOj4qzl2c84Y9mAKsuuvU";
    let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{public}"}}]}}"#);
    let jwks = authenticator(IdentityConfig { jwks: Some(set), ..IdentityConfig::default() });
    let claims = serde_json::json!({"sub": "ann", "exp": now().seconds() + 60});
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::EdDSA) };
    let token = encode(&header, &claims, &signing).unwrap();
    assert_eq!(jwks.identify(&token).unwrap().user.as_str(), "ann");
    let unknown = Header { kid: Some("k2".into()), ..Header::new(Algorithm::EdDSA) };
    assert!(jwks.identify(&encode(&unknown, &claims, &signing).unwrap()).is_err());
    // The public key used as an HMAC secret: the classic confusion of algorithms.
    let confused = encode(
        &Header { kid: Some("k1".into()), ..Header::default() },
        &claims,
        &EncodingKey::from_secret(public.as_bytes()),
    );
    assert!(jwks.identify(&confused.unwrap()).is_err());
}
