//! The network between the parts is half open, cut, slow, or loses messages.

use std::time::Duration;

use tokio::time::Instant;

use super::USUAL;
use crate::{
    context::Context,
    edge::{MessageFaults, Mode},
    installation::Kind,
    scenario::{Doing, Scenario},
};

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    half_open(
        "half-open-booking-postgres",
        "one booking – PostgreSQL carries nothing for 9 to 15 s, twice",
        |context| {
            one_half_open(
                context,
                Kind::Booking,
                "postgres",
                Mode::HalfOpen,
                9.0,
                15.0,
            )
        },
    ),
    half_open(
        "half-open-bookings-postgres",
        "both bookings – PostgreSQL carry nothing for 12 s",
        |context| {
            Box::pin(async move {
                let edges = context.installation.edges_of(Kind::Booking, "postgres");
                context
                    .open_half(&edges, Mode::HalfOpen, 12.0, false, false)
                    .await;
                Ok(())
            })
        },
    ),
    half_open(
        "answers-lost-booking-postgres",
        "PostgreSQL's answers to one booking are lost for 5 to 12 s, twice",
        |context| {
            one_half_open(
                context,
                Kind::Booking,
                "postgres",
                Mode::AnswersLost,
                5.0,
                12.0,
            )
        },
    ),
    half_open(
        "half-open-booking-redis",
        "one booking – Redis carries nothing for 8 to 15 s, twice",
        |context| one_half_open(context, Kind::Booking, "redis", Mode::HalfOpen, 8.0, 15.0),
    ),
    half_open(
        "answers-lost-booking-redis",
        "Redis' answers to one booking are lost for 5 to 12 s, twice",
        |context| {
            one_half_open(
                context,
                Kind::Booking,
                "redis",
                Mode::AnswersLost,
                5.0,
                12.0,
            )
        },
    ),
    half_open(
        "half-open-gateway-redis",
        "one gateway – Redis carries nothing for 8 to 15 s, twice",
        |context| one_half_open(context, Kind::Gateway, "redis", Mode::HalfOpen, 8.0, 15.0),
    ),
    half_open(
        "half-open-worker-redis",
        "one worker – Redis carries nothing for 8 to 15 s, twice",
        |context| one_half_open(context, Kind::Worker, "redis", Mode::HalfOpen, 8.0, 15.0),
    ),
    half_open(
        "half-open-booking-nats",
        "one booking – NATS carries nothing for 10 to 15 s, twice",
        |context| one_half_open(context, Kind::Booking, "nats", Mode::HalfOpen, 10.0, 15.0),
    ),
    half_open(
        "half-open-gateways-booking",
        "the gateways – booking carry nothing for 8 to 12 s",
        |context| {
            Box::pin(async move {
                let seconds = context.time(8.0, 12.0).as_secs_f64();
                let edges = ["gateways-booking".to_owned()];
                context
                    .open_half(&edges, Mode::HalfOpen, seconds, false, false)
                    .await;
                Ok(())
            })
        },
    ),
    Scenario {
        name: "connections-cut",
        text: "connections between any two parts are cut each 0.1 to 0.8 s, for 15 s",
        run: |context| {
            Box::pin(async move {
                let edges = context.installation.edges();
                context.begin("connections cut", "any", true);
                let until = Instant::now() + Duration::from_secs(15);
                while Instant::now() < until {
                    let edge = context.choose(&edges);
                    context.installation.edge(&edge).cut();
                    context.pause(0.1, 0.8).await;
                }
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "slow-network",
        text: "100 to 200 ms between all parts, one way, for 20 s",
        run: |context| {
            Box::pin(async move {
                context.begin("latency", "any", false);
                for edge in context.installation.edges() {
                    context.installation.edge(&edge).delay(100, 100);
                }
                context.pause(20.0, 20.0).await;
                for edge in context.installation.edges() {
                    context.installation.edge(&edge).delay(0, 0);
                }
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "messages-lost",
        text: "of Pub/Sub messages to gateways 10 % are lost, 5 % doubled, 10 % come 300 ms late, for 20 s",
        run: |context| {
            Box::pin(async move {
                let faults = MessageFaults {
                    lost: 0.1,
                    doubled: 0.05,
                    late: 0.1,
                    late_by: Duration::from_millis(300),
                };
                context.begin("messages lost, doubled, late", "gateways - redis", false);
                for edge in context.installation.edges_of(Kind::Gateway, "redis") {
                    context.installation.edge(&edge).disturb(faults);
                }
                context.pause(20.0, 20.0).await;
                for edge in context.installation.edges_of(Kind::Gateway, "redis") {
                    context
                        .installation
                        .edge(&edge)
                        .disturb(MessageFaults::default());
                }
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 20.0,
    },
];

const fn half_open(
    name: &'static str,
    text: &'static str,
    run: for<'c> fn(&'c mut Context) -> Doing<'c>,
) -> Scenario {
    Scenario {
        name,
        text,
        run,
        shape: USUAL,
        sale_seconds: 30.0,
    }
}

fn one_half_open<'c>(
    context: &'c mut Context,
    kind: Kind,
    server: &'static str,
    mode: Mode,
    from: f64,
    to: f64,
) -> Doing<'c> {
    Box::pin(async move {
        let edges = context.installation.edges_of(kind, server);
        for _ in 0..2 {
            let (edge, seconds) = (context.choose(&edges), context.time(from, to).as_secs_f64());
            let then_cut = mode == Mode::AnswersLost;
            context
                .open_half(&[edge], mode, seconds, then_cut, kind == Kind::Gateway)
                .await;
            context.pause(3.0, 6.0).await;
        }
        Ok(())
    })
}
