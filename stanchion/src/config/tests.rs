//! Settings that must be refused, by name.

use super::{file, *};

#[test]
fn flags_lie_over_the_file() {
    let below = file::parse("listen = \"127.0.0.1:1\"\nredis_prefix = \"file\"").unwrap();
    let above = Settings {
        redis_prefix: Some("flag".into()),
        ..Settings::default()
    };
    let both = above.merge(below);
    assert_eq!(both.redis_prefix(), "flag");
    assert_eq!(both.listen().port(), 1);
}

#[test]
fn unknown_keys_and_variables_are_refused_by_name() {
    let error = file::parse("lisen = \"127.0.0.1:1\"").unwrap_err();
    assert!(format!("{error:#}").contains("lisen"));

    let known = |name: &str, value: &str| {
        file::check_variables([(name.to_owned(), value.to_owned())].into_iter())
    };
    assert!(
        known("STANCHION_LISEN", "127.0.0.1:1")
            .unwrap_err()
            .to_string()
            .contains("STANCHION_LISEN")
    );
    assert!(known("STANCHION_LISTEN", "127.0.0.1:1").is_ok() && known("PATH", "/bin").is_ok());
}

/// As Kubernetes writes them into every pod beside a service `stanchion` or `stanchion-redis`, and
/// Docker for a link.
#[test]
fn what_a_container_runtime_injects_is_no_setting() {
    let known = |name: &str, value: &str| {
        file::check_variables([(name.to_owned(), value.to_owned())].into_iter())
    };

    for (name, value) in [
        ("STANCHION_SERVICE_HOST", "10.96.0.12"),
        ("STANCHION_SERVICE_PORT", "8080"),
        ("STANCHION_SERVICE_PORT_HTTP", "8080"),
        ("STANCHION_PORT", "tcp://10.96.0.12:8080"),
        ("STANCHION_PORT_8080_TCP", "tcp://10.96.0.12:8080"),
        ("STANCHION_PORT_8080_TCP_ADDR", "10.96.0.12"),
        ("STANCHION_PORT_8080_TCP_PORT", "8080"),
        ("STANCHION_PORT_8080_TCP_PROTO", "tcp"),
        ("STANCHION_REDIS_SERVICE_HOST", "fd00::12"),
        ("STANCHION_REDIS_SERVICE_PORT_REDIS_TLS", "6379"),
        ("STANCHION_REDIS_PORT", "tcp://[fd00::12]:6379"),
        ("STANCHION_REDIS_PORT_53_UDP", "udp://10.96.0.12:53"),
        ("STANCHION_REDIS_PORT_53_UDP_PROTO", "udp"),
        ("STANCHION_REDIS_ENV_REDIS_VERSION", "7.4"),
        ("STANCHION_REDIS_NAME", "/web/stanchion_redis"),
    ] {
        assert!(known(name, value).is_ok(), "{name}");
    }

    for (name, value) in [
        ("STANCHION_PORT", "8080"),
        ("STANCHION_REDIS_PORT", "redis:6379"),
        ("STANCHION_SERVICE_HOST", "redis"),
        ("STANCHION_SERVICE_PORT", "http"),
        ("STANCHION_PORT_8080_HTTP", "tcp://10.96.0.12:8080"),
        ("STANCHION_PORT_8080_TCP_HOST", "10.96.0.12"),
        ("STANCHION_REDIS_NAME", "redis"),
        ("STANCHION_SERVICE_URL", "http://booking:8080"),
    ] {
        assert!(
            known(name, value).unwrap_err().to_string().contains(name),
            "{name}={value}"
        );
    }
}

#[test]
fn what_is_not_spoken_is_refused_by_name() {
    let booking = |url: &str| {
        Settings {
            booking_url: Some(url.to_owned()),
            ..Settings::default()
        }
        .check()
    };
    assert!(booking("http://booking:8080").is_ok() && booking("http://[::1]:8080/").is_ok());

    for url in [
        "https://booking:8080",
        "booking:8080",
        "http://",
        "ftp://booking",
    ] {
        assert!(
            booking(url)
                .unwrap_err()
                .to_string()
                .contains("booking_url"),
            "{url}"
        );
    }

    let redis = |url: &str| {
        Settings {
            redis_url: Some(url.to_owned().into()),
            ..Settings::default()
        }
        .check()
    };
    assert!(redis("redis://127.0.0.1:6379").is_ok() && redis("redis+cluster://a:1,b:2").is_ok());
    assert!(redis("redis+unix:///run/redis.sock").is_ok());

    for url in [
        "rediss://:hunter22@cache:6379",
        "rediss+cluster://:hunter22@a:1",
        "127.0.0.1:6379",
    ] {
        let error = redis(url).unwrap_err().to_string();
        assert!(
            error.contains("redis_url") && !error.contains("hunter22"),
            "{error}"
        );
    }

    let nats = |url: &str| {
        Settings {
            nats_url: Some(url.to_owned().into()),
            ..Settings::default()
        }
        .check()
    };
    assert!(nats("nats://127.0.0.1:4222").is_ok() && nats("127.0.0.1:4222").is_ok());
}

#[test]
fn a_file_of_any_content_is_read_or_refused() {
    const FILE: &str = "listen = \"127.0.0.1:1\"\nredis_url = \"redis://h\"\ntrusted_proxies = [\"10.0.0.0/8\"]\nguests = true\ntick_ms = 100\n";
    bolero::check!()
        .with_type::<Vec<(u16, u8)>>()
        .for_each(|edits| {
            let mut bytes = FILE.as_bytes().to_vec();
            for (place, byte) in edits {
                let place = usize::from(*place) % bytes.len();
                bytes[place] = *byte;
            }
            if let Ok(settings) = file::parse(&String::from_utf8_lossy(&bytes)) {
                let _ = settings.check(); // right or wrong, it says so
                assert!(!settings.effective().is_empty());
            }
        });
}

#[test]
fn bad_values_are_refused_by_name() {
    let secret = |text: &str| Some(Secret::from(text));
    let cases = [
        (
            Settings {
                jwt_secret: secret("short"),
                ..Settings::default()
            },
            "jwt_secret",
        ),
        (
            Settings {
                pass_secret: secret("short"),
                ..Settings::default()
            },
            "pass_secret",
        ),
        (
            Settings {
                threads: Some(0),
                ..Settings::default()
            },
            "threads",
        ),
        (
            Settings {
                threads: Some(5_000),
                ..Settings::default()
            },
            "threads",
        ),
        (
            Settings {
                tick_ms: Some(0),
                ..Settings::default()
            },
            "tick_ms",
        ),
        (
            Settings {
                redis_prefix: Some("a b".into()),
                ..Settings::default()
            },
            "redis_prefix",
        ),
        (
            Settings {
                nats_replicas: Some(6),
                ..Settings::default()
            },
            "nats_replicas",
        ),
    ];

    for (settings, name) in cases {
        assert!(
            settings.check().unwrap_err().to_string().contains(name),
            "{name}"
        );
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
    let error = settings
        .required(&settings.redis_url, "redis_url")
        .unwrap_err()
        .to_string();
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
    let shown = format!("{settings:?} {:?}", settings.effective());

    assert!(
        !shown.contains("0123456789") && !shown.contains("hunter22"),
        "{shown}"
    );
    assert!(shown.contains("@db/stanchion") && shown.contains("@cache:6379"));
}
