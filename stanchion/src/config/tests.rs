//! Settings of all sources, and those that must be refused: by name and source.

use std::ffi::OsString;

use clap::ArgMatches;
use waitingroom_domain::secret::Secret;

use super::{
    check::check,
    environment::check_variables,
    settings::{SETTING_TABLE, Settings},
    sources::{InvalidSettings, Loaded, Sources as AllSources},
    table::{flag, variable},
    *,
};

/// The page that is generated from the table.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");

/// The settings of these sources.
#[derive(Default)]
struct Sources<'a> {
    flags: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    file: &'a str,
}

impl Sources<'_> {
    fn load(&self) -> Result<Loaded, InvalidSettings> {
        self.load_for(Program::ConfigCheck)
    }

    fn load_for(&self, program: Program) -> Result<Loaded, InvalidSettings> {
        let mut sources = AllSources::default();
        sources.add_file(self.file, "s.toml");
        sources.add_variables(&environment(self.variables));
        sources.add_flags(&arguments(self.flags));
        sources.merge(program)
    }

    fn settings(&self) -> Settings {
        self.load().unwrap().settings
    }

    fn error(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn arguments(flags: &[&str]) -> ArgMatches {
    let line = ["stanchion"].iter().chain(flags);
    crate::cli::command().try_get_matches_from(line).unwrap()
}

fn from_text(file: &str) -> Result<Settings, InvalidSettings> {
    let sources = Sources {
        file,
        ..Sources::default()
    };
    sources.load().map(|loaded| loaded.settings)
}

/// What is wrong with these settings.
fn faults(settings: &Settings) -> String {
    let refused = check(settings);
    let texts: Vec<_> = refused.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn flags_override_variables_and_they_override_the_file() {
    let sources = Sources {
        file: "listen = \"127.0.0.1:1\"\nredis_prefix = \"file\"\nnats_prefix = \"file\"",
        variables: &[
            ("STANCHION_REDIS_PREFIX", "variable"),
            ("STANCHION_NATS_PREFIX", "variable"),
        ],
        flags: &["gateway", "--nats-prefix", "flag"],
    };
    let settings = sources.settings();
    assert_eq!(settings.nats_prefix, "flag");
    assert_eq!(settings.redis_prefix, "variable");
    assert_eq!(settings.listen.port(), 1);
    assert_eq!(settings.database_connections, 8, "a default");

    let emptied = Sources {
        file: "trusted_proxies = [\"10.0.0.0/8\"]\nguests = true",
        variables: &[("STANCHION_TRUSTED_PROXIES", "192.0.2.0/24,198.51.100.0/24")],
        flags: &["--guests=false"],
    };
    let settings = emptied.settings();
    assert_eq!(settings.trusted_proxies.len(), 2, "a list replaces a list");
    assert_eq!(settings.guests, Some(false));
}

/// Figment's own reader of variables would take these for numbers, lists and quoted texts.
#[test]
fn variables_are_taken_as_they_are_written() {
    let secrets = [
        "1234567890123456",
        "[0123456789abcde",
        "\"0123456789abcde\"",
    ];
    for secret in secrets {
        let variables = [("STANCHION_JWT_SECRET", secret)];
        let settings = Sources {
            variables: &variables,
            ..Sources::default()
        }
        .settings();
        assert_eq!(settings.jwt_secret, Some(Secret::from(secret)));
    }
}

#[test]
fn a_bad_value_is_refused_by_name_and_source() {
    let long = "x".repeat(65);
    for (name, value) in [
        ("threads", "0"),
        ("threads", "5000"),
        ("threads", "many"),
        ("admission_interval_ms", "0"),
        ("min_release_percent", "101"),
        ("overload_latency_ms", "0"),
        ("heartbeat_ms", "0"),
        ("database_connections", "0"),
        ("max_connections", "0"),
        ("guests_per_address", "0"),
        ("nats_replicas", "6"),
        ("listen", "localhost"),
        ("guests", "perhaps"),
        ("log_format", "xml"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("redis_prefix", "a b"),
        ("redis_prefix", ""),
        ("nats_prefix", &long),
        ("jwt_secret", "short"),
        ("pass_secret", "short"),
        ("push_key", "short"),
        ("push_contact", "ops@shop.example"),
        ("push_services", "https://push.example"),
        ("push_test_origin", "http://push.example:80"),
        ("booking_url", "https://booking:8080"),
        ("booking_url", "nonsense"),
        ("booking_url", "http://user:hunter22@booking:8080"),
        ("redis_url", "rediss://:hunter22@cache:6379"),
        ("redis_url", "nonsense"),
        ("redis_url", "redis://:hunter22@cache:port"),
        ("database_url", "mysql://x:hunter22@db/x"),
        ("database_url", "nonsense"),
        ("database_url", "postgres://x:hunter22@db:port/x"),
        ("nats_url", "nats://a:hunter22@b:c"),
        ("nats_url", ""),
        ("heartbeat_ms", "999999999"),
        ("lame_duck_seconds", "86400"),
        ("drain_seconds", "86400"),
        ("log", "info,gateway=loud"),
        ("allowed_hosts", "http://tickets.example"),
        ("admin_listen", ":9090"),
    ] {
        let (flag, variable) = (flag(name), variable(name));
        let error = Sources {
            variables: &[(&variable, value)],
            ..Sources::default()
        }
        .error();
        assert!(error.contains(&variable), "{error}");
        assert!(error.contains(name) || error.contains(&flag), "{error}");
        assert!(
            !error.contains("hunter22") && !error.contains("short"),
            "{error}"
        );

        let quoted = match name {
            "trusted_proxies" | "allowed_hosts" | "push_services" => format!("[{value:?}]"),
            _ if value.parse::<u64>().is_ok() => value.to_owned(),
            _ => format!("{value:?}"),
        };
        let file = format!("# comment\n{name} = {quoted}");
        let error = Sources {
            file: &file,
            ..Sources::default()
        }
        .error();
        assert!(error.contains(name), "{error}");
        assert!(error.contains("s.toml, line 2"), "{error}");
        assert!(
            !error.contains("hunter22") && !error.contains("short"),
            "{error}"
        );
    }

    let error = Sources {
        flags: &["gateway", "--threads", "0"],
        ..Sources::default()
    }
    .error();
    assert_eq!(error, "threads must be from 1 to 1024 (from --threads)");
}

#[test]
fn unknown_keys_and_variables_are_refused_by_name() {
    let error = from_text("\nlisen = \"127.0.0.1:1\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("s.toml, line 2: lisen is not a setting"),
        "{error}"
    );
    assert!(from_text("config = \"other.toml\"").is_err());
    assert!(from_text("[threads]\nn = 1").is_err());

    let unknown = |name: &str, value: &str| check_variables(&environment(&[(name, value)]));
    for (name, meant) in [
        ("STANCHION_LISEN", "did you mean STANCHION_LISTEN?"),
        ("STANCHION_REDIS", "did you mean STANCHION_REDIS_URL?"),
        ("STANCHION_BIND", "`stanchion --help` lists them"),
        ("STANCHION_BINARY", "`stanchion --help` lists them"),
    ] {
        let faults = unknown(name, "127.0.0.1:1");
        let [fault] = faults.as_slice() else {
            panic!("one fault: {faults:?}");
        };
        assert!(fault.contains(name) && fault.contains(meant), "{fault}");
    }
    for name in [
        "STANCHION_LISTEN",
        "STANCHION_CONFIG",
        "STANCHION_TICK_MS",
        "STANCHION_BIN",
        "STANCHION_PUBLISH",
        "STANCHION_SUBNET",
        "PATH",
    ] {
        assert!(unknown(name, "1").is_empty(), "{name}");
    }
}

#[test]
fn all_faults_are_named_at_once() {
    let error = Sources {
        file: "threads = 0\nguests = \"perhaps\"\nlisen = \"x\"",
        variables: &[
            ("STANCHION_REDIS_URL", "nonsense"),
            ("STANCHION_DATABASE_URL", "mysql://x"),
            ("STANCHION_BOOKING_URL", "nonsense"),
            ("STANCHION_HEARTBEAT_MS", "999999999"),
            ("STANCHION_LISTEN", "8080"),
        ],
        flags: &["gateway", "--nats-prefix", "a b"],
    }
    .error();
    assert!(error.starts_with("9 faults"), "{error}");
    for fault in [
        "threads must be from 1 to 1024 (from the file s.toml, line 1)",
        "in the file s.toml, line 2: guests must be",
        "in the file s.toml, line 3: lisen is not a setting; did you mean listen?",
        "(from STANCHION_REDIS_URL)",
        "(from STANCHION_DATABASE_URL)",
        "(from STANCHION_BOOKING_URL)",
        "(from STANCHION_HEARTBEAT_MS)",
        "STANCHION_LISTEN: invalid value '8080'",
        "for example 127.0.0.1:8080",
        "(from --nats-prefix)",
    ] {
        assert!(error.contains(fault), "{fault} in {error}");
    }
}

#[test]
fn what_a_role_lacks_is_named_at_once() {
    for (program, lacks) in [
        (
            Program::Gateway,
            &["redis_url", "booking_url", "pass_secret", "jwt_secret"][..],
        ),
        (
            Program::Booking,
            &[
                "redis_url",
                "database_url",
                "nats_url",
                "pass_secret",
                "jwt_secret",
            ],
        ),
        (Program::QueueWorker, &["redis_url"]),
        (Program::Handover, &["redis_url", "database_url"]),
    ] {
        let error = Sources::default()
            .load_for(program)
            .unwrap_err()
            .to_string();
        for name in lacks {
            let missing = format!("{name} is missing: {program} needs {}", flag(name));
            assert!(error.contains(&missing), "{missing} in {error}");
        }
        assert_eq!(error.matches("is missing").count(), lacks.len(), "{error}");
    }

    // A value that cannot be read is not missing as well.
    let unreadable = Sources {
        file: "redis_url = 7",
        ..Sources::default()
    };
    let error = unreadable
        .load_for(Program::QueueWorker)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 1") && !error.contains("missing"),
        "{error}"
    );
}

#[test]
fn embedded_default_refuses_settings_of_servers() {
    let servers = Sources {
        variables: &[("STANCHION_REDIS_URL", "redis://127.0.0.1")],
        flags: &[
            "--database-url",
            "postgres://u@h/d",
            "--nats-url",
            "nats://h",
        ],
        ..Sources::default()
    };
    let error = servers.load_for(Program::Embedded).unwrap_err().to_string();
    for name in ["redis_url", "database_url", "nats_url"] {
        assert!(
            error.contains(&format!("{name} is set, but no role is named")),
            "{error}"
        );
    }
    assert!(Sources::default().load_for(Program::Embedded).is_ok());
}

#[test]
fn flags_without_effect_are_warned_of() {
    let sources = Sources {
        variables: &[("STANCHION_REDIS_URL", "redis://127.0.0.1")],
        flags: &["token", "--user", "me", "--heartbeat-ms", "7"],
        ..Sources::default()
    };
    let warnings = sources.load_for(Program::Token).unwrap().warnings;
    assert_eq!(warnings, ["--heartbeat-ms has no effect on token"]);
}

/// Names of the previous release.
#[test]
fn former_names_work_with_a_warning() {
    for (former, name, value) in [
        ("tick_ms", "admission_interval_ms", "33"),
        ("pace_floor", "min_release_percent", "44"),
        ("pace_slow_ms", "overload_latency_ms", "55"),
    ] {
        let (flag_of_former, variable_of_former) = (flag(former), variable(former));
        let file = format!("{former} = {value}");
        let by_flag = Sources {
            flags: &["queue-worker", &flag_of_former, value],
            ..Sources::default()
        };
        let by_variable = Sources {
            variables: &[(&variable_of_former, value)],
            ..Sources::default()
        };
        let by_file = Sources {
            file: &file,
            ..Sources::default()
        };

        for (sources, spelled) in [
            (by_flag, [flag(former), flag(name)]),
            (by_variable, [variable(former), variable(name)]),
            (by_file, [former.to_owned(), name.to_owned()]),
        ] {
            let loaded = sources.load().unwrap();
            let effective = loaded.settings.effective();
            assert!(
                effective.contains(&(name, value.to_owned())),
                "{effective:?}"
            );
            let [warning] = loaded.warnings.as_slice() else {
                panic!("one warning: {:?}", loaded.warnings);
            };
            assert!(
                spelled.iter().all(|name| warning.contains(name)),
                "{warning}"
            );
        }

        let both = Sources {
            variables: &[(&variable(name), "66"), (&variable_of_former, "0")],
            ..Sources::default()
        };
        let effective = both.settings().effective();
        assert!(
            effective.contains(&(name, "66".to_owned())),
            "{effective:?}"
        );
    }

    let error = Sources {
        flags: &["--tick-ms", "0"],
        ..Sources::default()
    }
    .error();
    assert!(error.contains("--tick-ms"), "{error}");
    assert!(Sources::default().load().unwrap().warnings.is_empty());
}

/// As Kubernetes writes them into every pod beside a service `stanchion` or `stanchion-redis`, and
/// Docker for a link.
#[test]
fn what_a_container_runtime_injects_is_no_setting() {
    let faults = |name: &str, value: &str| check_variables(&environment(&[(name, value)]));

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
        assert!(faults(name, value).is_empty(), "{name}");
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
            faults(name, value).join("").contains(name),
            "{name}={value}"
        );
    }
}

#[test]
fn unsupported_schemes_are_refused_by_name() {
    let booking = |url: &str| {
        let booking_url = Some(url.to_owned());
        faults(&Settings {
            booking_url,
            ..Settings::default()
        })
    };
    for url in [
        "http://booking:8080",
        "http://[::1]:8080/",
        "http://proxy/stanchion",
    ] {
        assert_eq!(booking(url), "");
    }
    for url in [
        "https://booking:8080",
        "booking:8080",
        "http://",
        "ftp://booking",
    ] {
        let error = booking(url);
        assert!(error.contains("booking_url"), "{url}");
    }

    let redis = |url: &str| {
        let redis_url = Some(url.to_owned().into());
        faults(&Settings {
            redis_url,
            ..Settings::default()
        })
    };
    for url in [
        "redis://127.0.0.1:6379",
        "redis+cluster://a:1,b:2",
        "redis+unix:///run/redis.sock",
    ] {
        assert_eq!(redis(url), "");
    }
    for url in ["rediss+cluster://:hunter22@a:1", "127.0.0.1:6379"] {
        let error = redis(url);
        assert!(error.contains("redis_url"), "{error}");
        assert!(!error.contains("hunter22"), "{error}");
    }
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    let secret = Some(Secret::from("0123456789abcdef"));
    let same = Settings {
        jwt_secret: secret.clone(),
        pass_secret: secret,
        ..Settings::default()
    };
    assert!(faults(&same).contains("differ"));

    let one_port = Settings {
        admin_listen: Some(Settings::default().listen),
        ..Settings::default()
    };
    let error = faults(&one_port);
    assert!(error.contains("admin_listen"), "{error}");
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
            if let Ok(settings) = from_text(&String::from_utf8_lossy(&bytes)) {
                assert!(!settings.effective().is_empty());
            }
        });
}

#[test]
fn turns_pushes_on_with_key_and_contact() {
    let contact = Some("mailto:ops@shop.example".to_owned());
    let without_key = Settings {
        push_contact: contact.clone(),
        ..Settings::default()
    };
    let error = without_key.push().unwrap_err().to_string();
    assert!(error.contains("--push-key"), "{error}");

    let without_contact = Settings {
        push_key: Some(random_push_key()),
        ..Settings::default()
    };
    assert!(without_contact.push().unwrap().is_none());

    let both = Settings {
        push_contact: contact,
        ..without_contact
    };
    assert!(check(&both).is_empty());
    assert!(both.push().unwrap().is_some());
}

#[test]
fn a_missing_setting_is_asked_for_by_name() {
    let settings = Settings::default();
    let error = settings
        .required(&settings.redis_url, "redis_url")
        .unwrap_err()
        .to_string();
    assert!(error.contains("--redis-url") && error.contains("STANCHION_REDIS_URL"));
}

#[test]
fn secrets_are_not_printed() {
    let url = |text: &str| Some(text.to_owned().into());
    let settings = Settings {
        jwt_secret: Some(Secret::from("0123456789abcdef")),
        push_key: Some(Secret::from("0123456789abcdef")),
        database_url: url("postgres://shop:hunter22@db/stanchion?password=hunter22"),
        redis_url: url("redis+cluster://:hunter22@cache:6379,cache-2:6379"),
        nats_url: url("nats:hunter22@bus:4222,nats:hunter22@bus-2:4222"),
        ..Settings::default()
    };
    let shown = format!("{settings:?} {:?}", settings.effective());

    assert!(!shown.contains("0123456789"), "{shown}");
    assert!(!shown.contains("hunter22"), "{shown}");
    for server in ["@db/stanchion", "@cache:6379,cache-2:6379", "@bus-2:4222"] {
        assert!(shown.contains(server), "{shown}");
    }

    for file in [
        "jwt_secret = \"hunter22",
        "jwt_secret = hunter22",
        "jwt_secret = [\"hunter22\"]",
        "jwt_secret = { hunter22 = 1 }",
        "redis_url = [\"redis://:hunter22@cache\"]",
        "pass_secret = 'hunter22'",
    ] {
        let error = format!("{:#}", from_text(file).unwrap_err());
        assert!(
            error.contains("line 1") && !error.contains("hunter22"),
            "{error}"
        );
    }
}

/// Libraries have defaults of their own, which are to be the same.
#[test]
fn defaults_are_those_of_the_libraries() {
    let settings = Settings::default();
    let (throttle, wanted) = (
        settings.throttle(),
        waitingroom_domain::overload_throttle::ThrottleConfig::default(),
    );
    assert_eq!((throttle.floor, throttle.slow), (wanted.floor, wanted.slow));

    let limits = waitingroom_server::http::ServeLimits::default();
    assert_eq!(settings.max_connections, limits.connections);

    let (limits, wanted) = (settings.queue_limits(), gateway::GuestLimits::default());
    assert_eq!(
        (limits.guests, limits.places, limits.join_for),
        (wanted.guests, wanted.places, wanted.join_for)
    );
    let (limits, wanted) = (settings.booking_limits(), booking::GuestLimits::default());
    assert_eq!(
        (limits.holds, limits.bookings, limits.cool_down),
        (wanted.holds, wanted.bookings, wanted.cool_down)
    );
}

fn section(title: &str) -> String {
    let rows = SETTING_TABLE
        .iter()
        .filter(|setting| setting.section == title);
    let rows: String = rows.map(row).collect();
    format!("| flag | default | range | meaning |\n|---|---|---|---|\n{rows}")
}

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        Some(text) if text.contains(' ') => text.to_owned(),
        Some(text) => format!("`{text}`"),
        None => String::new(),
    };
    let range = match setting.range {
        [range] if *range.end() == u64::MAX => format!("from {}", range.start()),
        [range] => format!("{} to {}", range.start(), range.end()),
        _ => String::new(),
    };
    format!(
        "| `{}` | {default} | {range} | {} |\n",
        flag(setting.name),
        setting.help
    )
}

fn renamed() -> String {
    let rows: String = SETTING_TABLE
        .iter()
        .filter_map(|setting| {
            let former = flag(setting.former_name?);
            Some(format!("| `{former}` | `{}` |\n", flag(setting.name)))
        })
        .collect();
    format!("| former name | name |\n|---|---|\n{rows}")
}

/// `UPDATE_DOCS=1` writes the page.
#[test]
fn page_lists_every_setting() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut titles: Vec<_> = SETTING_TABLE
        .iter()
        .map(|setting| setting.section)
        .collect();
    titles.dedup();
    let tables = titles.into_iter().map(|title| (title, section(title)));

    let mut wanted = page.clone();
    for (title, table) in tables.chain([("Renamed", renamed())]) {
        let mark = format!("<!-- settings: {title} -->\n\n");
        let (before, rest) = wanted.split_once(&mark).expect(title);
        let (_, after) = rest.split_once("\n<!-- end of settings -->").expect(title);
        wanted = format!("{before}{mark}{table}\n<!-- end of settings -->{after}");
    }

    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, wanted).unwrap();
    } else {
        assert!(
            page == wanted,
            "run the test with UPDATE_DOCS=1 and commit docs/configuration.md"
        );
    }
}

#[test]
fn secret_without_quotes_is_not_printed() {
    let error = Sources {
        file: "jwt_secret = 99999999999999999999999",
        ..Sources::default()
    }
    .error();
    assert!(error.contains("line 1"), "{error}");
    assert!(!error.contains("9999"), "{error}");
}
