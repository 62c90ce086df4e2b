//! A step's call, resolved and encoded once before the run.
//!
//! Owns the choice of the path a call takes. Everything in it is shared by all workers and never
//! changes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use prost_reflect::MethodDescriptor;
use tonic::metadata::MetadataMap;

use super::filled::{Answer, FilledCall};
use super::framing::PREFIX_LEN;
use super::intercept::Seen;
use super::metadata::Metadata;
use super::template::MessageTemplate;
use super::unary::UnaryCall;
use crate::expression::{ExpressionError, Scope};
use crate::scenario::StreamEnd;

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// What differs from target to target.
    pub(super) targets: Vec<Target>,
    pub(super) kind: Kind,
    /// What it calls.
    pub(super) method: MethodDescriptor,
}

/// How a call is made.
#[derive(Debug)]
pub(super) enum Kind {
    /// Straight on HTTP/2.
    Unary(UnaryCall),
    /// The same, with something to evaluate before it or to look at behind it.
    Filled(Box<FilledCall>),
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
#[derive(Debug, Clone)]
pub(super) struct StreamCall {
    pub(super) shape: Shape,
    pub(super) path: PathAndQuery,
    pub(super) metadata: Metadata,
    pub(super) messages: Messages,
    /// When we end the stream of answers.
    pub(super) until: Option<StreamEnd>,
    pub(super) every: Option<Duration>,
    pub(super) in_flight: u32,
    pub(super) gzip: bool,
    /// Where what answers is kept, where somebody wants to see it.
    pub(super) seen: Option<Arc<Seen>>,
    /// The longest message taken.
    pub(super) max_message: u32,
    pub(super) answer: Answer,
}

/// What is sent on a stream.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    /// The messages, without prefixes, at least one.
    pub(super) each: Arc<[MessageTemplate]>,
    /// How many are sent. Where that is more, the last one again.
    pub(super) count: u32,
}

impl Messages {
    /// The one with this number, from 0, as it is at the moment.
    pub(super) fn nth(&self, number: u64, scope: &Scope) -> Result<Bytes, ExpressionError> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        match self.each.get(number).or(self.each.last()) {
            Some(message) => message.encode(scope),
            None => Ok(Bytes::new()),
        }
    }

    /// Whether nothing is evaluated in them.
    pub(super) fn are_constant(&self) -> bool {
        self.each.iter().all(|message| message.constant().is_some())
    }

    /// About the length of the longest.
    pub(super) fn longest(&self) -> usize {
        let lengths = self.each.iter().map(MessageTemplate::usual_len);
        lengths.max().unwrap_or(0)
    }

    /// How many bytes the messages up to this one take on the wire, prefixes included, where they are
    /// not compressed and nothing is evaluated in them.
    pub(super) fn wire_len(&self, number: u64) -> u64 {
        let len = |message: &MessageTemplate| (PREFIX_LEN + message.usual_len()) as u64;
        let kinds = self.each.len() as u64;
        let first = usize::try_from(kinds.min(number + 1)).unwrap_or(usize::MAX);
        let again = (number + 1).saturating_sub(kinds);
        self.each.iter().take(first).map(len).sum::<u64>() + again * self.each.last().map_or(0, len)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Variables;

    #[test]
    fn a_header_and_then_chunks() {
        let each = [Bytes::from_static(b"header"), Bytes::from_static(b"x")];
        let messages = Messages {
            each: each.map(MessageTemplate::Constant).into(),
            count: 4,
        };
        let scope = Scope::new(Variables::default(), 0);
        let sent: Vec<_> = (0..4)
            .map(|number| messages.nth(number, &scope).unwrap())
            .collect();
        assert_eq!(sent, ["header", "x", "x", "x"]);
        let ends: Vec<_> = (0..4).map(|number| messages.wire_len(number)).collect();
        assert_eq!(ends, [11, 17, 23, 29]);
        assert_eq!(messages.longest(), 6);
    }
}
