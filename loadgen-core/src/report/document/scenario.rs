//! One scenario's part of the document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::address::Address;
use super::backend::{Backend, BackendCount};
use super::balance::{Ejection, Expectation, Failover};
use super::confidence::Confidence;
use super::event::{Event, Moment};
use super::point::PointStatistics;
use super::retries::Retries;
use super::standing::Stands;
use super::statistics::Statistics;
use super::stickiness::Stickiness;
use crate::record::{BackendRecord, ByteCount, ConnectionCounts, Ledger, LifePart, Unit};

/// What one scenario found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it speaks: `grpc`, `websocket`, or a custom workload's own word.
    pub protocol: String,
    /// Who speaks it, where that is a choice: of gRPC loadgen's `own` code or the library `h2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// The same of steps that call gRPC elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec_elsewhere: Option<String>,
    /// Which kind of load model it has.
    pub load_model: LoadModel,
    /// When it began to be measured, in seconds from `run.started_at`: after its `start_after` and its warm-up.
    /// Its times count from there.
    #[serde(default)]
    pub measured_from_s: f64,
    /// Seconds from its start to the end of its last iteration, drain included.
    pub duration_s: f64,
    /// Every planned iteration.
    pub ledger: Ledger,
    /// What the service left without an answer: interrupted iterations that one was owed to, and
    /// arrivals that were dropped because it kept all users busy. They count as failed in the error
    /// rate, and in the percentiles with their age, which is a lower bound.
    #[serde(default)]
    pub unanswered: u64,
    /// The longest time in which iterations were under way and none ended ok; where there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// Iterations completed per second of `duration_s`.
    pub throughput_per_s: f64,
    /// From due until the system received the last reply's last byte, pauses left out: queue wait,
    /// start lag, send lag and service time together. Iterations that completed or failed, and what
    /// was left unanswered at its age.
    pub response_time_us: Statistics,
    /// Where the percentiles of `response_time_us` lie but for chance; where ten points of the
    /// series or more have samples, and enough for a p95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_confidence_us: Option<Confidence>,
    /// From the request's last byte handed to the system until it received the reply's last byte,
    /// pauses left out: what network and service took.
    pub service_time_us: Statistics,
    /// From due, or when a user was free if that was later, until the start: the generator's own
    /// lateness. Open models only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_lag_us: Option<Statistics>,
    /// From due until a user was free: the service's doing. Open models only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_wait_us: Option<Statistics>,
    /// From the start until just before the write in which the system took the request's last byte:
    /// the generator's doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag_us: Option<Statistics>,
    /// From the receipt of the reply's last byte until the generator saw it; in no time of the
    /// service. Left out where the system, or a custom workload, does not tell when that was: response
    /// and service time then end when the reply was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_lag_us: Option<Statistics>,
    /// The generator's part: start lag, send lag and read lag of the same request together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_us: Option<Statistics>,
    /// Response times without start lag and send lag, and without what may be read lag because the
    /// system stamped only a later reply: how much less a percentile of it is than the same of
    /// `response_time_us` is the generator's part of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelayed_us: Option<Statistics>,
    /// Samples above an hour, counted as one hour.
    pub saturated_samples: u64,
    /// How iterations ended, by key; adds up to completed + failed. `ok` is always there.
    pub outcomes: BTreeMap<String, u64>,
    /// Each class of failure, the most frequent first.
    pub failures: Vec<FailureClass>,
    /// Bytes on the wire.
    pub bytes: ByteCount,
    /// What became of connections.
    pub connections: Connections,
    /// Each target, in the order of the plan; none where a custom workload does not tell.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Each address of these that connections went to, or that was on a target's list, the first 1,024; left
    /// out where there is one only, and no list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Each step, in the order they run; pauses have none.
    pub steps: Vec<Step>,
    /// Each server that named itself, in the order they were first seen, and `(unknown)` as the last.
    pub backends: Vec<Backend>,
    /// What goes to one server as a whole, judged from how many of them named themselves on one connection;
    /// left out where fewer than two did, or it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_by: Option<Unit>,
    /// What became of the load when servers went away, in the order of these events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failovers: Vec<Failover>,
    /// Servers that got nothing for half a second or longer although they were up, around events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ejections: Vec<Ejection>,
    /// Each expectation of a balancer and what became of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Expectation>,
    /// Whether users' streams stayed with one server; left out where none named its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Stickiness>,
    /// What came of calls that were made again; where the scenario has them made again (`retry`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
    /// How those stood that calls went to, by checks of health and circuit breakers: each time that changed, in
    /// order; the first 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standings: Vec<Stands>,
    /// Files that changed while the run was under way, in order: certificates, keys, tokens; the first
    /// 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What was done to servers, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Requests around these by when they were due, from 5 s before each until 60 s after it is over, a tenth
    /// of a second each; those without a request are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Moment>,
    /// Each condition and what became of it.
    pub thresholds: Vec<ThresholdResult>,
    /// The run over time, in order; at most 600 points.
    pub series: Vec<Point>,
    /// Metrics of a custom workload's own, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
}

/// The two kinds of load model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LoadModel {
    /// A fixed number of users, each starting again when done.
    Closed,
    /// Iterations start at a rate, whatever the service does.
    Open,
}

/// A file that changed while the run was under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Change {
    /// When it was read, in seconds since the scenario was first measured; 0 for one before that.
    pub t_s: f64,
    /// The file.
    pub file: String,
    /// The field of the scenario that names it: `tls.cert_file`, `metadata.authorization`.
    pub field: String,
    /// Why it could not be taken, so that what it was before went on being used; left out where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One class of failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct FailureClass {
    /// Its key in `outcomes`.
    pub outcome: String,
    /// How often it came.
    pub count: u64,
    /// The second in which the first came, counted from where measuring of the scenario begins: one that is
    /// 0 came within the first. Left out of a step outside of iterations, as is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_s: Option<u64>,
    /// The second in which the last came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_s: Option<u64>,
    /// What one of them looked like, where that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What became of connections, those before the clock started included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Connections {
    /// Opened, reconnects included.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Open ones that ended without the generator's asking.
    pub dropped: u64,
    /// Of those opened, the ones that took the place of a dropped one.
    #[serde(default)]
    pub reconnected: u64,
    /// Redirections that were followed to open them.
    #[serde(default)]
    pub redirects: u64,
    /// From resolving the name until ready for requests; where any were opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_time_us: Option<Statistics>,
    /// The TLS handshake's part of that; where any had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_time_us: Option<Statistics>,
    /// Rests of iterations before connecting again, by the generator's own choice and in no other
    /// time; where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_off_us: Option<Statistics>,
}

/// The longest time in which iterations were under way and none ended ok, to the hundredth of a
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Silence {
    /// How long it was, in seconds.
    pub longest_s: f64,
    /// When it began, in seconds from the scenario's start.
    pub from_s: f64,
    /// Whether it lasted to the end of the load.
    pub to_end: bool,
}

/// What became of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Target {
    /// Its address.
    pub target: String,
    /// Iterations that went to it and completed.
    pub completed: u64,
    /// Iterations that went to it and failed.
    pub failed: u64,
    /// Iterations that went to it and were cut off although an answer was owed to them.
    pub unanswered: u64,
    /// What became of connections to it.
    pub connections: ConnectionCounts,
}

/// One step's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The part of a user's life that it belongs to; left out of a step of the iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<LifePart>,
    /// Whether an iteration may do it several times, or not at all. Left out where it does it once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// From due until the last reply was received; where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_us: Option<Statistics>,
    /// From the request's last byte handed to the system until the reply's last byte received by it;
    /// where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_time_us: Option<Statistics>,
    /// From due until a user was free; of the first step of an open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_wait_us: Option<Statistics>,
    /// The rest until it started: the generator's lateness. A later step is due when the last reply of
    /// the one before was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_lag_us: Option<Statistics>,
    /// From its start until the system took the request's last byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag_us: Option<Statistics>,
    /// From the receipt of the reply's last byte until the generator saw it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_lag_us: Option<Statistics>,
    /// The three lags of the same request together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_us: Option<Statistics>,
    /// Response times without the generator's part, like the scenario's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelayed_us: Option<Statistics>,
    /// From when a request left until the first byte of its answer came (HTTP); where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<Statistics>,
    /// From a stream's start until its first message came; where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_message_us: Option<Statistics>,
    /// Between one message of a stream and the next; where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_gap_us: Option<Statistics>,
    /// From when a message was due until the reply to it was received; where messages have no due
    /// times (`every`), from when it left. Where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<Statistics>,
    /// The same without the generator's part, of messages that have due times: how much less a
    /// percentile of it is than the same of `round_trip_us` is the generator's part of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelayed_round_trip_us: Option<Statistics>,
    /// How late messages with due times left, by the generator's doing: from when they were due, and
    /// there was room for them, until the system took their last byte. Where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_lag_us: Option<Statistics>,
    /// Waiting for a free stream on a connection, part of the response time too; where any waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_wait_us: Option<Statistics>,
    /// Messages, where any were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    /// How often the service left it without an answer; left out where it never did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// How it ended, by key. `ok` is always there.
    pub outcomes: BTreeMap<String, u64>,
    /// Each class of failure, the most frequent first, of a step outside of iterations: those of the
    /// others' are the scenario's. Left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureClass>,
    /// What became of each of its checks; left out where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The step over time, in order; at most 600 points. Left out of a scenario's only step, of which the
    /// scenario's series tells, and of those after the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<StepPoint>,
}

/// One stretch of a step's time. All in it is counted by when the step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct StepPoint {
    /// Seconds from the scenario's start to the point's beginning.
    pub t_s: u64,
    /// Seconds it covers: 1 until neighbours had to be merged.
    pub seconds: u64,
    /// How often it completed in it.
    pub completed: u64,
    /// How often it failed in it.
    pub failed: u64,
    /// Response times of what ended in it, without their histogram; where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_us: Option<PointStatistics>,
}

/// What became of one check of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Check {
    /// The expression, as it is written.
    pub expression: String,
    /// How often it held.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
    /// What was seen when it did not, once; left out where it always held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// Messages that a step sent and received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Messages {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
    /// Sent per second of the scenario's `duration_s`; where any were.
    #[serde(default, skip_serializing_if = "is_none")]
    pub sent_per_s: f64,
    /// Received per second of the scenario's `duration_s`; where any were.
    #[serde(default, skip_serializing_if = "is_none")]
    pub received_per_s: f64,
    /// Of streams: sequence numbers that were left out and never came; where there were any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Of streams: messages that came after one with a higher sequence number; where there were
    /// any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub out_of_order: u64,
    /// Messages that nothing had asked for, a second reply for instance, while the step used the
    /// connection or after it had; where there were any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unexpected: u64,
    /// Replies that came after their iteration had been given up; where there were any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub too_late: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_none(rate: &f64) -> bool {
    *rate == 0.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A condition on the results and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ThresholdResult {
    /// The condition as written.
    pub expression: String,
    /// The value compared, in `unit`; left out when nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// The expression's own unit: `%`, `ms`, `/s`, …; left out for a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether the condition holds. Without an observed value it does not.
    pub pass: bool,
    /// Whether the value is of a percentile that is left out of the figures, because fewer than ten
    /// samples lie beyond it. It is compared all the same; left out where it is not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub few_samples: bool,
    /// Of a condition over windows, the one that the observed value is of: the worst of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<ThresholdWindow>,
    /// Why there is no observed value, where more can be said than that too little was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<String>,
    /// Whether it was to end the run when it does not hold; left out where it was not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub abort: bool,
    /// When it ended the run, and by which value; left out where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_run: Option<EndedRun>,
    /// How often somebody changed the load while what it is about was measured (a pause, its end, a rate, a number of
    /// users, a target switched off or on): the value is of all that together. Of a condition on a tag, the sum over
    /// its scenarios. Left out where nobody did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spans_changes: u64,
}

/// A window of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ThresholdWindow {
    /// Where it begins, in whole seconds from the scenario's start.
    pub from_s: u64,
    /// Where it ends.
    pub to_s: u64,
    /// Whether the value is a bound, and the true one no worse: of several processes each looked at what it
    /// saw itself. Left out where it is the value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_bound: bool,
}

/// How a condition ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct EndedRun {
    /// When, in seconds from the start of measuring.
    pub at_s: f64,
    /// What was observed then, in the condition's unit.
    pub observed: f64,
}

impl ThresholdResult {
    /// A condition, its unit (empty for a count), and what became of it.
    #[must_use]
    pub fn new(
        expression: impl Into<String>,
        unit: impl Into<String>,
        observed: Option<f64>,
        pass: bool,
    ) -> Self {
        Self {
            expression: expression.into(),
            observed: observed.filter(|value| value.is_finite()),
            unit: Some(unit.into()).filter(|unit| !unit.is_empty()),
            pass,
            few_samples: false,
            window: None,
            unjudged: None,
            abort: false,
            ended_run: None,
            spans_changes: 0,
        }
    }
}

/// One stretch of the run over time.
///
/// Counts stand in the stretch in which things happened, response times in the one in which the
/// iteration was due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Point {
    /// Seconds from the scenario's start to the point's beginning.
    pub t_s: u64,
    /// Seconds it covers: 1 until neighbours had to be merged.
    pub seconds: u64,
    /// Iterations that started in it.
    pub started: u64,
    /// Iterations that completed in it.
    pub completed: u64,
    /// Iterations that failed in it.
    pub failed: u64,
    /// The most users busy in it.
    pub users: u64,
    /// What became of connections in it, where anything did; the first point has those before the
    /// clock started too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<ConnectionCounts>,
    /// Response times of the iterations that were due in it; where any were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_us: Option<PointStatistics>,
    /// What has become of the requests that were due in it, by the server's name; where servers named
    /// themselves.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "as_listed"
    )]
    pub backends: BTreeMap<String, BackendCount>,
}

/// In the order in which servers are listed.
pub(super) fn as_listed<S: Serializer>(
    backends: &BTreeMap<String, BackendCount>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut listed: Vec<_> = backends.iter().collect();
    listed.sort_by(|(a, _), (b, _)| BackendRecord::order(a, b));
    serializer.collect_map(listed)
}

/// Metrics of a custom workload's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Custom {
    /// Counters and their sums.
    pub counters: BTreeMap<String, u64>,
    /// Gauges and their last values. One that was set to what is not a number is left out.
    pub gauges: BTreeMap<String, f64>,
    /// Timings.
    pub timings_us: BTreeMap<String, Statistics>,
}
