//! The line by asking again and again.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{JoinReply, Open, Person, QueueEvent, ask, join};
use crate::{http::Fault, latency::Step, worker::Context};

/// See the module's documentation.
pub struct Polling {
    due: Instant,
    pause: Duration,
    _open: Open,
}

impl Polling {
    pub(super) async fn enter(
        context: &Arc<Context>,
        person: &Person,
        ticket: Option<&str>,
    ) -> Result<(Self, JoinReply), Fault> {
        let placed = join(context, person, ticket).await?.placed()?;
        let pause = context.plan.poll;

        Ok((
            Self {
                due: Instant::now() + pause,
                pause,
                _open: Open::new(context),
            },
            placed,
        ))
    }

    /// Asks at the next due moment. A question that was cut short is asked again at its moment.
    pub(super) async fn next(
        &mut self,
        context: &Context,
        person: &Person,
    ) -> Result<QueueEvent, Fault> {
        sleep_until(self.due).await;
        let answer = ask(context, person).await;

        context
            .tally
            .latencies
            .record(Step::Poll, self.due.elapsed());
        self.due = Instant::now().max(self.due + self.pause);

        match answer {
            Ok(place) => place.news(),
            Err(Fault::Refused {
                status: 404, code, ..
            }) => Ok(QueueEvent::Refused { code, about: None }),
            Err(_) if context.plan.restarts() => Ok(QueueEvent::Reconnect(Duration::ZERO)),
            Err(fault) => Err(fault),
        }
    }
}
