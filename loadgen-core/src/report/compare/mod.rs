//! How two groups of runs differ, and what of that is more than chance.
//!
//! Runs, not samples, are what is compared: a machine, a build and a moment make the samples of one run alike, and
//! thousands of them tell no more of the next run than one does. From four runs a side on, figures are held
//! against each other by their ranks; with fewer, the seconds within runs have to do, and
//! it is said that this is less. Owns what is compared and what is made of it, whether runs may be compared at
//! all, and limits on changes. No I/O.

mod alike;
mod comparison;
mod figure;
mod judge;
mod limit;
mod plan;
mod planned;
mod rank;
mod searched;
mod seconds;
mod spread;
mod warnings;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::document::{Document, Scenario, schema_of};
use crate::condition::{ChangeLimit, Metric, Series, StepMetric};
use crate::units::human::{count, counted};

use alike::Traits;
pub use alike::Unlike;
pub use comparison::{
    Better, Change, Compared, ComparedRun, ComparedScenario, ComparedStep, Comparison,
    ComparisonVersion, Counts, Figures, Judgement, LimitResult, LimitVerdict, ToldFrom, Unit,
};
pub use plan::ScenarioPlan;
pub use planned::{PlannedRuns, check};
pub use spread::{FigureSpread, ScenarioSpread, Spread};

/// All places where the plans of two runs differ, in words: of which plan a run is, and not what load that makes.
pub(crate) fn plan_differences(a: (&str, &Document), b: (&str, &Document)) -> Vec<String> {
    alike::plan_differences(a, b)
}

/// The same of two runs that are still to come.
pub(crate) fn differences_to_come(a: (&str, &Value), b: (&str, &Value)) -> Vec<String> {
    alike::differences_to_come(a, b)
}

/// The most runs of a group.
const MOST_RUNS: usize = 1_000;

/// The result of a run, and where it came from.
#[derive(Debug, Clone)]
pub struct NamedRun<'a> {
    /// What it is called in messages: a file.
    pub source: String,
    /// The result.
    pub document: &'a Document,
}

/// How runs are compared.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompareOptions {
    /// A change of no more than this is none to speak of: a part of what was before. 0.05 unless told.
    pub within: f64,
    /// What keeps nothing from being compared, although it should.
    pub overlook: Vec<Unlike>,
    /// Changes that are too much.
    pub limits: Vec<ChangeLimit>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            within: 0.05,
            overlook: Vec::new(),
            limits: Vec::new(),
        }
    }
}

/// Why runs are not compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A group without a run.
    #[error("there is no run {group}")]
    NoRuns {
        /// Which.
        group: &'static str,
    },
    /// More runs than are taken.
    #[error("there are {count} runs {group}; expected {MOST_RUNS} at the most")]
    TooMany {
        /// Which.
        group: &'static str,
        /// How many it has.
        count: usize,
    },
    /// Runs that differ in more than what is compared.
    #[error("these runs are not alike:{}", listed(differences))]
    Unlike {
        /// What they differ in.
        differences: Vec<(Unlike, String)>,
    },
    /// Results of searches, and of runs.
    #[error(
        "{search} is a search for a capacity and {run} is a run, which has none to compare; expected searches on both \
         sides, or runs"
    )]
    Mixed {
        /// The first search.
        search: String,
        /// The first run.
        run: String,
    },
    /// A limit on what such results are not compared by.
    #[error("`{limit}` cannot be judged: {}", unfit(*is_search))]
    OtherLimit {
        /// The limit.
        limit: String,
        /// Whether these are searches.
        is_search: bool,
    },
    /// No scenario is in both groups.
    #[error("they have nothing in common: {base} in the base, {new} in the new runs")]
    NothingInCommon {
        /// The scenarios of one.
        base: String,
        /// And of the other.
        new: String,
    },
    /// Runs without a single request that ended.
    #[error("there is nothing to compare: in no run {group} did anything end of {scenarios}")]
    NothingMeasured {
        /// Whose.
        group: &'static str,
        /// Of which scenarios.
        scenarios: String,
    },
    /// A limit on what is not there.
    #[error("`{limit}`: no {what} `{name}`; {expected}")]
    Unknown {
        /// The limit.
        limit: String,
        /// What of it is not there.
        what: &'static str,
        /// What it is called.
        name: String,
        /// What is, or the nearest of that.
        expected: String,
    },
    /// A limit on what so few runs do not tell.
    #[error(
        "`{limit}` cannot be judged: with {} in the base and {new} new, fewer than {} a side, there is \
         something to tell of `throughput`, `error_rate` and `response_time` only, and of no step among several",
        counted(*base as u64, "run"), judge::FEWEST_RUNS
    )]
    Untellable {
        /// The limit.
        limit: String,
        /// How many runs of the base have what it is on.
        base: usize,
        /// How many new ones have.
        new: usize,
    },
    /// A limit on what was not measured before.
    #[error("`{limit}` cannot be judged: no run in the base has such a figure{}", lacking(*samples))]
    Unmeasured {
        /// The limit.
        limit: String,
        /// How many samples the run of the base has that has most, and how many one needs; where that is why.
        samples: Option<[u64; 2]>,
    },
}

fn unfit(is_search: bool) -> &'static str {
    match is_search {
        true => {
            "of searches the capacity is compared, and nothing else; expected a limit such as `capacity < -5%`"
        }
        false => {
            "these are runs, and only searches (`loadgen capacity`) find a capacity; expected a limit on what runs are \
             compared by"
        }
    }
}

fn lacking(samples: Option<[u64; 2]>) -> String {
    let of = |[has, needs]: [u64; 2]| {
        format!(
            "; it takes {} at least, and the run with the most has {}",
            counted(needs, "sample"),
            count(has)
        )
    };
    samples.map(of).unwrap_or_default()
}

fn listed(differences: &[(Unlike, String)]) -> String {
    let lines = differences
        .iter()
        .map(|(ground, text)| format!("\n  {ground}: {text}"));
    lines.collect()
}

/// One side of a comparison.
struct Group<'a> {
    /// What it is called in messages.
    name: &'static str,
    /// Each run once.
    runs: Vec<&'a NamedRun<'a>>,
    /// What gave a run once more, and what gave it first.
    again: Vec<[&'a str; 2]>,
}

impl<'a> Group<'a> {
    fn of(name: &'static str, given: &'a [NamedRun<'a>]) -> Result<Self, CompareError> {
        if given.is_empty() {
            return Err(CompareError::NoRuns { group: name });
        }
        if given.len() > MOST_RUNS {
            return Err(CompareError::TooMany {
                group: name,
                count: given.len(),
            });
        }
        let mut this = Self {
            name,
            runs: Vec::new(),
            again: Vec::new(),
        };
        for run in given {
            match this.runs.iter().find(|it| it.id() == run.id()) {
                Some(known) => this.again.push([&run.source, &known.source]),
                None => this.runs.push(run),
            }
        }
        Ok(this)
    }

    fn traits(&self) -> impl Iterator<Item = Traits<'a>> {
        let runs = self.runs.iter();
        runs.map(|it| Traits::of(&it.source, it.document))
    }

    /// Which of its results are of searches.
    fn kinds(&self) -> impl Iterator<Item = (&'a str, bool)> + Clone {
        let runs = self.runs.iter();
        runs.map(|it| (it.source.as_str(), it.document.capacity.is_some()))
    }

    fn has(&self, run: &NamedRun<'_>) -> bool {
        self.runs.iter().any(|it| it.id() == run.id())
    }

    /// The scenarios of all its runs, each once.
    fn scenarios(&self) -> Vec<[&'a str; 2]> {
        let mut names: Vec<[&str; 2]> = Vec::new();
        for scenario in self.runs.iter().flat_map(|it| &it.document.scenarios) {
            let name = [scenario.name.as_str(), scenario.protocol.as_str()];
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn of_scenario(&self, [name, protocol]: [&str; 2]) -> Vec<&'a Scenario> {
        let all = self.runs.iter().flat_map(|it| &it.document.scenarios);
        all.filter(|it| it.name == name && it.protocol == protocol)
            .collect()
    }
}

impl NamedRun<'_> {
    fn id(&self) -> &str {
        &self.document.run.id
    }
}

/// A scenario that both groups have, in each run that has it.
struct Common<'a> {
    name: &'a str,
    protocol: &'a str,
    base: Vec<&'a Scenario>,
    new: Vec<&'a Scenario>,
}

impl<'a> Common<'a> {
    /// All that the groups have in common.
    fn all(base: &Group<'a>, new: &Group<'a>) -> Result<Vec<Self>, CompareError> {
        let (of_base, of_new) = (base.scenarios(), new.scenarios());
        let both = of_base.iter().filter(|it| of_new.contains(it));
        let all: Vec<Self> = both
            .map(|it| Self {
                name: it[0],
                protocol: it[1],
                base: base.of_scenario(*it),
                new: new.of_scenario(*it),
            })
            .collect();
        if all.is_empty() {
            return Err(CompareError::NothingInCommon {
                base: named(&of_base),
                new: named(&of_new),
            });
        }
        Self::refuse_unmeasured(&all, base, |it| &it.base)?;
        Self::refuse_unmeasured(&all, new, |it| &it.new)?;
        Ok(all)
    }

    /// Makes sure that there is something to be said of a group's runs.
    fn refuse_unmeasured(
        all: &[Self],
        group: &Group<'_>,
        runs: impl Fn(&Self) -> &[&Scenario],
    ) -> Result<(), CompareError> {
        if all.iter().flat_map(&runs).any(|it| has_ended(it)) {
            return Ok(());
        }
        let names: Vec<_> = all.iter().map(|it| [it.name, it.protocol]).collect();
        Err(CompareError::NothingMeasured {
            group: group.name,
            scenarios: named(&names),
        })
    }

    /// The names of its steps, each once.
    fn steps(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        let steps = self.base.iter().chain(&self.new).flat_map(|it| &it.steps);
        for step in steps {
            if !names.contains(&step.name.as_str()) {
                names.push(&step.name);
            }
        }
        names
    }

    /// What the seconds within runs tell of that says as much of this one; none where they tell of nothing like it.
    fn within_seconds(&self, metric: &Metric) -> Option<Metric> {
        match metric {
            Metric::Throughput | Metric::ErrorRate | Metric::Series(Series::ResponseTime, _) => {
                Some(metric.clone())
            }
            Metric::Step {
                name,
                metric: StepMetric::Series(Series::ResponseTime, asked),
            } if self.is_whole(name) => Some(Metric::Series(Series::ResponseTime, *asked)),
            _ => None,
        }
    }

    /// Whether the times of a step are those of the iterations in each run.
    fn is_whole(&self, step: &str) -> bool {
        let mut runs = self.base.iter().chain(&self.new);
        runs.all(|run| {
            let mut steps = run.steps.iter();
            let found = steps.find(|it| it.name == step);
            found.is_some_and(|it| it.response_time_us.as_ref() == Some(&run.response_time_us))
        })
    }
}

/// Whether there is anything to be said of how requests ended.
fn has_ended(scenario: &Scenario) -> bool {
    scenario.ledger.error_rate(scenario.unanswered).is_some()
}

fn named(scenarios: &[[&str; 2]]) -> String {
    let names = scenarios
        .iter()
        .map(|[name, protocol]| format!("{name} ({protocol})"));
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => "no scenario".to_owned(),
        false => names.join(", "),
    }
}

/// The JSON Schema (draft 2020-12) that every comparison meets. What may be left out is not required, and is
/// never null.
#[must_use]
pub fn schema() -> Value {
    schema_of::<Comparison>()
}

/// Holds new runs against those of a base.
///
/// A run that is given twice in a group counts once.
///
/// # Errors
/// [`CompareError`] when there is nothing to compare, or it should not be.
pub fn compare(
    base: &[NamedRun<'_>],
    new: &[NamedRun<'_>],
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let base = Group::of("in the base", base)?;
    let new = Group::of("among the new ones", new)?;
    let are_searches = searched::are_searches(&base.kinds().chain(new.kinds()))?;
    searched::refuse_limits(&options.limits, are_searches)?;
    let all: Vec<Traits<'_>> = base.traits().chain(new.traits()).collect();
    let unlike = alike::refuse(&all, options)?;
    let common = Common::all(&base, &new)?;
    limit::refuse_unknown(&options.limits, &common)?;
    let is_same_runs = base.runs.len() == new.runs.len() && base.runs.iter().all(|it| new.has(it));
    if !is_same_runs && !are_searches {
        limit::refuse_untellable(&options.limits, &common, |it| [it.base.len(), it.new.len()])?;
    }
    let scenarios = match are_searches {
        true => searched::scenarios([&base, &new], &common, options.within, is_same_runs),
        false => judge::scenarios(&common, options.within, is_same_runs),
    };
    let mut warnings = warnings::of_runs(&base, &new);
    warnings.extend(warnings::of_scenarios(&base, &new, &common));
    warnings.extend(match are_searches {
        true => searched::warnings(&base, &new),
        false => warnings::of_figures(&scenarios, &base, &new),
    });
    let unlike = unlike
        .into_iter()
        .map(|(ground, text)| format!("{ground}: {text}"));
    Ok(Comparison {
        schema: ComparisonVersion::V1,
        unlike: unlike.collect(),
        warnings,
        base: base.runs.iter().map(|it| compared_run(it)).collect(),
        new: new.runs.iter().map(|it| compared_run(it)).collect(),
        within: options.within,
        counts: judge::counts(&scenarios),
        limits: limit::results(
            &options.limits,
            &common,
            &scenarios,
            options.within,
            is_same_runs,
        ),
        scenarios,
    })
}

fn compared_run(run: &NamedRun<'_>) -> ComparedRun {
    let of = &run.document.run;
    ComparedRun {
        source: run.source.clone(),
        id: of.id.clone(),
        started_at: of.started_at.clone(),
        version: of.version.clone(),
        status: run.document.verdict.status,
    }
}
