//! Steps and the thresholds on them: what they must have, and names that fit together.

use std::collections::HashMap;

use crate::condition::Threshold;
use crate::nearest::did_you_mean;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::Room;
use crate::scenario::protocol::{Protocol, one_of, spoken_in};
use crate::scenario::reader::{Entry, List};
use crate::scenario::step::{Step, names};
use crate::schedule::Load;

impl Layers<'_> {
    pub(super) fn steps<R: Room>(&self) -> Option<Vec<Step<R::Action>>> {
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
        let mut first_of: Vec<(Protocol, usize)> = Vec::new();
        for (index, raw) in list.given() {
            let path = format!("{}[{index}]", picked.path);
            acts |= raw.pause.is_absent() || spoken_in(raw).next().is_some();
            for protocol in spoken_in(raw) {
                if !first_of.iter().any(|(it, _)| *it == protocol) {
                    first_of.push((protocol, index));
                }
            }
            let Some(step) = self.step::<R>(raw, &path) else {
                broken = true;
                continue;
            };
            if let Some(action) = step.spoken()
                && let Some(first) = names.insert(step.name.clone(), index)
            {
                broken = true;
                self.problems.add(
                    format!("{path}.name"),
                    format!("the name `{}`, which step {first} has too", step.name),
                    "a name of its own for each step",
                    raw.name.is_absent().then(|| {
                        let (_, origin) = R::short_name(action);
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
                format!("at least one {} step", one_of(&[])),
                None,
            );
            return None;
        }
        broken |= !self.one_protocol(first_of, &picked.path);
        broken |= !R::agree(self, list, &picked.path);
        if broken {
            return None;
        }
        R::share(&mut steps);
        Some(steps)
    }

    /// Whether the steps speak one protocol, given in which each is spoken first. Several in one step
    /// have been told of already.
    fn one_protocol(&self, mut first_of: Vec<(Protocol, usize)>, path: &str) -> bool {
        first_of.sort_by_key(|(protocol, _)| *protocol);
        let (Some((_, at)), Some((last, others))) = (first_of.first(), first_of.split_last())
        else {
            return true;
        };
        if first_of.iter().all(|(_, index)| index == at) {
            return true;
        }
        let told = |(protocol, index): &(Protocol, usize)| format!("`{protocol}` in step {index}");
        let others: Vec<String> = others.iter().map(told).collect();
        self.problems.add(
            path,
            format!("{} and {}", others.join(", "), told(last)),
            "one protocol in a scenario",
            Some("scenarios of one file can run together".to_owned()),
        );
        false
    }

    fn step<R: Room>(&self, raw: &RawStep, path: &str) -> Option<Step<R::Action>> {
        let spoken = spoken_in(raw).map(Protocol::as_str);
        let pause = (!raw.pause.is_absent()).then_some("pause");
        let given: Vec<&str> = spoken.chain(pause).collect();
        let action = match given.as_slice() {
            [] => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    let expected = format!("one action: {}", one_of(&["pause"]));
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
                return Some(Step::pause(raw.pause.given()?.0));
            }
            [_] => R::action(self, raw, path),
            several => {
                let found = format!("`{}` together", several.join("`, `"));
                self.problems.add(path, found, "one action", None);
                return None;
            }
        };
        let name = raw.name.or(None, |name| Some(name.0.clone()))?;
        let action = action?;
        let name = name.unwrap_or_else(|| R::short_name(&action).0);
        Some(Step::new(name, action))
    }

    pub(super) fn thresholds<A>(
        &self,
        steps: Option<&[Step<A>]>,
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
                let names = names(steps);
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
