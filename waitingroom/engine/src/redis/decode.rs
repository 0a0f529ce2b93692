//! Turns the replies of the scripts into values of the domain.

use waitingroom_domain::{
    ids::{Epoch, EventId, UserId},
    numbers::Numbers,
    queue::{Grant, LastPosition, Place, Progress, Removal, Routed},
    seats::{ReserveOutcome, StaleHold, Tally, ZoneSeats, ZoneTally},
};

use super::protocol::{
    ActionCode, AppliedReply, CountedUsersReply, FrozenCode, GrantReply, PassReply, PlaceReply,
    PushRecipientReply, RebuildingCode, RecoveryPointReply, ReleaseReply, RemovalCode,
    RemovalReply, Reply, ReplyValue, ReserveCode, Run, StaleHoldReply, StatusReply, TallyReply,
    malformed_reply,
};
use crate::{
    Action, ActionKind, ActionResult, EngineError, Frozen, JoinOutcome, MAX_UNSERVED_RUNS,
    PushRecipient, QueueStatus, RecoveryPoint, Released, UnservedNumbers,
};

pub(super) fn events(members: &[String]) -> Result<Vec<EventId>, EngineError> {
    members
        .iter()
        .map(|member| member.parse().map_err(|_| malformed_reply()))
        .collect()
}

pub(super) fn status(reply: Reply) -> Result<QueueStatus, EngineError> {
    let status: StatusReply = reply.value()?;
    Ok(QueueStatus {
        settings: status.settings,
        share: status.share,
        epoch: status.epoch,
        sequence: status.sequence,
        head: status.head,
        total: status.total,
        active: status.active,
        seats_left: status.seats_left,
        absent: status.absent,
        counters: status.counters,
        counting: status.is_rebuilding,
        seats_known: status.seats_known,
        frozen: match status.frozen {
            FrozenCode::No => None,
            FrozenCode::Here => Some(Frozen::Here),
            FrozenCode::HandedOver => Some(Frozen::HandedOver),
        },
    })
}

pub(super) fn recovery_point(reply: Reply) -> Result<RecoveryPoint, EngineError> {
    let point: RecoveryPointReply = reply.value()?;
    let head = point.head;
    let mut unserved = UnservedNumbers {
        waiting: numbers(&point.waiting, head),
        unclaimed: numbers(&point.unclaimed, head),
    };

    for number in point.undelivered {
        unserved.unclaimed.insert(number);
    }

    add_runs(
        &mut unserved.waiting,
        &point.earlier_waiting,
        point.more_earlier_waiting,
        head,
    );
    add_runs(
        &mut unserved.unclaimed,
        &point.earlier_unclaimed,
        point.more_earlier_unclaimed,
        head,
    );

    if !point.all_undelivered {
        unserved.unclaimed = Numbers::run(1, head);
    }

    Ok(RecoveryPoint {
        sequence: point.sequence,
        head,
        unserved: unserved.limit_runs(MAX_UNSERVED_RUNS, head),
    })
}

/// In their order; if there are more than so many, all that follow up to the head count.
fn numbers(listed: &[u64], head: u64) -> Numbers {
    let mut numbers: Numbers = listed.iter().copied().collect();
    if let Some(last) = listed.last().filter(|_| listed.len() > MAX_UNSERVED_RUNS) {
        numbers.insert_run(*last, head);
    }
    numbers
}

/// The same for runs.
fn add_runs(numbers: &mut Numbers, runs: &[Run], has_more: bool, head: u64) {
    for Run(first, last) in runs {
        numbers.insert_run(*first, (*last).min(head));
    }
    if has_more {
        numbers.insert_run(runs.last().map_or(1, |Run(first, _)| *first), head);
    }
}

pub(super) fn action_results(
    mut reply: Reply,
    actions: &[Action],
) -> Result<Vec<ActionResult>, EngineError> {
    let applied = AppliedReply::read(&mut reply)?;
    actions
        .iter()
        .map(|action| action_result(&mut reply, &applied, action))
        .collect()
}

fn action_result(
    reply: &mut Reply,
    applied: &AppliedReply,
    action: &Action,
) -> Result<ActionResult, EngineError> {
    let is_join = matches!(action.kind, ActionKind::Join { .. });
    Ok(match ActionCode::read(reply)? {
        ActionCode::No => match action.kind {
            ActionKind::Resume(_) | ActionKind::Restore { .. } => ActionResult::Found(None),
            ActionKind::Leave => ActionResult::Left(None),
            _ => ActionResult::Done(false),
        },
        ActionCode::Done => ActionResult::Done(true),
        ActionCode::Joined(it) if is_join => {
            ActionResult::Joined(JoinOutcome::Joined(place(reply, applied, &it)?))
        }
        ActionCode::Found(it) if is_join => {
            ActionResult::Joined(JoinOutcome::Same(place(reply, applied, &it)?))
        }
        ActionCode::Joined(it) | ActionCode::Found(it) => {
            ActionResult::Found(Some(place(reply, applied, &it)?))
        }
        ActionCode::NotOpen(state) => ActionResult::Joined(JoinOutcome::NotOpen(state)),
        ActionCode::LineFull => ActionResult::Joined(JoinOutcome::Full),
        ActionCode::Left(nodes) => ActionResult::Left(Some(nodes.0)),
        ActionCode::Deciding => ActionResult::Deciding,
        ActionCode::NoMemory => ActionResult::Full,
        ActionCode::Rebuilding => ActionResult::Recovering,
    })
}

/// The place, with its pass if the reply goes on with one.
fn place(
    reply: &mut Reply,
    applied: &AppliedReply,
    place: &PlaceReply,
) -> Result<Place, EngineError> {
    let grant = match place.has_pass {
        true => Some(grant_of(
            PassReply::read(reply)?,
            place.number,
            &applied.epoch,
        )),
        false => None,
    };
    let (is_rebuilding, is_awaiting_nodes) = match applied.rebuilding {
        RebuildingCode::No => (false, false),
        RebuildingCode::MaxRanks => (true, false),
        RebuildingCode::AwaitingNodes => (true, true),
    };

    let last_position = Some(place.last_position).filter(|position| *position > 0);
    let place = Place {
        number: place.number,
        epoch: applied.epoch.clone(),
        position: place.position,
        total: place.total,
        revision: place.revision,
        counting: is_rebuilding && grant.is_none(),
        grant,
        last_position: LastPosition::NotSent,
    };
    Ok(place.after_loss(last_position, is_awaiting_nodes))
}

fn grant_of(pass: PassReply, number: u64, epoch: &Epoch) -> Grant {
    Grant {
        pass_id: pass.pass,
        number,
        epoch: epoch.clone(),
        issued_at: pass.issued,
        expires_at: pass.expires,
    }
}

pub(super) fn released(event_id: EventId, reply: Reply) -> Result<Released, EngineError> {
    let reply: ReleaseReply = reply.value()?;
    let epoch = reply.epoch;
    let grants = |grants: Vec<GrantReply>| {
        grants
            .into_iter()
            .map(|grant| routed_grant(grant, &epoch))
            .collect()
    };

    Ok(Released {
        granted: grants(reply.granted),
        unacknowledged: grants(reply.unacknowledged),
        pushes: reply.pushes.into_iter().map(push_recipient).collect(),
        removals: reply.removals.into_iter().map(routed_removal).collect(),
        progress: Progress {
            event_id,
            from: reply.from,
            to: reply.from + reply.removed.len() as u64,
            removed: reply.removed,
            total: reply.total,
            active: reply.active,
            seats_left: reply.seats_left,
            settings: reply.settings,
            share: reply.share,
            released: Some(reply.released),
            present: Some(reply.present),
            passed_over: reply.passed_over,
            counting: reply.is_rebuilding,
            seats_known: reply.seats_known,
            epoch,
        },
    })
}

fn push_recipient(recipient: PushRecipientReply) -> PushRecipient {
    PushRecipient {
        user: recipient.user,
        subscriptions: recipient.subscriptions.0,
    }
}

fn routed_grant(grant: GrantReply, epoch: &Epoch) -> Routed<Grant> {
    Routed {
        user: grant.user,
        nodes: grant.nodes.0,
        payload: Grant {
            pass_id: grant.pass,
            number: grant.number,
            epoch: epoch.clone(),
            issued_at: grant.issued,
            expires_at: grant.expires,
        },
    }
}

fn routed_removal(removal: RemovalReply) -> Routed<Removal> {
    Routed {
        user: removal.user,
        nodes: removal.nodes.0,
        payload: match removal.removal {
            RemovalCode::Unclaimed => Removal::Unclaimed,
            RemovalCode::Expired => Removal::Expired,
            RemovalCode::Absent => Removal::Absent,
        },
    }
}

pub(super) fn reserved(reply: Reply) -> Result<Vec<ReserveOutcome>, EngineError> {
    let codes: Vec<ReserveCode> = reply.all()?;
    let outcomes = codes.into_iter().map(|code| match code {
        ReserveCode::Held => ReserveOutcome::Held,
        ReserveCode::Replayed(booking) => ReserveOutcome::Replayed(booking),
        ReserveCode::Mismatch => ReserveOutcome::Mismatch,
        ReserveCode::PassUsed(booking) => ReserveOutcome::PassUsed(booking),
        ReserveCode::PassExpired => ReserveOutcome::PassExpired,
        ReserveCode::PassRevoked => ReserveOutcome::PassRevoked,
        ReserveCode::UnknownZone => ReserveOutcome::UnknownZone,
        ReserveCode::UserLimit(seats) => ReserveOutcome::UserLimit(seats),
        ReserveCode::Insufficient(seats) => ReserveOutcome::Insufficient(seats),
        ReserveCode::Syncing => ReserveOutcome::Syncing,
    });
    Ok(outcomes.collect())
}

pub(super) fn stale_holds(reply: Reply) -> Result<Vec<StaleHold>, EngineError> {
    let holds: Vec<StaleHoldReply> = reply.all()?;
    let holds = holds.into_iter().map(|hold| StaleHold {
        booking_id: hold.booking,
        pending: hold.pending,
    });
    Ok(holds.collect())
}

/// Zone and available seats in turn, as Redis lists a hash.
pub(super) fn seats(reply: Reply) -> Result<Vec<ZoneSeats>, EngineError> {
    let mut zones: Vec<ZoneSeats> = reply
        .all()?
        .into_iter()
        .map(|(zone_id, available)| ZoneSeats { zone_id, available })
        .collect();
    zones.sort_unstable();
    Ok(zones)
}

pub(super) fn tally(reply: Reply) -> Result<Tally, EngineError> {
    let tally: TallyReply = reply.value()?;
    let zones = tally.zones.into_iter().map(|zone| ZoneTally {
        zone_id: zone.zone,
        available: zone.available,
        pending: zone.pending,
    });
    let mut zones: Vec<_> = zones.collect();
    zones.sort_unstable();

    Ok(Tally {
        zones,
        users: tally.users,
        pending: tally.pending,
    })
}

pub(super) fn counted_users(reply: Reply) -> Result<(Vec<UserId>, String), EngineError> {
    let page: CountedUsersReply = reply.value()?;
    let next = if page.next == "0" {
        String::new()
    } else {
        page.next
    };
    Ok((page.users, next))
}
