//! What the bare gateways and the crowd say to each other: as much of Stanchion's protocol as a
//! pass needs.

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Life of a bare pass; the crowd takes it off the end to know the release.
pub const PASS_LIFE_SECONDS: i64 = 600;

/// 250 bytes of message in all, as the servers that Stanchion is measured against wrote; a signed
/// pass makes some 670.
const BARE_PASS: &str = "a-pass-that-nobody-signed.................................................................................................................";

/// From the browser.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromBrowser {
    Connect { token: String },
    Join { event_id: String },
    Ack { pass_id: String },
}

/// To the browser; what else Stanchion says is of no interest here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToBrowser {
    Queued {},
    Pass {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        user: String,
        pass_id: String,
        queue_pass: String,
        expires_at: String,
    },
    #[serde(other)]
    Other,
}

/// A bare pass, released now, as JSON.
pub fn pass(user: &str) -> String {
    let end = OffsetDateTime::now_utc() + time::Duration::seconds(PASS_LIFE_SECONDS);
    let expires_at = end.format(&Rfc3339).expect("the year has four digits");
    let (user, queue_pass) = (user.to_owned(), BARE_PASS.to_owned());

    json(&ToBrowser::Pass {
        user,
        pass_id: "bare".into(),
        queue_pass,
        expires_at,
    })
}

/// A message as JSON.
pub fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("a message is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_pass_has_its_length_and_is_understood() {
        let pass = pass("user-1234");
        assert!((230..=280).contains(&pass.len()), "{}", pass.len());
        assert!(matches!(
            serde_json::from_str(&pass),
            Ok(ToBrowser::Pass { .. })
        ));
        assert!(matches!(
            serde_json::from_str(r#"{"type":"position","position":3}"#),
            Ok(ToBrowser::Other)
        ));
        assert!(matches!(
            serde_json::from_str(r#"{"type":"queued","ticket":"t"}"#),
            Ok(ToBrowser::Queued {})
        ));
    }
}
