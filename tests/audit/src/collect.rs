//! Reads the stores of an installation into a world. Every look has a deadline.

pub mod database;
pub mod embedded;
pub mod engine;
pub mod stream;

use std::time::Duration;

use anyhow::{Context, Result};

/// Longest look into one store.
const DEADLINE: Duration = Duration::from_secs(20);

async fn in_time<T>(what: &str, look: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(DEADLINE, look)
        .await
        .with_context(|| format!("{what} does not answer"))?
}
