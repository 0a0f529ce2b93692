//! The command as its users start it: settings of every source, and readers of its output that go
//! away, as `head` or a log collector does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    fs,
    io::{BufRead, BufReader, PipeWriter, Read, Write, pipe, read_to_string},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// Max time of one step: enough for debug builds on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A pipe that nothing reads.
fn closed() -> PipeWriter {
    let (_, writer) = pipe().expect("a pipe");
    writer
}

/// The binary without settings of the environment.
fn stanchion(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stanchion"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STANCHION_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Standard output and standard error of a command that succeeds.
fn texts(command: &mut Command) -> (String, String) {
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
    (text(output.stdout), text(output.stderr))
}

#[test]
fn former_names_are_warned_of() {
    let (shown, log) = texts(
        stanchion(&["config", "check", "--tick-ms", "33"])
            .env("STANCHION_PACE_FLOOR", "44")
            .env("STANCHION_OVERLOAD_LATENCY_MS", "55"),
    );
    for line in [
        "admission_interval_ms = 33",
        "min_release_percent = 44",
        "overload_latency_ms = 55",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }

    assert_eq!(log.matches("WARN").count(), 2, "{log}");
    assert!(
        log.contains("--tick-ms is now --admission-interval-ms"),
        "{log}"
    );
    let variables = "STANCHION_PACE_FLOOR is now STANCHION_MIN_RELEASE_PERCENT";
    assert!(log.contains(variables), "{log}");
}

#[test]
fn bad_settings_stop_the_start_by_name_and_source() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("settings-{}.toml", std::process::id()));
    std::fs::write(&file, "# a comment\nthreads = 0\n").unwrap();

    let mut by_file = stanchion(&["config", "check"]);
    by_file.env("STANCHION_CONFIG", &file);
    let mut by_variable = stanchion(&["queue-worker"]);
    by_variable.env("STANCHION_THREADS", "many");
    for (mut command, wanted) in [
        (
            by_file,
            format!("(from the file {}, line 2)", file.display()),
        ),
        (by_variable, "STANCHION_THREADS: invalid value".to_owned()),
    ] {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains("threads") && error.contains(&wanted),
            "{error}"
        );
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn results_may_be_read_in_part() {
    for arguments in [&["--help"][..], &["config", "check"], &["--version"]] {
        let (errors, error_writer) = pipe().unwrap();
        let mut command = stanchion(arguments);
        let status = command.stdout(closed()).stderr(error_writer).status();
        drop(command); // and its end of the pipe
        let status = status.unwrap();

        let errors = read_to_string(errors).unwrap();
        assert!(status.success() && errors.is_empty(), "{status} {errors}");
    }
}

#[test]
fn failure_is_no_panic_when_nothing_reads_it() {
    let mut command = stanchion(&["gateway", "--threads", "0"]);
    let status = command.stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(2), "{status}");
}

/// A folder of one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server of the embedded default; killed when dropped.
struct Server {
    child: Child,
    /// What it prints at its start.
    start: Vec<String>,
}

impl Server {
    /// Starts one on a free port with its data in this folder, and its log in the file `log` there.
    fn start(folder: &Path, arguments: &[&str], lines: usize) -> Self {
        let data = folder.join("data");
        let log = fs::File::create(folder.join("log")).unwrap();
        let (output, writer) = pipe().unwrap();
        let mut command = stanchion(&["--data-dir"]);
        command.env("STANCHION_LISTEN", "127.0.0.1:0").arg(data);
        command.args(arguments).stdout(writer).stderr(log);
        let child = command.spawn().unwrap();
        drop(command);

        let start = BufReader::new(output).lines().take(lines);
        Self {
            child,
            start: start.map(Result::unwrap).collect(),
        }
    }

    fn stop(&mut self) -> ExitStatus {
        let killed = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(killed.unwrap().success());
        ended(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the process ends");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The content of a file once it holds this text.
fn eventually_in(file: &Path, wanted: &str) -> String {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.contains(wanted) {
            return text;
        }
        assert!(Instant::now() < deadline, "{wanted} in {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks that a command fails with this code, and what it says.
#[track_caller]
fn fails(command: &mut Command, code: i32, wanted: &[&str]) -> Output {
    let output = command.output().unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for wanted in wanted {
        assert!(error.contains(wanted), "{wanted} in {error}");
    }
    output
}

#[test]
fn wrong_input_is_answered_with_the_right_form() {
    for (arguments, wanted) in [
        (
            &["--listen", "localhost:8080"][..],
            &["--listen", "for example 127.0.0.1:8080"][..],
        ),
        (&["--listen", ":8080"], &["for example 127.0.0.1:8080"]),
        (
            &["gateway", "--listen", "8080"],
            &["for example 127.0.0.1:8080"],
        ),
        (
            &["health", "--url", "127.0.0.1:18080"],
            &["for example http://127.0.0.1:8080/health"],
        ),
        (
            &["health", "--url", "https://127.0.0.1/health"],
            &["not supported"],
        ),
        (
            &["demo-crowd", "--url", "localhost:8080"],
            &["for example http://127.0.0.1:8080"],
        ),
        (&["demo-crowd", "--users", "0"], &["1..=200"]),
        (&["token", "--user", "me", "--role", "admni"], &["admin"]),
        (
            &["token", "--user", "me", "--ttl-seconds", "0"],
            &["1..=31536000"],
        ),
        (
            &["--redis-url", "redis://127.0.0.1"],
            &["redis_url", "no role is named", "--redis-url"],
        ),
        (
            &["queue-worker"],
            &["redis_url is missing", "STANCHION_REDIS_URL"],
        ),
    ] {
        fails(&mut stanchion(arguments), 2, wanted);
    }
}

#[test]
fn config_check_names_all_that_a_role_lacks() {
    let mut check = stanchion(&["config", "check", "booking", "--heartbeat-ms", "999999999"]);
    check.env("STANCHION_DATABASE_URL", "mysql://x");
    let wanted = [
        "heartbeat_ms must be from 1 to 60000 (from --heartbeat-ms)",
        "database_url must be postgres://",
        "(from STANCHION_DATABASE_URL)",
        "redis_url is missing: booking needs --redis-url (STANCHION_REDIS_URL)",
        "nats_url is missing",
        "pass_secret is missing",
        "jwt_secret is missing: booking needs --jwt-secret (STANCHION_JWT_SECRET) or --jwt-jwks",
    ];
    fails(&mut check, 2, &wanted);

    let (shown, _) = texts(&mut stanchion(&[
        "config",
        "check",
        "queue-worker",
        "--redis-url",
        "redis://:hunter22@127.0.0.1",
    ]));
    assert!(
        shown.contains("the configuration is valid for queue-worker"),
        "{shown}"
    );
    assert!(!shown.contains("hunter22"), "{shown}");
    texts(&mut stanchion(&["config", "check", "embedded"]));
}

#[test]
fn tools_create_no_store() {
    let folder = Folder::new("no-store");
    for arguments in [
        &["migrate"][..],
        &["seed"],
        &["reset"],
        &["token", "--user", "me"],
    ] {
        let mut command = stanchion(arguments);
        command.current_dir(folder.path());
        fails(
            &mut command,
            1,
            &[folder.path().to_str().unwrap(), "--data-dir"],
        );
        command.args(["--data-dir", "elsewhere"]);
        fails(&mut command, 1, &["elsewhere"]);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            0,
            "{arguments:?}"
        );
    }
}

#[test]
fn start_tells_where_everything_is() {
    let folder = Folder::new("start");
    let mut server = Server::start(folder.path(), &[], 5);
    let start = server.start.join("\n");
    let page = server.start[0]
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned();
    let port = page.rsplit(':').next().unwrap().to_owned();
    let data = folder.path().join("data");
    for wanted in [
        &format!("{page}/admin"),
        data.to_str().unwrap(),
        env!("CARGO_PKG_VERSION"),
        &format!("stanchion demo-crowd --url {page}"),
    ] {
        assert!(start.contains(wanted), "{wanted} in {start}");
    }

    // What is there is for its owner alone.
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let files = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }

    // Tools work on it, and name it.
    let at_data = |arguments: &[&str]| {
        let mut command = stanchion(arguments);
        command.arg("--data-dir").arg(&data);
        texts(&mut command).0
    };
    assert!(at_data(&["migrate"]).contains(data.to_str().unwrap()));
    assert!(at_data(&["seed", "--data", "demo"]).starts_with("0 events added to"));
    assert_eq!(
        at_data(&["token", "--user", "me", "--role", "admin"])
            .matches('.')
            .count(),
        2
    );
    let (ok, _) = texts(&mut stanchion(&[
        "health",
        "--listen",
        &format!("127.0.0.1:{port}"),
    ]));
    assert_eq!(ok, "ok\n");
    let mut by_variable = stanchion(&["health"]);
    by_variable.env("STANCHION_LISTEN", format!("0.0.0.0:{port}"));
    assert_eq!(texts(&mut by_variable).0, "ok\n");
    let page_is_no_health = format!("http://127.0.0.1:{port}/");
    let mut wrong = stanchion(&["health", "--url", &page_is_no_health]);
    fails(&mut wrong, 1, &["not the health of a Stanchion"]);

    let log = eventually_in(&folder.path().join("log"), "seats loaded from the database");
    assert!(!log.contains("corrected") && !log.contains("WARN"), "{log}");
    assert!(server.stop().success());
    eventually_in(&folder.path().join("log"), "drained");
}

#[test]
fn open_address_is_warned_of() {
    let folder = Folder::new("open");
    let _server = Server::start(folder.path(), &["--listen", "0.0.0.0:0"], 1);
    eventually_in(&folder.path().join("log"), "open to other machines");
}

#[test]
fn health_is_that_of_a_stanchion() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/health", other.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut client, _) = other.accept().unwrap();
        let mut request = [0; 1024];
        let _ = client.read(&mut request).unwrap();
        let body = r#"{"status":"ok"}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        client.write_all((head + body).as_bytes()).unwrap();
    });
    let mut health = stanchion(&["health", "--url", &url]);
    fails(&mut health, 1, &["not the health of a Stanchion"]);
    answering.join().unwrap();
}

/// Every line of standard error, as JSON; nothing else may be there.
fn json_lines(error: &str) -> Vec<serde_json::Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"));
    error.lines().map(line).collect()
}

#[test]
fn failures_are_log_lines_if_logs_are_json() {
    let folder = Folder::new("json");
    let file = folder.path().join("s.toml");
    fs::write(&file, "log_format = \"json\"\nthreads = 0\n").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");

    let mut by_variable = stanchion(&["gateway"]);
    by_variable.env("STANCHION_LOG_FORMAT", "json");
    let mut by_file = stanchion(&["config", "check", "--config"]);
    by_file.arg(&file);
    let mut port_in_use = stanchion(&["--log-format=json", "--listen", &address, "--data-dir"]);
    port_in_use.arg(data);
    let usage = stanchion(&["gateway", "--log-format", "json", "--threads", "many"]);

    for (mut command, code, wanted) in [
        (by_variable, 2, "redis_url is missing"),
        (by_file, 2, "threads must be"),
        (
            port_in_use,
            1,
            &*format!("listen: cannot serve on {address}"),
        ),
        (usage, 2, "invalid value 'many'"),
    ] {
        let output = fails(&mut command, code, &[]);
        let lines = json_lines(&text(&output.stderr));
        let last = lines.last().unwrap();
        assert_eq!(
            (&last["level"], &last["message"]),
            (&"ERROR".into(), &"stanchion failed".into())
        );
        assert!(last["error"].as_str().unwrap().contains(wanted), "{last}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn start_is_a_log_line_if_logs_are_json() {
    let folder = Folder::new("json-start");
    let mut server = Server::start(folder.path(), &["--log-format", "json"], 0);
    let log = folder.path().join("log");
    eventually_in(&log, "listening");
    assert!(server.stop().success());

    let lines = json_lines(&fs::read_to_string(log).unwrap());
    let start = lines
        .iter()
        .find(|line| line["message"] == "listening")
        .unwrap();
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        start["operators"].as_str().unwrap().ends_with("/admin"),
        "{start}"
    );
    assert!(
        start["data"].as_str().unwrap().ends_with("/data"),
        "{start}"
    );
    assert!(lines.iter().any(|line| line["message"] == "drained"));
}

/// The whole wait for a database is half a minute; what it waits for is said at once.
#[test]
fn unreachable_database_is_named_while_waiting() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap(); // closed at once
    let folder = Folder::new("no-database");
    let log = folder.path().join("log");
    let mut command = stanchion(&[
        "migrate",
        "--database-url",
        &format!("postgres://u:hunter22@{free}/d"),
    ]);
    let began = Instant::now();
    let mut child = command
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();

    let text = eventually_in(&log, &format!("connection refused by {free}"));
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert!(
        text.contains("trying again") && !text.contains("hunter22"),
        "{text}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A log line that cannot be written is lost; the server goes on.
#[test]
fn server_survives_the_end_of_its_log_reader() {
    let folder = Folder::new("closed-pipe");
    let data = folder.path().to_str().unwrap();
    let (output, output_writer) = pipe().unwrap();

    // The former name of a flag is warned of, so there is a line to write.
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data,
        "--tick-ms=100",
    ];
    let mut command = stanchion(&arguments);
    let child = command.stdout(output_writer).stderr(closed()).spawn();
    drop(command);
    let mut child = child.unwrap();

    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on http://"), "{line:?}");

    let signalled = Command::new("kill").arg(child.id().to_string()).status();
    assert!(signalled.unwrap().success());
    let status = ended(&mut child);
    assert!(status.success(), "{status}");
}

#[test]
fn prints_a_new_push_key_each_time() {
    let key = || {
        let (shown, _) = texts(&mut stanchion(&["push-key"]));
        let line = shown.lines().find(|line| line.starts_with("push_key = "));
        let secret = line.expect("a line of the file").split('"').nth(1).unwrap();
        assert!(shown.starts_with("# public key: B"), "{shown}");
        secret.to_owned()
    };

    let (one, other) = (key(), key());
    assert_ne!(one, other);
    let mut check = stanchion(&["config", "check", "--push-key", &one]);
    let (shown, _) = texts(&mut check);
    assert!(shown.contains("push_key = set, not shown"), "{shown}");
    assert!(!shown.contains(&one), "{shown}");
}
