//! Who speaks HTTP/2 on a connection: the library `h2`, or loadgen's own state machine.
//!
//! Owns the choice, which is made for each connection when it is opened, and what of it others see. The library
//! does all there is; the state machine makes calls whose message is at hand.

pub(super) mod direct;
pub(super) mod library;

use std::num::NonZeroU8;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode, Uri};

use super::error::Error;
use super::machine::{Block, Constant};
use super::tap::{Tap, Times};
use crate::driver::transport::inspected::Inspected;
use crate::driver::transport::net::Transport;
use crate::driver::transport::traffic::Traffic;
use crate::scenario::Codec;

/// What a server may send on one stream before we have read it. Fixed: windows that adapt grow
/// with the latency they cause.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Begins to speak. The server's settings have not come yet.
pub(super) async fn handshake(
    codec: Codec,
    transport: Transport,
    traffic: &Rc<Traffic>,
    tap: &Rc<Tap>,
    told: Option<Authority>,
) -> Result<(Sender, Mover, Option<Pings>), Error> {
    Ok(match codec {
        Codec::H2 => {
            let transport = Inspected::new(transport, tap);
            let (sender, mover, pings) = library::handshake(transport).await?;
            (
                Sender::Library(sender.telling(told)),
                Mover::Library(Box::new(mover)),
                pings.map(Pings::Library),
            )
        }
        Codec::Own => {
            let (sender, mover, pings) = direct::begin(transport, traffic, tap, told);
            (
                Sender::Direct(sender),
                Mover::Direct(mover),
                Some(Pings::Direct(pings)),
            )
        }
    })
}

/// A request as it is sent: to whom it is told that it is for.
fn told(mut request: Request<()>, told: Option<&Authority>) -> Request<()> {
    if let Some(told) = told {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.authority = Some(told.clone());
        // One that had an authority before has one after.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
    request
}

/// What moves a connection's bytes, in both directions, when it is polled. Ready when the connection
/// has ended.
pub(crate) enum Mover {
    Library(Box<library::Mover>),
    Direct(direct::Mover),
}

impl Future for Mover {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Library(mover) => Pin::new(mover).poll(cx),
            Self::Direct(mover) => Pin::new(mover).poll(cx),
        }
    }
}

/// Where streams are opened. What is handed over leaves when the connection moves.
pub(crate) enum Sender {
    Library(library::Sender),
    Direct(direct::Sender),
}

impl Sender {
    /// The library, for what only it can do.
    ///
    /// # Errors
    /// That the connection does not speak through it.
    pub(crate) fn library(&mut self) -> Result<&mut library::Sender, Error> {
        match self {
            Self::Library(sender) => Ok(sender),
            Self::Direct(_) => Err(Error::Own(
                "a connection through loadgen's own codec takes unary calls only".to_owned(),
            )),
        }
    }

    /// Opens a stream for a request whose message follows in one piece. An error means that nothing was sent.
    #[inline]
    pub(super) fn call(
        &mut self,
        constant: Option<Constant>,
        request: impl Fn() -> Request<()>,
    ) -> Result<Call, Error> {
        match self {
            Self::Library(sender) => {
                let (response, stream) = sender.send(request, false)?;
                Ok(Call::Library {
                    stream,
                    answer: Answer::Head(response),
                })
            }
            Self::Direct(sender) => sender.call(constant, request).map(Call::Direct),
        }
    }

    /// Why no stream can be opened any more, once that is so.
    pub(super) fn farewell(&mut self) -> Option<Error> {
        match self {
            Self::Library(sender) => sender.farewell(),
            Self::Direct(sender) => sender.farewell(),
        }
    }

    /// How many streams the server allows at a time.
    pub(super) fn most_streams(&self) -> usize {
        match self {
            Self::Library(sender) => sender.most_streams(),
            Self::Direct(sender) => sender.most_streams(),
        }
    }
}

/// A request whose message is at hand, and its answer. Dropping it before its end gives it up.
pub(crate) enum Call {
    Library {
        stream: library::SendStream,
        answer: Answer,
    },
    Direct(direct::Call),
}

/// How far an answer is read.
pub(crate) enum Answer {
    Head(library::ResponseFuture),
    Body(library::RecvStream),
}

/// An answer's head, or its trailers.
#[derive(Debug)]
pub(crate) enum Head {
    Made(StatusCode, HeaderMap),
    /// One that others may have, too.
    Shared(Rc<Block>),
}

impl Head {
    /// The status; that of trailers says nothing.
    #[inline]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Made(status, _) => *status,
            Self::Shared(block) => block.status.unwrap_or_default(),
        }
    }

    /// The fields.
    #[inline]
    pub(crate) fn fields(&self) -> &HeaderMap {
        match self {
            Self::Made(_, fields) => fields,
            Self::Shared(block) => &block.fields,
        }
    }

    /// What `judge` makes of it; of one that others have had, what it made of it then.
    #[inline]
    pub(crate) fn judged(
        &self,
        judge: impl FnOnce(StatusCode, &HeaderMap) -> NonZeroU8,
    ) -> NonZeroU8 {
        match self {
            Self::Made(status, fields) => judge(*status, fields),
            Self::Shared(block) => block.note.get().unwrap_or_else(|| {
                let note = judge(self.status(), &block.fields);
                block.note.set(Some(note));
                note
            }),
        }
    }
}

impl Call {
    /// Hands over the message, with which the request ends. What the other side has no room for waits.
    #[inline]
    pub(crate) fn send(&mut self, message: &Bytes) -> Result<(), Error> {
        match self {
            Self::Library { stream, .. } => stream.send(message.clone(), true),
            Self::Direct(call) => {
                call.send(message);
                Ok(())
            }
        }
    }

    /// The answer's head, which comes once.
    #[inline]
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        match self {
            Self::Library { answer, .. } => {
                let Answer::Head(response) = answer else {
                    unreachable!("a head comes once");
                };
                Pin::new(response).poll(cx).map_ok(|(head, body)| {
                    *answer = Answer::Body(body);
                    Head::Made(head.status, head.headers)
                })
            }
            Self::Direct(call) => call.poll_head(cx).map_ok(Head::Shared),
        }
    }

    /// Gives it up. Our own code takes it for given up once it is dropped; the library does not always, as the
    /// connection's shared handle may still hold the stream.
    #[inline]
    pub(crate) fn cancel(&mut self) {
        if let Self::Library { stream, .. } = self {
            stream.cancel();
        }
    }

    /// Whether somebody else has to see when its frames leave and come.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        matches!(self, Self::Library { .. })
    }

    /// The stream's number.
    #[inline]
    pub(super) fn id(&self) -> u32 {
        match self {
            Self::Library { stream, .. } => stream.id(),
            Self::Direct(call) => call.id(),
        }
    }

    /// When its frames left and came, where the codec knows that itself.
    #[inline]
    pub(super) fn times(&self) -> Option<Times> {
        match self {
            Self::Library { .. } => None,
            Self::Direct(call) => Some(call.times()),
        }
    }
}

#[inline]
fn body(answer: &mut Answer) -> &mut library::RecvStream {
    match answer {
        Answer::Body(body) => body,
        Answer::Head(_) => unreachable!("a body comes behind its head"),
    }
}

/// What of an answer comes behind its head.
pub(crate) trait Incoming {
    /// Shows the next piece of the body to `read`, and says how long it was; `None` where none comes.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&[u8]),
    ) -> Poll<Option<Result<usize, Error>>>;

    /// The trailers, where there are any.
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Head>, Error>>;

    /// Tells the server that so much was read, which makes room for more.
    fn release(&mut self, bytes: usize) -> Result<(), Error>;

    /// Whether nothing more comes.
    fn is_at_end(&self) -> bool;
}

impl Incoming for library::RecvStream {
    #[inline]
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&[u8]),
    ) -> Poll<Option<Result<usize, Error>>> {
        Self::poll_data(self, cx).map_ok(|piece| {
            read(&piece);
            piece.len()
        })
    }

    #[inline]
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Head>, Error>> {
        let trailers = Self::poll_trailers(self, cx);
        trailers.map_ok(|it| it.map(|fields| Head::Made(StatusCode::default(), fields)))
    }

    #[inline]
    fn release(&mut self, bytes: usize) -> Result<(), Error> {
        Self::release(self, bytes)
    }

    fn is_at_end(&self) -> bool {
        self.is_end_stream()
    }
}

impl Incoming for Call {
    #[inline]
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&[u8]),
    ) -> Poll<Option<Result<usize, Error>>> {
        match self {
            Self::Library { answer, .. } => Incoming::poll_data(body(answer), cx, read),
            Self::Direct(call) => call.poll_data(cx, read),
        }
    }

    #[inline]
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Head>, Error>> {
        match self {
            Self::Library { answer, .. } => Incoming::poll_trailers(body(answer), cx),
            Self::Direct(call) => call.poll_trailers(cx).map_ok(|it| it.map(Head::Shared)),
        }
    }

    /// Through our own codec the server is told by whoever reads.
    #[inline]
    fn release(&mut self, bytes: usize) -> Result<(), Error> {
        match self {
            Self::Library { answer, .. } => body(answer).release(bytes),
            Self::Direct(_) => Ok(()),
        }
    }

    fn is_at_end(&self) -> bool {
        match self {
            Self::Library { answer, .. } => match answer {
                Answer::Head(_) => false,
                Answer::Body(body) => body.is_at_end(),
            },
            Self::Direct(call) => call.is_at_end(),
        }
    }
}

/// Questions whether the other side is there, one at a time.
pub(super) enum Pings {
    Library(library::Pings),
    Direct(direct::Pings),
}

impl Pings {
    pub(super) fn send(&mut self) -> Result<(), Error> {
        match self {
            Self::Library(pings) => pings.send(),
            Self::Direct(pings) => {
                pings.send();
                Ok(())
            }
        }
    }

    /// Ready when the last one was answered. An error is the connection's.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::Library(pings) => pings.poll_answer(cx),
            Self::Direct(pings) => pings.poll_answer(cx).map(Ok),
        }
    }
}
