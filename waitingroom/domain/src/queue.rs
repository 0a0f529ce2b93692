//! The queue of one event: its settings, a user's place in it, and what a change of it tells the
//! gateways.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    clock::Timestamp,
    ids::{Epoch, EventId, NodeId, PassId, UserId},
    rate::throttled_rate,
};

/// Numbers that may have been given out between what is remembered of a lost queue, about a second
/// old, and the loss.
pub const SEQUENCE_RESERVE: u64 = 1_000_000;

/// Where a sale stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    /// Announced; nobody may join yet.
    Scheduled,
    /// Joining and releasing.
    Open,
    /// Joining goes on, releasing stands still.
    Paused,
    /// Joining goes on (seats may come back), releasing stands still.
    SoldOut,
    /// Over: nobody may join, nobody is released.
    Closed,
}

impl SaleState {
    /// May someone new take a place?
    pub const fn accepts_joins(self) -> bool {
        matches!(self, Self::Open | Self::Paused | Self::SoldOut)
    }

    /// The state's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }
}

/// What an operator sets for one event's queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Where the sale stands.
    pub state: SaleState,
    /// Users released per second.
    pub rate_per_second: f64,
    /// Most users released at one moment after a pause in demand.
    pub burst: u32,
    /// Most passes that are issued and neither used nor expired.
    pub max_active: u32,
    /// Life of a pass.
    pub pass_ttl_seconds: u32,
    /// Time within which a pass must be acknowledged before it is taken back.
    pub claim_window_seconds: u32,
    /// Time that an absent user keeps a place.
    pub grace_seconds: u32,
    /// Most users in the queue.
    pub max_in_line: u64,
    /// A message to everyone in the queue.
    pub message: Option<String>,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            state: SaleState::Open,
            rate_per_second: 50.0,
            burst: 50,
            max_active: 1_000,
            pass_ttl_seconds: 300,
            claim_window_seconds: 30,
            grace_seconds: 300,
            max_in_line: 1_000_000,
            message: None,
        }
    }
}

/// A part of the settings to change; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuePatch {
    /// See [`QueueSettings::state`].
    pub state: Option<SaleState>,
    /// See [`QueueSettings::rate_per_second`]; 0 to 100,000.
    pub rate_per_second: Option<f64>,
    /// See [`QueueSettings::burst`]; 1 to 100,000.
    pub burst: Option<u32>,
    /// See [`QueueSettings::max_active`]; 1 to 1,000,000.
    pub max_active: Option<u32>,
    /// See [`QueueSettings::pass_ttl_seconds`]; 1 to 86,400.
    pub pass_ttl_seconds: Option<u32>,
    /// See [`QueueSettings::claim_window_seconds`]; 1 to 3,600.
    pub claim_window_seconds: Option<u32>,
    /// See [`QueueSettings::grace_seconds`]; 0 to 86,400.
    pub grace_seconds: Option<u32>,
    /// See [`QueueSettings::max_in_line`]; 1 to 10,000,000.
    pub max_in_line: Option<u64>,
    /// See [`QueueSettings::message`]; an empty text or `null` removes it, 500 characters at most.
    #[serde(default, deserialize_with = "text_or_none")]
    pub message: Option<String>,
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {range}")]
pub struct InvalidSetting {
    /// The setting's name on the wire.
    pub field: &'static str,
    /// What it may be.
    pub range: &'static str,
}

/// `null` removes a text, as in RFC 7396; what is left out stays.
fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer).map(|text: Option<String>| Some(text.unwrap_or_default()))
}

impl QueueSettings {
    /// These settings with the patch applied.
    ///
    /// # Errors
    /// The first setting outside its range; nothing is changed then.
    pub fn with(&self, patch: &QueuePatch) -> Result<Self, InvalidSetting> {
        patch.check()?;
        let message = match &patch.message {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text.clone()),
            None => self.message.clone(),
        };

        Ok(Self {
            state: patch.state.unwrap_or(self.state),
            rate_per_second: patch.rate_per_second.unwrap_or(self.rate_per_second),
            burst: patch.burst.unwrap_or(self.burst),
            max_active: patch.max_active.unwrap_or(self.max_active),
            pass_ttl_seconds: patch.pass_ttl_seconds.unwrap_or(self.pass_ttl_seconds),
            claim_window_seconds: patch
                .claim_window_seconds
                .unwrap_or(self.claim_window_seconds),
            grace_seconds: patch.grace_seconds.unwrap_or(self.grace_seconds),
            max_in_line: patch.max_in_line.unwrap_or(self.max_in_line),
            message,
        })
    }

    /// Life of a pass.
    pub fn pass_ttl(&self) -> Duration {
        Duration::from_secs(self.pass_ttl_seconds.into())
    }

    /// Time to acknowledge a pass.
    pub fn claim_window(&self) -> Duration {
        Duration::from_secs(self.claim_window_seconds.into())
    }

    /// Time an absent user keeps a place.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }
}

impl QueuePatch {
    fn check(&self) -> Result<(), InvalidSetting> {
        let rate = self.rate_per_second.unwrap_or(0.0);
        check(
            "rate_per_second",
            "a number from 0 to 100000",
            (0.0..=100_000.0).contains(&rate),
        )?;

        let within = |value: Option<u32>, from, to| value.is_none_or(|v| (from..=to).contains(&v));
        check("burst", "from 1 to 100000", within(self.burst, 1, 100_000))?;
        check(
            "max_active",
            "from 1 to 1000000",
            within(self.max_active, 1, 1_000_000),
        )?;
        check(
            "pass_ttl_seconds",
            "from 1 to 86400",
            within(self.pass_ttl_seconds, 1, 86_400),
        )?;
        check(
            "claim_window_seconds",
            "from 1 to 3600",
            within(self.claim_window_seconds, 1, 3_600),
        )?;
        check(
            "grace_seconds",
            "from 0 to 86400",
            within(self.grace_seconds, 0, 86_400),
        )?;

        let line = self
            .max_in_line
            .is_none_or(|v| (1..=10_000_000).contains(&v));
        check("max_in_line", "from 1 to 10000000", line)?;

        check(
            "message",
            "at most 500 printable characters",
            self.message.as_deref().is_none_or(is_message),
        )
    }
}

/// Lines may be broken; other control characters are nothing to read, and PostgreSQL takes no NUL.
fn is_message(text: &str) -> bool {
    let readable =
        |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    text.chars().count() <= 500 && text.chars().all(readable)
}

fn check(field: &'static str, range: &'static str, holds: bool) -> Result<(), InvalidSetting> {
    if holds {
        Ok(())
    } else {
        Err(InvalidSetting { field, range })
    }
}

/// A pass as the engine keeps it. Its token is a pure function of these values and the signing key,
/// so it is minted wherever it is delivered and never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which pass.
    pub pass_id: PassId,
    /// The number in the queue that it was given for.
    pub number: u64,
    /// The queue it was given in.
    pub epoch: Epoch,
    /// When it was released.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The position that a user was sent last, as far as the engine knows: after a loss of the
/// line, gateways say so. No worse position may be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastPosition {
    /// None that matters.
    #[default]
    NotSent,
    /// This position, or a greater one before it.
    Sent(u64),
    /// Gateways that may have sent one have not reported it yet: none may be sent.
    Unknown,
}

/// A user's place, as of one revision of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The user's number: order in the queue is the order of numbers.
    pub number: u64,
    /// The queue that the number belongs to.
    pub epoch: Epoch,
    /// Rank among all who hold a place: 1 for the next, 0 with a pass.
    pub position: u64,
    /// Everybody in the queue without a pass.
    pub total: u64,
    /// How many removals from the queue this position already counts; see [`Progress`].
    pub revision: u64,
    /// The pass, once released.
    pub grant: Option<Grant>,
    /// The queue is being rebuilt: `position` and `total` are bounds that the true ones do not
    /// exceed.
    pub counting: bool,
    /// The position that was sent last.
    pub last_position: LastPosition,
}

impl Place {
    /// With the position that the user was sent last, if any. While the queue is rebuilt, `position`
    /// is an upper bound. None may be sent while nodes are awaited, nor one that counts the numbers
    /// that a loss skips ([`SEQUENCE_RESERVE`]): hardly any of those was given out.
    #[must_use]
    pub fn after_loss(self, sent: Option<u64>, is_awaiting_nodes: bool) -> Self {
        let counts_skipped = self.counting && self.position >= SEQUENCE_RESERVE;
        let last_position = match sent {
            _ if self.grant.is_some() => LastPosition::NotSent,
            _ if self.counting && is_awaiting_nodes => LastPosition::Unknown,
            Some(position) => LastPosition::Sent(position),
            None if counts_skipped => LastPosition::Unknown,
            None => LastPosition::NotSent,
        };

        let total = if counts_skipped {
            sent.unwrap_or(self.total)
        } else {
            self.total
        };
        Self {
            last_position,
            total,
            ..self
        }
    }

    /// The position that was sent last, if it is known.
    pub fn last_sent_position(&self) -> Option<u64> {
        if let LastPosition::Sent(position) = self.last_position {
            Some(position)
        } else {
            None
        }
    }
}

/// What changed in one event's queue between two revisions: all that a gateway needs to project the
/// exact positions of its own users. The revision counts removals, so consecutive messages meet:
/// `to` of one is `from` of the next, and a gap shows that a message was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Whose line.
    pub event_id: EventId,
    /// Which incarnation of it.
    pub epoch: Epoch,
    /// Revision before.
    pub from: u64,
    /// Revision after: `from` + the length of `removed`.
    pub to: u64,
    /// Numbers that left the queue, in the order in which they left.
    pub removed: Vec<u64>,
    /// Everybody in the queue without a pass, after.
    pub total: u64,
    /// Passes issued and neither expired nor used for a hold that is committed.
    pub active: u64,
    /// Seats that can be reserved now.
    pub seats_left: u64,
    /// The settings in force. An open sale without seats and without holds that could give some
    /// back is [`SaleState::SoldOut`].
    pub settings: QueueSettings,
    /// The share of the configured rate at which the queue moves, 0 to 1; see [`crate::throttle`].
    #[serde(default = "whole")]
    pub share: f64,
    /// Passes released so far in this epoch; nothing if a worker of an earlier release says it.
    #[serde(default)]
    pub released: Option<u64>,
    /// Users in the queue who are not known to be absent, after; nothing if a worker of an earlier
    /// release says it.
    #[serde(default)]
    pub present: Option<u64>,
    /// Users in the queue whose number is not above the highest that was released: they were absent
    /// when it was their turn.
    #[serde(default)]
    pub passed_over: u64,
    /// The queue is being rebuilt: `total` counts those who are back.
    #[serde(default)]
    pub counting: bool,
    /// Have the seats been loaded? Before, `seats_left` says nothing.
    #[serde(default = "yes")]
    pub seats_known: bool,
}

impl Progress {
    /// Users released per second at the pace in force.
    pub fn rate_effective(&self) -> f64 {
        throttled_rate(self.settings.rate_per_second, self.share)
    }
}

fn whole() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// How a pass or a place ended without being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Not acknowledged in the claim window: revoked; the user keeps the number and is
    /// first again on return.
    Unclaimed,
    /// Its time was over: the place is gone.
    Expired,
    /// The user was away for longer than the grace period: the place is gone.
    Absent,
    /// The user gave it up.
    Left,
}

/// A payload about one user, and the nodes that may hold a connection of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed<T> {
    /// The user.
    pub user: UserId,
    /// Where to send it; empty for a user who polls.
    pub nodes: Vec<NodeId>,
    /// The payload.
    pub payload: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let before = QueueSettings::default();
        let patch = QueuePatch {
            rate_per_second: Some(5.0),
            ..QueuePatch::default()
        };
        let after = before.with(&patch).unwrap();

        assert_eq!(
            after,
            QueueSettings {
                rate_per_second: 5.0,
                ..before
            }
        );
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let bad = [
            (
                QueuePatch {
                    rate_per_second: Some(-1.0),
                    ..QueuePatch::default()
                },
                "rate_per_second",
            ),
            (
                QueuePatch {
                    rate_per_second: Some(f64::NAN),
                    ..QueuePatch::default()
                },
                "rate_per_second",
            ),
            (
                QueuePatch {
                    burst: Some(0),
                    ..QueuePatch::default()
                },
                "burst",
            ),
            (
                QueuePatch {
                    max_active: Some(0),
                    ..QueuePatch::default()
                },
                "max_active",
            ),
            (
                QueuePatch {
                    pass_ttl_seconds: Some(0),
                    ..QueuePatch::default()
                },
                "pass_ttl_seconds",
            ),
            (
                QueuePatch {
                    claim_window_seconds: Some(0),
                    ..QueuePatch::default()
                },
                "claim_window_seconds",
            ),
            (
                QueuePatch {
                    grace_seconds: Some(90_000),
                    ..QueuePatch::default()
                },
                "grace_seconds",
            ),
            (
                QueuePatch {
                    max_in_line: Some(0),
                    ..QueuePatch::default()
                },
                "max_in_line",
            ),
            (
                QueuePatch {
                    message: Some("x".repeat(501)),
                    ..QueuePatch::default()
                },
                "message",
            ),
            (
                QueuePatch {
                    message: Some("a\0b".into()),
                    ..QueuePatch::default()
                },
                "message",
            ),
        ];

        for (patch, field) in bad {
            assert_eq!(
                QueueSettings::default().with(&patch).unwrap_err().field,
                field
            );
        }

        let lines = QueuePatch {
            message: Some("Doors at eight.\r\n\tBe there.".into()),
            ..QueuePatch::default()
        };
        assert_eq!(
            QueueSettings::default().with(&lines).unwrap().message,
            lines.message
        );
    }
}
