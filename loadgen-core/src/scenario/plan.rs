//! The immutable plan that validation makes and the run is built from.

mod websocket;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use heck::ToSnakeCase;

use super::target::Target;
use crate::condition::Threshold;
use crate::schedule::Load;
use crate::units::Rate;

pub use websocket::{
    Answer, ConnectionPer, MessageStream, Payload, ReplyMark, StreamEnd, WebsocketExchange,
    WebsocketMessages,
};

/// What holds where a scenario says nothing.
pub(super) mod defaults {
    use std::time::Duration;

    pub(in crate::scenario) const GRACEFUL_STOP: Duration = Duration::from_secs(30);
    pub(in crate::scenario) const TIMEOUT: Duration = Duration::from_secs(30);
    pub(in crate::scenario) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    pub(in crate::scenario) const LATE_AFTER: Duration = Duration::from_millis(1);
    pub(in crate::scenario) const MAX_MESSAGE: u32 = 64 << 20;
    /// Of an open model.
    pub(in crate::scenario) const MAX_USERS: u32 = crate::schedule::DEFAULT_MAX_USERS;
}

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
    /// Connections over all workers (gRPC); `None` is one for each worker and target. A WebSocket
    /// user has connections of its own.
    pub connections: Option<u32>,
    /// The most concurrent streams on one connection (gRPC); `None` is what the server allows.
    pub streams_per_connection: Option<u32>,
    /// How long a user keeps its connections (WebSocket).
    pub connection_per: ConnectionPer,
    /// The most connections that all users together begin to open (WebSocket).
    pub connect_rate: Option<Rate>,
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
    /// The longest message taken from a server, in bytes, compressed or not.
    pub max_message: u32,
    /// How often a ping asks whether a connection on which nothing comes is alive (gRPC); `None` is
    /// after timeouts only.
    pub keepalive: Option<Duration>,
    /// Whom connections are told that they are for, in place of the target's host and port.
    pub authority: Option<String>,
    /// Transport encryption. `https://` targets imply the default of it.
    pub tls: Option<Tls>,
    /// Metadata sent with every call (gRPC).
    pub metadata: Vec<(String, String)>,
    /// Header fields of the request that opens a connection (WebSocket).
    pub headers: Vec<(String, String)>,
    /// Subprotocols offered when a connection is opened, the preferred one first (WebSocket). The
    /// server must choose one of them.
    pub subprotocols: Vec<String>,
    /// Free labels for reports and metrics.
    pub tags: BTreeMap<String, String>,
    /// `.proto` files that describe the services, with their import roots.
    pub protos: Vec<PathBuf>,
    /// What one iteration does.
    pub steps: Vec<StepPlan>,
    /// Conditions on the results.
    pub thresholds: Vec<Threshold>,
}

impl ScenarioPlan {
    /// A scenario of one gRPC call, with everything else as in a file that says nothing of it: no
    /// targets, no warm-up, 30 s timeout and graceful stop, 5 s to connect, late after 1 ms,
    /// `error_rate < 1%`. The step is called after the method: `place_order` for `PlaceOrder`. Every
    /// field can be changed; [`ScenarioPlan::checked`] then applies the checks of a file.
    ///
    /// ```
    /// use loadgen_core::scenario::ScenarioPlan;
    /// use loadgen_core::schedule::Load;
    /// use serde_json::json;
    ///
    /// let load = Load::closed(10).iterations(1000);
    /// let mut plan = ScenarioPlan::grpc(
    ///     "greet",
    ///     "loadgen.v1.Greeter/Hello",
    ///     json!({ "name": "world" }),
    ///     load,
    /// );
    /// plan.targets = vec!["127.0.0.1:50051".parse()?];
    /// let plan = plan.checked()?;
    /// assert_eq!(plan.steps[0].name, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn grpc(
        name: impl Into<String>,
        method: impl Into<String>,
        message: serde_json::Value,
        load: impl Into<Load>,
    ) -> Self {
        let call = GrpcCall::new(method, message);
        let step = StepPlan::grpc(call.short_name(), call);
        Self::of_one_step(name.into(), Protocol::Grpc, step, load.into())
    }

    /// A scenario of one exchange over WebSocket, with everything else as in a file that says
    /// nothing of it: see [`ScenarioPlan::grpc`]. Each user keeps a connection of its own. The step
    /// is called after the path's last part.
    ///
    /// ```
    /// use loadgen_core::scenario::{Payload, ScenarioPlan, WebsocketExchange};
    /// use loadgen_core::schedule::Load;
    ///
    /// let load = Load::closed(10).iterations_per_user(50);
    /// let hello = WebsocketExchange::send("/echo", Payload::Text("hello".to_owned()));
    /// let mut plan = ScenarioPlan::websocket("greet", hello, load);
    /// plan.targets = vec!["ws://127.0.0.1:8080".parse()?];
    /// let plan = plan.checked()?;
    /// assert_eq!(plan.steps[0].name, "echo");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn websocket(
        name: impl Into<String>,
        exchange: WebsocketExchange,
        load: impl Into<Load>,
    ) -> Self {
        let step = StepPlan::websocket(exchange.short_name(), exchange);
        Self::of_one_step(name.into(), Protocol::Websocket, step, load.into())
    }

    fn of_one_step(name: String, protocol: Protocol, step: StepPlan, load: Load) -> Self {
        Self {
            name,
            description: None,
            protocol,
            targets: Vec::new(),
            connections: None,
            streams_per_connection: None,
            connection_per: ConnectionPer::User,
            connect_rate: None,
            load,
            start_after: Duration::ZERO,
            warm_up: Duration::ZERO,
            graceful_stop: defaults::GRACEFUL_STOP,
            timeout: defaults::TIMEOUT,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            late_after: defaults::LATE_AFTER,
            max_message: defaults::MAX_MESSAGE,
            keepalive: None,
            authority: None,
            tls: None,
            metadata: Vec::new(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            tags: BTreeMap::new(),
            protos: Vec::new(),
            steps: vec![step],
            thresholds: vec![Threshold::default_error_rate()],
        }
    }

    /// The names of the steps, pauses left out: the order in which reports number them.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        Self::call_names(&self.steps)
    }

    pub(super) fn call_names(steps: &[StepPlan]) -> impl Iterator<Item = &str> {
        steps
            .iter()
            .filter(|step| !matches!(step.action, Action::Pause(_)))
            .map(|step| step.name.as_str())
    }
}

/// What a scenario speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// WebSocket over HTTP/1.1.
    Websocket,
}

impl Protocol {
    /// The word for it in JSON, metrics and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Websocket => "websocket",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Transport encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client's own certificate and those between it and an authority.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the key of the client's certificate.
    pub key_file: Option<PathBuf>,
    /// The name to ask the server for, which its certificate must carry, instead of the target's
    /// host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// Whether the protocol is agreed on in the handshake.
    pub alpn: bool,
}

impl Default for Tls {
    /// What a bare `https://` asks for.
    fn default() -> Self {
        Self {
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
            insecure_skip_verify: false,
            alpn: true,
        }
    }
}

/// One action of an iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// Its series in every report. A pause has none and is named `pause` here.
    pub name: String,
    /// What it does.
    pub action: Action,
}

impl StepPlan {
    /// A step that calls.
    #[must_use]
    pub fn grpc(name: impl Into<String>, call: GrpcCall) -> Self {
        Self {
            name: name.into(),
            action: Action::Grpc(call),
        }
    }

    /// A step that exchanges messages over WebSocket.
    #[must_use]
    pub fn websocket(name: impl Into<String>, exchange: WebsocketExchange) -> Self {
        Self {
            name: name.into(),
            action: Action::Websocket(exchange),
        }
    }

    /// A step that waits on purpose.
    #[must_use]
    pub fn pause(duration: Duration) -> Self {
        Self {
            name: "pause".to_owned(),
            action: Action::Pause(duration),
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// A gRPC call of any of the four kinds; the method's own type decides which.
    Grpc(GrpcCall),
    /// An exchange of messages on a WebSocket connection.
    Websocket(WebsocketExchange),
    /// Wait on purpose.
    Pause(Duration),
}

/// A gRPC call.
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcCall {
    /// `package.Service/Method`.
    pub method: String,
    /// The request message in protobuf's JSON form; or several in an array, which are sent one after
    /// the other on a client or bidirectional stream.
    pub message: serde_json::Value,
    /// How many messages are sent on a client or bidirectional stream, at least 1: no fewer than
    /// `message` has, and the last one again where it has fewer.
    pub repeat: u32,
    /// Time between two messages sent on a stream; `None` sends them as fast as allowed.
    pub every: Option<Duration>,
    /// The most unanswered messages on a bidirectional stream. At least 1.
    pub in_flight: u32,
    /// When we end the stream of answers; `None` leaves that to the server.
    pub stream: Option<StreamEnd>,
    /// Metadata of this call beside the scenario's.
    pub metadata: Vec<(String, String)>,
    /// Whether messages are sent compressed with gzip.
    pub gzip: bool,
}

impl GrpcCall {
    /// A call that sends this message once, without metadata or compression.
    #[must_use]
    pub fn new(method: impl Into<String>, message: serde_json::Value) -> Self {
        Self {
            method: method.into(),
            message,
            repeat: 1,
            every: None,
            in_flight: 1,
            stream: None,
            metadata: Vec::new(),
            gzip: false,
        }
    }

    /// The method's own name as a step without one is called: `place_order` for `PlaceOrder`.
    #[must_use]
    pub fn short_name(&self) -> String {
        let name = self.method.rsplit('/').next().unwrap_or(&self.method);
        name.to_snake_case()
    }
}
