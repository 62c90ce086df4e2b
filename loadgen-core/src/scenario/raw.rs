//! The scenario language as it is written: raw types, one field list each for decoding, printing
//! and the JSON Schema. Values are within their own bounds here; whether they fit together is for
//! validation to say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::call::{Message, MetadataValue, Method};
use super::compact::{RawCompactGrpc, RawCompactWebsocket};
use super::elements::{
    Authority, Connections, FilePath, Iterations, MaxMessage, Messages, PositiveSpan, ScenarioName,
    ServerName, Span, StepName, Streams, TagValue, TargetText, Users, UsersOrNone,
};
use super::exchange::{HeaderValue, Subprotocol};
use super::raw_websocket::RawWebsocket;
use super::reader::{Decode, Entries, Entry, List, Reader, choice, object};
use crate::condition::Threshold;
use crate::units::{Rate, ZeroOrRate};

object! {
    /// A suite: scenarios that run together or by name.
    RawSuite is "a suite" {
        /// The JSON Schema this file follows, for editors.
        "$schema" schema: String,
        /// The scenarios.
        "scenarios" scenarios: List<RawScenario>,
        /// Fields for every scenario that does not give them itself.
        "defaults" defaults: RawScenario,
        /// By name, fields that replace those of every scenario when the profile is chosen.
        "profiles" profiles: Entries<RawScenario>,
        /// The compact form of gRPC scenarios; not beside `scenarios`.
        "grpc_scenarios" grpc_scenarios: List<RawCompactGrpc>,
        /// The compact form of WebSocket scenarios; not beside `scenarios`.
        "websocket_scenarios" websocket_scenarios: List<RawCompactWebsocket>,
    }
    hints {
        "protos" => "they belong to a scenario, or to `defaults` for all of them",
        "targets" => "they belong to a scenario, or to `defaults` for all of them",
        "steps" => "they belong to a scenario: `scenarios[0].steps`",
        "load" => "it belongs to a scenario, or to `defaults` for all of them",
        "thresholds" => "they belong to a scenario, or to `defaults` for all of them",
    }
}

object! {
    /// A named piece of load.
    RawScenario is "a scenario" {
        /// Unique among the scenarios of its protocol.
        "name" name: ScenarioName,
        /// For people.
        "description" description: String,
        /// Where to send. Left out, flags, environment or the embedded backend decide.
        "targets" targets: List<TargetText>,
        /// Connections over all workers (gRPC); one per worker and target unless given.
        "connections" connections: Connections,
        /// The most concurrent streams on one connection (gRPC); what the server allows unless
        /// given.
        "streams_per_connection" streams_per_connection: Streams,
        /// How long a user keeps its connections (WebSocket). `user` unless given.
        "connection_per" connection_per: RawConnectionPer,
        /// The most connections that all users together begin to open (WebSocket); as fast as
        /// they are needed unless given.
        "connect_rate" connect_rate: Rate,
        /// How iterations come about.
        "load" load: RawLoad,
        /// Wait before anything of this scenario happens. 0s unless given.
        "start_after" start_after: Span,
        /// Load before measuring. 0s unless given.
        "warm_up" warm_up: Span,
        /// How long iterations under way may take after the end. 30s unless given.
        "graceful_stop" graceful_stop: Span,
        /// The longest an iteration may take, pauses left out. 30s unless given.
        "timeout" timeout: PositiveSpan,
        /// The longest that opening a connection may take, name resolution included. 5s unless
        /// given.
        "connect_timeout" connect_timeout: PositiveSpan,
        /// Start lag above this counts as late. 1ms unless given.
        "late_after" late_after: PositiveSpan,
        /// The longest message taken from a server, compressed or not. 64MiB unless given.
        "max_message" max_message: MaxMessage,
        /// How often a ping asks whether a connection on which nothing comes is alive (gRPC); only
        /// after timeouts unless given.
        "keepalive" keepalive: PositiveSpan,
        /// What connections are told whom they are for, in place of the target's host and port:
        /// gRPC's `:authority`, WebSocket's `Host`.
        "authority" authority: Authority,
        /// Transport encryption.
        "tls" tls: RawTls,
        /// gRPC metadata sent with every call.
        "metadata" metadata: Entries<MetadataValue>,
        /// Header fields of the request that opens a connection (WebSocket).
        "headers" headers: Entries<HeaderValue>,
        /// Subprotocols offered when a connection is opened, the preferred one first (WebSocket).
        "subprotocols" subprotocols: List<Subprotocol>,
        /// Labels for reports and metrics.
        "tags" tags: Entries<TagValue>,
        /// `.proto` files that describe the services (gRPC), relative to this file; a folder is a
        /// root for imports.
        "protos" protos: List<FilePath>,
        /// What one iteration does.
        "steps" steps: List<RawStep>,
        /// Conditions on the results; `error_rate < 1%` unless given.
        "thresholds" thresholds: List<Threshold>,
    }
    hints {
        "subprotocol" => "subprotocols are a list: `subprotocols`",
        "path" => "a path belongs to a step: `websocket.path`",
        "data" => "data files come with a later version",
        "target" => "targets are a list: `targets`",
        "users" => "users belong to the load model: `load.closed.users`",
        "duration" => "the duration belongs to the load model: `load.closed.duration` or `load.open.duration`",
    }
}

choice! {
    /// How long a user keeps its connections.
    RawConnectionPer {
        /// From its first iteration to its last.
        User = "user",
        /// For one iteration, which opens and closes them.
        Iteration = "iteration",
    }
}

object! {
    /// How iterations come about: a closed or an open model.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    RawLoad is "a load" {
        /// A fixed number of users, each starting again when done.
        "closed" closed: RawClosed,
        /// Iterations start at a rate, whatever the service does.
        "open" open: RawOpen,
    }
}

object! {
    /// A fixed number of users, for iterations or a time.
    RawClosed is "a closed load" {
        /// How many users.
        "users" users: Users,
        /// Iterations, shared by all users.
        "iterations" iterations: Iterations,
        /// Iterations of each user.
        "iterations_per_user" iterations_per_user: Iterations,
        /// How long users start again.
        "duration" duration: PositiveSpan,
        /// The end in time of `iterations` or `iterations_per_user`, if that comes first.
        "max_duration" max_duration: PositiveSpan,
        /// The number of users over time, in straight lines, from 0.
        "stages" stages: List<RawUserStage>,
        /// How long a user rests between two iterations.
        "think_time" think_time: RawThinkTime,
        /// The most iterations a second that all users together may start.
        "rate_limit" rate_limit: Rate,
    }
    hints {
        "rate" => "a closed model has users; cap it with `rate_limit`, or use `load.open`",
        "arrivals" => "only an open model has arrivals",
        "when_busy" => "only an open model has arrivals that can find all users busy",
    }
}

object! {
    /// A stretch of time over which the number of users goes in a straight line to a new value.
    RawUserStage is "a stage of users" {
        /// How long it lasts; `0s` jumps.
        "for" [required] duration: Span,
        /// Users at its end.
        "users" [required] users: UsersOrNone,
    }
}

object! {
    /// A range to draw from evenly.
    RawBetween is "a think time such as \"1s\" or {\"between\": [\"0.5s\", \"2s\"]}" {
        /// The shortest and the longest.
        #[schemars(extend("minItems" = 2, "maxItems" = 2))]
        "between" [required] between: List<Span>,
    }
}

/// Always the same, or drawn from a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawThinkTime {
    Fixed(Span),
    Between(RawBetween),
}

impl Decode for RawThinkTime {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::String(_) => Span::decode(reader).map(Self::Fixed),
            _ => RawBetween::decode(reader).map(Self::Between),
        }
    }
}

impl Serialize for RawThinkTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(span) => span.serialize(serializer),
            Self::Between(between) => between.serialize(serializer),
        }
    }
}

impl JsonSchema for RawThinkTime {
    fn schema_name() -> Cow<'static, str> {
        "ThinkTime".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<Span>(),
                generator.subschema_for::<RawBetween>(),
            ]
        })
    }
}

object! {
    /// Iterations that start at a rate.
    RawOpen is "an open load" {
        /// The rate, with `duration`.
        "rate" rate: Rate,
        /// How long, with `rate`.
        "duration" duration: PositiveSpan,
        /// The rate over time, in straight lines, from 0.
        "stages" stages: List<RawRateStage>,
        /// How arrivals are spaced. `uniform` unless given.
        "arrivals" arrivals: RawArrivals,
        /// The users there may be.
        "users" users: RawOpenUsers,
        /// What becomes of an arrival that finds all users busy. `queue` unless given.
        "when_busy" when_busy: RawWhenBusy,
    }
    hints {
        "iterations" => "an open model lasts for a time: give `duration`, or `stages`",
        "iterations_per_user" => "an open model lasts for a time: give `duration`, or `stages`",
        "think_time" => "in an open model the rate decides when an iteration starts; a `pause` step rests within one",
        "rate_limit" => "an open model has a `rate`",
    }
}

object! {
    /// A stretch of time over which the rate goes in a straight line to a new value.
    RawRateStage is "a stage of rates" {
        /// How long it lasts; `0s` jumps.
        "for" [required] duration: Span,
        /// The rate at its end.
        "rate" [required] rate: ZeroOrRate,
    }
}

object! {
    /// The users of an open model.
    RawOpenUsers is "the users of an open load, such as {\"max\": 1000}" {
        /// The most at a time. 1000 unless given.
        "max" max: Users,
    }
}

choice! {
    /// How arrivals are spaced.
    RawArrivals {
        /// Evenly.
        Uniform = "uniform",
        /// At random, as from many independent clients.
        Poisson = "poisson",
    }
}

choice! {
    /// What becomes of an arrival that finds all users busy.
    RawWhenBusy {
        /// It waits in line and keeps its due time.
        Queue = "queue",
        /// It is dropped and counted.
        Drop = "drop",
    }
}

object! {
    /// Transport encryption.
    RawTls is "a tls block" {
        /// PEM file with the authorities to trust instead of the system's, relative to this file.
        "ca_file" ca_file: FilePath,
        /// PEM file with the client's own certificate and those between it and an authority,
        /// relative to this file; with `key_file`.
        "cert_file" cert_file: FilePath,
        /// PEM file with the key of the client's certificate, relative to this file.
        "key_file" key_file: FilePath,
        /// The name to ask the server for, which its certificate must carry, instead of the
        /// target's host.
        "server_name" server_name: ServerName,
        /// Accept any certificate.
        "insecure_skip_verify" insecure_skip_verify: bool,
        /// Whether the protocol is agreed on in the TLS handshake (ALPN). true unless given; false
        /// speaks HTTP/2 to servers that do not know ALPN.
        "alpn" alpn: bool,
    }
}

object! {
    /// One action of an iteration.
    #[schemars(extend("oneOf" = [
        { "required": ["grpc"] },
        { "required": ["websocket"] },
        { "required": ["pause"] },
    ]))]
    RawStep is "a step" {
        /// Its series in every report; the method's name (`place_order` for `PlaceOrder`) or the path's last part
        /// unless given.
        "name" name: StepName,
        /// A gRPC call.
        "grpc" grpc: RawGrpc,
        /// An exchange of messages on a WebSocket connection.
        "websocket" websocket: RawWebsocket,
        /// Wait on purpose; the time counts nowhere.
        "pause" pause: PositiveSpan,
    }
    hints {
        "ws" => "the action is called `websocket`",
        "tcp" => "TCP comes with a later version; the actions are `grpc`, `websocket` and `pause`",
        "http" => "HTTP comes with a later version; the actions are `grpc`, `websocket` and `pause`",
        "expect" => "a call that does not end with OK and an exchange without its reply fail by themselves; what the whole run must hold to are the scenario's `thresholds`",
        "check" => "checks of replies come with a later version",
        "save" => "saving from replies comes with a later version",
        "method" => "the method belongs to the call: `grpc.method`",
        "message" => "the message belongs to the call: `grpc.message`",
        "path" => "the path belongs to the exchange: `websocket.path`",
        "send" => "what is sent belongs to the exchange: `websocket.send`",
        "ping" => "a ping is an exchange: `websocket.ping`",
        "stream" => "the stream belongs to the exchange: `websocket.stream`",
    }
}

object! {
    /// A gRPC call of any of the four kinds; the method decides which.
    RawGrpc is "a gRPC call" {
        /// What to call.
        "method" [required] method: Method,
        /// The request message; `{}` unless given. Several, in an array, are sent one after the
        /// other on a client or bidirectional stream.
        "message" message: Message,
        /// How many messages are sent on a client or bidirectional stream; where there are more than
        /// `message` has, the last is sent again. As many as `message` has unless given.
        "repeat" repeat: Messages,
        /// Time between two messages sent on a stream; as fast as allowed unless given.
        "every" every: PositiveSpan,
        /// The most unanswered messages on a bidirectional stream. 1 unless given.
        "in_flight" in_flight: Messages,
        /// When we end the stream of answers that the server does not end, and all is well; by the
        /// server alone unless given.
        "stream" stream: RawStreamEnd,
        /// Metadata of this call beside the scenario's.
        "metadata" metadata: Entries<MetadataValue>,
        /// How messages are compressed; not at all unless given.
        "compression" compression: RawCompression,
    }
}

object! {
    /// When we end a stream of answers.
    #[schemars(extend("oneOf" = [{ "required": ["messages"] }, { "required": ["for"] }]))]
    RawStreamEnd is "the end of a stream" {
        /// After so many messages.
        "messages" messages: Messages,
        /// After this time.
        "for" duration: PositiveSpan,
    }
    hints {
        "count" => "it is over after so many `messages`",
        "duration" => "it is over after a time: `for`",
        "until" => "it is over after `messages`, or after a time: `for`",
        "sequence" => "gRPC's messages are not looked into",
    }
}

choice! {
    /// How messages are compressed.
    RawCompression {
        /// With gzip.
        Gzip = "gzip",
    }
}
