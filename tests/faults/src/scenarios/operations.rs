//! Clocks that are wrong, restarts in turn, descriptors that run out.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::seq::SliceRandom;
use tokio::net::TcpStream;

use super::USUAL;
use crate::{
    context::Context,
    installation::{Kind, Shape},
    scenario::{Doing, Scenario},
};

/// Where Debian's package `faketime` puts its library.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// Longest orderly end.
const DRAIN: Duration = Duration::from_secs(20);

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "booking-clock-ahead",
        text: "the clock of one instance of booking is 90 s ahead for 15 s",
        run: |context| wrong_clock(context, "booking-2", "+90s"),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "booking-clock-behind",
        text: "the clock of one instance of booking is 90 s behind for 15 s",
        run: |context| wrong_clock(context, "booking-2", "-90s"),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "worker-clock-ahead",
        text: "the clock of one worker is 90 s ahead for 15 s",
        run: |context| wrong_clock(context, "worker-2", "+90s"),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "worker-clock-behind",
        text: "the clock of one worker is 90 s behind for 15 s",
        run: |context| wrong_clock(context, "worker-2", "-90s"),
        shape: USUAL,
        sale_seconds: 40.0,
    },
    Scenario {
        name: "gateway-clock-ahead",
        text: "the clock of one gateway is 90 s ahead for 15 s",
        run: |context| wrong_clock(context, "gateway-2", "+90s"),
        shape: USUAL,
        sale_seconds: 40.0,
    },
    Scenario {
        name: "gateway-clock-behind",
        text: "the clock of one gateway is 90 s behind for 15 s",
        run: |context| wrong_clock(context, "gateway-2", "-90s"),
        shape: USUAL,
        sale_seconds: 40.0,
    },
    Scenario {
        name: "rolling-restart",
        text: "SIGTERM and start of all six processes in turn",
        run: |context| {
            Box::pin(async move {
                let kinds = [Kind::Gateway, Kind::Worker, Kind::Booking];
                let mut names: Vec<String> = kinds
                    .iter()
                    .flat_map(|kind| context.installation.names(*kind))
                    .collect();
                names.shuffle(&mut context.random);
                for name in names {
                    let silences = context.installation.member(&name).kind == Kind::Gateway;
                    context.begin("SIGTERM and start", &name, silences);
                    restart(context, &name).await?;
                    context.end();
                    context.pause(0.5, 2.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 35.0,
    },
    Scenario {
        name: "gateway-descriptors",
        text: "one gateway may open 200 descriptors, and 300 idle connections try for 10 s",
        run: |context| idle_connections(context, "gateway-1", 300),
        shape: Shape {
            descriptors: Some((Kind::Gateway, 200)),
            ..USUAL
        },
        sale_seconds: 25.0,
    },
    Scenario {
        name: "booking-descriptors",
        text: "one instance of booking may open 60 descriptors, and 120 idle connections try for 10 s",
        run: |context| idle_connections(context, "booking-1", 120),
        shape: Shape {
            descriptors: Some((Kind::Booking, 60)),
            ..USUAL
        },
        sale_seconds: 25.0,
    },
];

/// Takes all descriptors of a process.
fn idle_connections<'c>(context: &'c mut Context, name: &'static str, count: usize) -> Doing<'c> {
    Box::pin(async move {
        let member = context.installation.member(name);
        let (port, silences) = (member.port, member.kind == Kind::Gateway);
        context.begin("no descriptors", name, silences);
        let mut idle = Vec::new();
        for _ in 0..count {
            let connecting = TcpStream::connect(("127.0.0.1", port));
            if let Ok(Ok(one)) = tokio::time::timeout(Duration::from_millis(200), connecting).await
            {
                idle.push(one);
            }
        }
        context.pause(10.0, 10.0).await;
        drop(idle);
        context.end();
        Ok(())
    })
}

async fn restart(context: &mut Context, name: &str) -> Result<()> {
    let member = context.installation.member(name);
    member.ask_to_end();
    member.has_ended(DRAIN).await;
    member.start().await
}

fn wrong_clock<'c>(context: &'c mut Context, name: &'static str, by: &'static str) -> Doing<'c> {
    Box::pin(async move {
        if !std::path::Path::new(FAKETIME).exists() {
            bail!("{FAKETIME} is missing: apt-get install faketime");
        }
        // The issue times of passes are a worker's, which it then moves; a gateway is restarted.
        let silences = context.installation.member(name).kind != Kind::Booking;
        context.begin(&format!("the clock is {by}"), name, silences);
        let member = context.installation.member(name);
        member.set("LD_PRELOAD", FAKETIME);
        member.set("FAKETIME", by);
        member.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        restart(context, name).await?;
        context.pause(15.0, 15.0).await;
        for variable in ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"] {
            context.installation.member(name).unset(variable);
        }
        restart(context, name).await?;
        context.end();
        Ok(())
    })
}
