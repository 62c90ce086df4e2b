//! The generator as a whole: panics, stalls, books that do not balance, workers without time to
//! spare.

use super::super::phrase::span;
use super::super::worker_load::WorkerName;
use super::pressure::Pressure;
use super::{Findings, Titled, arrivals, title};
use crate::clock::nanos;
use crate::record::{RunRecord, ScenarioRecord};
use crate::units::human::{count, counted};

/// A worker that stands still for longer: invalid. What shorter ones did is judged by what they did
/// to the figures.
const LONGEST_STALL_NS: u64 = 100_000_000;

/// What concerns all scenarios: panics, stalls, an early stop. Of a run that is merged, which parts were stopped or cut off is
/// told elsewhere.
pub(super) fn judge(record: &RunRecord, is_merged: bool, findings: &mut Findings) {
    if let Some(message) = &record.panic {
        findings.broken.push(format!(
            "a workload panicked and the run ended early: {message}"
        ));
    }
    if let Some(overrun) = &record.overrun {
        findings.broken.push(format!(
            "`{}`: {} stood in line for a user on one of {}, which is as many as are kept, and the run \
             ended early: users cannot keep up with this rate; lower it, raise the most users \
             (`load.open.users.max`, `--concurrency`), or turn away what finds none free \
             (`\"when_busy\": \"drop\"`)",
            overrun.scenario,
            counted(overrun.in_line, "arrival"),
            counted(overrun.workers, "worker"),
        ));
    }
    if let Some(reason) = stall(record) {
        findings.invalid(1.0, reason);
    }
    if record.cut_off && !is_merged {
        findings.incomplete(format!(
            "the run was cut off: it was killed, or has not come to its end yet, and this is what its journal has \
             of the first {}",
            span(nanos(record.elapsed)),
        ));
    }
    let grids = record.generator.workers.iter().filter_map(|it| it.grid);
    // What is chosen ends with the first that has no stamp, within one beat.
    let asked_for = record.generator.pacing.ticks_apart().is_some();
    let unstamped = grids.filter(|it| asked_for && it.unstamped);
    let unstamped = unstamped.map(|it| it.ticks_apart);
    if let Some(apart) = unstamped.max() {
        let apart = span(nanos(apart));
        findings.warnings.push(format!(
            "not all that was received had a stamp of the system's, as on UNIX sockets, and what came was looked \
             at each {apart} only (`--pacing {}`): times of the service have up to that of the generator's; \
             `--pacing exact` has none of it, and `auto` chooses that there",
            record.generator.pacing,
        ));
    }
    if record.stopped && !is_merged {
        findings.warnings.push(format!(
            "stopped early: figures and conditions are of {} only",
            span(nanos(record.elapsed)),
        ));
    }
}

/// Why a run is invalid of which a worker stood still for too long.
pub(super) fn stall(record: &RunRecord) -> Option<String> {
    let workers = &record.generator.workers;
    let all = WorkerName::all_of(workers).zip(workers);
    let (name, worker) = all.max_by_key(|(_, worker)| worker.longest_stall)?;
    let stall_ns = nanos(worker.longest_stall);
    (stall_ns > LONGEST_STALL_NS).then(|| {
        format!(
            "{name} stood still for {} (at most {} may)",
            span(stall_ns),
            span(LONGEST_STALL_NS),
        )
    })
}

/// Sums that must come out, whatever the service did.
pub(super) fn judge_books(scenario: &Titled<'_>, findings: &mut Findings) {
    let ledger = &scenario.ledger;
    let name = &scenario.title;
    if !ledger.balances() {
        findings.broken.push(format!(
            "`{name}`: the ledger does not balance (planned {}, started {}, dropped {}, completed \
             {}, failed {}, interrupted {}), which is a fault of loadgen: please report it",
            count(ledger.planned),
            count(ledger.started),
            count(ledger.dropped),
            count(ledger.completed),
            count(ledger.failed),
            count(ledger.interrupted),
        ));
    }
    let outcomes: u64 = scenario.outcomes.iter().map(|(_, count)| count).sum();
    let ended = ledger.completed + ledger.failed;
    if outcomes != ended {
        findings.broken.push(format!(
            "`{name}`: {} counted for {} that completed or failed, which is a fault of loadgen: \
             please report it",
            counted(outcomes, "outcome"),
            counted(ended, "iteration"),
        ));
    }
}

/// A worker without time to spare, where that does not make the run invalid. What it did to the
/// times is judged with them.
pub(super) fn judge_saturation(record: &RunRecord, generator: &Pressure, findings: &mut Findings) {
    let Some(load) = generator.saturated() else {
        return;
    };
    // Of an open model the reason for `invalid` has said it already.
    let tells = |it: &&ScenarioRecord| !it.open || !arrivals::missed_its_rate(it);
    let names: Vec<String> = record
        .scenarios
        .iter()
        .filter(tells)
        .map(|it| format!("`{}`", title(it, record)))
        .collect();
    if names.is_empty() {
        return;
    }
    let any_closed = record.scenarios.iter().any(|it| !it.open);
    let (so, less) = if any_closed {
        (", so throughput is a lower bound", "fewer users")
    } else {
        ("", "a lower rate")
    };
    findings.warnings.push(format!(
        "{}: {}{so}: {}",
        names.join(", "),
        load.cause(),
        load.remedy(generator.around, less),
    ));
}
