//! The servers of its suite that a scenario is run with, and which of them it sends to.

use std::collections::BTreeSet;

use super::{Plan, ScenarioPlan};
use crate::scenario::backend::{BackendPlan, BackendRole, with_all_behind};
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Entry, List};
use crate::scenario::value::target::Target;

/// A scenario's servers.
pub(super) struct Servers {
    pub(super) names: Vec<String>,
    /// The same, where it is known that there are no others.
    pub(super) known: Option<Vec<String>>,
}

impl Plan {
    /// The names of the servers that answer to whoever asks this one: its own, or those of all that stand behind it.
    #[must_use]
    pub fn answering_behind<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let all = with_all_behind(&self.backends, [name]).into_iter();
        let answer = all.filter(|it| matches!(it.role, BackendRole::Serve(_)));
        answer.map(|it| it.name.as_str()).collect()
    }

    /// Of these, those that a scenario, by its place, goes without while this one is away: no way from its targets
    /// leads around it.
    #[must_use]
    pub fn only_behind<'a>(&'a self, scenario: usize, name: &'a str) -> Vec<&'a str> {
        let targets = self.scenarios.get(scenario).map(|it| &it.target_backends);
        let targets = targets.into_iter().flatten().map(String::as_str);
        let others: Vec<&BackendPlan> = self.backends.iter().filter(|it| it.name != name).collect();
        let around = with_all_behind(others, targets);
        let mut all = self.answering_behind(name);
        all.retain(|it| !around.iter().any(|server| server.name == *it));
        all
    }

    /// Whether a scenario, by its place, asks this server: it leads to the server, and there the server, or one that
    /// stands behind it, may answer.
    #[must_use]
    pub fn asks(&self, scenario: usize, name: &str) -> bool {
        self.scenarios.get(scenario).is_some_and(|scenario| {
            let behind = self.answering_behind(name);
            let is_reached = self.reached(scenario).any(|it| it.name == name);
            is_reached && self.may_answer(scenario).any(|it| behind.contains(&it))
        })
    }

    /// The servers that a scenario is run with and leads to: those that its targets are, or that stand behind them;
    /// all where its targets are none of the run's.
    pub(super) fn reached<'a>(
        &'a self,
        scenario: &'a ScenarioPlan,
    ) -> impl Iterator<Item = &'a BackendPlan> {
        let targets = scenario.target_backends.iter().map(String::as_str);
        let reached = match scenario.target_backends.is_empty() {
            true => self.backends.iter().collect(),
            false => with_all_behind(&self.backends, targets),
        };
        let reached = reached.into_iter();
        reached.filter(move |it| scenario.backends.contains(&it.name))
    }

    /// Lets go of the servers that nobody can reach any more, once scenarios are sent elsewhere: no scenario sends
    /// to them or to what they stand behind, nothing is done to them, and their ports are any free ones, so that
    /// nobody else can know of them. Returns their names.
    pub fn let_go_of_unreached(&mut self) -> Vec<String> {
        let scenarios = self.scenarios.iter();
        let met = scenarios.flat_map(|it| {
            let done_to = it.events.iter().filter_map(|event| event.deed.backend());
            done_to.chain(it.target_backends.iter().map(String::as_str))
        });
        let is_known = |it: &&BackendPlan| it.addresses.iter().any(|(_, at)| at.port() != 0);
        let known = self.backends.iter().filter(is_known);
        let reached = with_all_behind(&self.backends, met.chain(known.map(|it| it.name.as_str())));
        let reached: BTreeSet<String> = reached.into_iter().map(|it| it.name.clone()).collect();
        let gone = self
            .backends
            .extract_if(.., |it| !reached.contains(&it.name));
        let gone: Vec<String> = gone.map(|it| it.name).collect();
        for scenario in &mut self.scenarios {
            scenario.backends.retain(|it| !gone.contains(it));
        }
        gone
    }
}

impl Layers<'_> {
    /// The servers that it is run with: those that it names and all that stand behind these, or all there are.
    pub(super) fn backends(&self) -> Option<Servers> {
        let picked = self.pick("backends", |raw| &raw.backends);
        let all = || {
            self.servers
                .map(|all| all.iter().map(|it| it.name.clone()).collect())
        };
        let list = match picked.entry {
            Entry::Absent => {
                let known: Option<Vec<String>> = all();
                return Some(Servers {
                    names: known.clone().unwrap_or_default(),
                    known,
                });
            }
            entry => entry.given()?,
        };
        let List(items) = list;
        let mut names: Vec<String> = Vec::with_capacity(items.len());
        let mut fits = true;
        for (index, name) in list.given() {
            let path = format!("{}[{index}]", picked.path);
            if let Some(all) = all() {
                fits &= self.knows(&name.0, &all, &path);
            }
            if names.contains(&name.0) {
                let found = format!("`{}` a second time", name.0);
                self.problems.add(path, found, "each server once", None);
                fits = false;
            }
            names.push(name.0.clone());
        }
        if !fits || names.len() != items.len() {
            return None;
        }
        let all = self.servers.unwrap_or_default();
        for behind in with_all_behind(all, list.given().map(|(_, it)| it.0.as_str())) {
            if !names.contains(&behind.name) {
                names.push(behind.name.clone());
            }
        }
        Some(Servers {
            known: Some(names.clone()),
            names,
        })
    }

    /// Where it sends: what it says, or those of its servers that speak what it speaks and that no other of
    /// them stands in front of.
    pub(super) fn aimed(
        &self,
        word: Option<&str>,
        said: (Vec<Target>, Vec<String>),
        known: Option<&[String]>,
    ) -> Option<(Vec<Target>, Vec<String>)> {
        let (targets, named) = said;
        let picked = self.pick("targets", |raw| &raw.targets);
        let (Some(known), Some(word)) = (known, word) else {
            return Some((targets, named));
        };
        let of_suite = self.servers.unwrap_or_default();
        let own: Vec<&BackendPlan> = of_suite
            .iter()
            .filter(|it| known.contains(&it.name))
            .collect();
        let speaks = |it: &BackendPlan| it.addresses.iter().any(|(it, _)| it.as_str() == word);
        if picked.entry.is_absent() {
            let behind: BTreeSet<&str> = own.iter().flat_map(|it| it.behind()).collect();
            let outermost = own
                .iter()
                .filter(|it| speaks(it) && !behind.contains(it.name.as_str()));
            return Some((targets, outermost.map(|it| it.name.clone()).collect()));
        }
        let mut fits = true;
        for (index, name) in named.iter().enumerate() {
            let path = format!("{}[{index}]", picked.path);
            if !self.knows(name, known, &path) {
                fits = false;
            } else if let Some(server) = own.iter().find(|it| it.name == *name)
                && !speaks(server)
            {
                let spoken: Vec<&str> =
                    server.addresses.iter().map(|(it, _)| it.as_str()).collect();
                self.problems.add(
                    path,
                    format!("`{name}`, which speaks {}", spoken.join(", ")),
                    format!("a server that speaks {word}"),
                    None,
                );
                fits = false;
            }
        }
        fits.then_some((targets, named))
    }
}
