//! How long things took: of a scenario, of its steps, and where the charts of that are.

use super::super::super::document::{Confidence, Method, Scenario, Statistics, Step};
use super::super::{Tone, lives, scenario, times};
use super::{Block, Cell, Grid, Row, Section};
use crate::units::human;

/// What a row of times has; as many as [`cells`] gives.
const HEADINGS: [&str; 10] = [
    "samples", "least", "mean", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max",
];

/// Requests, and how long they took.
pub(super) fn section(scenario: &Scenario) -> Section {
    let mut grid = grid(format!("Times of {}", scenario.name), "time");
    let response = &scenario.response_time_us;
    let undelayed = scenario.undelayed_us.as_ref();
    grid.row("response", cells(response, undelayed)).tone = Tone::Strong;
    if let Some(confidence) = &scenario.response_time_confidence_us {
        let row = grid.row("95 % within", within(confidence));
        row.indent = true;
        grid.notes.push(method(confidence).to_owned());
    }
    grid.row("service", cells(&scenario.service_time_us, None));
    for (label, statistics) in times::parts(scenario) {
        grid.row(label, cells(statistics, None));
    }
    grid.notes.extend(notes(&grid.rows, response));
    let grid = grid.without_empty_columns().block();
    let facts = scenario::counts(scenario)
        .chain(scenario::retries(scenario))
        .chain(lives::facts(scenario));
    let blocks = [Block::facts(facts), grid];
    Section::new(
        "Requests and their times",
        blocks.into_iter().flatten().collect(),
    )
}

/// Where it is drawn over time.
pub(super) fn over_time(place: usize, scenario: &Scenario) -> Section {
    let block = if scenario.series.len() < 2 {
        Block::sentence(
            "All of it fell into one second, or less: there is nothing to draw over time.",
        )
    } else {
        let about = format!(
            "Response times by when they were due, rates and users over {}; the table below has its figures.",
            human::micros(scenario.duration_s * 1e6)
        );
        let caption = "Response time by when it was due, and what happened when";
        Block::chart("time", place, caption, about)
    };
    Section::new("Over time", vec![block])
}

/// Where percentiles are drawn as a curve; nothing where there are too few to make one.
pub(super) fn curves(place: usize, scenario: &Scenario) -> Option<Section> {
    scenario.response_time_us.p90?;
    let caption = "Response time beside service time: so many of 100 took no longer";
    let about = "Percentiles of response time and service time; the table below has its figures.";
    let chart = Block::chart("percentiles", place, caption, about.to_owned());
    let mut blocks = vec![chart];
    blocks.push(Block::sentence(
        "The curves end where fewer than ten samples lie beyond: from there on they would tell of \
         single requests.",
    ));
    Some(Section::new("Percentiles", blocks))
}

/// The steps, where there are several.
pub(super) fn steps(scenario: &Scenario) -> Option<Section> {
    let is_single = matches!(scenario.steps.as_slice(), [only] if !only.apart);
    let mut grid = Grid::of_figures(
        format!("Steps of {}", scenario.name),
        "step",
        &[
            "ok",
            "failed",
            "unanswered",
            "mean",
            "p50",
            "p95",
            "p99",
            "p99.9",
            "max",
        ],
    );
    for step in &scenario.steps {
        if !is_single {
            grid.row(&*step.name, of_step(step));
        }
        for (label, of, undelayed) in times::of_messages(step) {
            let [_, _, mean, p50, _, p95, p99, p999, _, max] = cells(of, undelayed);
            let none = || Cell::of("");
            let cells = [
                Cell::count(of.count),
                none(),
                none(),
                mean,
                p50,
                p95,
                p99,
                p999,
                max,
            ];
            grid.row(label, cells).indent = !is_single;
        }
    }
    let facts = Block::facts(scenario::messages(scenario));
    let blocks: Vec<Block> = grid
        .without_empty_columns()
        .block()
        .into_iter()
        .chain(facts)
        .collect();
    (!blocks.is_empty()).then(|| Section::new("Steps", blocks))
}

fn of_step(step: &Step) -> [Cell; 9] {
    let ok = step.outcomes.get("ok").copied().unwrap_or_default();
    let ended: u64 = step.outcomes.values().sum();
    let none = Statistics::default();
    let times = step.response_time_us.as_ref().unwrap_or(&none);
    let [_, _, mean, p50, _, p95, p99, p999, _, max] = cells(times, step.undelayed_us.as_ref());
    let unanswered = match step.unanswered {
        0 => Cell::of(""),
        count => Cell::count_of_bad(count),
    };
    [
        Cell::count(ok),
        Cell::count_of_bad(ended - ok),
        unanswered,
        mean,
        p50,
        p95,
        p99,
        p999,
        max,
    ]
}

/// A table of times.
pub(super) fn grid(caption: impl Into<String>, label: &'static str) -> Grid {
    Grid::of_figures(caption, label, &HEADINGS)
}

/// The figures of a series, and what they would be without the generator's part where that is in them.
pub(super) fn cells(of: &Statistics, undelayed: Option<&Statistics>) -> [Cell; HEADINGS.len()] {
    let without = undelayed.unwrap_or(of);
    let time = |percentage, us, without| {
        let cell = times::cell(of, percentage, us, without);
        let mark = cell.mark.map(String::from).unwrap_or_default();
        Cell::of(cell.text.unwrap_or_default() + &mark)
    };
    [
        Cell::count(of.count),
        time(0.0, of.min, of.min),
        time(100.0, of.mean, of.mean),
        time(50.0, of.p50, without.p50),
        time(90.0, of.p90, without.p90),
        time(95.0, of.p95, without.p95),
        time(99.0, of.p99, without.p99),
        time(99.9, of.p999, without.p999),
        time(99.99, of.p9999, without.p9999),
        time(100.0, of.max, of.max),
    ]
}

/// Where percentiles lie but for chance, below them.
fn within(of: &Confidence) -> Vec<Cell> {
    let interval = |of: Option<[f64; 2]>| {
        Cell::or_nothing(
            of.map(|[low, high]| format!("{} .. {}", human::micros(low), human::micros(high))),
        )
    };
    HEADINGS
        .iter()
        .map(|heading| match *heading {
            "p95" => interval(of.p95),
            "p99" => interval(of.p99),
            "p99.9" => interval(of.p999),
            _ => Cell::of(""),
        })
        .collect()
}

fn method(of: &Confidence) -> &'static str {
    match of.method {
        Method::Ranks => {
            "95 % within: where the percentile lies in 95 of 100 such runs, from the number of samples."
        }
        Method::Seconds => {
            "95 % within: where the percentile lies in about 95 of 100 such runs, from how much the \
             seconds differ; approximate."
        }
    }
}

/// What marks in the table mean.
fn notes(rows: &[Row], response: &Statistics) -> Vec<String> {
    let mut cells = rows.iter().flat_map(|row| &row.cells);
    let has_marks = cells.any(|it| it.text.ends_with(times::MOSTLY_OURS));
    let marked = format!("{} mostly the generator's own.", times::MOSTLY_OURS);
    let bound = response.at_least_from.map(|from| {
        format!("≥ at least: from {from} % on, requests that were left without an answer are among them, at their age.")
    });
    has_marks
        .then_some(marked)
        .into_iter()
        .chain(bound)
        .collect()
}
