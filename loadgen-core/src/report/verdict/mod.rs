//! The verdict: whether the figures describe the service, and whether it did what was asked.
//!
//! Owns the rules and their sentences. The numbers of the rules are the constants of each part; the
//! book gives the same ones.

mod alike;
mod arrivals;
mod backends;
mod balance;
mod by_hand;
mod conditions;
mod delay;
mod events;
mod files;
mod generator;
mod pinned;
mod pressure;
mod service;
mod shards;
mod throttling;

use std::collections::BTreeMap;
use std::ops::Deref;

use super::document::{Expectation, ShardPart, Shards, Status, ThresholdResult, Verdict};
use super::phrase::span;
use super::worker_load::{Surroundings, WorkerLoad};
use crate::record::{RunRecord, ScenarioRecord};
use crate::text;
use crate::units::human::counted;
use alike::Alike;
use delay::Chosen;
use pressure::Pressure;

/// Judges a run. What the service did wrong comes before what makes the figures doubtful, and that
/// before what either may have caused. `thresholds` are each scenario's conditions and what became of
/// them, in the order of the record's scenarios; `on_tags` are the conditions on tags, as
/// [`judge_tags`](super::judge_tags) has them.
#[must_use]
pub fn verdict(
    record: &RunRecord,
    thresholds: &[Vec<ThresholdResult>],
    on_tags: &[ThresholdResult],
) -> Verdict {
    verdict_on(record, thresholds, on_tags, &About::default())
}

/// What a verdict takes into account beside the record and its conditions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    /// What was expected of balancers.
    pub(super) expected: &'a [Vec<Expectation>],
    /// Advice is to fit a machine of so many cores.
    pub(super) cores: Option<u64>,
    /// The books of a run that is under way are not closed.
    pub(super) is_under_way: bool,
    /// The part of a run that it is of.
    pub(super) shard: Option<&'a ShardPart>,
    /// The parts that it was merged of.
    pub(super) shards: Option<&'a Shards>,
}

impl About<'_> {
    /// Whether there was load that is in no figure.
    fn lacks_parts(&self) -> bool {
        self.shards
            .is_some_and(|it| it.missing_share > 0.0 || !it.missing.is_empty())
            || self.some_were_cut_off()
    }

    /// Whether of some parts only the beginning is known.
    fn some_were_cut_off(&self) -> bool {
        let shards = self.shards.iter().flat_map(|it| &it.merged);
        shards.into_iter().any(|it| it.cut_off)
    }
}

/// The same with all that is known about the run.
pub(super) fn verdict_on(
    record: &RunRecord,
    thresholds: &[Vec<ThresholdResult>],
    on_tags: &[ThresholdResult],
    about: &About<'_>,
) -> Verdict {
    let workers = &record.generator.workers;
    let generator = Pressure {
        busiest: WorkerLoad::busiest(workers),
        around: Surroundings {
            measured: record.elapsed,
            workers: workers.len(),
            cores: about.cores,
        },
    };
    let chosen = Chosen::of(&record.generator);
    let mut findings = Findings::default();
    generator::judge(record, about.shards.is_some(), &mut findings);
    if let Some(shards) = about.shards {
        shards::judge(shards, &mut findings);
    }
    if let Some(reason) = throttling::reason(record) {
        findings.invalid(1.0, reason);
    }
    for (index, scenario) in record.scenarios.iter().enumerate() {
        let scenario = &Titled {
            title: title(scenario, record),
            record: scenario,
        };
        let conditions = thresholds.get(index).map_or(&[][..], Vec::as_slice);
        if !about.is_under_way {
            generator::judge_books(scenario, &mut findings);
        }
        delay::judge(scenario, chosen, &mut findings);
        if scenario.open {
            let has_come_so_far = record.cut_off || about.is_under_way || about.some_were_cut_off();
            arrivals::judge(scenario, &generator, has_come_so_far, &mut findings);
        }
        service::judge(scenario, conditions, &mut findings);
        files::judge(scenario, &mut findings);
        events::judge(scenario, &mut findings);
        if !about.shard.is_some_and(|it| it.is_idle_in(index)) {
            let lacks_parts = about.lacks_parts();
            let is_part = about.shard.is_some();
            let lacking = (is_part, lacks_parts);
            conditions::judge(scenario, conditions, lacking, &mut findings);
        }
        let expectations = about.expected.get(index).map_or(&[][..], Vec::as_slice);
        balance::judge(scenario, expectations, &mut findings);
        pinned::judge(scenario, conditions, expectations, &mut findings);
    }
    by_hand::judge(record, &mut findings);
    conditions::judge_tags(record, on_tags, about.lacks_parts(), &mut findings);
    generator::judge_saturation(record, &generator, &mut findings);
    if record.scenarios.is_empty() {
        findings
            .failed
            .push("there was no scenario, so nothing was measured".to_owned());
    }
    let less = if record.scenarios.iter().all(|it| it.open) {
        "a lower rate"
    } else {
        "fewer users"
    };
    findings.into_verdict(|| generator.explain(less))
}

/// Why a load tells nothing of the service: it was not offered, or conditions do not hold through nothing but the
/// generator. What of times that hold all the same is the generator's is beside the point, unlike in a verdict: without
/// it they hold, too.
pub(crate) fn hindrance(record: &RunRecord, conditions: &[ThresholdResult]) -> Option<String> {
    let generator = Pressure {
        busiest: WorkerLoad::busiest(&record.generator.workers),
        around: Surroundings {
            measured: record.elapsed,
            workers: record.generator.workers.len(),
            cores: None,
        },
    };
    let holds = conditions.iter().all(|it| it.pass);
    let (mut offered, mut judged) = (Findings::default(), Findings::default());
    for scenario in &record.scenarios {
        let scenario = &Titled {
            title: title(scenario, record),
            record: scenario,
        };
        generator::judge_books(scenario, &mut offered);
        if scenario.open {
            arrivals::judge(scenario, &generator, false, &mut offered);
        }
        conditions::judge(scenario, conditions, (false, false), &mut judged);
    }
    // What falls due while a worker stands still comes all at once, which a service may not hold.
    let stall = generator::stall(record).filter(|_| !holds);
    let is_the_services = !judged.failed.is_empty() || !judged.missed.is_empty();
    let by_generator = judged.invalid.into_iter().map(|(_, sentence)| sentence);
    let not_offered = offered.broken.into_iter().chain(throttling::reason(record));
    let not_offered = not_offered.chain(offered.invalid.into_iter().map(|(_, sentence)| sentence));
    let mut all = not_offered.chain(stall);
    all.next()
        .or_else(|| by_generator.take(usize::from(!is_the_services)).next())
}

/// What sentences call a scenario: its name, and its protocol where several have that name.
fn title(scenario: &ScenarioRecord, record: &RunRecord) -> String {
    let names = record.scenarios.iter().map(|it| it.name.as_str());
    text::title(&scenario.name, &scenario.protocol, names)
}

/// A scenario's record, and what sentences call it.
struct Titled<'a> {
    title: String,
    record: &'a ScenarioRecord,
}

impl Deref for Titled<'_> {
    type Target = ScenarioRecord;

    fn deref(&self) -> &ScenarioRecord {
        self.record
    }
}

/// Sentences by what they amount to.
#[derive(Debug, Default)]
struct Findings {
    /// The run itself broke: nothing it says can be relied on.
    broken: Vec<String>,
    /// The service did what it should not, whatever the generator did.
    failed: Vec<String>,
    /// The generator could not do what was asked, or not all of it, and how bad that is: the worst is said first.
    invalid: Vec<(f64, String)>,
    /// Conditions that do not hold, through the service or the generator.
    missed: Vec<String>,
    warnings: Vec<String>,
    /// Warnings of one kind: where among the others they stand, and all of them.
    alike: BTreeMap<Kind, (usize, Vec<Alike>)>,
    /// Whether the generator was in the way.
    is_hindered: bool,
}

/// Kinds of warnings that many scenarios and steps may have for one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A percentile is in part the generator's.
    Delay,
    /// Times may be longer than they were.
    Doubt,
}

impl Findings {
    /// A warning that others of its kind may stand beside.
    fn warn(&mut self, kind: Kind, alike: Alike) {
        let at = self.warnings.len();
        let (_, all) = self.alike.entry(kind).or_insert_with(|| (at, Vec::new()));
        all.push(alike);
    }

    /// All warnings, those of a kind where its first one stands.
    fn all_warnings(&mut self) -> Vec<String> {
        let mut groups: Vec<(usize, Vec<Alike>)> =
            std::mem::take(&mut self.alike).into_values().collect();
        groups.sort_by_key(|(at, _)| *at);
        let mut warnings = std::mem::take(&mut self.warnings);
        for (at, alike) in groups.into_iter().rev() {
            let told = alike::told(alike).into_iter();
            warnings.splice(at..at, told.map(|it| it.sentence));
        }
        warnings
    }

    fn invalid(&mut self, severity: f64, sentence: String) {
        self.is_hindered = true;
        self.invalid.push((severity, sentence));
    }

    /// It is a part of a run only, whatever the generator could do.
    fn incomplete(&mut self, sentence: String) {
        self.invalid.push((f64::MAX, sentence));
    }

    /// The verdict. What hindered the generator is said once, where it made the run invalid.
    fn into_verdict(mut self, why: impl FnOnce() -> String) -> Verdict {
        let status = if !self.broken.is_empty() {
            Status::Invalid
        } else if !self.failed.is_empty() {
            Status::Fail
        } else if !self.invalid.is_empty() {
            Status::Invalid
        } else if !self.missed.is_empty() {
            Status::Fail
        } else {
            Status::Pass
        };
        let is_invalid = !self.invalid.is_empty();
        let mut warnings = self.all_warnings();
        self.invalid.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let invalid = self.invalid.into_iter().map(|(_, sentence)| sentence);
        let mut reasons = self.broken;
        reasons.extend(self.failed);
        reasons.extend(invalid);
        reasons.extend(self.missed);
        if self.is_hindered {
            const DOCTOR: &str = "`loadgen doctor` says what holds this machine back";
            warnings.push(if is_invalid {
                format!("{}; {DOCTOR}", why())
            } else {
                DOCTOR.to_owned()
            });
        }
        Verdict {
            status,
            reasons,
            warnings,
        }
    }
}

/// `1 iteration was`, `2 iterations were`.
fn were(number: u64, noun: &str) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", counted(number, noun))
}

fn span_us(micros: f64) -> String {
    span((micros * 1_000.0).round() as u64)
}

/// A part of a whole; 0 of nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
