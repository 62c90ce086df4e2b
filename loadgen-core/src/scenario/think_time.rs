//! How long a rest is: between iterations, and in a pause.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::reader::problem::Problems;
use super::reader::{Check, Decode, Entry, List, Place, Reader, object};
use super::value::{PositiveSpan, Span};
use crate::schedule::ThinkTime;

object! {
    /// A rest that is drawn.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    RawDrawn is "a time such as \"1s\" or {\"between\": [\"0.5s\", \"2s\"]}" {
        /// Evenly, from the shortest to the longest.
        #[schemars(extend("minItems" = 2, "maxItems" = 2))]
        "between" between: List<Span>,
        /// From a normal distribution; what would be below zero is no rest.
        "normal" normal: RawNormal,
        /// From an exponential distribution: as between events that know nothing of each other.
        "exponential" exponential: RawExponential,
    }
    hints {
        "uniform" => "an even distribution is `between`, with the shortest and the longest",
        "mean" => "the mean belongs to a distribution: `exponential.mean`, `normal.mean`",
    }
}

object! {
    /// A normal distribution.
    RawNormal is "a normal distribution such as {\"mean\": \"1s\", \"deviation\": \"200ms\"}" {
        /// Its mean.
        "mean" [required] mean: PositiveSpan,
        /// Its standard deviation.
        "deviation" [required] deviation: Span,
    }
    hints {
        "stddev" => "the standard deviation is `deviation`",
        "sigma" => "the standard deviation is `deviation`",
        "mu" => "the mean is `mean`",
    }
}

object! {
    /// An exponential distribution.
    RawExponential is "an exponential distribution such as {\"mean\": \"1s\"}" {
        /// Its mean.
        "mean" [required] mean: PositiveSpan,
    }
}

/// Always the same, or drawn.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawThinkTime {
    Fixed(Span),
    Drawn(RawDrawn),
}

impl Decode for RawThinkTime {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::String(_) => Span::decode(reader).map(Self::Fixed),
            _ => RawDrawn::decode(reader).map(Self::Drawn),
        }
    }
}

impl Check for RawThinkTime {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Fixed(span) => span.check(at),
            Self::Drawn(drawn) => drawn.check(at),
        }
    }
}

impl Serialize for RawThinkTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(span) => span.serialize(serializer),
            Self::Drawn(drawn) => drawn.serialize(serializer),
        }
    }
}

impl JsonSchema for RawThinkTime {
    fn schema_name() -> Cow<'static, str> {
        "ThinkTime".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<Span>(),
                generator.subschema_for::<RawDrawn>(),
            ]
        })
    }
}

/// What a rest at this path is; `None` where something is wrong with it.
pub(in crate::scenario) fn validate(
    raw: &RawThinkTime,
    path: &str,
    problems: &Problems,
) -> Option<ThinkTime> {
    let RawThinkTime::Drawn(drawn) = raw else {
        let RawThinkTime::Fixed(Span(rest)) = raw else {
            return None;
        };
        return Some(ThinkTime::Fixed(*rest));
    };
    let given = [
        !drawn.between.is_absent(),
        !drawn.normal.is_absent(),
        !drawn.exponential.is_absent(),
    ];
    if given.iter().filter(|it| **it).count() != 1 {
        // What it has instead has been named already.
        if !problems.any_below(path) {
            let expected = "one of `between`, `normal` and `exponential`";
            let found = if given.contains(&true) {
                "several"
            } else {
                "none"
            };
            problems.add(path, found, expected, None);
        }
        return None;
    }
    if let Some(normal) = drawn.normal.given() {
        return Some(ThinkTime::Normal {
            mean: normal.mean.given()?.0,
            deviation: normal.deviation.given()?.0,
        });
    }
    if let Some(exponential) = drawn.exponential.given() {
        return Some(ThinkTime::Exponential(exponential.mean.given()?.0));
    }
    let spans = drawn.between.given()?.all(|span| span.0)?;
    let (found, expected) = match spans.as_slice() {
        [shortest, longest] if shortest <= longest => {
            return Some(ThinkTime::Between(*shortest, *longest));
        }
        [_, _] => (
            "the longer one first".to_owned(),
            "the shortest and the longest",
        ),
        other => (
            format!("{} durations", other.len()),
            "two: the shortest and the longest",
        ),
    };
    problems.add(format!("{path}.between"), found, expected, None);
    None
}

/// A rest as it is written.
pub(in crate::scenario) fn print(think_time: ThinkTime) -> RawThinkTime {
    let positive = |span: Duration| Entry::Given(PositiveSpan(span));
    let mut drawn = RawDrawn::default();
    match think_time {
        ThinkTime::Fixed(duration) => return RawThinkTime::Fixed(Span(duration)),
        ThinkTime::Between(shortest, longest) => {
            drawn.between = Entry::Given(List::of([Span(shortest), Span(longest)]));
        }
        ThinkTime::Normal { mean, deviation } => {
            drawn.normal = Entry::Given(RawNormal {
                mean: positive(mean),
                deviation: Entry::Given(Span(deviation)),
            });
        }
        ThinkTime::Exponential(mean) => {
            drawn.exponential = Entry::Given(RawExponential {
                mean: positive(mean),
            });
        }
    }
    RawThinkTime::Drawn(drawn)
}
