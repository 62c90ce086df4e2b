//! What a plan says of WebSocket.

use std::time::Duration;

use crate::scenario::elements::is_step_name;

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
pub struct WebsocketExchange {
    /// Path and query of the connection: `/echo`, `/feed?channel=1`.
    pub path: String,
    /// What goes over it.
    pub messages: WebsocketMessages,
    /// How many times it is sent. At least 1; 1 where nothing is sent.
    pub repeat: u32,
    /// Time between two messages sent; `None` sends them as fast as `in_flight` allows.
    pub every: Option<Duration>,
    /// The most unanswered messages. At least 1; 1 where streams answer.
    pub in_flight: u32,
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
    /// says which reply belongs to which message. The driver fills it in.
    ById(String),
    /// Several messages.
    Stream(MessageStream),
}

/// Messages that come one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageStream {
    /// When it is over.
    pub until: StreamEnd,
    /// The field of each message, a JSON object, that holds its sequence number: from 0, or from
    /// whatever the first one says where messages come by themselves.
    pub sequence: Option<String>,
}

/// When a stream of messages is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// After so many messages, at least 1.
    Messages(u32),
    /// After this time, however many messages came.
    After(Duration),
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
    /// So many bytes, as a text or as binary.
    Sized {
        /// How many.
        bytes: u32,
        /// Whether as a text.
        text: bool,
    },
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
            every: None,
            in_flight: 1,
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
