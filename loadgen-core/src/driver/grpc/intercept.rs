//! Calls under the eyes of an interceptor.
//!
//! Owns how a call and its messages are shown, and what is sent in their place. Calls that are intercepted
//! go through tonic's client, whatever their kind, and their replies are kept; where there is no
//! interceptor none of this costs anything but one look.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::json;

use super::call::{Call, Kind, Messages, Outbound, Reply as Looked, Shape, StreamCall};
use super::calls::CallsOn;
use super::compression;
use super::error::DriverError;
use super::filled::{Answer, came_to_nothing};
use super::framing::PREFIX_LEN;
use super::message;
use super::metadata::{Metadata, is_reserved};
use super::own::UserConnection;
use super::stream;
use super::unary::UnaryCall;
use crate::driver::identity::Identity;
use crate::driver::intercept::{
    Content, ContentError, Dialect, Direction, Form, Request, Watch as Eyes,
};
use crate::driver::steps::{Looks, Session};
use crate::expression::{ExpressionError, Scope};
use crate::outcome::Outcome;
use crate::scenario::Compression;
use crate::workload::Iteration;

/// gRPC's fields.
static METADATA: Dialect = Dialect {
    fields: "metadata",
    is_own: |name| {
        matches!(
            name,
            "te" | "content-type" | "grpc-encoding" | "grpc-accept-encoding" | "grpc-timeout"
        )
    },
    is_reserved,
};

/// What a call's messages are called.
const MESSAGE: &str = "message";

/// An interceptor's eyes on a call, which know how its messages are read.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    eyes: Eyes,
    input: MessageDescriptor,
    compression: Option<Compression>,
    replies: Form,
}

impl Watch {
    /// Another attempt begins.
    pub(super) fn begin(&self) {
        self.eyes.begin();
    }

    pub(super) fn head(&self, head: HeaderMap) {
        self.eyes.head(None, head);
    }

    pub(super) fn message(&self, message: &Bytes, is_reply: bool) {
        let direction = match is_reply {
            true => Direction::Reply,
            false => Direction::Stray,
        };
        self.eyes
            .received(direction, MESSAGE, message, &self.replies);
    }

    pub(super) fn trailers(&self, trailers: HeaderMap) {
        self.eyes.trailers(trailers);
    }

    /// The message of a stream with this number, as it goes out.
    ///
    /// # Errors
    /// The place of what cannot be sent, and why.
    pub(super) fn nth(
        &self,
        messages: &Messages,
        number: u64,
        scope: &Scope,
    ) -> Result<Bytes, ExpressionError> {
        let plain = messages.plain(number, scope)?;
        let write = |content: &Content| {
            let Content::Json(value) = content else {
                let problem = "a message of gRPC is set in protobuf's JSON form (`Content::Json`)";
                return Err(ContentError(problem.to_owned()));
            };
            let encoded = message::encode(&self.input, value, MESSAGE);
            let encoded =
                encoded.map_err(|wrong| ContentError(DriverError::Mistakes(wrong).to_string()))?;
            Ok((encoded.into(), reading(&self.input)))
        };
        let shown = (plain, reading(&self.input));
        let (sent, ..) = self.eyes.sends(MESSAGE, shown, &write);
        match self.compression {
            Some(how) => compression::packed(how, &sent),
            None => Ok(sent),
        }
    }
}

/// Makes a call under these eyes.
pub(super) async fn run(
    call: &Call,
    eyes: Eyes,
    calls: &CallsOn<'_>,
    step: usize,
    session: &mut Session<UserConnection>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let target = &call.targets[calls.target()];
    let request = |headers| {
        let method = &call.method;
        Request::new(
            &METADATA,
            format!("{}/{}", method.parent_service().full_name(), method.name()),
            target.origin.to_string().trim_end_matches('/').to_owned(),
            (iteration.user(), iteration.number()),
            headers,
        )
    };
    let (mut stream, headers) = match as_stream(call, target.uri.path(), session.scope()) {
        Ok(made) => made,
        Err(error) => {
            // Nothing was sent, and what was to be is not known.
            eyes.request(request(HeaderMap::new()));
            return came_to_nothing(&error, iteration);
        }
    };
    let request = eyes.request(request(headers));
    stream.metadata = Metadata::constant(request.all_fields().clone());
    stream.watch = Some(Watch {
        eyes,
        input: call.method.input(),
        compression: stream.messages.compression,
        replies: reading(&call.method.output()),
    });
    stream::run(&stream, &call.targets, calls, step, session, iteration).await
}

/// The call as one that goes through tonic's client, with its headers as they are at the moment. So is a
/// message that is the only one; those of a stream are made when they leave.
fn as_stream(
    call: &Call,
    path: &str,
    scope: &Scope,
) -> Result<(StreamCall, HeaderMap), ExpressionError> {
    let unary = |unary: &UnaryCall, framed: &Bytes, answer| StreamCall {
        shape: Shape::Unary,
        path: path.try_into().expect("it is a path already"),
        metadata: Metadata::constant(HeaderMap::new()),
        messages: Messages {
            each: [Outbound::Constant(framed.slice(PREFIX_LEN..))].into(),
            count: 1,
            compression: unary.compression,
        },
        until: None,
        at_least: None,
        patience: Duration::MAX,
        every: None,
        in_flight: 1,
        watch: None,
        reply: Looked::Nothing,
        max_message: unary.max_message,
        details: Arc::clone(&unary.details),
        answer,
    };
    Ok(match &call.kind {
        Kind::Stream(stream) => {
            let headers = stream.metadata.filled(scope)?.now();
            (StreamCall::clone(stream), headers)
        }
        Kind::Unary(call_of_one, message) => {
            let answer = Answer {
                looks: Looks::default(),
                checked: Looks::default(),
                identity: match &call_of_one.identity {
                    Some(name) => Identity::Header(name.clone()),
                    None => Identity::own(),
                },
                descriptor: call.method.output(),
            };
            let framed = message.now(call_of_one.compression, scope)?;
            let made = unary(call_of_one, &framed, answer);
            (made, call_of_one.headers.now())
        }
        Kind::Filled(filled) => {
            let (headers, framed) = filled.fill(scope)?;
            let made = unary(&filled.unary, &framed, filled.answer.clone());
            (made, headers.now())
        }
    })
}

/// How messages of this type are read: in protobuf's JSON form. What is none says so.
fn reading(descriptor: &MessageDescriptor) -> Form {
    let descriptor = descriptor.clone();
    Form::Read(Arc::new(move |bytes| {
        let read = DynamicMessage::decode(descriptor.clone(), bytes.clone()).ok();
        let json = read.and_then(|it| serde_json::to_value(&it).ok());
        let unread = || json!({ "unreadable": format!("{} bytes that are no `{}`", bytes.len(), descriptor.full_name()) });
        Content::Json(json.unwrap_or_else(unread))
    }))
}
