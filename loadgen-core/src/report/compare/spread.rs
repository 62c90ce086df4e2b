//! How much repeated runs differ from each other.

use super::super::document::{Document, Scenario};
use super::comparison::{Figures, Unit};
use super::{figure, judge};
use crate::condition::{Metric, Series};

/// How much the main figures of runs differ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// Each scenario, in the order in which the runs have them.
    pub scenarios: Vec<ScenarioSpread>,
}

/// How much the main figures of a scenario differ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScenarioSpread {
    /// Its name.
    pub name: String,
    /// Throughput, error rate and response times, as far as they were measured.
    pub figures: Vec<FigureSpread>,
}

/// How much one figure differs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FigureSpread {
    /// Which, as conditions write it.
    pub metric: String,
    /// What it is in.
    pub unit: Unit,
    /// What the runs say.
    pub of: Figures,
    /// Its standard deviation as a part of its mean; left out of a single run, and where the mean is nothing.
    pub variation: Option<f64>,
}

impl Spread {
    /// Of these runs.
    #[must_use]
    pub fn of(runs: &[&Document]) -> Self {
        let mut names: Vec<(&str, &str)> = Vec::new();
        let all = || runs.iter().flat_map(|it| &it.scenarios);
        for scenario in all() {
            let name = (scenario.name.as_str(), scenario.protocol.as_str());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let scenarios = names.into_iter().map(|(name, protocol)| {
            let of = all().filter(|it| it.name == name && it.protocol == protocol);
            ScenarioSpread {
                name: name.to_owned(),
                figures: figures(&of.collect::<Vec<_>>()),
            }
        });
        Self {
            scenarios: scenarios.collect(),
        }
    }
}

fn figures(runs: &[&Scenario]) -> Vec<FigureSpread> {
    let is_main = |it: &Metric| !matches!(it, Metric::Series(Series::ServiceTime, _));
    let metrics = figure::of_scenario().filter(is_main);
    let each = metrics.filter_map(|metric| {
        let figures = runs.iter().filter_map(|it| figure::figure(it, &metric));
        let figures: Vec<_> = figures.collect();
        let values: Vec<f64> = figures.iter().map(|it| it.value).collect();
        Some(FigureSpread {
            metric: figure::name(&metric),
            unit: figure::unit(&metric),
            of: judge::figures_of(&figures)?,
            variation: variation(&values),
        })
    });
    each.collect()
}

/// The coefficient of variation.
fn variation(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    (values.len() > 1 && mean > 0.0).then(|| (squares / (count - 1.0)).sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::super::sample::run;
    use super::*;

    #[test_case(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] => Some(428); "known")]
    #[test_case(&[3.0, 3.0] => Some(0); "none")]
    #[test_case(&[3.0] => None; "one run")]
    #[test_case(&[0.0, 0.0] => None; "of nothing")]
    fn variations(values: &[f64]) -> Option<u64> {
        variation(values).map(|it| (it * 1e3).round() as u64)
    }

    #[test]
    fn of_repeated_runs() {
        let p50 = [900.0, 1100.0, 1000.0];
        let runs = p50.iter().zip(1..).map(|(p50, nth)| {
            run(nth, |it| {
                it["scenarios"][0]["response_time_us"]["p50"] = json!(p50);
            })
        });
        let runs: Vec<Document> = runs.collect();
        let spread = Spread::of(&runs.iter().collect::<Vec<_>>());
        let [only] = spread.scenarios.as_slice() else {
            panic!("{spread:?}");
        };
        let metrics: Vec<&str> = only.figures.iter().map(|it| it.metric.as_str()).collect();
        assert_eq!(
            metrics[..3],
            ["throughput", "error_rate", "response_time.mean"]
        );
        assert!(
            !metrics.iter().any(|it| it.starts_with("service_time")),
            "{metrics:?}"
        );
        let figure = &only.figures[3];
        let of = figure.of;
        assert_eq!(
            (of.runs, of.min, of.median, of.max),
            (3, 900.0, 1_000.0, 1_100.0)
        );
        assert_eq!(figure.variation, Some(0.1));
    }
}
