//! A request for seats of one zone.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use uuid::Uuid;
use waitingroom_domain::ids::{EventId, IdempotencyKey, ShowId, UserId, ZoneId};

use crate::model::booking::Idempotency;

/// A request whose form is valid.
#[derive(Debug, Clone)]
pub(crate) struct ReserveRequest {
    pub(crate) user: UserId,
    pub(crate) event_id: EventId,
    pub(crate) show_id: ShowId,
    pub(crate) zone_id: ZoneId,
    pub(crate) quantity: u32,
    pub(crate) pass: Option<String>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) key_scope: KeyScope,
    /// The address of a guest, if it is known.
    pub(crate) guest_address: Option<IpAddr>,
}

/// Which requests an idempotency key covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyScope {
    /// Requests for the same seats.
    ExactRequest,
    /// Requests for any of the alternatives of one attempt.
    AnyAlternative,
}

impl ReserveRequest {
    /// A digest of the request: a key covers requests of one digest.
    fn fingerprint(&self) -> String {
        let covered = match self.key_scope {
            KeyScope::AnyAlternative => format!("{} any", self.event_id),
            KeyScope::ExactRequest => format!(
                "{} {} {} {}",
                self.event_id, self.show_id, self.zone_id, self.quantity
            ),
        };

        let digest = Sha256::digest(covered);
        let half = Uuid::from_slice(&digest[..16]).expect("sixteen bytes");
        half.simple().to_string()
    }

    /// The key with its digest; `None` if the client sent no key.
    pub(crate) fn idempotency(&self) -> Option<Idempotency> {
        self.key.clone().map(|key| Idempotency {
            key,
            fingerprint: self.fingerprint(),
        })
    }
}
