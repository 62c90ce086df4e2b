//! What the suite calls those that a scenario sends to.
//!
//! Owns the names of targets for people; a document has their addresses.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::document::Scenario;

/// By the address of a target, what the suite calls it.
#[derive(Debug, Default)]
pub(super) struct Names<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    /// Those of a scenario's targets, by the plan of the run, where they are servers of the suite.
    pub(super) fn of(scenario: &'a Scenario, plan: &'a Value) -> Self {
        let planned = plan["scenarios"].as_array().into_iter().flatten();
        let mut own = planned.filter(|it| it["name"] == *scenario.name);
        // Those of several protocols may have one name: which is which the plan does not say.
        let (Some(own), None) = (own.next(), own.next()) else {
            return Self::default();
        };
        let named = own["targets"].as_array().map_or(&[][..], Vec::as_slice);
        if named.len() != scenario.targets.len() {
            return Self::default();
        }
        let addresses = scenario.targets.iter().map(|it| it.target.as_str());
        let named = named.iter().filter_map(Value::as_str);
        let both = addresses.zip(named);
        Self(
            both.filter(|(_, name)| name.starts_with("backend:"))
                .collect(),
        )
    }

    /// What to call whoever has this address.
    pub(super) fn name<'b>(&'b self, address: &'b str) -> &'b str {
        self.0.get(address).copied().unwrap_or(address)
    }
}
