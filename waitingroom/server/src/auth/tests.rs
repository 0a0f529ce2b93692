//! Tokens that must be accepted, and tokens that must not.

mod key_sets;

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a-secret-of-the-shop";

fn authenticator(config: IdentityConfig) -> Authenticator {
    Authenticator::new(&config).unwrap()
}

fn hs256() -> Authenticator {
    authenticator(IdentityConfig {
        jwt_secret: Some(SECRET.into()),
        ..IdentityConfig::default()
    })
}

fn now() -> Timestamp {
    Clock::System.now()
}

fn in_a_minute() -> i64 {
    now().seconds() + 60
}

fn token(claims: Value) -> String {
    encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .unwrap()
}

/// A token whose header is just this.
fn with_header(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> String) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{signature}")
}

fn sign_hs256(message: &[u8]) -> String {
    jsonwebtoken::crypto::sign(
        message,
        &EncodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::HS256,
    )
    .unwrap()
}

/// Refused as a 401 that says why.
fn refusal(authenticator: &Authenticator, token: &str) -> String {
    let problem = authenticator.verify_token(token).unwrap_err();
    assert_eq!(problem.code.status(), StatusCode::UNAUTHORIZED);
    problem.detail
}

#[test]
fn a_users_token_names_the_user() {
    let user = hs256()
        .verify_token(&token(json!({"sub": "ann", "exp": in_a_minute()})))
        .unwrap();
    assert_eq!(
        (user.user.as_str(), user.admin, user.guest),
        ("ann", false, None)
    );

    let spaced = token(json!({"sub": "uid=Ann Lee,ou=People", "exp": in_a_minute()}));
    assert_eq!(
        hs256().verify_token(&spaced).unwrap().user.as_str(),
        "uid=Ann Lee,ou=People"
    );
}

#[test]
fn a_role_makes_an_operator_or_nothing() {
    for (role, operates) in [
        (json!("admin"), true),
        (json!(["admin"]), true),
        (json!(["buyer", "admin"]), true),
        (json!("administrator"), false),
        (json!(["buyer"]), false),
        (json!([["admin"]]), false),
        (json!({"admin": true}), false),
        (json!(1), false),
        (json!(true), false),
        (json!(null), false),
    ] {
        let user = hs256()
            .verify_token(&token(
                json!({"sub": "ann", "exp": in_a_minute(), "role": role}),
            ))
            .unwrap();
        assert_eq!(user.operator().is_ok(), operates, "{role}");
    }
}

#[test]
fn times_are_any_number_of_seconds() {
    let (soon, past) = (in_a_minute(), now().seconds() - 60);
    for times in [
        json!({"exp": soon as f64 + 0.789_012}),
        json!({"exp": soon as f64}),
        json!({"exp": soon, "nbf": past as f64 + 0.5, "iat": past as f64 + 0.25}),
        json!({"exp": soon, "nbf": null, "iat": "yesterday"}), // nothing depends on when it was issued
        json!({"exp": soon, "nbf": now().seconds() + 20}),
        json!({"exp": now().seconds() - 20}),
        json!({"exp": now().seconds() + 9 * 365 * 24 * 3600}),
    ] {
        let mut claims = json!({"sub": "ann"});
        claims
            .as_object_mut()
            .unwrap()
            .append(&mut times.as_object().unwrap().clone());
        assert!(hs256().verify_token(&token(claims)).is_ok(), "{times}");
    }

    let cut = hs256()
        .verify_token(&token(json!({"sub": "ann", "exp": soon as f64 + 0.9})))
        .unwrap();
    assert_eq!(cut.expires_at, Timestamp::from_millis(soon * 1000));
}

#[test]
fn tokens_that_prove_nothing_are_refused_each_for_its_reason() {
    let (soon, now) = (in_a_minute(), now().seconds());
    let cases = [
        ("not-a-jwt".to_owned(), "not a JWT"),
        ("a.b.c.d".to_owned(), "not a JWT"),
        (token(json!({"sub": "ann"})), "exp"),
        (token(json!({"sub": "ann", "exp": null})), "exp"),
        (
            token(json!({"sub": "ann", "exp": "tomorrow"})),
            "exp must be a number",
        ),
        (
            token(json!({"sub": "ann", "exp": soon * 1000})),
            "milliseconds",
        ),
        (token(json!({"sub": "ann", "exp": 1e30})), "9999"),
        (
            token(json!({"sub": "ann", "exp": now + 11 * 366 * 24 * 3600})),
            "ten years",
        ),
        (token(json!({"sub": "ann", "exp": now - 40})), "expired"),
        (token(json!({"sub": "ann", "exp": -1.5})), "expired"),
        (
            token(json!({"sub": "ann", "exp": soon, "nbf": now + 40})),
            "not valid yet (nbf)",
        ),
        (
            token(json!({"sub": "ann", "exp": soon, "nbf": "now"})),
            "nbf must be a number",
        ),
        (token(json!({"exp": soon})), "'sub'"),
        (
            token(json!({"sub": 17, "exp": soon})),
            "sub must be a string",
        ),
        (
            token(json!({"sub": " ann", "exp": soon})),
            "sub must be 1 to 255",
        ),
        (
            token(json!({"sub": "x".repeat(256), "exp": soon})),
            "sub must be 1 to 255",
        ),
        (
            token(json!({"sub": "guest-1", "exp": soon})),
            "sub begins with 'guest-'",
        ),
        (token(json!(["ann", soon])), "claims are not a JSON object"),
        (
            format!("{}+", token(json!({"sub": "ann", "exp": soon}))),
            "not a JWT",
        ),
        (
            format!("{}AAAA", token(json!({"sub": "ann", "exp": soon}))),
            "not genuine",
        ),
    ];

    for (token, why) in cases {
        let detail = refusal(&hs256(), &token);
        assert!(detail.contains(why), "{detail:?} should say {why}");
    }
}

#[test]
fn headers_are_read_for_what_is_needed_of_them() {
    let claims = json!({"sub": "ann", "exp": in_a_minute()});
    for odd in [
        json!({"alg": "HS256", "exp": 1}),
        json!({"alg": "HS256", "typ": 7, "cty": null, "kid": {"of": ["odd", "form"]}}),
        json!({"alg": "HS256", "jwk": "https://evil.example", "x5c": true, "zip": 5}),
    ] {
        assert!(
            hs256()
                .verify_token(&with_header(&odd, &claims, sign_hs256))
                .is_ok(),
            "{odd}"
        );
    }

    for (header, why) in [
        (json!({"alg": "none"}), "(alg) none is not supported"),
        (json!({"alg": "ES256K"}), "(alg) ES256K is not supported"),
        (json!({"alg": "<script>"}), "(alg) is not supported"),
        (json!({"alg": 256}), "names no algorithm"),
        (json!({}), "names no algorithm"),
        (json!(["HS256"]), "header is not a JSON object"),
        (json!({"alg": "HS512"}), "HS512 are not accepted"),
        (json!({"alg": "RS256"}), "RS256 are not accepted"),
        (json!({"alg": "HS256", "crit": ["exp"]}), "(crit)"),
    ] {
        let detail = refusal(&hs256(), &with_header(&header, &claims, sign_hs256));
        assert!(detail.contains(why), "{detail:?} should say {why}");
    }

    // header {"alg":"none"}, without a signature
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
    assert!(refusal(&hs256(), none).contains("none is not supported"));
}

#[test]
fn issuer_and_audience_are_checked_where_configured() {
    let strict = authenticator(IdentityConfig {
        jwt_secret: Some(SECRET.into()),
        issuer: Some("shop".into()),
        audience: Some("tickets".into()),
        ..IdentityConfig::default()
    });
    let exp = in_a_minute();

    for aud in [json!("tickets"), json!(["other", "tickets"])] {
        assert!(
            strict
                .verify_token(&token(
                    json!({"sub": "ann", "exp": exp, "iss": "shop", "aud": aud})
                ))
                .is_ok()
        );
    }

    for (bad, why) in [
        (json!({"sub": "ann", "exp": exp, "aud": "tickets"}), "'iss'"),
        (json!({"sub": "ann", "exp": exp, "iss": "shop"}), "'aud'"),
        (
            json!({"sub": "ann", "exp": exp, "iss": "shop", "aud": "other"}),
            "(aud)",
        ),
        (
            json!({"sub": "ann", "exp": exp, "iss": "shop", "aud": {"tickets": 1}}),
            "(aud)",
        ),
        (
            json!({"sub": "ann", "exp": exp, "iss": "other", "aud": "tickets"}),
            "(iss)",
        ),
        (
            json!({"sub": "ann", "exp": exp, "iss": ["shop"], "aud": "tickets"}),
            "(iss)",
        ),
    ] {
        let detail = refusal(&strict, &token(bad));
        assert!(detail.contains(why), "{detail:?} should say {why}");
    }
}

#[test]
fn guests_are_known_where_allowed_and_never_operators() {
    let both = authenticator(IdentityConfig {
        jwt_secret: Some(SECRET.into()),
        guest_secret: Some("the-pass-secret-here".into()),
        ..IdentityConfig::default()
    });
    let (user, made) = (
        "guest-1".parse().unwrap(),
        Timestamp::from_millis(now().seconds() * 1000),
    );
    let token = both
        .mint_guest(&user, made, made.plus(Duration::from_secs(60)))
        .unwrap();
    let guest = both.verify_token(&token).unwrap();

    assert_eq!(
        (guest.user.as_str(), guest.guest, guest.admin),
        ("guest-1", Some(made), false)
    );
    assert!(hs256().verify_token(&token).is_err());
    assert!(hs256().mint_guest(&user, now(), now()).is_none());

    let ended = both
        .mint_guest(&user, made, made.minus(Duration::from_secs(60)))
        .unwrap();
    assert_eq!(
        both.verify_token(&ended).unwrap_err().code,
        Code::TokenExpired
    );

    // Of a release that did not write down when it was made.
    let claims =
        json!({"sub": "guest-1", "exp": in_a_minute(), "iss": "stanchion:guest", "role": "admin"});
    let earlier = encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(b"the-pass-secret-here"),
    )
    .unwrap();

    let guest = both.verify_token(&earlier).unwrap();
    assert!(guest.guest.is_some_and(|made| made < now()) && !guest.admin);
}
