//! Many scenarios of the summary, a row each, and below them their conditions and what went wrong.

use loadgen_core::record::Ledger;
use loadgen_core::report::{Document, Scenario, Statistics};

use super::grid::{Cell, Column, Grid};
use super::{Look, failures, scenario, thresholds};
use crate::human;

/// What is shown of each; with little room `p90` is left out first.
const COLUMNS: [Column; 9] = [
    column("ok", 0),
    column("failed", 1),
    column("rate", 2),
    column("p50", 4),
    column("p90", 9),
    column("p95", 5),
    column("p99", 3),
    column("p99.9", 8),
    column("max", 6),
];

const fn column(heading: &'static str, rank: u8) -> Column {
    Column { heading, rank }
}

/// The rows and their total, then failures and conditions of each scenario that has any.
pub(super) fn rows(document: &Document, look: Look) -> Vec<String> {
    let paint = look.paint;
    let (scenarios, total) = (&document.scenarios, &document.total);
    let mut grid = Grid::new("scenario", look.columns / 4, &COLUMNS);
    for it in scenarios {
        let figures = cells(&it.ledger, it.throughput_per_s, &it.response_time_us);
        grid.row(title(it, scenarios), figures);
    }
    let times = &total.response_time_us;
    grid.row("total", cells(&total.ledger, total.throughput_per_s, times));
    let laid = grid.laid(look.columns);
    let mut lines = vec![paint.faint(&laid.heading)];
    for (index, row) in laid.rows.iter().enumerate() {
        let holds = |it: &Scenario| it.thresholds.iter().all(|it| it.pass);
        lines.extend(row.iter().map(|line| match scenarios.get(index) {
            Some(scenario) if holds(scenario) => line.clone(),
            Some(_) => paint.bad(line),
            None => paint.strong(line),
        }));
    }
    for it in scenarios {
        let mut below = scenario::missing(it, look);
        below.extend(failures::lines(it, look));
        below.extend(thresholds::lines(&it.thresholds, "thresholds  ", look));
        if !below.is_empty() {
            lines.push(String::new());
            lines.extend(scenario::strong(&title(it, scenarios), look));
            lines.extend(below);
        }
    }
    lines.push(String::new());
    lines
}

/// Its name, and its protocol where another scenario has the same name.
fn title(scenario: &Scenario, all: &[Scenario]) -> String {
    let alike = all.iter().filter(|it| it.name == scenario.name);
    if alike.count() > 1 {
        format!("{}\u{a0}\u{a0}{}", scenario.name, scenario.protocol)
    } else {
        scenario.name.clone()
    }
}

fn cells(ledger: &Ledger, per_s: f64, times: &Statistics) -> [Cell; COLUMNS.len()] {
    let time = |us: Option<f64>| us.map_or_else(Cell::default, |us| Cell::of(human::micros(us)));
    [
        Cell::of(human::count(ledger.completed)),
        Cell::of(human::count(ledger.failed)),
        Cell::of(human::rate(per_s)),
        time(times.p50),
        time(times.p90),
        time(times.p95),
        time(times.p99),
        time(times.p999),
        time(times.max),
    ]
}
