//! Choosing from a suite by name and protocol.

use std::time::Duration;

use super::Suite;
use crate::nearest::nearest;
use crate::scenario::backend::with_all_behind;
use crate::scenario::event::EventPlan;
use crate::scenario::plan::{Plan, ScenarioPlan};
use crate::scenario::protocol::Protocol;
use crate::units::format_duration;

impl Suite {
    /// Every scenario of these names, or written under one of them for several, that speaks `protocol` (`grpc`, `websocket`; `None` is all).
    /// No names means all of them. The conditions on tags are all in the plan; those whose tag no chosen
    /// scenario has are its [`Plan::unjudged`]. Its servers are those that the scenarios are run with, and
    /// whatever stands behind these. An event of a scenario that was written for several is of the first of
    /// those that are chosen: it is done once.
    ///
    /// # Errors
    /// [`SelectError`] for names that are not there, with the nearest that is, when nothing is left, for events in
    /// `defaults` or a profile that several of the scenarios would do, and for events of several scenarios that do
    /// something to a server at the same time.
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
        self.none_shares_events(&scenarios)?;
        let scenarios = once(scenarios);
        none_overlaps(&scenarios)?;
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

impl Suite {
    /// That no two of the scenarios have their events from one place: each would do them.
    fn none_shares_events(&self, chosen: &[ScenarioPlan]) -> Result<(), SelectError> {
        for shared in &self.shared_events {
            let is_chosen = |(protocol, name): &&(Protocol, String)| {
                let mut chosen = chosen.iter();
                chosen.any(|it| it.protocol() == *protocol && it.written_name() == name)
            };
            let count = shared.scenarios.iter().filter(is_chosen).count();
            if count > 1 {
                return Err(SelectError::Shared {
                    path: shared.path.clone(),
                    count,
                });
            }
        }
        Ok(())
    }
}

/// The scenarios, each event of those that are written as one in the first of these only.
fn once(mut scenarios: Vec<ScenarioPlan>) -> Vec<ScenarioPlan> {
    for index in 1..scenarios.len() {
        let (before, rest) = scenarios.split_at_mut(index);
        let Some(this) = rest.first_mut() else {
            continue;
        };
        let is_same = |it: &&ScenarioPlan| {
            !it.for_each.is_empty()
                && it.written_name() == this.written_name()
                && it.protocol() == this.protocol()
        };
        let Some(first) = before
            .iter()
            .find(is_same)
            .filter(|_| !this.for_each.is_empty())
        else {
            continue;
        };
        this.events.retain(|event| !first.events.contains(event));
    }
    scenarios
}

/// That each event of the scenarios together finds its server as it should be; those of one by itself do.
fn none_overlaps(scenarios: &[ScenarioPlan]) -> Result<(), SelectError> {
    let of = |it: &ScenarioPlan, at: Duration| it.measures_from().saturating_add(at);
    let mut all: Vec<(&ScenarioPlan, &EventPlan, &str)> = Vec::new();
    for scenario in scenarios {
        let events = scenario.events.iter();
        all.extend(events.filter_map(|it| Some((scenario, it, it.deed.backend()?))));
    }
    all.sort_by_key(|(scenario, event, backend)| (*backend, of(scenario, event.at)));
    for pair in all.windows(2) {
        let [(one, first, backend), (other, second, again)] = pair else {
            continue;
        };
        let at = of(other, second.at);
        let is_back = first.deed.is_over() && at > of(one, first.over_at());
        if backend == again && !std::ptr::eq(*one, *other) && !is_back {
            return Err(SelectError::Overlap {
                first: first.deed.to_string(),
                of: one.name.clone(),
                second: second.deed.to_string(),
                other: other.name.clone(),
                at,
            });
        }
    }
    Ok(())
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
    /// Several of them would do the same events.
    #[error(
        "the scenarios cannot run together: {count} of them would do the events in `{path}`; events belong to the \
         scenario that does them, and those on a server are of all that are run with it"
    )]
    Shared {
        /// Where the events stand.
        path: String,
        /// How many would do them.
        count: usize,
    },
    /// Two of them do something to a server at the same time.
    #[error(
        "the scenarios cannot run together: `{second}` of `{other}` comes {} after the run begins, when the \
         server is not back from `{first}` of `{of}`",
        format_duration(*at)
    )]
    Overlap {
        /// What is done first.
        first: String,
        /// By which scenario.
        of: String,
        /// What is done before that is over.
        second: String,
        /// By which scenario.
        other: String,
        /// When, from where the run begins.
        at: Duration,
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
