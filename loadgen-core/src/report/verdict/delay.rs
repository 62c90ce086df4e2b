//! How much of each percentile is the generator's own.
//!
//! The generator's part at a percentile is that percentile of a series less the same percentile of
//! the series without start lag and send lag, or without the lag of messages.

use super::super::phrase::{percent, span};
use super::super::statistics::Statistics;
use super::{Findings, ratio, span_us};
use crate::clock::nanos;
use crate::record::{Histogram, ScenarioRecord, StepRecord};
use crate::workload::SampleKind;

/// A larger part of a percentile than this makes it doubtful.
const NOTABLE_PART: f64 = 0.1;
/// And more than this, in microseconds: nobody would notice less.
const NOTABLE_US: f64 = 50.0;
/// A larger part of a percentile than this, and it does not describe the service.
const MOST_PART: f64 = 0.5;

/// A percentile and what of it is the generator's.
#[derive(Debug, Clone, Copy)]
struct Delayed {
    name: &'static str,
    /// Whether it decides. What one in a hundred comes to is a share that matters; a percentile that
    /// fewer come to is moved by a single pause of the machine's, which is no reason to throw all
    /// others away. The warning names it.
    decides: bool,
    seen_us: f64,
    undelayed_us: f64,
}

impl Delayed {
    fn part_us(self) -> f64 {
        self.seen_us - self.undelayed_us
    }

    fn share(self) -> f64 {
        self.part_us() / self.seen_us
    }

    fn is_notable(self) -> bool {
        self.share() > NOTABLE_PART && self.part_us() > NOTABLE_US
    }

    fn is_too_much(self, late_after_us: f64) -> bool {
        self.decides && self.share() > MOST_PART && self.part_us() > late_after_us
    }
}

/// The percentiles that are given of a series, each with what it would be without delay.
fn percentiles(seen: &Histogram, undelayed: &Histogram) -> impl Iterator<Item = Delayed> {
    let (seen, without) = (Statistics::of(seen), Statistics::of(undelayed));
    let given = [
        ("p50", true, seen.p50, without.p50),
        ("p90", true, seen.p90, without.p90),
        ("p95", true, seen.p95, without.p95),
        ("p99", true, seen.p99, without.p99),
        ("p99.9", false, seen.p999, without.p999),
        ("p99.99", false, seen.p9999, without.p9999),
    ];
    given
        .into_iter()
        .filter_map(|(name, decides, seen, without)| {
            Some(Delayed {
                name,
                decides,
                seen_us: seen?,
                undelayed_us: without?,
            })
        })
}

/// Judges every series of a scenario that the generator's part is in.
pub(super) fn judge(scenario: &ScenarioRecord, findings: &mut Findings) {
    let name = format!("`{}`", scenario.name);
    let undelayed = &scenario.parts.undelayed;
    let of_scenario = (
        name.clone(),
        "response time",
        &scenario.response_time,
        undelayed,
    );
    let is_single = scenario.steps.len() == 1;
    let of_steps = scenario.steps.iter().filter(|_| !is_single);
    let of_steps = of_steps.filter_map(|step| {
        let undelayed = &step.parts.as_deref()?.undelayed;
        let of = format!("{name} step `{}`", step.name);
        Some((of, "response time", &step.response_time, undelayed))
    });
    let of_messages = scenario.steps.iter().filter_map(|step| {
        let seen = samples(step, SampleKind::RoundTrip)?;
        let undelayed = samples(step, SampleKind::UndelayedRoundTrip)?;
        let of = format!("{name} step `{}`", step.name);
        Some((of, "round trip", seen, undelayed))
    });
    let mut is_said = false;
    let late_after_us = nanos(scenario.late_after) as f64 / 1_000.0;
    let all = std::iter::once(of_scenario)
        .chain(of_steps)
        .chain(of_messages);
    for (of, what, seen, undelayed) in all {
        // Of those that are alike the first: more requests are behind it.
        let mut notable: Vec<Delayed> = percentiles(seen, undelayed)
            .filter(|it| it.is_notable())
            .collect();
        notable.reverse();
        let worst = notable.into_iter().max_by(|a, b| {
            let rank = |it: &Delayed| (it.is_too_much(late_after_us), it.share());
            let ((a, a_share), (b, b_share)) = (rank(a), rank(b));
            a.cmp(&b).then(a_share.total_cmp(&b_share))
        });
        let Some(worst) = worst else { continue };
        is_said |= worst.decides && of == name;
        let figures = format!(
            "{of}: {} of {what} {} ({}) is the generator's part, without it {}",
            percent(worst.share()),
            worst.name,
            span_us(worst.seen_us),
            span_us(worst.undelayed_us),
        );
        if worst.is_too_much(late_after_us) {
            let sentence = format!(
                "{figures} (at most {} may be, where that is more than {})",
                percent(MOST_PART),
                span_us(late_after_us),
            );
            findings.invalid(worst.share(), sentence);
        } else {
            findings.is_hindered = true;
            findings.warnings.push(figures);
        }
    }
    // One sentence about too many replies to keep up with is enough.
    if !is_said {
        findings.warnings.extend(doubt(scenario));
    }
}

/// From which percentile on too many replies have the stamp of a later one, if there is such a one.
fn doubt(scenario: &ScenarioRecord) -> Option<String> {
    let in_doubt = scenario.parts.in_doubt;
    let times = Statistics::of(&scenario.service_time);
    let share = ratio(in_doubt, times.count);
    let given = [
        ("p50", 0.5, times.p50),
        ("p90", 0.1, times.p90),
        ("p95", 0.05, times.p95),
        ("p99", 0.01, times.p99),
        ("p99.9", 0.001, times.p999),
        ("p99.99", 0.0001, times.p9999),
    ];
    let (from, ..) = given
        .into_iter()
        .find(|(_, above, figure)| figure.is_some() && share > above * NOTABLE_PART)?;
    Some(format!(
        "`{}`: {} of the replies were read together with later ones, and the system tells only when the \
         last of them came: {from} and above may be shown longer than they were, those of messages \
         too, by {} a reply in the mean",
        scenario.name,
        percent(share),
        span(scenario.parts.doubt / in_doubt),
    ))
}

fn samples(step: &StepRecord, kind: SampleKind) -> Option<&Histogram> {
    let series = step.samples.iter().find(|(of, _)| *of == kind);
    series.map(|(_, histogram)| histogram)
}
