//! The schemas of the queue's settings, of a patch to them, and of those of a new event, from the
//! table of settings.

use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

use super::{QueuePatch, QueueSettings, SaleState, SettingDescription, SettingValues};
use crate::schema::openapi_schema;

const TEXT_PATTERN: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Settings,
    Patch,
    PatchOfDefaults,
}

/// The schema of one setting.
fn property(setting: &SettingDescription, form: Form) -> Value {
    let typed = |kind: &str, is_optional: bool| match form == Form::Settings && !is_optional {
        true => json!(kind),
        false => json!([kind, "null"]),
    };
    let meaning = setting.meaning;
    let mut schema = match &setting.values {
        SettingValues::Choice(_) => {
            let state = json!(Ref::from_schema_name("SaleState"));
            return match form {
                Form::Settings => state,
                _ => json!({ "oneOf": [state, { "type": "null" }] }),
            };
        }
        SettingValues::Integer { min, max } => json!({
            "type": typed("integer", false), "minimum": min, "maximum": max, "description": meaning,
        }),
        SettingValues::Number { min, max } => json!({
            "type": typed("number", false), "minimum": min, "maximum": max, "description": meaning,
        }),
        SettingValues::Text { max_characters } if form == Form::Settings => json!({
            "type": typed("string", true), "maxLength": max_characters, "description": meaning,
        }),
        SettingValues::Text { max_characters } => json!({
            "type": typed("string", true), "maxLength": max_characters, "pattern": TEXT_PATTERN,
            "description": format!("{meaning} An empty text or `null` removes it."),
        }),
    };

    if form == Form::PatchOfDefaults && setting.default.is_some() {
        let defaults = serde_json::to_value(QueueSettings::default()).unwrap_or_default();
        schema["default"] = defaults[setting.name].clone();
    }
    schema
}

fn object(form: Form) -> RefOr<Schema> {
    let properties: Map<String, Value> = QueueSettings::descriptions()
        .iter()
        .map(|setting| (setting.name.to_owned(), property(setting, form)))
        .collect();

    openapi_schema(match form {
        Form::Settings => json!({
            "type": "object", "required": QueueSettings::NAMES, "properties": properties,
        }),
        _ => json!({
            "type": "object", "additionalProperties": false, "properties": properties,
        }),
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
