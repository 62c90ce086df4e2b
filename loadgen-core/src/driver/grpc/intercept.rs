//! An interceptor: it sees a call before it is sent, may change it, and sees what answered.
//!
//! Owns what it is shown. Calls that are intercepted go through tonic's client, whatever their kind, and
//! their replies are kept; where there is no interceptor none of this costs anything but one look.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Value, json};

use super::call::{Call, Kind, Messages, Outbound, Reply as Looked, Shape, StreamCall};
use super::compression;
use super::error::DriverError;
use super::filled::{Answer, came_to_nothing};
use super::framing::PREFIX_LEN;
use super::message;
use super::metadata::{Metadata, MetadataError, is_reserved};
use super::numbered::Numbered;
use super::stream;
use super::unary::UnaryCall;
use crate::driver::Mistake;
use crate::driver::http2::Place;
use crate::driver::steps::{Looks, Session};
use crate::expression::{ExpressionError, Scope};
use crate::outcome::Outcome;
use crate::scenario::Compression;
use crate::workload::{Iteration, Split, UserId};

/// Sees each call of a workload before it is sent, and what answered. Called on the workers' threads,
/// between two turns of their connections: what it takes is the generator's own time.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use loadgen_core::driver::grpc::{GrpcExchange, GrpcFactory, GrpcRequest, Interceptor};
/// use serde_json::json;
///
/// /// Numbers its requests, and adds up what is in the replies.
/// #[derive(Debug, Default)]
/// struct Totals {
///     requests: AtomicU64,
///     total: AtomicU64,
/// }
///
/// impl Interceptor for Totals {
///     fn request(&self, request: &mut GrpcRequest) {
///         let number = self.requests.fetch_add(1, Ordering::Relaxed);
///         request.set_metadata("x-number", &number.to_string()).expect("digits can be sent");
///         request.set_messages(&[json!({ "number": number })]).expect("it has a field `number`");
///     }
///
///     fn exchange(&self, exchange: &GrpcExchange<'_>) {
///         for reply in exchange.replies() {
///             let total = reply["total"].as_u64().unwrap_or(0);
///             self.total.fetch_add(total, Ordering::Relaxed);
///         }
///     }
/// }
///
/// fn intercepted(factory: GrpcFactory) -> GrpcFactory {
///     factory.with_interceptor(Arc::new(Totals::default()))
/// }
/// ```
pub trait Interceptor: Send + Sync {
    /// A call is about to be sent.
    fn request(&self, _request: &mut GrpcRequest) {}

    /// A call is over. One that is given up, by its timeout or the run's end, is not told of.
    fn exchange(&self, _exchange: &GrpcExchange<'_>) {}
}

/// A call that is about to be sent.
#[derive(Debug)]
pub struct GrpcRequest {
    method: MethodDescriptor,
    target: String,
    user: UserId,
    iteration: u64,
    headers: HeaderMap,
    messages: Vec<Bytes>,
}

impl GrpcRequest {
    /// `package.Service/Method`.
    #[must_use]
    pub fn method(&self) -> String {
        format!(
            "{}/{}",
            self.method.parent_service().full_name(),
            self.method.name()
        )
    }

    /// Scheme, host and port of the target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whose call it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The number of its iteration among the user's, from 0.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// The metadata, without what the protocol adds; a value that is no text in the words of Rust.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, String)> {
        shown(&self.headers)
    }

    /// Sets a piece of metadata in place of what had this name.
    ///
    /// # Errors
    /// [`MetadataError`] where it cannot be sent.
    pub fn set_metadata(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let name = HeaderName::from_bytes(key.as_bytes());
        let name = name.map_err(|_| MetadataError::Key(key.to_owned()))?;
        if is_reserved(name.as_str()) {
            return Err(MetadataError::Reserved(key.to_owned()));
        }
        let value = HeaderValue::from_str(value);
        let value = value.map_err(|_| MetadataError::Value(key.to_owned()))?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// The messages in protobuf's JSON form. Of a stream that sends the last one again, that one once.
    pub fn messages(&self) -> impl Iterator<Item = Value> {
        let input = self.method.input();
        self.messages.iter().map(move |it| decoded(&input, it))
    }

    /// Sets the messages, in protobuf's JSON form.
    ///
    /// # Errors
    /// [`DriverError::Mistakes`] with everything that is wrong with them, which then stay as they were;
    /// so do they where there is none, or more than the method takes.
    pub fn set_messages(&mut self, messages: &[Value]) -> Result<(), DriverError> {
        let (mut encoded, mut mistakes) = (Vec::new(), Vec::new());
        if messages.is_empty() || (messages.len() > 1 && !self.method.is_client_streaming()) {
            let problem = format!(
                "`{}` takes one message, and here are {}",
                self.method(),
                messages.len()
            );
            mistakes.push(Mistake::new("messages", problem));
        }
        for (number, message) in messages.iter().enumerate() {
            let path = format!("messages[{number}]");
            match message::encode(&self.method.input(), message, &path) {
                Ok(bytes) => encoded.push(bytes.into()),
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        if !mistakes.is_empty() {
            return Err(DriverError::Mistakes(mistakes));
        }
        self.messages = encoded;
        Ok(())
    }
}

/// A call that is over.
#[derive(Debug)]
pub struct GrpcExchange<'a> {
    request: &'a GrpcRequest,
    outcome: Outcome,
    times: Split,
    reply: &'a Reply,
}

impl GrpcExchange<'_> {
    /// What was sent.
    #[must_use]
    pub fn request(&self) -> &GrpcRequest {
        self.request
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What its time is made of.
    #[must_use]
    pub fn times(&self) -> Split {
        self.times
    }

    /// The metadata of the answer; none where none came, or the call failed with it.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, String)> {
        shown(&self.reply.head)
    }

    /// The messages of the answer in protobuf's JSON form: the first of them, up to 256 KiB.
    pub fn replies(&self) -> impl Iterator<Item = Value> {
        let output = self.request.method.output();
        self.reply
            .messages
            .iter()
            .map(move |it| decoded(&output, it))
    }

    /// How many messages the answer had in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.reply.count
    }

    /// The metadata that came last.
    pub fn trailers(&self) -> impl Iterator<Item = (&str, String)> {
        shown(&self.reply.trailers)
    }

    /// What the server, or the connection, had to say where it failed.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.reply.detail.as_deref()
    }
}

/// Bytes of an answer's messages that are kept.
const MOST_KEPT: usize = 256 << 10;

/// What answered, as it is seen.
#[derive(Debug, Default)]
struct Reply {
    head: HeaderMap,
    messages: Vec<Bytes>,
    kept: usize,
    count: u64,
    trailers: HeaderMap,
    detail: Option<String>,
}

/// Where a call's reply is kept while it comes.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Reply>);

impl Seen {
    fn reply(&self) -> MutexGuard<'_, Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another attempt begins.
    pub(super) fn begin(&self) {
        *self.reply() = Reply::default();
    }

    pub(super) fn head(&self, head: HeaderMap) {
        self.reply().head = head;
    }

    pub(super) fn message(&self, message: &Bytes) {
        let mut reply = self.reply();
        reply.count += 1;
        if reply.kept + message.len() <= MOST_KEPT {
            reply.kept += message.len();
            reply.messages.push(message.clone());
        }
    }

    pub(super) fn trailers(&self, trailers: HeaderMap) {
        self.reply().trailers = trailers;
    }

    pub(super) fn failed(&self, detail: &str) {
        self.reply().detail = Some(detail.to_owned());
    }
}

/// Makes a call under the eyes of an interceptor.
pub(super) async fn run(
    call: &Call,
    interceptor: &dyn Interceptor,
    place: &Rc<Place>,
    step: usize,
    session: &mut Session<()>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let target = &call.targets[place.target];
    let made = as_stream(call, target.uri.path(), session.scope());
    let (mut stream, headers, messages) = match made {
        Ok(made) => made,
        Err(error) => return came_to_nothing(&error, iteration),
    };
    let mut request = GrpcRequest {
        method: call.method.clone(),
        target: target.origin.to_string().trim_end_matches('/').to_owned(),
        user: iteration.user(),
        iteration: iteration.number(),
        headers,
        messages,
    };
    interceptor.request(&mut request);
    stream.metadata = Metadata::constant(request.headers.clone());
    let count = u32::try_from(request.messages.len()).unwrap_or(u32::MAX);
    stream.messages.count = stream.messages.count.max(count);
    match outbound(&stream, &request.messages) {
        Ok(each) => stream.messages.each = each,
        Err(error) => return came_to_nothing(&error, iteration),
    }
    let seen = Arc::new(Seen::default());
    stream.seen = Some(Arc::clone(&seen));
    let outcome = stream::run(&stream, &call.targets, place, step, session, iteration).await;
    let reply = std::mem::take(&mut *seen.reply());
    interceptor.exchange(&GrpcExchange {
        request: &request,
        outcome,
        times: iteration.so_far(),
        reply: &reply,
    });
    outcome
}

/// Messages as they are sent: with their numbers, where they have them, and compressed.
fn outbound(call: &StreamCall, messages: &[Bytes]) -> Result<Arc<[Outbound]>, ExpressionError> {
    let of = |message: &Bytes| match (&call.reply, call.messages.compression) {
        (Looked::Id { sent, .. }, _) => Ok(Outbound::Numbered(Numbered::new(sent, message))),
        (_, Some(how)) => compression::packed(how, message).map(Outbound::Constant),
        (_, None) => Ok(Outbound::Constant(message.clone())),
    };
    messages.iter().map(of).collect()
}

/// A message of ours as it was before it was compressed.
fn plain(message: &Bytes, compression: Option<Compression>) -> Result<Bytes, ExpressionError> {
    let Some(how) = compression else {
        return Ok(message.clone());
    };
    let unpacked = compression::unpack(how, message);
    unpacked
        .map(Bytes::from)
        .map_err(|error| ExpressionError::new(format!("the message cannot be unpacked: {error}")))
}

/// The call as one that goes through tonic's client, its headers and its messages as they are at the
/// moment, not compressed. Of several messages each is made once.
fn as_stream(
    call: &Call,
    path: &str,
    scope: &Scope,
) -> Result<(StreamCall, HeaderMap, Vec<Bytes>), ExpressionError> {
    let unary = |unary: &UnaryCall, answer| StreamCall {
        shape: Shape::Unary,
        path: path.try_into().expect("it is a path already"),
        metadata: Metadata::constant(HeaderMap::new()),
        messages: Messages {
            each: Arc::from([]),
            count: 1,
            compression: unary.compression,
        },
        until: None,
        every: None,
        in_flight: 1,
        seen: None,
        reply: Looked::Nothing,
        max_message: unary.max_message,
        details: Arc::clone(&unary.details),
        answer,
    };
    let sent = |call: &UnaryCall| {
        let message = plain(&call.framed.slice(PREFIX_LEN..), call.compression)?;
        Ok((call.headers.now(), vec![message]))
    };
    Ok(match &call.kind {
        Kind::Stream(stream) => {
            let headers = stream.metadata.filled(scope)?.now();
            let messages = stream.messages.each.iter().zip(0..);
            let messages = messages.map(|(message, number)| match message {
                Outbound::Constant(message) => plain(message, stream.messages.compression),
                other => other.made(number, scope),
            });
            let messages = messages.collect::<Result<_, _>>()?;
            (StreamCall::clone(stream), headers, messages)
        }
        Kind::Unary(call_of_one) => {
            let answer = Answer {
                looks: Looks::default(),
                descriptor: call.method.output(),
            };
            let (headers, messages) = sent(call_of_one)?;
            (unary(call_of_one, answer), headers, messages)
        }
        Kind::Filled(filled) => {
            let (headers, messages) = sent(&filled.fill(scope)?)?;
            let call = unary(&filled.constant, filled.answer.clone());
            (call, headers, messages)
        }
    })
}

/// Metadata as people read it, without what the protocol adds.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = (&str, String)> {
    let own = |name: &str| {
        matches!(
            name,
            "te" | "content-type" | "grpc-encoding" | "grpc-accept-encoding" | "grpc-timeout"
        )
    };
    let pairs = headers.iter().filter(move |(name, _)| !own(name.as_str()));
    pairs.map(|(name, value)| {
        let text = value.to_str().map(str::to_owned);
        (name.as_str(), text.unwrap_or_else(|_| format!("{value:?}")))
    })
}

/// A message in protobuf's JSON form; what is none says so.
fn decoded(descriptor: &MessageDescriptor, bytes: &Bytes) -> Value {
    let unread = || json!({ "unreadable": format!("{} bytes that are no `{}`", bytes.len(), descriptor.full_name()) });
    let Ok(message) = DynamicMessage::decode(descriptor.clone(), bytes.clone()) else {
        return unread();
    };
    serde_json::to_value(&message).unwrap_or_else(|_| unread())
}
