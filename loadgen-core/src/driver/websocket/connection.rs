//! One open WebSocket connection: what comes in, what goes out, and what is owed on it.
//!
//! Owns the socket and what came by itself. What is owed is `account`'s; decides nothing about
//! steps.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{FutureExt, Sink, SinkExt, Stream};
use http::HeaderValue;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

use super::account::Account;
use super::deflate::{Deflate, Unreadable};
use super::intercept::{self, With};
use super::message::Outgoing;
use super::sequence::Sequence;
use super::unfinished::Unfinished;
use super::watch::{Watch, Watched};
use crate::clock::Nanos;
use crate::driver::transport::counted::Counted;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::workload::{BackendIndex, ConnectionId, Observer, Receipt};

/// Read at once, and held by each connection for as long as it is open.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// What is gathered before it is written without being flushed.
const WRITE_BUFFER_BYTES: usize = 64 << 10;
/// Messages that came by themselves and that no step has listened for yet, and their bytes. While
/// there are more, nothing is read between two steps.
const MOST_WAITING: usize = 16 << 10;
const MOST_WAITING_BYTES: usize = 1 << 20;

/// What a message of so many bytes was read into is not kept.
const LONG_MESSAGE_BYTES: usize = 64 << 10;

/// A socket is renewed without waiting.
const RENEWED: &str = "renewed at once";

/// What comes before the payload of a server's ping or pong.
const HEADER_BYTES: usize = 2;

/// How every connection is set up. `max_message` is the longest message taken, in one frame or many.
pub(super) fn config(max_message: u32) -> WebSocketConfig {
    let most = Some(max_message as usize);
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(most)
        .max_frame_size(most)
}

/// An open connection.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Whether the library still has what it read a long message into.
    had_long: bool,
    /// Whether we have said good-bye: what the library knows of that must not be forgotten.
    is_closing: bool,
    /// There but while it is renewed.
    socket: Option<WebSocketStream<Watched>>,
    traffic: Rc<Traffic>,
    /// The last message or pong, where that is known.
    received: Option<Receipt>,
    unfinished: Unfinished,
    /// Where messages may be compressed.
    deflate: Option<Box<Deflate>>,
    /// What of `waiting` is counted among what all connections hold.
    held: Unfinished,
    /// Which of a user's connections it is.
    pub(super) path: usize,
    /// The step that used it last, on whose account goes what comes while none does; the first
    /// one of its path as long as there was none.
    pub(super) step: usize,
    /// Who the server says it is.
    pub(super) identity: Option<HeaderValue>,
    /// Since when it is open.
    pub(super) since: Nanos,
    /// What is owed on it.
    pub(super) account: Account,
    /// Messages that came by themselves between two steps that listen.
    waiting: VecDeque<(Message, Option<Receipt>)>,
    waiting_bytes: usize,
    /// The numbers of the streams that come by themselves, as far as any were listened to.
    feeds: Vec<Sequence>,
    counted: Option<Counted>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("account", &self.account)
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
    /// Whether it is we who have no more use for it, rather than that it has ended.
    pub(super) is_ours: bool,
}

/// Whether a server may close with this code (RFC 6455, 7.4, and what IANA has registered since).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

impl Lost {
    fn new(failure: Failure, detail: impl Into<String>) -> Self {
        Self {
            failure,
            detail: detail.into(),
            is_ours: false,
        }
    }

    /// A connection that works and that we do not go on with.
    pub(super) fn of_our_own(failure: Failure, detail: String) -> Self {
        Self {
            is_ours: true,
            ..Self::new(failure, detail)
        }
    }

    /// `code` is the one that came: the library puts another in the place of some.
    fn closed(frame: Option<&CloseFrame>, code: Option<u16>) -> Self {
        let Some(frame) = frame else {
            return Self::new(
                Failure::Close(CloseCode::Status.into()),
                "the server closed the connection without a code",
            );
        };
        let code = code.unwrap_or_else(|| frame.code.into());
        let said = format!("the server closed the connection with code {code}");
        if !may_be_sent(code) {
            return Self::new(
                Failure::Protocol,
                format!("{said}, which may not be sent (RFC 6455, 7.4)"),
            );
        }
        // Nor does it keep the reason then.
        if frame.reason.is_empty() || u16::from(frame.code) != code {
            return Self::new(Failure::Close(code), said);
        }
        let reason = frame.reason.as_str();
        Self::new(Failure::Close(code), format!("{said}: {reason:?}"))
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
            Error::Io(error) => Self::new(
                Failure::Connection,
                format!("the connection broke: {error}"),
            ),
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => Self::new(
                Failure::Protocol,
                format!(
                    "a message of {size} bytes, and at most {max_size} are taken (`max_message`)"
                ),
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
        ProtocolError::ControlFrameTooBig => {
            "a ping, pong or close of more than 125 bytes".to_owned()
        }
        ProtocolError::FragmentedControlFrame => "a ping, pong or close in fragments".to_owned(),
        ProtocolError::UnexpectedContinueFrame => "a fragment that continues nothing".to_owned(),
        ProtocolError::ExpectedFragment(_) => {
            "a message that begins before the fragments of the one before it have ended".to_owned()
        }
        ProtocolError::InvalidCloseSequence => "a close with half a code".to_owned(),
        other => other.to_string(),
    }
}

impl Connection {
    pub(super) fn new(
        socket: WebSocketStream<Watched>,
        traffic: Rc<Traffic>,
        unfinished: Unfinished,
        deflate: Option<Box<Deflate>>,
        identity: Option<HeaderValue>,
        since: Nanos,
    ) -> Self {
        Self {
            id: ConnectionId::next().from_source(traffic.source()),
            had_long: false,
            is_closing: false,
            socket: Some(socket),
            traffic,
            received: None,
            held: unfinished.beside(),
            unfinished,
            deflate,
            path: 0,
            step: 0,
            identity,
            since,
            account: Account::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            feeds: Vec::new(),
            counted: None,
        }
    }

    /// What goes over it.
    #[inline]
    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Who it leads to, where the server has said so.
    pub(super) fn server(&self, observer: &dyn Observer) -> Option<BackendIndex> {
        let identity = self.identity.as_ref()?;
        Some(observer.backend(identity.as_bytes(), None))
    }

    #[inline]
    fn socket(&mut self) -> Pin<&mut WebSocketStream<Watched>> {
        Pin::new(self.socket.as_mut().expect(RENEWED))
    }

    #[inline]
    fn watch(&self) -> &Watch {
        self.socket.as_ref().expect(RENEWED).get_ref().inspector()
    }

    /// Has the library forget what it read a long message into, which it would keep for as long as the
    /// connection is open. Only where nothing is lost by it: all that came was handed on, and all that
    /// was to be sent has left.
    #[cold]
    fn forget_long_message(&mut self, cx: &mut Context<'_>) {
        if !self.watch().is_all_handed_on()
            || !matches!(self.socket().poll_flush(cx), Poll::Ready(Ok(())))
        {
            return;
        }
        self.socket = self.socket.take().and_then(|socket| {
            let config = *socket.get_config();
            let renewed =
                WebSocketStream::from_raw_socket(socket.into_inner(), Role::Client, Some(config));
            renewed.now_or_never()
        });
        self.had_long = false;
    }

    /// Just before the last write in which the kernel took anything.
    #[inline]
    pub(super) fn sent_at(&self) -> Nanos {
        self.traffic.sent_at()
    }

    /// How long its TLS handshake took; `None` where it is not encrypted.
    pub(super) fn tls_time(&self) -> Option<Nanos> {
        self.traffic.tls_time()
    }

    /// When the kernel received the last byte of the message that came last, where that is known.
    #[inline]
    pub(super) fn received(&self) -> Option<Receipt> {
        self.received
    }

    /// Has it counted among the open ones until it is gone.
    pub(super) fn count_in(&mut self, open: &Rc<Cell<u64>>) {
        self.counted = Some(Counted::among(open));
    }

    /// The next message or pong. The server's own pings are answered on the way.
    #[inline]
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Lost>> {
        loop {
            let Poll::Ready(next) = self.socket().poll_next(cx) else {
                let checked = self.unfinished.check(self.came());
                return match checked {
                    Ok(()) => Poll::Pending,
                    Err(detail) => Poll::Ready(Err(Lost::new(Failure::Protocol, detail))),
                };
            };
            let lost = match next {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    let came = self.came();
                    self.unfinished.is_complete(came);
                    self.note_receipt();
                    self.had_long |= message.len() >= LONG_MESSAGE_BYTES;
                    if self.had_long && !self.is_closing {
                        self.forget_long_message(cx);
                    }
                    if self.deflate.is_some() {
                        return Poll::Ready(self.inflated(message).map(Incoming::Message));
                    }
                    return Poll::Ready(Ok(Incoming::Message(message)));
                }
                Some(Ok(Message::Pong(payload))) => {
                    self.unfinished.not_of_message(payload.len() + HEADER_BYTES);
                    self.note_receipt();
                    return Poll::Ready(Ok(Incoming::Pong(payload)));
                }
                Some(Ok(Message::Ping(payload))) => {
                    self.unfinished.not_of_message(payload.len() + HEADER_BYTES);
                    continue;
                }
                Some(Ok(Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    let code = self.watch().close_code();
                    Lost::closed(frame.as_ref(), code)
                }
                Some(Err(error)) => error.into(),
                None => Error::ConnectionClosed.into(),
            };
            // A close is answered in kind, if that goes without waiting.
            let _ = self.socket().poll_flush(cx);
            return Poll::Ready(Err(lost));
        }
    }

    /// A message that may have come compressed.
    fn inflated(&mut self, message: Message) -> Result<Message, Lost> {
        let (kind, deflate) = (self.watch().next_compressed(), self.deflate.as_mut());
        let (Some(kind), Some(deflate)) = (kind, deflate) else {
            return Ok(message);
        };
        deflate.inflated(kind, &message).map_err(|problem| {
            let detail = match problem {
                Unreadable::TooLong => format!(
                    "a compressed message of {} bytes holds more than the {} that are taken \
                     (`max_message`)",
                    message.len(),
                    deflate.most()
                ),
                Unreadable::NotDeflate => {
                    "a message that is marked as compressed and is not DEFLATE".to_owned()
                }
                Unreadable::NotUtf8 => "a text that is not UTF-8".to_owned(),
            };
            Lost::new(Failure::Protocol, detail)
        })
    }

    /// Bytes of frames that came.
    #[inline]
    fn came(&self) -> u64 {
        self.watch().bytes()
    }

    #[inline]
    fn note_receipt(&mut self) {
        self.received = self.watch().next();
    }

    /// Whether one more message may be handed over.
    #[inline]
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let polled = ready!(self.socket().poll_ready(cx));
        Poll::Ready(polled.map_err(|error| self.not_sent(error, cx)))
    }

    /// Hands the message with this number over; [`Self::poll_flush`] sends what was handed over
    /// together.
    #[inline]
    pub(super) fn feed(
        &mut self,
        outgoing: &Outgoing,
        number: u64,
        with: With<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Lost> {
        let message = outgoing.message(number, with.scope);
        let mut message =
            message.map_err(|error| Lost::of_our_own(Failure::Expression, error.to_string()))?;
        let mut is_changed = false;
        if let Some(watch) = with.watch {
            (message, is_changed) = intercept::sends(watch, message);
        }
        if let Some(deflate) = &self.deflate {
            let kept = outgoing.deflated().filter(|_| !is_changed);
            message = deflate.deflated(message, kept);
        }
        self.socket()
            .start_send(message)
            .map_err(|error| self.not_sent(error, cx))
    }

    /// Sends what was handed over; what that writes at once is written at `now`, where that is known.
    #[inline]
    pub(super) fn poll_flush(
        &mut self,
        now: Option<Nanos>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Lost>> {
        self.traffic.writes_at(now);
        let polled = self.socket().poll_flush(cx);
        // Where nothing was left to write, it is not for a later write.
        self.traffic.writes_at(None);
        let polled = ready!(polled);
        Poll::Ready(polled.map_err(|error| self.not_sent(error, cx)))
    }

    /// Why it could not be sent. A server that has closed may have said why, and that is better
    /// than a broken pipe.
    fn not_sent(&mut self, error: Error, cx: &mut Context<'_>) -> Lost {
        loop {
            match self.poll_incoming(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(lost))
                    if matches!(lost.failure, Failure::Close(_) | Failure::Protocol) =>
                {
                    return lost;
                }
                _ => return error.into(),
            }
        }
    }

    /// Where the numbers of a stream that comes by itself are.
    pub(super) fn feed_of(&mut self, feed: usize) -> &mut Sequence {
        if self.feeds.len() <= feed {
            self.feeds.resize_with(feed + 1, Sequence::default);
        }
        &mut self.feeds[feed]
    }

    /// Keeps a message for the step that will listen for it, if there is room. `at` is when it came,
    /// where that is known well.
    pub(super) fn keep_waiting(
        &mut self,
        message: Message,
        at: Option<Receipt>,
    ) -> Result<(), Message> {
        let bytes = self.waiting_bytes + message.len();
        if self.is_full() || bytes > MOST_WAITING_BYTES || self.held.check(bytes as u64).is_err() {
            return Err(message);
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back((message, at));
        Ok(())
    }

    /// The oldest message that was kept, is wanted, and is none of the `passed` before it, which are
    /// more afterwards by those that are not.
    pub(super) fn take_waiting(
        &mut self,
        passed: &mut usize,
        is_wanted: impl Fn(&Message) -> bool,
    ) -> Option<(Message, Option<Receipt>)> {
        let rest = self.waiting.iter().skip(*passed);
        *passed += rest.take_while(|(message, _)| !is_wanted(message)).count();
        let (message, at) = self.waiting.remove(*passed)?;
        self.waiting_bytes -= message.len();
        // There is room for less than there was.
        let _ = self.held.check(self.waiting_bytes as u64);
        Some((message, at))
    }

    /// Forgets what was kept, and where its numbers were, so that what follows is not taken for a
    /// stream with a gap. Says how many messages that were.
    pub(super) fn let_go(&mut self) -> u64 {
        let count = self.waiting.len() as u64;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.held.is_complete(0);
        self.feeds.clear();
        count
    }

    /// Whether no more messages can be kept for a step to come.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING || self.waiting_bytes >= MOST_WAITING_BYTES
    }

    /// Reports the bytes that went over it.
    #[inline]
    pub(super) fn report(&self, observer: &dyn Observer) {
        let (sent, received) = self.traffic.take();
        if sent + received > 0 {
            observer.bytes(sent, received);
        }
    }

    /// Says good-bye. Whether that could be said.
    pub(super) async fn say_good_bye(&mut self) -> bool {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        self.socket()
            .send(Message::Close(Some(frame)))
            .await
            .is_ok()
    }
}
