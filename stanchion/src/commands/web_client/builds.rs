//! Which builds of the web client a folder holds, and whose parts may go.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use waitingroom_domain::clock::Timestamp;

/// The builds of a folder, in the order of their exports. The last one is served.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Builds(Vec<Build>);

#[derive(Debug, Serialize, Deserialize)]
struct Build {
    exported_at: Timestamp,
    assets: BTreeSet<String>,
}

impl Builds {
    /// Adds the build with these assets, unless it is the last one already. Drops builds that were
    /// replaced longer ago than `keep`, and answers the assets that no other build has.
    pub(super) fn add(
        &mut self,
        assets: BTreeSet<String>,
        now: Timestamp,
        keep: Duration,
    ) -> BTreeSet<String> {
        if self.0.last().is_none_or(|last| last.assets != assets) {
            self.0.push(Build {
                exported_at: now,
                assets,
            });
        }

        let before = self.assets();
        let replaced: Vec<Timestamp> = self.0.iter().skip(1).map(|next| next.exported_at).collect();
        let dropped = replaced
            .iter()
            .take_while(|moment| moment.plus(keep) <= now)
            .count();
        self.0.drain(..dropped);

        before.difference(&self.assets()).cloned().collect()
    }

    /// How many assets are those of earlier builds only.
    pub(super) fn earlier_assets(&self) -> usize {
        let current = self.0.last().map_or(0, |last| last.assets.len());
        self.assets().len() - current
    }

    fn assets(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .flat_map(|build| build.assets.clone())
            .collect()
    }
}
