//! Which of its targets a call goes to, as it is written and as it is in a plan.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::nearest::did_you_mean;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Check, Decode, Entries, Entry, Place, Reader, choice, object};
use crate::scenario::target::RawTarget;
use crate::scenario::value::{Bounded, Weight};

/// Which of a scenario's targets a call goes to, among those that there is a connection to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pick {
    /// To each in turn.
    RoundRobin,
    /// To any, with the same chance.
    Random,
    /// To the one on which the fewest calls of the same worker are under way; in turn where several have as few.
    LeastInFlight,
    /// To each as often as its weight says, evenly spread. A weight for each target, by its address as it is
    /// written, or as `backend:NAME`.
    Weights(Vec<(String, u32)>),
}

choice! {
    /// Which target a call goes to.
    RawPickWord {
        /// To each in turn.
        RoundRobin = "round_robin",
        /// To any, with the same chance.
        Random = "random",
        /// To the one with the fewest calls under way.
        LeastInFlight = "least_in_flight",
    }
}

object! {
    /// Which target a call goes to: to each as often as its weight says.
    RawPickWeights is "a choice among targets such as \"round_robin\" or {\"weights\": {\"127.0.0.1:50051\": 3, \"127.0.0.1:50052\": 1}}" {
        /// A weight for each target.
        "weights" [required] weights: Entries<Weight>,
    }
    hints {
        "weight" => "targets have `weights`",
        "weighted" => "targets have `weights`",
    }
}

/// A word for it, or weights.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawPick {
    Word(RawPickWord),
    Weights(RawPickWeights),
}

impl Decode for RawPick {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        /// What other clients and balancers call it.
        const LEAST: [&str; 5] = [
            "least_request",
            "least_requests",
            "least_request_experimental",
            "least_conn",
            "least_connections",
        ];
        match reader.value {
            Value::String(name) if LEAST.contains(&name.as_str()) => reader.refuse(
                "one of \"round_robin\", \"random\", \"least_in_flight\"",
                Some("that is `least_in_flight`".to_owned()),
            ),
            Value::String(_) => RawPickWord::decode(reader).map(Self::Word),
            _ => RawPickWeights::decode(reader).map(Self::Weights),
        }
    }
}

impl Check for RawPick {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Word(word) => word.check(at),
            Self::Weights(weights) => weights.check(at),
        }
    }
}

impl Serialize for RawPick {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => word.serialize(serializer),
            Self::Weights(weights) => weights.serialize(serializer),
        }
    }
}

impl JsonSchema for RawPick {
    fn schema_name() -> Cow<'static, str> {
        "Pick".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<RawPickWord>(),
                generator.subschema_for::<RawPickWeights>(),
            ]
        })
    }
}

impl Layers<'_> {
    /// Which target a call goes to; `None` where that is wrong.
    pub(super) fn pick_of_calls(&self) -> Option<Option<Pick>> {
        let picked = self.pick("pick", |raw| &raw.pick);
        picked.entry.or(Some(None), |raw| match raw {
            RawPick::Word(RawPickWord::RoundRobin) => Some(Some(Pick::RoundRobin)),
            RawPick::Word(RawPickWord::Random) => Some(Some(Pick::Random)),
            RawPick::Word(RawPickWord::LeastInFlight) => Some(Some(Pick::LeastInFlight)),
            RawPick::Weights(raw) => {
                let weights = raw.weights.given()?;
                let fits = self.weighs_targets(weights, &format!("{}.weights", picked.path));
                let of = weights.0.iter();
                let of = of.map(|(name, weight)| Some((name.clone(), weight.given()?.small())));
                let of: Option<Vec<_>> = of.collect();
                Some(Some(Pick::Weights(of.filter(|_| fits)?)))
            }
        })?
    }

    /// Whether these are weights of the targets, each of them, as far as the targets are known.
    fn weighs_targets(&self, weights: &Entries<Weight>, path: &str) -> bool {
        let Some(targets) = self.pick("targets", |raw| &raw.targets).entry.given() else {
            return true;
        };
        let Some(names) = targets.all(written) else {
            return true;
        };
        let mut fits = true;
        for (name, _) in &weights.0 {
            if names.contains(name) {
                continue;
            }
            fits = false;
            let help = did_you_mean(name, names.iter().map(String::as_str))
                .unwrap_or_else(|| format!("the targets are {}", names.join(", ")));
            let shown: String = name.chars().take(100).collect();
            self.problems.add(
                path,
                format!("a weight of `{shown}`"),
                "weights of this scenario's targets",
                Some(help),
            );
        }
        let given = |name: &&String| weights.0.iter().any(|(given, _)| given == *name);
        let missing: Vec<&str> = names
            .iter()
            .filter(|it| !given(it))
            .map(String::as_str)
            .collect();
        if fits && !missing.is_empty() {
            fits = false;
            let found = format!("no weight of {}", missing.join(", "));
            let expected = "a weight for each target, from 1 on";
            self.problems.add(path, found, expected, None);
        }
        fits
    }
}

/// A target as it is named in weights.
fn written(target: &RawTarget) -> String {
    match target {
        RawTarget::At(text) => text.target.to_string(),
        RawTarget::Backend(name) => format!("backend:{name}"),
    }
}

/// A choice as it is written.
pub(super) fn print(pick: &Pick) -> RawPick {
    match pick {
        Pick::RoundRobin => RawPick::Word(RawPickWord::RoundRobin),
        Pick::Random => RawPick::Word(RawPickWord::Random),
        Pick::LeastInFlight => RawPick::Word(RawPickWord::LeastInFlight),
        Pick::Weights(weights) => {
            let weights = weights.iter();
            let weights = weights.map(|(name, it)| (name.clone(), Entry::Given(Bounded::of(*it))));
            RawPick::Weights(RawPickWeights {
                weights: Entry::Given(Entries(weights.collect())),
            })
        }
    }
}
