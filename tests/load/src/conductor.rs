//! Conducts a run: sets the stage, hires workers, watches the server, sums up.

mod act;
mod crew;
mod progress;
mod stage;
mod watch;

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::{act::Act, crew::Crew, progress::ProgressLine, stage::Stage, watch::Watch};
use crate::{
    cli::Cli,
    descriptors,
    orders::{Order, Word},
    plan::Plan,
    report::{Ending, Report},
    scenario::Script,
    tally::{Counts, Tallied},
};

/// How often the server is looked at and the line of progress drawn.
const LOOK: Duration = Duration::from_millis(250);
/// How long workers may take beyond the run's limit.
const GRACE: Duration = Duration::from_secs(30);
/// Time for the last connections to close before the server is looked at for the last time.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs what the command line asks for; whether every promise was kept.
///
/// # Errors
/// A run that could not be carried out.
pub async fn run(cli: Cli) -> Result<bool> {
    tokio::select! {
        kept = conduct(&cli) => kept,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn conduct(cli: &Cli) -> Result<bool> {
    let script = Script::of(cli);
    let limit = descriptors::limit();
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let processes = descriptors::processes(script.users, cli.connections, limit, cores, cli.processes)?;
    let mut stage = Stage::set(cli, &script).await?;
    let begun = Instant::now();
    let mut watch = Watch::new(stage.pids(cli));
    let played = play(cli, &script, processes, &mut stage, &mut watch).await;
    let ending = settle(&stage, &script, &mut watch).await;
    let log = stage.strike(cli).await?;
    let report = Report::new(cli, &script, processes, begun.elapsed(), played?, watch.report(), ending, log);
    print!("{}", report.table());
    if let Some(file) = &cli.json {
        std::fs::write(file, report.json()?)?;
    }
    Ok(report.failures.is_empty())
}

async fn play(
    cli: &Cli,
    script: &Script,
    processes: u32,
    stage: &mut Stage,
    watch: &mut Watch,
) -> Result<Vec<Tallied>> {
    let plan = plan(cli, script, processes, stage);
    let mut crew = Crew::hire(&plan).await?;
    watch.begin(crew.pids());
    crew.tell(&Order::Start).await?;
    let mut act = Act::new(cli, script);
    let mut line = ProgressLine::new(script);
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let until = Instant::now() + script.limit + GRACE;
    let (mut counts, mut prepared, mut done) = (vec![Counts::default(); plan.processes], 0, Vec::new());
    while done.len() < plan.processes {
        tokio::select! {
            (worker, word) = crew.hear() => match word? {
                Word::Ready => {}
                Word::Progress(now) => counts[worker] = now,
                Word::Prepared => {
                    prepared += 1;
                    if prepared == plan.processes {
                        watch.measured_phase_begins();
                        crew.tell(&Order::Proceed).await?;
                    }
                }
                Word::Done(tallied) => {
                    counts[worker] = tallied.counts;
                    done.push(*tallied);
                }
            },
            _ = ticks.tick() => {
                let sum = total(&counts);
                watch.look(&sum);
                line.draw(&sum, watch);
                act.go_on(&sum, stage, watch, &mut crew).await?;
            }
            () = tokio::time::sleep_until(until) => bail!("the run did not end in time"),
        }
    }
    watch.look(&total(&counts));
    line.end(&total(&counts), watch);
    Ok(done)
}

fn plan(cli: &Cli, script: &Script, processes: u32, stage: &Stage) -> Plan {
    let connections = cli.connections as usize;
    let reserving = matches!(script.purpose, crate::plan::Purpose::Reserve(_));
    let share = if reserving { connections.div_ceil(processes as usize) } else { connections };
    Plan {
        gateway: stage.operator.gateway.endpoint().clone(),
        booking: stage.operator.booking.endpoint().clone(),
        secret: stage.secret.clone(),
        sale: stage.sale.clone(),
        run: stage.run.clone(),
        users: script.users as usize,
        processes: processes as usize,
        process: 0,
        arrive: script.arrive,
        limit: script.limit,
        transport: cli.transport,
        reserve_by: cli.reserve_by,
        purpose: script.purpose,
        poll: Duration::from_millis(cli.poll_ms),
        connections: share,
    }
}

fn total(counts: &[Counts]) -> Counts {
    counts.iter().fold(Counts::default(), |mut sum, one| {
        sum += *one;
        sum
    })
}

/// What is left when everybody has gone.
async fn settle(stage: &Stage, script: &Script, watch: &mut Watch) -> Ending {
    sleep(SETTLE).await;
    let until = Instant::now() + script.terms.grace + script.terms.pass_ttl;
    let mut ending = stage.ending().await;
    while script.promise.leaves_nothing && !ending.nothing_left() && Instant::now() < until {
        sleep(SETTLE).await;
        ending = stage.ending().await;
    }
    watch.end();
    ending
}
