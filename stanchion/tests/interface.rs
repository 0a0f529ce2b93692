//! The interface document is what the handlers describe.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

fn generated() -> String {
    let document = waitingroom::openapi::assemble([gateway::openapi(), booking::openapi()]);
    let text = serde_json::to_string_pretty(&document).expect("the document is JSON");
    format!("{text}\n")
}

/// `UPDATE_DOCS=1` writes the document.
#[test]
fn openapi_is_what_the_handlers_say() {
    let generated = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, generated).expect("the document can be written");
        return;
    }

    let document = fs::read_to_string(DOCUMENT).expect("the document");
    assert!(
        document == generated,
        "run the test with UPDATE_DOCS=1 and commit docs/openapi.json"
    );
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

#[test]
fn every_component_is_used_and_defined() {
    let document: Value = serde_json::from_str(&generated()).expect("JSON");
    let mut used = BTreeSet::new();
    references(&document, &mut used);

    let mut defined = BTreeSet::new();
    for kind in ["schemas", "responses", "examples"] {
        let components = document["components"][kind].as_object().expect(kind);
        defined.extend(components.keys().map(|name| format!("#/components/{kind}/{name}")));
    }
    assert_eq!(used, defined);
}
