//! The page of metrics says what the definitions say.

use waitingroom_domain::metric_definition::{MetricDefinition, MetricKind};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/observability.md");
const ROLES: [(&str, &[MetricDefinition]); 5] = [
    (
        "Every role: engine",
        waitingroom_engine::metric_definitions::METRICS,
    ),
    (
        "Every role: server",
        waitingroom_server::metric_definitions::METRICS,
    ),
    ("Gateway", gateway::metric_definitions::METRICS),
    ("Booking", booking::metric_definitions::METRICS),
    ("Queue worker", queue_worker::metric_definitions::METRICS),
];

fn section(title: &str, definitions: &[MetricDefinition]) -> String {
    let rows: String = definitions.iter().map(row).collect();
    format!("### {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}\n")
}

fn row(metric: &MetricDefinition) -> String {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };

    format!(
        "| `{}` | {kind} | {} | {} |\n",
        metric.name,
        metric.labels.join(", "),
        metric.help
    )
}

fn renamed() -> String {
    let pairs = ROLES.iter().flat_map(|(_, definitions)| *definitions);
    let rows: String = pairs
        .filter_map(|metric| {
            Some(format!(
                "| `{}` | `{}` |\n",
                metric.former_name?, metric.name
            ))
        })
        .collect();

    format!("### Renamed\n\n| former name | name |\n|---|---|\n{rows}")
}

/// `UPDATE_DOCS=1` writes the page.
#[test]
fn page_lists_every_metric() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let (before, rest) = page
        .split_once("<!-- metrics -->\n\n")
        .expect("the mark before");
    let (_, after) = rest
        .split_once("\n<!-- end of metrics -->")
        .expect("the mark after");

    let sections = ROLES
        .map(|(title, definitions)| section(title, definitions))
        .concat();
    let wanted = format!(
        "{before}<!-- metrics -->\n\n{sections}{}\n<!-- end of metrics -->{after}",
        renamed()
    );

    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, wanted).expect("the page can be written");
    } else {
        assert!(
            page == wanted,
            "run the test with UPDATE_DOCS=1 and commit docs/observability.md"
        );
    }
}

#[test]
fn metric_names_follow_prometheus() {
    for metric in ROLES.iter().flat_map(|(_, definitions)| *definitions) {
        let is_total = metric.name.ends_with("_total");
        assert_eq!(
            is_total,
            metric.kind == MetricKind::Counter,
            "{}",
            metric.name
        );
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
}
