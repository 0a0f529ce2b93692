//! The engine of a process that runs everything: it is in that process's memory, so operators'
//! figures tell of it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;
use uuid::Uuid;

use crate::world::Engine;

/// Longest wait for the figures.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Inventory {
    zones: Vec<ZoneFigures>,
}

#[derive(Deserialize)]
struct ZoneFigures {
    zone_id: Uuid,
    redis: EngineFigures,
}

#[derive(Deserialize)]
struct EngineFigures {
    available: i64,
}

/// Reads the engine's zones from operators' inventory, of all events or one. `operator` is an
/// operator's token.
///
/// # Errors
/// A process that does not answer in time, or refuses.
pub async fn engine(
    http: &reqwest::Client,
    url: &str,
    operator: &str,
    event: Option<Uuid>,
) -> Result<Engine> {
    let query = event.map_or_else(String::new, |event| format!("?event_id={event}"));
    let request = http
        .get(format!("{url}/api/v1/admin/inventory-status{query}"))
        .bearer_auth(operator);
    let response = request.timeout(DEADLINE).send().await?.error_for_status()?;
    let inventory: Inventory = response
        .json()
        .await
        .context("the inventory could not be read")?;
    let zones: BTreeMap<Uuid, i64> = inventory
        .zones
        .into_iter()
        .map(|zone| (zone.zone_id, zone.redis.available))
        .collect();

    Ok(Engine { zones, stock: None })
}
