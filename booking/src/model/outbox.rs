//! What one transaction has to tell, packed as text in one row of the outbox: a message a line, its
//! id, topic and payload separated by tabs. Ids and topics are ours; JSON knows tabs and line ends
//! only as escapes.

use waitingroom::clock::Timestamp;

use crate::model::booking::OutboxMessage;

/// Messages of one transaction, leased to one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxBatch {
    /// The row.
    pub outbox_id: i64,
    /// When the change was committed.
    pub created_at: Timestamp,
    /// What to publish, in this order.
    pub messages: Vec<OutboxMessage>,
}

/// One message's line.
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

/// The messages of a text; `None` where it is not one of ours.
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
    fn what_is_packed_is_unpacked() {
        let user = serde_json::json!({"user_id": "a\tb\nc", "seats": 2}).to_string();
        let messages = vec![message("1:reserved", "{}"), message("2:reserved", &user)];
        assert_eq!(decode(&encode(&messages)), Some(messages));
        assert_eq!(decode(""), Some(vec![]));
    }

    #[test]
    fn a_line_without_its_parts_is_none_of_ours() {
        assert_eq!(decode("1:reserved\tbookings.reserved\n"), None);
    }
}
