//! What a plan says of gRPC.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use heck::ToSnakeCase;

use super::circuit_breaker::CircuitBreaker;
use super::health_check::HealthCheck;
use super::pick::Pick;
use super::retry::Retry;
use crate::scenario::protocol::websocket::plan::ConnectionPer;
use crate::scenario::step::Step;
use crate::scenario::value::{Source, is_step_name};
use crate::units::Rate;

/// What a scenario says of gRPC: its connections, and what an iteration calls.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct GrpcPlan {
    /// Connections over all workers; `None` is one for each worker and target.
    pub connections: Option<u32>,
    /// How long a user keeps a connection of its own; `None` has users share `connections`.
    pub connection_per: Option<ConnectionPer>,
    /// The most connections that all users together begin to open, where each has its own.
    pub connect_rate: Option<Rate>,
    /// The most concurrent streams on one connection; `None` is what the server allows.
    pub streams_per_connection: Option<u32>,
    /// Who is to speak HTTP/2; `None` is [`Codec::default`].
    pub codec: Option<Codec>,
    /// How often a ping asks whether a connection on which nothing comes is alive; `None` is after
    /// timeouts only.
    pub keepalive: Option<Duration>,
    /// Whether a call that finds no connection waits for one, as long as its iteration may take,
    /// instead of failing with the attempt to open one.
    pub wait_for_ready: bool,
    /// Metadata sent with every call.
    pub metadata: Vec<(String, Source)>,
    /// `.proto` files and descriptor sets that describe the services, and folders in which imports are
    /// looked for.
    pub protos: Vec<PathBuf>,
    /// What is done once before the load. What it saves is `setup.NAME` for all users.
    pub setup: Vec<Step<GrpcCall>>,
    /// What each user does first.
    pub begin: Vec<Step<GrpcCall>>,
    /// What one iteration does.
    pub steps: Vec<Step<GrpcCall>>,
    /// What each user does last.
    pub end: Vec<Step<GrpcCall>>,
    /// How calls are made again that failed; `None` is not at all.
    pub retry: Option<Box<Retry>>,
    /// Which of the targets a call goes to; `None` gives the connections their turns, an iteration each.
    /// This and the next two are for shared connections, and say nothing where there is a `connection_per`.
    pub pick: Option<Pick>,
    /// Whether targets are asked if they are in health; one that is not gets no new calls. `None` asks nobody.
    pub health_check: Option<Box<HealthCheck>>,
    /// When a target that fails call after call is left alone; `None` is never.
    pub circuit_breaker: Option<CircuitBreaker>,
}

impl GrpcPlan {
    /// These steps, and everything else as in a file that says nothing of it.
    ///
    /// ```
    /// use loadgen_core::scenario::{GrpcCall, GrpcPlan, ScenarioPlan, Step};
    /// use loadgen_core::schedule::Load;
    /// use serde_json::json;
    ///
    /// let order = GrpcCall::new("shop.v1.Shop/PlaceOrder", json!({ "item": "tea" }));
    /// let track = GrpcCall::new("shop.v1.Shop/Track", json!({}));
    /// let mut grpc = GrpcPlan::new([Step::from(order), Step::new("wait_for_it", track)]);
    /// grpc.connections = Some(4);
    /// grpc.protos = vec!["shop.proto".into()];
    /// let plan = ScenarioPlan::new("buy", grpc, Load::closed(10).iterations(1000)).checked()?;
    /// assert!(plan.step_names().eq(["place_order", "wait_for_it"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step<GrpcCall>>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// `--connections`.
    pub(in crate::scenario::protocol) fn set_connections(
        &mut self,
        connections: u32,
    ) -> Option<String> {
        if self.connection_per.is_some() {
            return Some(format!(
                "--connections {connections} is for connections that gRPC users share; with \
                 `connection_per` each has its own"
            ));
        }
        self.connections = Some(connections);
        None
    }
}

/// Who speaks HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Codec {
    /// loadgen's own code, where all calls of a scenario are such as it makes: unary ones that compress nothing and
    /// whose metadata are not templated. The library makes the others.
    #[default]
    Own,
    /// The library `h2`.
    H2,
}

/// A text that names no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no codec; expected `own` or `h2`")]
pub struct CodecError(String);

impl FromStr for Codec {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        match text {
            "own" => Ok(Self::Own),
            "h2" => Ok(Self::H2),
            other => Err(CodecError(crate::text::short(other))),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::H2 => "h2",
        })
    }
}

/// How messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// The method that gRPC's health protocol has.
const HEALTH_METHOD: &str = "grpc.health.v1.Health/Check";

/// When we end a stream of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrpcStreamEnd {
    /// After so many messages, at least 1.
    Messages(u32),
    /// After this time, however many messages came.
    After(Duration),
    /// When the load is over: in good order where the client has a say in it. No `timeout` ends it before,
    /// but each message on a bidirectional stream has that long to be answered.
    Load,
}

impl GrpcStreamEnd {
    /// Whether it is the end of one that lasts for a time, and is opened again when it breaks before.
    #[must_use]
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::After(_) | Self::Load)
    }
}

/// A gRPC call of any of the four kinds; the method's own type decides which.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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
    /// The field of message and reply on a bidirectional stream, such as `id` or `meta.id`, that says
    /// which reply belongs to which message. It is filled in. `None` is their order.
    pub match_id: Option<String>,
    /// When we end the stream of answers; `None` leaves that to the server.
    pub stream: Option<GrpcStreamEnd>,
    /// Where we end it after a time or with the load: how many messages must have come by then, or the
    /// call is `incomplete`. `None` is content with the head of the answer, without which nobody has
    /// answered (`timeout`); with 0, nothing at all need have come.
    pub at_least: Option<u32>,
    /// Whether the step's checks are of each message of a stream; of the last, if not.
    pub checks_each: bool,
    /// Metadata of this call beside the scenario's.
    pub metadata: Vec<(String, Source)>,
    /// How messages are compressed; `None` is not at all.
    pub compression: Option<Compression>,
    /// Whether the reply has to say that a service is in health; only in what [`GrpcCall::health`]
    /// makes.
    pub is_health_check: bool,
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
            match_id: None,
            stream: None,
            at_least: None,
            checks_each: false,
            metadata: Vec::new(),
            compression: None,
            is_health_check: false,
        }
    }

    /// Asks whether a service is in health, by the protocol `grpc.health.v1`; the server as a whole
    /// where the name is empty. Any other status than `SERVING` is a failure.
    ///
    /// ```
    /// use loadgen_core::scenario::GrpcCall;
    ///
    /// let call = GrpcCall::health("shop.v1.Shop");
    /// assert_eq!(call.method, "grpc.health.v1.Health/Check");
    /// assert_eq!(call.short_name(), "health");
    /// ```
    #[must_use]
    pub fn health(service: impl Into<String>) -> Self {
        let message = serde_json::json!({ "service": service.into() });
        Self {
            is_health_check: true,
            ..Self::new(HEALTH_METHOD, message)
        }
    }

    /// The service that a health check is about.
    pub(crate) fn health_service(&self) -> Option<&str> {
        let service = self.message.get("service").and_then(|it| it.as_str());
        self.is_health_check.then(|| service.unwrap_or_default())
    }

    /// The method's own name as a step without one is called: `place_order` for `PlaceOrder`, `health` for a
    /// check of health, and `call` for what can be no step's name, as with more than 100 letters.
    #[must_use]
    pub fn short_name(&self) -> String {
        if self.is_health_check {
            return "health".to_owned();
        }
        let name = self.method.rsplit('/').next().unwrap_or(&self.method);
        Some(name.to_snake_case())
            .filter(|it| is_step_name(it))
            .unwrap_or_else(|| "call".to_owned())
    }
}

impl From<GrpcCall> for Step<GrpcCall> {
    /// A step called after its method.
    fn from(call: GrpcCall) -> Self {
        Self::new(call.short_name(), call)
    }
}
