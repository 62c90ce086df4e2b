//! How calls are made again that failed: gRPC's retry policy, as it is written and as it is in a plan.
//!
//! Source: gRFC A6, "Client retries", whose field names are these with other spelling.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::nearest::did_you_mean;
use crate::outcome::GrpcCode;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Decode, Entry, List, Reader, Refusal, Rule, object};
use crate::scenario::value::{Bounded, PositiveSpan};
use crate::units::format_duration;

/// How calls are made again that failed, as gRPC's retry policy has it.
///
/// ```
/// use loadgen_core::scenario::{GrpcCall, GrpcPlan, Retry};
/// use loadgen_core::outcome::GrpcCode;
/// use serde_json::json;
///
/// let mut grpc = GrpcPlan::new([GrpcCall::new("shop.v1.Shop/PlaceOrder", json!({})).into()]);
/// grpc.retry = Some(Retry::new(3, [GrpcCode::new(14)]).into());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// How often a call is made in all, 2 to 5.
    pub max_attempts: u32,
    /// The rest before the second attempt, drawn from 0.8 to 1.2 times this.
    pub initial_backoff: Duration,
    /// What no rest is drawn from more than.
    pub max_backoff: Duration,
    /// By how much each rest is longer than the one before.
    pub backoff_multiplier: f64,
    /// The statuses after which a call is made again, OK not among them; at least one.
    pub retryable_status_codes: Vec<GrpcCode>,
    /// What keeps attempts from adding to a service's troubles; `None` lets them.
    pub throttling: Option<RetryThrottling>,
}

/// Stops further attempts while too many fail. Each worker counts by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryThrottling {
    /// An attempt that fails in a way that is made again, or that its server wants no other after, takes one of so
    /// many tokens, 1 to 1,000. While half of them or fewer are left, no call is made again.
    pub max_tokens: u32,
    /// How many a call that ends ok gives back.
    pub token_ratio: f64,
}

impl Retry {
    /// So many attempts after these statuses, with rests from 100 ms on that double, up to a second, and
    /// without throttling.
    #[must_use]
    pub fn new(max_attempts: u32, codes: impl IntoIterator<Item = GrpcCode>) -> Self {
        Self {
            max_attempts,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            backoff_multiplier: 2.0,
            retryable_status_codes: codes.into_iter().collect(),
            throttling: None,
        }
    }
}

impl RetryThrottling {
    /// So many tokens, of which a call that ends ok gives back this many.
    #[must_use]
    pub fn new(max_tokens: u32, token_ratio: f64) -> Self {
        Self {
            max_tokens,
            token_ratio,
        }
    }
}

/// Why there is no hedging.
pub(in crate::scenario) const NO_HEDGING: &str = "calls are not hedged: several copies of each would be under \
     way, so that the service has more load than the scenario says and it is not told which copy a time is of; \
     `retry` makes a call again once it has failed";

object! {
    /// How calls are made again that failed, as gRPC's retry policy has it.
    RawRetry is "a retry policy such as {\"max_attempts\": 3, \"initial_backoff\": \"100ms\", \"max_backoff\": \"1s\", \"backoff_multiplier\": 2, \"retryable_status_codes\": [\"UNAVAILABLE\"]}" {
        /// How often a call is made in all.
        "max_attempts" [required] max_attempts: Bounded<2, 5>,
        /// The rest before the second attempt, give or take a fifth.
        "initial_backoff" [required] initial_backoff: PositiveSpan,
        /// The longest rest before an attempt, give or take a fifth.
        "max_backoff" [required] max_backoff: PositiveSpan,
        /// By how much each rest is longer than the one before.
        "backoff_multiplier" [required] backoff_multiplier: Factor,
        /// The statuses after which a call is made again.
        "retryable_status_codes" [required] codes: List<StatusName>,
        /// Stops further attempts while too many fail; they are never stopped unless given.
        "throttling" throttling: RawRetryThrottling,
    }
    hints {
        "hedging" => NO_HEDGING,
        "hedging_delay" => NO_HEDGING,
        "attempts" => "that is `max_attempts`",
        "retryable_codes" => "that is `retryable_status_codes`",
        "retry_throttling" => "that is `throttling`",
        "max_tokens" => "it belongs to `throttling`",
        "token_ratio" => "it belongs to `throttling`",
        "jitter" => "rests are drawn from 0.8 to 1.2 times what they are here, as gRPC draws them",
    }
}

object! {
    /// Stops further attempts while too many fail.
    RawRetryThrottling is "throttling such as {\"max_tokens\": 10, \"token_ratio\": 0.1}" {
        /// Each attempt that fails with one of the statuses takes a token; with half of them left or fewer, no call is made again.
        "max_tokens" [required] max_tokens: Bounded<1, 1000>,
        /// How many tokens a call gives back that ends ok.
        "token_ratio" [required] token_ratio: Factor,
    }
}

/// A number to multiply with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::scenario) struct Factor(f64);

const FACTOR: &str = "a number above 0, up to 1000";

impl Decode for Factor {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::Number(number) => match number.as_f64() {
                Some(number) => reader.keep(Self(number)),
                None => reader.refuse(FACTOR, None),
            },
            _ => reader.refuse(FACTOR, None),
        }
    }
}

impl Rule for Factor {
    fn rule(&self) -> Result<(), Refusal> {
        match self.0 > 0.0 && self.0 <= 1000.0 {
            true => Ok(()),
            false => Refusal::new(FACTOR),
        }
    }
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As it is mostly written.
        match self.0.fract() == 0.0 && (0.0..=1000.0).contains(&self.0) {
            true => serializer.serialize_u64(self.0 as u64),
            false => serializer.serialize_f64(self.0),
        }
    }
}

impl JsonSchema for Factor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Factor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1000 })
    }
}

/// A status that is no success, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct StatusName(GrpcCode);

const STATUS: &str = "the name of a status such as \"UNAVAILABLE\"";

/// The statuses that have names, OK left out.
fn statuses() -> impl Iterator<Item = GrpcCode> {
    (1..=16).map(GrpcCode::new)
}

impl Decode for StatusName {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text(STATUS)?;
        if text == "OK" {
            let help = "a call that ends with it is over".to_owned();
            return reader.refuse("a status that is no success", Some(help));
        }
        if text.eq_ignore_ascii_case("timeout") {
            let help = "a call that the scenario's `timeout` ends is over and is not made again; the status of a \
                        server whose own time was up is \"DEADLINE_EXCEEDED\"";
            return reader.refuse(STATUS, Some(help.to_owned()));
        }
        match statuses().find(|it| it.to_string() == text) {
            Some(code) => Some(Self(code)),
            None => {
                let names: Vec<String> = statuses().map(|it| it.to_string()).collect();
                let near = did_you_mean(text, names.iter().map(String::as_str));
                reader.refuse(STATUS, near)
            }
        }
    }
}

impl Rule for StatusName {
    fn rule(&self) -> Result<(), Refusal> {
        match statuses().any(|it| it == self.0) {
            true => Ok(()),
            false => Refusal::new(STATUS),
        }
    }
}

impl Serialize for StatusName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for StatusName {
    fn schema_name() -> Cow<'static, str> {
        "StatusName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<String> = statuses().map(|it| it.to_string()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl Layers<'_> {
    /// How calls are made again; `None` where that is wrong.
    pub(super) fn retry(&self) -> Option<Option<Retry>> {
        let picked = self.pick("retry", |raw| &raw.retry);
        picked
            .entry
            .or(Some(None), |raw| self.policy(raw, &picked.path).map(Some))?
    }

    fn policy(&self, raw: &RawRetry, path: &str) -> Option<Retry> {
        let codes = raw.codes.given()?;
        if codes.0.is_empty() {
            let path = format!("{path}.retryable_status_codes");
            self.problems
                .add(path, "an empty array", "at least one status", None);
        }
        let throttling = raw.throttling.or(Some(None), |it| {
            Some(Some(RetryThrottling {
                max_tokens: it.max_tokens.given()?.small(),
                token_ratio: it.token_ratio.given()?.0,
            }))
        });
        let first = raw.initial_backoff.given().map(|it| it.0);
        let most = raw.max_backoff.given().map(|it| it.0);
        let (first, most) = (first?, most?);
        if most < first {
            self.problems.add(
                format!("{path}.max_backoff"),
                format_duration(most),
                format!(
                    "no less than the `initial_backoff` of {}",
                    format_duration(first)
                ),
                None,
            );
            return None;
        }
        let policy = Retry {
            max_attempts: raw.max_attempts.given()?.small(),
            initial_backoff: first,
            max_backoff: most,
            backoff_multiplier: raw.backoff_multiplier.given()?.0,
            retryable_status_codes: codes.all(|it| it.0)?,
            throttling: throttling??,
        };
        (!policy.retryable_status_codes.is_empty()).then_some(policy)
    }
}

/// A policy as it is written.
pub(super) fn print(retry: &Retry) -> RawRetry {
    RawRetry {
        max_attempts: Entry::Given(Bounded::of(retry.max_attempts)),
        initial_backoff: Entry::Given(PositiveSpan(retry.initial_backoff)),
        max_backoff: Entry::Given(PositiveSpan(retry.max_backoff)),
        backoff_multiplier: Entry::Given(Factor(retry.backoff_multiplier)),
        codes: Entry::Given(List::of(
            retry.retryable_status_codes.iter().copied().map(StatusName),
        )),
        throttling: Entry::from_option(retry.throttling.map(|it| RawRetryThrottling {
            max_tokens: Entry::Given(Bounded::of(it.max_tokens)),
            token_ratio: Entry::Given(Factor(it.token_ratio)),
        })),
    }
}
