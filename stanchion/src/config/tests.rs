//! Settings that must be refused, by name.

use super::{file, *};

#[test]
fn flags_lie_over_the_file() {
    let below = file::parse("listen = \"127.0.0.1:1\"\nredis_prefix = \"file\"").unwrap();
    let above = Settings { redis_prefix: Some("flag".into()), ..Settings::default() };
    let both = above.over(below);
    assert_eq!(both.redis_prefix(), "flag");
    assert_eq!(both.listen().port(), 1);
}

#[test]
fn unknown_keys_and_variables_are_refused_by_name() {
    let error = file::parse("lisen = \"127.0.0.1:1\"").unwrap_err();
    assert!(format!("{error:#}").contains("lisen"));
    let error = file::known_variables(["STANCHION_LISEN".to_owned()].into_iter()).unwrap_err();
    assert!(error.to_string().contains("STANCHION_LISEN"));
    assert!(file::known_variables(["STANCHION_LISTEN".to_owned(), "PATH".to_owned()].into_iter()).is_ok());
}

#[test]
fn a_file_of_any_content_is_read_or_refused() {
    const FILE: &str = "listen = \"127.0.0.1:1\"\nredis_url = \"redis://h\"\ntrusted_proxies = [\"10.0.0.0/8\"]\nguests = true\ntick_ms = 100\n";
    bolero::check!().with_type::<Vec<(u16, u8)>>().for_each(|edits| {
        let mut bytes = FILE.as_bytes().to_vec();
        for (place, byte) in edits {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *byte;
        }
        if let Ok(settings) = file::parse(&String::from_utf8_lossy(&bytes)) {
            let _ = settings.check(); // right or wrong, it says so
            assert!(!settings.in_force().is_empty());
        }
    });
}

#[test]
fn bad_values_are_refused_by_name() {
    let secret = |text: &str| Some(Secret::from(text));
    let cases = [
        (Settings { jwt_secret: secret("short"), ..Settings::default() }, "jwt_secret"),
        (Settings { pass_secret: secret("short"), ..Settings::default() }, "pass_secret"),
        (Settings { threads: Some(0), ..Settings::default() }, "threads"),
        (Settings { threads: Some(5_000), ..Settings::default() }, "threads"),
        (Settings { tick_ms: Some(0), ..Settings::default() }, "tick_ms"),
        (Settings { redis_prefix: Some("a b".into()), ..Settings::default() }, "redis_prefix"),
        (Settings { nats_replicas: Some(6), ..Settings::default() }, "nats_replicas"),
    ];
    for (settings, name) in cases {
        assert!(settings.check().unwrap_err().to_string().contains(name), "{name}");
    }
    let same = Settings {
        jwt_secret: secret("0123456789abcdef"),
        pass_secret: secret("0123456789abcdef"),
        ..Settings::default()
    };
    assert!(same.check().unwrap_err().to_string().contains("differ"));
}

#[test]
fn what_a_role_needs_is_asked_for_by_name() {
    let settings = Settings::default();
    let error = settings.required(&settings.redis_url, "redis_url").unwrap_err().to_string();
    assert!(error.contains("--redis-url") && error.contains("STANCHION_REDIS_URL"));
}

#[test]
fn secrets_are_not_printed() {
    let settings = Settings {
        jwt_secret: Some(Secret::from("0123456789abcdef")),
        database_url: Some("postgres://shop:hunter22@db/stanchion".to_owned().into()),
        redis_url: Some("redis://:hunter22@cache:6379".to_owned().into()),
        ..Settings::default()
    };
    let shown = format!("{settings:?} {:?}", settings.in_force());
    assert!(!shown.contains("0123456789") && !shown.contains("hunter22"), "{shown}");
    assert!(shown.contains("@db/stanchion") && shown.contains("@cache:6379"));
}
