//! Encodes the arguments of the scripts as text.

use sha2::{Digest, Sha256};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, IdempotencyKey, NodeId, UserId},
    numbers::Numbers,
    presence::Presence,
    queue::QueueSettings,
    seats::{Hold, Reserve, SeatSnapshot, Settlement},
};

use super::invoke::Invocation;
use crate::{Action, ActionKind, OpenParams};

impl Invocation<'_> {
    pub(super) fn opening(self, opening: &OpenParams, now: Timestamp) -> Self {
        self.timestamp(now)
            .arg(opening.epoch.as_str())
            .arg(opening.sequence)
            .arg(opening.head)
            .timestamp(opening.release_from)
            .arg(format_runs(&opening.unserved.waiting))
            .arg(format_runs(&opening.unserved.unclaimed))
            .arg(opening.mark.as_deref().unwrap_or_default())
            .arg(
                opening
                    .awaited_nodes
                    .iter()
                    .map(NodeId::as_str)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
            .settings(&opening.settings)
    }

    /// In the order of `lib/settings.lua`; no message is no argument.
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

    pub(super) fn actions(self, actions: &[Action]) -> Self {
        actions.iter().fold(self, Self::action)
    }

    /// As `scripts/apply.lua` names them.
    fn action(self, action: &Action) -> Self {
        let user = action.user.as_str();
        match &action.kind {
            ActionKind::Join {
                presence,
                ticket: None,
            } => self.arg("j").arg(user).arg(presence_name(presence)),
            ActionKind::Join {
                presence,
                ticket: Some((epoch, number)),
            } => self
                .arg("t")
                .arg(user)
                .arg(presence_name(presence))
                .arg(epoch.as_str())
                .arg(exact_in_lua(*number)),
            ActionKind::Resume(presence) => self.arg("r").arg(user).arg(presence_name(presence)),
            ActionKind::Restore {
                presence,
                ticket: (epoch, number),
                told,
            } => {
                let call = self
                    .arg("b")
                    .arg(user)
                    .arg(presence_name(presence))
                    .arg(epoch.as_str())
                    .arg(exact_in_lua(*number));
                call.arg(exact_in_lua(told.unwrap_or_default()))
            }
            ActionKind::Detach(node) => self.arg("d").arg(user).arg(node.as_str()),
            ActionKind::Leave => self.arg("l").arg(user),
            ActionKind::Acknowledge(pass) => self.arg("a").arg(user).arg(pass.as_str()),
        }
    }

    pub(super) fn reservations(self, requests: &[Reserve]) -> Self {
        requests.iter().fold(self, Self::reserve)
    }

    fn reserve(self, request: &Reserve) -> Self {
        let (attempt, fingerprint) = match &request.idempotency {
            Some((key, fingerprint)) => (attempt_digest(&request.user, key), fingerprint.as_str()),
            None => (String::new(), ""),
        };

        self.arg(request.user.as_str())
            .arg(request.zone_id.to_string())
            .arg(request.quantity)
            .arg(request.pass_id.as_str())
            .arg(request.pass_epoch.as_str())
            .timestamp(request.pass_expires_at)
            .arg(request.booking_id.to_string())
            .timestamp(request.hold_expires_at)
            .arg(request.user_limit)
            .arg(attempt)
            .arg(fingerprint)
    }

    pub(super) fn settlements(self, settlements: &[(BookingId, Settlement)]) -> Self {
        settlements
            .iter()
            .fold(self, |call, (booking, settlement)| {
                call.arg(booking.to_string()).arg(match settlement {
                    Settlement::Committed => "c",
                    Settlement::Aborted => "a",
                    Settlement::Confirmed => "f",
                    Settlement::Released => "r",
                })
            })
    }

    pub(super) fn snapshot_part(self, kind: &str, rows: &[(String, String)]) -> Self {
        rows.iter().fold(self.arg(kind), |call, (name, value)| {
            call.arg(name).arg(value)
        })
    }
}

/// The rows of a snapshot with the kind of each, as `scripts/stage.lua` names them.
pub(super) fn snapshot_rows(snapshot: &SeatSnapshot) -> [(&'static str, Vec<(String, String)>); 3] {
    let zones = snapshot
        .zones
        .iter()
        .map(|zone| (zone.zone_id.to_string(), zone.available.to_string()));
    let users = snapshot
        .users
        .iter()
        .map(|(user, seats)| (user.to_string(), seats.to_string()));
    let holds = snapshot.holds.iter().map(hold_row);

    [
        ("z", zones.collect()),
        ("u", users.collect()),
        ("h", holds.collect()),
    ]
}

/// As `lib/earlier_numbers.lua` reads them.
fn format_runs(numbers: &Numbers) -> String {
    let runs: Vec<String> = numbers
        .runs()
        .map(|(first, last)| format!("{first}-{last}"))
        .collect();
    runs.join(" ")
}

/// A poll is no node's name.
fn presence_name(presence: &Presence) -> &str {
    match presence {
        Presence::Node(node) => node.as_str(),
        Presence::Poll => "",
    }
}

/// The name of an attempt in keys: never the client's own text.
fn attempt_digest(user: &UserId, key: &IdempotencyKey) -> String {
    let digest = Sha256::new()
        .chain_update(user.as_str())
        .chain_update([0])
        .chain_update(key.as_str())
        .finalize();
    let half = Uuid::from_slice(&digest[..16]).expect("sixteen bytes");
    half.simple().to_string()
}

/// The booking, and the hold as `lib/seats.lua` packs it; the attempt that made it is not known
/// any more.
fn hold_row(hold: &Hold) -> (String, String) {
    let Hold {
        booking_id,
        user,
        zone_id,
        quantity,
        expires_at,
        pass_id,
    } = hold;

    (
        booking_id.to_string(),
        format!(
            "{user}\t{zone_id}\t{quantity}\t{}\t{pass_id}\t",
            expires_at.millis()
        ),
    )
}

/// Lua's numbers are exact up to 2^53; no line has given out a number beyond it, whatever a ticket
/// says.
fn exact_in_lua(number: u64) -> u64 {
    number.min(1 << 53)
}
