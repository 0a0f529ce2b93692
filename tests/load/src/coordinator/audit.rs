//! The books at the end of a run: what database, engine and stream say of its event, for the
//! auditor.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use stanchion_audit::{Database, Engine, Status, Stream, World, audit, collect, violations};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Testbed;
use crate::cli::Cli;

/// First part of keys and subjects: the default.
const PREFIX: &str = "stanchion";
/// Longest wait for messages and commits that are under way.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// See the module's documentation.
pub struct Books(World);

impl Books {
    /// Reads what can be read; `None` on a server whose database is not named.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn read(cli: &Cli, testbed: &Testbed) -> Result<Option<Self>> {
        if testbed.own_database().is_none() && cli.database.is_none() {
            return Ok(None);
        }

        let until = Instant::now() + PATIENCE;
        loop {
            let mut world = look(cli, testbed).await?;
            if is_settled(&world) || Instant::now() > until {
                world.stream = stream(cli, &world.database).await?;
                return Ok(Some(Self(world)));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What is wrong with them, in messages; users were told of so many reservations and
    /// confirmations.
    pub fn violations(&self, reserved: u64, booked: u64) -> Vec<String> {
        let found = audit(&self.0);
        let text = |finding: &stanchion_audit::Finding| {
            format!("{}: {}", finding.rule.name(), finding.text)
        };
        let rows = |is: fn(Status) -> bool| {
            self.0
                .database
                .bookings
                .iter()
                .filter(|row| is(row.status))
                .count() as u64
        };

        let (stored, confirmed) = (rows(|_| true), rows(|status| status == Status::Confirmed));
        let told = [
            ("reservations", reserved, stored),
            ("confirmations", booked, confirmed),
        ];
        let lost = told.into_iter().filter(|(_, told, rows)| told > rows);
        let lost = lost.map(|(what, told, rows)| {
            format!("durable: {told} {what} were told, {rows} are stored")
        });

        violations(&found).map(text).chain(lost).collect()
    }
}

/// Only this run's event: others may be in the same stores.
async fn look(cli: &Cli, testbed: &Testbed) -> Result<World> {
    let event = testbed.sale.event;
    let (mut database, engine): (Database, Option<Engine>) =
        match (testbed.own_database(), &cli.database) {
            (Some(file), _) => {
                let http = reqwest::Client::builder().no_proxy().build()?;
                let url = format!("http://{}", testbed.gateways[0].authority);
                let engine =
                    collect::embedded::engine(&http, &url, &testbed.operator.token, Some(event))
                        .await?;
                let mut database = collect::database::sqlite(&file).await?;
                database.messages_waiting = 0; // without a bus they wait for nobody
                (database, Some(engine))
            }
            (None, Some(url)) => {
                let database = collect::database::postgres(url).await?;
                let engine = match &cli.redis {
                    Some(redis) => Some(collect::engine::redis(redis, PREFIX, &[event]).await?),
                    None => None,
                };
                (database, engine)
            }
            (None, None) => (Database::default(), None),
        };

    let zones: BTreeSet<Uuid> = testbed.sale.zones.iter().copied().collect();
    database.zones.retain(|zone| zones.contains(&zone.zone_id));
    database.bookings.retain(|row| zones.contains(&row.zone_id));

    Ok(World {
        database,
        engine,
        ..World::default()
    })
}

fn is_settled(world: &World) -> bool {
    let uncommitted = world
        .engine
        .as_ref()
        .and_then(|engine| engine.stock.as_ref());
    world.database.messages_waiting == 0
        && uncommitted.is_none_or(|stock| stock.uncommitted.is_empty())
}

/// The messages of this run's bookings, and those of unknown bookings.
async fn stream(cli: &Cli, ours: &Database) -> Result<Option<Stream>> {
    let (Some(nats), Some(url)) = (&cli.nats, &cli.database) else {
        return Ok(None);
    };
    let mut stream = collect::stream::nats(nats, PREFIX).await?;
    let all = collect::database::postgres(url).await?;
    let ours: BTreeSet<Uuid> = ours.bookings.iter().map(|row| row.booking_id).collect();
    let others: BTreeSet<Uuid> = all
        .bookings
        .iter()
        .map(|row| row.booking_id)
        .filter(|id| !ours.contains(id))
        .collect();

    stream.messages.retain(|message| {
        let booking = message
            .id
            .split_once(':')
            .and_then(|(id, _)| id.parse().ok());
        !booking.is_some_and(|booking| others.contains(&booking))
    });
    Ok(Some(stream))
}

#[cfg(test)]
mod tests {
    use stanchion_audit::{Booking, Zone};

    use super::*;

    fn books(status: Status, held: i64) -> Books {
        let zone_id = Uuid::from_u128(1);
        let row = Booking {
            booking_id: Uuid::from_u128(2),
            zone_id,
            user_id: "ann".into(),
            quantity: 2,
            status,
            pass_id: "p".into(),
            created_at_ms: 1,
            expires_at_ms: 2,
        };

        let zones = vec![Zone {
            zone_id,
            capacity: 10,
            held,
            confirmed: 0,
        }];
        Books(World {
            database: Database {
                zones,
                bookings: vec![row],
                messages_waiting: 0,
            },
            ..World::default()
        })
    }

    #[test]
    fn what_was_told_and_is_not_stored_is_a_violation() {
        assert!(books(Status::Reserved, 2).violations(1, 0).is_empty());
        let lost = books(Status::Reserved, 2).violations(2, 1);
        assert_eq!(lost.len(), 2, "{lost:?}");
        let wrong = books(Status::Reserved, 0).violations(1, 0);
        assert!(
            wrong.iter().any(|text| text.starts_with("seats: ")),
            "{wrong:?}"
        );
    }
}
