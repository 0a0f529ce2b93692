//! Processes of Stanchion die or stand still.

use super::USUAL;
use crate::{
    context::Context,
    installation::{Kind, Shape},
    scenario::{Doing, Scenario},
};

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "no-fault",
        text: "no fault at all",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 1.0).await;
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 15.0,
    },
    Scenario {
        name: "gateway-killed",
        text: "kill -9 of a gateway, four times",
        run: |context| kill(context, &[Kind::Gateway], 4, 2.0, 5.0),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "gateway-killed-big-crowd",
        text: "kill -9 of one of two gateways with 10,000 users on WebSockets, who are led to the other; back after 20 s",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 4.0).await;
                let names = context.installation.names(Kind::Gateway);
                let name = context.choose(&names);
                context.begin("kill -9", &name, true);
                context.installation.member(&name).kill().await;
                context.pause(20.0, 20.0).await;
                context.installation.member(&name).start().await?;
                context.end();
                Ok(())
            })
        },
        shape: Shape {
            big_crowd: Some(10_000),
            ..USUAL
        },
        sale_seconds: 100.0,
    },
    Scenario {
        name: "worker-killed",
        text: "kill -9 of a worker, six times",
        run: |context| kill(context, &[Kind::Worker], 6, 0.5, 3.0),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "booking-killed",
        text: "kill -9 of an instance of booking, five times",
        run: |context| kill(context, &[Kind::Booking], 5, 1.0, 4.0),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "any-killed",
        text: "kill -9 of any process, six times",
        run: |context| {
            kill(
                context,
                &[Kind::Gateway, Kind::Worker, Kind::Booking],
                6,
                0.5,
                3.0,
            )
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "gateway-stopped",
        text: "SIGSTOP of a gateway for 10 s, twice",
        run: |context| stop(context, Kind::Gateway, 1, 10.0, 2),
        shape: USUAL,
        sale_seconds: 35.0,
    },
    Scenario {
        name: "worker-stopped",
        text: "SIGSTOP of a worker for 10 s, then of both",
        run: |context| {
            Box::pin(async move {
                stop(context, Kind::Worker, 1, 10.0, 1).await?;
                stop(context, Kind::Worker, 2, 10.0, 1).await
            })
        },
        shape: USUAL,
        sale_seconds: 35.0,
    },
    Scenario {
        name: "booking-stopped",
        text: "SIGSTOP of an instance of booking for 10 s, twice",
        run: |context| stop(context, Kind::Booking, 1, 10.0, 2),
        shape: USUAL,
        sale_seconds: 35.0,
    },
    Scenario {
        name: "booking-stopped-short",
        text: "SIGSTOP of an instance of booking for 4 s, five times",
        run: |context| stop(context, Kind::Booking, 1, 4.0, 5),
        shape: USUAL,
        sale_seconds: 30.0,
    },
    Scenario {
        name: "bookings-stopped",
        text: "SIGSTOP of both instances of booking for 20 s",
        run: |context| stop(context, Kind::Booking, 2, 20.0, 1),
        shape: USUAL,
        sale_seconds: 25.0,
    },
];

fn kill<'c>(
    context: &'c mut Context,
    kinds: &'static [Kind],
    times: usize,
    from: f64,
    to: f64,
) -> Doing<'c> {
    Box::pin(async move {
        let names: Vec<String> = kinds
            .iter()
            .flat_map(|kind| context.installation.names(*kind))
            .collect();
        for _ in 0..context.times(times) {
            let name = context.choose(&names);
            context.kill_and_start(&name).await?;
            context.pause(from, to).await;
        }
        Ok(())
    })
}

fn stop(context: &mut Context, kind: Kind, count: usize, seconds: f64, times: usize) -> Doing<'_> {
    Box::pin(async move {
        let names = context.installation.names(kind);
        for _ in 0..context.times(times) {
            let chosen = if count == 1 {
                vec![context.choose(&names)]
            } else {
                names.clone()
            };
            context.stand_still(&chosen, seconds).await;
            context.pause(1.0, 4.0).await;
        }
        Ok(())
    })
}
