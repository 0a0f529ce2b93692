//! Nobody who was present loses the place: another number needs a reason that the client saw, and
//! that the documents name.

use std::collections::BTreeMap;

use super::some;
use crate::{
    finding::{Finding, Rule, Weight},
    history::History,
    world::{Fault, Record, Seen, World},
};

/// A number that changes this long after a fault is taken for its consequence.
const CONSEQUENCE_MS: i64 = 40_000;
/// A pass that is refused as expired with less time left than this had run out.
const RUN_OUT_MS: i64 = 500;
/// The user's own act.
const LEFT: &str = "leaving";

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let mut changes: BTreeMap<(Loss, String), Vec<String>> = BTreeMap::new();
    for (user, records) in &history.users {
        let mut place = Place::default();
        for record in records {
            if let Some(change) = place.see(record) {
                let fault = cause(&world.faults, record.at_ms);
                let loss = match fault {
                    Some(fault) if history.was_present(user, fault.from_ms) => Loss::Present,
                    Some(_) if change.is_new_line => Loss::Away,
                    Some(_) | None => Loss::Calm,
                };
                let Change { before, after, .. } = change;
                let example = format!("{user} from number {before} to {after} at {}", record.at_ms);
                changes
                    .entry((loss, change.reason))
                    .or_default()
                    .push(example);
            }
        }
    }

    let finding = |((loss, reason), examples): ((Loss, String), Vec<String>)| {
        let excused = loss == Loss::Away || matches!(reason.as_str(), "PASS_EXPIRED" | LEFT);
        let weight = if excused {
            Weight::Documented
        } else {
            Weight::Violation
        };
        let text = format!(
            "another number {} after {reason}: {}",
            loss.name(),
            some(&examples)
        );
        Finding {
            rule: Rule::Place,
            weight,
            count: examples.len(),
            text,
        }
    };
    changes.into_iter().map(finding).collect()
}

/// Where a user was when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    Present,
    Away,
    /// Without a fault, or with one that did not begin the line again.
    Calm,
}

impl Loss {
    const fn name(self) -> &'static str {
        match self {
            Self::Present => "for users who were present at the fault",
            Self::Away => "for users who were away at the fault",
            Self::Calm => "in a line that was not lost",
        }
    }
}

/// A user's number, and why it may change.
#[derive(Default)]
struct Place {
    number: Option<u64>,
    epoch: String,
    reason: Option<String>,
    /// The user asked to leave, and was not told another number since.
    leaves: bool,
}

/// Another number.
struct Change {
    reason: String,
    before: u64,
    after: u64,
    /// The line was begun again in between.
    is_new_line: bool,
}

impl Place {
    /// A change, if a record tells of another place.
    fn see(&mut self, record: &Record) -> Option<Change> {
        match &record.seen {
            Seen::Ticket { number, epoch } => self.becomes(*number, epoch, ""),
            // A pass for another number than the ticket's: the place was lost without a word.
            Seen::Pass {
                number,
                epoch,
                first: true,
                ..
            } => self.becomes(*number, epoch, ", and told with the pass"),
            Seen::Refusal { code }
                if matches!(
                    code.as_str(),
                    "PASS_REVOKED" | "PASS_EXPIRED" | "NOT_IN_QUEUE" | "REMOVED"
                ) =>
            {
                self.reason.get_or_insert_with(|| code.clone());
                None
            }
            Seen::PassRefused { code, left_ms, .. } => {
                let early = if code == "PASS_EXPIRED" && *left_ms > RUN_OUT_MS {
                    " with time left"
                } else {
                    ""
                };
                self.reason.get_or_insert_with(|| format!("{code}{early}"));
                None
            }
            Seen::Leaves => {
                self.leaves = true;
                None
            }
            Seen::Left => {
                self.reason = Some(LEFT.to_owned());
                None
            }
            // The user still has this place.
            Seen::Position { position: 1.., .. } => {
                self.reason = None;
                None
            }
            _ => None,
        }
    }

    fn becomes(&mut self, number: u64, epoch: &str, how: &str) -> Option<Change> {
        let is_new_line = std::mem::replace(&mut self.epoch, epoch.to_owned()) != epoch;
        let before = self
            .number
            .replace(number)
            .filter(|before| *before != number)?;
        let left = std::mem::take(&mut self.leaves).then(|| LEFT.to_owned());
        let reason = self
            .reason
            .take()
            .or(left)
            .unwrap_or_else(|| "nothing that the client was told".to_owned());

        Some(Change {
            reason: reason + how,
            before,
            after: number,
            is_new_line,
        })
    }
}

fn cause(faults: &[Fault], at_ms: i64) -> Option<&Fault> {
    faults
        .iter()
        .rev()
        .find(|fault| fault.from_ms <= at_ms && at_ms <= fault.to_ms + CONSEQUENCE_MS)
}
