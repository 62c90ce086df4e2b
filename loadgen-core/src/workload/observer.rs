//! What a workload observes, and where its observations go.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU128;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UserId;
use super::metric::{Counter, Gauge, Timing};
use crate::clock::Nanos;
use crate::outcome::{Failure, Outcome};

/// A number given to each distinct backend identity, in the order they were first seen.
pub type BackendIndex = u16;

/// A target's place in its scenario's list.
pub type TargetIndex = usize;

/// A number given to each address that connections went to, in the order they were first seen.
pub type AddressIndex = u16;

/// A number given to each distinct key that is to stay with one server, in the order they were first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyIndex(u32);

impl KeyIndex {
    pub(crate) fn new(place: u32) -> Self {
        Self(place)
    }

    pub(crate) fn place(self) -> usize {
        self.0 as usize
    }
}

/// A connection's number: no other one of the process has it. It knows which address it goes to and
/// which of ours it comes from, where somebody said so.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionId {
    number: u64,
    address: Option<AddressIndex>,
    /// As IPv6 has it. A number can be copied at once, unlike an address and what kind it is: it goes along with
    /// each request.
    source: Option<NonZeroU128>,
}

impl PartialEq for ConnectionId {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for ConnectionId {}

impl Hash for ConnectionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialOrd for ConnectionId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ConnectionId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

impl ConnectionId {
    /// A number for a connection that opens, whose address nobody knows.
    #[must_use]
    pub fn next() -> Self {
        Self::to(None)
    }

    /// A number for a connection that opens to this address.
    #[must_use]
    pub fn to(address: Option<AddressIndex>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            address,
            source: None,
        }
    }

    /// The address that it goes to, by the number that its worker's observer gave it.
    #[inline]
    #[must_use]
    pub fn address(self) -> Option<AddressIndex> {
        self.address
    }

    /// The same, of a connection that comes from this address.
    #[must_use]
    pub fn from_source(self, source: Option<IpAddr>) -> Self {
        let number = |source| match source {
            IpAddr::V4(source) => source.to_ipv6_mapped().to_bits(),
            IpAddr::V6(source) => source.to_bits(),
        };
        let source = source.and_then(|it| NonZeroU128::new(number(it)));
        Self { source, ..self }
    }

    /// Where it comes from, where that is known; an IPv4 address that is written as IPv6 is the IPv4 one.
    #[must_use]
    pub fn source(self) -> Option<IpAddr> {
        let address = self.source.map(|it| Ipv6Addr::from_bits(it.get()));
        address.map(|it| it.to_canonical())
    }
}

/// A series of samples that a step may have beside its response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// From when a request left until the first byte of its answer came.
    FirstByte,
    /// From a stream's start until its first message came.
    FirstMessage,
    /// Between one message of a stream and the next.
    MessageGap,
    /// From when a message was due, or from when it left where messages have no due times, until the
    /// reply to it was received.
    RoundTrip,
    /// Waiting for a free stream on a connection; part of the response time too.
    StreamWait,
    /// How late messages with due times left, by the generator's doing: from when they were due, and
    /// there was room for them.
    MessageLag,
    /// Round trips less that lag. Not reported: the verdict holds the one against the other.
    UndelayedRoundTrip,
    /// How much too long what a message ended may be, where that is worth a word: see
    /// [`Receipt::doubt`]. Not reported either.
    MessageDoubt,
}

impl SampleKind {
    /// Every kind, in the order reports show them.
    pub const ALL: [Self; 8] = [
        Self::FirstByte,
        Self::FirstMessage,
        Self::MessageGap,
        Self::RoundTrip,
        Self::StreamWait,
        Self::MessageLag,
        Self::UndelayedRoundTrip,
        Self::MessageDoubt,
    ];
}

/// What was wrong with messages, beside what an outcome says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        /// The TLS handshake's part of that, in nanoseconds; `None` without TLS.
        tls_time: Option<Nanos>,
        /// Whether it takes the place of one that was dropped.
        reconnected: bool,
    },
    /// The attempt to open one was redirected, and goes on elsewhere.
    Redirected,
    /// An attempt failed.
    Failed,
    /// An open connection ended without our asking.
    Dropped,
}

/// What happened to a stream: a request that is answered by messages for as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    /// It opened: who serves it has answered.
    Opened,
    /// It ended as it should, or we had enough of it.
    Ended,
    /// It ended in any other way.
    Broke,
}

/// How one stands that calls go to: by its health, or by a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum Standing {
    /// It was not asked for its health yet.
    Unknown,
    /// It is in health.
    Serving,
    /// It is not in health, or does not say so.
    NotServing,
    /// Its circuit is closed: calls go to it.
    Closed,
    /// Its circuit is open: it failed too often.
    Open,
    /// Its circuit is half open: some calls are tried.
    HalfOpen,
}

/// What came of a call that may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryEvent {
    /// An attempt failed so, and another one begins.
    Again(Failure),
    /// After more than one attempt it ended ok.
    Ok,
    /// After more than one attempt it failed.
    Failed,
    /// It failed and would have been made again, but too many calls fail.
    Throttled,
}

/// What the time of an iteration, or of a step, is made of, in nanoseconds. The parts add up to all
/// of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Split {
    /// From due until a user was free: the service's doing.
    pub queue_wait: Nanos,
    /// The rest until it started: the generator's doing.
    pub start_lag: Nanos,
    /// From the start until the system took the request's last byte: the generator's doing.
    pub send_lag: Nanos,
    /// The rest until the system received the reply's last byte: what network and service took.
    pub service_time: Nanos,
    /// From there until the generator saw it. `None` where nobody told when the reply was received:
    /// the time until it was seen is then the service's.
    pub read_lag: Option<Nanos>,
    /// How much of the service time may be read lag too: the reply came in one read with others, of
    /// which the system stamps only the last. The others may have been there before, for as long as
    /// they were not read.
    pub maybe_read_lag: Nanos,
    /// The most that a time in it may be too long for the same reason. None in the split of a step.
    pub doubt: Nanos,
}

/// When something was received, in nanoseconds since the run's epoch.
///
/// The system stamps the last byte of what lies unread. Whatever came before has been there for an
/// unknown part of the time since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Not before.
    pub since: Nanos,
    /// Not after; what times are measured by.
    pub at: Nanos,
}

impl Receipt {
    /// At that very moment.
    #[must_use]
    pub fn at(at: Nanos) -> Self {
        Self { since: at, at }
    }

    /// How much too long a time may be that ends with it, in nanoseconds.
    #[must_use]
    pub fn doubt(self) -> Nanos {
        self.at.saturating_sub(self.since)
    }

    /// Whether a doubt is worth a word: more than 50 µs and more than 1 % of the time.
    pub(crate) fn is_notable(doubt: Nanos, time: Nanos) -> bool {
        doubt > 50_000 && doubt > time / 100
    }
}

impl Split {
    /// From due until the reply was there.
    #[must_use]
    pub fn response_time(&self) -> Nanos {
        self.queue_wait
            .saturating_add(self.start_lag)
            .saturating_add(self.send_lag)
            .saturating_add(self.service_time)
    }

    /// What the response time would have been, at the least, without the generator's part in it.
    #[must_use]
    pub fn undelayed(&self) -> Nanos {
        let service_time = self.service_time.saturating_sub(self.maybe_read_lag);
        self.queue_wait.saturating_add(service_time)
    }

    /// Whether a time in it may be notably too long: by more than 50 µs and by more than 1 % of the
    /// whole.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        Receipt::is_notable(self.doubt, self.service_time)
    }

    /// The generator's part of what it saw, as far as that is known.
    #[must_use]
    pub fn generator(&self) -> Nanos {
        self.start_lag
            .saturating_add(self.send_lag)
            .saturating_add(self.read_lag.unwrap_or(0))
    }
}

/// One step's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepSample {
    /// The step's place in the scenario, from 0, pauses not counted.
    pub step: usize,
    /// When it was due, in nanoseconds since the run's epoch.
    pub due: Nanos,
    /// When it was over for the service.
    pub ended: Nanos,
    /// What its time is made of.
    pub split: Split,
    /// How it ended.
    pub outcome: Outcome,
    /// Who answered, where that is known.
    pub backend: Option<BackendIndex>,
    /// Whose step it was.
    pub user: UserId,
    /// Which of the scenario's targets it went to; `None` where it went nowhere.
    pub target: Option<TargetIndex>,
    /// Over which connection, where it came to have one.
    pub connection: Option<ConnectionId>,
    /// The key that should decide on its server, where the iteration has one.
    pub key: Option<KeyIndex>,
    /// Whether it opened a stream, which was told of when it opened.
    pub has_stream: bool,
    /// Whether it [went nowhere](super::Iteration::goes_nowhere) and no target was ever given it.
    pub is_unsent: bool,
}

/// What became of streams on a connection that the server said good-bye on (GOAWAY).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarewellEvent {
    /// It was said, with so many streams open.
    Said {
        /// Streams that were open.
        open: u64,
    },
    /// A stream came to its end all the same.
    Finished,
    /// A stream was too late: the server has not looked at it.
    Refused,
    /// What was refused was sent again, elsewhere.
    SentAgain,
    /// A stream broke, or was given up.
    Broken,
}

/// A stream that opened and named its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Whose it is.
    pub user: UserId,
    /// Who serves it.
    pub backend: BackendIndex,
    /// When it opened, in nanoseconds since the run's epoch.
    pub at: Nanos,
    /// Over which connection, where that is known.
    pub connection: Option<ConnectionId>,
    /// The key that should decide on its server, where the iteration has one.
    pub key: Option<KeyIndex>,
}

/// Where a workload's observations go. The engine's recorder implements it; a test may too. What is not implemented is
/// not heard.
pub trait Observer {
    /// A step of a scenario with several steps ended. A scenario of one step has none of these: its step is
    /// its iteration.
    fn step(&self, sample: StepSample) {
        let _ = sample;
    }
    /// A sample of one of a step's further series, in nanoseconds.
    fn sample(&self, step: usize, kind: SampleKind, value: Nanos) {
        let _ = (step, kind, value);
    }
    /// Messages that a step sent and received, and who with, where that is known.
    fn messages(&self, step: usize, backend: Option<BackendIndex>, sent: u64, received: u64) {
        let _ = (step, backend, sent, received);
    }
    /// Something happened to a stream, and who serves it, where that is known.
    fn stream(&self, backend: Option<BackendIndex>, event: StreamEvent) {
        let _ = (backend, event);
    }
    /// A stream opened, at this time, and is with this server. Who does not ask what stays with one has nothing
    /// to do.
    fn serves(&self, opened: Opened) {
        let _ = opened;
    }
    /// A stream that opened so is over, and its last message came at this time.
    fn heard(&self, opened: Opened, last: Nanos) {
        let _ = (opened, last);
    }
    /// A message came at this time on what lasts for as long as the load: the service is not silent.
    fn lives(&self, at: Nanos) {
        let _ = at;
    }
    /// The server had said good-bye on a connection, at this time, and this became of it.
    fn farewell(&self, said_at: Nanos, event: FarewellEvent) {
        let _ = (said_at, event);
    }
    /// The number of a key that should decide on its server; `None` where nobody asks, or there are too many.
    fn key(&self, key: &str) -> Option<KeyIndex> {
        let _ = key;
        None
    }
    /// Something came of a call that may be made again, and with whom, as far as that is known. Who does not
    /// ask how often calls are has nothing to do.
    fn retry(
        &self,
        event: RetryEvent,
        backend: Option<BackendIndex>,
        connection: Option<ConnectionId>,
    ) {
        let _ = (event, backend, connection);
    }
    /// One that calls go to stands in another way than before, since a moment in nanoseconds from the run's
    /// epoch.
    fn stands(&self, peer: &str, change: (Standing, Standing), at: Nanos, why: &str) {
        let _ = (peer, change, at, why);
    }
    /// Messages of a step that had this fault.
    fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        let _ = (step, fault, count);
    }
    /// The number of a backend that named itself with these bytes, in an answer that came over this
    /// connection, where that is known; the same of all for who does not tell them apart.
    fn backend(&self, identity: &[u8], connection: Option<ConnectionId>) -> BackendIndex {
        let _ = (identity, connection);
        0
    }
    /// Keeps one example of what a failure class looked like, in the step that was under way where there are
    /// several; `detail` runs only when none is kept.
    fn explain(&self, step: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        let _ = (step, failure, detail);
    }
    /// A check of a step, by its place among them, held or did not; `example` tells what was seen, and runs
    /// only when it did not and no example is kept.
    fn check(&self, step: usize, check: usize, passed: bool, example: &mut dyn FnMut() -> String) {
        let _ = (step, check, passed, example);
    }
    /// Something happened to a connection to this target.
    fn connection(&self, target: TargetIndex, event: ConnectionEvent) {
        let _ = (target, event);
    }
    /// A connection to this target has opened, which goes to this address: the address's number, for the
    /// [connection's own](ConnectionId::to); `None` of who does not tell addresses apart, and of one too many.
    fn connected(&self, target: TargetIndex, address: &str) -> Option<AddressIndex> {
        let _ = (target, address);
        None
    }
    /// An address is on its target's list, or no longer, since a moment in nanoseconds from the run's epoch.
    fn listed(&self, target: TargetIndex, address: &str, is_listed: bool, at: Nanos) {
        let _ = (target, address, is_listed, at);
    }
    /// A rest before connecting again, by the generator's own choice, in nanoseconds.
    fn backed_off(&self, rest: Nanos) {
        let _ = rest;
    }
    /// Bytes on the wire, transport encryption included.
    fn bytes(&self, sent: u64, received: u64) {
        let _ = (sent, received);
    }
    /// An iteration begins to rest on purpose, or goes on: meanwhile nothing is asked of the service.
    fn rests(&self, begins: bool) {
        let _ = begins;
    }
    /// Adds to a custom counter.
    fn count(&self, counter: Counter, delta: u64) {
        let _ = (counter, delta);
    }
    /// Sets a custom gauge.
    fn gauge(&self, gauge: Gauge, value: f64) {
        let _ = (gauge, value);
    }
    /// Adds a sample to a custom timing, in nanoseconds.
    fn timing(&self, timing: Timing, value: Nanos) {
        let _ = (timing, value);
    }
}
