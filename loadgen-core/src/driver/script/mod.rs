//! What the expressions of a scenario stand on: its test data, the environment, and what `setup` saved.
//!
//! Owns which names are known before the run (`lexicon`) and what they stand for in it. Knows no protocol:
//! what a reply offers is the driver's.

mod lexicon;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use self::rows::Source;
use super::mistake::Mistake;
use crate::expression::{Scope, Value, Variables, all_secret};
use crate::scenario::{DataOrder, RowPer, ScenarioPlan};
use crate::schedule::Shard;
use crate::secrets::Secrets;
use crate::workload::UserId;

pub(super) use self::lexicon::{Lexicon, Notes, Part};
pub(super) use self::rows::OutOfRows;

/// What all users of a scenario share. One for all workers.
#[derive(Debug)]
pub(super) struct Script {
    scenario: Value,
    constants: Vec<(String, String)>,
    sources: Vec<Source>,
    env: Value,
    /// The values of the environment that may be sent.
    secrets: Vec<String>,
    /// Learns what expressions make of secrets.
    learning: Secrets,
    setup: OnceLock<Value>,
    uses_row: bool,
    uses_any: bool,
}

impl Script {
    /// Reads the scenario's test data. `learning` learns what expressions will make of secrets.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn new(scenario: &ScenarioPlan, learning: &Secrets) -> Result<Self, Vec<Mistake>> {
        let (mut sources, mut mistakes) = (Vec::new(), Vec::new());
        for source in &scenario.data {
            match Source::read(source, scenario.load.max_users()) {
                Ok(source) => sources.push(source),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let runs_out = scenario
            .data
            .iter()
            .find(|it| it.order == DataOrder::Once && it.per == RowPer::Iteration);
        if let Some(source) = runs_out.filter(|_| !scenario.warm_up.is_zero()) {
            let path = format!("data.{}.order", source.name);
            let problem = "`once` beside a `warm_up`, which would use up rows that nothing is measured \
                           of; leave `warm_up` out, or take another order";
            mistakes.push(Mistake::new(&path, problem.to_owned()));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            scenario: Value::from(scenario.name.as_str()),
            constants: scenario.for_each.clone(),
            sources,
            env: Value::UNDEFINED,
            secrets: Vec::new(),
            learning: learning.clone(),
            setup: OnceLock::new(),
            uses_row: false,
            uses_any: false,
        })
    }

    /// One that nobody uses: what goes elsewhere stands on that of the scenario that it is of.
    pub(super) fn none() -> Self {
        Self {
            scenario: Value::UNDEFINED,
            constants: Vec::new(),
            sources: Vec::new(),
            env: Value::UNDEFINED,
            secrets: Vec::new(),
            learning: Secrets::default(),
            setup: OnceLock::new(),
            uses_row: false,
            uses_any: false,
        }
    }

    /// Takes note of what is used of it.
    pub(super) fn used(&mut self, notes: &Notes) {
        let env: BTreeMap<String, String> = notes.environment();
        self.secrets = env.values().cloned().collect();
        self.env = all_secret(env);
        self.uses_row = notes.uses("row");
        for source in &mut self.sources {
            source.is_used = notes.uses_row_of(source.name());
        }
        self.uses_any = notes.uses_any();
    }

    /// Whether anything is evaluated at all.
    pub(super) fn is_used(&self) -> bool {
        self.uses_any
    }

    /// The values of the environment that expressions use.
    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// How many iterations may start before a source has no row left, where that ends the scenario.
    pub(super) fn most_iterations(&self) -> Option<u64> {
        if !self.uses_row {
            return None;
        }
        let used = self.used_sources();
        used.filter_map(Source::most_iterations).min()
    }

    /// Says what `setup` saved.
    pub(super) fn set_up(&self, saved: Value) {
        // Whoever comes second has the same.
        let _ = self.setup.set(saved);
    }

    /// What a user's names stand for before its first iteration.
    pub(super) fn scope(&self, user: UserId, worker: usize, saved: Value, seed: u64) -> Scope {
        let variables = Variables {
            user: user.0,
            worker,
            scenario: self.scenario.clone(),
            constants: self.constants(),
            saved,
            setup: self.setup.get().cloned().unwrap_or_default(),
            env: self.env.clone(),
            ..Variables::default()
        };
        Scope::telling(variables, seed, self.learning.clone())
    }

    /// What the scenario's own names stand for.
    fn constants(&self) -> Value {
        let pairs = self.constants.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// The scenario's own names.
    fn own_names(&self) -> impl Iterator<Item = &str> {
        self.constants.iter().map(|(name, _)| name.as_str())
    }

    /// The row of a user, or of one of its iterations.
    ///
    /// # Errors
    /// Which source has none left.
    pub(super) fn row(&self, turn: Turn, seed: u64) -> Result<Value, OutOfRows> {
        if !self.uses_row {
            return Ok(Value::UNDEFINED);
        }
        if let [source] = self.sources.as_slice() {
            return source.row(turn, seed);
        }
        let rows: Result<BTreeMap<&str, Value>, OutOfRows> = self
            .used_sources()
            .map(|source| Ok((source.name(), source.row(turn, seed)?)))
            .collect();
        Ok(rows?.into_iter().collect())
    }

    /// The sources that some expression uses: others give out no rows.
    fn used_sources(&self) -> impl Iterator<Item = &Source> {
        let is_only = self.sources.len() == 1;
        let sources = self.sources.iter();
        sources.filter(move |source| is_only || source.is_used)
    }

    /// What names stand for in a user's first iteration, as far as it is known before the run.
    fn first_turn(&self) -> Scope {
        let row = match self.sources.as_slice() {
            [] => Value::UNDEFINED,
            [source] => source.first(),
            several => several
                .iter()
                .map(|source| (source.name(), source.first()))
                .collect(),
        };
        let variables = Variables {
            scenario: self.scenario.clone(),
            constants: self.constants(),
            row,
            ..Variables::default()
        };
        Scope::telling(variables, 0, self.learning.clone())
    }

    /// What can be said of `row` in this part.
    fn known_rows(&self, part: Part) -> crate::expression::Known {
        rows::known(&self.sources, part)
    }
}

/// Whose turn it is to get a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) user: UserId,
    /// The iteration, where it is one's: by the number of its arrival, where it has one.
    pub(super) iteration: Option<Option<u64>>,
    /// Whose iterations are numbered here, where these have no numbers of their own.
    pub(super) part: Shard,
}

/// These variables of the environment.
fn environment(names: &BTreeSet<String>) -> BTreeMap<String, String> {
    names
        .iter()
        .filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)))
        .collect()
}
