//! What a reader of a comparison should know.

use std::collections::BTreeSet;

use super::comparison::{ComparedScenario, Judgement, ToldFrom};
use super::judge::{self, CHANCE, FEWEST_RUNS};
use super::{Common, Group, NamedRun, has_ended, named};
use crate::units::human::counted;

/// What a run says of itself.
type Fact = fn(&NamedRun<'_>) -> String;
/// Whether a run ended in some way.
type Ended = fn(&NamedRun<'_>) -> bool;

/// So many values of a fact are named: each run may have another.
const NAMED: usize = 5;

/// Of the runs themselves.
pub(super) fn of_runs(base: &Group<'_>, new: &Group<'_>) -> Vec<String> {
    let mut warnings = of_same_runs(base, new);
    for group in [base, new] {
        let again = group.again.iter();
        warnings.extend(again.map(|[once_more, first]| {
            format!("{once_more} is the same run as {first}, and counts once")
        }));
    }
    let all = || base.runs.iter().chain(&new.runs).copied();
    let facts: [(&str, Fact); 5] = [
        ("machines by name", |it| {
            it.document.run.host.hostname.clone().unwrap_or_default()
        }),
        ("versions of loadgen", |it| it.document.run.version.clone()),
        ("kernels", |it| {
            it.document.run.host.kernel.clone().unwrap_or_default()
        }),
        ("numbers of worker threads", |it| {
            it.document.run.generator.workers.to_string()
        }),
        ("kinds of pacing", |it| it.document.run.generator.paced()),
    ];
    for (what, fact) in facts {
        let values: BTreeSet<String> = all().map(fact).collect();
        if values.len() > 1 {
            let more = values.len().saturating_sub(NAMED);
            let mut named: Vec<String> = values.into_iter().take(NAMED).collect();
            if more > 0 {
                named.push(format!("and {more} more"));
            }
            warnings.push(format!(
                "the runs are of different {what}: {}",
                named.join(", ")
            ));
        }
    }
    let ends: [(&str, Ended); 2] = [
        ("stopped before all was done", |it| it.document.run.stopped),
        (
            "cut off: what came after the last second that was kept is not there",
            |it| it.document.run.cut_off,
        ),
    ];
    for (what, has_ended_so) in ends {
        let sources = all()
            .filter(|it| has_ended_so(it))
            .map(|it| it.source.as_str());
        let sources: Vec<&str> = sources.collect();
        if !sources.is_empty() {
            let verb = if sources.len() == 1 { "was" } else { "were" };
            warnings.push(format!("{} {verb} {what}", sources.join(", ")));
        }
    }
    warnings
}

fn of_same_runs(base: &Group<'_>, new: &Group<'_>) -> Vec<String> {
    let both: Vec<&str> = base
        .runs
        .iter()
        .filter(|it| new.has(it))
        .map(|it| it.source.as_str())
        .collect();
    if both.is_empty() {
        return Vec::new();
    }
    if both.len() == base.runs.len() && both.len() == new.runs.len() {
        let text = "both sides are the same runs: they differ in nothing, which says nothing";
        return vec![text.to_owned()];
    }
    let text = format!(
        "{} {} on both sides: differences are smaller than they are",
        both.join(", "),
        if both.len() == 1 { "is" } else { "are" }
    );
    vec![text]
}

/// Of scenarios that are not compared, or not as they could be.
pub(super) fn of_scenarios(
    base: &Group<'_>,
    new: &Group<'_>,
    common: &[Common<'_>],
) -> Vec<String> {
    let mut warnings = Vec::new();
    for group in [base, new] {
        let alone = group.scenarios().into_iter().filter(|[name, protocol]| {
            let mut common = common.iter();
            !common.any(|it| it.name == *name && it.protocol == *protocol)
        });
        let alone: Vec<[&str; 2]> = alone.collect();
        if !alone.is_empty() {
            warnings.push(format!("only {}: {}", group.name, named(&alone)));
        }
    }
    for it in common {
        for (group, runs) in [(base, &it.base), (new, &it.new)] {
            if !runs.iter().any(|it| has_ended(it)) {
                warnings.push(format!("nothing ended of {} {}", it.name, group.name));
            }
        }
    }
    warnings
}

/// Of what can be told.
pub(super) fn of_figures(
    scenarios: &[ComparedScenario],
    base: &Group<'_>,
    new: &Group<'_>,
) -> Vec<String> {
    let any = |told_from: ToldFrom| judge::figures(scenarios).any(|it| it.told_from == told_from);
    let mut warnings = Vec::new();
    let few = base.runs.len().min(new.runs.len()) < FEWEST_RUNS;
    if few && !any(ToldFrom::SameRuns) {
        let so = match (any(ToldFrom::Seconds), any(ToldFrom::Nothing)) {
            (true, false) => SECONDS,
            (true, true) => SECONDS_OF_SOME,
            (false, _) => NOTHING,
        };
        warnings.push(format!(
            "{} in the base and {} new: how much one run differs from the next cannot be told from fewer than \
             {FEWEST_RUNS} a side. {so}",
            counted(base.runs.len() as u64, "run"),
            new.runs.len(),
        ));
    }
    let doubtful = judge::figures(scenarios)
        .filter(|it| it.verdict == Judgement::Undecided && it.p.is_some_and(|p| p <= CHANCE));
    let doubtful = doubtful.count();
    if doubtful > 0 {
        let all = judge::figures(scenarios)
            .filter(|it| it.p.is_some())
            .count();
        warnings.push(format!(
            "{} differ{} by p < 0.05 and not once held against all {all}, of which chance makes one in twenty \
             differ; more runs would tell",
            counted(doubtful as u64, "figure"),
            if doubtful == 1 { "s" } else { "" },
        ));
    }
    warnings
}

const SECONDS: &str = "Intervals are from the seconds within runs: approximate (≈), and too narrow";
const SECONDS_OF_SOME: &str = "Intervals of what is measured each second are from the seconds within runs: \
                               approximate (≈), and too narrow; the others cannot be told";
const NOTHING: &str = "With fewer than ten seconds a side, or without their histograms, nothing else tells: \
                       changes are shown, and whether they are more than chance is not said";
