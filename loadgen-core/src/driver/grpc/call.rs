//! A step's call, resolved and encoded once before the run.
//!
//! Owns the choice of the path a call takes. Everything in it is shared by all workers and never
//! changes.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use tonic::metadata::MetadataMap;

use super::unary::UnaryCall;

/// One of the scenario's actions.
#[derive(Debug)]
pub(super) enum Action {
    Call(Box<Call>),
    Pause(Duration),
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// Its place among the steps, pauses not counted.
    pub(super) step: usize,
    /// What differs from target to target.
    pub(super) targets: Vec<Target>,
    pub(super) kind: Kind,
}

/// How a call is made.
#[derive(Debug)]
pub(super) enum Kind {
    /// Straight on HTTP/2.
    Unary(UnaryCall),
    /// Through tonic's client.
    Stream(Box<StreamCall>),
}

/// A call's address at one target.
#[derive(Debug)]
pub(super) struct Target {
    /// Scheme, authority and path.
    pub(super) uri: Uri,
    /// Scheme and authority alone.
    pub(super) origin: Uri,
}

/// A call that streams, or compresses.
#[derive(Debug)]
pub(super) struct StreamCall {
    pub(super) shape: Shape,
    pub(super) path: PathAndQuery,
    pub(super) metadata: MetadataMap,
    /// The message, without prefix.
    pub(super) message: Bytes,
    pub(super) repeat: u32,
    pub(super) every: Option<Duration>,
    pub(super) in_flight: u32,
    pub(super) gzip: bool,
}

/// The four kinds of gRPC call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Unary,
    ServerStream,
    ClientStream,
    Bidirectional,
}

impl Shape {
    pub(super) fn of(client_streams: bool, server_streams: bool) -> Self {
        match (client_streams, server_streams) {
            (false, false) => Self::Unary,
            (false, true) => Self::ServerStream,
            (true, false) => Self::ClientStream,
            (true, true) => Self::Bidirectional,
        }
    }

    /// Whether the client sends one message only.
    pub(super) fn sends_one(self) -> bool {
        matches!(self, Self::Unary | Self::ServerStream)
    }

    /// Whether the server answers with one message only.
    pub(super) fn answers_one(self) -> bool {
        matches!(self, Self::Unary | Self::ClientStream)
    }
}

/// Headers as tonic takes them. It sets `te` and `content-type` itself.
pub(super) fn metadata(headers: HeaderMap) -> MetadataMap {
    MetadataMap::from_headers(headers)
}
