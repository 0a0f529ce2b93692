//! Output of the load generator. A reader that has gone away, as `head` does, does not end it.

use std::io::{self, Write};

/// Prints results. A closed pipe is no error.
///
/// # Errors
/// Output that cannot be written for another reason, as a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a line of progress, if anything can be printed.
pub fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
