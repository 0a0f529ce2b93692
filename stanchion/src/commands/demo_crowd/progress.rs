//! What the crowd does, in one line a second.

use std::{
    io::{self, IsTerminal, Write},
    time::Instant,
};

use anyhow::Result;

use super::guest::{Activity, Update};
use crate::output::print_line;

/// Seconds between two lines if they cannot replace each other.
const LINE_SECONDS: u64 = 5;

/// Counts what guests report.
pub struct Progress {
    guests: Vec<Activity>,
    turns: u64,
    reason: Option<String>,
    began: Instant,
    is_terminal: bool,
    printed: Option<u64>,
}

impl Progress {
    /// A crowd of this size that has not arrived.
    pub fn new(guests: usize) -> Self {
        Self {
            guests: vec![Activity::IsAway; guests],
            turns: 0,
            reason: None,
            began: Instant::now(),
            is_terminal: io::stdout().is_terminal(),
            printed: None,
        }
    }

    /// Counts a report.
    pub fn apply(&mut self, update: Update) {
        let Some(guest) = self.guests.get_mut(update.guest) else {
            return;
        };
        if update.activity == Activity::HasTurn && *guest != Activity::HasTurn {
            self.turns += 1;
        }
        if matches!(update.activity, Activity::Waits { .. }) {
            self.reason = None;
        }
        if update.reason.is_some() {
            self.reason = update.reason;
        }
        *guest = update.activity;
    }

    /// One line: in place of the last one on a terminal, else every few seconds.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn print(&mut self) -> Result<()> {
        let seconds = self.began.elapsed().as_secs();
        let line = self.line(seconds);
        if self.is_terminal {
            let mut out = io::stdout();
            let written = write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush());
            return Ok(written?);
        }
        if self
            .printed
            .is_some_and(|last| seconds < last + LINE_SECONDS)
        {
            return Ok(());
        }
        self.printed = Some(seconds);
        print_line(&line)
    }

    /// The last words.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn finish(&self) -> Result<()> {
        let end = if self.is_terminal { "\n" } else { "" };
        let left = self
            .guests
            .iter()
            .filter(|guest| **guest != Activity::IsAway);
        let (turns, left) = (self.turns, left.count());
        match left {
            0 => print_line(&format!("{end}The crowd is gone; it had {turns} turns.")),
            left => print_line(&format!(
                "{end}The crowd is gone after {turns} turns; {left} places could not be given back and end by themselves."
            )),
        }
    }

    fn line(&self, seconds: u64) -> String {
        let positions = self.guests.iter().filter_map(|guest| match guest {
            Activity::Waits { position } => Some(*position),
            _ => None,
        });
        let count = |wanted: Activity| self.guests.iter().filter(|guest| **guest == wanted).count();
        let waiting = positions.clone().count();
        let range = match (positions.clone().min(), positions.max()) {
            (Some(first), Some(last)) => format!(" (positions {first} to {last})"),
            _ => String::new(),
        };

        let mut line = format!(
            "{:02}:{:02}  in line {waiting}{range} · at their turn {} · turns so far {}",
            seconds / 60,
            seconds % 60,
            count(Activity::HasTurn),
            self.turns
        );
        let refused = count(Activity::IsRefused);
        if let Some(reason) = self.reason.as_ref().filter(|_| refused > 0) {
            line.push_str(&format!(" · {refused} wait: {reason}"));
        }
        line
    }
}
