//! PgBouncer between booking and PostgreSQL, in session mode: transaction mode needs `max_prepared_statements`, which Debian 12's 1.18 does not have.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};
use stanchion_tests::{ports, process::Process};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

const START: Duration = Duration::from_secs(20);

/// Starts one before this PostgreSQL; the process and its port.
///
/// # Errors
/// A program that is missing, or does not listen in time.
pub async fn start(folder: &Path, postgres: u16) -> Result<(Process, u16)> {
    let port = ports::free();
    let own = folder.join("pgbouncer");
    fs::create_dir_all(&own)?;
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755))?;
    let settings = own.join("pgbouncer.ini");
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={postgres} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = \
         {port}\nunix_socket_dir =\nauth_type = any\npool_mode = session\n\
         ignore_startup_parameters = extra_float_digits,options\ndefault_pool_size = 60\nmax_client_conn = 200\n"
    );
    fs::write(&settings, text)?;
    // Like PostgreSQL, it refuses to run as root.
    let mut command = Command::new("setpriv");
    if stanchion_tests::postgres_server::runs_as_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL", "pgbouncer"]).arg(&settings).current_dir("/");
    let process = Process::start("pgbouncer", &mut command, folder);
    let until = Instant::now() + START;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if process.exit().is_some() || Instant::now() > until {
            bail!("PgBouncer did not start: {}", process.said());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok((process, port))
}
