//! A PostgreSQL of one test's own.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use sqlx::{Connection, PgConnection};

use crate::{
    process::Signal,
    server_process::{Program, ServerProcess},
};

/// See the module's documentation. Its URL is a superuser's.
pub type PostgresServer = ServerProcess<Postgres>;

/// With fsync on.
#[derive(Debug)]
pub struct Postgres;

impl Program for Postgres {
    const NAME: &'static str = "postgres";
    const END: Signal = Signal::Quit;

    fn prepare(folder: &Path) {
        initialise(&folder.join(Self::NAME));
    }

    fn command(folder: &Path, port: u16) -> Command {
        let data = folder.join(Self::NAME);
        let mut command = as_owner(&["--pdeathsig", "QUIT"], "postgres");

        command
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&data)
            .args(["-p", &port.to_string()]);
        command.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=on",
            "-c",
            "log_min_messages=warning",
        ]);
        command
    }

    fn url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    async fn answers(url: &str) -> bool {
        PgConnection::connect(url).await.is_ok()
    }
}

impl PostgresServer {
    /// Ends it at once, as a crash of its machine would: all connections are cut, and it
    /// recovers when it starts again.
    pub async fn crash(&self) {
        self.stop(Signal::Quit).await;
    }

    /// Starts a standby that follows the server at this port under a name, with its data in a
    /// folder of its own.
    pub async fn standby(primary: u16, folder: &Path, name: &str) -> Self {
        let data = folder.join(Postgres::NAME);
        own(&data);
        let primary =
            format!("host=127.0.0.1 port={primary} user=postgres application_name={name}");
        let mut copy = as_owner(&[], "pg_basebackup");
        copy.arg("-D").arg(&data).args([
            "-d",
            &primary,
            "-R",
            "-X",
            "stream",
            "--checkpoint=fast",
            "--no-sync",
        ]);

        // What it copies may come through this very process.
        tokio::task::spawn_blocking(move || succeed(&mut copy))
            .await
            .expect("a copy of the primary");
        Self::start(folder).await
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

fn own(data: &Path) {
    std::fs::create_dir_all(data).expect("the test's folder can be written");
    std::fs::set_permissions(data, PermissionsExt::from_mode(0o700)).expect("the folder is ours");
    if runs_as_root() {
        succeed(Command::new("chown").arg(owner()).arg(data));
    }
}

/// Makes a database, unless the folder is a standby's, which has one.
fn initialise(data: &Path) {
    if data.join("PG_VERSION").exists() {
        return;
    }

    own(data);
    let mut initdb = as_owner(&[], "initdb");

    initdb.arg("-D").arg(data).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    succeed(initdb.arg("--no-sync"));
}

/// Does root run this?
pub fn runs_as_root() -> bool {
    let id = Command::new("id")
        .arg("-u")
        .output()
        .expect("id tells who runs this");
    id.stdout.trim_ascii() == b"0"
}

fn owner() -> &'static str {
    let known = Command::new("getent").args(["passwd", "postgres"]).output();
    if known.is_ok_and(|known| known.status.success()) {
        "postgres"
    } else {
        "nobody"
    }
}

fn succeed(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
