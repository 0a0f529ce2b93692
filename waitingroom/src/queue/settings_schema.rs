//! The schemas of the queue's settings, of a patch to them, and of those of a new event, from one
//! table.

use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

use super::{QueuePatch, QueueSettings, SaleState};
use crate::schema::openapi_schema;

/// A number among the settings: name, type, minimum, maximum, description.
const NUMBERS: [(&str, &str, u64, u64, &str); 7] = [
    (
        "rate_per_second",
        "number",
        0,
        100_000,
        "Users released per second.",
    ),
    (
        "burst",
        "integer",
        1,
        100_000,
        "Max users released at once after a time without demand.",
    ),
    (
        "max_active",
        "integer",
        1,
        1_000_000,
        "Max passes that are neither used nor expired.",
    ),
    (
        "pass_ttl_seconds",
        "integer",
        1,
        86_400,
        "Lifetime of a pass.",
    ),
    (
        "claim_window_seconds",
        "integer",
        1,
        3_600,
        "Time within which a pass must be acknowledged; after it, the pass is revoked.",
    ),
    (
        "grace_seconds",
        "integer",
        0,
        86_400,
        "Time that a disconnected user keeps the place.",
    ),
    (
        "max_in_line",
        "integer",
        1,
        10_000_000,
        "Max users in the queue.",
    ),
];

const MESSAGE: &str = "A message to all users in the queue";
const MESSAGE_PATTERN: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Settings,
    Patch,
    PatchOfDefaults,
}

fn number(
    (name, kind, minimum, maximum, description): (&str, &str, u64, u64, &str),
    form: Form,
) -> (String, Value) {
    let kind = match form {
        Form::Settings => json!(kind),
        _ => json!([kind, "null"]),
    };
    let mut schema = json!({
        "type": kind, "minimum": minimum, "maximum": maximum, "description": description,
    });

    if form == Form::PatchOfDefaults {
        let defaults = serde_json::to_value(QueueSettings::default()).unwrap_or_default();
        schema["default"] = defaults[name].clone();
    }
    (name.to_owned(), schema)
}

fn object(form: Form) -> RefOr<Schema> {
    let state = json!(Ref::from_schema_name("SaleState"));
    let state = match form {
        Form::Settings => state,
        _ => json!({ "oneOf": [state, { "type": "null" }] }),
    };
    let message = match form {
        Form::Settings => {
            json!({ "type": ["string", "null"], "maxLength": 500, "description": format!("{MESSAGE}.") })
        }
        _ => json!({
            "type": ["string", "null"], "maxLength": 500, "pattern": MESSAGE_PATTERN,
            "description": format!("{MESSAGE}; an empty text or `null` removes it."),
        }),
    };

    let mut properties = Map::from_iter([("state".to_owned(), state)]);
    properties.extend(NUMBERS.map(|row| number(row, form)));
    properties.insert("message".to_owned(), message);

    openapi_schema(match form {
        Form::Settings => {
            let required: Vec<&String> = properties.keys().collect();
            json!({ "type": "object", "required": required, "properties": properties })
        }
        _ => {
            json!({ "type": "object", "additionalProperties": false, "properties": properties })
        }
    })
}

/// A patch to the settings of a new event: what it does not name has the default.
pub fn queue_patch_with_defaults() -> RefOr<Schema> {
    object(Form::PatchOfDefaults)
}

fn sale_state(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((SaleState::name().into_owned(), SaleState::schema()));
}

impl PartialSchema for QueueSettings {
    fn schema() -> RefOr<Schema> {
        object(Form::Settings)
    }
}

impl ToSchema for QueueSettings {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        sale_state(schemas);
    }
}

impl PartialSchema for QueuePatch {
    fn schema() -> RefOr<Schema> {
        object(Form::Patch)
    }
}

impl ToSchema for QueuePatch {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        sale_state(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(name: &str, value: f64) -> bool {
        let is_whole = name != "rate_per_second";
        let value = if is_whole {
            json!(value as i64)
        } else {
            json!(value)
        };
        serde_json::from_value(json!({ name: value }))
            .is_ok_and(|patch: QueuePatch| QueueSettings::default().with(&patch).is_ok())
    }

    #[test]
    fn ranges_are_those_of_the_rules() {
        for (name, _, minimum, maximum, _) in NUMBERS {
            let (minimum, maximum) = (minimum as f64, maximum as f64);
            assert!(
                is_accepted(name, minimum) && is_accepted(name, maximum),
                "{name}"
            );
            assert!(!is_accepted(name, minimum - 1.0), "{name}");
            assert!(!is_accepted(name, maximum + 1.0), "{name}");
        }
    }

    #[test]
    fn schema_names_every_setting() {
        let settings = serde_json::to_value(QueueSettings::default()).unwrap();
        let schema = serde_json::to_value(QueueSettings::schema()).unwrap();
        let names = |object: &Value| {
            object
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };

        assert_eq!(names(&settings), names(&schema["properties"]));
    }
}
