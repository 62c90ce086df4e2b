//! One open TCP connection: what comes in, what goes out.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

use crate::clock::Nanos;
use crate::driver::transport::counted::Counted;
use crate::driver::transport::net::Transport;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::workload::{ConnectionId, Observer, Receipt};

/// Read at once, and held by each connection for as long as it is open.
const READ_BYTES: usize = 4 << 10;
/// Read at once where that was not enough.
const MORE_READ_BYTES: usize = 16 << 10;
/// What is gathered before it is written; longer messages are written from where they are.
const WRITE_BYTES: usize = 64 << 10;
/// Room that a long reply took is not kept.
const MOST_KEPT_BYTES: usize = 64 << 10;
/// What is read at the most of what came before a step sends.
const MOST_OLD_READS: usize = 256;
/// What is kept at the most of what no step has received yet.
const MOST_UNREAD_BYTES: usize = 1 << 20;
/// The longest line that a server may say first.
const MOST_FIRST_LINE_BYTES: usize = 4 << 10;
/// How long the end of a connection may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// An open connection.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Who is at its other end, where the server says so first.
    pub(super) identity: Option<String>,
    transport: Transport,
    traffic: Rc<Traffic>,
    /// What has come and belongs to no reply yet.
    pub(super) came: BytesMut,
    /// Whether anything has ever come.
    pub(super) has_read: bool,
    /// How much is read next.
    room: usize,
    /// What is to be written: what was gathered, of which so much is written, and then what is long.
    gathered: Vec<u8>,
    written: usize,
    /// Whether something was handed over that may not have left.
    needs_flush: bool,
    long: Bytes,
    /// Messages that were handed over and are owed a reply, or have not left.
    pub(super) pending: VecDeque<Pending>,
    /// Since when it is open.
    pub(super) since: Nanos,
    _counted: Counted,
}

/// Why there is no line that a server says first.
#[derive(Debug, thiserror::Error)]
pub(super) enum FirstLine {
    #[error("the server closed the connection before it had said a line (`identify.greeting`)")]
    Ended,
    #[error(
        "the server said {} bytes without the end of a line (`identify.greeting`)",
        MOST_FIRST_LINE_BYTES
    )]
    TooLong,
    #[error("{0}, and the server had not said a line (`identify.greeting`)")]
    Lost(String),
}

/// What a connection is good for when a step is about to send.
#[derive(Debug)]
pub(super) enum Settled {
    /// All of it.
    Clear,
    /// That, too, now that what nobody had asked for was let go.
    LetGo,
    /// Nothing any more.
    Ended,
}

/// A message that was handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// When it was due, where it was.
    pub(super) due: Option<Nanos>,
    /// Since when nothing but the generator kept it from leaving.
    pub(super) ready: Nanos,
    /// When it left; until that is known, when it was handed over.
    pub(super) sent_at: Nanos,
    /// Whether all of it has left.
    pub(super) has_left: bool,
}

/// A connection, or a step on it, that goes on no further, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) failure: Failure,
    pub(super) detail: String,
    /// Whether it is we who have no more use for it, rather than that it has ended.
    pub(super) is_ours: bool,
}

impl Lost {
    pub(super) fn new(failure: Failure, detail: impl Into<String>) -> Self {
        Self {
            failure,
            detail: detail.into(),
            is_ours: false,
        }
    }

    /// The server has ended its side while something was still to be sent.
    pub(super) fn cut_short() -> Self {
        Self::new(
            Failure::Connection,
            "the server ended the connection before all was sent",
        )
    }

    /// A connection that works and that we do not go on with.
    pub(super) fn of_our_own(failure: Failure, detail: impl Into<String>) -> Self {
        Self {
            is_ours: true,
            ..Self::new(failure, detail)
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        let detail = match error.kind() {
            io::ErrorKind::ConnectionReset => "the server reset the connection".to_owned(),
            io::ErrorKind::BrokenPipe => {
                "the server has ended the connection, and takes nothing more".to_owned()
            }
            io::ErrorKind::UnexpectedEof => {
                "the connection ended without the end of TLS (close_notify): something may be missing"
                    .to_owned()
            }
            _ => format!("the connection broke: {error}"),
        };
        Self::new(Failure::Connection, detail)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// What goes over it.
    #[inline]
    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// One that has just opened, counted among the open ones until it is gone.
    pub(super) fn new(
        transport: Transport,
        traffic: Rc<Traffic>,
        since: Nanos,
        open: &Rc<Cell<u64>>,
    ) -> Self {
        Self {
            id: ConnectionId::next().from_source(traffic.source()),
            identity: None,
            transport,
            traffic,
            came: BytesMut::new(),
            has_read: false,
            room: READ_BYTES,
            gathered: Vec::new(),
            written: 0,
            needs_flush: false,
            long: Bytes::new(),
            pending: VecDeque::new(),
            since,
            _counted: Counted::among(open),
        }
    }

    /// Reads once what has come. How many bytes that were: none at the end.
    #[inline]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Lost>> {
        if self.came.is_empty() && self.came.capacity() > MOST_KEPT_BYTES {
            self.came = BytesMut::new();
        }
        self.came.reserve(self.room);
        let before = self.came.len();
        let room = self.came.capacity() - before;
        let read = ready!(pin!(self.transport.read_buf(&mut self.came)).poll(cx))?;
        self.has_read |= read > 0;
        self.room = match read >= room.min(MORE_READ_BYTES) {
            true => MORE_READ_BYTES,
            false => READ_BYTES,
        };
        Poll::Ready(Ok(read))
    }

    /// Takes the line that the server says first, without its end. What has come after it stays.
    pub(super) async fn first_line(&mut self) -> Result<Bytes, FirstLine> {
        let mut looked_at = 0;
        loop {
            if let Some(found) = memchr(b'\n', &self.came[looked_at..]) {
                let mut line = self.came.split_to(looked_at + found + 1);
                line.truncate(line.trim_ascii_end().len());
                return Ok(line.freeze());
            }
            looked_at = self.came.len();
            if looked_at > MOST_FIRST_LINE_BYTES {
                return Err(FirstLine::TooLong);
            }
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(0) => return Err(FirstLine::Ended),
                Ok(_) => {}
                Err(lost) => return Err(FirstLine::Lost(lost.detail)),
            }
        }
    }

    /// Sees what has come before a step sends; lets it go where the step would take it for an answer.
    /// Leaves the task to be woken by what comes from now on.
    #[inline]
    pub(super) fn settle(&mut self, answers: bool, cx: &mut Context<'_>) -> Settled {
        for _ in 0..MOST_OLD_READS {
            match self.poll_read(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(0) | Err(_)) => return Settled::Ended,
                // Somebody may still want it.
                Poll::Ready(Ok(_)) if !answers => return self.keep(),
                Poll::Ready(Ok(_)) => {}
            }
        }
        match answers && !self.came.is_empty() {
            true => {
                self.came.clear();
                Settled::LetGo
            }
            false => Settled::Clear,
        }
    }

    /// Keeps what has come for whoever receives, while it is not too much.
    pub(super) fn keep(&mut self) -> Settled {
        match self.came.len() > MOST_UNREAD_BYTES {
            true => {
                self.came = BytesMut::new();
                Settled::LetGo
            }
            false => Settled::Clear,
        }
    }

    /// When the kernel received what was taken last, where that is known.
    #[inline]
    pub(super) fn received(&self) -> Option<Receipt> {
        match self.came.is_empty() {
            true => self.traffic.received(),
            false => self.traffic.received_earlier(),
        }
    }

    /// Just before the last write in which the kernel took anything.
    #[inline]
    pub(super) fn sent_at(&self) -> Nanos {
        self.traffic.sent_at()
    }

    /// Whether all that was handed over has left.
    pub(super) fn is_flushed(&self) -> bool {
        !self.needs_flush
    }

    /// Whether one more message may be handed over.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.gathered.len() < WRITE_BYTES && self.long.is_empty()
    }

    /// Hands a message over; [`Self::poll_flush`] sends what was handed over together.
    #[inline]
    pub(super) fn feed(&mut self, message: Bytes) {
        self.needs_flush = true;
        if message.len() < WRITE_BYTES {
            self.gathered.extend_from_slice(&message);
        } else {
            self.long = message;
        }
    }

    /// Sends what was handed over; what that writes at once is written at `now`, where that is known.
    #[inline]
    pub(super) fn poll_flush(
        &mut self,
        now: Option<Nanos>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Lost>> {
        self.traffic.writes_at(now);
        let polled = self.poll_write_all(cx);
        // Where nothing was left to write, it is not for a later write.
        self.traffic.writes_at(None);
        polled
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        while self.written < self.gathered.len() {
            let rest = &self.gathered[self.written..];
            self.written += taken(ready!(Pin::new(&mut self.transport).poll_write(cx, rest)))?;
        }
        self.gathered.clear();
        self.written = 0;
        while !self.long.is_empty() {
            let written = ready!(Pin::new(&mut self.transport).poll_write(cx, &self.long));
            self.long.advance(taken(written)?);
        }
        // What was written may still be held back: TLS takes more than the socket does.
        ready!(Pin::new(&mut self.transport).poll_flush(cx)).map_err(Lost::from)?;
        self.needs_flush = false;
        Poll::Ready(Ok(()))
    }

    /// Ends our side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let ended = ready!(Pin::new(&mut self.transport).poll_shutdown(cx));
        Poll::Ready(ended.map_err(Lost::from))
    }

    /// Reports the bytes that went over it.
    #[inline]
    pub(super) fn report(&self, observer: &dyn Observer) {
        let (sent, received) = self.traffic.take();
        if sent + received > 0 {
            observer.bytes(sent, received);
        }
    }

    /// Ends it in good order, in a second at most.
    pub(super) async fn close(mut self: Box<Self>, observer: &dyn Observer) {
        // Whoever has gone already need not be told.
        let _ = tokio::time::timeout(CLOSE_WITHIN, self.transport.shutdown()).await;
        self.report(observer);
    }
}

/// What a write came to: a stream that takes nothing is at its end.
#[inline]
fn taken(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    }
}
