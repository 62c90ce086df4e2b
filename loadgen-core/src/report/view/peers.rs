//! Whom a scenario spoke to: its connections, its targets, and the servers that named themselves.

use super::super::document::{Backend, Scenario, Target};
use super::{Cell, Column, Fact, Item, Table, column, keeps_own_connections};
use crate::text::flow::glued;
use crate::units::human;

/// Backends and targets that are named.
const NAMED: usize = 6;

const BACKEND: [Column; 4] = [
    column("share", 0),
    column("answers", 1),
    column("failed", 2),
    column("p99", 3),
];
const TARGET: [Column; 5] = [
    column("ok", 0),
    column("failed", 1),
    column("unanswered", 2),
    column("connections", 3),
    column("lost", 4),
];

/// Blanks before a name: it stands below what it is one of.
const INDENT: usize = 2;

/// Connections, where they are measured or anything became of them that was not meant to.
pub(super) fn connections(scenario: &Scenario) -> Option<Fact> {
    let connections = &scenario.connections;
    let troubled = connections.failed > 0 || connections.dropped > 0;
    if !troubled && !keeps_own_connections(scenario) {
        return None;
    }
    let parts = [
        format!("{} opened", human::count(connections.opened)),
        format!("{} failed", human::counted(connections.failed, "attempt")),
        format!(
            "{} ended by the other side",
            human::count(connections.dropped)
        ),
    ];
    Some(Fact::of_parts("connections", &parts))
}

/// Each target, where there are several.
pub(super) fn targets(targets: &[Target]) -> Option<Table> {
    if targets.len() < 2 {
        return None;
    }
    let mut table = Table::new("targets", true, &TARGET);
    for target in targets.iter().take(NAMED) {
        let counts = [
            target.completed,
            target.failed,
            target.unanswered,
            target.connections.opened,
            target.connections.failed + target.connections.dropped,
        ];
        let cells = counts.map(|count| Cell::of(human::count(count)));
        table.row(INDENT, &target.target, cells);
    }
    table.more = targets.len().saturating_sub(NAMED);
    Some(table)
}

/// Who answered, where anybody said who it is.
pub(super) fn backends(backends: &[Backend]) -> Option<Item> {
    match backends {
        [] => return None,
        [only] => {
            let answers = glued(&human::counted(only.requests, "answer"));
            let text = format!("{}, {answers}", only.id);
            return Some(Item::Fact(Fact::new("backend", text)));
        }
        _ => {}
    }
    let mut table = Table::new("backends", true, &BACKEND);
    for backend in backends.iter().take(NAMED) {
        let cells = [
            Cell::of(human::percent(backend.share)),
            Cell::of(human::count(backend.requests)),
            Cell::of(human::count(backend.failed)),
            Cell::of_time(backend.response_time_us.and_then(|it| it.p99)),
        ];
        table.row(INDENT, &backend.id, cells);
    }
    table.more = backends.len().saturating_sub(NAMED);
    Some(Item::Table(table))
}
