//! Clients that put down what the servers say to them: on a socket, over REST and on a stream.

use serde_json::{Value, json};
use stanchion_tests::{PositionStream, RestResponse, Socket, Visitor};

use super::{
    files::Contract,
    shapes::{fields, placeholder},
};

const MESSAGES: &str = "socket";
const REST: &str = "rest";

/// One connection.
pub struct Client(Socket);

impl Client {
    /// Connects and introduces the visitor.
    pub async fn connect(contract: &mut Contract, url: &str, visitor: &Visitor) -> Self {
        let mut client = Self(Socket::silent(url).await);
        client
            .send_json(json!({"type": "connect", "token": visitor.token}))
            .await;
        client.hear(contract, "connected", |_| true).await;
        client
    }

    /// Connects and joins; with the answer of this type.
    pub async fn join(
        contract: &mut Contract,
        url: &str,
        visitor: &Visitor,
        mut join: Value,
        answer: &str,
    ) -> (Self, Value) {
        let mut client = Self::connect(contract, url, visitor).await;
        join["type"] = json!("join");
        client.send_json(join).await;

        let answer = client.hear(contract, answer, |_| true).await;
        (client, answer)
    }

    /// Connects and joins; returns whether there was a place.
    pub async fn try_join(
        contract: &mut Contract,
        url: &str,
        visitor: &Visitor,
        mut join: Value,
    ) -> bool {
        let mut client = Self::connect(contract, url, visitor).await;
        join["type"] = json!("join");
        client.send_json(join).await;

        let is_queued = loop {
            let message = client.0.next_json().await.expect("an open connection");
            see_message(contract, &message);
            match message["type"].as_str() {
                Some("queued") => break true,
                Some("error") => break false,
                _ => {}
            }
        };
        client.close().await;
        is_queued
    }

    pub async fn send_json(&mut self, message: Value) {
        self.0.send_json(message).await;
    }

    /// Waits for a message of this type that is accepted.
    pub async fn hear(
        &mut self,
        contract: &mut Contract,
        kind: &str,
        accept: impl Fn(&Value) -> bool,
    ) -> Value {
        loop {
            let message = self.0.next_json().await;
            let message = message.unwrap_or_else(|code| panic!("closed ({code:?}) before: {kind}"));
            see_message(contract, &message);
            if message["type"] == kind && accept(&message) {
                return message;
            }
        }
    }

    /// The code that the connection is closed with.
    pub async fn close_code(mut self, contract: &mut Contract) -> Option<u16> {
        loop {
            match self.0.next_json().await {
                Ok(message) => see_message(contract, &message),
                Err(code) => return code,
            }
        }
    }

    /// Acknowledges a pass.
    pub async fn acknowledge(&mut self, pass: &Value) {
        self.send_json(json!({"type": "ack", "pass_id": pass["pass_id"]}))
            .await;
    }

    pub async fn close(self) {
        self.0.close().await;
    }
}

fn see_message(contract: &mut Contract, message: &Value) {
    let kind = message["type"].as_str().expect("messages have a type");
    contract.see(MESSAGES, format!("server {kind}"));
    for field in fields(message) {
        if !field.starts_with("type") {
            contract.see(MESSAGES, format!("server {kind}: {field}"));
        }
    }
}

/// An answer over REST.
pub fn see_answer(contract: &mut Contract, answer: RestResponse) -> RestResponse {
    let path: Vec<_> = answer.request.split('/').map(placeholder_of_path).collect();
    let asked = format!("{} {}", path.join("/"), answer.status);
    contract.see(REST, asked.clone());
    for field in fields(&answer.body) {
        contract.see(REST, format!("{asked}: {field}"));
    }
    answer
}

/// The method stands before the first slash.
fn placeholder_of_path(part: &str) -> String {
    if part.ends_with(' ') || part == "v1" {
        part.to_owned()
    } else {
        placeholder(part)
    }
}

/// Waits for an event of the stream that is accepted.
pub async fn see_stream(
    contract: &mut Contract,
    stream: &mut PositionStream,
    accept: impl Fn(&str, &Value) -> bool,
) -> Value {
    loop {
        let (event, data) = stream.next().await.expect("the stream goes on");
        contract.see(REST, format!("stream {event}"));
        for field in fields(&data) {
            contract.see(REST, format!("stream {event}: {field}"));
        }
        if accept(&event, &data) {
            return data;
        }
    }
}

/// The fields of the samples in `tests/wire` that the gateway takes: it refuses, by name, each that
/// has a value of another form.
pub async fn probe_fields(contract: &mut Contract, url: &str, visitor: &Visitor) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/wire");
    for file in std::fs::read_dir(folder).expect("tests/wire is there") {
        let path = file.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if !name.is_some_and(|name| name.starts_with("client.")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a sample can be read");
        let sample: Value = serde_json::from_str(&text).expect("samples are JSON");
        let kind = sample["type"].as_str().expect("samples have a type");
        contract.see(MESSAGES, format!("client {kind}"));
        for pointer in leaves(&sample) {
            let field = pointer.trim_start_matches('/').replace("/0/", "[0].");
            if field != "type" && is_refused(url, visitor, &sample, &pointer, &field).await {
                contract.see(MESSAGES, format!("client {kind}: {field}"));
            }
        }
    }
}

/// JSON pointers of an object's plain fields, and of those of the first item of a list.
fn leaves(sample: &Value) -> Vec<String> {
    let members = sample.as_object().expect("messages are objects");
    let leaf = |(name, value): (&String, &Value)| match value.pointer("/0") {
        Some(item) => leaves(item)
            .into_iter()
            .map(|leaf| format!("/{name}/0{leaf}"))
            .chain([format!("/{name}")])
            .collect(),
        None => vec![format!("/{name}")],
    };
    members.iter().flat_map(leaf).collect()
}

async fn is_refused(
    url: &str,
    visitor: &Visitor,
    sample: &Value,
    pointer: &str,
    field: &str,
) -> bool {
    let mut message = sample.clone();
    *message
        .pointer_mut(pointer)
        .expect("the pointer is of this sample") = json!({"no": []});
    let mut socket = if sample["type"] == "connect" {
        Socket::silent(url).await
    } else {
        Socket::open(url, visitor).await
    };
    socket.send_json(message).await;

    // An unknown field is ignored: the answer to this is then the first.
    socket.send_json(json!({"type": "ping"})).await;
    let answer = socket.next_json().await.expect("an answer");
    socket.close().await;
    answer["type"] == "error"
        && answer["code"] == "INVALID_REQUEST"
        && answer["message"]
            .as_str()
            .is_some_and(|text| text.starts_with(field))
}
