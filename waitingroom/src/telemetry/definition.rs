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

impl MetricDefinition {
    /// Gives the recorder the help text. A counter without labels is exported as 0 from the start:
    /// Prometheus' `increase()` does not see the first increment of a series that begins with it
    /// (metrics-exporter-prometheus 0.18 exports a described metric only once it was touched).
    pub(super) fn register(&self) {
        if self.kind == MetricKind::Counter && self.labels.is_empty() {
            metrics::counter!(self.name).increment(0);
        }

        match self.kind {
            MetricKind::Counter => metrics::describe_counter!(self.name, self.help),
            MetricKind::Gauge => metrics::describe_gauge!(self.name, self.help),
            MetricKind::Histogram => metrics::describe_histogram!(self.name, self.help),
        }
    }
}

/// Defines a constant for the name of each metric, and `METRICS`, the list of their definitions.
#[macro_export]
macro_rules! define_metrics {
    ($($constant:ident: $kind:ident $name:literal $((was $former:literal))? [$($label:literal),*] = $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// Every metric of this crate.
        pub const METRICS: &[$crate::telemetry::MetricDefinition] = &[
            $($crate::telemetry::MetricDefinition {
                name: $name,
                kind: $crate::define_metrics!(@kind $kind),
                labels: &[$($label),*],
                help: $help,
                former_name: $crate::define_metrics!(@former $($former)?),
            }),*
        ];
    };
    (@kind counter) => { $crate::telemetry::MetricKind::Counter };
    (@kind gauge) => { $crate::telemetry::MetricKind::Gauge };
    (@kind histogram) => { $crate::telemetry::MetricKind::Histogram };
    (@former) => { None };
    (@former $former:literal) => { Some($former) };
}

/// Adds each family that was renamed under its former name to a rendered text. Families stand apart by an empty line.
pub(super) fn with_former_names(text: &str, definitions: &[MetricDefinition]) -> String {
    let mut all = text.to_owned();
    for family in text.split_inclusive("\n\n") {
        let Some(name) = family
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split(' ').next())
        else {
            continue;
        };

        let renamed = definitions.iter().find(|one| one.name == name);
        if let Some(former) = renamed.and_then(|one| one.former_name) {
            all.push_str(&family.replace(name, former));
        }
    }

    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_renamed_families_twice() {
        let definition = MetricDefinition {
            name: "new_size",
            kind: MetricKind::Histogram,
            labels: &[],
            help: "x",
            former_name: Some("old_size"),
        };
        let text = "# HELP new_size x\n# TYPE new_size histogram\nnew_size_bucket{le=\"1\"} 2\nnew_size_sum 2\n\n# HELP other y\n# TYPE other gauge\nother 1\n\n";

        let all = with_former_names(text, &[definition]);

        let old = "# HELP old_size x\n# TYPE old_size histogram\nold_size_bucket{le=\"1\"} 2\nold_size_sum 2\n\n";
        assert_eq!(all, format!("{text}{old}"));
    }
}
