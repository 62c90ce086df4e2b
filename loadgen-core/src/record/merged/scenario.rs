//! Everything measured of one scenario.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::signs::Signs;
use super::silence::Silence;
use super::{AddressRecord, BackendRecord, EventRecord, SeriesPoint, StepRecord, Timeline, series};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};
use crate::record::counts::MOSTLY_ONE;
use crate::record::{
    ByteCount, ConnectionCounts, Decisions, Farewells, Histogram, Ledger, Parts, Retries,
    StandingRecord, StepSpec, Stickiness, WindowRecord, new_histogram,
};
use crate::workload::FileChange;

/// Everything measured of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScenarioRecord {
    /// The scenario's name.
    pub name: String,
    /// What it speaks: `grpc`, `websocket`, or a custom workload's own word.
    pub protocol: String,
    /// Who speaks it, where that is a choice: of gRPC loadgen's `own` code or the library `h2`.
    #[serde(default)]
    pub codec: Option<String>,
    /// The same of steps of users' lives that go elsewhere.
    #[serde(default)]
    pub codec_elsewhere: Option<String>,
    /// Whether the load model is open, so that start lag and queue wait mean something.
    pub open: bool,
    /// Whether each iteration lasts for as long as the load: when it was due and how it ended then tells nothing of
    /// the time between.
    #[serde(default)]
    pub lasting: bool,
    /// When its measuring begins, after the load as a whole: `start_after` and warm-up.
    #[serde(default)]
    pub measured_from: Duration,
    /// Delays of the generator's above this are late.
    pub late_after: Duration,
    /// Every planned iteration.
    pub ledger: Ledger,
    /// From its start to the end of its last iteration, at least the planned duration unless
    /// it was stopped.
    pub elapsed: Duration,
    /// Arrivals the plan had started within its own duration (open models): `planned` less those
    /// that began only after the plan's end or never.
    pub started_in_time: u64,
    /// What the service left without an answer: interrupted iterations that one was owed to, and
    /// arrivals that were dropped because it kept all users busy.
    pub unanswered: u64,
    /// Of these, the arrivals.
    pub dropped_unanswered: u64,
    /// Arrivals that were dropped because all users kept what is to last as long as the load: the service owes them
    /// nothing.
    #[serde(default)]
    pub dropped_kept: u64,
    /// The least age of what is unanswered: response times above it are lower bounds.
    pub youngest_unanswered: Option<Nanos>,
    /// The least service time of what was cut off unanswered: service times above it are lower bounds.
    pub youngest_cut_off: Option<Nanos>,
    /// The longest times in which iterations were under way and none ended ok.
    pub silence: Silence,
    /// From due until the last reply was received, pauses left out; what is unanswered at its age.
    pub response_time: Histogram,
    /// From the request's last byte handed to the system until the reply's last byte received by it,
    /// pauses left out.
    pub service_time: Histogram,
    /// The parts of these times that are not the service time.
    pub parts: Parts,
    /// Samples above an hour, recorded as one hour.
    pub saturated_samples: u64,
    /// How iterations ended; adds up to completed + failed.
    pub outcomes: Vec<(Outcome, u64)>,
    /// One example of each failure class.
    pub examples: Vec<(Failure, String)>,
    /// The seconds, from the start of measuring, in which the first and the last of each failure class came.
    #[serde(default)]
    pub failed_in: Vec<(Failure, [u64; 2])>,
    /// Bytes on the wire.
    pub bytes: ByteCount,
    /// What became of connections.
    pub connections: ConnectionRecord,
    /// Each target.
    pub targets: Vec<TargetRecord>,
    /// Each address of a target that connections went to, or that was on its list: the first 1,024.
    #[serde(default)]
    pub addresses: Vec<AddressRecord>,
    /// Each step: those that begin a user's life, those of its iterations, and those that end it.
    pub steps: Vec<StepRecord>,
    /// The names of all servers that may answer; empty where nobody knows.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Each server that named itself.
    pub backends: Vec<BackendRecord>,
    /// Requests that no server is known for: replies without a name, and failures of which nobody knows
    /// where they happened. Without response times.
    #[serde(default = "unknown")]
    pub unknown: BackendRecord,
    /// What connections tell of how servers are chosen.
    #[serde(default)]
    pub decisions: Decisions,
    /// Whether users' streams stayed with one server.
    #[serde(default)]
    pub stickiness: Stickiness,
    /// How often calls were made again; `None` where they are not.
    #[serde(default)]
    pub retries: Option<Retries>,
    /// How those stood that calls went to, each time that changed, in order; the first 1,000.
    #[serde(default)]
    pub standings: Vec<StandingRecord>,
    /// What became of streams on connections that the server said good-bye on.
    #[serde(default)]
    pub farewells: Farewells,
    /// Custom metrics.
    pub custom: CustomRecord,
    /// Files that changed while the run was under way, in order: certificates, keys, tokens. The first
    /// 1,000.
    #[serde(default)]
    pub changes: Vec<FileChange>,
    /// What was done to servers and changed by hand, in the order in which it was: all of it.
    #[serde(default)]
    pub events: Vec<EventRecord>,
    /// Requests around these, in fine pieces of time.
    #[serde(default)]
    pub timeline: Timeline,
    /// The run over time; at most 600 points.
    #[serde(deserialize_with = "series::read")]
    pub series: Vec<SeriesPoint>,
    /// What it takes to find silences together with other processes.
    pub(crate) signs: Signs,
    /// What was found over windows of time, where that was asked for.
    #[serde(default)]
    pub(crate) windows: Vec<WindowRecord>,
}

/// What became of connections, those before the clock started included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// How many.
    pub counts: ConnectionCounts,
    /// From resolving the name until ready for requests.
    pub connect_time: Histogram,
    /// The TLS handshake's part of that, of connections that have one.
    #[serde(default = "new_histogram")]
    pub tls_time: Histogram,
    /// Rests of iterations before connecting again, by the generator's own choice.
    pub back_off: Histogram,
}

impl ConnectionRecord {
    /// One of no connections.
    pub(crate) fn empty() -> Self {
        Self {
            counts: ConnectionCounts::default(),
            connect_time: new_histogram(),
            tls_time: new_histogram(),
            back_off: new_histogram(),
        }
    }
}

/// What became of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetRecord {
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

impl TargetRecord {
    /// One that nothing has gone to yet.
    #[must_use]
    pub fn empty(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            completed: 0,
            failed: 0,
            unanswered: 0,
            connections: ConnectionCounts::default(),
        }
    }
}

/// Metrics of a custom workload's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CustomRecord {
    /// Counters and their sums.
    pub counters: Vec<(String, u64)>,
    /// Gauges and their last values, the last worker's where several set one.
    #[serde(serialize_with = "super::stored::finite")]
    pub gauges: Vec<(String, f64)>,
    /// Timings.
    pub timings: Vec<(String, Histogram)>,
}

/// What a balancer decides about as a whole: all of it goes to one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Each request.
    Request,
    /// Each stream.
    Stream,
    /// Each connection, with all that goes over it.
    Connection,
}

/// From this part on, requests of one connection go to any.
const MOSTLY_SEVERAL: f64 = 0.4;

/// The part of what no server is known for, with nothing in it.
fn unknown() -> BackendRecord {
    BackendRecord::empty(ScenarioRecord::UNKNOWN)
}

impl ScenarioRecord {
    /// The steps of the iterations.
    pub fn iterated(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|step| step.part.is_none())
    }

    /// What failed or was left unanswered, as a share of all that ended or should have; `None` where
    /// there was nothing.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        self.ledger.error_rate(self.unanswered)
    }

    /// Whether it has one step, whose figures are the iteration's.
    #[must_use]
    pub fn has_single_step(&self) -> bool {
        matches!(self.steps.as_slice(), [only] if !only.apart)
    }

    /// Stands for the server where none is known.
    pub const UNKNOWN: &str = "(unknown)";

    /// All servers, and what none is known for as the last.
    pub fn all_backends(&self) -> impl Iterator<Item = &BackendRecord> + Clone {
        self.backends.iter().chain([&self.unknown])
    }

    /// Whether the generator itself divides what it asks: among several targets, or several addresses of one.
    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.targets.len() > 1 || self.addresses.len() > 1
    }

    /// What is given to one server as a whole by whatever stands at the target. `None` where that cannot be
    /// told: fewer than two servers named themselves, it was [divided](Self::is_divided) before, no connection was
    /// asked twice, or it is neither quite the one nor the other.
    #[must_use]
    pub fn decided_by(&self) -> Option<Unit> {
        let Decisions {
            connections,
            several,
        } = self.decisions;
        let named = self.backends.iter().filter(|it| it.requests > 0);
        if named.count() < 2 || self.is_divided() || connections == 0 {
            return None;
        }
        let opened: u64 = self.all_backends().map(|it| it.streams.opened).sum();
        let requests: u64 = self.all_backends().map(|it| it.requests).sum();
        match several as f64 / connections as f64 {
            share if share <= MOSTLY_ONE => Some(Unit::Connection),
            share if share < MOSTLY_SEVERAL => None,
            _ if opened > requests / 2 => Some(Unit::Stream),
            _ => Some(Unit::Request),
        }
    }

    /// A record of nothing, for a scenario with these steps.
    #[must_use]
    pub fn empty(name: &str, protocol: &str, open: bool, steps: &[StepSpec]) -> Self {
        Self {
            name: name.to_owned(),
            protocol: protocol.to_owned(),
            codec: None,
            codec_elsewhere: None,
            open,
            lasting: false,
            measured_from: Duration::ZERO,
            late_after: Duration::from_millis(1),
            ledger: Ledger::default(),
            elapsed: Duration::ZERO,
            started_in_time: 0,
            unanswered: 0,
            dropped_unanswered: 0,
            dropped_kept: 0,
            youngest_unanswered: None,
            youngest_cut_off: None,
            silence: Silence::default(),
            response_time: new_histogram(),
            service_time: new_histogram(),
            parts: Parts::of_scenario(),
            saturated_samples: 0,
            outcomes: Vec::new(),
            examples: Vec::new(),
            failed_in: Vec::new(),
            bytes: ByteCount::default(),
            connections: ConnectionRecord::empty(),
            targets: Vec::new(),
            addresses: Vec::new(),
            steps: steps.iter().map(StepRecord::empty).collect(),
            servers: Vec::new(),
            backends: Vec::new(),
            unknown: unknown(),
            decisions: Decisions::default(),
            stickiness: Stickiness::default(),
            retries: None,
            standings: Vec::new(),
            farewells: Farewells::default(),
            custom: CustomRecord::default(),
            changes: Vec::new(),
            events: Vec::new(),
            timeline: Timeline::default(),
            series: Vec::new(),
            signs: Signs::default(),
            windows: Vec::new(),
        }
    }
}
