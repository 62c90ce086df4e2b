//! A search as a table: a row for each trial, to be plotted as it is.

use super::super::super::document::{Capacity, Document, Trial};
use super::figure;

const COLUMNS: [&str; 23] = [
    "span",
    "scenario",
    "protocol",
    "t_s",
    "seconds",
    "purpose",
    "rate_per_s",
    "users",
    "result",
    "bound",
    "completed_per_s",
    "error_rate",
    "response_time_count",
    "response_time_mean_us",
    "response_time_min_us",
    "response_time_p50_us",
    "response_time_p90_us",
    "response_time_p95_us",
    "response_time_p99_us",
    "response_time_p999_us",
    "response_time_p9999_us",
    "response_time_max_us",
    "response_time_at_least_from",
];

/// All trials, in their order.
pub(super) fn table(document: &Document, capacity: &Capacity) -> String {
    let scenario = document.scenarios.first();
    let names = scenario.map_or(["", ""], |it| [&it.name, &it.protocol]);
    let trials = capacity.trials.iter().map(|it| row(names, capacity, it));
    let headings = COLUMNS.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(headings).chain(trials).collect();
    super::table(&rows).unwrap_or_default()
}

fn row([name, protocol]: [&str; 2], capacity: &Capacity, trial: &Trial) -> [String; COLUMNS.len()] {
    let times = &trial.response_time_us;
    let is = |bound: Option<f64>| bound.is_some() && trial.rate_per_s == bound;
    let bound = match (is(capacity.lower_per_s), is(capacity.upper_per_s)) {
        (true, _) => "lower",
        (false, true) => "upper",
        (false, false) => "",
    };
    [
        "trial".to_owned(),
        name.to_owned(),
        protocol.to_owned(),
        trial.from_s.to_string(),
        trial.lasted_s().to_string(),
        trial.purpose.as_str().to_owned(),
        figure(trial.rate_per_s),
        figure(trial.users),
        trial.result.as_str().to_owned(),
        bound.to_owned(),
        trial.completed_per_s.to_string(),
        figure(trial.error_rate),
        times.count.to_string(),
        figure(times.mean),
        figure(times.min),
        figure(trial.percentile_us("p50")),
        figure(trial.percentile_us("p90")),
        figure(trial.percentile_us("p95")),
        figure(trial.percentile_us("p99")),
        figure(trial.percentile_us("p999")),
        figure(trial.percentile_us("p9999")),
        figure(times.max),
        figure(times.at_least_from),
    ]
}
