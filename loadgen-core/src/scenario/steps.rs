//! Steps and the thresholds on them: what they must have, and names that fit together.

use std::collections::HashMap;

use super::call::{Message, check_reference_method};
use super::plan::{Action, GrpcCall, ScenarioPlan, StepPlan};
use super::raw::{RawGrpc, RawStep};
use super::reader::{List, Slot};
use super::validate::Layers;
use crate::nearest::did_you_mean;
use crate::schedule::Load;
use crate::threshold::Threshold;

impl Layers<'_> {
    pub(super) fn steps(&self, has_protos: bool) -> Option<Vec<StepPlan>> {
        let picked = self.pick("steps", |raw| &raw.steps);
        let list: &List<RawStep> = match picked.slot {
            Slot::Absent => {
                self.problems.add(
                    &picked.path,
                    "nothing",
                    "steps, such as [{\"grpc\": {\"method\": \"loadgen.v1.Greeter/Hello\"}}]",
                    None,
                );
                return None;
            }
            slot => slot.given()?,
        };
        let mut names = HashMap::new();
        let mut steps = Vec::with_capacity(list.0.len());
        let mut broken = list.0.len() != list.given().count();
        let mut calls = broken;
        for (index, raw) in list.given() {
            let path = format!("{}[{index}]", picked.path);
            calls |= raw.pause.is_absent();
            let Some(step) = self.step(raw, &path, has_protos) else {
                broken = true;
                continue;
            };
            if matches!(step.action, Action::Grpc(_))
                && let Some(first) = names.insert(step.name.clone(), index)
            {
                broken = true;
                self.problems.add(
                    format!("{path}.name"),
                    format!("the name `{}`, which step {first} has too", step.name),
                    "a name of its own for each step",
                    raw.name
                        .is_absent()
                        .then(|| "without a `name` a step is called after its method".to_owned()),
                );
            }
            steps.push(step);
        }
        if !calls {
            self.problems
                .add(&picked.path, "no call", "at least one `grpc` step", None);
            return None;
        }
        (!broken).then_some(steps)
    }

    fn step(&self, raw: &RawStep, path: &str, has_protos: bool) -> Option<StepPlan> {
        match (&raw.grpc, &raw.pause) {
            (Slot::Absent, Slot::Absent) => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    self.problems
                        .add(path, "no action", "one action: `grpc` or `pause`", None);
                }
                None
            }
            (Slot::Absent, pause) => {
                if !raw.name.is_absent() {
                    self.problems.add(
                        format!("{path}.name"),
                        "a name for a pause",
                        "none",
                        Some("a pause has no series of its own".to_owned()),
                    );
                    return None;
                }
                Some(StepPlan::pause(pause.given()?.0))
            }
            (grpc, Slot::Absent) => {
                let call = self.call(grpc.given()?, &format!("{path}.grpc"), has_protos);
                let name = raw.name.or(None, |name| Some(name.0.clone()))?;
                let call = call?;
                Some(StepPlan {
                    name: name.unwrap_or_else(|| call.short_name()),
                    action: Action::Grpc(call),
                })
            }
            _ => {
                self.problems
                    .add(path, "both `grpc` and `pause`", "one action", None);
                None
            }
        }
    }

    fn call(&self, raw: &RawGrpc, path: &str, has_protos: bool) -> Option<GrpcCall> {
        let metadata = raw.metadata.or(Some(Vec::new()), |entries| {
            self.metadata(entries, &format!("{path}.metadata"))
        });
        let method = raw.method.given().map(|method| method.0.clone());
        if let Some(method) = &method
            && !has_protos
            && let Err(help) = check_reference_method(method)
        {
            self.problems.add(
                format!("{path}.method"),
                format!("`{method}`"),
                "a method of loadgen.v1.Greeter",
                help,
            );
            return None;
        }
        Some(GrpcCall {
            method: method?,
            message: raw
                .message
                .or_else_with(|| serde_json::json!({}), |Message(message)| message.clone())?,
            repeat: raw.repeat.or(1, |count| count.small())?,
            every: raw.every.or(None, |span| Some(span.0))?,
            in_flight: raw.in_flight.or(1, |count| count.small())?,
            metadata: metadata??,
            gzip: raw.compression.or(false, |_| true)?,
        })
    }

    pub(super) fn thresholds(
        &self,
        steps: Option<&[StepPlan]>,
        load: Option<&Load>,
    ) -> Option<Vec<Threshold>> {
        let picked = self.pick("thresholds", |raw| &raw.thresholds);
        let list: &List<Threshold> = match picked.slot {
            Slot::Absent => return Some(vec![Threshold::default_error_rate()]),
            slot => slot.given()?,
        };
        for (index, threshold) in list.given() {
            let path = format!("{}[{index}]", picked.path);
            if let (Some(name), Some(steps)) = (threshold.step(), steps) {
                let names: Vec<&str> = ScenarioPlan::call_names(steps).collect();
                if !names.contains(&name) {
                    let help = did_you_mean(name, names.iter().copied())
                        .unwrap_or_else(|| format!("the steps are {}", names.join(", ")));
                    self.problems.add(
                        &path,
                        format!("the unknown step `{name}`"),
                        "the name of a step",
                        Some(help),
                    );
                    return None;
                }
            }
            if threshold.needs_open_model() && matches!(load, Some(Load::Closed(_))) {
                self.problems.add(
                    &path,
                    format!("`{threshold}` with a closed load"),
                    "something that a closed load has",
                    Some("start lag and queue wait are of open models only".to_owned()),
                );
                return None;
            }
        }
        list.all(Clone::clone)
    }
}
