//! What a suite may say of its servers.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::value::{
    BackendName, BalancerSpan, DelayText, ErrorCode, ListenText, ShareText, VersionText,
};
use crate::scenario::fault::raw::RawFaults;
use crate::scenario::reader::{Check, Decode, Entries, Entry, List, Place, Reader, choice, object};
use crate::scenario::value::{Bounded, FilePath, PositiveSpan};
use crate::units::Rate;

choice! {
    /// What a server answers.
    RawServe {
        /// gRPC.
        Grpc = "grpc",
        /// WebSocket.
        Websocket = "websocket",
        /// HTTP.
        Http = "http",
        /// Bytes over TCP.
        Tcp = "tcp",
        /// All of them, each at an address of its own.
        All = "all",
        /// None of them: a fault proxy passes connections on.
        Proxy = "proxy",
    }
}

choice! {
    /// What is spoken.
    RawProtocol {
        /// gRPC.
        Grpc = "grpc",
        /// WebSocket.
        Websocket = "websocket",
        /// HTTP.
        Http = "http",
        /// Bytes over TCP.
        Tcp = "tcp",
    }
}

choice! {
    /// What a balancer gives away.
    RawBalance {
        /// Connections, whatever is spoken on them.
        Tcp = "tcp",
        /// Requests.
        Http = "http",
    }
}

choice! {
    /// How long a server with a given capacity takes for a call.
    RawServiceTimes {
        /// Always as long.
        Constant = "constant",
        /// At random, exponentially distributed.
        Exponential = "exponential",
    }
}

choice! {
    /// How those behind a balancer take turns.
    RawAlgorithm {
        /// One after the other.
        RoundRobin = "round_robin",
        /// One after the other, each as often as its weight says.
        WeightedRoundRobin = "weighted_round_robin",
        /// Whoever has the fewest connections.
        LeastConnections = "least_connections",
    }
}

pub(in crate::scenario) type Threads = Bounded<1, 1024>;
pub(in crate::scenario) type Retries = Bounded<0, 100>;
pub(in crate::scenario) type Checks = Bounded<1, 1000>;
pub(in crate::scenario) type BackendWeight = Bounded<1, 65_535>;
pub(in crate::scenario) type Requests = Bounded<1, 1_000_000_000_000>;
pub(in crate::scenario) type CallsPerSecond = Bounded<1, 4_294_967_295>;

object! {
    /// A server that the run starts: one that answers, with the flags of `loadgen serve`, a balancer in front of
    /// others, with those of `loadgen balance`, or a fault proxy in front of one (`loadgen serve proxy`).
    RawServer is "an address to listen on, or an object such as {\"serve\": \"grpc\", \"address\": \":28001\"}" {
        /// What it answers. What stands beside the names unless given.
        "serve" serve: RawServe,
        /// What it gives away, if it is a balancer.
        "balance" balance: RawBalance,
        /// Where it listens; any free port of this machine unless given.
        "address" address: ListenText,
        /// Where it listens for gRPC, where it serves all.
        "grpc_address" grpc_address: ListenText,
        /// Where it listens for WebSocket, where it serves all.
        "websocket_address" websocket_address: ListenText,
        /// Where it listens for HTTP, where it serves all.
        "http_address" http_address: ListenText,
        /// Where it listens for TCP, where it serves all.
        "tcp_address" tcp_address: ListenText,
        /// Its threads. 1 unless given.
        "threads" threads: Threads,
        /// How long it waits before each answer.
        "delay" delay: DelayText,
        /// How long it waits before some answers.
        "stall" stall: PositiveSpan,
        /// The share of the calls that stall. 1% unless given.
        "stall_rate" stall_rate: ShareText,
        /// The share of the calls that it answers with an error.
        "error_rate" error_rate: ShareText,
        /// The status of such an error (gRPC, HTTP). UNAVAILABLE unless given.
        "error_code" error_code: ErrorCode,
        /// The share of the connections that it closes as soon as they are accepted.
        "refuse_rate" refuse_rate: ShareText,
        /// After how many requests it cuts a connection.
        "cut_after" cut_after: Requests,
        /// How many calls it answers a second at the most.
        "throttle" throttle: CallsPerSecond,
        /// How many calls a second it can serve: one after the other, while the others wait in line.
        "capacity" capacity: Rate,
        /// How long serving one takes. `constant` unless given.
        "service_times" service_times: RawServiceTimes,
        /// Whether it answers whole lines (TCP).
        "lines" lines: bool,
        /// Whether each connection begins with a line that is its name (TCP).
        "identity_on_connect" identity_on_connect: bool,
        /// The version of itself that it says in every reply (gRPC).
        "version" version: VersionText,
        /// Whether it says of each stream on which both sides send when it opens and ends, and each message (gRPC).
        "log_streams" log_streams: bool,
        /// When it is told to end, how long it says so by health checks and serves on.
        "lame_duck" lame_duck: BalancerSpan,
        /// PEM file with its certificate chain, relative to this file; turns TLS on.
        "tls_cert" tls_cert: FilePath,
        /// PEM file with its key, relative to this file.
        "tls_key" tls_key: FilePath,
        /// The name of the server that a fault proxy passes connections on to.
        "to" to: BackendName,
        /// What goes wrong at a fault proxy from its start; nothing unless given.
        "faults" faults: RawFaults,
        /// The names of those that a balancer stands in front of.
        "backends" backends: List<BackendName>,
        /// What is spoken with a balancer or a fault proxy, where those behind it serve all protocols; theirs unless given.
        "protocol" protocol: RawProtocol,
        /// Their weights; 1 where there is none.
        "weights" weights: Entries<BackendWeight>,
        /// How they take turns. `round_robin` unless given.
        "algorithm" algorithm: RawAlgorithm,
        /// From one of a balancer's health checks to the next. 2s unless given.
        "health_interval" health_interval: BalancerSpan,
        /// How long one may take. 1s unless given.
        "health_timeout" health_timeout: BalancerSpan,
        /// Good checks in a row that bring a server back. 2 unless given.
        "health_rise" health_rise: Checks,
        /// Bad checks in a row that take one out. 3 unless given.
        "health_fall" health_fall: Checks,
        /// How long taking a connection may take before a server is passed over. 1s unless given.
        "connect_timeout" connect_timeout: BalancerSpan,
        /// How long the beginning of an answer may take (HTTP). 60s unless given.
        "response_timeout" response_timeout: BalancerSpan,
        /// How often a request is tried again that a server let go before it answered (HTTP). 2 unless given.
        "retries" retries: Retries,
        /// Which of them answer (HTTP): by a header field of the request, by a pattern of its value. What none fits
        /// goes to any of them.
        "route" route: Entries<Entries<List<BackendName>>>,
    }
    hints {
        "id" => "a server's id is its name here",
        "name" => "a server's name is the field's own: `\"backends\": { \"b1\": { … } }`",
        "port" => "the port belongs to the `address`: \":28001\"",
        "listen" => "where it listens is its `address`",
        "proxy" => "a fault proxy is {\"serve\": \"proxy\", \"to\": \"b1\"}",
        "latency" => "what goes wrong at a fault proxy from its start is `faults`",
        "queue" => "calls that wait in line are a server's with a `capacity`: \"5000/s\"",
        "service_time" => "`service_times` says how they are distributed; their mean is one over the `capacity`",
        "targets" => "those behind a balancer are its `backends`",
        "routes" => "that is `route`",
    }
}

/// A server: where it listens, or all that is said of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::scenario) struct RawBackend(pub(in crate::scenario) RawServer);

impl Decode for RawBackend {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value {
            Value::String(_) => Some(Self(RawServer {
                address: Entry::Given(ListenText::decode(reader)?),
                ..RawServer::default()
            })),
            _ => RawServer::decode(reader).map(Self),
        }
    }
}

impl Check for RawBackend {
    fn check(&mut self, at: &Place<'_>) -> bool {
        self.0.check(at)
    }
}

impl Serialize for RawBackend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for RawBackend {
    fn schema_name() -> Cow<'static, str> {
        "Backend".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<ListenText>(),
                generator.subschema_for::<RawServer>(),
            ]
        })
    }
}

/// The servers by their names, and what they serve unless they say so themselves.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::scenario) struct RawBackends {
    pub(in crate::scenario) serve: Entry<RawServe>,
    pub(in crate::scenario) servers: Vec<(String, Entry<RawBackend>)>,
}

/// The field that is no server's name.
pub(in crate::scenario) const SERVE: &str = "serve";

impl Decode for RawBackends {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let expected = "servers by name, such as {\"serve\": \"grpc\", \"b1\": \":28001\"}";
        let fields = reader.object(expected)?;
        let mut this = Self::default();
        for (key, value) in fields {
            let reader = reader.field(key, value);
            if key == SERVE {
                this.serve = Entry::decode(&reader);
            } else {
                this.servers.push((key.clone(), Entry::decode(&reader)));
            }
        }
        Some(this)
    }
}

impl Check for RawBackends {
    fn check(&mut self, at: &Place<'_>) -> bool {
        for (name, entry) in &mut self.servers {
            entry.check(&at.field(name));
        }
        true
    }
}

impl Serialize for RawBackends {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.serve.is_absent() {
            map.serialize_entry(SERVE, &self.serve)?;
        }
        for (name, server) in &self.servers {
            map.serialize_entry(name, server)?;
        }
        map.end()
    }
}

impl JsonSchema for RawBackends {
    fn schema_name() -> Cow<'static, str> {
        "Backends".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Servers that the run starts, by name.",
            "type": "object",
            "properties": { "serve": generator.subschema_for::<RawServe>() },
            "additionalProperties": generator.subschema_for::<RawBackend>(),
        })
    }
}
