//! One run after the other: a Redis and a gateway of its own for each, a crowd that joins, passes
//! for all.

use std::process::Stdio;

use anyhow::{Context, Result};
use redis::{Client, aio::MultiplexedConnection};
use serde_json::json;
use stanchion_tests::{
    EventBuilder, Shape, Stack, redis_server::RedisServer, scratch::Scratch, stack::Role,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep_until},
};

use crate::{
    cli::{Opening, Strategy, Workload},
    crowd::{BARE, Received},
    measure,
    message::PASS_LIFE_SECONDS,
    plot, publisher,
    report::{self, Run},
};

/// Runs the whole comparison and writes what was asked for.
///
/// # Errors
/// A server that does not start, a file that cannot be written.
pub async fn run(workload: Workload) -> Result<()> {
    let mut tables = Vec::new();
    for part in workload.parts() {
        let runs = play(&part).await?;
        tables.push(report::table(&part, &runs));
        if let Some(file) = workload
            .plot
            .as_deref()
            .filter(|_| part.rate == workload.rate && part.opening == workload.opening)
        {
            plot::write(file, &part, &runs)?;
        }
    }

    let table = tables.join("\n\n");
    println!("{table}");

    workload
        .table
        .as_deref()
        .map_or(Ok(()), |file| report::write(file, &table))
}

async fn play(workload: &Workload) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for round in 1..=workload.runs {
        for strategy in &workload.strategies {
            eprintln!("round {round} of {}: {}", workload.runs, strategy.title());
            let run = one(*strategy, workload)
                .await
                .with_context(|| strategy.name())?;
            eprintln!("  {}", report::line(&run));
            runs.push(run);
        }
    }

    Ok(runs)
}

async fn one(strategy: Strategy, workload: &Workload) -> Result<Run> {
    if strategy == Strategy::Stanchion {
        whole(workload).await
    } else {
        bare(strategy, workload).await
    }
}

async fn bare(strategy: Strategy, workload: &Workload) -> Result<Run> {
    let scratch = Scratch::new(&format!("strategy-{}", uuid::Uuid::new_v4().simple()));
    let server = RedisServer::start(scratch.path()).await;
    let mut redis = connect(&server.url).await?;

    redis::cmd("CONFIG")
        .arg("SET")
        .arg("maxclients")
        .arg(12_000)
        .exec_async(&mut redis)
        .await?;

    let mut gateway = Company::start(&["gateway", &strategy.name(), &server.url])?;
    let port: u16 = gateway.line().await?.parse()?;
    let mut stage = Stage {
        redis: redis.clone(),
        gateway: gateway.pid()?,
        port,
        event: BARE.to_owned(),
    };

    stage
        .perform(strategy, workload, async {
            publisher::release(strategy, workload, &mut redis).await
        })
        .await
}

/// More users than there are.
const NO_CAP: u32 = 1_000_000;

async fn whole(workload: &Workload) -> Result<Run> {
    let stack = Stack::servers(Shape {
        gateways: 1,
        workers: 1,
        bookings: 1,
        own_redis: true,
        ..Shape::default()
    })
    .await;

    // No more at once than a step brings, and one that was late.
    let burst = 2 * publisher::steps(workload).1;
    let cap = if workload.opening == Opening::Before {
        1
    } else {
        NO_CAP
    };

    let queue = json!({
        "rate_per_second": workload.rate, "burst": burst, "max_active": cap,
        "max_in_line": 1_000_000, "pass_ttl_seconds": PASS_LIFE_SECONDS,
    });
    let sale = EventBuilder::new(&[100_000])
        .queue(queue)
        .paused()
        .create(&stack.operator())
        .await;

    if workload.opening == Opening::Before {
        sale.open(&stack.operator()).await;
    }

    let redis = connect(&stack.backends().redis_url).await?;
    let url = stack.gateway_url(0);
    let port = url.rsplit_once(':').context("a port")?.1.parse()?;
    let mut stage = Stage {
        redis,
        gateway: stack.pid(Role::Gateway, 0),
        port,
        event: sale.event.clone(),
    };

    let release = async {
        match workload.opening {
            Opening::WithPasses => sale.open(&stack.operator()).await,
            Opening::Before => {
                sale.set_queue(&stack.operator(), json!({ "max_active": NO_CAP }))
                    .await
                    .expect(200);
            }
        }
        Ok(())
    };
    stage.perform(Strategy::Stanchion, workload, release).await
}

async fn connect(url: &str) -> Result<MultiplexedConnection> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(Client::open(url)?
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

/// A gateway and the Redis behind it, ready for a crowd.
struct Stage {
    redis: MultiplexedConnection,
    gateway: u32,
    port: u16,
    event: String,
}

impl Stage {
    /// Lets the crowd join, releases, and waits until everybody has a pass or it is too late.
    async fn perform(
        &mut self,
        strategy: Strategy,
        workload: &Workload,
        release: impl Future<Output = Result<()>>,
    ) -> Result<Run> {
        let empty = measure::read(&mut self.redis, self.gateway).await?;
        let mut crowd = self.crowd(workload)?;

        anyhow::ensure!(crowd.line().await? == "joined", "the crowd joins");
        let joined = measure::read(&mut self.redis, self.gateway).await?;
        let end = Instant::now() + workload.length();

        release.await?;
        sleep_until(end).await; // the whole time for each strategy, so that their CPU times compare

        let delivered = measure::read(&mut self.redis, self.gateway).await?;
        let received: Received = serde_json::from_str(&crowd.ask().await?)?;

        Ok(Run {
            strategy,
            users: workload.users,
            empty,
            joined,
            delivered,
            received,
        })
    }

    fn crowd(&self, workload: &Workload) -> Result<Company> {
        let [port, users, arrivals] =
            [u32::from(self.port), workload.users, workload.arrivals].map(|n| n.to_string());
        Company::start(&[
            "crowd",
            &port,
            &self.event,
            &users,
            &arrivals,
            &PASS_LIFE_SECONDS.to_string(),
        ])
    }
}

/// A process of this program, ended with the value.
struct Company {
    child: Child,
    ask: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Company {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);

        let mut child = command.spawn()?;
        let ask = child.stdin.take().context("its input")?;
        let says = BufReader::new(child.stdout.take().context("its output")?).lines();

        Ok(Self { child, ask, says })
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().context("it has ended")
    }

    async fn line(&mut self) -> Result<String> {
        self.says.next_line().await?.context("it has ended")
    }

    async fn ask(&mut self) -> Result<String> {
        self.ask.write_all(b"\n").await?;
        self.line().await
    }
}
