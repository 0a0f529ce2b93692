//! Reservations without a line to wait in: the passes are fetched beforehand, so that booking alone
//! is measured.
//!
//! In an open loop every reservation has a moment when it is due, whether or not the ones before
//! are answered, and its time counts from that moment: a server that stalls is charged for all who
//! would have come meanwhile. (Timers wake within one to two milliseconds of the due moment; that,
//! too, counts.) A closed loop sends the next request when the last is answered: it finds the
//! highest rate, and its times are those of a server that is asked politely.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::{
    http::{BASE, Fault, Prepared},
    latency::Step,
    plan::Plan,
    queue_client::{self, Pass, Person},
    tally::count,
    worker::Context,
};

/// Users whose passes are fetched together: they wait for the same release.
const PARTY: usize = 100;
/// Pause between two questions for a pass.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Users with their passes.
pub struct Reservations(Vec<(Person, Pass)>);

/// A booking to be confirmed.
type Reserved<'a> = (&'a Person, String);

impl Reservations {
    /// Sends this process's users through the line.
    pub async fn prepare(context: &Arc<Context>) -> Self {
        let users: Vec<usize> = context.plan.own_users().collect();
        let parties: Vec<&[usize]> = users.chunks(PARTY).collect();
        let (next, ready) = (
            AtomicUsize::new(0),
            Mutex::new(Vec::with_capacity(users.len())),
        );
        let lanes = (0..context.plan.connections.min(parties.len()).min(16)).map(|_| async {
            while let Some(party) = parties.get(next.fetch_add(1, Ordering::Relaxed)) {
                let fetched = join_all(party.iter().map(|user| fetch(context, *user))).await;
                ready.lock().extend(fetched.into_iter().flatten());
            }
        });

        join_all(lanes).await;
        Self(ready.into_inner())
    }

    /// Reserves, and if asked for confirms what was reserved; the seconds that reserving took.
    pub async fn carry_out(self, context: &Arc<Context>, rate: Option<f64>, confirm: bool) -> f64 {
        let pace = rate.map(|rate| context.plan.processes as f64 / rate);
        let begin = Instant::now();
        let reserved = Mutex::new(Vec::with_capacity(if confirm { self.0.len() } else { 0 }));

        in_lanes(
            context,
            &self.0,
            pace,
            async |(person, pass), due, connection| {
                let booking = reserve(context, connection, person, pass, due).await;
                match booking {
                    Some(booking) if confirm => reserved.lock().push((person, booking)),
                    _ => count(&context.tally.counters.finished),
                }
            },
        )
        .await;

        let seconds = begin.elapsed().as_secs_f64();
        let bookings: Vec<Reserved<'_>> = reserved.into_inner();

        in_lanes(
            context,
            &bookings,
            pace,
            async |(person, booking), due, connection| {
                self::confirm(context, connection, person, booking, due).await;
            },
        )
        .await;
        seconds
    }
}

/// Does the work for every item over the plan's connections; with a pace, in seconds, each item at
/// its due moment.
async fn in_lanes<'a, T>(
    context: &Context,
    items: &'a [T],
    pace: Option<f64>,
    work: impl AsyncFn(&'a T, Instant, &mut Prepared<'_>),
) {
    let (begin, next, limit) = (
        Instant::now(),
        AtomicUsize::new(0),
        context.start + context.plan.limit,
    );
    let lanes = (0..context.plan.connections).map(|lane| {
        let (next, work) = (&next, &work);
        async move {
            let mut connection = Prepared::new(&context.plan.booking, lane);
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at).filter(|_| Instant::now() < limit) else {
                    return;
                };
                let due = pace.map(|pace| begin + Duration::from_secs_f64(pace * at as f64));
                if let Some(due) = due {
                    sleep_until(due).await;
                }
                work(item, due.unwrap_or_else(Instant::now), &mut connection).await;
            }
        }
    });
    join_all(lanes).await;
}

async fn fetch(context: &Arc<Context>, user: usize) -> Option<(Person, Pass)> {
    count(&context.tally.counters.arrived);
    let fetched = fetch_pass(context, user).await;
    let limit = context.start + context.plan.limit;

    match fetched {
        Ok(fetched) if Instant::now() < limit => {
            count(&context.tally.counters.prepared);
            Some(fetched)
        }
        Ok(_) => {
            context.tally.fault("fetch a pass", &Fault::TooLate);
            None
        }
        Err(fault) => {
            context.tally.fault("fetch a pass", &fault);
            None
        }
    }
}

async fn fetch_pass(context: &Arc<Context>, user: usize) -> Result<(Person, Pass), Fault> {
    let person = context.person(user)?;
    let (tally, limit) = (&context.tally, context.start + context.plan.limit);
    let mut pass = queue_client::join_for_pass(context, &person).await?;

    count(&tally.counters.joined);

    while pass.is_none() && Instant::now() < limit {
        sleep(ASK_AGAIN).await;
        pass = queue_client::ask_for_pass(context, &person).await?;
    }

    let pass = pass.ok_or(Fault::TooLate)?;
    count(&tally.counters.passes);
    Ok((person, pass))
}

async fn reserve(
    context: &Context,
    connection: &mut Prepared<'_>,
    person: &Person,
    pass: &Pass,
    due: Instant,
) -> Option<String> {
    let answer = connection
        .exchange(&reservation(context, person, pass))
        .await
        .and_then(booking_id);

    match answer {
        Ok(booking) => {
            context.tally.latencies.record(Step::Reserve, due.elapsed());
            count(&context.tally.counters.reserved);
            Some(booking)
        }
        Err(fault) => {
            context.tally.fault("reserve", &fault);
            None
        }
    }
}

fn booking_id(answer: &[u8]) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct Booking {
        booking_id: String,
    }
    let booking = serde_json::from_slice(answer).map(|booking: Booking| booking.booking_id);
    booking.map_err(|_| Fault::Unexpected("a booking without its id"))
}

fn reservation(context: &Context, person: &Person, pass: &Pass) -> Vec<u8> {
    let Plan { sale, booking, .. } = &context.plan;
    let body = format!(
        r#"{{"event_id":"{}","show_id":"{}","zone_id":"{}","quantity":1}}"#,
        sale.event,
        sale.show,
        context.plan.zone(person.number)
    );

    format!(
        "POST {BASE}/bookings/reserve HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nX-Queue-Pass: {}\r\n\
         Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        booking.authority,
        person.token,
        pass.token,
        Uuid::new_v4().simple(),
        body.len()
    )
    .into_bytes()
}

async fn confirm(
    context: &Context,
    connection: &mut Prepared<'_>,
    person: &Person,
    booking: &str,
    due: Instant,
) {
    let request = format!(
        "POST {BASE}/bookings/{booking}/confirm HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 0\r\n\r\n",
        context.plan.booking.authority, person.token
    );

    match connection.exchange(request.as_bytes()).await {
        Ok(_) => {
            context.tally.latencies.record(Step::Confirm, due.elapsed());
            count(&context.tally.counters.booked);
        }
        Err(fault) => context.tally.fault("confirm", &fault),
    }

    count(&context.tally.counters.finished);
}
