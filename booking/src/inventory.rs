//! Keeps the engine's queues and seats consistent with the database: catalogue sync, checkpoints,
//! repair of stale holds, drift detection, rebuild.

pub(crate) mod catalogue_sync;
pub(crate) mod checkpoint;
pub(crate) mod drift;
pub(crate) mod known_gateways;
pub(crate) mod queue_check;
pub(crate) mod rebuild;
pub(crate) mod reconcile;

use std::sync::Arc;

use self::{
    catalogue_sync::CatalogueSync, checkpoint::CheckpointWriter, drift::DriftDetector,
    queue_check::QueueCheck, rebuild::InventoryRebuilder, reconcile::HoldReconciler,
};
use crate::catalogue::Catalogue;

/// Events that a task works on at the same time: if a shard of Redis does not answer, its events
/// delay at most as many of the others.
const EVENT_CONCURRENCY: usize = 32;

/// The services of this module that tasks run.
pub(crate) struct InventoryServices {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) rebuilder: Arc<InventoryRebuilder>,
    pub(crate) catalogue_sync: Arc<CatalogueSync>,
    pub(crate) queue_check: QueueCheck,
    pub(crate) reconciler: HoldReconciler,
    pub(crate) drift: DriftDetector,
    pub(crate) checkpoints: CheckpointWriter,
}
