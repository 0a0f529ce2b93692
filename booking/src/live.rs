//! Live data: available seats for visitors, metrics of every event for operators' dashboards.

pub(crate) mod availability;
pub(crate) mod dashboard;
mod event_metrics;
pub(crate) mod feed;
pub(crate) mod history;
