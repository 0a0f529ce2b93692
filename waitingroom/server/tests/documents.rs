//! The documents of the public interface name every message, problem and close code that there is,
//! with an example that is what the service would say.

#![expect(
    clippy::unwrap_used,
    reason = "a document that cannot be read fails the test"
)]

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use waitingroom_server::{
    problem::{Code, Conflict, Problem},
    protocol::{ClientMessage, CloseCode, ServerMessage},
};

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn document(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder("docs").join(name)).unwrap()).unwrap()
}

/// The lines of a section of docs/api.md.
fn section(heading: &str) -> String {
    let page = fs::read_to_string(folder("docs/api.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// Every piece of text in back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The samples of the wire, as `client.join` and their content.
fn samples() -> Vec<(String, Value)> {
    let files = fs::read_dir(folder("tests/wire"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let sample = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let kind = name.split('.').take(2).collect::<Vec<_>>().join(".");
        (
            kind,
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap(),
        )
    };
    files.map(sample).collect()
}

const SERVER_KINDS: [&str; 10] = [
    "connected",
    "queued",
    "position",
    "pass",
    "reserved",
    "left",
    "event",
    "heartbeat",
    "error",
    "reconnect",
];
const CLIENT_KINDS: [&str; 6] = ["connect", "join", "ack", "reserve", "leave", "ping"];

/// Does not compile without a message that is new, which needs a sample and a name in both
/// documents.
fn kind_of_server(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Connected { .. } => "connected",
        ServerMessage::Queued { .. } => "queued",
        ServerMessage::Position { .. } => "position",
        ServerMessage::Pass { .. } => "pass",
        ServerMessage::Reserved { .. } => "reserved",
        ServerMessage::Left { .. } => "left",
        ServerMessage::Event { .. } => "event",
        ServerMessage::Heartbeat => "heartbeat",
        ServerMessage::Error { .. } => "error",
        ServerMessage::Reconnect { .. } => "reconnect",
    }
}

fn kind_of_client(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Connect(_) => "connect",
        ClientMessage::Join(_) => "join",
        ClientMessage::Ack(_) => "ack",
        ClientMessage::Reserve(_) => "reserve",
        ClientMessage::Leave(_) => "leave",
        ClientMessage::Ping => "ping",
        ClientMessage::Unknown => "of a later version",
    }
}

/// A frame of this kind is read, and what the server says is said again as it was.
fn reads(kind: &str, frame: &Value) {
    if CLIENT_KINDS.contains(&kind) {
        let message = ClientMessage::parse(&frame.to_string())
            .unwrap_or_else(|problem| panic!("{frame}: {problem}"));
        assert_eq!(kind_of_client(&message), kind, "{frame}");
    } else {
        let message: ServerMessage =
            serde_json::from_value(frame.clone()).unwrap_or_else(|e| panic!("{frame}: {e}"));
        assert_eq!(kind_of_server(&message), kind, "{frame}");
        assert_eq!(
            serde_json::from_str::<Value>(&message.to_json()).unwrap(),
            *frame
        );
    }
}

#[test]
fn every_message_has_an_example_that_is_read() {
    let all: BTreeSet<&str> = SERVER_KINDS.into_iter().chain(CLIENT_KINDS).collect();
    let described = document("asyncapi.json")["components"]["messages"].take();

    assert_eq!(
        described
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        all
    );

    let mut examples = Vec::new();
    for (kind, message) in described.as_object().unwrap() {
        let of_kind = message["examples"].as_array().unwrap();
        assert!(!of_kind.is_empty(), "{kind}");
        for example in of_kind {
            reads(kind, &example["payload"]);
            examples.push(example["payload"].clone());
        }
    }

    let samples = samples();
    let sides = CLIENT_KINDS
        .map(|kind| format!("client.{kind}"))
        .into_iter();
    let sides: BTreeSet<_> = sides
        .chain(SERVER_KINDS.map(|kind| format!("server.{kind}")))
        .collect();

    assert_eq!(
        samples
            .iter()
            .map(|(kind, _)| kind.clone())
            .collect::<BTreeSet<_>>(),
        sides
    );

    for (kind, sample) in &samples {
        reads(kind.split_once('.').unwrap().1, sample);
        let fields = |frame: &Value| {
            frame
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        let alike = |example: &Value| {
            example["type"] == sample["type"] && fields(example).is_superset(&fields(sample))
        };
        assert!(
            examples.iter().any(alike),
            "asyncapi.json has no example with every field of {sample}"
        );
    }

    let told = section("WebSocket");
    let told: BTreeSet<_> = told
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .split_once(" |")
                .map(|(messages, _)| format!("`{messages}"))
        })
        .flat_map(|messages| {
            quoted(&messages)
                .map(|m| m.split(' ').next().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();

    assert_eq!(
        told.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        all,
        "docs/api.md"
    );
}

#[test]
fn every_problem_has_an_example_that_is_what_is_said() {
    let openapi = document("openapi.json");
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let listed = |schema: &Value| -> BTreeSet<String> {
        schema["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    };
    let expected = codes.iter().map(ToString::to_string).collect();
    assert_eq!(listed(&openapi["components"]["schemas"]["Code"]), expected);
    assert_eq!(
        listed(&document("asyncapi.json")["components"]["schemas"]["Code"]),
        expected
    );

    let examples = openapi["components"]["examples"].as_object().unwrap();
    for code in Code::ALL {
        let said = |example: &&Value| {
            example["value"]["code"] == code.as_str()
                && example["value"]["status"] == code.status().as_u16()
        };
        let example = &examples
            .values()
            .find(said)
            .unwrap_or_else(|| panic!("{code:?} has no example"))["value"];
        let mut problem = Problem::new(*code, example["detail"].as_str().unwrap());
        problem.field = example["field"].as_str().map(str::to_owned);
        problem.retry_after = example["retry_after"].as_u64().map(Duration::from_secs);
        problem.conflict = example.get("conflict").map(|conflict| {
            Box::new(Conflict {
                revision: conflict["revision"].as_str().unwrap().to_owned(),
                current: conflict["current"].clone(),
                changed_by: conflict["changed_by"].as_str().map(str::to_owned),
                changed_at: serde_json::from_value(conflict["changed_at"].clone()).unwrap(),
            })
        });
        assert_eq!(
            serde_json::from_str::<Value>(&problem.to_json()).unwrap(),
            *example
        );
    }

    // Each row of the table in docs/api.md has two of `code | status`.
    let errors = section("Errors");
    let cells: Vec<&str> = errors
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('|'))
        .collect();
    let told: BTreeSet<(String, u16)> = cells
        .windows(2)
        .flat_map(|pair| {
            let numbers = pair[1]
                .split([',', ' '])
                .filter_map(|word| word.parse::<u16>().ok());
            let numbers: Vec<u16> = numbers
                .filter(|status| (400..600).contains(status))
                .collect();
            quoted(pair[0])
                .flat_map(move |code| {
                    numbers
                        .iter()
                        .map(|status| (code.to_owned(), *status))
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let expected: BTreeSet<_> = Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), code.status().as_u16()))
        .collect();
    assert_eq!(told, expected, "docs/api.md");
}

#[test]
fn every_close_code_is_named_with_its_reason() {
    let listed = document("asyncapi.json")
        .pointer_mut("/channels")
        .unwrap()
        .take();
    let channel = listed.as_object().unwrap().values().next().unwrap();
    let listed: Vec<Value> = channel["x-close-codes"].as_array().unwrap().to_vec();
    let without_description = |mut close: Value| {
        close
            .as_object_mut()
            .unwrap()
            .remove("description")
            .expect("it says what it means");
        close
    };
    let listed: Vec<_> = listed.into_iter().map(without_description).collect();
    let known = |code: &CloseCode| json!({"code": code.code(), "reason": code.reason(), "reconnect": code.reconnect()});
    assert_eq!(listed, CloseCode::ALL.iter().map(known).collect::<Vec<_>>());

    let told = section("WebSocket");
    let told = told.split("Close codes: ").nth(1).unwrap();
    let number = |word: &str| {
        word.parse::<u16>()
            .ok()
            .filter(|code| (4_000..5_000).contains(code))
    };
    let mut told: Vec<u16> = told
        .split([' ', '\n', ',', ';'])
        .filter_map(number)
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        CloseCode::ALL
            .iter()
            .map(|code| code.code())
            .collect::<Vec<_>>(),
        "docs/api.md"
    );
}
