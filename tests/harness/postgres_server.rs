//! A PostgreSQL of one test's own, that can be stopped and started again on what it has stored.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{Connection, PgConnection};

use crate::{
    ports,
    process::{Process, Signal},
    wait::{PATIENCE, within},
};

const STARTS: usize = 5;

/// See the module's documentation. Ends with the test.
#[derive(Debug)]
pub struct PostgresServer {
    /// Where a superuser finds it.
    pub url: String,
    port: u16,
    folder: PathBuf,
    process: Process,
}

impl PostgresServer {
    /// Starts one on a new directory, with fsync on.
    pub async fn start(folder: &Path) -> Self {
        let data = folder.join("postgres");
        initialise(&data);
        for _ in 0..STARTS {
            if let Some(started) = Self::attempt(folder, ports::free()).await {
                return started;
            }
        }
        panic!("postgres did not start; its log is postgres.log in {}", folder.display())
    }

    /// Ends it at once, as a crash of its machine would: whoever is connected is cut off, and it recovers when it starts again.
    pub async fn crash(&self) {
        self.process.signal(Signal::Quit);
        self.process.ended().await;
    }

    /// Starts it where it was.
    pub async fn start_again(&mut self) {
        *self = Self::attempt(&self.folder, self.port).await.expect("the port is free again");
    }

    async fn attempt(folder: &Path, port: u16) -> Option<Self> {
        let data = folder.join("postgres");
        let mut command = as_owner(&["--pdeathsig", "QUIT"], "postgres");
        command.arg("-D").arg(&data).arg("-k").arg(&data).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on", "-c", "log_min_messages=warning"]);
        let process = Process::start("postgres", &mut command, folder);
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let up = within(PATIENCE, "an answer of PostgreSQL", || async {
            match process.exit() {
                Some(_) => Some(false),
                None => PgConnection::connect(&url).await.ok().map(|_| true),
            }
        });
        let up = up.await;
        up.then(|| Self { url, port, folder: folder.to_owned(), process })
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.process.exit().is_none() {
            self.process.signal(Signal::Quit); // its children end with it
        }
    }
}

/// PostgreSQL refuses to run as root: its files and its process then belong to its system user.
fn as_owner(flags: &[&str], program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(flags).current_dir("/");
    if runs_as_root() {
        let user = owner();
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg(program);
    command
}

fn initialise(data: &Path) {
    std::fs::create_dir_all(data).expect("the test's folder can be written");
    std::fs::set_permissions(data, PermissionsExt::from_mode(0o700)).expect("the folder is ours");
    if runs_as_root() {
        succeed(Command::new("chown").arg(owner()).arg(data));
    }
    let mut initdb = as_owner(&[], "initdb");
    initdb.arg("-D").arg(data).args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
    succeed(initdb.arg("--no-sync"));
}

fn runs_as_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id tells who runs this");
    id.stdout.trim_ascii() == b"0"
}

fn owner() -> &'static str {
    let known = Command::new("getent").args(["passwd", "postgres"]).output();
    if known.is_ok_and(|known| known.status.success()) { "postgres" } else { "nobody" }
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
