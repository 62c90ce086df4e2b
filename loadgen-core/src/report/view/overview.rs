//! Many scenarios, a row each, and below them what there is to say of each.

use super::super::document::{Document, Scenario, Statistics};
use super::{Cell, Column, Item, Section, Table, Tone, balance, checks, column, lives, scenario};
use crate::record::Ledger;
use crate::text;
use crate::units::human;

/// What is shown of each; with little room `p90` is left out first.
static COLUMNS: [Column; 9] = [
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

/// Where what somebody withheld stands among them, where anybody did.
const WITHHELD: (usize, Column) = (2, column("withheld", 4));

/// The rows and their total.
pub(super) fn table(document: &Document) -> Table {
    let (scenarios, total) = (&document.scenarios, &document.total);
    let mut table = Table::new("scenario", true, &COLUMNS);
    for it in scenarios {
        let figures = cells(&it.ledger, it.throughput_per_s, &it.response_time_us);
        table.row(0, &title(it, scenarios), figures);
    }
    let times = &total.response_time_us;
    let figures = cells(&total.ledger, total.throughput_per_s, times);
    table.row(0, "total", figures);
    let failed = |it: &Scenario| !it.thresholds.iter().all(|it| it.pass);
    for (row, it) in table.rows.iter_mut().zip(scenarios) {
        if failed(it) {
            row.tone = Tone::Bad;
        }
    }
    if let Some(total) = table.rows.last_mut() {
        total.tone = Tone::Strong;
    }
    if total.ledger.withheld > 0 {
        let (at, column) = WITHHELD;
        table.columns.to_mut().insert(at, column);
        let ledgers = scenarios.iter().map(|it| &it.ledger);
        for (row, of) in table.rows.iter_mut().zip(ledgers.chain([&total.ledger])) {
            row.cells.insert(at, Cell::of(human::count(of.withheld)));
        }
    }
    table
}

/// What went wrong in a scenario and its conditions, where there is any of that.
pub(super) fn section(scenario: &Scenario, all: &[Scenario]) -> Option<Section> {
    let mut items: Vec<Item> = scenario::missing(scenario).map(Item::Fact).collect();
    items.extend(scenario::failures(scenario));
    items.extend(lives::failed(scenario));
    items.extend(checks::item(checks::failed(scenario)));
    items.extend(balance::failovers(scenario));
    items.extend(balance::ejections(scenario));
    items.extend(balance::expectations(scenario));
    items.extend(scenario::conditions(scenario));
    let title = title(scenario, all);
    (!items.is_empty()).then_some(Section { title, items })
}

/// What sentences call it: its name, and its protocol where another scenario has the same name.
pub(in crate::report) fn spoken(scenario: &Scenario, all: &[Scenario]) -> String {
    let names = all.iter().map(|it| it.name.as_str());
    text::title(&scenario.name, &scenario.protocol, names)
}

/// The same as headings and the cells of tables have it, the protocol apart.
pub(super) fn title(scenario: &Scenario, all: &[Scenario]) -> String {
    let alike = all.iter().filter(|it| it.name == scenario.name);
    if alike.count() > 1 {
        scenario::title(scenario)
    } else {
        scenario.name.clone()
    }
}

fn cells(ledger: &Ledger, per_s: f64, times: &Statistics) -> [Cell; COLUMNS.len()] {
    [
        Cell::of(human::count(ledger.completed)),
        Cell::of(human::count(ledger.failed)),
        Cell::of(human::rate(per_s)),
        Cell::of_time(times.p50),
        Cell::of_time(times.p90),
        Cell::of_time(times.p95),
        Cell::of_time(times.p99),
        Cell::of_time(times.p999),
        Cell::of_time(times.max),
    ]
}
