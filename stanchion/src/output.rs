//! Output of commands: results, and the reason of a failure, in the chosen log format.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use waitingroom_server::telemetry::{self, LogFormat};

use crate::config::{InvalidSettings, variable};

/// The exit code of a command that was not asked right: flags, variables, the file.
const USAGE: u8 = 2;

/// Whether failures are log lines: set by the logs' start.
static LOGS_ARE_JSON: AtomicBool = AtomicBool::new(false);

/// Prints a result. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
/// Output that cannot be written for another reason, as a full disk.
pub fn print_line(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Are logs written as JSON, and with them failures?
pub fn logs_are_json() -> bool {
    LOGS_ARE_JSON.load(Ordering::Relaxed)
}

/// To be called when logs start.
pub fn set_logs_are_json(json: bool) {
    LOGS_ARE_JSON.store(json, Ordering::Relaxed);
}

/// Starts logs as JSON, for a failure before the settings are read.
fn start_json_logs() {
    let _ = telemetry::start_logs(LogFormat::Json, "info"); // the filter is valid
    set_logs_are_json(true);
}

/// Does the command line or the environment ask for JSON? A file is not looked at.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let mut values = arguments.iter().map(|argument| argument.to_string_lossy());
    let by_flag = values
        .find_map(|argument| argument.strip_prefix("--log-format").map(str::to_owned))
        .and_then(|rest| match rest.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None => values.next().map(Into::into),
        });
    let format = by_flag.or_else(|| std::env::var(variable("log_format")).ok());
    format.is_some_and(|format| format == "json")
}

/// Reports why a command failed, if anything can be written; returns its exit code.
pub fn report_failure(error: &anyhow::Error) -> ExitCode {
    let invalid = error.downcast_ref::<InvalidSettings>();
    if invalid.is_some_and(|invalid| invalid.wants_json) {
        start_json_logs();
    }

    if logs_are_json() {
        tracing::error!(error = format!("{error:#}"), "stanchion failed");
    } else {
        let _ = writeln!(io::stderr(), "stanchion: {error:#}");
    }
    match invalid {
        Some(_) => ExitCode::from(USAGE),
        None => ExitCode::FAILURE,
    }
}

/// Reports a command line that was not understood, or prints the help that it asks for.
pub fn report_usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if error.use_stderr() && asks_for_json(arguments) {
        start_json_logs();
        let text = error.to_string();
        tracing::error!(error = text.trim_end(), "stanchion failed");
    } else {
        let _ = error.print(); // a reader may have gone away
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}
