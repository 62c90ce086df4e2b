//! One open WebSocket connection: what comes in, what goes out, and what is owed on it.
//!
//! Owns the socket and the account of unanswered messages. Decides nothing about steps.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use http::HeaderValue;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

use super::sequence::Sequence;
use crate::clock::Nanos;
use crate::driver::net::{Traffic, Transport};
use crate::outcome::Failure;
use crate::workload::Observer;

/// Read at once, and held by each connection for as long as it is open.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// What is gathered before it is written without being flushed.
const WRITE_BUFFER_BYTES: usize = 64 << 10;
/// The longest message taken, in one frame or many.
const MOST_MESSAGE_BYTES: usize = 64 << 20;
/// Messages that came by themselves and that nobody has asked for yet. Beyond, nothing is read.
const MOST_WAITING: usize = 1024;
/// Numbers of messages whose replies nobody waits for any more.
const MOST_GIVEN_UP: usize = 1024;

/// How every connection is set up.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(MOST_MESSAGE_BYTES))
        .max_frame_size(Some(MOST_MESSAGE_BYTES))
}

/// An open connection.
pub(super) struct Connection {
    socket: WebSocketStream<Transport>,
    traffic: Rc<Traffic>,
    /// Who the server says it is.
    pub(super) identity: Option<HeaderValue>,
    /// Since when it is open.
    pub(super) since: Nanos,
    /// Messages sent and not answered, with their number and when.
    pub(super) pending: VecDeque<(u64, Nanos)>,
    /// Messages that are still to come, in order, for iterations that were given up.
    pub(super) owed: u64,
    /// Numbers of messages given up whose replies can be told apart.
    given_up: VecDeque<u64>,
    /// Messages that came by themselves between two steps.
    pub(super) waiting: VecDeque<Message>,
    /// The numbers of a stream that comes by itself.
    pub(super) feed: Sequence,
    next_number: u64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("pending", &self.pending.len())
            .field("owed", &self.owed)
            .finish_non_exhaustive()
    }
}

/// Something that came in.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A text or binary message.
    Message(Message),
    /// An answer to a ping.
    Pong(Bytes),
}

/// A connection that is of no more use, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) failure: Failure,
    pub(super) detail: String,
}

impl Lost {
    fn new(failure: Failure, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { failure, detail }
    }

    fn closed(frame: Option<&CloseFrame>) -> Self {
        let Some(frame) = frame else {
            return Self::new(
                Failure::Close(CloseCode::Status.into()),
                "the server closed the connection without a code",
            );
        };
        let code = u16::from(frame.code);
        let reason = if frame.reason.is_empty() {
            String::new()
        } else {
            format!(": {:?}", frame.reason.as_str())
        };
        Self::new(
            Failure::Close(code),
            format!("the server closed the connection with code {code}{reason}"),
        )
    }
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::new(
                Failure::Connection,
                "the connection ended without a closing handshake",
            ),
            Error::Io(error) => Self::new(Failure::Connection, error.to_string()),
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => Self::new(
                Failure::Protocol,
                format!("a message of {size} bytes, and at most {max_size} are taken"),
            ),
            Error::Utf8(_) => Self::new(Failure::Protocol, "a text that is not UTF-8"),
            Error::Protocol(problem) => Self::new(Failure::Protocol, problem_in_words(&problem)),
            other => Self::new(Failure::Protocol, other.to_string()),
        }
    }
}

fn problem_in_words(problem: &ProtocolError) -> String {
    match problem {
        ProtocolError::MaskedFrameFromServer => {
            "a masked frame, which only clients may send".to_owned()
        }
        ProtocolError::UnknownDataFrameType(opcode)
        | ProtocolError::UnknownControlFrameType(opcode)
        | ProtocolError::InvalidOpcode(opcode) => format!("a frame of unknown type {opcode}"),
        ProtocolError::NonZeroReservedBits => {
            "a frame with reserved bits, which belong to extensions that were not agreed on"
                .to_owned()
        }
        other => other.to_string(),
    }
}

impl Connection {
    pub(super) fn new(
        socket: WebSocketStream<Transport>,
        traffic: Rc<Traffic>,
        identity: Option<HeaderValue>,
        since: Nanos,
    ) -> Self {
        Self {
            socket,
            traffic,
            identity,
            since,
            pending: VecDeque::new(),
            owed: 0,
            given_up: VecDeque::new(),
            waiting: VecDeque::new(),
            feed: Sequence::default(),
            next_number: 0,
        }
    }

    /// A number that no other message on this connection has.
    #[inline]
    pub(super) fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// The next message or pong. The server's own pings are answered on the way.
    #[inline]
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Lost>> {
        loop {
            let lost = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    return Poll::Ready(Ok(Incoming::Message(message)));
                }
                Some(Ok(Message::Pong(payload))) => {
                    return Poll::Ready(Ok(Incoming::Pong(payload)));
                }
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => Lost::closed(frame.as_ref()),
                Some(Err(error)) => error.into(),
                None => Error::ConnectionClosed.into(),
            };
            // A close is answered in kind, if that goes without waiting.
            let _ = Pin::new(&mut self.socket).poll_flush(cx);
            return Poll::Ready(Err(lost));
        }
    }

    /// Whether one more message may be handed over.
    #[inline]
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let polled = ready!(Pin::new(&mut self.socket).poll_ready(cx));
        Poll::Ready(polled.map_err(|error| self.not_sent(error, cx)))
    }

    /// Hands a message over; [`Self::poll_flush`] sends what was handed over together.
    #[inline]
    pub(super) fn feed(&mut self, message: Message, cx: &mut Context<'_>) -> Result<(), Lost> {
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(|error| self.not_sent(error, cx))
    }

    /// Sends what was handed over.
    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let polled = ready!(Pin::new(&mut self.socket).poll_flush(cx));
        Poll::Ready(polled.map_err(|error| self.not_sent(error, cx)))
    }

    /// Why it could not be sent. A server that has closed may have said why, and that is better
    /// than a broken pipe.
    fn not_sent(&mut self, error: Error, cx: &mut Context<'_>) -> Lost {
        loop {
            match self.poll_incoming(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(lost)) if matches!(lost.failure, Failure::Close(_)) => return lost,
                _ => return error.into(),
            }
        }
    }

    /// Gives up what is unanswered: the replies can come all the same. `in_order` are so many
    /// messages that cannot be told from others; without it, replies carry numbers.
    pub(super) fn give_up(&mut self, in_order: Option<u64>) {
        match in_order {
            Some(messages) => self.owed = self.owed.saturating_add(messages),
            None => {
                for (number, _) in self.pending.drain(..) {
                    if self.given_up.len() == MOST_GIVEN_UP {
                        self.given_up.pop_front();
                    }
                    self.given_up.push_back(number);
                }
            }
        }
        self.pending.clear();
    }

    /// Whether the reply with this number is one that nobody waits for any more.
    pub(super) fn was_given_up(&mut self, number: u64) -> bool {
        let place = self
            .given_up
            .iter()
            .position(|given_up| *given_up == number);
        place
            .and_then(|place| self.given_up.remove(place))
            .is_some()
    }

    /// Whether a message with a number may still come that nobody waits for.
    pub(super) fn has_given_up(&self) -> bool {
        !self.given_up.is_empty()
    }

    /// Keeps a message for the step that will ask for it.
    pub(super) fn keep_waiting(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// Whether no more messages can be kept for a step to come.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING
    }

    /// Reports the bytes that went over it.
    #[inline]
    pub(super) fn report(&self, observer: &dyn Observer) {
        let (sent, received) = self.traffic.take();
        if sent + received > 0 {
            observer.bytes(sent, received);
        }
    }

    /// Ends it in good order: says good-bye, and waits until the server has answered and closed,
    /// so that it is the server's side that remembers the connection. Whoever calls this bounds it.
    pub(super) async fn close(mut self: Box<Self>, observer: &dyn Observer) {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = self.socket.next().await {}
        }
        self.report(observer);
    }
}
