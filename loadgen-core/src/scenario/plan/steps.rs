//! Steps: what they must have, and names that fit together.

use std::collections::HashMap;
use std::time::Duration;

use super::elsewhere::Outside;
use super::parts::{Part, leaves_of};
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::{RawAlternative, RawRepeat, RawStep};
use crate::scenario::protocol::room::{Life, Room};
use crate::scenario::protocol::{Protocol, one_of, spoken_in};
use crate::scenario::reader::{Entry, List};
use crate::scenario::step::{Alternative, Step, all};
use crate::scenario::think_time;
use crate::scenario::value::is_variable_name;
use crate::schedule::ThinkTime;

impl Layers<'_> {
    /// The steps of all parts.
    pub(super) fn life<R: Room>(&self, outside: &Outside) -> Option<Life<R::Action>> {
        let main = self.pick("steps", |raw| &raw.steps);
        if main.entry.is_absent() {
            self.problems.add(
                &main.path,
                "nothing",
                "steps, such as [{\"grpc\": {\"method\": \"loadgen.v1.Greeter/Hello\"}}]",
                None,
            );
        }
        let parts = self.parts();
        let read = |(list, path): &Part, outside| {
            list.as_ref()
                .and_then(|list| self.steps::<R>(list, path, outside))
        };
        let setup = read(&parts.setup, Some(outside));
        let begin = read(&parts.begin, Some(outside));
        let steps = read(&parts.steps, None);
        let end = read(&parts.end, Some(outside));
        let acts = self.does_something(main.entry, &main.path);
        let iterated = leaves_of(&[&parts.steps]);
        let is_one = self.one_protocol(&iterated);
        let others = leaves_of(&[&parts.setup, &parts.begin, &parts.end]);
        let stays = |(_, step): &&(String, &RawStep)| !spoken_in(step).any(|it| outside.takes(it));
        let own: Vec<_> = iterated
            .iter()
            .chain(others.iter().filter(stays))
            .cloned()
            .collect();
        let agree = R::agree(self, &own);
        let mut life = Life {
            setup: setup?,
            begin: begin?,
            steps: steps?,
            end: end?,
        };
        let paths = [&parts.setup, &parts.begin, &parts.steps, &parts.end];
        let apart = self.named_apart::<R>(&life, paths.map(|(_, path)| path.as_str()));
        if main.entry.is_absent() || !acts || !is_one || !agree || !apart {
            return None;
        }
        R::share(&mut life);
        Some(life)
    }

    /// Whether there is something to do in an iteration; notes where there is not.
    fn does_something(&self, entry: &Entry<List<RawStep>>, path: &str) -> bool {
        let Some(list) = entry.given() else {
            return true;
        };
        let all = RawStep::all(list, path);
        let rests = |step: &RawStep| {
            let is_group = !step.repeat.is_absent() || !step.mix.is_absent();
            is_group || !step.pause.is_absent()
        };
        let is_whole = list.0.len() == list.given().count();
        let acts = !is_whole
            || all
                .iter()
                .any(|(_, step)| !rests(step) || spoken_in(step).next().is_some());
        if !acts {
            self.problems.add(
                path,
                match list.0.is_empty() {
                    true => "an empty array",
                    false => "no action but pauses",
                },
                format!("at least one {} step", one_of(&[])),
                None,
            );
        }
        acts
    }

    /// Whether each step that is measured has a name of its own; notes which have not. `paths` are those
    /// of the parts.
    fn named_apart<R: Room>(&self, life: &Life<R::Action>, paths: [&str; 4]) -> bool {
        let mut first_of = HashMap::new();
        let mut apart = true;
        let parts = [&life.setup, &life.begin, &life.steps, &life.end];
        let all = parts
            .into_iter()
            .zip(paths)
            .flat_map(|(steps, path)| all(steps, path));
        for (path, step) in all {
            let (short, origin) = match (step.spoken(), step.spoken_elsewhere()) {
                (Some(action), _) => R::short_name(action),
                (None, Some(said)) => said.short_name(),
                (None, None) => continue,
            };
            if let Some(first) = first_of.insert(step.name.as_str(), path.clone()) {
                apart = false;
                self.problems.add(
                    format!("{path}.name"),
                    format!("the name `{}`, which `{first}` has too", step.name),
                    "a name of its own for each step",
                    (short == step.name)
                        .then(|| format!("without a `name` a step is called after {origin}")),
                );
            }
        }
        apart
    }

    /// Whether the steps of iterations speak one protocol; notes where they do not. Several in one step have been told
    /// of already.
    fn one_protocol(&self, leaves: &[(String, &RawStep)]) -> bool {
        let mut first_of: Vec<(Protocol, &str)> = Vec::new();
        for (path, step) in leaves {
            for protocol in spoken_in(step) {
                if !first_of.iter().any(|(it, _)| *it == protocol) {
                    first_of.push((protocol, path));
                }
            }
        }
        first_of.sort_by_key(|(protocol, _)| *protocol);
        let (Some((_, at)), Some((last, others))) = (first_of.first(), first_of.split_last())
        else {
            return true;
        };
        if first_of.iter().all(|(_, path)| path == at) {
            return true;
        }
        let own = format!("{}.", self.own_path);
        let told = |(protocol, path): &(Protocol, &str)| {
            format!(
                "`{protocol}` in `{}`",
                path.strip_prefix(&own).unwrap_or(path)
            )
        };
        let others: Vec<String> = others.iter().map(told).collect();
        self.problems.add(
            format!("{}.steps", self.own_path),
            format!("{} and {}", others.join(", "), told(last)),
            "one protocol in a scenario",
            Some(
                "scenarios of one file can run together, and steps of `setup`, `begin` and `end` may \
                 speak any"
                    .to_owned(),
            ),
        );
        false
    }

    /// The steps of a list. Outside of iterations they may go elsewhere.
    fn steps<R: Room>(
        &self,
        list: &List<RawStep>,
        path: &str,
        outside: Option<&Outside>,
    ) -> Option<Vec<Step<R::Action>>> {
        let steps: Vec<Option<Step<R::Action>>> = list
            .0
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                self.step::<R>(entry.given()?, &format!("{path}[{index}]"), outside)
            })
            .collect();
        steps.into_iter().collect()
    }

    fn step<R: Room>(
        &self,
        raw: &RawStep,
        path: &str,
        outside: Option<&Outside>,
    ) -> Option<Step<R::Action>> {
        let spoken = spoken_in(raw).map(Protocol::as_str);
        let others = [
            ("pause", raw.pause.is_absent()),
            ("repeat", raw.repeat.is_absent()),
            ("mix", raw.mix.is_absent()),
        ];
        let others = others
            .into_iter()
            .filter_map(|(word, is_absent)| (!is_absent).then_some(word));
        let given: Vec<&str> = spoken.chain(others).collect();
        let step = match given.as_slice() {
            [] => {
                // What it has instead has been named already.
                if !self.problems.any_below(path) {
                    let expected = format!("one action: {}", one_of(&["pause", "repeat", "mix"]));
                    self.problems.add(path, "no action", expected, None);
                }
                return None;
            }
            ["pause"] => self.unmeasured(raw, path, "a pause", self.pause(raw, path)),
            ["repeat"] => {
                let repeat = raw.repeat.given();
                let repeat = repeat.and_then(|repeat| self.repeat::<R>(repeat, path, outside));
                self.unmeasured(raw, path, "a `repeat`", repeat)
            }
            ["mix"] => {
                let mix = raw.mix.given();
                let mix = mix.and_then(|mix| self.mix::<R>(mix, path, outside));
                self.unmeasured(raw, path, "a `mix`", mix)
            }
            [_] => {
                let name = raw.name.or(None, |name| Some(name.0.clone()));
                let goes = |it: &Protocol| outside.filter(|outside| outside.takes(*it));
                let goes = spoken_in(raw).find_map(|it| Some((it, goes(&it)?)));
                Some(match goes {
                    None => {
                        let action = R::action(self, raw, path)?;
                        Step::new(name?.unwrap_or_else(|| R::short_name(&action).0), action)
                    }
                    Some((protocol, outside)) => {
                        let said = self.said_elsewhere(protocol, raw, path, outside)?;
                        Step::elsewhere(name?.unwrap_or_else(|| said.short_name().0), said)
                    }
                })
            }
            several => {
                let found = format!("`{}` together", several.join("`, `"));
                self.problems.add(path, found, "one action", None);
                return None;
            }
        };
        let save = raw.save.or(Some(Vec::new()), |entries| {
            let saved: Vec<Option<_>> = entries
                .0
                .iter()
                .map(|(name, entry)| {
                    self.variable(name, &format!("{path}.save"))?;
                    Some((name.clone(), entry.given()?.0.clone()))
                })
                .collect();
            saved.into_iter().collect()
        });
        let check = raw
            .check
            .or(Some(Vec::new()), |list| list.all(|it| it.0.clone()));
        Some(Step {
            when: raw.when.or(None, |when| Some(when.0.clone()))?,
            save: save??,
            check: check??,
            ..step?
        })
    }

    /// Whether a name may be used in expressions; notes where it may not.
    fn variable(&self, name: &str, path: &str) -> Option<()> {
        if is_variable_name(name) {
            return Some(());
        }
        let shown: String = name.chars().take(60).collect();
        self.problems.add(
            path,
            format!("the name {shown:?}"),
            "a name of 1 to 100 letters, digits and `_` that does not begin with a digit",
            Some("expressions use it: `saved.NAME`".to_owned()),
        );
        None
    }

    /// A step that has no series of its own and no reply.
    fn unmeasured<A>(
        &self,
        raw: &RawStep,
        path: &str,
        what: &str,
        step: Option<Step<A>>,
    ) -> Option<Step<A>> {
        let mut is_right = true;
        let mut refuse = |field: &str, is_absent: bool, found: &str, help: &str| {
            if !is_absent {
                is_right = false;
                self.problems.add(
                    format!("{path}.{field}"),
                    format!("{found} {what}"),
                    "none",
                    Some(format!("{what} has no {help}")),
                );
            }
        };
        let series = "series of its own";
        refuse("name", raw.name.is_absent(), "a name for", series);
        refuse(
            "save",
            raw.save.is_absent(),
            "something to save in",
            "reply",
        );
        refuse("check", raw.check.is_absent(), "a check in", "reply");
        step.filter(|_| is_right)
    }

    fn pause<A>(&self, raw: &RawStep, path: &str) -> Option<Step<A>> {
        let path = format!("{path}.pause");
        let rest = think_time::validate(raw.pause.given()?, &path, self.problems)?;
        if rest == ThinkTime::Fixed(Duration::ZERO) {
            let expected = "a duration above zero";
            self.problems.add(path, "\"0s\"", expected, None);
            return None;
        }
        Some(Step::pause(rest))
    }

    fn repeat<R: Room>(
        &self,
        raw: &RawRepeat,
        path: &str,
        outside: Option<&Outside>,
    ) -> Option<Step<R::Action>> {
        let steps = self.group::<R>(&raw.steps, &format!("{path}.repeat.steps"), outside);
        Some(Step::repeat(raw.times.given()?.small(), steps?))
    }

    fn mix<R: Room>(
        &self,
        list: &List<RawAlternative>,
        path: &str,
        outside: Option<&Outside>,
    ) -> Option<Step<R::Action>> {
        if list.0.is_empty() {
            let path = format!("{path}.mix");
            let expected = "at least one alternative";
            self.problems.add(path, "an empty array", expected, None);
            return None;
        }
        let alternatives: Vec<Option<Alternative<R::Action>>> = list
            .0
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let raw = entry.given()?;
                let path = format!("{path}.mix[{index}].steps");
                let steps = self.group::<R>(&raw.steps, &path, outside);
                Some(Alternative::new(raw.weight.or(1, |it| it.small())?, steps?))
            })
            .collect();
        let alternatives: Option<Vec<_>> = alternatives.into_iter().collect();
        Some(Step::mix(alternatives?))
    }

    /// The steps of a group, of which there is one at least.
    fn group<R: Room>(
        &self,
        steps: &Entry<List<RawStep>>,
        path: &str,
        outside: Option<&Outside>,
    ) -> Option<Vec<Step<R::Action>>> {
        let list = steps.given()?;
        if list.0.is_empty() {
            let expected = "at least one step";
            self.problems.add(path, "an empty array", expected, None);
            return None;
        }
        self.steps::<R>(list, path, outside)
    }
}
