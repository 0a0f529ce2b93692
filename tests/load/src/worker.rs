//! A process full of users. Reads orders from its standard input, reports on its standard output,
//! and ends when either does.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin, stdin, stdout},
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    descriptors,
    http::{Fault, Pool},
    plan::{Plan, Purpose},
    queue_client::Person,
    reserve::Reservations,
    tally::Tally,
    token::Mint,
    user,
    worker_protocol::{WorkerMessage, WorkerOrder},
};

/// The first argument of a worker process.
pub const ARGUMENT: &str = "worker-process";

/// How often a worker reports.
const REPORT: Duration = Duration::from_millis(250);

/// The state that all users of a process share.
pub struct Context {
    /// The plan of the run.
    pub plan: Plan,
    /// The moment from which arrivals count.
    pub start: Instant,
    /// The results so far.
    pub tally: Tally,
    /// The line's REST interface.
    gateways: Vec<Pool>,
    /// Booking's REST interface.
    pub booking: Pool,
    /// Waiting users leave.
    pub stop: CancellationToken,
    /// The prepared work begins.
    pub proceed: Notify,
    mint: Mint,
}

impl Context {
    fn new(plan: Plan) -> Self {
        Self {
            start: Instant::now(),
            tally: Tally::default(),
            gateways: plan
                .gateways
                .iter()
                .map(|gateway| Pool::new(gateway.clone(), plan.connections))
                .collect(),
            booking: Pool::new(plan.booking.clone(), plan.connections),
            stop: CancellationToken::new(),
            proceed: Notify::new(),
            mint: Mint::new(&plan.secret),
            plan,
        }
    }

    /// The gateway that a user is at.
    pub fn gateway(&self, person: &Person) -> &Pool {
        &self.gateways[(person.number + person.moves) % self.gateways.len()]
    }

    /// One of the run's users.
    ///
    /// # Errors
    /// A token that cannot be signed.
    pub fn person(&self, number: usize) -> Result<Person, Fault> {
        let token = self.mint.user(&format!("{}-{number}", self.plan.run));
        Ok(Person {
            number,
            moves: 0,
            token: token.map_err(|_| Fault::Unexpected("a token that cannot be signed"))?,
        })
    }
}

/// Runs this process's users.
///
/// # Errors
/// Orders that cannot be parsed, reports that cannot be written.
pub async fn run() -> Result<()> {
    descriptors::limit();
    let mut orders = BufReader::new(stdin()).lines();
    let Some(WorkerOrder::Plan(plan)) = next(&mut orders).await? else {
        bail!("a worker is started by the coordinator only")
    };

    say(&WorkerMessage::Ready).await?;
    let Some(WorkerOrder::Start) = next(&mut orders).await? else {
        bail!("no order to start")
    };
    let context = Arc::new(Context::new(*plan));

    tokio::select! {
        done = work(&context) => done,
        gone = obey(&context, &mut orders) => gone,
    }
}

async fn work(context: &Arc<Context>) -> Result<()> {
    let reporting = async {
        let mut ticks = interval(REPORT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            say(&WorkerMessage::Progress(context.tally.counters.now())).await?;
        }
    };
    let seconds = tokio::select! {
        seconds = everybody(context) => seconds?,
        broken = reporting => return broken,
    };

    say(&WorkerMessage::Done(Box::new(
        context.tally.tallied(seconds),
    )))
    .await
}

/// Runs all users; returns the seconds of reserving, if that is the purpose.
async fn everybody(context: &Arc<Context>) -> Result<f64> {
    if let Purpose::Reserve { rate, confirm } = context.plan.purpose {
        let reservations = Reservations::prepare(context).await;
        say(&WorkerMessage::Prepared).await?;
        context.proceed.notified().await;
        return Ok(reservations.carry_out(context, rate, confirm).await);
    }

    let users = TaskTracker::new();
    for number in context.plan.own_users() {
        // A user needs a task from the arrival on; times count from the due moment, not from this
        // one.
        sleep_until(context.start + context.plan.arrival(number)).await;
        users.spawn(user::live(Arc::clone(context), number));
    }

    users.close();
    users.wait().await;
    Ok(0.0)
}

async fn obey(context: &Context, orders: &mut Lines<BufReader<Stdin>>) -> Result<()> {
    loop {
        match next(orders).await? {
            Some(WorkerOrder::Proceed) => context.proceed.notify_one(),
            Some(WorkerOrder::Stop) => context.stop.cancel(),
            Some(_) => {}
            None => bail!("the coordinator is gone"),
        }
    }
}

async fn next(orders: &mut Lines<BufReader<Stdin>>) -> Result<Option<WorkerOrder>> {
    let line = orders.next_line().await.context("orders")?;
    line.map(|line: String| serde_json::from_str(&line).context("an order"))
        .transpose()
}

async fn say(word: &WorkerMessage) -> Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let mut out = stdout();
    out.write_all(&line).await?;
    Ok(out.flush().await?)
}
