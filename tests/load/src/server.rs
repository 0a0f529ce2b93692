//! A server of our own: the embedded default in a temporary directory, ended by its process id.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use uuid::Uuid;

use crate::loopback::Endpoint;

/// Longest wait until the server says that it is open.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// Longest wait for an orderly end: the server's drain window and patience, and some.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Lines of the log that are shown.
const LAST_WORDS: usize = 8;

/// How the own server is started.
#[derive(Debug)]
pub struct Setup {
    binary: PathBuf,
    folder: Folder,
    secret: String,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub endpoint: Endpoint,
}

/// Removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // at worst, a temporary folder stays
    }
}

impl Setup {
    /// A server of this binary, or of the one beside this program, that believes tokens of this
    /// secret.
    ///
    /// # Errors
    /// No binary, no temporary directory.
    pub fn new(binary: Option<PathBuf>, secret: &str) -> Result<Self> {
        let binary = match binary {
            Some(binary) => binary,
            None => beside(&std::env::current_exe()?),
        };

        if !binary.is_file() {
            bail!(
                "{} is missing: build it with `cargo build --release -p stanchion`, or name one with --stanchion",
                binary.display()
            );
        }

        let folder =
            std::env::temp_dir().join(format!("stanchion-load-{}", Uuid::new_v4().simple()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;

        Ok(Self {
            binary,
            folder: Folder(folder),
            secret: secret.to_owned(),
        })
    }

    /// Starts the server: on this address, or on a free port.
    ///
    /// # Errors
    /// A server that does not open in time.
    pub async fn start(&self, listen: Option<SocketAddr>) -> Result<Server> {
        let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut command = Command::new(&self.binary);

        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STANCHION_"))
        {
            command.env_remove(name);
        }

        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut child = command
            .args([
                "--listen",
                &listen.to_string(),
                "--log",
                "warn",
                "--data-dir",
            ])
            .arg(self.folder.0.join("data"))
            .env("STANCHION_JWT_SECRET", &self.secret)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;

        let port = timeout(START_DEADLINE, opened(&mut child)).await;
        let port = port
            .context("the server did not open in time")
            .and_then(|port| port);
        let port = port.with_context(|| self.last_words())?;
        let address = SocketAddr::new(listen.ip(), port);

        Ok(Server {
            child,
            endpoint: Endpoint {
                address,
                authority: address.to_string(),
            },
        })
    }

    /// The database of the server.
    pub fn database_file(&self) -> PathBuf {
        self.folder.0.join("data").join("stanchion.db")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.0.join("server.log")
    }

    /// How many lines the server logged (it logs warnings and errors only), and the last of them.
    pub fn log(&self) -> (usize, Vec<String>) {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines
            .iter()
            .skip(lines.len().saturating_sub(LAST_WORDS))
            .map(|line| (*line).to_owned());
        (lines.len(), last.collect())
    }

    fn last_words(&self) -> String {
        format!("the server's last words: {}", self.log().1.join(" / "))
    }
}

fn beside(program: &Path) -> PathBuf {
    program.with_file_name("stanchion")
}

/// The port that the server names when it is open.
async fn opened(child: &mut Child) -> Result<u16> {
    let out = child.stdout.take().context("the server's output")?;
    let mut lines = BufReader::new(out).lines();

    while let Some(line) = lines.next_line().await? {
        let port = line
            .rsplit_once(':')
            .filter(|_| line.contains("listening on http://"));
        if let Some(port) = port.and_then(|(_, port)| port.trim().parse().ok()) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }); // keeps the pipe empty
            return Ok(port);
        }
    }

    bail!("the server ended at its start")
}

impl Server {
    /// The process id; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks the server to end and waits; whether it ended in order.
    ///
    /// # Errors
    /// Where it cannot be ended.
    pub async fn stop(mut self) -> Result<bool> {
        terminate(self.pid().context("the server has ended before")?)?;
        match timeout(STOP_DEADLINE, self.child.wait()).await {
            Ok(status) => Ok(status?.success()),
            Err(_) => {
                self.child.kill().await?;
                Ok(false)
            }
        }
    }
}

/// Sends SIGTERM to one process.
///
/// # Errors
/// No such process, or one of another user.
pub fn terminate(pid: u32) -> Result<()> {
    let id = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .with_context(|| format!("{pid} is not a process id"))?;
    kill_process(id, Signal::TERM).with_context(|| format!("cannot end process {pid}"))
}
