//! Interceptors: they see what is about to be sent, may change it, and see what became of it.
//!
//! Owns what an interceptor is shown, in the same words for all protocols. How a protocol shows what it
//! sends and receives is the driver's (`Dialect`, `Form`); when it is told of is the step loop's, once
//! checks have judged. Where there is no interceptor, none of this is made.

mod watch;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::outcome::Outcome;
use crate::workload::{Split, UserId};

use self::watch::Seen;
pub(in crate::driver) use self::watch::Watch;

/// Sees the requests and messages of a run before they are sent, and what answered. Called on the
/// workers' threads, between two turns of their connections: what it takes is the generator's own time.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use loadgen_core::driver::{Content, Draft, Exchange, Interceptor, Request};
/// use loadgen_core::driver::grpc::GrpcFactory;
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
///     fn request(&self, request: &mut Request) {
///         let number = self.requests.fetch_add(1, Ordering::Relaxed);
///         request.set_field("x-number", &number.to_string()).expect("digits can be sent");
///     }
///
///     fn message(&self, request: &Request, message: &mut Draft<'_>) {
///         let changed = json!({ "number": request.iteration() });
///         message.set(Content::Json(changed)).expect("it has a field `number`");
///     }
///
///     fn exchange(&self, exchange: &Exchange<'_>) {
///         for reply in exchange.messages().filter(|it| !it.is_sent()) {
///             let reply = reply.content().to_json().unwrap_or_default();
///             self.total.fetch_add(reply["total"].as_u64().unwrap_or(0), Ordering::Relaxed);
///         }
///     }
/// }
///
/// fn intercepted(factory: GrpcFactory) -> GrpcFactory {
///     factory.with_interceptor(Arc::new(Totals::default()))
/// }
/// ```
pub trait Interceptor: Send + Sync {
    /// A request is about to be sent: a call of gRPC, a request of HTTP, or the upgrade that opens a WebSocket
    /// connection. Once for each, and again where one is sent again. Of TCP, which has none, a step begins.
    fn request(&self, _request: &mut Request) {}

    /// A message is about to be sent, after `request`.
    fn message(&self, _request: &Request, _message: &mut Draft<'_>) {}

    /// A step's exchange is over, and this is how it is recorded. One that its timeout cut off is told
    /// of; one that the end of the run did is not.
    fn exchange(&self, _exchange: &Exchange<'_>) {}
}

/// What a protocol says of the fields of its requests: gRPC's metadata, HTTP's header fields.
#[derive(Debug)]
pub(in crate::driver) struct Dialect {
    /// What they are called.
    pub(in crate::driver) fields: &'static str,
    /// Which of them the protocol sends by itself, so that nobody needs to see them.
    pub(in crate::driver) is_own: fn(&str) -> bool,
    /// Which of them cannot be set.
    pub(in crate::driver) is_reserved: fn(&str) -> bool,
}

/// Why a field of a request cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Not a legal name.
    #[error("`{0}` is no name of a field; letters, digits, `-`, `_` and `.` make one")]
    Name(String),
    /// A name that the protocol keeps for itself.
    #[error("`{0}` is set by the protocol and cannot be given")]
    Reserved(String),
    /// A protocol without fields.
    #[error("`{0}` cannot be sent: TCP has no fields")]
    NoFields(String),
    /// Not a legal value.
    #[error("the value of `{0}` has characters that cannot be sent")]
    Value(String),
}

/// Why a message cannot be changed to this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ContentError(pub(in crate::driver) String);

/// A request: a call of gRPC, a request of HTTP, or the upgrade of a WebSocket connection, with what the step
/// on it belongs to; of TCP the step alone.
#[derive(Debug, Clone)]
pub struct Request {
    dialect: &'static Dialect,
    what: String,
    target: String,
    user: UserId,
    iteration: u64,
    fields: HeaderMap,
}

impl Request {
    /// One of a user's that asks for `what` at a target.
    pub(in crate::driver) fn new(
        dialect: &'static Dialect,
        what: String,
        target: String,
        (user, iteration): (UserId, u64),
        fields: HeaderMap,
    ) -> Self {
        Self {
            dialect,
            what,
            target,
            user,
            iteration,
            fields,
        }
    }

    /// What is asked for: `package.Service/Method`, a method and a path with its query, or `tcp`, which asks
    /// for nothing but the connection.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Scheme, host and port of the target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The number of its iteration among the user's, from 0. Of what is opened ahead of any, 0.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// What its fields are called: `metadata` or `headers`; empty for TCP, which has none.
    #[must_use]
    pub fn fields_are(&self) -> &'static str {
        self.dialect.fields
    }

    /// Metadata or header fields, without what the protocol adds; a value that is no text in the words
    /// of Rust.
    pub fn fields(&self) -> impl Iterator<Item = (&str, String)> {
        shown(self.dialect, &self.fields)
    }

    /// Sets a piece of metadata or a header field in place of what had this name.
    ///
    /// # Errors
    /// [`FieldError`] where it cannot be sent.
    pub fn set_field(&mut self, name: &str, value: &str) -> Result<(), FieldError> {
        if self.dialect.fields.is_empty() {
            return Err(FieldError::NoFields(name.to_owned()));
        }
        let known = HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|_| FieldError::Name(name.to_owned()))?;
        if (self.dialect.is_reserved)(known.as_str()) {
            return Err(FieldError::Reserved(name.to_owned()));
        }
        let value = HeaderValue::from_str(value);
        let value = value.map_err(|_| FieldError::Value(name.to_owned()))?;
        self.fields.insert(known, value);
        Ok(())
    }

    /// The same in this iteration of the user's.
    pub(in crate::driver) fn in_iteration(mut self, number: u64) -> Self {
        self.iteration = number;
        self
    }

    /// All of them, as they are sent.
    pub(in crate::driver) fn all_fields(&self) -> &HeaderMap {
        &self.fields
    }
}

/// Fields as people read them.
fn shown<'a>(
    dialect: &Dialect,
    fields: &'a HeaderMap,
) -> impl Iterator<Item = (&'a str, String)> + use<'a> {
    let is_own = dialect.is_own;
    let pairs = fields
        .iter()
        .filter(move |(name, _)| !is_own(name.as_str()));
    pairs.map(|(name, value)| {
        let text = value.to_str().map(str::to_owned);
        (name.as_str(), text.unwrap_or_else(|_| format!("{value:?}")))
    })
}

/// What is in a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// A message of protobuf in its JSON form. A WebSocket message that is set so is sent as its text.
    Json(Value),
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Content {
    /// It as JSON, where it is that or a text that is.
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        match self {
            Self::Json(value) => Some(value.clone()),
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Binary(_) => None,
        }
    }
}

/// How bytes are read.
#[derive(Clone)]
pub(in crate::driver) enum Form {
    Text,
    Binary,
    /// As this says.
    Read(Arc<dyn Fn(&Bytes) -> Content + Send + Sync>),
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Binary => "Binary",
            Self::Read(_) => "Read",
        })
    }
}

impl Form {
    fn content(&self, bytes: &Bytes) -> Content {
        match self {
            Self::Text => Content::Text(String::from_utf8_lossy(bytes).into_owned()),
            Self::Binary => Content::Binary(bytes.clone()),
            Self::Read(read) => read(bytes),
        }
    }
}

/// How a message of a protocol is made from what it is to be.
pub(in crate::driver) type Write<'a> = &'a dyn Fn(&Content) -> Result<(Bytes, Form), ContentError>;

/// A message that is about to be sent.
pub struct Draft<'a> {
    kind: &'static str,
    bytes: Bytes,
    form: Form,
    write: Write<'a>,
    is_changed: bool,
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("kind", &self.kind)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Draft<'_> {
    /// `message`, or `ping`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What is in it, templates filled in, before anything is compressed.
    #[must_use]
    pub fn content(&self) -> Content {
        self.form.content(&self.bytes)
    }

    /// Sends this in its place. Where replies are told apart by an id, it has to keep its own.
    ///
    /// # Errors
    /// [`ContentError`] with all that is wrong with it; the message then stays as it was.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it takes the message's place"
    )]
    pub fn set(&mut self, content: Content) -> Result<(), ContentError> {
        (self.bytes, self.form) = (self.write)(&content)?;
        self.is_changed = true;
        Ok(())
    }
}

/// A message that was sent or received.
#[derive(Debug)]
pub struct Message {
    direction: Direction,
    kind: &'static str,
    bytes: Bytes,
    form: Form,
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) enum Direction {
    Sent,
    /// It is what the step waited for, or part of it.
    Reply,
    /// It is not.
    Stray,
}

impl Message {
    /// Whether we sent it.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.direction == Direction::Sent
    }

    /// Whether it came and the step took it for what it waited for.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.direction == Direction::Reply
    }

    /// `message`, `ping`, `pong`, `body`, `event`, or `part of a message` where a connection ended in the middle.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What is in it, unpacked.
    #[must_use]
    pub fn content(&self) -> Content {
        self.form.content(&self.bytes)
    }
}

/// An exchange that is over: the request, or the connection it went over, the messages of one step, and
/// how that ended.
#[derive(Debug)]
pub struct Exchange<'a> {
    request: &'a Request,
    seen: &'a Seen,
    outcome: Outcome,
    times: Split,
}

impl Exchange<'_> {
    /// What was asked for. Of WebSocket it is the upgrade of the connection.
    #[must_use]
    pub fn request(&self) -> &Request {
        self.request
    }

    /// How it is recorded, checks and all.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What its time is made of.
    #[must_use]
    pub fn times(&self) -> Split {
        self.times
    }

    /// The status that the answer began with, where the protocol has one there: `101 Switching Protocols`.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.seen.status.as_deref()
    }

    /// How many of [`messages`](Self::messages) had gone one way or the other when the answer began: none
    /// of WebSocket, whose messages follow the answer to the upgrade, and the body of a request of HTTP.
    #[must_use]
    pub fn messages_before_answer(&self) -> usize {
        self.seen.before_answer
    }

    /// Metadata or header fields of the answer; none where none came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, String)> {
        shown(self.request.dialect, &self.seen.fields)
    }

    /// The messages that went one way or the other, in this order: the first of them, up to 256 KiB and
    /// the one that goes beyond.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.seen.messages.iter()
    }

    /// How many messages were sent in all.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.seen.sent
    }

    /// How many came in all.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.seen.received
    }

    /// The metadata that came last.
    pub fn trailers(&self) -> impl Iterator<Item = (&str, String)> {
        shown(self.request.dialect, &self.seen.trailers)
    }

    /// What the server, the connection or a check had to say where it failed: a check names its
    /// expression and what it saw.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.seen.detail.as_deref()
    }
}
