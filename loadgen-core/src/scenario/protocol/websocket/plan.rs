//! What a plan says of WebSocket.

use std::time::Duration;

use crate::scenario::step::{Step, StreamEnd};
use crate::scenario::value::{Source, is_step_name};
use crate::units::Rate;

/// What a scenario says of WebSocket: its connections, and what an iteration exchanges.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WebsocketPlan {
    /// How long a user keeps its connections.
    pub connection_per: ConnectionPer,
    /// The most connections that all users together begin to open.
    pub connect_rate: Option<Rate>,
    /// Header fields of the request that opens a connection.
    pub headers: Vec<(String, Source)>,
    /// Subprotocols offered when a connection is opened, the preferred one first. The server must
    /// choose one of them.
    pub subprotocols: Vec<String>,
    /// How messages are compressed, both ways: what is offered when a connection is opened. The server
    /// must take it. `None` offers nothing.
    pub compression: Option<PerMessageDeflate>,
    /// Whether each user keeps the cookies that answers to its upgrade requests set, and sends them
    /// with the requests that follow.
    pub cookies: bool,
    /// The most redirections that are followed when a connection is opened, 0 to
    /// [`MAX_REDIRECTS`](Self::MAX_REDIRECTS). With 0, one that redirects has refused.
    pub redirects: u32,
    /// What is done once before the load. What it saves is `setup.NAME` for all users.
    pub setup: Vec<Step<WebsocketExchange>>,
    /// What each user does first.
    pub begin: Vec<Step<WebsocketExchange>>,
    /// What one iteration does.
    pub steps: Vec<Step<WebsocketExchange>>,
    /// What each user does last.
    pub end: Vec<Step<WebsocketExchange>>,
}

impl WebsocketPlan {
    /// The most redirections that may be followed: what browsers follow.
    pub const MAX_REDIRECTS: u32 = 20;

    /// These steps, and everything else as in a file that says nothing of it: each user keeps its
    /// connections.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step<WebsocketExchange>>) -> Self {
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
        Some(format!(
            "--connections {connections} is for gRPC; a WebSocket user has a connection of its own"
        ))
    }
}

/// The parameters of `permessage-deflate` (RFC 7692, 7.1) that are offered. With none of them it is the
/// offer that browsers make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PerMessageDeflate {
    /// The server is asked to compress each message for itself.
    pub server_no_context_takeover: bool,
    /// The server is told that each of our messages is compressed for itself, as it always is.
    pub client_no_context_takeover: bool,
    /// The server is asked for a window of so many bits at the most, 9 to 15.
    pub server_max_window_bits: Option<u8>,
    /// Our window has so many bits at the most, 9 to 15; 15 unless the server asks for less.
    pub client_max_window_bits: Option<u8>,
}

/// How long a WebSocket user keeps its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionPer {
    /// From its first iteration to its last; one that breaks is replaced when it is next needed.
    #[default]
    User,
    /// For one iteration, which opens and closes them.
    Iteration,
}

/// What a step does on a WebSocket connection. Each path is a connection of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WebsocketExchange {
    /// Path and query of the connection: `/echo`, `/feed?channel=1`.
    pub path: String,
    /// What goes over it.
    pub messages: WebsocketMessages,
    /// How many times it is sent. At least 1; 1 where nothing is sent.
    pub repeat: u32,
    /// The longest the step may take, opening its connection included; it then ends as a timeout and
    /// leaves the connection to the steps after it. `None` is as long as the iteration may take.
    pub timeout: Option<Duration>,
    /// Time between two messages sent; `None` sends them as fast as `in_flight` allows.
    pub every: Option<Duration>,
    /// The most unanswered messages. At least 1; 1 where streams answer.
    pub in_flight: u32,
    /// Messages that the server sends by itself once the connection is open; 0 is none. They
    /// belong to its opening and answer nothing. Steps of one path share a connection, so what one
    /// of them says holds for all.
    pub greeting: u32,
    /// Whether messages that nobody asked for are normal on the connection. Only where replies
    /// can be told from them. Holds for all steps of the path, too.
    pub pushes: bool,
}

/// What goes over a WebSocket connection in one step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WebsocketMessages {
    /// Messages are sent, and answered or not.
    Send {
        /// What is sent.
        payload: Payload,
        /// What comes back.
        answer: Answer,
    },
    /// Pings of the protocol, each answered by a pong.
    Ping,
    /// Nothing is sent; messages come by themselves.
    Listen(MessageStream),
}

/// What comes back for a message sent over WebSocket.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// Nothing that is waited for.
    None,
    /// One reply; replies come in the order of the messages.
    InOrder,
    /// One reply; message and reply are JSON objects, and this field of both holds a number that
    /// says which reply belongs to which message. The driver fills it in. `meta.id` is the field
    /// `id` of the object in `meta`.
    ById(String),
    /// One reply that has a mark; whatever has none is no reply.
    Marked {
        /// What only replies have.
        mark: ReplyMark,
        /// The field that says which reply belongs to which message, as in [`Answer::ById`];
        /// `None` takes marked replies in the order of the messages.
        match_id: Option<String>,
    },
    /// Several messages.
    Stream(MessageStream),
}

/// What tells a reply from other messages.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReplyMark {
    /// A field with a certain value.
    Field {
        /// A field of the reply, a JSON object; `meta.type` is the field `type` of the object in
        /// `meta`.
        field: String,
        /// The value that only replies have there: a text, a number, true, false or null.
        equals: serde_json::Value,
    },
    /// An expression on the message, which is `reply` in it: `reply.type == 'echo' and reply.n > 3`. A
    /// message of which it comes to nothing is no reply.
    Match(String),
}

/// Messages that come one after another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MessageStream {
    /// When it is over.
    pub until: StreamEnd,
    /// The field of each message, a JSON object, that holds its sequence number: from 0, or from
    /// whatever the first one says where messages come by themselves.
    pub sequence: Option<String>,
    /// What only its messages have; `None` takes whatever comes for one.
    pub mark: Option<ReplyMark>,
}

/// What a WebSocket message holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Payload {
    /// This text.
    Text(String),
    /// This JSON value, as a text.
    Json(serde_json::Value),
    /// These bytes.
    Binary(Vec<u8>),
    /// The bytes that this template comes to, in base64.
    BinaryTemplate(String),
    /// So many bytes, as a text or as binary.
    Sized {
        /// How many.
        bytes: u32,
        /// Whether as a text.
        text: bool,
    },
}

impl ReplyMark {
    /// Replies have this value in this field.
    #[must_use]
    pub fn new(field: impl Into<String>, equals: serde_json::Value) -> Self {
        Self::Field {
            field: field.into(),
            equals,
        }
    }

    /// This expression holds of replies.
    #[must_use]
    pub fn matching(expression: impl Into<String>) -> Self {
        Self::Match(expression.into())
    }
}

impl MessageStream {
    /// Messages until then, whichever come, without sequence numbers.
    #[must_use]
    pub fn until(until: StreamEnd) -> Self {
        Self {
            until,
            sequence: None,
            mark: None,
        }
    }
}

impl WebsocketExchange {
    /// One message, answered by one reply.
    #[must_use]
    pub fn send(path: impl Into<String>, payload: Payload) -> Self {
        let answer = Answer::InOrder;
        Self::new(path, WebsocketMessages::Send { payload, answer })
    }

    /// One ping.
    #[must_use]
    pub fn ping(path: impl Into<String>) -> Self {
        Self::new(path, WebsocketMessages::Ping)
    }

    /// These messages once, one at a time.
    #[must_use]
    pub fn new(path: impl Into<String>, messages: WebsocketMessages) -> Self {
        Self {
            path: path.into(),
            messages,
            repeat: 1,
            timeout: None,
            every: None,
            in_flight: 1,
            greeting: 0,
            pushes: false,
        }
    }

    /// The path's last part without its query, or `websocket` where that is no name: what a step
    /// without a name is called.
    #[must_use]
    pub fn short_name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        if is_step_name(name) {
            name.to_owned()
        } else {
            "websocket".to_owned()
        }
    }
}

impl From<WebsocketExchange> for Step<WebsocketExchange> {
    /// A step called after its path.
    fn from(exchange: WebsocketExchange) -> Self {
        Self::new(exchange.short_name(), exchange)
    }
}
