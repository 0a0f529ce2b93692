//! The samples that the web client parses too.

#![expect(
    clippy::unwrap_used,
    reason = "a sample that cannot be read fails the test"
)]

use std::{fs, path::PathBuf};

use waitingroom_server::protocol::{ClientMessage, ServerMessage};

fn samples(side: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mine = files.filter(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(side)
    });

    mine.map(|path| {
        (
            path.display().to_string(),
            fs::read_to_string(&path).unwrap(),
        )
    })
    .collect()
}

#[test]
fn every_client_sample_is_understood() {
    let samples = samples("client.");
    assert!(samples.len() >= 6);
    for (name, text) in samples {
        let message =
            ClientMessage::parse(&text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_ne!(message, ClientMessage::Unknown, "{name}");
    }
}

#[test]
fn every_server_sample_is_what_we_would_say() {
    let samples = samples("server.");
    assert!(samples.len() >= 10);

    for (name, text) in samples {
        let message: ServerMessage =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let said: serde_json::Value = serde_json::from_str(&message.to_json()).unwrap();
        assert_eq!(
            said,
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_frame_of_the_wrong_form_names_its_field() {
    let cases = [
        (r#"{"type":"join"}"#, "event_id"),
        (r#"{"type":"join","event_id":"one"}"#, "event_id"),
        (r#"{"type":"connect","token":7}"#, "token"),
        (r#"{"no":"type"}"#, "type"),
    ];

    for (frame, field) in cases {
        assert_eq!(
            ClientMessage::parse(frame).unwrap_err().field.as_deref(),
            Some(field),
            "{frame}"
        );
    }

    assert!(
        ClientMessage::parse("{")
            .unwrap_err()
            .detail
            .contains("JSON")
    );
    assert_eq!(
        ClientMessage::parse(r#"{"type":"dance","with":1}"#).unwrap(),
        ClientMessage::Unknown
    );
}
