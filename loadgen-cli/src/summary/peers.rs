//! Whom a scenario spoke to: its connections, its targets, and the servers that named themselves.

use loadgen_core::report::{Backend, Scenario, Target};

use super::grid::{Cell, Column, Grid};
use super::{Look, field, keeps_own_connections};
use crate::flow::glued;
use crate::human;

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

const fn column(heading: &'static str, rank: u8) -> Column {
    Column { heading, rank }
}

/// Connections, where they are measured or anything became of them that was not meant to.
pub(super) fn connections(scenario: &Scenario, look: Look) -> Vec<String> {
    let connections = &scenario.connections;
    let troubled = connections.failed > 0 || connections.dropped > 0;
    if !troubled && !keeps_own_connections(scenario) {
        return Vec::new();
    }
    let parts = [
        format!("{} opened", human::count(connections.opened)),
        format!("{} failed", human::counted(connections.failed, "attempt")),
        format!(
            "{} ended by the other side",
            human::count(connections.dropped)
        ),
    ];
    field("connections", &parts.map(|it| glued(&it)).join(", "), look)
}

/// Each target, where there are several.
pub(super) fn targets(targets: &[Target], look: Look) -> Vec<String> {
    if targets.len() < 2 {
        return Vec::new();
    }
    let mut grid = Grid::new("targets", look.columns / 4, &TARGET);
    for target in targets.iter().take(NAMED) {
        let counts = [
            target.completed,
            target.failed,
            target.unanswered,
            target.connections.opened,
            target.connections.failed + target.connections.dropped,
        ];
        let cells = counts.map(|count| Cell::of(human::count(count)));
        grid.row(format!("  {}", target.target), cells);
    }
    laid(&grid, targets.len(), look)
}

/// Who answered.
pub(super) fn backends(backends: &[Backend], look: Look) -> Vec<String> {
    match backends {
        [] => return Vec::new(),
        [only] => {
            let answers = glued(&human::counted(only.requests, "answer"));
            return field("backend", &format!("{}, {answers}", only.id), look);
        }
        _ => {}
    }
    let mut grid = Grid::new("backends", look.columns / 4, &BACKEND);
    for backend in backends.iter().take(NAMED) {
        let p99 = backend.response_time_us.and_then(|it| it.p99);
        let cells = [
            Cell::of(human::percent(backend.share)),
            Cell::of(human::count(backend.requests)),
            Cell::of(human::count(backend.failed)),
            p99.map_or_else(Cell::default, |us| Cell::of(human::micros(us))),
        ];
        grid.row(format!("  {}", backend.id), cells);
    }
    laid(&grid, backends.len(), look)
}

fn laid(grid: &Grid, all: usize, look: Look) -> Vec<String> {
    let laid = grid.laid(look.columns);
    let mut lines = vec![look.paint.faint(&laid.heading)];
    lines.extend(laid.rows.into_iter().flatten());
    if all > NAMED {
        lines.push(format!("  … and {} more", all - NAMED));
    }
    lines
}
