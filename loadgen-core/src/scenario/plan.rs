//! The immutable plan that validation makes and the run is built from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::schedule::Load;
use crate::threshold::Threshold;

/// What is to be run: validated scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The scenarios, which run together.
    pub scenarios: Vec<ScenarioPlan>,
}

/// One validated scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioPlan {
    /// Unique within its protocol.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What its steps speak.
    pub protocol: Protocol,
    /// Where it sends to; empty until resolved from flags, environment or the embedded backend.
    pub targets: Vec<Target>,
    /// Connections over all workers; `None` is the protocol's default.
    pub connections: Option<u32>,
    /// The most concurrent streams on one connection; `None` is what the server allows.
    pub streams_per_connection: Option<u32>,
    /// How iterations come about.
    pub load: Load,
    /// Wait before anything of this scenario happens.
    pub start_after: Duration,
    /// Load before measuring.
    pub warm_up: Duration,
    /// How long iterations under way may take after the end.
    pub graceful_stop: Duration,
    /// The longest an iteration may take, pauses left out.
    pub timeout: Duration,
    /// The longest that opening a connection may take, resolving included.
    pub connect_timeout: Duration,
    /// Start lag above this counts as late.
    pub late_after: Duration,
    /// Transport encryption. `https://` targets imply the default of it.
    pub tls: Option<Tls>,
    /// Metadata sent with every call.
    pub metadata: Vec<(String, String)>,
    /// Free labels for reports and metrics.
    pub tags: BTreeMap<String, String>,
    /// `.proto` files that describe the services, with their import roots.
    pub protos: Vec<PathBuf>,
    /// What one iteration does.
    pub steps: Vec<StepPlan>,
    /// Conditions on the results.
    pub thresholds: Vec<Threshold>,
}

/// What a scenario speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
}

impl Protocol {
    /// The word for it in JSON, metrics and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An address that a scenario sends to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether `https://` asked for transport encryption.
    pub tls: bool,
}

/// Transport encryption.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name the certificate must carry instead of the target's host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// One action of an iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// Its series in every report. A pause has none and is named `pause` here.
    pub name: String,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// A gRPC call of any of the four kinds; the method's own type decides which.
    Grpc(GrpcCall),
    /// Wait on purpose.
    Pause(Duration),
}

/// A gRPC call.
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcCall {
    /// `package.Service/Method`.
    pub method: String,
    /// The request message in protobuf's JSON form.
    pub message: serde_json::Value,
    /// How many times the message is sent on a client or bidirectional stream. At least 1.
    pub repeat: u32,
    /// Time between two messages sent on a stream; `None` sends them as fast as allowed.
    pub every: Option<Duration>,
    /// The most unanswered messages on a bidirectional stream. At least 1.
    pub in_flight: u32,
    /// Metadata of this call beside the scenario's.
    pub metadata: Vec<(String, String)>,
    /// Whether messages are sent compressed with gzip.
    pub gzip: bool,
}
