//! One process of an installation, which can end and be started again where it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use stanchion_tests::{
    environment, ports,
    process::{Process, Signal},
    stack::OVERLOAD_LATENCY_MS,
    tokens::{JWT_SECRET, PASS_SECRET},
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

/// Longest start.
const START: Duration = Duration::from_secs(40);
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Debug builds on a busy machine are slow, which is not to slow the line down: failures do.
const NEVER_SLOW_MS: &str = "600000";

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Holds the line's connections.
    Gateway,
    /// Reserves seats.
    Booking,
    /// Releases the line.
    Worker,
    /// Everything.
    Embedded,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Booking => "booking",
            Self::Worker => "worker",
            Self::Embedded => "embedded",
        }
    }

    const fn command(self) -> Option<&'static str> {
        match self {
            Self::Gateway => Some("gateway"),
            Self::Booking => Some("booking"),
            Self::Worker => Some("queue-worker"),
            Self::Embedded => None,
        }
    }
}

/// See the module's documentation. Killed when dropped.
pub struct Member {
    /// What it does.
    pub kind: Kind,
    /// Its name, for example `booking-1`.
    pub name: String,
    /// Where it serves.
    pub port: u16,
    /// How many descriptors it may open; the system's limit if `None`.
    pub descriptors: Option<u32>,
    settings: Vec<(String, String)>,
    folder: PathBuf,
    process: Option<Process>,
}

impl Member {
    /// A process that is not started yet.
    pub fn new(kind: Kind, at: usize, folder: &Path) -> Self {
        let mut member = Self {
            kind,
            name: format!("{}-{at}", kind.name()),
            port: ports::free(),
            descriptors: None,
            settings: Vec::new(),
            folder: folder.to_owned(),
            process: None,
        };
        member.set("STANCHION_LISTEN", &format!("127.0.0.1:{}", member.port));
        member.set("STANCHION_HEARTBEAT_MS", "5000");
        member.set("STANCHION_DRAIN_SECONDS", "3");
        member.set(OVERLOAD_LATENCY_MS, NEVER_SLOW_MS);
        member.set("NO_COLOR", "1");

        if kind != Kind::Worker {
            member.set("STANCHION_JWT_SECRET", JWT_SECRET);
            member.set("STANCHION_PASS_SECRET", PASS_SECRET);
        }

        member
    }

    /// A setting, as a variable; in force with the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// The default, with the next start.
    pub fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| known != name);
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// A process that ends at once, or does not listen in time.
    pub async fn start(&mut self) -> Result<()> {
        let process = Process::start(&self.name, &mut self.command(), &self.folder);
        let until = Instant::now() + START;

        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            if process.exit().is_some() || Instant::now() > until {
                let said = process.said();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                bail!("{} did not start: {last:?}", self.name);
            }
            sleep(LOOK_AGAIN).await;
        }

        self.process = Some(process);
        Ok(())
    }

    fn command(&self) -> Command {
        let binary = environment::binary();
        let mut command = match self.descriptors {
            Some(limit) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={limit}:{limit}")).arg(binary);
                command
            }
            None => Command::new(binary),
        };

        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STANCHION_")) {
            command.env_remove(name);
        }

        command
            .args(self.kind.command())
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.folder);
        command
    }

    fn is_running(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.exit().is_none())
    }

    /// Sends a signal, if it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.as_ref().filter(|_| self.is_running()) {
            process.signal(signal);
        }
    }

    /// Kills it at once and waits for its end.
    pub async fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.has_ended(Duration::from_secs(10)).await;
    }

    /// Asks it to end in order, even if it stands still.
    pub fn ask_to_end(&self) {
        self.signal(Signal::Continue);
        self.signal(Signal::Terminate);
    }

    /// Waits for its end, at most for this long; then it is killed.
    pub async fn has_ended(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.is_running() && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
        }
        self.process = None;
    }

    /// The database of a process that runs everything.
    ///
    /// # Errors
    /// No such file.
    pub fn database_file(&self) -> Result<PathBuf> {
        let data = self
            .settings
            .iter()
            .find(|(name, _)| name == "STANCHION_DATA_DIR");
        let data = Path::new(
            data.map(|(_, value)| value.as_str())
                .context("a data folder")?,
        );
        let files = fs::read_dir(data)?
            .filter_map(Result::ok)
            .map(|entry| entry.path());

        files
            .into_iter()
            .find(|path| path.extension().is_some_and(|extension| extension == "db"))
            .with_context(|| format!("no database in {}", data.display()))
    }
}
