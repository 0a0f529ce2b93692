//! Leaves series of removed events out of `/metrics`: the recorder keeps every series for good, and a
//! gauge of a removed event would keep its last value.

use std::collections::{BTreeMap, HashSet};

use parking_lot::RwLock;
use waitingroom_domain::ids::EventId;

/// The events that each part of the process lists.
static LISTED: RwLock<BTreeMap<&str, HashSet<String>>> = RwLock::new(BTreeMap::new());

/// From now on, `part` of the process knows these events and no others.
pub fn retain_events(part: &'static str, events: impl IntoIterator<Item = EventId>) {
    let events = events.into_iter().map(|event| event.to_string()).collect();
    LISTED.write().insert(part, events);
}

/// The rendered text without series of events that no part lists; all of it if no part lists events.
pub(super) fn without_removed_events(text: &str) -> String {
    let listed = LISTED.read();
    let is_kept = |line: &&str| {
        event_label(line)
            .is_none_or(|event| listed.is_empty() || listed.values().any(|of| of.contains(event)))
    };
    text.split_inclusive('\n').filter(is_kept).collect()
}

/// The value of the label `event`.
fn event_label(line: &str) -> Option<&str> {
    let (_, labels) = line.split_once('{')?;
    let labels = labels.split("event=\"").nth(1)?;
    labels.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_series_of_removed_events() {
        let [first, second, third] = [1, 2, 3].map(|id| EventId::from(uuid::Uuid::from_u128(id)));
        let line = |event: EventId| format!("x{{event=\"{event}\"}} 1\n");
        let others = "# HELP x y\n# TYPE x gauge\nup 1\nz{feed=\"live\"} 2\n";
        let all = format!("{others}{}{}{}", line(first), line(second), line(third));

        assert_eq!(without_removed_events(&all), all, "no part lists events");

        retain_events("worker", [first, second]);
        retain_events("booking", [third]);
        assert_eq!(without_removed_events(&all), all);

        retain_events("worker", [second]);
        retain_events("booking", []);
        assert_eq!(
            without_removed_events(&all),
            format!("{others}{}", line(second))
        );
    }
}
