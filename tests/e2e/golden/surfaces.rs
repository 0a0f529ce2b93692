//! What can be read off without a sale: codes, settings, metrics, databases and the stream.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use stanchion_tests::{Stack, environment, eventually, stack::Role};
use waitingroom_server::{problem::Code, protocol::CloseCode};

use super::{
    files::Contract,
    shapes::{fields, placeholder},
};

/// Codes of problems with their statuses, and close codes.
pub fn see_codes(contract: &mut Contract) {
    for code in Code::ALL {
        let (code, status) = (code.as_str(), code.status().as_u16());
        contract.see("codes", format!("problem {code} {status}"));
    }
    for code in CloseCode::ALL {
        let (number, reason) = (code.code(), code.reason());
        contract.see("codes", format!("close {number} {reason}"));
    }
}

/// Commands, flags, variables and keys of the settings.
pub fn see_settings(contract: &mut Contract) {
    see_help(contract, &[]);
    let effective = output(&["config", "check"]);
    let names = effective.lines().filter_map(|line| line.split_once(" = "));
    let names: Vec<_> = names.map(|(name, _)| name).collect();

    for name in &names {
        contract.see("settings", format!("setting {name}"));
    }
    assert!(!is_variable("STANCHION_NOTHING"));
    for name in names.iter().chain(&["config"]) {
        let variable = format!("STANCHION_{}", name.to_uppercase());
        if is_variable(&variable) {
            contract.see("settings", format!("variable {variable}"));
        }
    }
}

/// Does the command know this variable? It refuses others by name.
fn is_variable(name: &str) -> bool {
    let mut command = bare_command();
    let output = command.args(["config", "check"]).env(name, "").output();
    let errors = output.expect("the binary starts").stderr;
    !String::from_utf8_lossy(&errors).contains(&format!("{name} is not a setting"))
}

fn see_help(contract: &mut Contract, command: &[&str]) {
    let help = output(&[command, &["--help"]].concat());
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let options = help
        .lines()
        .filter(|line| line.trim_start().starts_with('-'));
    for word in options.flat_map(|line| line.split(|character| !is_name(character))) {
        if word.starts_with("--") {
            contract.see("settings", format!("flag {word}"));
        }
    }

    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| !line.is_empty()) {
        // A description that is too long for one line goes on in the next.
        let name = line
            .strip_prefix("  ")
            .filter(|line| !line.starts_with(' '));
        let name = name.and_then(|line| line.split(' ').next());
        if let Some(name) = name.filter(|name| *name != "help") {
            let command = [command, &[name]].concat();
            contract.see("settings", format!("command {}", command.join(" ")));
            see_help(contract, &command);
        }
    }
}

/// The binary without settings of the environment.
fn bare_command() -> Command {
    let mut command = Command::new(environment::binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STANCHION_")) {
        command.env_remove(name);
    }
    command
}

fn output(arguments: &[&str]) -> String {
    let output = bare_command()
        .args(arguments)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("help is text")
}

/// Metrics of what a sale meets by chance, or not at all. A run may see them or not; the binary has
/// their names.
const RARE_METRICS: [&str; 10] = [
    "stanchion_bodies_rejected_total",
    "stanchion_booking_database_clock_ahead_seconds",
    "stanchion_booking_settlements_pending",
    "stanchion_booking_task_failures_total",
    "stanchion_connections_evicted_total",
    "stanchion_connections_abandoned_total",
    "stanchion_connections_rejected_total",
    "stanchion_guests_rejected_total",
    "stanchion_inventory_corrections_total",
    "stanchion_passes_republished_total",
];

/// Names, types and labels of the metrics of each role.
pub async fn see_metrics(contract: &mut Contract, stack: &Stack) {
    let names = names_in_binary();
    for metric in RARE_METRICS.iter().filter(|name| names.contains(**name)) {
        contract.see("metrics", format!("rare {metric}"));
    }

    let roles = [
        ("gateway", Role::Gateway),
        ("booking", Role::Booking),
        ("queue-worker", Role::QueueWorker),
    ];

    for (name, role) in roles {
        let Value::String(text) = stack.process(role, 0).health("metrics").await.expect(200) else {
            panic!("metrics are text");
        };
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let types = types.filter_map(|line| line.split_once(' '));
        for (metric, kind) in types.filter(|(metric, _)| !RARE_METRICS.contains(metric)) {
            let labels = labels_of(&text, metric, kind);
            let labels: Vec<_> = labels.into_iter().collect();
            let line = format!("{name} {metric} {kind} {{{}}}", labels.join(","));
            contract.see("metrics", line);
        }
    }
}

/// Everything in the binary that may be the name of a metric. Neighbours may stand without a gap.
fn names_in_binary() -> String {
    let mut grep = Command::new("grep");
    grep.args(["--text", "--only-matching", "stanchion_[a-z_]*"]);
    let found = grep.arg(environment::binary()).output().expect("grep");
    String::from_utf8(found.stdout).expect("names are text")
}

/// The labels of all series of a metric, but those that its type brings.
fn labels_of<'a>(text: &'a str, metric: &str, kind: &str) -> BTreeSet<&'a str> {
    let suffix = if kind == "histogram" { "_bucket" } else { "" };
    let series = text.lines().filter_map(|line| {
        line.strip_prefix(metric)?
            .strip_prefix(suffix)?
            .strip_prefix('{')?
            .rsplit_once('}')
    });

    // Names stand at the even places between quotation marks, values at the odd ones.
    series
        .flat_map(|(labels, _)| labels.split('"').step_by(2))
        .map(|name| name.trim_start_matches(',').trim_end_matches('='))
        .filter(|name| !matches!(*name, "" | "le" | "quantile"))
        .collect()
}

/// Tables and columns of PostgreSQL.
pub async fn see_postgres(contract: &mut Contract, stack: &Stack) {
    const COLUMNS: &str = "SELECT table_name || '.' || column_name || ' ' || data_type
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'";
    for column in stack.backends().database.texts(COLUMNS).await {
        contract.see("database", format!("postgres {column}"));
    }
}

/// Tables and columns of SQLite, as the embedded default makes them.
pub async fn see_sqlite(contract: &mut Contract) {
    const COLUMNS: &str = "SELECT tables.name || '.' || columns.name || ' ' || columns.type
        FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND tables.name NOT LIKE '\\_sqlx%' ESCAPE '\\'
            AND tables.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

    let stack = Stack::embedded().await;
    let file = stack.data_directory().join("stanchion.db");
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let pool = SqlitePool::connect_with(options)
        .await
        .expect("the database opens");
    let columns: Vec<String> = sqlx::query_scalar(COLUMNS)
        .fetch_all(&pool)
        .await
        .expect("a schema can be read");

    pool.close().await;

    for column in columns {
        contract.see("database", format!("sqlite {column}"));
    }
}

/// Subjects, ids and fields of published messages, once each of these topics has some.
pub async fn see_bus(contract: &mut Contract, stack: &Stack, topics: &[&str]) {
    let bus = stack.backends().published();
    let published = eventually("a message of each topic", || async {
        let published = bus.all().await;
        let is_there = |topic: &&str| published.iter().any(|message| message.topic == **topic);
        topics.iter().all(is_there).then_some(published)
    })
    .await;

    let prefix = &stack.backends().prefix;
    let (name, subjects) = bus.stream_config().await;
    let name = name.replace(&prefix.to_uppercase(), "<PREFIX>");
    let subjects = subjects.join(",").replace(prefix, "<prefix>");
    contract.see("bus", format!("stream {name} {subjects}"));
    for message in published {
        let subject = format!("<prefix>.{}", message.topic);
        let id: Vec<_> = message.id.split(':').map(placeholder).collect();
        contract.see("bus", format!("{subject} id {}", id.join(":")));
        for field in fields(&message.body) {
            contract.see("bus", format!("{subject}: {field}"));
        }
    }
}

/// The channels that a gateway subscribes to on a Redis Cluster, on all shards together.
pub async fn see_cluster_channels(contract: &mut Contract, stack: &Stack) {
    /// Its own and that of all gateways, for each hash tag.
    const CHANNELS: usize = 32;
    let (cluster, prefix) = (stack.backends().cluster(), &stack.backends().prefix);
    let mut shards = Vec::new();
    for server in cluster.primaries() {
        let client = redis::Client::open(server.url()).expect("the URL of a Redis");
        let shard = client.get_multiplexed_async_connection().await;
        shards.push(shard.expect("a shard answers"));
    }
    let channels = eventually("subscriptions to all channels", || async {
        let mut channels = BTreeSet::new();
        for mut shard in shards.iter().cloned() {
            let mut command = redis::cmd("PUBSUB");
            command.arg("SHARDCHANNELS").arg(format!("{prefix}:*"));
            let found: Vec<String> = command.query_async(&mut shard).await.expect("channels");
            channels.extend(found);
        }
        (channels.len() >= CHANNELS).then_some(channels)
    })
    .await;

    for channel in channels {
        let parts: Vec<_> = channel.split(':').skip(1).collect();
        let [tag, parts @ ..] = parts.as_slice() else {
            panic!("{channel} has a hash tag");
        };
        let parts: Vec<_> = parts.iter().map(|part| placeholder(part)).collect();
        let line = format!("channel <prefix>:{tag}:{}", parts.join(":"));
        contract.see("redis-cluster", line);
    }
}
