//! Conditions: a text, or an object where one may end the run.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Span, text_schema};
use crate::condition::Threshold;
use crate::scenario::reader::{Decode, Entry, Reader, Refusal, Rule, object};

/// The text of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct Condition(Threshold);

object! {
    /// A condition that may end the run.
    RawAbortingThreshold is "a threshold" {
        /// The condition.
        "expression" [required] expression: Condition,
        /// Whether the run ends, with its report, as soon as the condition does not hold. False unless given.
        "abort" abort: bool,
        /// How long after measuring began that may be at the earliest. 0s unless given.
        "after" after: Span,
    }
    hints {
        "over" => "windows belong to the condition: \"response_time.p99 < 20ms over any 10s\"",
        "threshold" => "the condition is the `expression`",
        "abortOnFail" => "that is `abort`",
        "abort_on_fail" => "that is `abort`",
        "delayAbortEval" => "that is `after`",
        "delay" => "that is `after`",
    }
}

const EXPECTED: &str = "a condition such as \"response_time.p95 < 5ms\"";

impl Decode for Condition {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.text(EXPECTED)?.parse::<Threshold>() {
            Ok(threshold) => Some(Self(threshold)),
            Err(error) => reader.refuse(
                format!("{} at column {}", error.expected(), error.column()),
                error.reason(),
            ),
        }
    }
}

impl Rule for Condition {}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expression())
    }
}

text_schema!(Condition, "Condition", {
    "description": "A condition on the results; the scenario reference has the grammar.",
    "examples": [
        "error_rate < 1%",
        "response_time.p99 < 20ms over any 10s",
        "outcomes.grpc.UNAVAILABLE == 0",
    ],
});

impl Decode for Threshold {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::Object(_) => RawAbortingThreshold::decode(reader)?.whole(reader),
            Value::String(_) => Condition::decode(reader).map(|it| it.0),
            _ => reader.refuse(
                format!("{EXPECTED}, or an object with it as its `expression`"),
                None,
            ),
        }
    }
}

impl RawAbortingThreshold {
    fn whole(&self, reader: &Reader<'_>) -> Option<Threshold> {
        let abort = self.abort.or(false, |abort| *abort);
        let after = self.after.or(None, |after| Some(after.0));
        let is_misspelt = |field| {
            let at = reader.at.field(field);
            at.problems.is_misspelt(&at.path)
        };
        if after.flatten().is_some() && abort == Some(false) && !is_misspelt("abort") {
            let at = reader.at.field("after");
            at.problems.add(
                &at.path,
                "a time without `\"abort\": true`",
                "`after` beside it, or neither",
                Some("it says when the condition may end the run at the earliest".to_owned()),
            );
            return None;
        }
        let condition = self.expression.given()?.0.clone();
        let (abort, after) = (abort?, after?);
        Some(match abort {
            true => condition.aborting(after.unwrap_or_default()),
            false => condition,
        })
    }
}

impl Rule for Threshold {
    fn rule(&self) -> Result<(), Refusal> {
        self.abort_after()
            .map_or(Ok(()), |after| Span(after).rule())
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(after) = self.abort_after() else {
            return serializer.serialize_str(self.expression());
        };
        let raw = RawAbortingThreshold {
            expression: Entry::Given(Condition(self.clone())),
            abort: Entry::Given(true),
            after: match after.is_zero() {
                true => Entry::Absent,
                false => Entry::Given(Span(after)),
            },
        };
        raw.serialize(serializer)
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<Condition>(),
                generator.subschema_for::<RawAbortingThreshold>(),
            ],
        })
    }
}
