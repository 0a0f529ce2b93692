//! PgBouncer between booking and PostgreSQL.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use stanchion_tests::{
    ports,
    process::{Process, Signal},
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

const START: Duration = Duration::from_secs(20);
/// From this version on, transaction mode carries prepared statements.
const CARRIES_PREPARED_STATEMENTS: (u32, u32) = (1, 21);

/// When a session of the server is given to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Once the client has gone.
    Session,
    /// After each transaction, if the PgBouncer that is here can; else once the client has gone.
    TransactionIfPossible,
}

/// See the module's documentation. Killed when dropped.
pub struct PgBouncer {
    /// Where it listens.
    pub port: u16,
    settings: PathBuf,
    folder: PathBuf,
    process: Process,
}

impl PgBouncer {
    /// Starts one before this PostgreSQL.
    ///
    /// # Errors
    /// A program that is missing, or does not listen in time.
    pub async fn start(folder: &Path, postgres: u16, pooling: Pooling) -> Result<Self> {
        let port = ports::free();
        let own = folder.join("pgbouncer");

        fs::create_dir_all(&own)?;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o755))?;

        let settings = own.join("pgbouncer.ini");
        let mode = match pooling {
            Pooling::TransactionIfPossible if version()? >= CARRIES_PREPARED_STATEMENTS => {
                "transaction\nmax_prepared_statements = 200"
            }
            Pooling::TransactionIfPossible | Pooling::Session => "session",
        };

        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={postgres} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = \
             {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits,options\ndefault_pool_size = 60\nmax_client_conn = 200\n"
        );
        fs::write(&settings, text)?;

        let process = listening(&settings, folder, port).await?;
        Ok(Self {
            port,
            settings,
            folder: folder.to_owned(),
            process,
        })
    }

    /// Kills it; the sessions of the server end.
    pub async fn kill(&self) {
        self.process.signal(Signal::Kill);
        self.process.ended().await;
    }

    /// Starts it where it was.
    ///
    /// # Errors
    /// It does not listen in time.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = listening(&self.settings, &self.folder, self.port).await?;
        Ok(())
    }
}

async fn listening(settings: &Path, folder: &Path, port: u16) -> Result<Process> {
    // Like PostgreSQL, it refuses to run as root.
    let mut command = Command::new("setpriv");
    if stanchion_tests::postgres_server::runs_as_root() {
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--clear-groups",
        ]);
    }

    command
        .args(["--pdeathsig", "KILL", "pgbouncer"])
        .arg(settings)
        .current_dir("/");

    let process = Process::start("pgbouncer", &mut command, folder);
    let until = Instant::now() + START;

    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if process.exit().is_some() || Instant::now() > until {
            bail!("PgBouncer did not start: {}", process.said());
        }
        sleep(Duration::from_millis(50)).await;
    }

    Ok(process)
}

fn version() -> Result<(u32, u32)> {
    let asked = Command::new("pgbouncer").arg("--version").output()?;
    let text = String::from_utf8(asked.stdout)?;
    let number = text
        .lines()
        .next()
        .and_then(|line| line.rsplit_once(' '))
        .map(|(_, number)| number);

    let mut parts = number.context("a version")?.split('.').map(str::parse);
    let mut part = || parts.next().context("a part of the version");
    Ok((part()??, part()??))
}
