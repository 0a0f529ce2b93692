//! One line that says how it goes: redrawn on a terminal, written now and then elsewhere.

use std::{
    io::{IsTerminal, Write, stderr},
    time::Duration,
};

use tokio::time::Instant;

use super::Watch;
use crate::{scenario::Script, tally::Counts};

/// Pause between two lines if there is no terminal.
const SELDOM: Duration = Duration::from_secs(5);

/// See the module's documentation.
pub struct ProgressLine {
    users: u32,
    begun: Instant,
    drawn: Option<Instant>,
    on_terminal: bool,
}

impl ProgressLine {
    /// Nothing drawn yet.
    pub fn new(script: &Script) -> Self {
        Self {
            users: script.users,
            begun: Instant::now(),
            drawn: None,
            on_terminal: stderr().is_terminal(),
        }
    }

    /// Draws, if it is time to.
    pub fn draw(&mut self, counts: &Counts, watch: &Watch) {
        let due = self.on_terminal || self.drawn.is_none_or(|drawn| drawn.elapsed() >= SELDOM);
        if due {
            self.drawn = Some(Instant::now());
            self.write(counts, watch, false);
        }
    }

    /// Draws for the last time.
    pub fn end(&mut self, counts: &Counts, watch: &Watch) {
        self.write(counts, watch, true);
    }

    fn write(&self, counts: &Counts, watch: &Watch, last: bool) {
        let (start, end) = if self.on_terminal {
            ("\r\x1b[2K", if last { "\n" } else { "" })
        } else {
            ("", "\n")
        };
        let text = text(
            self.begun.elapsed(),
            self.users,
            counts,
            watch.latest().rss_kib,
        );

        let mut out = stderr().lock();
        let _ = write!(out, "{start}{text}{end}").and_then(|()| out.flush()); // nobody may be looking
    }
}

fn text(elapsed: Duration, users: u32, counts: &Counts, rss_kib: u64) -> String {
    format!(
        "{:5.1} s  joined {}/{users}  connected {}  passes {}  booked {}  stream errors {}  server {} MiB",
        elapsed.as_secs_f64(),
        counts.joined,
        counts.connected,
        counts.passes,
        counts.booked,
        counts.stream_errors,
        rss_kib / 1024,
    )
}
