//! What a push says, and its encryption for one browser (RFC 8291): the push service reads nothing
//! of it.

use serde::Serialize;
use sha2::{Digest, Sha256};
use waitingroom_domain::{clock::Timestamp, ids::EventId, push::PushSubscription};

/// A user's turn, with just what the page needs to say so.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Turn {
    pub(super) event_id: EventId,
    /// When the pass is revoked unless the user has come.
    pub(super) open_by: Timestamp,
}

/// The name under which a newer push of the event replaces one that was not delivered yet. The push
/// service cannot see the event in it: it does not know the browser's secret.
pub(super) fn topic(turn: &Turn, subscription: &PushSubscription) -> String {
    let digest = Sha256::new()
        .chain_update(subscription.auth())
        .chain_update(turn.event_id.to_string())
        .finalize();
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The message for this browser. Nothing if it cannot be encrypted.
pub(super) fn encrypt(turn: &Turn, subscription: &PushSubscription) -> Option<Vec<u8>> {
    let message = serde_json::to_vec(turn).ok()?;
    let (key, auth) = subscription.keys();
    web_push_native::encrypt(message, &key, &auth.into()).ok()
}
