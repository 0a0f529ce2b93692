//! The registry of a single process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Board, BoardError, LIVE, Live, Reading, Vitals};
use crate::{
    clock::{Clock, Timestamp},
    ids::NodeId,
    pace::Pace,
};

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<String, (Timestamp, Vitals)>,
    pace: Option<Pace>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct LocalBoard {
    clock: Clock,
    state: Mutex<State>,
}

impl LocalBoard {
    /// An empty registry with this clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }
}

#[async_trait]
impl Board for LocalBoard {
    async fn publish(&self, vitals: &Vitals) -> Result<(), BoardError> {
        let name = vitals.process.node.to_string();
        self.state
            .lock()
            .records
            .insert(name, (self.clock.now(), vitals.clone()));
        Ok(())
    }

    async fn withdraw(&self, node: &NodeId) -> Result<(), BoardError> {
        self.state.lock().records.remove(node.as_str());
        Ok(())
    }

    async fn read(&self) -> Result<Reading, BoardError> {
        let at = self.clock.now();
        let mut state = self.state.lock();
        state
            .records
            .retain(|_, (published, _)| at.since(*published) <= LIVE);
        let live = |(published, vitals): &(Timestamp, Vitals)| Live {
            vitals: vitals.clone(),
            age_ms: at.since(*published).as_millis() as u64,
        };
        Ok(Reading {
            at,
            processes: state.records.values().map(live).collect(),
            pace: state.pace.clone(),
        })
    }

    async fn set_pace(&self, before: Option<&Pace>, after: &Pace) -> Result<bool, BoardError> {
        let mut state = self.state.lock();
        let unchanged = state.pace.as_ref() == before;
        if unchanged {
            state.pace = Some(after.clone());
        }
        Ok(unchanged)
    }
}
