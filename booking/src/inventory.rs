//! Keeps the engine's queues and seats consistent with the database: catalogue sync, checkpoints,
//! repair of stale holds, drift detection, rebuild.

mod catalogue_sync;
pub(crate) mod checkpoint;
pub(crate) mod drift;
mod known_gateways;
pub(crate) mod rebuild;
pub(crate) mod reconcile;
