//! The last word: which load this machine can drive, and which limit comes first.

use super::check::{Check, Status};
use super::facts::{Facts, Measured};
use super::judge::{Reuse, TIME_WAIT_S, USER_BYTES, reuse};
use crate::{human, limits};

/// What all checks come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    /// The most connections at a time, to however many targets.
    pub(super) most_connections: Option<u64>,
    /// The most connections at a time to one target address and port.
    pub(super) most_to_one_target: Option<u64>,
    /// The check whose limit a growing load meets first.
    pub(super) first_limit: Option<&'static str>,
    /// In words.
    pub(super) text: String,
}

/// Sums up.
pub(super) fn up(facts: &Facts, measured: &Measured, checks: &[Check]) -> Summary {
    let everywhere = to_everywhere(facts);
    let to_one = facts.ports.map(|ports| ("local_ports", ports.usable()));
    let least = |bounds: &mut dyn Iterator<Item = (&'static str, u64)>| {
        bounds.min_by_key(|(_, connections)| *connections)
    };
    let most = least(&mut everywhere.iter().copied());
    let first = least(&mut everywhere.iter().copied().chain(to_one));

    let mut sentences = Vec::new();
    if let Some((name, connections)) = first {
        let people = spaced(name);
        sentences.push(match most {
            Some((next, all)) if name == "local_ports" => format!(
                "This machine can hold {} connections at a time to one target address and port: \
                 {people} come first. To several targets it can hold {}, limited by {}.",
                human::count(connections),
                human::count(all),
                spaced(next)
            ),
            _ => format!(
                "This machine can hold {} connections or WebSocket users at a time, to one target \
                 or to several: {people} come first.",
                human::count(connections)
            ),
        });
    }
    sentences.extend(pace(facts, measured));
    let named = |status: Status| -> Vec<String> {
        let fitting = checks.iter().filter(|it| it.status == status);
        fitting.map(|it| spaced(it.name)).collect()
    };
    let (warnings, notes) = (named(Status::Warning), named(Status::Note));
    sentences.push(match (warnings.as_slice(), notes.as_slice()) {
        ([], []) => "Nothing stands in the way.".to_owned(),
        ([], _) => format!(
            "Nothing stands in the way; could be better: {}.",
            notes.join(", ")
        ),
        _ => format!("In the way of ordinary loads: {}.", warnings.join(", ")),
    });
    Summary {
        most_connections: most.map(|(_, connections)| connections),
        most_to_one_target: first.map(|(_, connections)| connections),
        first_limit: first.map(|(name, _)| name),
        text: sentences.join(" "),
    }
}

/// What bounds connections wherever they go.
fn to_everywhere(facts: &Facts) -> Vec<(&'static str, u64)> {
    let mut bounds = Vec::new();
    let files = facts.files.most();
    if files != u64::MAX {
        bounds.push(("open_files", limits::room(files, facts.cpus.usable)));
    }
    if let Some(memory) = &facts.memory {
        bounds.push(("memory", memory.room() / USER_BYTES));
    }
    if let Some(table) = facts.conntrack.filter(|it| it.in_use > 0) {
        bounds.push(("conntrack", table.most.saturating_sub(table.in_use)));
    }
    bounds
}

fn pace(facts: &Facts, measured: &Measured) -> Vec<String> {
    let mut sentences = Vec::new();
    if let (Some(wait), Some(ports)) = (&facts.time_wait, &facts.ports)
        && reuse(wait) != Reuse::Always
    {
        sentences.push(format!(
            "Opening and closing a connection for each iteration goes on for long at up to {}/s \
             to one target elsewhere, or more where the server closes first.",
            human::count(ports.usable() / TIME_WAIT_S)
        ));
    }
    let workers = human::counted(facts.cpus.usable, "worker");
    sentences.push(match &measured.timer {
        Some(late) => format!(
            "It has room for {workers}; 99 of 100 arrivals start within {} of when they are due.",
            human::micros(late.p99_us)
        ),
        None => format!("It has room for {workers}."),
    });
    sentences
}

/// A check's name for people.
pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}
