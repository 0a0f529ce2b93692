//! Turns values of the domain into the arguments of the scripts.

use sha2::{Digest, Sha256};
use uuid::Uuid;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, IdempotencyKey, UserId},
    seats::{Hold, Reserve, SeatSnapshot, Settlement},
};

use super::protocol::{
    ActionArgument, OpenArguments, PackedHold, PackedSubscription, Part, ReservationArgument,
    SettlementArgument, SettlementCode,
};
use crate::{Action, ActionKind, OpenParams};

pub(super) fn opening(opening: &OpenParams, now: Timestamp) -> OpenArguments<'_> {
    OpenArguments {
        now,
        epoch: &opening.epoch,
        sequence: opening.sequence,
        head: opening.head,
        release_from: opening.release_from,
        waiting: &opening.unserved.waiting,
        unclaimed: &opening.unserved.unclaimed,
        mark: opening.mark.as_deref().unwrap_or_default(),
        awaited_nodes: &opening.awaited_nodes,
    }
}

pub(super) fn action(action: &Action) -> ActionArgument<'_> {
    let user = &action.user;
    match &action.kind {
        ActionKind::Join {
            presence: node,
            ticket: None,
        } => ActionArgument::Join { user, node },
        ActionKind::Join {
            presence: node,
            ticket: Some((epoch, number)),
        } => ActionArgument::JoinWithTicket {
            user,
            node,
            epoch,
            number: *number,
        },
        ActionKind::Resume(node) => ActionArgument::Resume { user, node },
        ActionKind::Restore {
            presence: node,
            ticket: (epoch, number),
            told,
        } => ActionArgument::Restore {
            user,
            node,
            epoch,
            number: *number,
            position: told.unwrap_or_default(),
        },
        ActionKind::Detach(node) => ActionArgument::Detach { user, node },
        ActionKind::Leave => ActionArgument::Leave { user },
        ActionKind::Acknowledge(pass) => ActionArgument::Acknowledge { user, pass },
        ActionKind::Subscribe(subscription) => ActionArgument::Subscribe {
            user,
            endpoint: subscription.endpoint(),
            subscription: PackedSubscription {
                endpoint: subscription.endpoint(),
                p256dh: subscription.p256dh(),
                auth: subscription.auth(),
            }
            .pack(),
        },
        ActionKind::Unsubscribe(endpoint) => ActionArgument::Unsubscribe {
            user,
            endpoint: endpoint.as_deref().unwrap_or_default(),
        },
    }
}

pub(super) fn reservation(request: &Reserve) -> ReservationArgument<'_> {
    let (attempt, fingerprint) = match &request.idempotency {
        Some((key, fingerprint)) => (attempt_digest(&request.user, key), fingerprint.as_str()),
        None => (String::new(), ""),
    };

    ReservationArgument {
        user: &request.user,
        zone: request.zone_id,
        quantity: request.quantity,
        pass: &request.pass_id,
        pass_epoch: &request.pass_epoch,
        pass_expires: request.pass_expires_at,
        booking: request.booking_id,
        expires: request.hold_expires_at,
        limit: request.user_limit,
        attempt,
        fingerprint,
    }
}

pub(super) fn settlement(settlement: &(BookingId, Settlement)) -> SettlementArgument {
    SettlementArgument {
        booking: settlement.0,
        settlement: match settlement.1 {
            Settlement::Committed => SettlementCode::Committed,
            Settlement::Aborted => SettlementCode::Aborted,
            Settlement::Confirmed => SettlementCode::Confirmed,
            Settlement::Released => SettlementCode::Released,
        },
    }
}

/// The rows of a snapshot by the part that they belong to.
pub(super) fn snapshot_rows(snapshot: &SeatSnapshot) -> [(Part, Vec<(String, String)>); 3] {
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
        (Part::Zones, zones.collect()),
        (Part::Users, users.collect()),
        (Part::Holds, holds.collect()),
    ]
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

/// The booking, and the hold as it is stored; the attempt that made it is not known any more.
fn hold_row(hold: &Hold) -> (String, String) {
    let packed = PackedHold {
        user: &hold.user,
        zone: hold.zone_id,
        quantity: hold.quantity,
        expires: hold.expires_at,
        pass: &hold.pass_id,
        attempt: "",
    };
    (hold.booking_id.to_string(), packed.pack())
}
