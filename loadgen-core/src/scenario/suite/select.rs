//! Choosing from a suite by name and protocol.

use super::Suite;
use crate::nearest::nearest;
use crate::scenario::backend::with_all_behind;
use crate::scenario::plan::{Plan, ScenarioPlan};

impl Suite {
    /// Every scenario of these names, or written under one of them for several, that speaks `protocol` (`grpc`, `websocket`; `None` is all).
    /// No names means all of them. The conditions on tags are all in the plan; those whose tag no chosen
    /// scenario has are its [`Plan::unjudged`]. Its servers are those that the scenarios are run with, and
    /// whatever stands behind these.
    ///
    /// # Errors
    /// [`SelectError`] for names that are not there, with the nearest that is, and when nothing is
    /// left.
    pub fn select<S: AsRef<str>>(
        &self,
        names: &[S],
        protocol: Option<&str>,
    ) -> Result<Plan, SelectError> {
        let wanted = |plan: &ScenarioPlan| {
            let is = |name: &str| name == plan.name || name == plan.written_name();
            names.is_empty() || names.iter().any(|name| is(name.as_ref()))
        };
        let spoken = |word: &str| protocol.is_none_or(|protocol| protocol == word);

        let unknown: Vec<UnknownName> = names
            .iter()
            .map(AsRef::as_ref)
            .filter(|name| !self.names().any(|known| known == *name))
            .map(|name| UnknownName {
                name: name.to_owned(),
                nearest: nearest(name, self.names()).map(str::to_owned),
            })
            .collect();
        if !unknown.is_empty() {
            return Err(SelectError::Unknown { names: unknown });
        }
        let scenarios: Vec<ScenarioPlan> = self
            .scenarios()
            .iter()
            .filter(|plan| wanted(plan) && spoken(plan.protocol().as_str()))
            .cloned()
            .collect();
        if scenarios.is_empty() {
            return Err(SelectError::Nothing {
                protocol: protocol.map(str::to_owned),
            });
        }
        let names = scenarios
            .iter()
            .flat_map(|it| &it.backends)
            .map(String::as_str);
        let backends = with_all_behind(self.backends(), names);
        Ok(Plan {
            backends: backends.into_iter().cloned().collect(),
            scenarios,
            thresholds: self.thresholds().to_vec(),
        })
    }
}

/// A name that no scenario has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// The nearest that there is, if any is near.
    pub nearest: Option<String>,
}

/// Why scenarios cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// No scenario has these names.
    #[error("{}", unknown_text(names))]
    Unknown {
        /// The names.
        names: Vec<UnknownName>,
    },
    /// Nothing is left to run.
    #[error("no scenario{} to run", protocol.as_ref().map(|word| format!(" that speaks {word}")).unwrap_or_default())]
    Nothing {
        /// The protocol that was asked for.
        protocol: Option<String>,
    },
}

fn unknown_text(names: &[UnknownName]) -> String {
    let lines: Vec<String> = names
        .iter()
        .map(|unknown| match &unknown.nearest {
            Some(nearest) => format!(
                "unknown scenario `{}`; did you mean `{nearest}`?",
                unknown.name
            ),
            None => format!("unknown scenario `{}`", unknown.name),
        })
        .collect();
    lines.join("\n")
}
