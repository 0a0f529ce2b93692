//! From the pass to the booking.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Failed, Visitor};
use crate::{
    cli::ReserveBy,
    http::{Call, Fault, call},
    latency::Step,
    queue_client::{Pass, Person, QueueClient, QueueEvent},
    tally::count,
    worker::Context,
};

/// How often a request is sent again that can be, with the same idempotency key.
const ATTEMPTS: u32 = 5;

impl Visitor {
    /// Reserves and confirms.
    pub(super) async fn buy(&mut self, pass: Pass) -> Result<(), Failed> {
        let booking = self.reserve(&pass).await?;
        self.testbed = "confirm";
        self.decide(
            Method::POST,
            &format!("/bookings/{booking}/confirm"),
            Step::Confirm,
        )
        .await?;
        count(&self.context.tally.counters.booked);

        Ok(())
    }

    /// Reserves and changes their mind.
    pub(super) async fn try_on(&mut self, pass: Pass) -> Result<(), Failed> {
        let booking = self.reserve(&pass).await?;
        self.testbed = "cancel";
        self.decide(
            Method::DELETE,
            &format!("/bookings/{booking}"),
            Step::Cancel,
        )
        .await?;
        count(&self.context.tally.counters.cancelled);

        Ok(())
    }

    async fn reserve(&mut self, pass: &Pass) -> Result<String, Failed> {
        let due = Instant::now();
        let key = Uuid::new_v4().simple().to_string();

        for attempt in 1..=ATTEMPTS {
            let answer = match (self.context.plan.reserve_by, &mut self.line) {
                (ReserveBy::Socket, Some(QueueClient::Socket(_))) => {
                    self.reserve_by_socket(&key).await
                }
                _ => reserve(&self.context, &self.person, &pass.token, &key).await,
            };
            match answer {
                Ok(booking) => {
                    self.context
                        .tally
                        .latencies
                        .record(Step::Reserve, due.elapsed());
                    count(&self.context.tally.counters.reserved);
                    return Ok(booking);
                }
                Err(fault) => self.try_again("reserve", &fault, attempt).await?,
            }
        }

        Err(Failed)
    }

    async fn reserve_by_socket(&mut self, key: &str) -> Result<String, Fault> {
        let number = self.person.number;
        let (context, person) = (&self.context, &self.person);
        let Some(line) = &mut self.line else {
            return Err(Fault::Unexpected("no line"));
        };

        if let QueueClient::Socket(socket) = &mut *line {
            let sale = &context.plan.sale;
            let message = json!({
                "type": "reserve", "event_id": sale.event, "show_id": sale.show, "zone_id": context.plan.zone(number),
                "quantity": 1, "idempotency_key": key,
            });
            socket.say(&message).await?;
        }

        loop {
            match line.next(context, person).await? {
                QueueEvent::Reserved {
                    key: about,
                    booking,
                } if about == key => return Ok(booking),
                QueueEvent::Refused { code, about } if about.as_deref() == Some(key) => {
                    return Err(Fault::code(&code));
                }
                QueueEvent::Pass(_) => count(&context.tally.counters.repeated_passes),
                _ => {}
            }
        }
    }

    async fn decide(&mut self, method: Method, path: &str, step: Step) -> Result<(), Failed> {
        let due = Instant::now();
        for attempt in 1..=ATTEMPTS {
            match self
                .context
                .booking
                .call(call(method.clone(), path, &self.person.token, None))
                .await
            {
                Ok(_) => {
                    self.context.tally.latencies.record(step, due.elapsed());
                    return Ok(());
                }
                Err(fault) => self.try_again(step.name(), &fault, attempt).await?,
            }
        }

        Err(Failed)
    }

    /// Counts the fault and waits, if asking again can help.
    async fn try_again(&self, at: &str, fault: &Fault, attempt: u32) -> Result<(), Failed> {
        self.context.tally.fault(at, fault);
        match fault.again_after() {
            Some(after) if attempt < ATTEMPTS => sleep(after.max(Duration::from_millis(100))).await,
            _ => return Err(Failed),
        }
        Ok(())
    }
}

/// Reserves one seat by REST; the booking's id.
///
/// # Errors
/// No answer, or a refusal.
pub async fn reserve(
    context: &Context,
    person: &Person,
    pass: &str,
    key: &str,
) -> Result<String, Fault> {
    let answer = context
        .booking
        .call(reservation(context, person, pass, key))
        .await?;
    let booking: Value = answer.json()?;
    let id = booking["booking_id"]
        .as_str()
        .ok_or(Fault::Unexpected("a booking without its id"))?;

    Ok(id.to_owned())
}

fn reservation(context: &Context, person: &Person, pass: &str, key: &str) -> Call {
    let sale = &context.plan.sale;
    let body = json!({
        "event_id": sale.event, "show_id": sale.show, "zone_id": context.plan.zone(person.number), "quantity": 1,
    });
    let mut call = call(
        Method::POST,
        "/bookings/reserve",
        &person.token,
        Some(&body),
    );

    for (name, value) in [("x-queue-pass", pass), ("idempotency-key", key)] {
        call.headers_mut()
            .insert(name, value.parse().expect("passes and keys are printable"));
    }

    call
}
