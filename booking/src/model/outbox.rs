//! The messages of one transaction, encoded as text in one row of the outbox: one line for each
//! message, with its id, topic and payload separated by tabs. Ids and topics are this crate's; JSON
//! has tabs and line ends as escapes only.

use waitingroom_domain::clock::Timestamp;

use crate::model::booking::OutboxMessage;

/// Messages of one transaction, leased to one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxBatch {
    /// The row.
    pub outbox_id: i64,
    /// When the change was committed.
    pub created_at: Timestamp,
    /// The messages, in the order of publication.
    pub messages: Vec<OutboxMessage>,
}

/// The line of one message.
pub(crate) fn encode_message(message: &OutboxMessage) -> String {
    let OutboxMessage {
        message_id,
        topic,
        payload,
    } = message;
    format!("{message_id}\t{topic}\t{payload}\n")
}

/// The messages as text.
pub(crate) fn encode(messages: &[OutboxMessage]) -> String {
    messages.iter().map(encode_message).collect()
}

/// The messages of a text; `None` if it is malformed.
pub(crate) fn decode(text: &str) -> Option<Vec<OutboxMessage>> {
    text.lines().map(decode_message).collect()
}

fn decode_message(line: &str) -> Option<OutboxMessage> {
    let mut parts = line.splitn(3, '\t').map(str::to_owned);
    Some(OutboxMessage {
        message_id: parts.next()?,
        topic: parts.next()?,
        payload: parts.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, payload: &str) -> OutboxMessage {
        OutboxMessage {
            message_id: id.into(),
            topic: "bookings.reserved".into(),
            payload: payload.into(),
        }
    }

    #[test]
    fn decodes_what_it_encodes() {
        let user = serde_json::json!({"user_id": "a\tb\nc", "seats": 2}).to_string();
        let messages = vec![message("1:reserved", "{}"), message("2:reserved", &user)];
        assert_eq!(decode(&encode(&messages)), Some(messages));
        assert_eq!(decode(""), Some(vec![]));
    }

    #[test]
    fn rejects_line_without_parts() {
        assert_eq!(decode("1:reserved\tbookings.reserved\n"), None);
    }
}
