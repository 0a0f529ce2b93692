//! Output of commands: results, and the reason of a failure.

use std::io::{self, Write};

use anyhow::Result;

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

/// Prints the reason of a failure, if anything can be printed.
pub fn print_error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "stanchion: {error:#}");
}
