//! A step's call, resolved and encoded once before the run.
//!
//! Owns the choice of the path a call takes. Everything in it is shared by all workers and never
//! changes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use tonic::metadata::MetadataMap;

use super::compression;
use super::details::Details;
use super::filled::{Answer, FilledCall};
use super::framed::Framed;
use super::intercept::Watch;
use super::metadata::Metadata;
use super::numbered::{IdField, Numbered};
use super::template::{Hole, MessageTemplate};
use super::unary::UnaryCall;
use crate::driver::header_fields::Fields;
use crate::expression::{ExpressionError, Scope};
use crate::scenario::{Compression, GrpcStreamEnd};

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// What differs from target to target.
    pub(super) targets: Vec<Target>,
    pub(super) kind: Kind,
    /// What it calls.
    pub(super) method: MethodDescriptor,
}

impl Call {
    /// Why our own codec does not make such calls, where that is so. Those that it makes have their message at hand,
    /// and heads that are the same from call to call but for what is read from files.
    pub(super) fn not_for_own_codec(&self) -> Option<&'static str> {
        let (compression, is_constant) = match &self.kind {
            Kind::Unary(call, _) => (call.compression, true),
            Kind::Filled(call) => (call.unary.compression, call.metadata.is_constant()),
            Kind::Stream(call) if call.shape == Shape::Unary => return Some("it asks for health"),
            Kind::Stream(_) => return Some("it streams"),
        };
        match (compression, is_constant) {
            (Some(_), _) => Some("it compresses"),
            (None, false) => Some("its metadata are templated"),
            (None, true) => None,
        }
    }
}

/// How a call is made.
#[derive(Debug)]
pub(super) enum Kind {
    /// Straight on HTTP/2, with this message.
    Unary(UnaryCall, Framed),
    /// The same, with headers to evaluate before it or something to look at behind it.
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
    pub(super) until: Option<GrpcStreamEnd>,
    /// Where that is after a time: how many messages must have come; `None` is content with a head.
    pub(super) at_least: Option<u32>,
    /// How long a message may be unanswered on a stream that lasts for the load.
    pub(super) patience: Duration,
    pub(super) every: Option<Duration>,
    pub(super) in_flight: u32,
    /// Who sees what is sent and what answers.
    pub(super) watch: Option<Watch>,
    /// What the driver itself looks at in replies.
    pub(super) reply: Reply,
    /// The longest message taken.
    pub(super) max_message: u32,
    pub(super) details: Arc<Details>,
    pub(super) answer: Answer,
}

/// What the driver itself looks at in replies.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// That they come.
    Nothing,
    /// Which message each belongs to.
    Id {
        /// The number's field in a reply.
        came: IdField,
    },
    /// Whether the service says that it is in health.
    Health,
}

impl StreamCall {
    /// Whether anybody wants to know what is in replies.
    pub(super) fn looks_into_replies(&self) -> bool {
        self.watch.is_some() || self.answer.looks.reply || !matches!(self.reply, Reply::Nothing)
    }
}

/// What is sent on a stream.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    /// The messages, without prefixes, at least one; compressed where they are sent so and have no
    /// numbers.
    pub(super) each: Arc<[Outbound]>,
    /// How many are sent. Where that is more, the last one again.
    pub(super) count: u32,
    pub(super) compression: Option<Compression>,
}

/// A message to be sent.
#[derive(Debug)]
pub(super) enum Outbound {
    Constant(Bytes),
    /// Each time with another number.
    Numbered(Numbered),
    /// Evaluated each time.
    Template {
        message: MessageTemplate,
        /// What its number is put into, where it has one: a message with nothing else in it, which
        /// goes behind the template's. Of a field that comes twice the last counts, and messages are
        /// merged.
        number: Option<Numbered>,
    },
}

impl Outbound {
    /// What goes out with this number, from 0; not compressed, unless it is a constant that was.
    ///
    /// # Errors
    /// The place of what cannot be sent, and why.
    pub(super) fn made(&self, number: u64, scope: &Scope) -> Result<Bytes, ExpressionError> {
        match self {
            Self::Constant(message) => Ok(message.clone()),
            Self::Numbered(numbered) => Ok(numbered.with(id_of(number)).into()),
            Self::Template {
                message,
                number: None,
            } => message.encode(scope),
            Self::Template {
                message,
                number: Some(numbered),
            } => {
                let mut made = Vec::with_capacity(message.usual_len());
                message.encode_into(scope, &mut made)?;
                made.extend(numbered.with(id_of(number)));
                Ok(made.into())
            }
        }
    }

    /// What is evaluated in it.
    pub(super) fn holes(&self) -> Vec<&dyn Hole> {
        match self {
            Self::Template { message, .. } => message.holes(),
            Self::Constant(_) | Self::Numbered(_) => Vec::new(),
        }
    }
}

/// The id of a stream's message with this number, from 0. No id is 0, which the wire leaves out.
pub(super) fn id_of(number: u64) -> u64 {
    number + 1
}

impl Messages {
    /// The one with this number, from 0, as it is at the moment, compressed where it is sent so.
    ///
    /// # Errors
    /// The place of what cannot be sent, and why.
    pub(super) fn nth(&self, number: u64, scope: &Scope) -> Result<Bytes, ExpressionError> {
        let Some(message) = self.outbound(number) else {
            return Ok(Bytes::new());
        };
        let made = message.made(number, scope)?;
        match (message, self.compression) {
            (Outbound::Constant(_), _) | (_, None) => Ok(made),
            (_, Some(how)) => compression::packed(how, &made),
        }
    }

    /// The same, not compressed.
    ///
    /// # Errors
    /// As for [`Self::nth`].
    pub(super) fn plain(&self, number: u64, scope: &Scope) -> Result<Bytes, ExpressionError> {
        let Some(message) = self.outbound(number) else {
            return Ok(Bytes::new());
        };
        let made = message.made(number, scope)?;
        match (message, self.compression) {
            (Outbound::Constant(packed), Some(how)) => {
                let plain = compression::unpack(how, packed);
                plain.map(Bytes::from).map_err(|error| {
                    ExpressionError::new(format!("the message cannot be unpacked: {error}"))
                })
            }
            _ => Ok(made),
        }
    }

    fn outbound(&self, number: u64) -> Option<&Outbound> {
        let nth = usize::try_from(number).unwrap_or(usize::MAX);
        self.each.get(nth).or(self.each.last())
    }

    /// Whether nothing is evaluated in them.
    pub(super) fn are_constant(&self) -> bool {
        let mut each = self.each.iter();
        !each.any(|message| matches!(message, Outbound::Template { .. }))
    }

    /// About the length of the longest.
    pub(super) fn longest(&self) -> usize {
        let lengths = self.each.iter().map(|message| match message {
            Outbound::Constant(message) => message.len(),
            Outbound::Numbered(_) => USUAL_LEN,
            Outbound::Template { message, .. } => message.usual_len(),
        });
        lengths.max().unwrap_or(0)
    }
}

/// What is made room for where a message is made when it leaves.
const USUAL_LEN: usize = 1 << 10;

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

/// Headers as they are now, as tonic takes them. It sets `te` and `content-type` itself.
pub(super) fn metadata(headers: &Fields) -> MetadataMap {
    MetadataMap::from_headers(headers.now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Variables;

    #[test]
    fn a_header_and_then_chunks() {
        let each = [Bytes::from_static(b"header"), Bytes::from_static(b"x")];
        let messages = Messages {
            each: each.map(Outbound::Constant).into(),
            count: 4,
            compression: None,
        };
        let scope = Scope::new(Variables::default(), 0);
        let sent: Vec<_> = (0..4)
            .map(|number| messages.nth(number, &scope).unwrap())
            .collect();
        assert_eq!(sent, ["header", "x", "x", "x"]);
        assert_eq!(messages.longest(), 6);
    }
}
