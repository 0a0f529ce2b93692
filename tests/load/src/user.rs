//! One user's way: arrive, join, wait, reserve, confirm, go.

mod buying;

use std::{sync::Arc, time::Duration};

use rand::Rng;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    http::Fault,
    latency::Step,
    plan::Purpose,
    queue_client::{Pass, Person, QueueClient, QueueEvent},
    tally::count,
    worker::Context,
};

/// How often a user tries again after a connection was lost for no reason.
const ATTEMPTS: u32 = 5;
/// Pause before the next try; doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// The time over which users come back to a server that was started again.
const RETURN: Duration = Duration::from_secs(1);

/// Why a user's way ended before its end; counted already.
struct Failed;

/// A user on their way.
struct Visitor {
    context: Arc<Context>,
    person: Person,
    line: Option<QueueClient>,
    ticket: Option<String>,
    position: u64,
    pass: Option<Pass>,
    testbed: &'static str,
}

/// Lives one user's life, from the moment that is due until the end or the run's limit.
pub async fn live(context: Arc<Context>, number: usize) {
    let due = context.start + context.plan.arrival(number);
    sleep_until(due).await;
    count(&context.tally.counters.arrived);

    let limit = context.start + context.plan.limit;
    let person = match context.person(number) {
        Ok(person) => person,
        Err(fault) => return context.tally.fault("token", &fault),
    };
    let mut visitor = Visitor {
        context,
        person,
        line: None,
        ticket: None,
        position: u64::MAX,
        pass: None,
        testbed: "join",
    };

    if timeout_at(limit, visitor.run(due)).await.is_err() {
        visitor
            .context
            .tally
            .fault(visitor.testbed, &Fault::TooLate);
    }

    count(&visitor.context.tally.counters.finished);
}

impl Visitor {
    async fn run(&mut self, due: Instant) {
        // Counted at its origin; the user gives up.
        let _: Result<(), Failed> = self.pursue(due).await;
        if let Some(line) = self.line.take() {
            line.close().await;
        }
    }

    async fn pursue(&mut self, due: Instant) -> Result<(), Failed> {
        self.arrive(due).await?;
        let queued_at = Instant::now();

        match self.context.plan.purpose {
            Purpose::Wait => self.stay().await,
            Purpose::Visit(average) => self.look_around(average).await,
            _ => {
                let pass = self.await_pass(queued_at).await?;
                Box::pin(self.buy(pass)).await
            }
        }
    }

    async fn arrive(&mut self, due: Instant) -> Result<(), Failed> {
        self.enter().await?;
        self.context
            .tally
            .latencies
            .record(Step::Join, due.elapsed());
        self.context.tally.joined(self.context.start.elapsed());
        self.testbed = "wait for the pass";
        Ok(())
    }

    /// Takes the place, or comes back to it. While the server is started again, failing to is what
    /// is expected.
    async fn enter(&mut self) -> Result<(), Failed> {
        let mut attempt = 0;
        loop {
            let fault =
                match QueueClient::enter(&self.context, &self.person, self.ticket.as_deref()).await
                {
                    Ok((line, placed)) => {
                        self.line = Some(line);
                        self.ticket = placed.ticket.or(self.ticket.take());
                        self.position = placed.position;
                        self.pass = placed.pass;
                        return Ok(());
                    }
                    Err(fault) => fault,
                };
            attempt += 1;
            let restarting = self.context.plan.restarts() && self.ticket.is_some();
            if restarting && fault.again_after().is_some() {
                sleep(PAUSE).await;
                continue;
            }
            match fault {
                Fault::Refused { .. } => self.context.tally.fault("join", &fault),
                _ => self.context.tally.stream_fault("join", &fault),
            }
            match fault.again_after() {
                Some(after) if attempt < ATTEMPTS => sleep(after * attempt).await,
                _ => return Err(Failed),
            }
        }
    }

    async fn come_back(&mut self, after: Duration) -> Result<(), Failed> {
        let lost_at = Instant::now();
        if let Some(line) = self.line.take() {
            line.close().await;
        }

        self.person.moves += 1;
        let spread = if self.context.plan.restarts() {
            RETURN
        } else {
            PAUSE
        };

        let after = after + spread.mul_f64(rand::rng().random());
        sleep(after).await;
        self.enter().await?;
        self.context
            .tally
            .latencies
            .record(Step::Rejoin, lost_at.elapsed());
        count(&self.context.tally.counters.rejoined);

        Ok(())
    }

    /// Waits until it is the user's turn, through whatever happens to the connection.
    async fn await_pass(&mut self, queued_at: Instant) -> Result<Pass, Failed> {
        loop {
            if let Some(pass) = self.pass.take() {
                self.context
                    .tally
                    .latencies
                    .record(Step::Wait, queued_at.elapsed());
                self.receive(&pass).await;
                return Ok(pass);
            }
            self.hear().await?;
        }
    }

    async fn receive(&mut self, pass: &Pass) {
        let tally = &self.context.tally;
        tally.latencies.record(
            Step::PassDelivery,
            pass.age(self.context.plan.sale.pass_ttl),
        );
        count(&tally.counters.passes);
        self.testbed = "reserve";

        if let Some(line) = &mut self.line
            && let Err(fault) = line.acknowledge(pass).await
        {
            tally.stream_fault("acknowledge", &fault);
        }
    }

    /// Handles the next message to the user.
    async fn hear(&mut self) -> Result<(), Failed> {
        let Some(line) = &mut self.line else {
            return Err(Failed);
        };

        match line.next(&self.context, &self.person).await {
            Ok(QueueEvent::Moved(position)) => self.move_to(position),
            Ok(QueueEvent::Pass(pass)) => self.pass = Some(pass),
            Ok(QueueEvent::Reconnect(after)) => {
                count(&self.context.tally.counters.sent_away);
                self.come_back(after).await?;
            }
            Ok(QueueEvent::Refused { code, .. }) => {
                self.context.tally.fault("line", &Fault::code(&code));
                self.come_back(Duration::ZERO).await?;
            }
            Ok(QueueEvent::Left) => {
                self.context
                    .tally
                    .fault("line", &Fault::Unexpected("lost the place"));
                return Err(Failed);
            }
            Ok(QueueEvent::Reserved { .. } | QueueEvent::Nothing) => {}
            Err(fault) => {
                self.context.tally.stream_fault("line", &fault);
                self.come_back(Duration::ZERO).await?;
            }
        }

        Ok(())
    }

    fn move_to(&mut self, position: u64) {
        count(&self.context.tally.counters.positions);
        // After a restart, a position is the rank among those who are back already.
        let may_grow =
            self.context.plan.restarts() && matches!(self.line, Some(QueueClient::Polling(_)));
        if position > self.position && !may_grow {
            count(&self.context.tally.counters.position_grew);
        }
        self.position = position;
    }

    /// Waits in the queue until the order to leave.
    async fn stay(&mut self) -> Result<(), Failed> {
        let stop = self.context.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                heard = self.hear() => heard?,
            }
        }
    }

    /// Stays a while and goes, in one of the ways in which people go.
    async fn look_around(&mut self, average: Duration) -> Result<(), Failed> {
        let leave_at = Instant::now() + average.mul_f64(rand::rng().random_range(0.5..1.5));
        let queued_at = Instant::now();
        let turn = timeout_at(leave_at, self.await_pass(queued_at)).await;

        match (turn, self.person.number % 3) {
            (Ok(pass), _) => Box::pin(self.try_on(pass?)).await,
            (Err(_), 0) => self.give_up().await,
            (Err(_), 1) => Ok(()), // closes the connection in order
            (Err(_), _) => {
                drop(self.line.take());
                Ok(())
            }
        }
    }

    async fn give_up(&mut self) -> Result<(), Failed> {
        self.testbed = "leave";
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        let asked_at = Instant::now();
        let answer = line.leave(&self.context, &self.person).await;

        self.context
            .tally
            .latencies
            .record(Step::Leave, asked_at.elapsed());

        match answer {
            Ok(()) => count(&self.context.tally.counters.left),
            Err(fault) => self.context.tally.fault("leave", &fault),
        }

        Ok(())
    }
}
