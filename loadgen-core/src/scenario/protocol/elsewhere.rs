//! Where steps go that do not go where the scenario's own go, as it is written: a block for each protocol,
//! with those fields of a scenario that say how its servers are reached.

use super::grpc::raw::RawCodec;
use super::http::raw::RawHttpVersion;
use super::websocket::raw::{RawConnectionPer, RawMessageCompression};
use super::websocket::value::{Redirects, Subprotocol};
use crate::scenario::reader::{Entries, List, object};
use crate::scenario::target::RawTarget;
use crate::scenario::tls::RawTls;
use crate::scenario::value::{
    Authority, Connections, FilePath, MaxMessage, PositiveSpan, RawSource, Streams,
};
use crate::units::Rate;

object! {
    /// Where steps of `setup`, `begin` and `end` go, by the protocol that they speak.
    RawElsewhere is "servers by protocol, such as {\"http\": {\"targets\": [\"http://127.0.0.1:8081\"]}}" {
        /// Where their gRPC calls go.
        "grpc" grpc: RawServers,
        /// Where their WebSocket exchanges go.
        "websocket" websocket: RawServers,
        /// Where their HTTP requests go.
        "http" http: RawServers,
        /// Where their TCP exchanges go.
        "tcp" tcp: RawServers,
    }
    hints {
        "ws" => "the protocol is called `websocket`",
        "https" => "the protocol is called `http`; its `targets` begin with https://",
        "targets" => "targets belong to a protocol: `\"elsewhere\": { \"http\": { \"targets\": [...] } }`",
        "target" => "targets belong to a protocol: `\"elsewhere\": { \"http\": { \"targets\": [...] } }`",
    }
}

object! {
    /// Servers that steps go to, and how they are reached: the fields of a scenario of that protocol that
    /// say so, and the same as there unless given.
    RawServers is "servers, such as {\"targets\": [\"127.0.0.1:8081\"]}" {
        /// Where to send. Left out, flags, environment or the embedded backend decide.
        "targets" targets: List<RawTarget>,
        /// The version of HTTP that is spoken (HTTP).
        "http_version" http_version: RawHttpVersion,
        /// Connections over all workers (gRPC, HTTP/2).
        "connections" connections: Connections,
        /// The most concurrent streams on one connection (gRPC, HTTP/2).
        "streams_per_connection" streams_per_connection: Streams,
        /// Who speaks HTTP/2 (gRPC): `own` or `h2`.
        "codec" codec: RawCodec,
        /// How long a user keeps its connections (WebSocket, HTTP, TCP, gRPC): with `iteration` until the
        /// part of its life is over that opened them. `user` unless given; gRPC's users share `connections`.
        "connection_per" connection_per: RawConnectionPer,
        /// The most connections that all users together begin to open (WebSocket, HTTP, TCP, gRPC).
        "connect_rate" connect_rate: Rate,
        /// The longest that opening a connection may take. The scenario's unless given.
        "connect_timeout" connect_timeout: PositiveSpan,
        /// The longest message taken from a server. The scenario's unless given.
        "max_message" max_message: MaxMessage,
        /// How often a ping asks whether a connection is alive (gRPC, HTTP/2).
        "keepalive" keepalive: PositiveSpan,
        /// Whether a call that finds no connection waits for one (gRPC).
        "wait_for_ready" wait_for_ready: bool,
        /// What connections are told whom they are for, in place of the target's host and port.
        "authority" authority: Authority,
        /// Transport encryption.
        "tls" tls: RawTls,
        /// gRPC metadata sent with every call.
        "metadata" metadata: Entries<RawSource>,
        /// Header fields of the request that opens a connection (WebSocket), or of every request (HTTP).
        "headers" headers: Entries<RawSource>,
        /// Subprotocols offered when a connection is opened (WebSocket).
        "subprotocols" subprotocols: List<Subprotocol>,
        /// How messages are compressed (WebSocket).
        "compression" compression: RawMessageCompression,
        /// Whether each user keeps the cookies that it is given (WebSocket, HTTP).
        "cookies" cookies: bool,
        /// The most redirections that are followed (WebSocket, HTTP).
        "redirects" redirects: Redirects,
        /// `.proto` files and descriptor sets that describe the services (gRPC).
        "protos" protos: List<FilePath>,
    }
    hints {
        "target" => "targets are a list: `targets`",
        "timeout" => "what is done before and after iterations takes at most the scenario's `timeout`, or the step's own",
        "path" => "a path belongs to a step",
        "steps" => "steps stand in the scenario's `setup`, `begin` and `end`",
    }
}
