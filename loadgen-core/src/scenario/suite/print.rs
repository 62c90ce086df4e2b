//! Plans as a suite that reads back as the same.

use serde_json::Value;

use super::{RawSuite, Suite};
use crate::condition::Threshold;
use crate::scenario::backend::{BackendPlan, print};
use crate::scenario::plan::print::scenario;
use crate::scenario::plan::{Plan, ScenarioPlan};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, List, json};

/// The full form of these scenarios, as a suite of its own. Of the servers that they are run with there are
/// the names only.
///
/// Paths are printed as the plan has them, so they read back the same without a base folder.
#[must_use]
pub fn to_json(scenarios: &[ScenarioPlan]) -> Value {
    printed(scenarios, &[], &[])
}

impl Suite {
    /// The full form of its scenarios, and its conditions on tags, as a suite of its own, as
    /// [`to_json`] has scenarios.
    #[must_use]
    pub fn to_json(&self) -> Value {
        printed(self.scenarios(), self.thresholds(), self.backends())
    }
}

impl Plan {
    /// The full form of its scenarios, and its conditions on tags, as a suite of its own, as
    /// [`to_json`] has scenarios.
    #[must_use]
    pub fn to_json(&self) -> Value {
        printed(&self.scenarios, &self.thresholds, &self.backends)
    }
}

fn printed(
    scenarios: &[ScenarioPlan],
    thresholds: &[Threshold],
    backends: &[BackendPlan],
) -> Value {
    let each = scenarios.iter().map(|plan| {
        let mut raw = scenario(plan);
        // One that says nothing of servers is run with all of them.
        if !backends.is_empty() && raw.backends.is_absent() {
            raw.backends = Entry::Given(List(Vec::new()));
        }
        raw
    });
    let suite = RawSuite {
        backends: print::backends(backends),
        scenarios: Entry::Given(List::of(each)),
        thresholds: List::unless_empty(thresholds.iter().cloned()),
        ..RawSuite::default()
    };
    // By way of a text: the direct way would write numbers of messages anew. That is taken where the text
    // is nested more deeply than a parser takes: a file's `defaults` lie one level higher than what is
    // printed here. Only a map with keys that are no text could fail in both, and there is none.
    let text = serde_json::to_string(&suite).unwrap_or_default();
    json::parse("", &text, &Problems::default())
        .or_else(|_| serde_json::to_value(&suite))
        .unwrap_or_default()
}
