//! Stand-ins for parts of the library that are still being written. Goes away.

#![expect(dead_code, reason = "stand-ins")]

pub(crate) mod units {
    use std::str::FromStr;
    use std::time::Duration;

    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(crate) struct Rate(f64);

    impl Rate {
        pub(crate) fn per_second(self) -> f64 {
            self.0
        }
    }

    impl FromStr for Rate {
        type Err = String;
        fn from_str(text: &str) -> Result<Self, String> {
            let number = text.strip_suffix("/s").unwrap_or(text);
            match number.parse::<f64>() {
                Ok(value) if value > 0.0 && value.is_finite() => Ok(Self(value)),
                _ => Err("expected a rate like 500/s".to_owned()),
            }
        }
    }

    pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
        let split = text
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or("expected a time with a unit, like 30s")?;
        let (number, unit) = text.split_at(split);
        let scale = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err("expected a time like 30s".to_owned()),
        };
        let number: f64 = number.parse().map_err(|_| "expected a time like 30s")?;
        Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
    }
}

pub(crate) mod scenario {
    use std::path::Path;
    use std::time::Duration;

    pub(crate) use loadgen_core::scenario::*;
    use loadgen_core::schedule::{ClosedModel, Limit, Load};

    use super::units::Rate;

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("not written yet")]
    pub(crate) struct SuiteError;

    #[derive(Debug, thiserror::Error)]
    #[error("unknown scenario `{0}`")]
    pub(crate) struct SelectError(String);

    #[derive(Debug, thiserror::Error)]
    #[error("not written yet")]
    pub(crate) struct OverrideError;

    #[derive(Debug)]
    pub(crate) struct Suite(Vec<ScenarioPlan>);

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Overrides {
        pub(crate) requests: Option<u64>,
        pub(crate) concurrency: Option<u32>,
        pub(crate) duration: Option<Duration>,
        pub(crate) rate: Option<Rate>,
        pub(crate) connections: Option<u32>,
        pub(crate) timeout: Option<Duration>,
    }

    impl Suite {
        pub(crate) fn parse(
            _name: &str,
            _text: &str,
            _base: Option<&Path>,
            _profile: Option<&str>,
        ) -> Result<Self, SuiteError> {
            Err(SuiteError)
        }

        pub(crate) fn scenarios(&self) -> &[ScenarioPlan] {
            &self.0
        }

        pub(crate) fn select(
            &self,
            names: &[String],
            _protocol: Option<Protocol>,
        ) -> Result<Plan, SelectError> {
            if let Some(unknown) = names
                .iter()
                .find(|name| self.0.iter().all(|it| it.name != **name))
            {
                return Err(SelectError(unknown.clone()));
            }
            let chosen = |it: &&ScenarioPlan| names.is_empty() || names.contains(&it.name);
            Ok(Plan {
                scenarios: self.0.iter().filter(chosen).cloned().collect(),
            })
        }
    }

    pub(crate) fn with_overrides(
        plan: &ScenarioPlan,
        overrides: Overrides,
    ) -> Result<(ScenarioPlan, Vec<String>), OverrideError> {
        let mut plan = plan.clone();
        plan.connections = overrides.connections.or(plan.connections);
        Ok((plan, Vec::new()))
    }

    pub(crate) fn shipped() -> Suite {
        let named = |name: &str, users| ScenarioPlan {
            name: name.to_owned(),
            description: Some("A greeting".to_owned()),
            protocol: Protocol::Grpc,
            targets: Vec::new(),
            connections: None,
            streams_per_connection: None,
            load: Load::Closed(ClosedModel {
                users,
                limit: Limit::Iterations(100),
                think_time: None,
                rate_limit: None,
            }),
            start_after: Duration::ZERO,
            warm_up: Duration::ZERO,
            graceful_stop: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            late_after: Duration::from_millis(1),
            tls: None,
            metadata: Vec::new(),
            tags: std::collections::BTreeMap::new(),
            protos: Vec::new(),
            steps: Vec::new(),
            thresholds: Vec::new(),
        };
        Suite(vec![named("hello_light", 10), named("hello_high", 100)])
    }

    pub(crate) fn to_json(_plans: &[ScenarioPlan]) -> serde_json::Value {
        serde_json::Value::Null
    }

    pub(crate) fn schema() -> serde_json::Value {
        serde_json::Value::Null
    }
}

pub(crate) mod report {
    use std::collections::BTreeMap;

    use loadgen_core::record::RunRecord;
    use loadgen_core::threshold::Threshold;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Document {
        pub(crate) run: Run,
        pub(crate) verdict: Verdict,
        pub(crate) scenarios: Vec<Scenario>,
    }

    impl Document {
        pub(crate) fn conditions_hold(&self) -> bool {
            let hold = |it: &Scenario| it.thresholds.iter().all(|it| it.pass);
            self.scenarios.iter().all(hold)
        }
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Run {
        pub(crate) duration_s: f64,
        pub(crate) generator: Generator,
        pub(crate) stopped: bool,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Generator {
        pub(crate) workers: u64,
        pub(crate) cpu_busy: f64,
        pub(crate) saturated: bool,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Verdict {
        pub(crate) status: Status,
        pub(crate) reasons: Vec<String>,
        pub(crate) warnings: Vec<String>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum Status {
        Pass,
        Fail,
        Invalid,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum LoadModel {
        Closed,
        Open,
    }

    #[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
    pub(crate) struct Ledger {
        pub(crate) planned: u64,
        pub(crate) started: u64,
        pub(crate) completed: u64,
        pub(crate) failed: u64,
        pub(crate) interrupted: u64,
        pub(crate) dropped: u64,
        pub(crate) late: u64,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Scenario {
        pub(crate) name: String,
        pub(crate) protocol: String,
        pub(crate) load_model: LoadModel,
        pub(crate) duration_s: f64,
        pub(crate) ledger: Ledger,
        pub(crate) throughput_per_s: f64,
        pub(crate) response_time_us: Statistics,
        pub(crate) service_time_us: Statistics,
        pub(crate) start_lag_us: Option<Statistics>,
        pub(crate) queue_wait_us: Option<Statistics>,
        pub(crate) outcomes: BTreeMap<String, u64>,
        pub(crate) failures: Vec<FailureClass>,
        pub(crate) bytes: ByteCount,
        pub(crate) connections: Connections,
        pub(crate) steps: Vec<Step>,
        pub(crate) backends: Vec<Backend>,
        pub(crate) thresholds: Vec<ThresholdResult>,
    }

    #[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
    pub(crate) struct ByteCount {
        pub(crate) sent: u64,
        pub(crate) received: u64,
    }

    #[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
    pub(crate) struct Statistics {
        pub(crate) count: u64,
        pub(crate) mean: Option<f64>,
        pub(crate) min: Option<f64>,
        pub(crate) p50: Option<f64>,
        pub(crate) p90: Option<f64>,
        pub(crate) p95: Option<f64>,
        pub(crate) p99: Option<f64>,
        pub(crate) p999: Option<f64>,
        pub(crate) p9999: Option<f64>,
        pub(crate) max: Option<f64>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct FailureClass {
        pub(crate) outcome: String,
        pub(crate) count: u64,
        pub(crate) example: Option<String>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Connections {
        pub(crate) opened: u64,
        pub(crate) failed: u64,
        pub(crate) dropped: u64,
        pub(crate) connect_time_us: Option<Statistics>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Step {
        pub(crate) name: String,
        pub(crate) response_time_us: Option<Statistics>,
        pub(crate) first_message_us: Option<Statistics>,
        pub(crate) message_gap_us: Option<Statistics>,
        pub(crate) round_trip_us: Option<Statistics>,
        pub(crate) stream_wait_us: Option<Statistics>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct Backend {
        pub(crate) id: String,
        pub(crate) requests: u64,
        pub(crate) share: f64,
        pub(crate) failed: u64,
        pub(crate) response_time_us: Option<Statistics>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub(crate) struct ThresholdResult {
        pub(crate) expression: String,
        pub(crate) observed: Option<f64>,
        pub(crate) pass: bool,
    }

    #[derive(Debug, Default)]
    pub(crate) struct Context {
        pub(crate) plan: serde_json::Value,
        pub(crate) thresholds: Vec<Vec<Threshold>>,
        pub(crate) version: String,
    }

    impl Context {
        pub(crate) fn new() -> Self {
            Self::default()
        }
    }

    pub(crate) fn build(_record: &RunRecord, _context: Context) -> Document {
        unreachable!("not written yet")
    }

    pub(crate) fn schema() -> serde_json::Value {
        serde_json::Value::Null
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not written yet")]
pub(crate) struct AssembleError;

impl AssembleError {
    pub(crate) fn is_unreachable(&self) -> bool {
        false
    }
}

pub(crate) fn assemble(
    _plan: &scenario::Plan,
    _options: loadgen_core::engine::Options,
) -> Result<loadgen_core::engine::Run, AssembleError> {
    Err(AssembleError)
}
