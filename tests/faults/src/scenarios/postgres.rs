//! PostgreSQL stands still, dies, refuses, is locked or full, or gives way to its standby.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::Executor;
use stanchion_tests::process::Signal;
use tokio::time::{Instant, sleep};

use super::USUAL;
use crate::{
    context::Context,
    installation::{Kind, PostgresKind, Shape, StoresShape},
    pgbouncer::Pooling,
    scenario::{Doing, Scenario},
};

/// A disk for a PostgreSQL and a small sale, in MiB.
const SMALL_DISK: u32 = 160;

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "postgres-stopped",
        text: "SIGSTOP of PostgreSQL and its sessions for 10 s, twice",
        run: |context| stop(context, 10.0, 10.1, 2),
        shape: USUAL,
        sale_seconds: 30.0,
    },
    Scenario {
        name: "postgres-stopped-short",
        text: "SIGSTOP of PostgreSQL and its sessions for 4 to 7 s, three times",
        run: |context| stop(context, 4.0, 7.0, 3),
        shape: USUAL,
        sale_seconds: 30.0,
    },
    Scenario {
        name: "postgres-killed",
        text: "kill -9 of PostgreSQL and its sessions, back after 1 to 4 s, twice",
        run: |context| {
            Box::pin(async move {
                for _ in 0..2 {
                    let down = context.time(1.0, 4.0);
                    context.begin("kill -9 and start", "postgres", false);
                    context.installation.stores().postgres.kill().await;
                    sleep(down).await;
                    context.installation.stores().postgres.start_again().await?;
                    context.end();
                    context.pause(4.0, 8.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-sessions-ended",
        text: "pg_terminate_backend of all sessions of booking each 50 to 400 ms, for 12 s",
        run: |context| end_sessions(context, "true", 0.05, 0.4),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-statements-ended",
        text: "pg_terminate_backend of sessions that are in a statement, tried each 3 ms, for 12 s",
        run: |context| end_sessions(context, "state <> 'idle' AND random() < 0.3", 0.003, 0.003),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-session-killed",
        text: "kill -9 of one session of booking, five times: PostgreSQL ends all sessions and recovers",
        run: |context| {
            Box::pin(async move {
                for _ in 0..context.times(5) {
                    context.begin("kill -9 of a session", "postgres", false);
                    context
                        .installation
                        .stores()
                        .postgres
                        .kill_a_session()
                        .await?;
                    context.end();
                    context.pause(2.0, 5.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 30.0,
    },
    Scenario {
        name: "postgres-failover",
        text: "PostgreSQL dies, its standby, which each commit waits for, takes over after 0.5 to 3 s",
        run: |context| fail_over(context, 0.0),
        shape: with_postgres(PostgresKind::Synchronous),
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-failover-asynchronous",
        text: "PostgreSQL dies, its standby takes over, for which no commit waits and which lacks the last 0.5 to 2 s",
        run: |context| fail_over(context, 2.0),
        shape: with_postgres(PostgresKind::Asynchronous),
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-read-only",
        text: "default_transaction_read_only for 12 s",
        run: |context| {
            Box::pin(async move {
                context.begin("read only", "postgres", false);
                run(
                    context,
                    &[
                        "ALTER SYSTEM SET default_transaction_read_only = on",
                        "SELECT pg_reload_conf()",
                    ],
                )
                .await?;
                context.pause(12.0, 12.0).await;
                let undo = [
                    "SET default_transaction_read_only = off",
                    "ALTER SYSTEM RESET default_transaction_read_only",
                    "SELECT pg_reload_conf()",
                ];
                run(context, &undo).await?;
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-zones-locked",
        text: "another session locks the rows of all zones for 15 s",
        run: |context| lock(context, "SELECT 1 FROM zones FOR UPDATE"),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-table-locked",
        text: "another session locks the table of bookings for 15 s",
        run: |context| lock(context, "LOCK TABLE bookings IN ACCESS EXCLUSIVE MODE"),
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "postgres-disk-full",
        text: "the disk of PostgreSQL is full for 12 s",
        run: |context| {
            Box::pin(async move {
                context.begin("disk full", "postgres", false);
                context
                    .installation
                    .disk
                    .as_ref()
                    .context("a small disk")?
                    .fill()?;
                context.pause(12.0, 12.0).await;
                context
                    .installation
                    .disk
                    .as_ref()
                    .context("a small disk")?
                    .clear()?;
                if !context.installation.stores().postgres.runs() {
                    context.say("PostgreSQL had given up; it is started again");
                    context.installation.stores().postgres.start_again().await?;
                }
                context.end();
                Ok(())
            })
        },
        shape: Shape {
            small_disk_mib: Some(SMALL_DISK),
            ..USUAL
        },
        sale_seconds: 25.0,
    },
    Scenario {
        name: "pgbouncer-postgres-stopped",
        text: "PgBouncer in session mode before PostgreSQL, which stands still for 4 to 7 s, twice",
        run: |context| stop(context, 4.0, 7.0, 2),
        shape: Shape {
            pgbouncer: Some(Pooling::Session),
            ..USUAL
        },
        sale_seconds: 25.0,
    },
    Scenario {
        name: "pgbouncer-killed",
        text: "kill -9 of PgBouncer (transaction mode from 1.21 on, else session mode), back after 0.2 to 3 s, four times",
        run: |context| {
            Box::pin(async move {
                for _ in 0..context.times(4) {
                    let down = context.time(0.2, 3.0);
                    context.begin("kill -9 and start", "pgbouncer", false);
                    let bouncer = context
                        .installation
                        .stores()
                        .postgres
                        .bouncer
                        .as_mut()
                        .context("a PgBouncer")?;
                    bouncer.kill().await;
                    sleep(down).await;
                    bouncer.start_again().await?;
                    context.end();
                    context.pause(3.0, 6.0).await;
                }
                Ok(())
            })
        },
        shape: Shape {
            pgbouncer: Some(Pooling::TransactionIfPossible),
            ..USUAL
        },
        sale_seconds: 30.0,
    },
];

const fn with_postgres(postgres: PostgresKind) -> Shape {
    Shape {
        stores: StoresShape {
            postgres,
            ..USUAL.stores
        },
        ..USUAL
    }
}

/// The primary dies; the standby, which had heard nothing for up to so many seconds, takes over.
fn fail_over(context: &mut Context, behind: f64) -> Doing<'_> {
    Box::pin(async move {
        context.pause(1.0, 4.0).await;
        context.begin("failover", "postgres", false);
        if behind > 0.0 {
            context.commits_may_be_lost();
            context.installation.stores().postgres.stop_replication();
            context.pause(behind / 4.0, behind).await;
        }
        context.installation.stores().postgres.kill().await;
        context.pause(0.5, 3.0).await;
        let port = context.installation.stores().postgres.promote().await?;
        for edge in context.installation.edges_of(Kind::Booking, "postgres") {
            context.installation.edge(&edge).redirect(&[port]);
        }
        context.end();
        Ok(())
    })
}

fn stop(context: &mut Context, from: f64, to: f64, times: usize) -> Doing<'_> {
    Box::pin(async move {
        for _ in 0..context.times(times) {
            context.begin("SIGSTOP", "postgres", false);
            context.installation.stores().postgres.signal(Signal::Stop);
            context.pause(from, to).await;
            context
                .installation
                .stores()
                .postgres
                .signal(Signal::Continue);
            context.end();
            context.pause(3.0, 6.0).await;
        }
        Ok(())
    })
}

async fn run(context: &mut Context, statements: &[&'static str]) -> Result<()> {
    let mut connection = context.installation.stores().postgres.connect().await?;
    for statement in statements {
        connection.execute(*statement).await?;
    }
    Ok(())
}

fn lock<'c>(context: &'c mut Context, statement: &'static str) -> Doing<'c> {
    Box::pin(async move {
        let mut connection = context.installation.stores().postgres.connect().await?;
        context.begin(statement, "postgres", false);
        // Booking has the server end transactions of its role that stand idle; this one stands for
        // what it does not end.
        connection
            .execute("SET idle_in_transaction_session_timeout = 0")
            .await?;
        connection.execute("BEGIN").await?;
        connection.execute(statement).await?;
        context.pause(15.0, 15.0).await;
        connection.execute("ROLLBACK").await?;
        context.end();
        Ok(())
    })
}

fn end_sessions<'c>(
    context: &'c mut Context,
    which: &'static str,
    from: f64,
    to: f64,
) -> Doing<'c> {
    Box::pin(async move {
        let mut connection = context.installation.stores().postgres.connect().await?;
        let statement = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'stanchion-booking' AND {which}"
        );
        context.begin("sessions ended", "postgres", false);
        let until = Instant::now() + Duration::from_secs(12);
        let mut ended = 0;
        while Instant::now() < until {
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement.as_str()))
                .fetch_one(&mut connection)
                .await?;
            ended += count;
            if to > from {
                context.pause(from, to).await
            } else {
                sleep(Duration::from_secs_f64(from)).await
            }
        }
        context.end();
        context.say(&format!("{ended} sessions were ended"));
        Ok(())
    })
}
