//! What the service left undone: answers, silence, targets that are dead, messages nobody asked for.

use std::time::Duration;

use super::super::document::{Quantile, ThresholdResult};
use super::super::phrase::{percent, span};
use super::{Findings, Titled, backends, ratio, were};
use crate::clock::nanos;
use crate::condition::Threshold;
use crate::judge::is_about_silence;
use crate::record::{LONG_SILENCE, LifePart, Samples, ScenarioRecord, Stretch, TargetRecord};
use crate::units::human::{count, counted};
use crate::workload::{MessageFault, SampleKind};

/// A silence is long when it lasts so many times the response time's p99, and over a second.
const LONG_SILENCE_OF_P99: u64 = 10;
/// One to the end of the load is worth a word from so many times on.
const NOTABLE_SILENCE_OF_P99: u64 = 2;

/// A larger share of failures than this is worth a word beside the percentiles.
const NOTABLE_FAILURES: f64 = 0.1;

pub(super) fn judge(
    scenario: &Titled<'_>,
    conditions: &[ThresholdResult],
    findings: &mut Findings,
) {
    judge_silence(scenario, conditions, findings);
    judge_remainder(scenario, findings);
    judge_failures(scenario, findings);
    judge_targets(scenario, findings);
    backends::judge(scenario, findings);
    judge_messages(scenario, findings);
    judge_lives(scenario, findings);
}

/// How long a silence may last before it is no slow answer any more: by the p99 of the service's time
/// for what ended. What was left unanswered is in that histogram too, on top, and what waited for a
/// user did so because of the silence: neither may excuse it.
fn longest_allowed(scenario: &ScenarioRecord) -> Duration {
    longest_of(scenario, LONG_SILENCE_OF_P99)
}

/// So many times that p99, and a second at the least, also where there are too few samples for one.
fn longest_of(scenario: &ScenarioRecord, times_p99: u64) -> Duration {
    let times = &scenario.service_time;
    let cut_off = scenario
        .unanswered
        .saturating_sub(scenario.dropped_unanswered);
    let ended = times.len().saturating_sub(cut_off);
    let is_enough = Quantile::P99.is_supported_by(ended);
    let p99 = is_enough.then(|| times.at(Quantile::P99.share() * ratio(ended, times.len())));
    let of_p99 = p99.unwrap_or_default().saturating_mul(times_p99);
    Duration::from_nanos(of_p99.max(LONG_SILENCE))
}

/// The longest silence, where it was too long for a slow answer.
pub(super) fn long_silence(scenario: &ScenarioRecord) -> Option<Stretch> {
    let longest = scenario.silence.longest;
    (longest.length > longest_allowed(scenario)).then_some(longest)
}

/// `for 1.5 s, from 2 s on`.
pub(super) fn when(silence: Stretch) -> String {
    let from = match nanos(silence.from) {
        0 => "the start".to_owned(),
        from => span(from),
    };
    format!("for {}, from {from} on", span(nanos(silence.length)))
}

/// A service that has gone silent for good fails the run, unless a condition says how long it may be
/// silent, or none was given on purpose.
fn judge_silence(scenario: &Titled<'_>, conditions: &[ThresholdResult], findings: &mut Findings) {
    let last = scenario.silence.last;
    let allowed = longest_allowed(scenario);
    if last.length <= allowed {
        if last.length > longest_of(scenario, NOTABLE_SILENCE_OF_P99) {
            findings.warnings.push(format!(
                "`{}`: no iteration ended ok to the end of the load, {}, while some were under way: no \
                 failure, as it is less than {LONG_SILENCE_OF_P99} times the service time's p99 \
                 ({}), and yet the service may have died",
                scenario.title,
                when(last),
                span(nanos(allowed)),
            ));
        }
        if let Some(silence) = long_silence(scenario) {
            findings.warnings.push(format!(
                "`{}`: no iteration ended ok {}, while some were under way",
                scenario.title,
                when(silence)
            ));
        }
        return;
    }
    let sentence = format!(
        "`{}`: no iteration ended ok to the end of the load, {}, while some were under way",
        scenario.title,
        when(last)
    );
    let asks = |it: &ThresholdResult| {
        let parsed = it.expression.parse::<Threshold>();
        parsed.is_ok_and(|condition| is_about_silence(&condition))
    };
    if conditions.is_empty() || conditions.iter().any(asks) {
        findings.warnings.push(sentence);
    } else {
        findings.failed.push(sentence);
    }
}

/// What is missing from the latency figures, or in them as a lower bound.
fn judge_remainder(scenario: &Titled<'_>, findings: &mut Findings) {
    let name = &scenario.title;
    let unanswered = scenario.unanswered;
    let cut_off = unanswered.saturating_sub(scenario.dropped_unanswered);
    if unanswered > 0 {
        let mut kinds = Vec::new();
        if cut_off > 0 {
            kinds.push(format!("{} cut off by the end of the run", count(cut_off)));
        }
        if scenario.dropped_unanswered > 0 {
            kinds.push(format!(
                "{} never started because all users were busy",
                count(scenario.dropped_unanswered)
            ));
        }
        findings.warnings.push(format!(
            "`{name}`: {} left unanswered ({} of those planned: {}): they count as failed, and in \
             the percentiles with their age, which is a lower bound",
            were(unanswered, "iteration"),
            percent(ratio(unanswered, scenario.ledger.wanted())),
            kinds.join(", "),
        ));
    }
    let left_out = scenario.ledger.interrupted.saturating_sub(cut_off);
    if left_out > 0 {
        findings.warnings.push(format!(
            "`{name}`: {} cut off by the end of the run; how long they would have taken is in no \
             figure",
            were(left_out, "iteration"),
        ));
    }
    if scenario.saturated_samples > 0 {
        findings.warnings.push(format!(
            "`{name}`: {} above an hour and counted as one hour",
            were(scenario.saturated_samples, "sample"),
        ));
    }
}

/// Failures that are so many that the percentiles are theirs: a refused connection takes microseconds.
fn judge_failures(scenario: &Titled<'_>, findings: &mut Findings) {
    let failed = scenario.ledger.failed;
    let ended = failed + scenario.ledger.completed;
    let share = ratio(failed, ended);
    if share > NOTABLE_FAILURES && scenario.ledger.completed > 0 {
        findings.warnings.push(format!(
            "`{}`: {} of the times are of iterations that failed, which are in all percentiles",
            scenario.title,
            percent(share),
        ));
    }
}

/// A target that does nothing beside others that do.
fn judge_targets(scenario: &Titled<'_>, findings: &mut Findings) {
    let is_alive = |target: &&TargetRecord| target.completed > 0;
    let is_dead = |target: &&TargetRecord| {
        let connections = target.connections;
        let tried = target.failed + target.unanswered + connections.failed + connections.dropped;
        target.completed == 0 && tried > 0
    };
    if !scenario.targets.iter().any(|it| is_alive(&it)) {
        return;
    }
    for target in scenario.targets.iter().filter(is_dead) {
        let connections = target.connections;
        findings.warnings.push(format!(
            "`{}`: target {} is dead beside others that are not: {} completed, {} failed and {} left \
             unanswered there, {} opened and {} failed",
            scenario.title,
            target.target,
            count(target.completed),
            counted(target.failed, "iteration"),
            count(target.unanswered),
            counted(connections.opened, "connection"),
            counted(connections.failed, "attempt"),
        ));
    }
}

/// Failures at the beginning and the end of users' lives: the latter are in nobody else's figures.
fn judge_lives(scenario: &Titled<'_>, findings: &mut Findings) {
    for step in &scenario.steps {
        let Some(part) = step.part else {
            continue;
        };
        let (mut ended, mut failed) = (0, 0);
        for (outcome, count) in &step.outcomes {
            ended += count;
            failed += if outcome.is_ok() { 0 } else { *count };
        }
        if failed == 0 {
            continue;
        }
        let (name, of) = (&scenario.title, &step.name);
        let failed = format!("{} of {}", count(failed), counted(ended, "time"));
        findings.warnings.push(match part {
            LifePart::Begin => format!(
                "`{name}`: step `{of}`, at the beginning of a user's life, failed {failed}: the iteration \
                 that needed it failed with it; before the clock, the user's first iteration tried again"
            ),
            LifePart::End => format!(
                "`{name}`: step `{of}`, at the end of a user's life, failed {failed}: these failures are \
                 in no error rate but `steps.{of}.error_rate`"
            ),
        });
    }
}

/// Messages that make the figures of others doubtful.
fn judge_messages(scenario: &Titled<'_>, findings: &mut Findings) {
    for step in &scenario.steps {
        let unexpected = step.message_faults[MessageFault::Unexpected as usize];
        if unexpected > 0 {
            let round_trips = step
                .samples
                .iter()
                .find(|(kind, _)| *kind == SampleKind::RoundTrip);
            let replies = round_trips.map_or(0, |(_, replies)| replies.len());
            let beside = match replies {
                0 => format!("of {} received", count(step.messages_received)),
                replies => format!("beside {} taken for replies", count(replies)),
            };
            findings.warnings.push(format!(
                "`{}`: {} came to step `{}` that nothing had asked for, {beside}; where replies \
                 are taken in the order in which they come, any of them may have been something \
                 else: say which message is a reply, by a number that it repeats (`match_id`) or \
                 by a field and its value (`reply`), and what comes by itself \
                 (`\"greeting\": 1`, `\"pushes\": true`)",
                scenario.title,
                counted(unexpected, "message"),
                step.name,
            ));
        }
    }
}
