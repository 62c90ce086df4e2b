//! One connection of HTTP/1.1, on which one request after the other is answered.
//!
//! Owns the library's connection, which is polled by whoever uses it: there is no task beside the
//! user's. Decides nothing about when to open one.

use std::cell::Cell;
use std::error::Error as _;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures::task::AtomicWaker;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;

use super::trouble::Trouble;
use crate::clock::Nanos;
use crate::driver::transport::counted::Counted;
use crate::driver::transport::inspected::{Inspect, Inspected};
use crate::driver::transport::net::Transport;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::workload::{ConnectionId, Receipt};

/// The most that the head of an answer may have, in bytes, and in fields.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// The library's own limit: for any other it would ask for memory with each answer.
const MOST_FIELDS: usize = 100;

type Wire = http1::Connection<TokioIo<Inspected<Arrivals>>, Full<Bytes>>;

/// The library's connection, until it has ended.
struct Line {
    wire: Option<Wire>,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
}

/// Wakes the user's task for what comes, and not for what it does itself: whoever takes a part of a body
/// wakes, by way of the library, who fills in the next one, and that is the same task. It has its turn
/// already, and would have another for nothing with each request.
#[derive(Debug, Default)]
struct Bell {
    task: AtomicWaker,
    is_muted: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_muted.load(Ordering::Relaxed) {
            self.task.wake();
        }
    }
}

/// In which nobody is woken.
fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Line {
    fn new(wire: Wire) -> Self {
        let bell = Arc::<Bell>::default();
        Self {
            wire: Some(wire),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Moves what can be moved. The task is woken when there is more.
    #[inline]
    fn drive(&mut self, cx: &Context<'_>) {
        if let Some(wire) = &mut self.wire {
            self.bell.task.register(cx.waker());
            let mut ringing = Context::from_waker(&self.waker);
            if Pin::new(wire).poll(&mut ringing).is_ready() {
                // How it ended is told to whoever waits for an answer.
                self.wire = None;
            }
        }
    }

    /// The same of one that is not used: nobody is woken by what comes.
    #[inline]
    fn settle(&mut self) {
        if let Some(wire) = &mut self.wire
            && Pin::new(wire).poll(&mut quiet()).is_ready()
        {
            self.wire = None;
        }
    }

    /// What has come of a body.
    #[inline]
    fn take_frame(&self, body: &mut Incoming) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.bell.is_muted.store(true, Ordering::Relaxed);
        let polled = Pin::new(body).poll_frame(&mut quiet());
        self.bell.is_muted.store(false, Ordering::Relaxed);
        polled
    }
}

/// An open connection.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) traffic: Rc<Traffic>,
    pub(super) arrivals: Rc<Arrivals>,
    /// Since when it is open.
    pub(super) since: Nanos,
    /// Requests that were answered on it.
    pub(super) answered: u64,
    sender: SendRequest<Full<Bytes>>,
    line: Line,
    _counted: Counted,
}

/// What came of answers: what TLS says for itself is no part of them.
#[derive(Debug)]
pub(super) struct Arrivals {
    traffic: Rc<Traffic>,
    bytes: Cell<u64>,
    /// Whether the next byte is an answer's first.
    awaits_first: Cell<bool>,
    first: Cell<Option<Receipt>>,
}

impl Arrivals {
    fn new(traffic: &Rc<Traffic>) -> Rc<Self> {
        Rc::new(Self {
            traffic: Rc::clone(traffic),
            bytes: Cell::new(0),
            awaits_first: Cell::new(false),
            first: Cell::new(None),
        })
    }

    /// A request is about to be sent.
    #[inline]
    pub(super) fn await_first(&self) {
        self.awaits_first.set(true);
    }

    /// When the kernel received the first byte of the last answer, where that is known.
    #[inline]
    pub(super) fn first(&self) -> Option<Receipt> {
        self.first.get()
    }

    /// How many bytes came, ever.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }
}

impl Inspect for Arrivals {
    #[inline]
    fn came(&self, bytes: &mut [u8]) {
        if !bytes.is_empty() && self.awaits_first.take() {
            self.first.set(self.traffic.received());
        }
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
    }
}

impl Connection {
    pub(super) async fn new(
        transport: Transport,
        traffic: Rc<Traffic>,
        since: Nanos,
        open: &Rc<Cell<u64>>,
    ) -> Result<Self, Trouble> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_HEAD);
        let arrivals = Arrivals::new(&traffic);
        let transport = Inspected::new(transport, &arrivals);
        let made = builder.handshake(TokioIo::new(transport)).await;
        let (sender, wire) = made.map_err(|error| Trouble::of(&error))?;
        Ok(Self {
            id: ConnectionId::next(),
            traffic,
            arrivals,
            since,
            answered: 0,
            sender,
            line: Line::new(wire),
            _counted: Counted::among(open),
        })
    }

    /// Whether it takes another request, as far as that is known.
    #[inline]
    pub(super) fn is_open(&mut self) -> bool {
        self.line.settle();
        self.line.wire.is_some() && !self.sender.is_closed()
    }

    /// Sends a request, and waits for the head of its answer. It must be open.
    #[inline]
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Trouble> {
        let line = &mut self.line;
        // What it and the answer wait for is moved here, and nowhere else: nobody else needs to wake us.
        let ready = poll_fn(|cx| match self.sender.poll_ready(&mut quiet()) {
            Poll::Pending => {
                line.drive(cx);
                self.sender.poll_ready(&mut quiet())
            }
            ready => ready,
        });
        ready.await.map_err(|error| Trouble {
            is_unsent: true,
            ..Trouble::of(&error)
        })?;
        // The runtime's budget is kept where bytes are moved; here it would be a wait that nobody ends.
        let mut answer = pin!(unconstrained(self.sender.send_request(request)));
        let answer = poll_fn(|cx| {
            line.drive(cx);
            answer.as_mut().poll(&mut quiet())
        });
        answer.await.map_err(|error| Trouble::of(&error))
    }

    /// The next part of an answer's body.
    #[inline]
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Trouble>>> {
        let mut polled = self.line.take_frame(body);
        if polled.is_pending() {
            self.line.drive(cx);
            polled = self.line.take_frame(body);
        }
        polled.map(|frame| frame.map(|it| it.map_err(|error| Trouble::of(&error))))
    }
}

impl Trouble {
    fn of(error: &hyper::Error) -> Self {
        let end = |detail: &str| (Failure::Connection, detail.to_owned(), true);
        let (failure, detail, is_end) = if error.is_parse_too_large() {
            let detail = format!(
                "the head of the answer has more than {MOST_HEAD} bytes or {MOST_FIELDS} fields"
            );
            (Failure::Protocol, detail, false)
        } else if error.is_parse() {
            let detail = format!("the answer is not HTTP/1.1's: {error}");
            (Failure::Protocol, detail, false)
        } else if error.is_incomplete_message() {
            end("the server closed the connection before its answer was complete")
        } else if error.is_canceled() || error.is_closed() {
            end("the server closed the connection")
        } else {
            match io_error(error) {
                Some(io) if is_reset(io) => end("the connection was reset"),
                Some(io) if io.kind() == io::ErrorKind::UnexpectedEof => {
                    end("the server closed the connection before its answer was complete")
                }
                Some(io) if is_no_http(io) => (
                    Failure::Protocol,
                    format!("the answer cannot be read: {io}"),
                    false,
                ),
                Some(io) => end(&io.to_string()),
                None => {
                    let why = error
                        .source()
                        .map_or_else(String::new, |it| format!(": {it}"));
                    (Failure::Protocol, format!("{error}{why}"), false)
                }
            }
        };
        Self {
            failure,
            detail,
            is_unsent: error.is_canceled(),
            is_end,
        }
    }
}

/// Whether what came cannot be read, such as a chunk without a length.
fn is_no_http(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref() {
            return Some(io);
        }
        source = inner.source();
    }
    None
}
