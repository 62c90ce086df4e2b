//! What somebody changed of the run while it was measured: its figures are of all that together.

use super::{Findings, title};
use crate::record::{RunRecord, ScenarioRecord};
use crate::units::human::counted;

/// So many changes of a scenario are named.
const NAMED: usize = 4;
/// So many scenarios are.
const SCENARIOS: usize = 3;

/// A warning where anything was.
pub(super) fn judge(record: &RunRecord, findings: &mut Findings) {
    let scenarios = record.scenarios.iter();
    let mut all: Vec<String> = scenarios.filter_map(|it| changes(it, record)).collect();
    let more = all.len().saturating_sub(SCENARIOS);
    all.truncate(SCENARIOS);
    if all.is_empty() {
        return;
    }
    let more = match more {
        0 => String::new(),
        more => format!(", and {}", counted(more as u64, "more scenario")),
    };
    findings.warnings.push(format!(
        "changed by hand while it was measured: {}{more}; figures and conditions are of all of that together",
        all.join(", "),
    ));
}

fn changes(scenario: &ScenarioRecord, record: &RunRecord) -> Option<String> {
    let said: Vec<_> = scenario.changes().map(|(_, it)| it.said.as_str()).collect();
    if said.is_empty() {
        return None;
    }
    let often = match said.len() {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    };
    let more = if said.len() > NAMED { ", …" } else { "" };
    let named = &said[..said.len().min(NAMED)];
    let title = title(scenario, record);
    Some(format!("`{title}` {often} ({}{more})", named.join(", ")))
}
