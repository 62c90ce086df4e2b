//! Times of a scenario and its steps, as a table.

use super::super::document::{Method, Scenario, Statistics, Step};
use super::{Cell, Column, Fact, Item, Table, Tone, column, keeps_own_connections};
use crate::text::flow::glued;
use crate::units::human;

/// Marks a percentile that is mostly the generator's own.
pub(super) const MOSTLY_OURS: char = '!';
/// Where that is more than this, in microseconds: nobody would notice less.
const NOTABLE_US: f64 = 50.0;

/// What is shown of a series; with little room what has no figure is left out first, then the mean.
static COLUMNS: [Column; 7] = [
    column("p50", 1),
    column("p90", 4),
    column("p95", 3),
    column("p99", 0),
    column("p99.9", 2),
    column("max", 0),
    column("mean", 5),
];

/// The times of all scenarios together.
pub(super) fn of_all(response: &Statistics, service: &Statistics) -> Vec<Item> {
    let mut table = Table::new("", false, &COLUMNS);
    table.row(0, "response", cells(response, None));
    table.row(0, "service", cells(service, None));
    with_legend(table)
}

/// All times of a scenario.
pub(super) fn of(scenario: &Scenario) -> Vec<Item> {
    let mut table = Table::new("", false, &COLUMNS);
    let undelayed = scenario.undelayed_us.as_ref();
    table.row(0, "response", cells(&scenario.response_time_us, undelayed));
    table.row(0, "service", cells(&scenario.service_time_us, None));
    for (label, statistics) in parts(scenario) {
        table.row(0, label, cells(statistics, None));
    }
    let single = match scenario.steps.as_slice() {
        // Its own times are those above.
        [only] if !only.apart => Some(only),
        _ => None,
    };
    if let Some(only) = single {
        add_messages(&mut table, only, 0);
    } else {
        for step in &scenario.steps {
            if let Some(times) = &step.response_time_us {
                table.row(0, &step.name, cells(times, step.undelayed_us.as_ref()));
            }
            // One blank before each: they are the step's.
            add_messages(&mut table, step, 1);
        }
    }
    with_legend(table)
}

/// The times that response time is made of, and those beside it.
pub(super) fn parts<'a>(
    scenario: &'a Scenario,
) -> impl Iterator<Item = (&'static str, &'a Statistics)> {
    let connections = &scenario.connections;
    let is_connecting = keeps_own_connections(scenario);
    let of_connecting = |of: &'a Option<Statistics>| of.as_ref().filter(|_| is_connecting);
    // What is no part of anything that is shown would only be in the way.
    let any = |of: &'a Option<Statistics>| of.as_ref().filter(|it| it.max > Some(0.0));
    let parts = [
        ("queue wait", any(&scenario.queue_wait_us)),
        ("start lag", any(&scenario.start_lag_us)),
        ("send lag", any(&scenario.send_lag_us)),
        ("read lag", any(&scenario.read_lag_us)),
        ("connect", of_connecting(&connections.connect_time_us)),
        ("TLS", of_connecting(&connections.tls_time_us)),
        ("back-off", any(&connections.back_off_us)),
    ];
    let parts = parts.into_iter();
    parts.filter_map(|(label, statistics)| Some((label, statistics?)))
}

/// The further series of a step, in the table.
fn add_messages(table: &mut Table, step: &Step, indent: usize) {
    for (label, statistics, undelayed) in of_messages(step) {
        table.row(indent, label, cells(statistics, undelayed));
    }
}

/// The further series of a step, and what each would be without the generator's part where that is known.
pub(super) fn of_messages(
    step: &Step,
) -> impl Iterator<Item = (&'static str, &Statistics, Option<&Statistics>)> {
    let undelayed = step.undelayed_round_trip_us.as_ref();
    let series = [
        ("first byte", &step.first_byte_us, None),
        ("first msg", &step.first_message_us, None),
        ("msg gap", &step.message_gap_us, None),
        ("round trip", &step.round_trip_us, undelayed),
        ("msg lag", &step.message_lag_us, None),
        ("stream wait", &step.stream_wait_us, None),
    ];
    let series = series.into_iter();
    series.filter_map(|(label, of, undelayed)| Some((label, of.as_ref()?, undelayed)))
}

/// The figures of a series, with what it would be without the generator's part where that is in it;
/// none where too few samples support one.
fn cells(of: &Statistics, undelayed: Option<&Statistics>) -> [Cell; COLUMNS.len()] {
    let without = undelayed.unwrap_or(of);
    let figures = [
        (50.0, of.p50, without.p50),
        (90.0, of.p90, without.p90),
        (95.0, of.p95, without.p95),
        (99.0, of.p99, without.p99),
        (99.9, of.p999, without.p999),
        (100.0, of.max, of.max),
        (100.0, of.mean, of.mean),
    ];
    figures.map(|(percentage, us, without)| cell(of, percentage, us, without))
}

/// A figure of a series: a percentile, what it would be without the generator's part, and the percentage
/// that it is of.
pub(super) fn cell(
    of: &Statistics,
    percentage: f64,
    us: Option<f64>,
    without: Option<f64>,
) -> Cell {
    let Some(us) = us else {
        return Cell::default();
    };
    let is_bound = of.at_least_from.is_some_and(|from| percentage > from);
    let bound = if is_bound { "≥" } else { "" };
    let is_ours = without.is_some_and(|without| us - without > (us / 2.0).max(NOTABLE_US));
    Cell {
        text: Some(format!("{bound}{}", human::micros(us))),
        mark: is_ours.then_some(MOSTLY_OURS),
    }
}

/// The table, and what its marks mean where it has any.
fn with_legend(table: Table) -> Vec<Item> {
    let mut cells = table.rows.iter().flat_map(|row| &row.cells);
    let has_marks = cells.any(|cell| cell.mark.is_some());
    let legend = format!("{MOSTLY_OURS} mostly the generator's own");
    let mut items = vec![Item::Table(table)];
    if has_marks {
        let legend = Fact::new("", legend).toned(Tone::Doubtful);
        items.push(Item::Fact(legend));
    }
    items
}

/// The percentiles of a series that are not told without their confidence where there is room for it; nothing
/// where too few samples support any.
#[cfg(feature = "text")]
pub(in super::super) fn percentiles(of: &Statistics) -> Option<Fact> {
    let figures = [
        ("p95", 95.0, of.p95),
        ("p99", 99.0, of.p99),
        ("p99.9", 99.9, of.p999),
    ];
    let figures = figures.into_iter().filter_map(|(name, percentage, us)| {
        let figure = cell(of, percentage, us, None).text?;
        Some(glued(&format!("{name} {figure}")))
    });
    let figures: Vec<String> = figures.collect();
    (!figures.is_empty()).then(|| Fact::new("response time", figures.join(", ")))
}

/// Where percentiles of response times lie in 95 of 100 such runs, where that is known.
pub(in super::super) fn confidence(scenario: &Scenario) -> Option<Fact> {
    let of = scenario.response_time_confidence_us?;
    let intervals = [("p95", of.p95), ("p99", of.p99), ("p99.9", of.p999)];
    let intervals = intervals.into_iter().filter_map(|(name, interval)| {
        let [low, high] = interval?;
        let (low, high) = (human::micros(low), human::micros(high));
        Some(glued(&format!("{name} {low} .. {high}")))
    });
    let intervals: Vec<String> = intervals.collect();
    let how = match of.method {
        Method::Ranks => "",
        Method::Seconds => " (≈, spread of the seconds)",
    };
    let text = format!("{}{how}", intervals.join(", "));
    (!intervals.is_empty()).then(|| Fact::new("95 % within", text))
}
