//! How those stood that calls went to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ScenarioRecord;
use crate::clock::Nanos;
use crate::workload::Standing;

/// The most changes that a scenario's record keeps.
pub(in crate::record) const MOST_STANDINGS: usize = 1_000;

/// One that calls go to stood in another way than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StandingRecord {
    /// When, since the scenario began.
    pub at: Duration,
    /// Who: a target, or an address of one.
    pub peer: String,
    /// How it stood before.
    pub from: Standing,
    /// How it stood from then on.
    pub to: Standing,
    /// Why.
    pub why: String,
}

impl StandingRecord {
    pub(in crate::record) fn new(
        at: Nanos,
        peer: String,
        (from, to): (Standing, Standing),
        why: String,
    ) -> Self {
        Self {
            at: Duration::from_nanos(at),
            peer,
            from,
            to,
            why,
        }
    }
}

impl ScenarioRecord {
    /// Adds how some stood, in order. What is above the first 1,000 is not kept.
    pub(in crate::record) fn stand(&mut self, more: impl IntoIterator<Item = StandingRecord>) {
        let before = self.standings.len();
        self.standings.extend(more);
        if self.standings.len() > before {
            self.standings.sort_by_key(|it| it.at);
            self.standings.truncate(MOST_STANDINGS);
        }
    }
}
