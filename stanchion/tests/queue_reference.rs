//! The reference page of a queue's settings and counters, the operators' form and the interface
//! say what the tables of the domain say.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use waitingroom_domain::queue::{Counters, QueueSettings, SettingDescription, SettingValues};

const PAGE: &str = "docs/reference/queue.md";
const FORM: &str = "web-client/src/admin/queue-fields.ts";

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// With `UPDATE_DOCS=1` the file is written instead.
fn assert_generated(path: &str, wanted: &str) {
    let file = in_project(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, wanted).expect("the file can be written");
        return;
    }

    let present = std::fs::read_to_string(file).expect("the file is there");
    assert!(
        present == wanted,
        "run the test with UPDATE_DOCS=1 and commit {path}"
    );
}

fn values_text(values: &SettingValues) -> String {
    match values {
        SettingValues::Choice(names) => format!("`{}`", names.join("`, `")),
        SettingValues::Integer { min, max } => format!("{min} to {max}"),
        SettingValues::Number { min, max } => format!("{min} to {max}, with a fraction"),
        SettingValues::Text { max_characters } => {
            format!("text of at most {max_characters} characters, or none")
        }
    }
}

fn setting_row(setting: &SettingDescription) -> String {
    let default = setting.default.as_deref().unwrap_or("–");
    format!(
        "| `{}` | {} | {} | {} |\n",
        setting.name,
        values_text(&setting.values),
        default.trim_end_matches(".0"),
        setting.meaning
    )
}

#[test]
fn page_lists_settings_and_counters() {
    let settings: String = QueueSettings::descriptions()
        .iter()
        .map(setting_row)
        .collect();
    let counters: String = Counters::DESCRIPTIONS
        .iter()
        .map(|(name, meaning)| format!("| `{name}` | {meaning} |\n"))
        .collect();

    assert_generated(
        PAGE,
        &format!(
            "# Settings and counters of a queue

Generated from the tables in the domain: `UPDATE_DOCS=1 cargo test -p stanchion --test queue_reference`.

## Settings

Read and changed by `GET` and `PUT /admin/events/{{event_id}}/queue` ([api.md](../api.md)), edited on the operators' page
([operators.md](../operators.md)).

| setting | values | default | meaning |
|---|---|---|---|
{settings}
## Counters

The *totals* of live data. Each counts since the start of the queue, over all nodes.

| counter | meaning |
|---|---|
{counters}"
        ),
    );
}

/// The fields of the operators' form, with the limits that the server enforces.
#[test]
fn operators_form_knows_each_number() {
    let fields: String = QueueSettings::descriptions()
        .iter()
        .filter_map(|setting| match &setting.values {
            SettingValues::Integer { min, max } => {
                Some((setting.name, *min as f64, *max as f64, true))
            }
            SettingValues::Number { min, max } => Some((setting.name, *min, *max, false)),
            SettingValues::Choice(_) | SettingValues::Text { .. } => None,
        })
        .map(|(name, min, max, integer)| {
            format!("  {name}: {{ min: {min}, max: {max}, integer: {integer} }},\n")
        })
        .collect();
    let counters: String = Counters::DESCRIPTIONS
        .iter()
        .map(|(name, _)| format!("  \"{name}\",\n"))
        .collect();

    assert_generated(
        FORM,
        &format!(
            "// Generated from the tables in the domain: UPDATE_DOCS=1 cargo test -p stanchion --test queue_reference.

/** The numeric settings of a queue, with the limits that the server enforces. */
export const queueNumbers = {{
{fields}}} as const;
export type QueueNumber = keyof typeof queueNumbers;

/** What has happened in a queue so far. */
export const counterNames = [
{counters}] as const;
export type CounterName = (typeof counterNames)[number];
"
        ),
    );
}

/// Name and limits of each property.
fn limits(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().expect("an object");
    properties
        .iter()
        .map(|(name, property)| {
            let limits = ["minimum", "maximum", "maxLength"].map(|limit| property[limit].as_f64());
            (name.clone(), json!(limits))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn interface_describes_each_setting_and_counter() {
    let text = std::fs::read_to_string(in_project("docs/openapi.json")).expect("the document");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let schemas = &document["components"]["schemas"];

    let described: Value = QueueSettings::descriptions()
        .iter()
        .map(|setting| {
            let limits = match setting.values {
                SettingValues::Choice(_) => [None, None, None],
                SettingValues::Integer { min, max } => [Some(min as f64), Some(max as f64), None],
                SettingValues::Number { min, max } => [Some(min), Some(max), None],
                SettingValues::Text { max_characters } => [None, None, Some(max_characters as f64)],
            };
            (setting.name.to_owned(), json!(limits))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();

    assert_eq!(limits(&schemas["QueueSettings"]), described);
    assert_eq!(limits(&schemas["QueuePatch"]), described);

    for (name, _) in Counters::DESCRIPTIONS {
        let totals = &schemas["Moment"]["properties"]["totals"]["properties"];
        assert!(totals[name].is_object(), "{name} is a total");
    }
}
