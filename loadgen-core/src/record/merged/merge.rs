//! Records of several processes that carried out the same plan, made into one.
//!
//! Names are matched and not places: what a record says means the same in every process. Counts,
//! histograms, series and backends are added exactly, and silences found anew in what all heard.

use super::merger::{MOST_CHANGES, add_examples, add_seconds, place_of, tally};
use super::{
    CheckRecord, ConnectionRecord, CustomRecord, GeneratorRecord, RunRecord, ScenarioRecord,
    StepRecord, TagRecord, TargetRecord, series,
};
use crate::outcome::Outcome;
use crate::record::local::youngest;
use crate::record::{Histogram, WindowRecord};

/// Why two records are not of the same plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// They are of other scenarios.
    #[error("the records are of other scenarios: {these} and {those}")]
    Scenarios {
        /// Those of the one.
        these: String,
        /// Those of the other.
        those: String,
    },
    /// A scenario is not the same in both.
    #[error("scenario `{scenario}` has another {what} in each of the records")]
    Unlike {
        /// Its name.
        scenario: String,
        /// In what it differs.
        what: &'static str,
    },
}

impl RunRecord {
    /// Adds what another process measured that carried out the same plan at the same time. A record does
    /// not have the plan: that scenarios, protocols, models and steps are the same is looked at, rates and
    /// durations are the caller's to compare. Each of
    /// them counts from its own beginning; of what belongs to the process as a whole, the first word
    /// counts, and of the time for which it was stopped the worst.
    ///
    /// # Errors
    /// [`MergeError`] when the records cannot be of the same plan; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        let names = |record: &Self| {
            let names = record.scenarios.iter().map(|it| format!("`{}`", it.name));
            names.collect::<Vec<_>>().join(", ")
        };
        let (these, those) = (names(self), names(other));
        if these != those {
            return Err(MergeError::Scenarios { these, those });
        }
        for (scenario, other) in self.scenarios.iter().zip(&other.scenarios) {
            scenario.check_like(other)?;
        }
        for (scenario, other) in self.scenarios.iter_mut().zip(&other.scenarios) {
            scenario.add(other);
        }
        self.started_at = self.started_at.min(other.started_at);
        self.elapsed = self.elapsed.max(other.elapsed);
        self.generator.merge(&other.generator);
        self.stopped |= other.stopped;
        self.cut_off |= other.cut_off;
        self.panic = self.panic.take().or_else(|| other.panic.clone());
        self.overrun = self.overrun.take().or_else(|| other.overrun.clone());
        for tag in &mut self.tags {
            match other.tag(&tag.tag) {
                Some(other) => tag.merge(other),
                None => tag.merge(&TagRecord::new(tag.tag.clone(), Vec::new())),
            }
        }
        self.early_end = self.early_end.take().or_else(|| other.early_end.clone());
        Ok(())
    }
}

impl GeneratorRecord {
    fn merge(&mut self, other: &Self) {
        self.workers.extend(&other.workers);
        self.throttled_share = match (self.throttled_share, other.throttled_share) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
    }
}

impl ScenarioRecord {
    /// Adds what another process measured of the same scenario.
    ///
    /// # Errors
    /// [`MergeError`] when it is not the same one; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.check_like(other)?;
        self.add(other);
        Ok(())
    }

    fn check_like(&self, other: &Self) -> Result<(), MergeError> {
        let alike = |of: fn(&StepRecord, &StepRecord) -> bool| {
            let same_number = self.steps.len() == other.steps.len();
            same_number && self.steps.iter().zip(&other.steps).all(|(a, b)| of(a, b))
        };
        let steps = |a: &StepRecord, b: &StepRecord| {
            a.name == b.name && a.part == b.part && a.apart == b.apart
        };
        let checks = |a: &StepRecord, b: &StepRecord| {
            let expressions = |of| <[CheckRecord]>::iter(of).map(|it| &it.expression);
            expressions(&a.checks).eq(expressions(&b.checks))
        };
        let what = match () {
            () if self.name != other.name => "name",
            () if self.protocol != other.protocol => "protocol",
            () if self.open != other.open => "load model",
            () if self.late_after != other.late_after => "`late_after`",
            () if !alike(steps) => "list of steps",
            () if !alike(checks) => "list of checks",
            () => return Ok(()),
        };
        Err(MergeError::Unlike {
            scenario: self.name.clone(),
            what,
        })
    }

    /// Adds who may answer, where they are others.
    pub(super) fn add_servers(&mut self, servers: &[String]) {
        for name in servers {
            if !self.servers.contains(name) {
                self.servers.push(name.clone());
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.changes.extend(other.changes.iter().cloned());
        self.changes.sort_by_key(|it| it.at);
        self.changes.truncate(MOST_CHANGES);
        self.happened(other.events.iter().cloned());
        self.timeline.merge(&other.timeline);
        self.stand(other.standings.iter().cloned());
        self.add_servers(&other.servers);
        self.lasting |= other.lasting;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.add_counted(other);
        add_examples(&mut self.examples, &other.examples);
        for (failure, seconds) in &other.failed_in {
            add_seconds(&mut self.failed_in, *failure, *seconds);
        }
        self.add_targets(&other.targets);
        self.add_addresses(&other.addresses);
        for (step, other) in self.steps.iter_mut().zip(&other.steps) {
            step.merge(other);
            series::merge(&mut step.series, &other.series);
        }
        self.custom.merge(&other.custom);
        series::merge(&mut self.series, &other.series);
        self.signs.merge(&other.signs);
        self.silence = self.signs.silence();
        WindowRecord::merge_all(&mut self.windows, &other.windows);
    }

    /// Adds what is counted and timed of a scenario, of its connections, and of the servers by their names.
    pub(super) fn add_counted(&mut self, other: &Self) {
        self.ledger += other.ledger;
        self.started_in_time = self.started_in_time.saturating_add(other.started_in_time);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.dropped_unanswered = self
            .dropped_unanswered
            .saturating_add(other.dropped_unanswered);
        self.dropped_kept = self.dropped_kept.saturating_add(other.dropped_kept);
        self.youngest_unanswered = youngest(self.youngest_unanswered, other.youngest_unanswered);
        self.youngest_cut_off = youngest(self.youngest_cut_off, other.youngest_cut_off);
        self.response_time.add(&other.response_time);
        self.service_time.add(&other.service_time);
        self.parts.add(&other.parts);
        self.saturated_samples = self
            .saturated_samples
            .saturating_add(other.saturated_samples);
        add_outcomes(&mut self.outcomes, &other.outcomes);
        self.bytes.sent = self.bytes.sent.saturating_add(other.bytes.sent);
        self.bytes.received = self.bytes.received.saturating_add(other.bytes.received);
        self.connections.merge(&other.connections);
        for backend in &other.backends {
            let place = place_of(&mut self.backends, backend.id.clone());
            self.backends[place].merge(backend);
        }
        self.unknown.merge(&other.unknown);
        self.decisions += other.decisions;
        self.stickiness.merge(other.stickiness.clone());
        if let Some(other) = &other.retries {
            self.retries.get_or_insert_default().merge(other);
        }
        self.farewells.merge(&other.farewells);
    }

    /// Adds the steps of another scenario: those of the same name and part of a life are taken as one. What
    /// is checked in them is of each scenario.
    pub(super) fn add_steps(&mut self, others: &[StepRecord]) {
        for other in others {
            // What is a part of lives in one scenario may be a step of iterations in another.
            match self.steps.iter_mut().find(|it| it.name == other.name) {
                Some(step) => {
                    step.merge(other);
                    step.apart |= other.apart;
                    step.part = step.part.and(other.part);
                }
                None => self.steps.push(StepRecord {
                    checks: Vec::new(),
                    series: Vec::new(),
                    ..other.clone()
                }),
            }
        }
    }

    /// One that stands several times in a scenario does so in each record.
    fn add_targets(&mut self, others: &[TargetRecord]) {
        for (place, other) in others.iter().enumerate() {
            let earlier = others[..place]
                .iter()
                .filter(|it| it.target == other.target);
            let nth = earlier.count();
            let mut same = self
                .targets
                .iter_mut()
                .filter(|it| it.target == other.target);
            match same.nth(nth) {
                Some(target) => target.merge(other),
                None => self.targets.push(other.clone()),
            }
        }
    }
}

impl TargetRecord {
    fn merge(&mut self, other: &Self) {
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.connections += other.connections;
    }
}

impl ConnectionRecord {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts += other.counts;
        self.connect_time.add(&other.connect_time);
        self.tls_time.add(&other.tls_time);
        self.back_off.add(&other.back_off);
    }
}

impl StepRecord {
    fn merge(&mut self, other: &Self) {
        self.response_time.add(&other.response_time);
        self.service_time.add(&other.service_time);
        match (&mut self.parts, &other.parts) {
            (Some(parts), Some(other)) => parts.add(other),
            (Some(_), None) => {}
            (parts, other) => *parts = other.clone(),
        }
        add_outcomes(&mut self.outcomes, &other.outcomes);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.youngest_unanswered = youngest(self.youngest_unanswered, other.youngest_unanswered);
        self.youngest_cut_off = youngest(self.youngest_cut_off, other.youngest_cut_off);
        self.messages_sent = self.messages_sent.saturating_add(other.messages_sent);
        self.messages_received = self
            .messages_received
            .saturating_add(other.messages_received);
        for (sum, count) in self.message_faults.iter_mut().zip(other.message_faults) {
            *sum = sum.saturating_add(count);
        }
        merge_named(&mut self.samples, &other.samples, Histogram::add);
        for (check, other) in self.checks.iter_mut().zip(&other.checks) {
            check.passed = check.passed.saturating_add(other.passed);
            check.failed = check.failed.saturating_add(other.failed);
            check.example = check.example.take().or_else(|| other.example.clone());
        }
        add_examples(&mut self.examples, &other.examples);
    }
}

impl CustomRecord {
    fn merge(&mut self, other: &Self) {
        merge_named(&mut self.counters, &other.counters, |sum, more| {
            *sum = sum.saturating_add(*more);
        });
        merge_named(&mut self.gauges, &other.gauges, |last, value| {
            *last = *value;
        });
        merge_named(&mut self.timings, &other.timings, Histogram::add);
    }
}

fn add_outcomes(into: &mut Vec<(Outcome, u64)>, from: &[(Outcome, u64)]) {
    for (outcome, count) in from {
        tally(into, *outcome, *count);
    }
}

/// Adds each to the one of the same name, and those that there are not yet.
fn merge_named<N: PartialEq + Clone, V: Clone>(
    into: &mut Vec<(N, V)>,
    from: &[(N, V)],
    add: impl Fn(&mut V, &V),
) {
    for (name, more) in from {
        match into.iter_mut().find(|(seen, _)| seen == name) {
            Some((_, sum)) => add(sum, more),
            None => into.push((name.clone(), more.clone())),
        }
    }
}
