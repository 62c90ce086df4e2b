//! Whom a scenario spoke to: its connections, its targets, and the servers that named themselves.

use super::super::document::{Address, Backend, Scenario, Stickiness, StickyBy, Target, Total};
use super::names::Names;
use super::{Cell, Column, Fact, Item, Table, column, keeps_own_connections, overview};
use crate::record::{ScenarioRecord, Unit};
use crate::text::flow::glued;
use crate::units::human;

/// Backends and targets that are named.
pub(super) const NAMED: usize = 6;

static BACKEND: [Column; 5] = [
    column("share", 0),
    column("answers", 1),
    column("failed", 2),
    column("p99", 3),
    column("conns", 4),
];
static BACKEND_OF_STREAMS: [Column; 9] = [
    column("share", 0),
    column("answers", 1),
    column("failed", 2),
    column("p99", 6),
    column("conns", 7),
    column("streams", 3),
    column("open", 5),
    column("broken", 4),
    column("messages", 8),
];
static TARGET: [Column; 5] = [
    column("ok", 0),
    column("failed", 1),
    column("unanswered", 2),
    column("connections", 3),
    column("lost", 4),
];

static ADDRESS: [Column; 5] = [
    column("share", 0),
    column("ok", 1),
    column("failed", 2),
    column("connections", 4),
    column("on the list", 3),
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
pub(super) fn targets(targets: &[Target], names: &Names<'_>) -> Option<Table> {
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
        table.row(INDENT, names.name(&target.target), cells);
    }
    table.more = targets.len().saturating_sub(NAMED);
    Some(table)
}

/// Each address, where there are several, or the list of them may change; where each is a target by itself, the
/// targets are told of already.
pub(super) fn addresses(scenario: &Scenario) -> Option<Table> {
    let addresses = &scenario.addresses;
    let is_target = |it: &Address| it.address == it.target;
    if addresses.is_empty() || scenario.targets.len() > 1 && addresses.iter().all(is_target) {
        return None;
    }
    let mut table = Table::new("addresses", true, &ADDRESS);
    for address in addresses.iter().take(NAMED) {
        let since = address.since_s.filter(|since| *since > 0.0);
        let since = since.map(|since| format!("from {since:.1} s"));
        let gone = address.gone_s.map(|gone| format!("to {gone:.1} s"));
        let listed: Vec<_> = since.into_iter().chain(gone).collect();
        let cells = [
            Cell::of(human::percent(address.share)),
            Cell::of(human::count(address.completed)),
            Cell::of(human::count(address.failed)),
            Cell::of(human::count(address.connections)),
            match listed.is_empty() {
                true => Cell::default(),
                false => Cell::of(listed.join(" ")),
            },
        ];
        table.row(INDENT, &address.address, cells);
    }
    table.more = addresses.len().saturating_sub(NAMED);
    Some(table)
}

/// The servers that are known, and what none is known for.
pub(super) fn known(backends: &[Backend]) -> (&[Backend], Option<&Backend>) {
    match backends {
        [known @ .., last] if last.id == ScenarioRecord::UNKNOWN => (known, Some(last)),
        all => (all, None),
    }
}

/// Who answered, where anybody said who it is, and what is given to each of them as a whole.
pub(super) fn backends(scenario: &Scenario) -> Vec<Item> {
    let (named, unknown) = known(&scenario.backends);
    let unknown = unknown.filter(|it| it.requests > 0);
    let has_streams = scenario.backends.iter().any(|it| it.streams.is_some());
    match named {
        [] => return Vec::new(),
        [only] if unknown.is_none() && !has_streams => {
            let connections = match only.connections {
                0 => String::new(),
                count => format!(" over {}", human::counted(count, "connection")),
            };
            let answers = human::counted(only.requests, "answer");
            let text = format!("{}, {}", only.id, glued(&format!("{answers}{connections}")));
            return vec![Item::Fact(Fact::new("backend", text))];
        }
        _ => {}
    }
    let mut table = match has_streams {
        true => Table::new("backends", true, &BACKEND_OF_STREAMS),
        false => Table::new("backends", true, &BACKEND),
    };
    for backend in named.iter().take(NAMED).chain(unknown) {
        let of_streams = backend.streams.map(|it| [it.opened, it.open, it.broken]);
        let mut cells = vec![
            Cell::of(human::percent(backend.share)),
            Cell::of(human::count(backend.requests)),
            Cell::of(human::count(backend.failed)),
            Cell::of_time(backend.response_time_us.as_ref().and_then(|it| it.p99)),
            match backend.connections {
                0 => Cell::default(),
                count => Cell::of(human::count(count)),
            },
        ];
        if has_streams {
            let of_streams = of_streams.unwrap_or_default();
            let of_streams = of_streams.into_iter().chain([backend.messages]);
            cells.extend(of_streams.map(|it| Cell::of(human::count(it))));
        }
        table.row(INDENT, &backend.id, cells);
    }
    table.more = named.len().saturating_sub(NAMED);
    let mut items = vec![Item::Table(table)];
    items.extend(division(scenario).map(Item::Fact));
    items
}

/// What is given to each server as a whole, and what stayed with one.
pub(super) fn division(scenario: &Scenario) -> impl Iterator<Item = Fact> {
    let balanced = scenario.balanced_by.map(|unit| {
        Fact::new("balanced", match unit {
            Unit::Request => "by request: the requests of one connection go to several servers",
            Unit::Stream => "by stream: the streams of one connection go to several servers",
            Unit::Connection => {
                "by connection: all that goes over one stays with one server, so shares are as even \
                 as connections are many"
            }
        })
    });
    let sticky = scenario.stickiness.as_ref();
    let sticky = sticky.map(|it| Fact::new("sticky", stayed(it)));
    balanced.into_iter().chain(sticky)
}

/// How many keys stayed with one server.
fn stayed(stickiness: &Stickiness) -> String {
    let (stayed, all) = (stickiness.one_backend, stickiness.keys);
    let (what, of) = match stickiness.by {
        StickyBy::User => ("user", human::counted(all, "user")),
        StickyBy::Source if all == 1 => ("address", "1 address".to_owned()),
        StickyBy::Source => ("address", format!("{} addresses", human::count(all))),
        StickyBy::Key => ("key", human::counted(all, "key")),
    };
    let stayed = human::count(stayed);
    let moved = match (stickiness.moves.first(), stickiness.move_count) {
        (None, _) => String::new(),
        (Some(first), count) => format!(
            "; {}, the first at {:.1} s: {what} {} from {} to {}",
            human::counted(count, "move"),
            first.t_s,
            first.key,
            first.from,
            first.to
        ),
    };
    let by_failover = match stickiness.by_failover {
        0 => String::new(),
        count => format!(
            "; {} of them as a server had gone away or was back",
            human::count(count)
        ),
    };
    format!("{stayed} of {of} stayed with one server{moved}{by_failover}")
}

/// Who answered which scenario.
pub(super) fn matrix(total: &Total, scenarios: &[Scenario], most: usize) -> Option<Table> {
    let (named, unknown) = known(&total.backends);
    if named.is_empty() || scenarios.len() < 2 {
        return None;
    }
    let unknown = unknown.filter(|it| it.requests > 0);
    let shown: Vec<&Backend> = named.iter().take(most).chain(unknown).collect();
    let columns: Vec<Column> = (0..)
        .zip(&shown)
        .map(|(rank, backend)| Column {
            heading: backend.id.clone().into(),
            rank,
        })
        .collect();
    let mut table = Table::new("answers by backend", true, columns);
    for scenario in scenarios {
        let cells = shown.iter().map(|backend| {
            let its = scenario.backends.iter().find(|it| it.id == backend.id);
            match its.map_or(0, |it| it.requests) {
                0 => Cell::default(),
                requests => Cell::of(human::count(requests)),
            }
        });
        table.row(
            0,
            &overview::title(scenario, scenarios),
            cells.collect::<Vec<_>>(),
        );
    }
    Some(table)
}
