//! A picture of every metric at a moment, for sinks that work on a thread of their own.
//!
//! Owns how pictures come from the event stream, and which words a metric's name has where labels
//! stand apart from names. Knows no sink.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::figures;
use super::metric::{Kind, Metric, Part, SCENARIO, Unit, Value};
use crate::engine::{Event, Phase, ScenarioSnapshot};
use crate::record::{Names, ScenarioRecord};

/// The labels that every metric of a scenario has.
const OF_EVERY_SCENARIO: [&str; 2] = ["scenario", "protocol"];

/// What a metric's values belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    Scenario,
    Generator,
}

impl Of {
    /// What its metrics' names begin with.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Scenario => &["loadgen"],
            Self::Generator => &["loadgen", "generator"],
        }
    }
}

/// Every value there is.
#[derive(Debug, Default)]
pub(super) struct Picture(BTreeMap<(Of, &'static str, bool), Family>);

/// A metric with its values.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) of: Of,
    pub(super) metric: &'static Metric,
    /// By scenario (the generator is its own first) and the values of the metric's labels.
    pub(super) series: BTreeMap<(usize, Vec<String>), Value>,
}

impl Picture {
    pub(super) fn families(&self) -> impl Iterator<Item = &Family> {
        self.0.values()
    }

    fn family(&mut self, of: Of, metric: &'static Metric) -> &mut Family {
        let key = (of, metric.name, metric.kind == Kind::Gauge);
        self.0.entry(key).or_insert_with(|| Family {
            of,
            metric,
            series: BTreeMap::new(),
        })
    }

    /// Counters of one series add up, of gauges the last one stands. What is no number is left out.
    fn taking(
        &mut self,
        of: Of,
        scenario: usize,
    ) -> impl FnMut(&'static Metric, &[&str], Value) + '_ {
        move |metric, labels, value| {
            if matches!(value, Value::Level(level) if !level.is_finite()) {
                return;
            }
            let labels = labels.iter().map(|&it| it.to_owned()).collect();
            let series = &mut self.family(of, metric).series;
            let stands = series.entry((scenario, labels)).or_insert(match value {
                Value::Count(_) => Value::Count(0),
                level @ Value::Level(_) => level,
            });
            match (stands, value) {
                (Value::Count(total), Value::Count(count)) => *total += count,
                (stands, value) => *stands = value,
            }
        }
    }
}

/// Takes pictures of a run.
#[derive(Debug)]
pub(super) struct Sampler {
    /// Which of the scopes each scenario of the run belongs to.
    scopes: Vec<usize>,
    /// Every gauge that was ever shown, at zero.
    zeroes: Picture,
}

/// What the metrics of a scenario have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) scenario: String,
    pub(super) protocol: String,
    pub(super) tags: Vec<(String, String)>,
}

impl Sampler {
    /// For a run whose scenarios have these names. The scopes are what the series of a picture
    /// refer to; scenarios of one name and protocol are one.
    pub(super) fn new(names: &[Names]) -> (Self, Vec<Scope>) {
        let mut scopes: Vec<Scope> = Vec::new();
        let index = names.iter().map(|it| {
            let same =
                |scope: &Scope| scope.scenario == it.scenario && scope.protocol == it.protocol;
            scopes.iter().position(same).unwrap_or_else(|| {
                scopes.push(Scope {
                    scenario: it.scenario.clone(),
                    protocol: it.protocol.clone(),
                    tags: it.tags.clone(),
                });
                scopes.len() - 1
            })
        });
        let sampler = Self {
            scopes: index.collect(),
            zeroes: Picture::default(),
        };
        (sampler, scopes)
    }

    /// Before anything has happened: the counters stand at zero, so that what they grow by in the
    /// first second is seen.
    #[cfg(feature = "prometheus")]
    pub(super) fn before(&self, names: &[Names]) -> Picture {
        let empty = names
            .iter()
            .map(|it| ScenarioRecord::empty(&it.scenario, &it.protocol, it.open, &it.steps));
        let empty: Vec<_> = empty.collect();
        self.totals(empty.iter())
    }

    /// What there is to see now, if that has changed.
    pub(super) fn take(&mut self, event: &Event<'_>) -> Option<Arc<Picture>> {
        match event {
            Event::Connected | Event::SoFar(_) | Event::Ending(_) => None,
            Event::Snapshot(snapshot) => {
                let mut picture = self.totals(snapshot.scenarios.iter().map(|it| it.total));
                for (scope, scenario) in self.scopes.iter().zip(&snapshot.scenarios) {
                    figures::of_the_moment(scenario, &mut picture.taking(Of::Scenario, *scope));
                }
                figures::of_the_generator(
                    &snapshot.generator,
                    &mut picture.taking(Of::Generator, 0),
                );
                self.remember(&picture);
                self.zero_what_is_over(&snapshot.scenarios, &mut picture);
                Some(Arc::new(picture))
            }
            Event::Finished(record) => {
                let mut picture = self.totals(record.scenarios.iter());
                picture.0.append(&mut self.zeroes.0);
                Some(Arc::new(picture))
            }
        }
    }

    fn totals<'a>(&self, records: impl Iterator<Item = &'a ScenarioRecord>) -> Picture {
        let mut picture = Picture::default();
        for (scope, record) in self.scopes.iter().zip(records) {
            figures::totals(record, &mut picture.taking(Of::Scenario, *scope));
        }
        picture
    }

    /// Shows the gauges of scenarios that are over as zero. Without them whoever reads would go on
    /// with the last ones, some for minutes.
    fn zero_what_is_over(&self, scenarios: &[ScenarioSnapshot<'_>], picture: &mut Picture) {
        let running: BTreeSet<usize> = self
            .scopes
            .iter()
            .zip(scenarios)
            .filter(|(_, it)| it.phase != Phase::Done)
            .map(|(scope, _)| *scope)
            .collect();
        for zeroes in self.zeroes.families() {
            if zeroes.of != Of::Scenario {
                continue;
            }
            for (key, zero) in &zeroes.series {
                if !running.contains(&key.0) {
                    let family = picture.family(zeroes.of, zeroes.metric);
                    family.series.insert(key.clone(), *zero);
                }
            }
        }
    }

    fn remember(&mut self, picture: &Picture) {
        let gauges = picture
            .families()
            .filter(|it| it.metric.kind == Kind::Gauge);
        for family in gauges {
            let zeroes = &mut self.zeroes.family(family.of, family.metric).series;
            for key in family.series.keys() {
                if !zeroes.contains_key(key) {
                    zeroes.insert(key.clone(), Value::Level(0.0));
                }
            }
        }
    }
}

/// The words of a metric's name, without labels and units: those stand elsewhere.
pub(super) fn words(of: Of, metric: &Metric) -> Vec<&'static str> {
    let mut words = of.words().to_vec();
    let own = words.len();
    words.extend(metric.parts().filter_map(|part| match part {
        Part::Word(word) => Some(word),
        Part::Label(..) => None,
    }));
    if words[own..] == ["custom"] {
        // Only labels and unit would tell these three apart.
        words.push(match (metric.kind, metric.unit) {
            (Kind::Counter, _) => "counters",
            (Kind::Gauge, Unit::Microseconds) => "timings",
            (Kind::Gauge, _) => "gauges",
        });
    }
    if let Some(last) = words.last_mut() {
        let unit = ["_us", "_bytes", "_per_s"];
        *last = unit
            .iter()
            .find_map(|unit| last.strip_suffix(unit))
            .unwrap_or(last);
    }
    words
}

/// A value in the base unit of its kind, in floating point: seconds for times.
pub(super) fn in_base_unit(metric: &Metric, level: f64) -> f64 {
    match metric.unit {
        Unit::Microseconds => level / 1_000_000.0,
        _ => level,
    }
}

/// The names of labels that tags may not take.
fn own_labels() -> BTreeSet<String> {
    let of_metrics = SCENARIO.iter().flat_map(|it| it.labels());
    let all = OF_EVERY_SCENARIO.into_iter().chain(of_metrics);
    all.map(str::to_owned).collect()
}

/// Tags under names that are valid after `clean` and no other label's: one that is taken already is
/// put behind `prefix`, again where that is taken, too.
pub(super) fn tags(
    tags: &[(String, String)],
    prefix: &str,
    clean: impl Fn(&str) -> String,
) -> Vec<(String, String)> {
    let mut taken = own_labels();
    let named = tags.iter().map(|(key, value)| {
        let mut name = clean(key);
        while !taken.insert(name.clone()) {
            name.insert_str(0, prefix);
        }
        (name, value.clone())
    });
    named.collect()
}
