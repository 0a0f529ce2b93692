//! The documents of the interface are what the code describes: `docs/openapi.json` as a whole, the
//! schemas of `docs/asyncapi.json`.

use std::{collections::BTreeSet, fs};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use waitingroom_server::{openapi, protocol::schemas::message_schemas};

const OPENAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/wire");
const ASYNCAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.json");

/// JSON whose fields stay in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Object(IndexMap<String, Json>),
    Array(Vec<Json>),
    Plain(Value),
}

impl Json {
    fn field(&mut self, name: &str) -> &mut Self {
        let Self::Object(fields) = self else {
            panic!("no object has {name}")
        };
        fields
            .entry(name.to_owned())
            .or_insert(Self::Plain(Value::Null))
    }
}

/// `UPDATE_DOCS=1` writes the documents.
fn compare(path: &str, generated: String) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // Complete at once: another test may be reading it.
        let complete = format!("{path}.new");
        fs::write(&complete, generated).expect("the document can be written");
        fs::rename(complete, path).expect("the document can be replaced");
        return;
    }
    let document = fs::read_to_string(path).expect("the document");
    assert!(
        document == generated,
        "run the test with UPDATE_DOCS=1 and commit {path}"
    );
}

fn openapi_text() -> String {
    openapi::to_json(&openapi::assemble([gateway::openapi(), booking::openapi()]))
}

/// The frame (channels, operations, summaries, examples) is written by hand.
fn asyncapi_text() -> String {
    let text = fs::read_to_string(ASYNCAPI).expect("the document");
    let mut document: Json = serde_json::from_str(&text).expect("JSON");
    let mut schemas = message_schemas();

    // Booking describes its bookings itself.
    let openapi: Value = serde_json::from_str(&openapi_text()).expect("JSON");
    let mut missing = vec!["Booking".to_owned()];
    while let Some(name) = missing.pop() {
        let schema = openapi["components"]["schemas"][&name].clone();
        let mut used = BTreeSet::new();
        references(&schema, &mut used);
        schemas.shared.insert(name, schema);
        let names = used
            .iter()
            .filter_map(|reference| reference.split('/').next_back());
        missing.extend(
            names
                .filter(|name| !schemas.shared.contains_key(*name))
                .map(str::to_owned),
        );
    }

    let components = document.field("components");
    *components.field("schemas") = Json::Plain(Value::Object(schemas.shared));
    for (name, payload) in schemas.messages {
        let message = components.field("messages").field(&name);
        *message.field("payload") = Json::Plain(payload);
    }
    let text = serde_json::to_string_pretty(&document).expect("JSON");
    format!("{text}\n")
}

/// In one test, since one document is made of the other.
#[test]
fn documents_are_those_of_the_code() {
    let asyncapi = asyncapi_text();
    compare(OPENAPI, openapi_text());
    compare(ASYNCAPI, asyncapi);
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn defined(document: &Value, kinds: &[&str]) -> BTreeSet<String> {
    let of_kind = |kind: &&str| {
        let components = document["components"][kind]
            .as_object()
            .expect("components");
        let names = components
            .keys()
            .map(|name| format!("#/components/{kind}/{name}"));
        names.collect::<Vec<_>>()
    };
    kinds.iter().flat_map(of_kind).collect()
}

#[test]
fn components_are_used_and_defined() {
    let parsed = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    for (document, kinds) in [
        (
            parsed(openapi_text()),
            &["schemas", "responses", "examples"][..],
        ),
        (parsed(asyncapi_text()), &["schemas", "messages"]),
    ] {
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        used.retain(|reference| reference.starts_with("#/components/"));
        assert_eq!(used, defined(&document, kinds));
    }
}

/// Adds the fields that a schema names and requires, with those of the schemas that it refers to.
fn fields(
    document: &Value,
    schema: &Value,
    named: &mut BTreeSet<String>,
    required: &mut BTreeSet<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(&reference[1..]).expect(reference);
        fields(document, schema, named, required);
    }

    let properties = schema["properties"].as_object().into_iter().flatten();
    named.extend(properties.map(|(name, _)| name.clone()));
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.filter_map(Value::as_str).map(str::to_owned));

    for part in schema["allOf"].as_array().into_iter().flatten() {
        fields(document, part, named, required);
    }
}

#[test]
fn samples_have_the_fields_of_their_schemas() {
    let document: Value = serde_json::from_str(&asyncapi_text()).expect("JSON");
    for entry in fs::read_dir(SAMPLES).expect("the samples") {
        let text = fs::read_to_string(entry.expect("a sample").path()).expect("a sample");
        let sample: Value = serde_json::from_str(&text).expect("JSON");
        let sample = sample.as_object().expect("an object");

        let kind = sample["type"].as_str().expect("a type");
        let payload = &document["components"]["messages"][kind]["payload"];
        let (mut named, mut required) = (BTreeSet::new(), BTreeSet::new());
        fields(&document, payload, &mut named, &mut required);

        let has: BTreeSet<String> = sample.keys().cloned().collect();
        assert!(has.is_subset(&named), "{text}");
        assert!(required.is_subset(&has), "{text}");
    }
}

/// What a client sends as `null` is allowed to be `null`.
#[test]
fn optional_fields_of_clients_may_be_null() {
    let join = &message_schemas().messages["join"];
    for field in ["ticket", "position", "wish"] {
        let types = &join["properties"][field]["type"];
        assert!(
            types
                .as_array()
                .is_some_and(|types| types.contains(&json!("null"))),
            "{field}"
        );
    }
}
