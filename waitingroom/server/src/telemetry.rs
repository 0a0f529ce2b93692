//! Logs and metrics, the same in every role.

mod definition;
mod event_series;

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use waitingroom_domain::metric_definition::MetricDefinition;

pub use self::event_series::retain_events;
use crate::metric_definitions;

/// Upper bounds of latency histograms, in seconds.
const LATENCY_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.014, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0,
];
/// Upper bounds of histograms that count things.
const SIZE_BUCKETS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

static METRICS: OnceLock<Exporter> = OnceLock::new();

/// Renders what was recorded.
struct Exporter {
    handle: PrometheusHandle,
    definitions: Vec<MetricDefinition>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error; `filter` as in `RUST_LOG`, for example `info,gateway=debug`.
///
/// # Errors
/// A filter that cannot be read. Logging that was started before stays as it is.
pub fn start_logs(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false) // it panics if nothing reads standard error any more
        .with_ansi(colours);
    let _ = match format {
        LogFormat::Human => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };

    Ok(())
}

/// Can this filter be read?
///
/// # Errors
/// Why not.
pub fn check_filter(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter);
    filter.map(drop).map_err(|error| error.to_string())
}

/// Starts metrics for this process, once; later calls have no effect. `others` are the metrics of its
/// roles and of what they are built on, beside those of this crate.
pub fn start_metrics(others: &[&[MetricDefinition]]) {
    METRICS.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), LATENCY_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZE_BUCKETS)
            })
            .expect("bucket lists are not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder); // only this place sets one

        let definitions = [others, &[metric_definitions::METRICS]].concat().concat();
        definitions.iter().for_each(definition::register);

        Exporter {
            handle,
            definitions,
        }
    });
}

/// The metrics in Prometheus' text format, renamed ones under their former names as well, without
/// those of events that are gone.
pub fn render_metrics() -> String {
    let runtime = tokio::runtime::Handle::current().metrics();
    metrics::gauge!(metric_definitions::TOKIO_ALIVE_TASKS).set(runtime.num_alive_tasks() as f64);
    METRICS
        .get()
        .map(|exporter| {
            let current = event_series::without_removed_events(&exporter.handle.render());
            definition::with_former_names(&current, &exporter.definitions)
        })
        .unwrap_or_default()
}

/// Histograms grow until they are drained: to be called every few seconds.
pub fn upkeep() {
    if let Some(exporter) = METRICS.get() {
        exporter.handle.run_upkeep();
    }
}

/// How often [`upkeep`] is due.
pub const UPKEEP: Duration = Duration::from_secs(5);
