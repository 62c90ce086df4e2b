//! The servers of a suite, which its run starts: raw form, validation, plan, printing.
//!
//! Owns what may be said of them. Starting them is for whoever runs the suite.

mod placing;
pub(in crate::scenario) mod print;
pub(in crate::scenario) mod raw;
mod route;
pub(in crate::scenario) mod validate;
pub(in crate::scenario) mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::Faults;
use super::protocol::Protocol;
use crate::expectation::Glob;
use crate::units::Rate;

/// A server that the run starts: one that answers, or a balancer in front of others.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BackendPlan {
    /// Its name, and what its answers call it.
    pub name: String,
    /// Where it listens, for each protocol that it speaks; port 0 is any free one.
    pub addresses: Vec<(Protocol, SocketAddr)>,
    /// Whether who connects to it has to speak TLS.
    pub tls: bool,
    /// Its threads.
    pub threads: u32,
    /// What it does.
    pub role: BackendRole,
}

/// What a server of a suite does.
#[derive(Debug, Clone, PartialEq)]
pub enum BackendRole {
    /// It answers.
    Serve(ServeOptions),
    /// It stands in front of others.
    Balance(BalanceOptions),
    /// It stands in front of one, and is bad at it on purpose.
    Proxy(ProxyOptions),
}

/// What a fault proxy is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProxyOptions {
    /// The name of the server that it passes connections on to.
    pub to: String,
    /// What goes wrong from its start.
    pub faults: Faults,
}

/// What a server that answers is told, by the names of its flags.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ServeOptions {
    /// How long it waits before each answer: `20ms`, or `10ms..50ms`.
    pub delay: Option<String>,
    /// How long it waits before some.
    pub stall: Option<Duration>,
    /// The share of those.
    pub stall_rate: Option<String>,
    /// The share that it answers with an error.
    pub error_rate: Option<String>,
    /// The status of such an error.
    pub error_code: Option<String>,
    /// The share of connections that it closes as soon as they are accepted.
    pub refuse_rate: Option<String>,
    /// After how many requests it cuts a connection.
    pub cut_after: Option<u64>,
    /// How many calls it answers a second at the most.
    pub throttle: Option<u32>,
    /// How many calls a second it can serve, one after the other, while the others wait in line.
    pub capacity: Option<Rate>,
    /// How long serving one takes; always as long unless told.
    pub service_times: Option<ServiceTimes>,
    /// Over TCP, whether it answers whole lines.
    pub lines: bool,
    /// Over TCP, whether each connection begins with its name.
    pub identity_on_connect: bool,
    /// The version of itself that it says in every reply, over gRPC.
    pub version: Option<String>,
    /// Whether it says of each stream on which both sides send when it opens and ends, and each message, over gRPC.
    pub log_streams: bool,
    /// How long it says that it is about to end, and serves on, when it is told to.
    pub lame_duck: Option<Duration>,
    /// PEM files with its certificate chain and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// How long a server with a given capacity takes for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTimes {
    /// Always as long.
    Constant,
    /// At random, exponentially distributed.
    Exponential,
}

/// What a balancer is told. What it is not told is as for `loadgen balance`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BalanceOptions {
    /// What it gives away.
    pub layer: BalanceLayer,
    /// The names of those it stands in front of, each with its weight.
    pub backends: Vec<(String, u32)>,
    /// How they take turns.
    pub algorithm: BalanceAlgorithm,
    /// From one health check to the next.
    pub health_interval: Option<Duration>,
    /// How long one may take.
    pub health_timeout: Option<Duration>,
    /// Good checks in a row that bring a server back.
    pub health_rise: Option<u32>,
    /// Bad checks in a row that take one out.
    pub health_fall: Option<u32>,
    /// How long taking a connection may take.
    pub connect_timeout: Option<Duration>,
    /// How long the beginning of an answer may take (HTTP).
    pub response_timeout: Option<Duration>,
    /// How often a request is tried again that a server let go before it answered (HTTP).
    pub retries: Option<u32>,
    /// Which of them answer a request, by a header field of its (HTTP): the first whose value one of the patterns
    /// fits. A request that none fits goes to any of them.
    pub routes: Vec<HeaderRoute>,
}

/// Which servers answer requests, by the value of one of their header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderRoute {
    /// The field's name, in small letters.
    pub header: String,
    /// Patterns of its values, no two of which match the same, each with the servers that answer.
    pub table: Vec<(Glob, Vec<String>)>,
}

/// What a balancer gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BalanceLayer {
    /// Connections, whatever is spoken on them.
    Tcp,
    /// Requests.
    Http,
}

/// How those behind a balancer take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BalanceAlgorithm {
    /// One after the other.
    RoundRobin,
    /// One after the other, each as often as its weight says.
    WeightedRoundRobin,
    /// Whoever has the fewest connections.
    LeastConnections,
}

impl BalanceAlgorithm {
    /// Its word in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::LeastConnections => "least_connections",
        }
    }
}

impl ServiceTimes {
    /// Its word in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Exponential => "exponential",
        }
    }
}

impl BalanceLayer {
    /// Its word in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
        }
    }
}

impl BackendPlan {
    /// Where it listens for a protocol, if it speaks it.
    #[must_use]
    pub fn address(&self, protocol: Protocol) -> Option<SocketAddr> {
        let mut addresses = self.addresses.iter();
        addresses
            .find(|(it, _)| *it == protocol)
            .map(|(_, address)| *address)
    }

    /// The names of those it stands in front of.
    pub fn behind(&self) -> impl Iterator<Item = &str> {
        let (balanced, passed) = match &self.role {
            BackendRole::Serve(_) => (&[][..], None),
            BackendRole::Balance(options) => (options.backends.as_slice(), None),
            BackendRole::Proxy(options) => (&[][..], Some(options.to.as_str())),
        };
        let balanced = balanced.iter().map(|(name, _)| name.as_str());
        balanced.chain(passed)
    }
}

/// Those of these names, and all that stand behind them, in the order of `all`, in which each comes after
/// those behind it.
pub(in crate::scenario) fn with_all_behind<'a, I>(
    all: I,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a BackendPlan>
where
    I: IntoIterator<Item = &'a BackendPlan, IntoIter: DoubleEndedIterator>,
{
    let mut wanted: Vec<&str> = names.into_iter().collect();
    let mut found: Vec<&BackendPlan> = Vec::new();
    for server in all.into_iter().rev() {
        if wanted.contains(&server.name.as_str()) {
            wanted.extend(server.behind());
            found.push(server);
        }
    }
    found.reverse();
    found
}
