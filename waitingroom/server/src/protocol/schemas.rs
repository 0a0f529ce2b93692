//! The schemas of the messages, for `docs/asyncapi.json`.

use std::collections::BTreeMap;

use schemars::{
    JsonSchema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use super::{Ack, Connect, JoinQueue, Leave, ReserveSeats, ServerMessage};

/// The schemas of all messages, and those that they refer to.
#[derive(Debug)]
pub struct MessageSchemas {
    /// By message type.
    pub messages: BTreeMap<String, Value>,
    /// Below `#/components/schemas`. The booking, which booking describes, is not among them.
    pub shared: Map<String, Value>,
}

/// Describes every message of the protocol.
pub fn message_schemas() -> MessageSchemas {
    let mut client = generator(Contract::Deserialize);
    let mut messages = BTreeMap::from([
        client_message::<Connect>("connect", &mut client),
        client_message::<JoinQueue>("join", &mut client),
        client_message::<Ack>("ack", &mut client),
        client_message::<ReserveSeats>("reserve", &mut client),
        client_message::<Leave>("leave", &mut client),
        client_message::<Ping>("ping", &mut client),
    ]);

    let mut server = generator(Contract::Serialize);
    let all = ServerMessage::json_schema(&mut server).to_value();
    messages.extend(
        all["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .map(server_message),
    );

    let mut shared = client.take_definitions(true);
    shared.extend(server.take_definitions(true));
    for schema in shared.values_mut() {
        without_null(schema);
    }
    MessageSchemas { messages, shared }
}

/// `ping` has no fields.
#[derive(JsonSchema)]
struct Ping {}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.contract = contract;
    });
    settings.into_generator()
}

fn client_message<T: JsonSchema>(kind: &str, generator: &mut SchemaGenerator) -> (String, Value) {
    let mut schema = T::json_schema(generator).to_value();
    let fields = schema["properties"].take();
    let mut properties = Map::from_iter([("type".to_owned(), json!({ "const": kind }))]);
    for (name, mut field) in fields.as_object().cloned().unwrap_or_default() {
        without_default(&mut field);
        properties.insert(name, field);
    }

    let mut required = vec![json!("type")];
    required.extend(schema["required"].as_array().cloned().unwrap_or_default());
    let schema = json!({ "type": "object", "required": required, "properties": properties });
    (kind.to_owned(), schema)
}

fn server_message(schema: &Value) -> (String, Value) {
    let mut schema = schema.clone();
    let kind = schema["properties"]["type"]["const"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    schema["properties"]["type"] = json!({ "const": kind });
    without_null(&mut schema);
    if let Some(keywords) = schema.as_object_mut() {
        keywords.remove("description");
    }

    // The fields of the booking are those of the message.
    if kind == "reserved" {
        schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Booking" }, schema] });
    }
    (kind, schema)
}

/// Gateways leave out what they do not know: they send no `null`.
fn without_null(schema: &mut Value) {
    let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };

    for field in fields.values_mut() {
        without_default(field);
        if let Some(types) = field.get_mut("type").filter(|types| types.is_array()) {
            *types = types[0].take();
        }
        if let Some([either, null]) = field["anyOf"].as_array().map(Vec::as_slice)
            && *null == json!({ "type": "null" })
        {
            let (either, description) = (either.clone(), field["description"].clone());
            *field = match description {
                Value::Null => either,
                description => json!({ "allOf": [either], "description": description }),
            };
        }
    }
}

/// Absent and `null` are the same: there is no default to be named.
fn without_default(field: &mut Value) {
    if field.get("default").is_some_and(Value::is_null)
        && let Some(keywords) = field.as_object_mut()
    {
        keywords.remove("default");
    }
}
