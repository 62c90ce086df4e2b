//! Steps and the thresholds on them: what they must have, and names that fit together.

use std::collections::HashMap;

use super::call::{Message, check_reference_method};
use super::plan::{Action, GrpcCall, ScenarioPlan, StepPlan, StreamEnd};
use super::raw::{RawGrpc, RawStep, RawStreamEnd};
use super::reader::{Entry, List};
use super::replies::share_connections;
use super::validate::Layers;
use crate::condition::Threshold;
use crate::nearest::did_you_mean;
use crate::schedule::Load;

impl Layers<'_> {
    pub(super) fn steps(&self, has_protos: bool) -> Option<Vec<StepPlan>> {
        let picked = self.pick("steps", |raw| &raw.steps);
        let list: &List<RawStep> = match picked.entry {
            Entry::Absent => {
                self.problems.add(
                    &picked.path,
                    "nothing",
                    "steps, such as [{\"grpc\": {\"method\": \"loadgen.v1.Greeter/Hello\"}}]",
                    None,
                );
                return None;
            }
            entry => entry.given()?,
        };
        let mut names = HashMap::new();
        let mut steps = Vec::with_capacity(list.0.len());
        let mut broken = list.0.len() != list.given().count();
        let mut acts = broken;
        let (mut first_grpc, mut first_websocket) = (None, None);
        for (index, raw) in list.given() {
            let path = format!("{}[{index}]", picked.path);
            acts |= raw.pause.is_absent() || !raw.grpc.is_absent() || !raw.websocket.is_absent();
            let seen = [
                (&mut first_grpc, raw.grpc.is_absent()),
                (&mut first_websocket, raw.websocket.is_absent()),
            ];
            for (first, absent) in seen {
                *first = first.or((!absent).then_some(index));
            }
            let Some(step) = self.step(raw, &path, has_protos) else {
                broken = true;
                continue;
            };
            if !matches!(step.action, Action::Pause(_))
                && let Some(first) = names.insert(step.name.clone(), index)
            {
                broken = true;
                self.problems.add(
                    format!("{path}.name"),
                    format!("the name `{}`, which step {first} has too", step.name),
                    "a name of its own for each step",
                    raw.name.is_absent().then(|| {
                        let origin = match step.action {
                            Action::Websocket(_) => "the last part of its path",
                            Action::Grpc(_) | Action::Pause(_) => "its method",
                        };
                        format!("without a `name` a step is called after {origin}")
                    }),
                );
            }
            steps.push(step);
        }
        if !acts {
            self.problems.add(
                &picked.path,
                match steps.is_empty() {
                    true => "an empty array",
                    false => "no action but pauses",
                },
                "at least one `grpc` or `websocket` step",
                None,
            );
            return None;
        }
        // Both in one step have been told of already.
        if let (Some(grpc), Some(websocket)) = (first_grpc, first_websocket)
            && grpc != websocket
        {
            broken = true;
            self.problems.add(
                &picked.path,
                format!("`grpc` in step {grpc} and `websocket` in step {websocket}"),
                "one protocol in a scenario",
                Some("scenarios of one file can run together".to_owned()),
            );
        }
        broken |= !self.connections_agree(list, &picked.path);
        if broken {
            return None;
        }
        share_connections(&mut steps);
        Some(steps)
    }

    fn step(&self, raw: &RawStep, path: &str, has_protos: bool) -> Option<StepPlan> {
        let given: Vec<&str> = [
            ("grpc", raw.grpc.is_absent()),
            ("websocket", raw.websocket.is_absent()),
            ("pause", raw.pause.is_absent()),
        ]
        .into_iter()
        .filter_map(|(action, absent)| (!absent).then_some(action))
        .collect();
        let action = match given.as_slice() {
            [] => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    let expected = "one action: `grpc`, `websocket` or `pause`";
                    self.problems.add(path, "no action", expected, None);
                }
                return None;
            }
            ["pause"] => {
                if !raw.name.is_absent() {
                    self.problems.add(
                        format!("{path}.name"),
                        "a name for a pause",
                        "none",
                        Some("a pause has no series of its own".to_owned()),
                    );
                    return None;
                }
                return Some(StepPlan::pause(raw.pause.given()?.0));
            }
            ["grpc"] => self
                .call(raw.grpc.given()?, &format!("{path}.grpc"), has_protos)
                .map(Action::Grpc),
            ["websocket"] => self
                .exchange(raw.websocket.given()?, &format!("{path}.websocket"))
                .map(Action::Websocket),
            several => {
                let found = format!("`{}` together", several.join("`, `"));
                self.problems.add(path, found, "one action", None);
                return None;
            }
        };
        let name = raw.name.or(None, |name| Some(name.0.clone()))?;
        let action = action?;
        Some(StepPlan {
            name: name.unwrap_or_else(|| match &action {
                Action::Grpc(call) => call.short_name(),
                Action::Websocket(exchange) => exchange.short_name(),
                Action::Pause(_) => "pause".to_owned(),
            }),
            action,
        })
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
        let stream = raw.stream.or(Some(None), |end| {
            self.stream_end(end, &format!("{path}.stream")).map(Some)
        });
        Some(GrpcCall {
            stream: stream??,
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

    fn stream_end(&self, raw: &RawStreamEnd, path: &str) -> Option<StreamEnd> {
        match (&raw.messages, &raw.duration) {
            (Entry::Given(count), Entry::Absent) => Some(StreamEnd::Messages(count.small())),
            (Entry::Absent, Entry::Given(span)) => Some(StreamEnd::After(span.0)),
            (messages, _) => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    let found = match messages.is_absent() {
                        true => "neither",
                        false => "both",
                    };
                    let expected = "when we end the stream: `messages` or `for`";
                    self.problems.add(path, found, expected, None);
                }
                None
            }
        }
    }

    pub(super) fn thresholds(
        &self,
        steps: Option<&[StepPlan]>,
        load: Option<&Load>,
    ) -> Option<Vec<Threshold>> {
        let picked = self.pick("thresholds", |raw| &raw.thresholds);
        let list: &List<Threshold> = match picked.entry {
            Entry::Absent => return Some(vec![Threshold::default_error_rate()]),
            entry => entry.given()?,
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
