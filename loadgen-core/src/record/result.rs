//! What a run measured, merged over its workers.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Histogram, Ledger, Parts, Silence, Sparse, new_histogram};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};
use crate::pacer::Pacing;
use crate::workload::{MessageFault, SampleKind};

/// Everything a run measured.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunRecord {
    /// When the load began, by the wall clock; warm-up and `start_after` come after it.
    pub started_at: std::time::SystemTime,
    /// From the beginning of the measured part to its end, drain included.
    pub elapsed: Duration,
    /// The scenarios, in the order they were given.
    pub scenarios: Vec<ScenarioRecord>,
    /// How the generator itself fared.
    pub generator: GeneratorRecord,
    /// Whether a stop was asked for before the plan was done.
    pub stopped: bool,
    /// What a workload said when it panicked; the run ended early because of it.
    pub panic: Option<String>,
    /// That more arrivals stood in line than may; the run ended early because of it.
    pub overrun: Option<Overrun>,
}

/// A line of arrivals that grew too long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overrun {
    /// Whose arrivals.
    pub scenario: String,
    /// How many stood in line on one worker.
    pub in_line: u64,
    /// Over how many workers the scenario was spread.
    pub workers: u64,
}

impl Overrun {
    /// A line of this scenario's that was so long on one of so many workers.
    #[must_use]
    pub fn new(scenario: impl Into<String>, in_line: u64, workers: u64) -> Self {
        Self {
            scenario: scenario.into(),
            in_line,
            workers,
        }
    }
}

impl RunRecord {
    /// The record of a run that came to its planned end.
    #[must_use]
    pub fn new(
        started_at: std::time::SystemTime,
        elapsed: Duration,
        scenarios: Vec<ScenarioRecord>,
        generator: GeneratorRecord,
    ) -> Self {
        Self {
            started_at,
            elapsed,
            scenarios,
            generator,
            stopped: false,
            panic: None,
            overrun: None,
        }
    }
}

/// How the generator itself fared.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GeneratorRecord {
    /// Each worker thread.
    pub workers: Vec<WorkerRecord>,
    /// How open models waited for what was due.
    pub pacing: Pacing,
    /// The part of the measured time for which a control group that this process was in was
    /// stopped, because its quota of processor time was used up: 0 to 1. The system adds up the
    /// time over processors. `None` where it does not tell.
    pub throttled_share: Option<f64>,
}

/// How one worker thread fared.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct WorkerRecord {
    /// Processor time it used over the measured time, 0 to 1; busy polling left out.
    pub cpu_busy: f64,
    /// Processor time that busy polling took while there was nothing to do, over the measured time,
    /// 0 to 1.
    pub cpu_waiting: f64,
    /// Time it was ready to run and had no processor, over the measured time, 0 to 1.
    pub cpu_starved: f64,
    /// The longest that its heartbeat stood still beyond its period.
    pub longest_stall: Duration,
}

/// Everything measured of one scenario.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScenarioRecord {
    /// The scenario's name.
    pub name: String,
    /// What it speaks: `grpc`, `websocket`, or a custom workload's own word.
    pub protocol: String,
    /// Whether the load model is open, so that start lag and queue wait mean something.
    pub open: bool,
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
    /// Bytes on the wire.
    pub bytes: ByteCount,
    /// What became of connections.
    pub connections: ConnectionRecord,
    /// Each target.
    pub targets: Vec<TargetRecord>,
    /// Each step.
    pub steps: Vec<StepRecord>,
    /// Each server that named itself.
    pub backends: Vec<BackendRecord>,
    /// Custom metrics.
    pub custom: CustomRecord,
    /// The run over time; at most 600 points.
    pub series: Vec<SeriesPoint>,
}

/// Bytes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ByteCount {
    /// Written to sockets.
    pub sent: u64,
    /// Read from sockets.
    pub received: u64,
}

/// How many connections what happened to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionCounts {
    /// Opened, reconnects included.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Open ones that ended without our asking.
    pub dropped: u64,
    /// Of those opened, the ones that took the place of a dropped one.
    #[serde(default)]
    pub reconnected: u64,
}

impl std::ops::AddAssign for ConnectionCounts {
    fn add_assign(&mut self, other: Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.reconnected += other.reconnected;
    }
}

/// What became of connections, those before the clock started included.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// How many.
    pub counts: ConnectionCounts,
    /// From resolving the name until ready for requests.
    pub connect_time: Histogram,
    /// Rests of iterations before connecting again, by the generator's own choice.
    pub back_off: Histogram,
}

/// What became of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// One step's figures.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepRecord {
    /// Its name.
    pub name: String,
    /// From due until the last reply was received.
    pub response_time: Histogram,
    /// From the request's last byte handed to the system until the reply's last byte received by it.
    pub service_time: Histogram,
    /// The other parts of its times; empty where it never ended.
    pub parts: Option<Box<Parts>>,
    /// How it ended.
    pub outcomes: Vec<(Outcome, u64)>,
    /// How often the service left it without an answer.
    pub unanswered: u64,
    /// The least age of what is unanswered: response times above it are lower bounds.
    pub youngest_unanswered: Option<Nanos>,
    /// The least service time of what was cut off unanswered: service times above it are lower bounds.
    pub youngest_cut_off: Option<Nanos>,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// How many messages had which fault, in the order of [`MessageFault::ALL`].
    pub message_faults: [u64; MessageFault::ALL.len()],
    /// Its further series, those with samples.
    pub samples: Vec<(SampleKind, Histogram)>,
}

/// One server's share.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BackendRecord {
    /// What it calls itself.
    pub id: String,
    /// Requests it answered, failed ones included.
    pub requests: u64,
    /// Of these, answered with a failure.
    pub failed: u64,
    /// Response times of its requests.
    pub response_time: Sparse,
}

impl BackendRecord {
    /// A server that has answered nothing yet.
    #[must_use]
    pub fn empty(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            requests: 0,
            failed: 0,
            response_time: Sparse::default(),
        }
    }
}

/// Metrics of a custom workload's own.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CustomRecord {
    /// Counters and their sums.
    pub counters: Vec<(String, u64)>,
    /// Gauges and their last values, the last worker's where several set one.
    pub gauges: Vec<(String, f64)>,
    /// Timings.
    pub timings: Vec<(String, Histogram)>,
}

/// One stretch of the run over time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SeriesPoint {
    /// Seconds from the scenario's start to the point's beginning.
    pub t_s: u64,
    /// How many seconds it covers: 1 until neighbours had to be merged.
    pub seconds: u64,
    /// Iterations that started in it.
    pub started: u64,
    /// Iterations that completed in it.
    pub completed: u64,
    /// Iterations that failed in it.
    pub failed: u64,
    /// The most users busy in it.
    pub users: u64,
    /// What became of connections in it; the first point has those before the clock started too.
    pub connections: ConnectionCounts,
    /// Response times of the iterations that were due in it.
    pub response_time: Sparse,
}

impl SeriesPoint {
    /// A stretch in which nothing has happened.
    #[must_use]
    pub fn empty(t_s: u64, seconds: u64) -> Self {
        Self {
            t_s,
            seconds,
            started: 0,
            completed: 0,
            failed: 0,
            users: 0,
            connections: ConnectionCounts::default(),
            response_time: Sparse::default(),
        }
    }
}

impl ScenarioRecord {
    /// What failed or was left unanswered, as a share of all that ended or should have; `None` where
    /// there was nothing.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        self.ledger.error_rate(self.unanswered)
    }

    /// Stands for the server where none put its name to requests.
    pub const UNNAMED: &str = "(unnamed)";

    /// Requests that no server put its name to, and those of them that failed: replies without an
    /// identity, and failures without a reply. `None` where no server named itself at all.
    #[must_use]
    pub fn unnamed(&self) -> Option<(u64, u64)> {
        if self.backends.is_empty() {
            return None;
        }
        let outcomes = self.steps.iter().flat_map(|step| &step.outcomes);
        let (mut requests, mut failed) = (0, 0);
        for (outcome, count) in outcomes {
            requests += count;
            failed += if outcome.is_ok() { 0 } else { *count };
        }
        for backend in &self.backends {
            requests = requests.saturating_sub(backend.requests);
            failed = failed.saturating_sub(backend.failed);
        }
        Some((requests, failed.min(requests)))
    }

    /// A record of nothing, for a scenario with these step names.
    #[must_use]
    pub fn empty(name: &str, protocol: &str, open: bool, steps: &[String]) -> Self {
        Self {
            name: name.to_owned(),
            protocol: protocol.to_owned(),
            open,
            late_after: Duration::from_millis(1),
            ledger: Ledger::default(),
            elapsed: Duration::ZERO,
            started_in_time: 0,
            unanswered: 0,
            dropped_unanswered: 0,
            youngest_unanswered: None,
            youngest_cut_off: None,
            silence: Silence::default(),
            response_time: new_histogram(),
            service_time: new_histogram(),
            parts: Parts::of_scenario(),
            saturated_samples: 0,
            outcomes: Vec::new(),
            examples: Vec::new(),
            bytes: ByteCount::default(),
            connections: ConnectionRecord {
                counts: ConnectionCounts::default(),
                connect_time: new_histogram(),
                back_off: new_histogram(),
            },
            targets: Vec::new(),
            steps: steps
                .iter()
                .map(|name| StepRecord {
                    name: name.clone(),
                    response_time: new_histogram(),
                    service_time: new_histogram(),
                    parts: None,
                    outcomes: Vec::new(),
                    unanswered: 0,
                    youngest_unanswered: None,
                    youngest_cut_off: None,
                    messages_sent: 0,
                    messages_received: 0,
                    message_faults: Default::default(),
                    samples: Vec::new(),
                })
                .collect(),
            backends: Vec::new(),
            custom: CustomRecord::default(),
            series: Vec::new(),
        }
    }
}
