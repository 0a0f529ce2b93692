//! Live data: available seats for visitors, metrics of every event for operators' dashboards.

pub(crate) mod availability;
pub(crate) mod dashboard;
mod event_metrics;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod registry_reader;

use std::sync::Arc;

use self::{availability::AvailabilityService, dashboard::DashboardService};

/// The services of this module that tasks run.
pub(crate) struct LiveServices {
    pub(crate) availability: Arc<AvailabilityService>,
    pub(crate) dashboard: Arc<DashboardService>,
}
