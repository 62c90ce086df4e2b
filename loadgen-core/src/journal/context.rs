//! What a document says that no measurement tells, as a journal has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::condition::{Threshold, ThresholdError};
use crate::report::{Context, Expected, Host, ShardPart};
use crate::secrets::Secrets;

/// A [`Context`], stored. Where figures went is known only at a run's end, and is not in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredContext {
    /// The version of the program that wrote it, before anything that may change with the version.
    pub(super) version: String,
    run_id: String,
    plan: Value,
    thresholds: Vec<Vec<Condition>>,
    tag_thresholds: Vec<Condition>,
    expected: Vec<Expected>,
    host: Host,
    #[serde(default)]
    shard: Option<ShardPart>,
}

/// A [`Threshold`], stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Condition {
    expression: String,
    abort_after: Option<Duration>,
}

impl Condition {
    fn all_of(thresholds: &[Threshold]) -> Vec<Self> {
        let stored = thresholds.iter().map(|it| Self {
            expression: it.expression().to_owned(),
            abort_after: it.abort_after(),
        });
        stored.collect()
    }

    fn read(stored: &[Self]) -> Result<Vec<Threshold>, ThresholdError> {
        let read = stored.iter().map(|it| {
            let threshold: Threshold = it.expression.parse()?;
            Ok(match it.abort_after {
                Some(after) => threshold.aborting(after),
                None => threshold,
            })
        });
        read.collect()
    }
}

impl StoredContext {
    /// The context without the secrets of its plan, and what these are.
    pub(super) fn of(context: &Context) -> (Self, Secrets) {
        let mut plan = context.plan.clone();
        let secrets = Secrets::mask_in(&mut plan);
        let stored = Self {
            version: context.version.clone(),
            run_id: context.run_id.clone(),
            plan,
            thresholds: context
                .thresholds
                .iter()
                .map(|it| Condition::all_of(it))
                .collect(),
            tag_thresholds: Condition::all_of(&context.tag_thresholds),
            expected: context.expected.clone(),
            host: context.host.clone(),
            shard: context.shard.clone(),
        };
        (stored, secrets)
    }

    /// The context again.
    ///
    /// # Errors
    /// When a condition is none that this version knows.
    pub(super) fn into_context(self) -> Result<Context, ThresholdError> {
        let thresholds = self.thresholds.iter().map(|it| Condition::read(it));
        Ok(Context {
            run_id: self.run_id,
            plan: self.plan,
            thresholds: thresholds.collect::<Result<_, _>>()?,
            tag_thresholds: Condition::read(&self.tag_thresholds)?,
            expected: self.expected,
            version: self.version,
            host: self.host,
            sinks: Vec::new(),
            shard: self.shard,
            shards: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Suite;

    /// All that may be said of what is expected: whatever is read back judges as it would have.
    #[test]
    fn a_context_is_read_back() {
        let suite = r#"{"scenarios": [{
            "name": "s", "targets": ["127.0.0.1:1"], "tags": {"version": "v1.2"},
            "load": {"closed": {"users": 1, "duration": "60s"}},
            "metadata": {"authorization": "Bearer s3cr3t-1"},
            "steps": [{"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello"}}],
            "thresholds": ["error_rate < 1%",
                {"expression": "response_time.p99 < 5ms over any 10s", "abort": true, "after": "30s"}],
            "expect": {
                "distribution": {"weights": {"b1": "70%", "b2": "30%"}, "within": "2%", "per": "stream"},
                "route": {"version": {"v1.*": "v1*", "v2.*": "v2*"}},
                "sticky": "connection",
                "failover": {"detected": "< 1s", "lost": "<= 200", "ok_within": "250ms"},
                "drain": {"lost": "== 0"},
                "slow_start": {"over": "10s"},
                "ejection": {"bad": "<= 20", "out": "< 40s"}
            }
        }]}"#;
        let suite = Suite::parse("suite.json", suite, None, None).unwrap();
        let plan = suite.select::<&str>(&[], None).unwrap();
        let mut context = Context::of(&plan);
        context.tag_thresholds = vec!["tags.tier.gold.error_rate < 2%".parse().unwrap()];
        let (stored, secrets) = StoredContext::of(&context);
        let stored = serde_json::to_string(&stored).unwrap();
        assert!(!stored.contains("s3cr3t-1"), "{stored}");
        assert_eq!(secrets.masked("s3cr3t-1"), "***");
        let read: StoredContext = serde_json::from_str(&stored).unwrap();
        let read = read.into_context().unwrap();
        assert_eq!(read.thresholds, context.thresholds);
        assert_eq!(read.tag_thresholds, context.tag_thresholds);
        assert_eq!(read.expected, context.expected);
        assert_eq!(read.run_id, context.run_id);
        assert_eq!(read.host, context.host);
    }
}
