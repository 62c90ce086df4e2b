//! What a workload observes, and where its observations go.

use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};

/// A number given to each distinct backend identity, in the order they were first seen.
pub type BackendIndex = u16;

/// A custom metric's place in its scenario's list of that kind.
pub type MetricIndex = usize;

/// A series of samples that a step may have beside its response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SampleKind {
    /// From a stream's start until its first message came.
    FirstMessage,
    /// Between one message of a stream and the next.
    MessageGap,
    /// From sending a message until the reply to it.
    RoundTrip,
    /// Waiting for a free stream on a connection; part of the response time too.
    StreamWait,
}

impl SampleKind {
    /// Every kind, in the order reports show them.
    pub const ALL: [Self; 4] = [
        Self::FirstMessage,
        Self::MessageGap,
        Self::RoundTrip,
        Self::StreamWait,
    ];
}

/// What was wrong with messages, beside what an outcome says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageFault {
    /// A sequence number was left out and never came.
    Missing,
    /// A sequence number came after a higher one.
    OutOfOrder,
    /// Nothing had asked for it: a second reply, an unknown id, a message out of the blue.
    Unexpected,
    /// The reply came after its iteration had been given up.
    TooLate,
}

impl MessageFault {
    /// Every kind, in the order reports show them.
    pub const ALL: [Self; 4] = [
        Self::Missing,
        Self::OutOfOrder,
        Self::Unexpected,
        Self::TooLate,
    ];
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It opened, handshakes included, in this time.
    Opened {
        /// From the first attempt to resolve the name until ready for requests, in nanoseconds.
        connect_time: Nanos,
        /// Whether it takes the place of one that was dropped.
        reconnected: bool,
    },
    /// An attempt failed.
    Failed,
    /// An open connection ended without our asking.
    Dropped,
}

/// One step's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepSample {
    /// The step's place in the scenario, from 0, pauses not counted.
    pub step: usize,
    /// From due until the end, in nanoseconds.
    pub response_time: Nanos,
    /// From the actual start until the end, in nanoseconds.
    pub service_time: Nanos,
    /// How it ended.
    pub outcome: Outcome,
    /// Who answered, where that is known.
    pub backend: Option<BackendIndex>,
}

/// Where a workload's observations go. The engine's recorder implements it; a test may too.
pub trait Observer {
    /// A step of a scenario with several steps ended.
    fn step(&self, sample: StepSample);
    /// A sample of one of a step's further series, in nanoseconds.
    fn sample(&self, step: usize, kind: SampleKind, value: Nanos);
    /// Messages that a step sent and received.
    fn messages(&self, step: usize, sent: u64, received: u64);
    /// Messages of a step that had this fault.
    fn message_fault(&self, step: usize, fault: MessageFault, count: u64);
    /// The number of a backend that named itself with these bytes.
    fn backend(&self, identity: &[u8]) -> BackendIndex;
    /// Keeps one example of what a failure class looked like; `detail` runs only when none is kept.
    fn explain(&self, failure: Failure, detail: &mut dyn FnMut() -> String);
    /// Something happened to a connection.
    fn connection(&self, event: ConnectionEvent);
    /// Bytes on the wire, transport encryption included.
    fn bytes(&self, sent: u64, received: u64);
    /// Adds to a custom counter.
    fn count(&self, counter: MetricIndex, delta: u64);
    /// Sets a custom gauge.
    fn gauge(&self, gauge: MetricIndex, value: f64);
    /// Adds a sample to a custom timing, in nanoseconds.
    fn timing(&self, timing: MetricIndex, value: Nanos);
}
