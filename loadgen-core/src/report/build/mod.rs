//! From what was measured to the document.

mod balance;
mod events;
mod run;
mod scenario;
mod stickiness;

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::document::{
    Delivery, Document, EndedRun, Expectation, Host, Run, Scenario, SchemaVersion, ShardPart,
    Shards, ThresholdResult, new_run_id, round3, round6, timestamp,
};
use super::judge::{judge, judge_tags};
use super::verdict::{About, verdict_on};
use crate::condition::Threshold;
use crate::record::{EarlyEnd, RunRecord};
use crate::scenario::Plan;
use crate::secrets::Secrets;
pub use balance::Expected;

/// What a document says that no measurement tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// Names the run; [`new_run_id`] makes one.
    pub run_id: String,
    /// The resolved plan.
    pub plan: Value,
    /// The conditions of each scenario, in the order of the record's scenarios. Those that have no entry
    /// are judged by the one that holds where a scenario gives none, `error_rate < 1%`.
    pub thresholds: Vec<Vec<Threshold>>,
    /// The conditions on all scenarios with a tag. One whose tag no scenario of the record has is not judged,
    /// which the verdict warns of.
    pub tag_thresholds: Vec<Threshold>,
    /// What each scenario expects of a balancer, in the order of the record's scenarios; nothing where there is
    /// no entry.
    pub expected: Vec<Expected>,
    /// Version of the program that ran it.
    pub version: String,
    /// The machine it ran on.
    pub host: Host,
    /// Where figures went while the run was under way.
    pub sinks: Vec<Delivery>,
    /// Which part of a run it is, where several processes make the load of one together. Nothing is judged of a part.
    pub shard: Option<ShardPart>,
    /// Which parts it was merged of.
    pub shards: Option<Shards>,
}

impl Context {
    /// A context of this plan and its conditions, with an id made now, this machine's facts and this
    /// library's version.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let scenarios = &plan.scenarios;
        Self {
            plan: plan.clone().judged().to_json(),
            thresholds: scenarios.iter().map(|it| it.thresholds.clone()).collect(),
            tag_thresholds: plan.thresholds.clone(),
            expected: scenarios.iter().map(|it| Expected::of(plan, it)).collect(),
            ..Self::new()
        }
    }

    /// A context with an id made now, this machine's facts and this library's version; no plan
    /// (an empty object) and the condition that holds where none is given.
    #[must_use]
    pub fn new() -> Self {
        Self {
            run_id: new_run_id(SystemTime::now()),
            plan: Value::Object(serde_json::Map::new()),
            thresholds: Vec::new(),
            tag_thresholds: Vec::new(),
            expected: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: Host::detect(),
            sinks: Vec::new(),
            shard: None,
            shards: None,
        }
    }

    /// How many cores there are for the load, where it is known.
    fn cores(&self) -> Option<u64> {
        match &self.shards {
            Some(shards) => shards.merged.iter().map(|it| it.host.cores).sum(),
            None => self.host.cores,
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the document of a run. Secrets in the plan, told by their names, are masked in it, and so are
/// their values in the examples of failures, whoever made the run.
#[must_use]
pub fn build(record: &RunRecord, context: Context) -> Document {
    of(record, context, None)
}

/// Makes the document of a run that has come so far. Of the series of each scenario it has the points from this
/// place on: who was told the others has them. What takes a look at all of them is left out, the confidence of
/// percentiles, and so are samples that no chart of a page is drawn from.
#[cfg(feature = "page")]
pub(crate) fn build_so_far(record: &RunRecord, context: Context, from: &[usize]) -> Document {
    of(record, context, Some(from))
}

/// The document, whole, or with the points of each series from a place on.
fn of(record: &RunRecord, mut context: Context, from: Option<&[usize]>) -> Document {
    if context.shard.is_some() {
        // What is asked of the whole says nothing of a part.
        context.thresholds = vec![Vec::new(); record.scenarios.len()];
        context.tag_thresholds = Vec::new();
        context.expected = Vec::new();
    }
    let by_default = Threshold::default_error_rate();
    let judged: Vec<Vec<ThresholdResult>> = record
        .scenarios
        .iter()
        .enumerate()
        .map(|(index, scenario)| {
            let given = context.thresholds.get(index);
            let thresholds = given.map_or(std::slice::from_ref(&by_default), Vec::as_slice);
            let mut judged = judge(thresholds, scenario);
            if let Some(end) = record
                .early_end
                .as_ref()
                .filter(|it| it.scenario.as_ref() == Some(&scenario.name))
            {
                mark_early_end(&mut judged, end);
            }
            judged
        })
        .collect();
    let mut on_tags = judge_tags(&context.tag_thresholds, record);
    if let Some(end) = record.early_end.as_ref().filter(|it| it.scenario.is_none()) {
        mark_early_end(&mut on_tags, end);
    }
    let expected: Vec<Vec<Expectation>> = (0..)
        .zip(&record.scenarios)
        .map(|(index, scenario): (usize, _)| {
            let expected = context.expected.get(index);
            expected.map_or_else(Vec::new, |it| balance::expectations(it, scenario))
        })
        .collect();
    let secrets = Secrets::mask_in(&mut context.plan);
    let about = About {
        expected: &expected,
        cores: context.cores(),
        is_under_way: from.is_some(),
        shard: context.shard.as_ref(),
        shards: context.shards.as_ref(),
    };
    let mut verdict = verdict_on(record, &judged, &on_tags, &about);
    verdict.warnings.extend(unverified(&context.plan));
    verdict
        .warnings
        .extend(unjudged(record, &context.tag_thresholds));
    let mut document = Document {
        schema: SchemaVersion::V1,
        verdict,
        total: run::total(record, on_tags, from.is_none()),
        capacity: None,
        run: Run {
            id: context.run_id,
            started_at: timestamp(record.started_at),
            duration_s: seconds(record.elapsed),
            version: context.version,
            host: context.host,
            plan: context.plan,
            generator: run::generator(&record.generator, record.elapsed),
            stopped: record.stopped || record.early_end.is_some(),
            cut_off: record.cut_off,
            shard: context.shard,
            shards: context.shards,
            sinks: context.sinks,
        },
        scenarios: record
            .scenarios
            .iter()
            .zip(judged.into_iter().zip(expected))
            .enumerate()
            .map(|(place, (record, (thresholds, expectations)))| {
                let from = from.map(|it| it.get(place).copied().unwrap_or_default());
                scenario::scenario(record, thresholds, expectations, from)
            })
            .collect(),
    };
    // What the verdict says is our own, and stays.
    for example in document.scenarios.iter_mut().flat_map(examples) {
        *example = secrets.masked(example);
    }
    for event in document.scenarios.iter_mut().flat_map(|it| &mut it.events) {
        event.event = secrets.masked(&event.event);
        event.failure = event.failure.as_deref().map(|it| secrets.masked(it));
        if let Some(switch) = &mut event.switched {
            switch.target = secrets.masked(&switch.target);
        }
    }
    document
}

/// All that others said, where it is repeated as it was.
fn examples(scenario: &mut Scenario) -> impl Iterator<Item = &mut String> {
    let of_steps = scenario.steps.iter_mut().flat_map(|step| {
        let failures = step
            .failures
            .iter_mut()
            .filter_map(|it| it.example.as_mut());
        failures.chain(step.checks.iter_mut().filter_map(|it| it.example.as_mut()))
    });
    let failures = scenario.failures.iter_mut();
    failures
        .filter_map(|it| it.example.as_mut())
        .chain(of_steps)
}

/// The condition that ended the run did not hold then, whatever came of what was under way.
fn mark_early_end(judged: &mut [ThresholdResult], end: &EarlyEnd) {
    let same = judged
        .iter_mut()
        .filter(|it| it.expression == end.condition);
    for result in same.filter(|it| it.abort) {
        result.pass = false;
        result.ended_run = Some(EndedRun {
            at_s: seconds(end.at),
            observed: end.observed,
        });
    }
}

/// A warning for each condition on a tag that no scenario has.
fn unjudged(record: &RunRecord, conditions: &[Threshold]) -> impl Iterator<Item = String> {
    let is_there = |it: &Threshold| it.tag().is_some_and(|tag| record.tag(tag).is_some());
    conditions
        .iter()
        .filter(move |it| !is_there(it))
        .map(|it| format!("`{it}` was not judged: no scenario of this run has the tag"))
}

/// A warning for each scenario of the plan that accepted any certificate, of its own servers or elsewhere.
fn unverified(plan: &Value) -> impl Iterator<Item = String> + '_ {
    let accepts_any = |it: &Value| it["tls"]["insecure_skip_verify"] == true;
    let scenarios = plan["scenarios"].as_array().into_iter().flatten();
    let named = scenarios.filter_map(|it| Some((it["name"].as_str()?, it)));
    named.flat_map(move |(name, scenario)| {
        let own = accepts_any(scenario).then(String::new);
        let elsewhere = scenario["elsewhere"].as_object().into_iter().flatten();
        let elsewhere = elsewhere
            .filter(move |(_, servers)| accepts_any(servers))
            .map(|(protocol, _)| format!(" elsewhere over `{protocol}`"));
        own.into_iter().chain(elsewhere).map(move |place| {
            format!(
                "`{name}`: any certificate was accepted{place}, so whoever answered is not verified"
            )
        })
    })
}

/// Seconds to the microsecond.
fn seconds(duration: Duration) -> f64 {
    round6(duration.as_secs_f64())
}

/// A count as a rate; 0 where no time passed.
fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    round3(count as f64 / elapsed.as_secs_f64())
}
