//! How metrics are defined: name, kind, labels and help in one place for each crate.

/// Of which kind a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by buckets.
    Histogram,
}

/// A metric as `/metrics` describes it.
#[derive(Debug, Clone, Copy)]
pub struct MetricDefinition {
    /// Its name, in base units.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
    /// The name that it had in the release before; it is exported under this name as well.
    pub former_name: Option<&'static str>,
}

/// Defines a constant for the name of each metric, and `METRICS`, the list of their definitions.
#[macro_export]
macro_rules! define_metrics {
    ($($constant:ident: $kind:ident $name:literal $((was $former:literal))? [$($label:literal),*] = $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// Every metric of this crate.
        pub const METRICS: &[$crate::metric_definition::MetricDefinition] = &[
            $($crate::metric_definition::MetricDefinition {
                name: $name,
                kind: $crate::define_metrics!(@kind $kind),
                labels: &[$($label),*],
                help: $help,
                former_name: $crate::define_metrics!(@former $($former)?),
            }),*
        ];
    };
    (@kind counter) => { $crate::metric_definition::MetricKind::Counter };
    (@kind gauge) => { $crate::metric_definition::MetricKind::Gauge };
    (@kind histogram) => { $crate::metric_definition::MetricKind::Histogram };
    (@former) => { None };
    (@former $former:literal) => { Some($former) };
}
