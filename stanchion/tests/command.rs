//! The command as its users start it: settings of every source, and readers of its output that go
//! away, as `head` or a log collector does.

use std::{
    io::{PipeWriter, pipe, read_to_string},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

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
        assert_eq!(output.status.code(), Some(1), "{error}");
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
    assert_eq!(status.code(), Some(1), "{status}");
}

/// A log line that cannot be written is lost; the server goes on.
#[test]
fn server_survives_the_end_of_its_log_reader() {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("closed-pipe-{}", std::process::id()));
    let data = directory.to_str().unwrap();
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
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    assert!(line.starts_with("listening on http://"), "{line:?}");

    let signalled = Command::new("kill").arg(child.id().to_string()).status();
    assert!(signalled.unwrap().success());
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the server ends");
        std::thread::sleep(Duration::from_millis(20));
    };

    assert!(status.success(), "{status}");
    std::fs::remove_dir_all(directory).unwrap();
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
