//! Whom scenarios spoke to: servers that named themselves, targets, addresses, connections.

use super::super::super::document::{Document, Scenario};
use super::super::names::Names;
use super::super::peers::{division, known, matrix as matrix_of};
use super::super::scenario;
use super::{Block, Cell, Column, Grid, Section};
use crate::expectation;
use crate::judge::balance::{Division, Part};
use crate::record::Unit;
use crate::units::human;

/// The servers behind the targets, by their own word.
pub(super) fn backends(place: usize, scenario: &Scenario) -> Option<Section> {
    let (named, unknown) = known(&scenario.backends);
    if named.is_empty() {
        return None;
    }
    let unknown = unknown.filter(|it| it.requests > 0);
    let unit = scenario.balanced_by.unwrap_or(Unit::Request);
    let shares = intervals(scenario, unit);
    let headings = [
        "share",
        "may be",
        "answers",
        "failed",
        "interrupted",
        "p50",
        "p95",
        "p99",
        "max",
        "connections",
        "streams",
        "open at the end",
        "broken",
        "messages",
        "first",
        "last",
    ];
    let most = scenario.backends.iter().map(|it| it.share);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let mut grid = Grid::of_figures(
        format!("Who answered {}", scenario.name),
        "server",
        &headings,
    );
    for (row, backend) in named.iter().chain(unknown).enumerate() {
        let times = backend.response_time_us.as_ref();
        let streams = backend.streams;
        let or_none = |count: u64| Cell::or_nothing((count > 0).then(|| human::count(count)));
        let cells = [
            Cell::of(human::percent(backend.share)).with_bar(backend.share / most),
            Cell::or_nothing(shares.get(row).cloned()),
            Cell::count(backend.requests),
            Cell::count_of_bad(backend.failed),
            or_none(backend.interrupted),
            Cell::time(times.and_then(|it| it.p50)),
            Cell::time(times.and_then(|it| it.p95)),
            Cell::time(times.and_then(|it| it.p99)),
            Cell::time(times.and_then(|it| it.max)),
            or_none(backend.connections),
            Cell::or_nothing(streams.map(|it| human::count(it.opened))),
            Cell::or_nothing(streams.map(|it| human::count(it.open))),
            streams.map_or_else(|| Cell::of(""), |it| Cell::count_of_bad(it.broken)),
            or_none(backend.messages),
            Cell::seconds(backend.first_s),
            Cell::seconds(backend.last_s),
        ];
        grid.row(&*backend.id, cells);
    }
    if !shares.is_empty() {
        grid.notes.push(format!(
            "May be: where the share of {}s lies but for chance, for all servers together in 99 of 100 \
             such runs.",
            expectation::word(unit)
        ));
    }
    let mut blocks: Vec<Block> = grid.without_empty_columns().block().into_iter().collect();
    blocks.extend(Block::facts(division(scenario)));
    let is_over_time = scenario
        .series
        .iter()
        .filter(|it| !it.backends.is_empty())
        .count()
        > 1;
    if is_over_time && named.len() > 1 {
        let about = "The share of each server over time; the table below has its figures.";
        let caption = "Who answered, by when it was due";
        blocks.push(Block::chart("backends", place, caption, about.to_owned()));
    }
    Some(Section::new("Backends", blocks))
}

/// Where each server's share lies but for chance. None where one was away for a part: the whole was not
/// divided among all then.
fn intervals(scenario: &Scenario, unit: Unit) -> Vec<String> {
    let (named, unknown) = known(&scenario.backends);
    let is_whole = scenario.failovers.is_empty();
    if named.len() < 2 || !is_whole {
        return Vec::new();
    }
    let parts = named.iter().map(|it| Part {
        name: it.id.clone(),
        count: match unit {
            Unit::Request => it.requests,
            Unit::Stream => it.streams.map_or(0, |it| it.opened),
            Unit::Connection => it.connections,
        },
        wished: 0.0,
    });
    let division = Division {
        parts: parts.collect(),
        nameless: match unit {
            Unit::Request => unknown.map_or(0, |it| it.completed),
            Unit::Stream | Unit::Connection => 0,
        },
    };
    let each = division.parts.iter().map(|part| {
        let interval = division.interval(part);
        format!(
            "{} .. {}",
            human::percent(interval.low),
            human::percent(interval.high)
        )
    });
    each.collect()
}

/// Who answered which scenario.
pub(super) fn matrix(document: &Document) -> Option<Block> {
    let table = matrix_of(&document.total, &document.scenarios, usize::MAX)?;
    let mut grid = Grid::from(&table);
    grid.caption = "Answers by scenario and server".to_owned();
    grid.label = "scenario";
    grid.block()
}

/// Connections, targets, addresses, and how those stood that calls went to.
pub(super) fn connections(
    document: &Document,
    place: usize,
    scenario: &Scenario,
) -> Option<Section> {
    let all = &scenario.connections;
    let mut blocks = Vec::new();
    let headings = [
        "opened",
        "failed attempts",
        "ended by the other side",
        "reconnected",
        "redirections",
    ];
    let mut grid = Grid::of_figures(
        "Connections, those before the clock started included",
        "whose",
        &headings,
    );
    let cells = [
        Cell::count(all.opened),
        Cell::count_of_bad(all.failed),
        Cell::count_of_bad(all.dropped),
        Cell::count(all.reconnected),
        Cell::count(all.redirects),
    ];
    if all.opened + all.failed > 0 {
        grid.row("all", cells);
    }
    blocks.extend(grid.block());
    let names = Names::of(scenario, &document.run.plan);
    if scenario.targets.len() > 1 {
        let headings = [
            "ok",
            "failed",
            "unanswered",
            "connections",
            "failed attempts",
            "lost",
        ];
        let mut grid = Grid::of_figures("Targets", "target", &headings);
        for target in &scenario.targets {
            let cells = [
                Cell::count(target.completed),
                Cell::count_of_bad(target.failed),
                Cell::count_of_bad(target.unanswered),
                Cell::count(target.connections.opened),
                Cell::count_of_bad(target.connections.failed),
                Cell::count_of_bad(target.connections.dropped),
            ];
            grid.row(names.name(&target.target), cells);
        }
        blocks.extend(grid.block());
    }
    blocks.extend(addresses(scenario));
    let is_busy = scenario
        .series
        .iter()
        .skip(1)
        .any(|it| it.connections.is_some());
    if is_busy {
        let caption = "Connections that opened, failed or ended";
        let about = "Connections over time; the table below has its figures.";
        blocks.push(Block::chart(
            "connections",
            place,
            caption,
            about.to_owned(),
        ));
    }
    blocks.extend(standings(scenario, &names));
    blocks.extend(changes(scenario));
    (!blocks.is_empty()).then(|| Section::new("Connections", blocks))
}

fn addresses(scenario: &Scenario) -> Option<Block> {
    let headings = [
        "share",
        "ok",
        "failed",
        "unanswered",
        "connections",
        "listed from",
        "to",
    ];
    let mut grid = Grid::of_figures("Addresses that connections went to", "address", &headings);
    for address in &scenario.addresses {
        let cells = [
            Cell::of(human::percent(address.share)).with_bar(address.share),
            Cell::count(address.completed),
            Cell::count_of_bad(address.failed),
            Cell::count_of_bad(address.unanswered),
            Cell::count(address.connections),
            Cell::seconds(address.since_s),
            Cell::seconds(address.gone_s),
        ];
        grid.row(&*address.address, cells);
    }
    grid.without_empty_columns().block()
}

fn standings(scenario: &Scenario, names: &Names<'_>) -> Option<Block> {
    let columns = [
        ("at", Column::Figure),
        ("from", Column::Text),
        ("to", Column::Text),
        ("why", Column::Code),
    ];
    let mut grid = Grid::new("How those stood that calls went to", "who", &columns);
    for it in &scenario.standings {
        let cells = [
            Cell::seconds(Some(it.t_s)),
            Cell::of(scenario::standing(it.from)),
            Cell::of(scenario::standing(it.to)),
            Cell::of(&*it.reason),
        ];
        grid.row(names.name(&it.peer), cells);
    }
    grid.block()
}

/// Files that changed while the run was under way.
fn changes(scenario: &Scenario) -> Option<Block> {
    let columns = [
        ("at", Column::Figure),
        ("field", Column::Text),
        ("could not be taken", Column::Code),
    ];
    let mut grid = Grid::new("Files that changed", "file", &columns);
    for it in &scenario.changes {
        let cells = [
            Cell::seconds(Some(it.t_s)),
            Cell::of(&*it.field),
            Cell::or_nothing(it.problem.as_deref()),
        ];
        grid.row(&*it.file, cells);
    }
    grid.without_empty_columns().block()
}
