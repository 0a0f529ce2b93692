//! Hand-written schemas of the interface documents, for types that are parsed rather than derived.

use serde_json::{Value, json};
use utoipa::openapi::{Object, RefOr, Schema};

/// Describes a type that is text on the wire: `{…}` are the keywords beside `type`. The same
/// schema serves OpenAPI and AsyncAPI.
macro_rules! text_schema {
    ($name:ident, { $($keywords:tt)* }) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", $($keywords)* })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::schema::openapi_schema(serde_json::json!({ "type": "string", $($keywords)* }))
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

pub(crate) use text_schema;

/// A schema of the OpenAPI document from its JSON form. It has a `type`, and at most one keyword
/// that utoipa does not know, so that the order of keywords is the same each time.
///
/// # Panics
/// If it is no such schema; it is a constant of the code.
pub fn openapi_schema(schema: Value) -> RefOr<Schema> {
    let mut object: Object = serde_json::from_value(schema.clone()).expect("a constant schema");
    let known = serde_json::to_value(&object).expect("a schema is JSON");
    let unknown: Vec<(String, Value)> = schema
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(keyword, _)| known.get(keyword).is_none())
        .map(|(keyword, value)| (keyword.clone(), value.clone()))
        .collect();

    assert!(unknown.len() <= 1, "{unknown:?}");
    if !unknown.is_empty() {
        object.extensions = Some(unknown.into_iter().collect());
    }
    RefOr::T(Schema::Object(object))
}

/// A field that is always true.
pub fn always_true() -> RefOr<Schema> {
    openapi_schema(json!({ "type": "boolean", "const": true }))
}
