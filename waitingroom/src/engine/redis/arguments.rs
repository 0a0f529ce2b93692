//! What the steps are told, as text: the forms that the scripts read.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::call::Call;
use crate::{
    absence::Presence,
    clock::Timestamp,
    engine::Opening,
    ids::{BookingId, Epoch, IdempotencyKey, UserId},
    line::QueueSettings,
    seats::{Hold, Reserve, SeatSnapshot, Settlement},
};

impl Call<'_> {
    pub(super) fn opening(self, opening: &Opening, now: Timestamp) -> Self {
        self.at(now)
            .arg(opening.epoch.as_str())
            .arg(opening.sequence)
            .arg(opening.head)
            .at(opening.release_from)
            .settings(&opening.settings)
    }

    /// In the order of `state/settings.lua`; no message is no argument.
    pub(super) fn settings(self, settings: &QueueSettings) -> Self {
        self.arg(settings.state.as_str())
            .arg(settings.rate_per_second)
            .arg(settings.burst)
            .arg(settings.max_active)
            .arg(settings.pass_ttl_seconds)
            .arg(settings.claim_window_seconds)
            .arg(settings.grace_seconds)
            .arg(settings.max_in_line)
            .arg(settings.message.as_deref())
    }

    pub(super) fn presence(self, presence: &Presence) -> Self {
        match presence {
            Presence::Node(node) => self.arg(node.as_str()),
            Presence::Poll => self.arg(""),
        }
    }

    pub(super) fn ticket(self, ticket: Option<&(Epoch, u64)>) -> Self {
        match ticket {
            Some((epoch, number)) => self.arg(epoch.as_str()).arg(number),
            None => self.arg("").arg(""),
        }
    }

    pub(super) fn reserve(self, request: &Reserve) -> Self {
        let (attempt, fingerprint) = match &request.idempotency {
            Some((key, fingerprint)) => (attempt_digest(&request.user, key), fingerprint.as_str()),
            None => (String::new(), ""),
        };
        self.arg(request.user.as_str())
            .arg(request.zone_id.to_string())
            .arg(request.quantity)
            .arg(request.pass_id.as_str())
            .arg(request.pass_epoch.as_str())
            .at(request.pass_expires_at)
            .arg(request.booking_id.to_string())
            .at(request.hold_expires_at)
            .arg(request.user_limit)
            .arg(attempt)
            .arg(fingerprint)
    }

    pub(super) fn settlements(self, settlements: &[(BookingId, Settlement)]) -> Self {
        settlements.iter().fold(self, |call, (booking, settlement)| {
            call.arg(booking.to_string()).arg(match settlement {
                Settlement::Committed => "c",
                Settlement::Aborted => "a",
                Settlement::Confirmed => "f",
                Settlement::Released => "r",
            })
        })
    }

    pub(super) fn snapshot(self, snapshot: &SeatSnapshot) -> Self {
        let zones = snapshot.zones.iter().map(|zone| format!("{}\t{}", zone.zone_id, zone.available));
        let users = snapshot.users.iter().map(|(user, seats)| format!("{user}\t{seats}"));
        let holds = snapshot.holds.iter().map(hold_line);
        self.arg(lines(zones)).arg(lines(users)).arg(lines(holds))
    }
}

/// The name of an attempt in keys: never the client's own text.
fn attempt_digest(user: &UserId, key: &IdempotencyKey) -> String {
    let digest = Sha256::new().chain_update(user.as_str()).chain_update([0]).chain_update(key.as_str()).finalize();
    digest.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

/// The booking, and the hold as `state/seats.lua` packs it; the attempt that made it is not known any more.
fn hold_line(hold: &Hold) -> String {
    let Hold { booking_id, user, zone_id, quantity, expires_at, pass_id } = hold;
    format!("{booking_id}\t{user}\t{zone_id}\t{quantity}\t{}\t{pass_id}\t", expires_at.millis())
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |mut text, line| {
        text.push_str(&line);
        text.push('\n');
        text
    })
}
