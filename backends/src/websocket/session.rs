//! The life of one WebSocket connection: what it reads, what it has yet to send, how it ends.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::serve::activity::{Handling, Tally};
use crate::serve::connection::{Connection, Cutter, linger};
use crate::serve::faults::Verdict;
use crate::serve::pace::Pace;

use super::Shared;

/// Allocated for every connection, and cleared before every read.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// What is gathered before it is written unasked. Grows to that only where so much is gathered.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Largest message taken: whoever sends that much wants to see it echoed.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Requests that are read while a stream is being sent. With more, nothing is read until it is over.
const MOST_WAITING: usize = 1024;

/// How long a peer has to answer when it is told that the connection is closed for a fault of its
/// own or one on purpose.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it has to read what was said last before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// The peer has closed, or the connection is broken.
    Gone,
    /// The server shuts down.
    Drained,
    /// The connection is cut on purpose.
    Cut,
    /// The connection is closed on purpose.
    Fault(CloseCode, &'static str),
    /// The peer does not keep to the protocol, or sends too much.
    Broken(CloseCode, String),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Capacity(_) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Self::Gone,
            Error::Protocol(_) => CloseCode::Protocol,
            _ => return Self::Gone,
        };
        // What a close frame has room for is 123 bytes.
        let reason = error.to_string();
        let reason = reason.get(..123).unwrap_or(&reason).to_owned();
        Self::Broken(code, reason)
    }
}

/// A text or binary message that is owed an answer.
pub(super) struct Request {
    pub(super) message: Message,
    pub(super) handling: Option<Handling>,
}

/// One connection.
pub(super) struct Session {
    socket: WebSocketStream<Connection>,
    cutter: Option<Cutter>,
    /// Requests that came while a stream was being sent.
    waiting: VecDeque<Request>,
    /// Whether there are answers that have not been sent.
    unsent: bool,
    pub(super) shared: Arc<Shared>,
}

impl Session {
    /// A session on a connection that is let in; `early` came right behind the handshake.
    pub(super) async fn new(connection: Connection, early: Vec<u8>, shared: Arc<Shared>) -> Self {
        let cutter = connection.cutter();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        Self {
            socket: WebSocketStream::from_partially_read(
                connection,
                early,
                Role::Server,
                Some(config),
            )
            .await,
            cutter,
            waiting: VecDeque::new(),
            unsent: false,
            shared,
        }
    }

    /// The next message. While there is none, answers are sent; once the server is told to stop,
    /// there will be none.
    pub(super) async fn next(
        &mut self,
        mut drain: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Request, End> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(message);
        }
        poll_fn(|context| {
            if let Poll::Ready(received) = self.poll_receive(context) {
                return Poll::Ready(received);
            }
            if let Poll::Ready(Err(end)) = self.poll_flush(context) {
                return Poll::Ready(Err(end));
            }
            match drain.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(End::Drained)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Waits as long as the faults say, and ends the session where they do.
    pub(super) async fn judge(&mut self) -> Result<(), End> {
        let Some(faults) = self.shared.faults.clone() else {
            return Ok(());
        };
        self.flush().await?;
        match faults.judge().await {
            Verdict::Answer => Ok(()),
            Verdict::Throttle => Err(End::Fault(CloseCode::Again, "throttled on purpose")),
            Verdict::Fail(_) => Err(End::Fault(CloseCode::Error, "failed on purpose")),
        }
    }

    /// Hands over an answer, to be sent when there is nothing else to do. Waits while the peer does
    /// not read.
    pub(super) async fn feed(&mut self, message: Message) -> Result<(), End> {
        self.unsent = true;
        Ok(self.socket.feed(message).await?)
    }

    /// Sends what was fed.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    /// Waits until the next message of a stream is due, and listens and sends meanwhile.
    pub(super) async fn until_due(&mut self, pace: &mut Pace) -> Result<(), End> {
        poll_fn(|context| {
            if pace.poll_due(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.take_in(context)?;
            match self.poll_flush(context) {
                Poll::Ready(Err(end)) => Poll::Ready(Err(end)),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Hears what the peer has to say by now, without waiting.
    pub(super) async fn look(&mut self) -> Result<(), End> {
        poll_fn(|context| Poll::Ready(self.take_in(context))).await
    }

    fn take_in(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        while self.waiting.len() < MOST_WAITING {
            match self.poll_receive(context) {
                Poll::Ready(received) => self.waiting.push_back(received?),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// The next text or binary message. Pings and the peer's close are answered in here, by
    /// tungstenite.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<Request, End>> {
        loop {
            let Some(received) = ready!(self.socket.poll_next_unpin(context)) else {
                return Poll::Ready(Err(End::Gone));
            };
            let message = received?;
            let is_request = message.is_text() || message.is_binary();
            if (is_request || message.is_ping())
                && self.cutter.as_ref().is_some_and(|it| !it.admits())
            {
                return Poll::Ready(Err(End::Cut));
            }
            if is_request {
                let handling = self.shared.tally.as_ref().map(Tally::begin);
                return Poll::Ready(Ok(Request { message, handling }));
            }
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.unsent {
            ready!(self.socket.poll_flush_unpin(context))?;
            self.unsent = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends it as is due to what ended it.
    pub(super) async fn end(mut self, end: End) {
        match end {
            // Over TLS a peer that has closed in good order is owed the end of that, too.
            End::Gone => {
                let _ = timeout(LINGER, self.socket.get_mut().shutdown()).await;
            }
            End::Cut => {
                // What was answered before is not what is cut.
                let _ = timeout(LINGER, self.flush()).await;
                self.socket.get_ref().reset_on_drop();
            }
            // As long as the server's grace allows.
            End::Drained => self.close(CloseCode::Away, "the server shuts down").await,
            End::Fault(code, reason) => {
                let _ = timeout(CLOSE_TIMEOUT, self.close(code, reason)).await;
            }
            End::Broken(code, reason) => {
                let _ = timeout(CLOSE_TIMEOUT, self.close(code, &reason)).await;
                linger(self.socket.get_mut()).await;
            }
        }
    }

    /// Says why and waits until the peer closes, too.
    async fn close(&mut self, code: CloseCode, reason: &str) {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if self.socket.close(Some(frame)).await.is_ok() {
            // What it has sent before it knew is not answered any more.
            while let Some(Ok(_)) = self.socket.next().await {}
            let _ = self.socket.get_mut().shutdown().await;
        }
    }
}
