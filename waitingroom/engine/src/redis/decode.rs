//! Decodes the replies of the scripts, value by value in the order in which the scripts write them.

use std::{str::FromStr, vec::IntoIter};

use redis::Value;
use waitingroom_domain::{
    clock::Timestamp,
    ids::{BookingId, Epoch, EventId, NodeId, UserId, ZoneId},
    numbers::Numbers,
    queue::{Grant, LastPosition, Place, Progress, QueueSettings, Removal, Routed, SaleState},
    seats::{ReserveOutcome, StaleHold, Tally, ZoneSeats, ZoneTally},
};

use crate::{
    Action, ActionKind, ActionResult, Counters, EngineError, Frozen, JoinOutcome,
    MAX_UNSERVED_RUNS, QueueStatus, RecoveryPoint, Released, UnservedNumbers,
};

/// Is the queue being rebuilt?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rebuilding {
    No,
    /// Positions are upper bounds.
    MaxRanks,
    /// No position may be sent: gateways have not confirmed yet which they sent.
    AwaitingNodes,
}

/// The values of an answer that are not read yet.
pub(super) struct Reply(IntoIter<Value>);

impl From<Value> for Reply {
    /// A single value is a list of one.
    fn from(value: Value) -> Self {
        match value {
            Value::Array(values) => Self(values.into_iter()),
            value => Self(vec![value].into_iter()),
        }
    }
}

impl Reply {
    fn next(&mut self) -> Result<Value, EngineError> {
        self.0.next().ok_or_else(malformed_reply)
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    fn list(&mut self) -> Result<Self, EngineError> {
        self.next().map(Self::from)
    }

    fn text(&mut self) -> Result<String, EngineError> {
        match self.next()? {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| malformed_reply()),
            Value::Int(number) => Ok(number.to_string()),
            _ => Err(malformed_reply()),
        }
    }

    fn parsed<T: FromStr>(&mut self) -> Result<T, EngineError> {
        let text = match self.next()? {
            Value::BulkString(bytes) => return parsed(&bytes),
            Value::Int(number) => number.to_string(),
            _ => return Err(malformed_reply()),
        };
        parsed(text.as_bytes())
    }

    fn flag(&mut self) -> Result<bool, EngineError> {
        Ok(self.parsed::<u8>()? == 1)
    }

    fn timestamp(&mut self) -> Result<Timestamp, EngineError> {
        self.parsed().map(Timestamp::from_millis)
    }

    /// Reads until the values are over.
    fn all<T>(
        mut self,
        read: impl Fn(&mut Self) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        let mut items = Vec::new();
        while !self.is_empty() {
            items.push(read(&mut self)?);
        }
        Ok(items)
    }

    fn settings(&mut self) -> Result<QueueSettings, EngineError> {
        let mut values = self.list()?;
        Ok(QueueSettings {
            state: sale_state(&values.text()?)?,
            rate_per_second: values.parsed()?,
            burst: values.parsed()?,
            max_active: values.parsed()?,
            pass_ttl_seconds: values.parsed()?,
            claim_window_seconds: values.parsed()?,
            grace_seconds: values.parsed()?,
            max_in_line: values.parsed()?,
            message: optional_text(values.next()?)?,
        })
    }

    fn place(&mut self, epoch: &Epoch, rebuilding: Rebuilding) -> Result<Place, EngineError> {
        let number = self.parsed()?;
        let (position, total, revision) = (self.parsed()?, self.parsed()?, self.parsed()?);
        let told: u64 = self.parsed()?;
        let pass = self.text()?;
        let grant = match pass.is_empty() {
            true => None,
            false => {
                let pass_id = pass.parse().map_err(|_| malformed_reply())?;
                let (issued_at, expires_at) = (self.timestamp()?, self.timestamp()?);
                Some(Grant {
                    pass_id,
                    number,
                    epoch: epoch.clone(),
                    issued_at,
                    expires_at,
                })
            }
        };

        let place = Place {
            number,
            epoch: epoch.clone(),
            position,
            total,
            revision,
            counting: rebuilding != Rebuilding::No && grant.is_none(),
            grant,
            last_position: LastPosition::NotSent,
        };
        let sent = (told > 0).then_some(told);
        Ok(place.after_loss(sent, rebuilding == Rebuilding::AwaitingNodes))
    }

    /// The result of one action, as `scripts/apply.lua` writes it.
    fn action_result(
        &mut self,
        epoch: &Epoch,
        rebuilding: Rebuilding,
        action: &Action,
    ) -> Result<ActionResult, EngineError> {
        let joins = matches!(action.kind, ActionKind::Join { .. });
        Ok(match self.parsed::<u8>()? {
            0 => match action.kind {
                ActionKind::Resume(_) | ActionKind::Restore { .. } => ActionResult::Found(None),
                ActionKind::Leave => ActionResult::Left(None),
                _ => ActionResult::Done(false),
            },
            1 => ActionResult::Done(true),
            2 if joins => ActionResult::Joined(JoinOutcome::Joined(self.place(epoch, rebuilding)?)),
            3 if joins => ActionResult::Joined(JoinOutcome::Same(self.place(epoch, rebuilding)?)),
            2 | 3 => ActionResult::Found(Some(self.place(epoch, rebuilding)?)),
            4 => ActionResult::Joined(JoinOutcome::NotOpen(sale_state(&self.text()?)?)),
            5 => ActionResult::Joined(JoinOutcome::Full),
            6 => ActionResult::Left(Some(self.nodes()?)),
            7 => ActionResult::Deciding,
            8 => ActionResult::Full,
            9 => ActionResult::Recovering,
            _ => return Err(malformed_reply()),
        })
    }

    fn counters(&mut self) -> Result<Counters, EngineError> {
        Ok(Counters {
            joined: self.parsed()?,
            released: self.parsed()?,
            unclaimed: self.parsed()?,
            expired: self.parsed()?,
            dropped: self.parsed()?,
            left: self.parsed()?,
        })
    }

    /// In their order; where there are more than so many, all that follow up to the head count.
    fn numbers(&mut self, head: u64) -> Result<Numbers, EngineError> {
        let listed: Vec<u64> = self.list()?.all(Self::parsed)?;
        let mut numbers: Numbers = listed.iter().copied().collect();
        if let Some(last) = listed.last().filter(|_| listed.len() > MAX_UNSERVED_RUNS) {
            numbers.insert_run(*last, head);
        }
        Ok(numbers)
    }

    fn run(&mut self) -> Result<(u64, u64), EngineError> {
        let packed = self.text()?;
        let (first, last) = packed.split_once('-').ok_or_else(malformed_reply)?;
        Ok((parsed(first.as_bytes())?, parsed(last.as_bytes())?))
    }

    fn nodes(&mut self) -> Result<Vec<NodeId>, EngineError> {
        let names = self.text()?;
        names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| name.parse().map_err(|_| malformed_reply()))
            .collect()
    }

    fn grant(&mut self, epoch: &Epoch) -> Result<Routed<Grant>, EngineError> {
        let (user, nodes, pass_id): (UserId, _, _) =
            (self.parsed()?, self.nodes()?, self.parsed()?);
        let (number, issued_at, expires_at) =
            (self.parsed()?, self.timestamp()?, self.timestamp()?);

        Ok(Routed {
            user,
            nodes,
            payload: Grant {
                pass_id,
                number,
                epoch: epoch.clone(),
                issued_at,
                expires_at,
            },
        })
    }

    fn removal(&mut self) -> Result<Routed<Removal>, EngineError> {
        let (user, nodes) = (self.parsed()?, self.nodes()?);
        let removal = match self.text()?.as_str() {
            "unclaimed" => Removal::Unclaimed,
            "expired" => Removal::Expired,
            "absent" => Removal::Absent,
            _ => return Err(malformed_reply()),
        };

        Ok(Routed {
            user,
            nodes,
            payload: removal,
        })
    }
}

pub(super) fn epoch(mut reply: Reply) -> Result<Epoch, EngineError> {
    reply.parsed()
}

pub(super) fn count(mut reply: Reply) -> Result<u64, EngineError> {
    reply.parsed()
}

pub(super) fn flag(mut reply: Reply) -> Result<bool, EngineError> {
    reply.flag()
}

pub(super) fn events(members: &[String]) -> Result<Vec<EventId>, EngineError> {
    members
        .iter()
        .map(|member| member.parse().map_err(|_| malformed_reply()))
        .collect()
}

pub(super) fn status(mut reply: Reply) -> Result<QueueStatus, EngineError> {
    Ok(QueueStatus {
        settings: reply.settings()?,
        share: reply.parsed()?,
        epoch: reply.parsed()?,
        sequence: reply.parsed()?,
        head: reply.parsed()?,
        total: reply.parsed()?,
        active: reply.parsed()?,
        seats_left: reply.parsed()?,
        absent: reply.parsed()?,
        counters: reply.counters()?,
        counting: reply.flag()?,
        seats_known: reply.flag()?,
        frozen: match reply.parsed::<u8>()? {
            0 => None,
            1 => Some(Frozen::Here),
            _ => Some(Frozen::HandedOver),
        },
    })
}

pub(super) fn recovery_point(mut reply: Reply) -> Result<RecoveryPoint, EngineError> {
    let (sequence, head) = (reply.parsed()?, reply.parsed()?);
    let mut unserved = UnservedNumbers {
        waiting: reply.numbers(head)?,
        unclaimed: reply.numbers(head)?,
    };
    let undelivered: Vec<u64> = reply.list()?.all(Reply::parsed)?;
    let all_undelivered = reply.flag()?;

    undelivered
        .into_iter()
        .for_each(|number| unserved.unclaimed.insert(number));

    for numbers in [&mut unserved.waiting, &mut unserved.unclaimed] {
        let runs = reply.list()?.all(Reply::run)?;
        runs.iter()
            .for_each(|(first, last)| numbers.insert_run(*first, (*last).min(head)));
        let (has_more, last) = (reply.flag()?, runs.last().map_or(1, |(first, _)| *first));
        if has_more {
            numbers.insert_run(last, head);
        }
    }

    if !all_undelivered {
        unserved.unclaimed = Numbers::run(1, head);
    }

    Ok(RecoveryPoint {
        sequence,
        head,
        unserved: unserved.limit_runs(MAX_UNSERVED_RUNS, head),
    })
}

pub(super) fn action_results(
    mut reply: Reply,
    actions: &[Action],
) -> Result<Vec<ActionResult>, EngineError> {
    let epoch = reply.parsed::<Epoch>()?;
    let rebuilding = match reply.parsed::<u8>()? {
        0 => Rebuilding::No,
        1 => Rebuilding::MaxRanks,
        _ => Rebuilding::AwaitingNodes,
    };

    actions
        .iter()
        .map(|action| reply.action_result(&epoch, rebuilding, action))
        .collect()
}

pub(super) fn released(event_id: EventId, mut reply: Reply) -> Result<Released, EngineError> {
    let epoch: Epoch = reply.parsed()?;
    let granted = reply.list()?.all(|values| values.grant(&epoch))?;
    let unacknowledged = reply.list()?.all(|values| values.grant(&epoch))?;
    let removals = reply.list()?.all(Reply::removal)?;
    let from: u64 = reply.parsed()?;
    let removed = reply.list()?.all(Reply::parsed)?;
    let progress = Progress {
        event_id,
        epoch,
        from,
        to: from + removed.len() as u64,
        removed,
        total: reply.parsed()?,
        active: reply.parsed()?,
        seats_left: reply.parsed()?,
        settings: reply.settings()?,
        share: reply.parsed()?,
        released: Some(reply.parsed()?),
        present: Some(reply.parsed()?),
        passed_over: reply.parsed()?,
        counting: reply.flag()?,
        seats_known: reply.flag()?,
    };

    Ok(Released {
        granted,
        unacknowledged,
        removals,
        progress,
    })
}

pub(super) fn reserved(reply: Reply) -> Result<Vec<ReserveOutcome>, EngineError> {
    reply.all(|values| {
        let (outcome, value) = (values.text()?, values.text()?);
        let seats = || value.parse().map_err(|_| malformed_reply());
        Ok(match outcome.as_str() {
            "held" => ReserveOutcome::Held,
            "replayed" => ReserveOutcome::Replayed(value.parse().map_err(|_| malformed_reply())?),
            "mismatch" => ReserveOutcome::Mismatch,
            "pass_used" => ReserveOutcome::PassUsed(value.parse().map_err(|_| malformed_reply())?),
            "pass_expired" => ReserveOutcome::PassExpired,
            "pass_revoked" => ReserveOutcome::PassRevoked,
            "unknown_zone" => ReserveOutcome::UnknownZone,
            "user_limit" => ReserveOutcome::UserLimit(seats()?),
            "insufficient" => ReserveOutcome::Insufficient(seats()?),
            "syncing" => ReserveOutcome::Syncing,
            _ => return Err(malformed_reply()),
        })
    })
}

pub(super) fn stale_holds(reply: Reply) -> Result<Vec<StaleHold>, EngineError> {
    reply.all(|values| {
        let booking_id: BookingId = values.parsed()?;
        Ok(StaleHold {
            booking_id,
            pending: values.text()? == "1",
        })
    })
}

pub(super) fn seats(reply: Reply) -> Result<Vec<ZoneSeats>, EngineError> {
    let mut zones = reply.all(|values| {
        let zone_id: ZoneId = values.parsed()?;
        Ok(ZoneSeats {
            zone_id,
            available: values.parsed()?,
        })
    })?;
    zones.sort_unstable();
    Ok(zones)
}

pub(super) fn tally(mut reply: Reply) -> Result<Tally, EngineError> {
    let mut zones = reply.list()?.all(|values| {
        Ok(ZoneTally {
            zone_id: values.parsed()?,
            available: values.parsed()?,
            pending: values.parsed()?,
        })
    })?;
    zones.sort_unstable();

    Ok(Tally {
        zones,
        users: reply.list()?.all(Reply::parsed)?,
        pending: reply.list()?.all(Reply::parsed)?,
    })
}

pub(super) fn counted_users(mut reply: Reply) -> Result<(Vec<UserId>, String), EngineError> {
    let next = reply.text()?;
    let next = if next == "0" { String::new() } else { next };
    Ok((reply.list()?.all(Reply::parsed)?, next))
}

fn sale_state(name: &str) -> Result<SaleState, EngineError> {
    use SaleState::{Closed, Open, Paused, Scheduled, SoldOut};
    let states = [Scheduled, Open, Paused, SoldOut, Closed];
    states
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(malformed_reply)
}

fn parsed<T: FromStr>(text: &[u8]) -> Result<T, EngineError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(malformed_reply)
}

/// An empty list stands for nothing: a missing value would end the list around it.
fn optional_text(value: Value) -> Result<Option<String>, EngineError> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| malformed_reply()),
        Value::Array(values) if values.is_empty() => Ok(None),
        _ => Err(malformed_reply()),
    }
}

fn malformed_reply() -> EngineError {
    EngineError::Unavailable("Redis answered something that is not a step's answer".to_owned())
}
