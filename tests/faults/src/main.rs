//! `stanchion-faults`: a sale with a crowd under faults, and the audit of what is left.

#![expect(
    unreachable_pub,
    reason = "a binary has no public interface; `pub` marks what a module offers the others"
)]

mod cli;
mod clock;
mod context;
mod disk;
mod edge;
mod installation;
mod journal;
mod pgbouncer;
mod prober;
mod processes;
mod report;
mod run;
mod sale;
mod scenario;
mod scenarios;
mod user;

use std::{fs, io::Write, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rand::Rng;
use stanchion_audit::World;
use stanchion_tests::output;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{Cli, Command, RunOptions},
    report::{RunReport, table},
    run::{Size, run},
    scenario::Scenario,
};

/// Users of a crowd, unless the command line or the scenario says another number.
const USUAL_CROWD: u32 = 300;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(act(Cli::parse().command)));

    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::report(&format!("stanchion-faults: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Was every promise kept?
async fn act(command: Command) -> Result<bool> {
    match command {
        Command::List => {
            for scenario in scenario::every() {
                output::print(&format!("{:<32} {}\n", scenario.name, scenario.text))?;
            }
            Ok(true)
        }
        Command::Run(options) => {
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                kept = run_all(&options) => kept,
                _ = tokio::signal::ctrl_c() => bail!("interrupted"),
                _ = terminated.recv() => bail!("terminated"),
            }
        }
        Command::Audit { world } => {
            let world: World = serde_json::from_slice(&fs::read(world)?)?;
            let recoveries = stanchion_audit::recoveries(&world);
            let report = RunReport::new(
                "audit",
                0,
                0,
                stanchion_audit::audit(&world),
                recoveries,
                &world,
            );
            output::print(&report.text())?;
            Ok(report.is_good())
        }
    }
}

async fn run_all(options: &RunOptions) -> Result<bool> {
    let scenarios = chosen(&options.scenarios)?;
    let first = options
        .seed
        .unwrap_or_else(|| rand::rng().random_range(1..1_000_000));
    let (mut reports, mut failed) = (Vec::new(), Vec::new());

    for scenario in &scenarios {
        for seed in first..first + u64::from(options.runs) {
            match run_once(scenario, seed, options).await {
                Ok(report) => reports.push(report),
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
    }

    if options.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&reports)?))?;
    } else {
        output::print(&table(&reports))?;
    }

    if let Some(file) = &options.table {
        fs::File::options()
            .create(true)
            .append(true)
            .open(file)?
            .write_all(table(&reports).as_bytes())?;
    }

    if !failed.is_empty() {
        bail!("runs could not be carried out: {}", failed.join("; "));
    }

    Ok(reports.iter().all(RunReport::is_good))
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>> {
    if names.iter().any(|name| name == "all") {
        return Ok(scenario::all());
    }
    let named = |name: &String| {
        scenario::named(name).with_context(|| format!("there is no scenario {name}: see `list`"))
    };
    names.iter().map(named).collect()
}

/// A run that could not be carried out says nothing of the promises: it is tried again.
async fn run_once(scenario: &Scenario, seed: u64, options: &RunOptions) -> Result<RunReport> {
    let users = options
        .users
        .or(scenario.shape.big_crowd)
        .unwrap_or(USUAL_CROWD);
    let size = Size {
        users,
        hurries: options.hurry,
    };
    let mut tries = 0;

    loop {
        output::report(&format!("{} seed {seed}: {}", scenario.name, scenario.text));
        let scenario = *scenario;
        // A task of its own: the harness panics if it cannot go on, and the other runs can.
        let done = tokio::spawn(async move { run(&scenario, seed, size).await }).await;
        match done.unwrap_or_else(|error| Err(error.into())) {
            Ok((report, world)) => {
                output::report(report.text().trim_end());
                if let Some(folder) = options.worlds.as_ref().filter(|_| !report.is_good()) {
                    fs::create_dir_all(folder)?;
                    let file = folder.join(format!("{}-{seed}.json", scenario.name));
                    fs::write(&file, serde_json::to_vec(&world)?)?;
                    output::report(&format!("  the world is in {}", file.display()));
                }
                return Ok(report);
            }
            Err(error) if tries < options.retries => {
                tries += 1;
                output::report(&format!(
                    "  could not be carried out, tried again: {error:#}"
                ));
            }
            Err(error) => return Err(error.context(format!("{} with seed {seed}", scenario.name))),
        }
    }
}
