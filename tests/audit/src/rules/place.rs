//! Nobody who was present loses the place: another number needs a reason that the client saw, and that the documents name.

use std::collections::BTreeMap;

use super::some;
use crate::{
    finding::{Finding, Rule, Weight},
    history::History,
    world::{Fault, Record, Seen, World},
};

/// A number that changes this long after a fault is taken for its consequence.
const CONSEQUENCE_MS: i64 = 40_000;

pub(crate) fn check(world: &World, history: &History<'_>) -> Vec<Finding> {
    let mut changes: BTreeMap<(Loss, String), Vec<String>> = BTreeMap::new();
    for (user, records) in &history.users {
        let mut place = Place::default();
        for record in records {
            if let Some((reason, before, after)) = place.see(record) {
                let fault = cause(&world.faults, record.at_ms);
                let loss = match fault {
                    Some(fault) if history.was_present(user, fault.from_ms) => Loss::Present,
                    Some(_) => Loss::Away,
                    None => Loss::Calm,
                };
                let example = format!("{user} from number {before} to {after} at {}", record.at_ms);
                changes.entry((loss, reason)).or_default().push(example);
            }
        }
    }
    let finding = |((loss, reason), examples): ((Loss, String), Vec<String>)| {
        let excused = loss == Loss::Away || matches!(reason.as_str(), "PASS_EXPIRED" | "LEFT");
        let weight = if excused { Weight::Documented } else { Weight::Violation };
        let text = format!("another number {} after {reason}: {}", loss.name(), some(&examples));
        Finding { rule: Rule::Place, weight, count: examples.len(), text }
    };
    changes.into_iter().map(finding).collect()
}

/// Where a user was when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    Present,
    Away,
    Calm,
}

impl Loss {
    const fn name(self) -> &'static str {
        match self {
            Self::Present => "for users who were present at the fault",
            Self::Away => "for users who were away at the fault",
            Self::Calm => "without a fault",
        }
    }
}

/// A user's number, and why it may change.
#[derive(Default)]
struct Place {
    number: Option<u64>,
    reason: Option<String>,
}

impl Place {
    /// The reason, the number before and the number now, if a record tells of another place.
    fn see(&mut self, record: &Record) -> Option<(String, u64, u64)> {
        match &record.seen {
            Seen::Ticket { number, .. } => {
                let before = self.number.replace(*number).filter(|before| before != number)?;
                Some((self.take_reason(), before, *number))
            }
            // A pass for another number than the ticket's: the place was lost without a word.
            Seen::Pass { number, first: true, .. } => {
                let before = self.number.replace(*number).filter(|before| before != number);
                let reason = "nothing that the client was told, with the pass".to_owned();
                self.reason = None;
                before.map(|before| (reason, before, *number))
            }
            Seen::Refusal { code } if matches!(code.as_str(), "PASS_REVOKED" | "PASS_EXPIRED" | "NOT_IN_QUEUE") => {
                self.reason = Some(code.clone());
                None
            }
            Seen::PassRefused { code, .. } => {
                self.reason = Some(code.clone());
                None
            }
            Seen::Left => {
                self.reason = Some("LEFT".to_owned());
                None
            }
            _ => None,
        }
    }

    fn take_reason(&mut self) -> String {
        self.reason.take().unwrap_or_else(|| "nothing that the client was told".to_owned())
    }
}

fn cause(faults: &[Fault], at_ms: i64) -> Option<&Fault> {
    faults.iter().find(|fault| fault.from_ms <= at_ms && at_ms <= fault.to_ms + CONSEQUENCE_MS)
}
