//! One connection of HTTP/1.1, on which one request after the other is answered.
//!
//! Owns the moving of bytes, which is done by whoever uses it: there is no task beside the user's. Decides
//! nothing about when to open one. The form of what is moved is `http1`'s.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_rustls::rustls;

use super::exchange::Sent;
use super::http1::{Asked, Body, Head, Inbox, Part, Written, Wrong};
use super::trouble::Trouble;
use crate::clock::Nanos;
use crate::driver::transport::counted::Counted;
use crate::driver::transport::net::Transport;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::workload::{ConnectionId, Receipt};

/// An open connection.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) traffic: Rc<Traffic>,
    /// Since when it is open.
    pub(super) since: Nanos,
    /// Requests that were answered on it.
    pub(super) answered: u64,
    transport: Transport,
    outbox: Outbox,
    inbox: Inbox,
    arrivals: Arrivals,
    _counted: Counted,
}

/// The request that is sent.
#[derive(Debug, Default)]
struct Outbox {
    request: Written,
    /// How many bytes of it the transport has taken.
    sent: usize,
    /// Whether the transport may hold some of it back.
    is_held: bool,
    /// Why no more of it can be sent.
    broken: Option<io::Error>,
}

/// What came of answers: what TLS says for itself is no part of them.
#[derive(Debug, Default)]
struct Arrivals {
    bytes: u64,
    /// Whether the next byte is an answer's first.
    awaits_first: bool,
    first: Option<Receipt>,
}

impl Outbox {
    /// Whether the whole request was sent.
    #[inline]
    fn is_done(&self) -> bool {
        self.request.unsent(self.sent).is_empty() && !self.is_held && self.broken.is_none()
    }

    /// Sends what can be sent. The task is woken when there is more.
    #[inline]
    fn drive(&mut self, transport: &mut Transport, cx: &mut Context<'_>) {
        if !self.is_done()
            && self.broken.is_none()
            && let Poll::Ready(Err(error)) = self.poll(transport, cx)
        {
            self.broken = Some(error);
        }
    }

    #[inline]
    fn poll(&mut self, transport: &mut Transport, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let unsent = self.request.unsent(self.sent);
            if unsent.is_empty() {
                break;
            }
            let sent = ready!(Pin::new(&mut *transport).poll_write(cx, unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
            self.is_held = true;
        }
        ready!(Pin::new(transport).poll_flush(cx))?;
        self.is_held = false;
        Poll::Ready(Ok(()))
    }
}

impl Connection {
    pub(super) fn new(
        transport: Transport,
        traffic: Rc<Traffic>,
        since: Nanos,
        open: &Rc<Cell<u64>>,
    ) -> Self {
        Self {
            id: ConnectionId::next().from_source(traffic.source()),
            traffic,
            since,
            answered: 0,
            transport,
            outbox: Outbox::default(),
            inbox: Inbox::new(),
            arrivals: Arrivals::default(),
            _counted: Counted::among(open),
        }
    }

    /// Whether it takes another request, as far as that is known. What came without being asked for could be
    /// taken for the next request's answer: then it takes none (RFC 9112, 9.2).
    #[inline]
    pub(super) fn is_open(&mut self) -> bool {
        self.inbox.is_empty()
            && self
                .poll_fill(&mut Context::from_waker(Waker::noop()))
                .is_pending()
    }

    /// Keeps nothing of the request that was answered: until there is another, its body would be held for
    /// nobody.
    #[inline]
    pub(super) fn forget_request(&mut self) {
        self.outbox.request.clear();
        self.outbox.sent = 0;
    }

    /// Whether all that was asked for was sent, so that the next request would not come amid it.
    #[inline]
    pub(super) fn is_sent(&self) -> bool {
        self.outbox.is_done()
    }

    /// How many bytes of answers came, ever.
    #[inline]
    pub(super) fn came(&self) -> u64 {
        self.arrivals.bytes
    }

    /// When the kernel received the first byte of the last answer, where that is known.
    #[inline]
    pub(super) fn first_received(&self) -> Option<Receipt> {
        self.arrivals.first
    }

    /// With which name the server of this head has signed. Known until more is read.
    #[inline]
    pub(super) fn identity(&self, head: &Head) -> Option<&[u8]> {
        self.inbox.identity(head)
    }

    /// Sends a request, and waits for the head of its answer. The connection must be open, and all of the
    /// request before must have been sent. The answer may come before all of this one has.
    #[inline]
    pub(super) async fn ask(
        &mut self,
        request: Sent<'_>,
        asked: Asked<'_>,
    ) -> Result<Head, Trouble> {
        self.arrivals.awaits_first = true;
        let outbox = &mut self.outbox;
        outbox.sent = 0;
        match request {
            Sent::Always(written) => outbox.request.copy(written),
            Sent::Now(filled) => outbox.request.write(filled),
        }
        poll_fn(|cx| self.poll_head(cx, asked)).await
    }

    #[inline]
    fn poll_head(&mut self, cx: &mut Context<'_>, asked: Asked<'_>) -> Poll<Result<Head, Trouble>> {
        self.outbox.drive(&mut self.transport, cx);
        loop {
            if let Some(head) = self.inbox.head(asked)? {
                if !head.is_on_the_way() {
                    return Poll::Ready(Ok(head));
                }
                self.passes_over();
                continue;
            }
            if ready!(self.poll_more(cx))? == 0 {
                self.inbox.ended(asked)?;
                return Poll::Ready(Err(self.ended()));
            }
        }
    }

    /// The head that came was not the answer's yet, whose first byte is what comes behind it.
    #[cold]
    fn passes_over(&mut self) {
        match self.inbox.is_empty() {
            true => self.arrivals.awaits_first = true,
            // It came in the same read.
            false => self.arrivals.first = self.traffic.received(),
        }
    }

    /// The next part of an answer's body; nothing after the last.
    #[inline]
    pub(super) fn poll_part(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Part, Trouble>>> {
        loop {
            match self.inbox.part(body) {
                Ok(Some(part)) => return Poll::Ready(Some(Ok(part))),
                Ok(None) if body.is_over() => return Poll::Ready(None),
                Ok(None) => {}
                Err(wrong) => return Poll::Ready(Some(Err(wrong.into()))),
            }
            self.outbox.drive(&mut self.transport, cx);
            match ready!(self.poll_more(cx)) {
                Ok(0) if body.ends_with_connection() => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(self.ended()))),
                Ok(_) => {}
                Err(trouble) => return Poll::Ready(Some(Err(trouble))),
            }
        }
    }

    /// The bytes of the last part.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        self.inbox.data()
    }

    /// Reads more of an answer; no bytes at the end of the connection. A server may answer, end the
    /// connection, and not take the rest of the request (RFC 9112, 9.6): that no more can be sent is told
    /// only where nothing comes that says more.
    #[inline]
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        match self.poll_fill(cx) {
            Poll::Ready(Ok(came)) => Poll::Ready(Ok(came)),
            Poll::Ready(Err(error)) => {
                // An alert says why nothing more could be sent.
                let broken = self.outbox.broken.take().filter(|_| !is_alert(&error));
                Poll::Ready(Err(Trouble::of(&broken.unwrap_or(error))))
            }
            Poll::Pending => match &self.outbox.broken {
                // The answer may be here, and the runtime not know of it yet. If it is not, the end is, and
                // wakes the task just so.
                Some(error) if !is_reset(error) => Poll::Ready(Err(Trouble::of(error))),
                _ => Poll::Pending,
            },
        }
    }

    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(self.inbox.room());
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut room))?;
        let came = room.filled().len();
        let arrivals = &mut self.arrivals;
        if came > 0 && std::mem::take(&mut arrivals.awaits_first) {
            arrivals.first = self.traffic.received();
        }
        arrivals.bytes += came as u64;
        self.inbox.came(came);
        Poll::Ready(Ok(came))
    }

    /// The connection has ended amid an answer.
    #[cold]
    fn ended(&mut self) -> Trouble {
        let error = self.outbox.broken.take();
        Trouble::of(&error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}

impl From<Wrong> for Trouble {
    fn from(wrong: Wrong) -> Self {
        Self::protocol(wrong.to_string())
    }
}

impl Trouble {
    /// The transport has failed.
    #[cold]
    fn of(error: &io::Error) -> Self {
        let detail = match error.kind() {
            _ if is_reset(error) => "the connection was reset".to_owned(),
            // TLS's last word. In its version 1.3 it is how a server refuses a client's certificate, or that
            // there is none, after the handshake.
            _ if is_alert(error) => error.to_string(),
            io::ErrorKind::UnexpectedEof => {
                "the server closed the connection before its answer was complete".to_owned()
            }
            // TLS says so of what it cannot decrypt.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                return Self::protocol(format!("the answer cannot be read: {error}"));
            }
            _ => error.to_string(),
        };
        Self {
            failure: Failure::Connection,
            detail,
            is_unsent: false,
            is_end: true,
        }
    }
}

/// Whether the other side takes nothing more: what it said before can be read all the same.
fn is_reset(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    kinds.contains(&error.kind())
}

/// Whether the other side has ended the connection by TLS's word for why.
fn is_alert(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|it| it.downcast_ref());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}
