//! Frames of clients.

use stanchion_fuzz::{Edit, edited};
use waitingroom_server::{
    problem::Code,
    protocol::{ClientMessage, MAX_PREFERENCES, check_preferences},
};

const SAMPLES: [&str; 8] = [
    include_str!("../../wire/client.ack.json"),
    include_str!("../../wire/client.connect.json"),
    include_str!("../../wire/client.join.json"),
    include_str!("../../wire/client.join.with-ticket.json"),
    include_str!("../../wire/client.join.with-wish.json"),
    include_str!("../../wire/client.leave.json"),
    include_str!("../../wire/client.ping.json"),
    include_str!("../../wire/client.reserve.json"),
];

/// A frame is understood, or refused with a code that names a field or the form: nothing else can
/// happen.
fn is_read(frame: &str) {
    match ClientMessage::parse(frame) {
        Ok(ClientMessage::Join(join)) => {
            let Some(wish) = join.wish else { return };
            let is_right = wish.len() <= MAX_PREFERENCES
                && wish.iter().all(|item| (1..=10).contains(&item.quantity));
            assert!(
                check_preferences("wish", &wish).is_err() || is_right,
                "{wish:?}"
            );
        }
        Ok(_) => {}
        Err(problem) => assert!(
            matches!(problem.code, Code::InvalidField | Code::Malformed),
            "{:?}",
            problem.code
        ),
    }
}

#[test]
fn anything() {
    bolero::check!().for_each(|bytes: &[u8]| is_read(&String::from_utf8_lossy(bytes)));
}

#[test]
fn nearly_right() {
    bolero::check!()
        .with_type::<(u8, Vec<Edit>)>()
        .for_each(|(sample, edits)| {
            is_read(&edited(
                SAMPLES[usize::from(*sample) % SAMPLES.len()],
                edits,
            ));
        });
}

#[test]
fn what_is_understood_once_is_understood_again() {
    bolero::check!()
        .with_type::<(u8, Vec<Edit>)>()
        .for_each(|(sample, edits)| {
            let frame = edited(SAMPLES[usize::from(*sample) % SAMPLES.len()], edits);
            let Ok(read) = ClientMessage::parse(&frame) else {
                return;
            };
            let again: serde_json::Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(
                format!("{:?}", ClientMessage::parse(&again.to_string()).unwrap()),
                format!("{read:?}")
            );
        });
}
