//! A `GrpcService` for tonic's client, straight on an HTTP/2 connection of ours.
//!
//! Owns moving a request's body out and an answer's body in on one stream. It reads status and
//! head itself, so that failures keep their class and number; tonic sees well-ended streams only.
//! Needs no task: whoever waits for the answer also moves the request's body.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::header::HeaderName;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tonic::client::GrpcService;

use super::details::Details;
use super::framing::{Framing, Keep, PREFIX_LEN, marked_as_packed, with_prefix};
use super::outgoing::SendLog;
use super::refusal::{self, Refusal};
use super::retry::Pushback;
use super::status;
use crate::clock::{Clock, Nanos};
use crate::driver::http2::{Error, RecvStream, SendStream, Sender, Tap, Times};
use crate::expression::ExpressionError;
use crate::outcome::Failure;
use crate::workload::Receipt;

/// Why a stream did not end well.
#[derive(Debug, Clone)]
pub(super) struct StreamError {
    /// Its class.
    pub(super) failure: Failure,
    /// An example for people.
    pub(super) detail: String,
    /// Who answered, where it said so in the head that was refused.
    pub(super) backend: Option<HeaderValue>,
    /// What the server says of another attempt.
    pub(super) pushback: Pushback,
    /// No server has looked at the request.
    pub(super) untouched: bool,
    /// The server has ended the stream all the same, with whatever status.
    pub(super) ended: bool,
}

impl StreamError {
    /// Of what came in good order and is not what it should be.
    pub(super) fn new(failure: Failure, detail: String) -> Self {
        Self {
            failure,
            detail,
            backend: None,
            pushback: Pushback::Unsaid,
            untouched: false,
            ended: false,
        }
    }

    pub(super) fn protocol(detail: &str) -> Self {
        Self::new(Failure::Protocol, detail.to_owned())
    }

    /// Of a message of ours that cannot be made.
    pub(super) fn of_expression(error: &ExpressionError) -> Self {
        Self::new(Failure::Expression, error.to_string())
    }

    /// Of a reply that came in good order and says what it should not.
    pub(super) fn of_reply((failure, detail): (Failure, String)) -> Self {
        Self::new(failure, detail)
    }

    fn of_http2(error: &Error) -> Self {
        Self {
            untouched: error.is_untouched(),
            ..Self::new(error.failure(), error.to_string())
        }
    }

    fn unsent(error: &Error) -> Self {
        Self {
            failure: Failure::Connection,
            untouched: true,
            ..Self::of_http2(error)
        }
    }

    fn of_status(failure: Failure, headers: &HeaderMap, details: &Details) -> Self {
        Self {
            ended: true,
            ..Self::new(failure, details.explain(headers))
        }
    }

    /// The error behind a tonic status; one of tonic's own is about an answer it cannot read.
    pub(super) fn behind(status: &tonic::Status) -> Self {
        std::error::Error::source(status)
            .and_then(|source| source.downcast_ref::<Self>())
            .cloned()
            .unwrap_or_else(|| Self::protocol(status.message()))
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for StreamError {}

impl From<Error> for StreamError {
    fn from(error: Error) -> Self {
        Self::of_http2(&error)
    }
}

/// One call's way to its connection.
pub(super) struct StreamService {
    pub(super) sender: Sender,
    /// The request has one message, which can carry the stream's end.
    pub(super) sends_one: bool,
    pub(super) passage: Rc<Passage>,
    pub(super) taking: Taking,
    /// The field of an answer's head that says whose it is, where it is one.
    pub(super) identity: Option<HeaderName>,
    /// Whether what is sent is compressed already.
    pub(super) is_packed: bool,
    /// What is known of what a failed status says.
    pub(super) details: Arc<Details>,
    /// Who is told when the other side's window has room again.
    pub(super) log: SendLog,
    pub(super) clock: Clock,
}

/// What is taken of an answer's messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    /// The longest message, compressed or not.
    pub(super) max_message: u32,
    /// Whether their contents are handed on. Where they are not, whoever reads gets each message
    /// as one without contents, and nothing of it is held.
    pub(super) contents: bool,
}

/// What a stream's reader asks about when its frames left and came.
pub(super) struct Passage {
    tap: Rc<Tap>,
    /// The stream's number, once it is open; never 0 then.
    stream: Cell<u32>,
    /// Whether it is asked when pieces left, and not only when they came.
    asks_sent: bool,
    /// Bytes of the answer that its reader was handed. Counted by the body, which must be `Send`.
    received: Arc<AtomicU64>,
}

impl Passage {
    pub(super) fn new(tap: &Rc<Tap>, asks_sent: bool) -> Rc<Self> {
        Rc::new(Self {
            tap: Rc::clone(tap),
            asks_sent,
            stream: Cell::new(0),
            received: Arc::default(),
        })
    }

    fn opened(&self, stream: u32) {
        self.stream.set(stream);
        self.tap.watch_data(stream, self.asks_sent);
    }

    /// When the kernel received the last piece that was handed to the reader.
    pub(super) fn received(&self) -> Option<Receipt> {
        let bytes = self.received.load(Ordering::Relaxed);
        self.tap.received_up_to(self.stream.get(), bytes)
    }

    /// When the piece left that brought what was sent up to so many bytes. Known where that is asked.
    pub(super) fn sent_at(&self, bytes: u64) -> Option<Nanos> {
        self.tap.sent_up_to(self.stream.get(), bytes)
    }

    /// Just before the write in which the kernel took the request's last byte, or the stream's first
    /// data where there is more to come.
    pub(super) fn began_at(&self) -> Option<Nanos> {
        self.tap.began_at(self.stream.get())
    }

    /// When the stream's frames left and came. Nothing is known of it afterwards.
    pub(super) fn take(&self) -> Times {
        self.tap.take(self.stream.replace(0))
    }
}

impl GrpcService<tonic::body::Body> for StreamService {
    type ResponseBody = ReplyBody;
    type Error = StreamError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ReplyBody>, StreamError>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.sender
            .poll_ready(cx)
            .map_err(|error| StreamError::unsent(&error))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        let opened = self
            .sender
            .send_once(Request::from_parts(head, ()))
            .map_err(|error| StreamError::unsent(&error));
        if let Ok((_, stream)) = &opened {
            self.passage.opened(stream.id());
        }
        let (sends_one, is_packed) = (self.sends_one, self.is_packed);
        let details = Arc::clone(&self.details);
        let received = Arc::clone(&self.passage.received);
        let (taking, identity) = (self.taking, self.identity.clone());
        let (log, clock) = (self.log.clone(), self.clock);
        Box::pin(async move {
            let (mut response, stream) = opened?;
            let mut outward = Outward {
                body: Some(body),
                stream,
                sends_one,
                is_packed,
                is_held: false,
                log,
                clock,
            };
            let response = poll_fn(|cx| {
                outward.advance(cx);
                Pin::new(&mut response).poll(cx)
            })
            .await?;
            accept(response, outward, received, (taking, identity), details).await
        })
    }
}

/// Lets an answer in whose head is gRPC's and says nothing bad.
async fn accept(
    (mut head, mut stream): (Parts, RecvStream),
    outward: Outward,
    received: Arc<AtomicU64>,
    (taking, identity): (Taking, Option<HeaderName>),
    details: Arc<Details>,
) -> Result<Response<ReplyBody>, StreamError> {
    let named = identity.and_then(|name| head.headers.get(name).cloned());
    let refuse = |failure, detail, ended| StreamError {
        backend: named,
        pushback: Pushback::of(&head.headers),
        ended,
        ..StreamError::new(failure, detail)
    };
    if let Err(failure) = status::check_head(head.status, &head.headers) {
        let Refusal { failure, detail } =
            refusal::of(failure, (head.status, &head.headers), &mut stream).await;
        let detail = detail + &details.shown(&head.headers);
        return Err(refuse(failure, detail, stream.is_end_stream()));
    }
    let has_status = match status::check(&head.headers) {
        Some(Err(failure)) => {
            let detail = details.explain(&head.headers);
            return Err(refuse(failure, detail, stream.is_end_stream()));
        }
        Some(Ok(())) => true,
        None => false,
    };
    // What is handed on is unpacked.
    let encoding = head.headers.remove(&GRPC_ENCODING);
    let body = ReplyBody {
        stream,
        outward,
        has_status,
        encoding: encoding
            .map(|name| (GRPC_ENCODING, name))
            .into_iter()
            .collect(),
        framing: Framing::up_to(taking.max_message),
        kept: Kept {
            contents: taking.contents,
            ..Kept::default()
        },
        received,
        details,
        is_over: false,
    };
    Ok(Response::from_parts(head, body))
}

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// A request's body on its way out.
struct Outward {
    /// `None` once all of it is out.
    body: Option<tonic::body::Body>,
    stream: SendStream,
    sends_one: bool,
    is_packed: bool,
    /// Whether the other side's window has no room for the next piece.
    is_held: bool,
    log: SendLog,
    clock: Clock,
}

impl Outward {
    /// Moves what can be moved. Errors are left to the answer's side, which knows them better.
    fn advance(&mut self, cx: &mut Context<'_>) {
        while let Some(mut body) = self.body.take() {
            match self.step(&mut body, cx) {
                Poll::Pending => {
                    self.body = Some(body);
                    return;
                }
                Poll::Ready(Ok(true)) => self.body = Some(body),
                Poll::Ready(Ok(false) | Err(_)) => {}
            }
        }
    }

    /// Moves one piece. Whether there may be more.
    fn step(
        &mut self,
        body: &mut tonic::body::Body,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        // The next piece is made when there is room for it, so that what a slow reader has not
        // taken waits here and not in HTTP/2's buffers.
        let polled = self.stream.poll_room(cx);
        self.is_held |= polled.is_pending();
        if !ready!(polled)? {
            return Poll::Ready(Ok(false));
        }
        if std::mem::take(&mut self.is_held) {
            self.log.has_window(self.clock.now());
        }
        let stream = &mut self.stream;
        match ready!(Pin::new(body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    let piece = data.copy_to_bytes(data.remaining());
                    // tonic hands over whole messages, and knows only of what it has compressed.
                    let piece = match self.is_packed {
                        true => marked_as_packed(piece),
                        false => piece,
                    };
                    stream.send(piece, self.sends_one)?;
                    Poll::Ready(Ok(!self.sends_one))
                }
                Err(_) => Poll::Ready(Ok(true)),
            },
            Some(Err(_)) => {
                stream.cancel();
                Poll::Ready(Ok(false))
            }
            None => {
                stream.send(Bytes::new(), true)?;
                Poll::Ready(Ok(false))
            }
        }
    }
}

/// An answer's body on its way in. Dropping it before its end resets the stream.
pub(super) struct ReplyBody {
    stream: RecvStream,
    outward: Outward,
    /// The head carried the status already.
    has_status: bool,
    /// The part of the head that says how messages are compressed.
    encoding: HeaderMap,
    /// tonic takes a stream that ends with OK in the middle of a message for a good one, makes room
    /// for whatever length a message claims, and unpacks without bounds.
    framing: Framing,
    kept: Kept,
    received: Arc<AtomicU64>,
    details: Arc<Details>,
    is_over: bool,
}

/// The messages that came and were not handed on.
#[derive(Debug, Default)]
struct Kept {
    /// Whether their contents are.
    contents: bool,
    current: Vec<u8>,
    complete: BytesMut,
}

/// Prefixes of messages without contents, some more than fit into a frame.
static EMPTY_MESSAGES: [u8; 20 << 10] = [0; 20 << 10];

impl Kept {
    /// What came, `count` messages.
    fn take(&mut self, count: u64) -> Bytes {
        if self.contents {
            return self.complete.split().freeze();
        }
        let len = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(PREFIX_LEN);
        EMPTY_MESSAGES
            .get(..len)
            .map_or_else(|| vec![0; len].into(), Bytes::from_static)
    }
}

impl Keep for Kept {
    #[inline]
    fn piece(&mut self, piece: &[u8]) {
        if self.contents {
            self.current.extend_from_slice(piece);
        }
    }

    #[inline]
    fn end(&mut self) {
        // No longer than what may be taken, which the prefix can say.
        if self.contents
            && let Some(framed) = with_prefix(false, &std::mem::take(&mut self.current))
        {
            self.complete.extend_from_slice(&framed);
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        this.outward.advance(cx);
        loop {
            if let Some(problem) = this.framing.problem() {
                this.is_over = true;
                let error = StreamError::protocol(&problem.to_string());
                return Poll::Ready(Some(Err(error)));
            }
            let Some(piece) = ready!(this.stream.poll_data(cx)) else {
                break;
            };
            let piece = piece?;
            let before = this.framing.messages();
            this.framing.push(&piece, &this.encoding, &mut this.kept);
            let len = piece.len() as u64;
            this.received.fetch_add(len, Ordering::Relaxed);
            this.stream.release(piece.len())?;
            let came = this.framing.messages() - before;
            if came > 0 {
                return Poll::Ready(Some(Ok(Frame::data(this.kept.take(came)))));
            }
        }
        let trailers = ready!(this.stream.poll_trailers(cx))?;
        this.is_over = true;
        let last = trailers.unwrap_or_default();
        let verdict = match status::check(&last) {
            None if this.has_status => Ok(()),
            None => Err(Failure::Protocol),
            Some(verdict) => verdict,
        };
        Poll::Ready(match verdict {
            Err(failure) => Some(Err(StreamError::of_status(failure, &last, &this.details))),
            Ok(()) if !this.framing.is_between_messages() => Some(Err(StreamError {
                ended: true,
                ..StreamError::protocol("the answer ends in the middle of a message")
            })),
            Ok(()) => (!last.is_empty()).then(|| Ok(Frame::trailers(last))),
        })
    }
}
