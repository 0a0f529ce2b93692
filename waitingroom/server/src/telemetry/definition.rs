//! What `/metrics` says of defined metrics: their help texts, and their former names.

use waitingroom_domain::metric_definition::{MetricDefinition, MetricKind};

/// Gives the recorder the help text. A counter without labels is exported as 0 from the start:
/// Prometheus' `increase()` does not see the first increment of a series that begins with it
/// (metrics-exporter-prometheus 0.18 exports a described metric only once it was touched).
pub(super) fn register(metric: &MetricDefinition) {
    if metric.kind == MetricKind::Counter && metric.labels.is_empty() {
        metrics::counter!(metric.name).increment(0);
    }

    match metric.kind {
        MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
        MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
    }
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
