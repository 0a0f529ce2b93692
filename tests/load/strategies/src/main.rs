//! `stanchion-strategies`: one workload, four ways to bring a pass from Redis to the one browser it
//! is for.
//!
//! Three gateways that do nothing but this are built here for the comparison; the fourth is
//! Stanchion itself. The first process conducts; each gateway and its crowd of browsers is a
//! process of its own, so that CPU and memory can be told apart.

#![expect(
    unreachable_pub,
    reason = "a binary has no public interface; `pub` marks what a module offers the others"
)]

mod cli;
mod conductor;
mod crowd;
mod gateway;
mod measure;
mod message;
mod plot;
mod publisher;
mod report;
mod route;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Part};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(play(Cli::parse())));

    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stanchion-strategies: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn play(cli: Cli) -> anyhow::Result<()> {
    match cli.part {
        Some(Part::Gateway { strategy, redis }) => gateway::run(strategy, &redis).await,
        Some(Part::Crowd(crowd)) => crowd::run(crowd).await,
        None => conductor::run(cli.workload).await,
    }
}
