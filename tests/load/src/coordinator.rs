//! Coordinates a run: sets up the testbed, starts workers, watches the server, sums up.

mod audit;
mod growth;
mod progress;
mod run;
mod scenario_step;
mod testbed;
mod watch;
mod workers;

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use self::{growth::Growth, run::Run, testbed::Testbed, watch::Watch, workers::Workers};
use crate::{
    cli::Cli,
    descriptors, output,
    plan::{Plan, Purpose},
    report::{Ending, Report},
    scenario::Script,
};

/// REST connections of each process; real users have one each.
const CONNECTIONS: u32 = 512;
/// Requests under way in `reserve`, in all processes: enough to keep a server of two cores busy.
const RESERVING: u32 = 128;
/// Time for the last connections to close before the server is looked at for the last time.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs what the command line asks for; whether every assertions was kept.
///
/// # Errors
/// A run that could not be carried out.
pub async fn run(cli: Cli) -> Result<bool> {
    tokio::select! {
        kept = coordinate(&cli) => kept,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn coordinate(cli: &Cli) -> Result<bool> {
    let script = Script::of(cli);
    let limit = descriptors::limit();
    let connections = connections(cli, &script, limit);
    let cores = std::thread::available_parallelism()
        .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let processes = descriptors::processes(script.users, connections, limit, cores, cli.processes)?;
    let mut testbed = Testbed::set_up(cli, &script).await?;
    let begun = Instant::now();
    let mut watch = Watch::new(testbed.pids(cli), cli.store_pid.clone());
    let mut growth = Growth::new(cli, &script, &testbed)?;
    let share = if reserves_only(&script) {
        connections.div_ceil(processes)
    } else {
        connections
    };

    let plan = plan(cli, &script, processes, share, &testbed);
    let played = Run::execute(cli, &script, &plan, &mut testbed, &mut watch, &mut growth).await;
    let ending = settle(&testbed, &script, &mut watch).await;
    let books = audit::Books::read(cli, &testbed).await?;
    let log = testbed.tear_down(cli).await?;
    let mut report = Report::new(
        cli,
        &script,
        processes,
        begun.elapsed(),
        played?,
        watch.report(),
        growth.slopes(),
        ending,
        log,
    );

    if let Some(books) = books {
        report.audited(books.violations(report.counts.reserved, report.counts.booked));
    }

    output::print(&report.table())?;

    if let Some(file) = &cli.json {
        std::fs::write(file, report.json()?)?;
    }

    Ok(report.failures.is_empty())
}

fn plan(cli: &Cli, script: &Script, processes: u32, connections: u32, testbed: &Testbed) -> Plan {
    Plan {
        gateways: testbed.gateways.clone(),
        booking: testbed.operator.booking.endpoint().clone(),
        secret: testbed.secret.clone(),
        sale: testbed.sale.clone(),
        run: testbed.run.clone(),
        users: script.users as usize,
        processes: processes as usize,
        process: 0,
        arrive: script.arrive,
        limit: script.limit,
        transport: cli.transport,
        reserve_by: cli.reserve_by,
        purpose: script.purpose,
        poll: Duration::from_millis(cli.poll_ms),
        connections: connections as usize,
    }
}

fn connections(cli: &Cli, script: &Script, limit: u32) -> u32 {
    let most = if reserves_only(script) {
        RESERVING
    } else {
        CONNECTIONS
    };
    cli.connections.unwrap_or(most.min(limit / 8))
}

const fn reserves_only(script: &Script) -> bool {
    matches!(script.purpose, Purpose::Reserve { .. })
}

/// The remains once all users are gone.
async fn settle(testbed: &Testbed, script: &Script, watch: &mut Watch) -> Ending {
    sleep(SETTLE).await;
    let until = Instant::now() + script.terms.grace + script.terms.pass_ttl;
    let mut ending = testbed.ending().await;

    while script.assertions.leaves_nothing && !ending.nothing_left() && Instant::now() < until {
        sleep(SETTLE).await;
        ending = testbed.ending().await;
    }

    watch.end();
    ending
}
