//! HTTP/2 as the library `h2` speaks it.
//!
//! Owns the library: nothing else names it. What it is told to do is here, what it needs to be used right,
//! and the translation of its errors. Each type wraps one of the library's and adds nothing to it
//! that would cost.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{self, Builder, SendRequest};
use h2::{Ping, PingPong, Reason};
use http::response::Parts;
use http::uri::Authority;
use http::{HeaderMap, Request};

use super::super::error::{Code, Error, MOST_HEAD_BYTES};
use super::super::tap::Tap;
use super::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES, told};
use crate::driver::transport::inspected::Inspected;

/// Bytes of an answer that may wait before the server is told that they were read. What is left
/// at the end is given back by dropping the stream, which a small answer then saves a lock.
pub(crate) const RELEASE_AFTER_BYTES: usize = 1 << 16;
/// Streams whose time was up are remembered this long and up to this many, because a server that
/// answers late must not be taken for one that breaks the protocol.
const REMEMBER_RESET_STREAMS: usize = 1 << 16;
const REMEMBER_RESET_STREAMS_FOR: Duration = Duration::from_secs(60);
/// Many small messages on one connection are what a load test is about, not an attack.
const SMALL_FRAMES_BUDGET_BYTES: usize = 256 << 20;

/// Begins to speak. The server's settings have not come yet.
pub(in super::super) async fn handshake(
    transport: Inspected<Tap>,
) -> Result<(Sender, Mover, Option<Pings>), Error> {
    let (sender, mut connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(MOST_HEAD_BYTES)
        .max_concurrent_reset_streams(REMEMBER_RESET_STREAMS)
        .reset_stream_duration(REMEMBER_RESET_STREAMS_FOR)
        .max_local_error_reset_streams(None)
        .data_frame_budget(SMALL_FRAMES_BUDGET_BYTES)
        .enable_push(false)
        .handshake(transport)
        .await?;
    let pings = connection.ping_pong().map(Pings);
    let sender = Sender {
        requests: sender,
        told: None,
    };
    Ok((sender, Mover(connection), pings))
}

/// What moves a connection's bytes, in both directions, when it is polled. Ready when the connection
/// has ended.
pub(crate) struct Mover(client::Connection<Inspected<Tap>, Bytes>);

impl Future for Mover {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(Error::from)
    }
}

/// Where streams are opened. What is handed over leaves when the connection moves.
#[derive(Clone)]
pub(crate) struct Sender {
    requests: SendRequest<Bytes>,
    /// Whom requests are told that they are for, where it is somebody else than they say.
    told: Option<Authority>,
}

impl Sender {
    /// The same, whose requests are told that they are for this one.
    pub(in super::super) fn telling(self, told: Option<Authority>) -> Self {
        Self { told, ..self }
    }

    /// Opens a stream, on which nothing more is sent where the request is whole. An error means that
    /// nothing was sent.
    #[inline]
    pub(in super::super) fn send(
        &mut self,
        request: impl Fn() -> Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        let first = told(request(), self.told.as_ref());
        match self.requests.send_request(first, is_whole) {
            Ok((response, stream)) => Ok((ResponseFuture(response), SendStream(stream))),
            Err(error) if error.is_io() || error.is_go_away() => Err(error.into()),
            // The handle still holds a stream that has not gone out yet and refuses another one.
            // A fresh handle holds none; how many streams there may be is counted by who sends.
            Err(_) => {
                let fresh = self.clone();
                *self = fresh;
                let again = told(request(), self.told.as_ref());
                let (response, stream) = self.requests.send_request(again, is_whole)?;
                Ok((ResponseFuture(response), SendStream(stream)))
            }
        }
    }

    /// Opens a stream once [`Self::poll_ready`] was. An error means that nothing was sent.
    #[inline]
    pub(crate) fn send_once(
        &mut self,
        request: Request<()>,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        let request = told(request, self.told.as_ref());
        let (response, stream) = self.requests.send_request(request, false)?;
        Ok((ResponseFuture(response), SendStream(stream)))
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.requests.poll_ready(cx).map_err(Error::from)
    }

    /// Why no stream can be opened any more, once that is so.
    pub(in super::super) fn farewell(&mut self) -> Option<Error> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.requests.poll_ready(&mut cx) {
            Poll::Ready(Err(error)) => Some(error.into()),
            _ => None,
        }
    }

    /// How many streams the server allows at a time.
    pub(in super::super) fn most_streams(&self) -> usize {
        self.requests.current_max_send_streams()
    }
}

/// The head of an answer that is to come, and the way to its body.
pub(crate) struct ResponseFuture(client::ResponseFuture);

impl Future for ResponseFuture {
    type Output = Result<(Parts, RecvStream), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (head, body) = ready!(Pin::new(&mut self.0).poll(cx))?.into_parts();
        Poll::Ready(Ok((head, RecvStream(body))))
    }
}

/// A stream's way out.
pub(crate) struct SendStream(h2::SendStream<Bytes>);

impl SendStream {
    /// The stream's number.
    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.0.stream_id().as_u32()
    }

    /// Hands over a piece of the body, maybe its last one. What the other side has no room for waits.
    #[inline]
    pub(crate) fn send(&mut self, piece: Bytes, is_last: bool) -> Result<(), Error> {
        Ok(self.0.send_data(piece, is_last)?)
    }

    /// Waits until the other side has room for a piece, at the least for a part of it. `false` where
    /// the stream has ended and will have none.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.0.reserve_capacity(1);
        while self.0.capacity() == 0 {
            match ready!(self.0.poll_capacity(cx)) {
                Some(result) => result?,
                None => return Poll::Ready(Ok(false)),
            };
        }
        Poll::Ready(Ok(true))
    }

    /// Gives the stream up.
    #[inline]
    pub(crate) fn cancel(&mut self) {
        self.0.send_reset(Reason::CANCEL);
    }
}

/// A stream's way in. Dropping it before its end gives the stream up.
pub(crate) struct RecvStream(h2::RecvStream);

impl RecvStream {
    #[inline]
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.0
            .poll_data(cx)
            .map(|piece| piece.map(|piece| piece.map_err(Error::from)))
    }

    #[inline]
    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Error>> {
        self.0.poll_trailers(cx).map_err(Error::from)
    }

    /// Tells the server that so much was read, which makes room for more.
    #[inline]
    pub(crate) fn release(&mut self, bytes: usize) -> Result<(), Error> {
        Ok(self.0.flow_control().release_capacity(bytes)?)
    }

    /// Whether nothing more comes.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// Questions whether the other side is there, one at a time.
pub(crate) struct Pings(PingPong);

impl Pings {
    pub(in super::super) fn send(&mut self) -> Result<(), Error> {
        Ok(self.0.send_ping(Ping::opaque())?)
    }

    /// Ready when the last one was answered. An error is the connection's.
    pub(in super::super) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.0
            .poll_pong(cx)
            .map(|pong| pong.map(drop))
            .map_err(Error::from)
    }
}

impl From<h2::Error> for Error {
    #[cold]
    fn from(error: h2::Error) -> Self {
        let is_bad = error.is_library();
        let code = error.reason().map(|reason| Code(u32::from(reason)));
        match code {
            Some(code) if error.is_go_away() && error.is_remote() => Self::GoAway {
                code,
                said: said(&error),
            },
            Some(code) if error.is_go_away() && is_bad => Self::BadConnection {
                code,
                said: said(&error),
            },
            Some(code) if error.is_reset() && error.is_remote() => Self::Reset(code),
            Some(code) if is_bad => Self::BadStream(code),
            _ if error.is_io() => error.into_io().map_or_else(
                || Self::Own("the connection broke".to_owned()),
                Self::Broken,
            ),
            _ => Self::Own(error.to_string()),
        }
    }
}

/// What a GOAWAY says, which can be had in no other way.
fn said(error: &h2::Error) -> String {
    let text = error.to_string();
    let said = text
        .split_once(" (b\"")
        .and_then(|(_, said)| said.strip_suffix("\")"));
    said.unwrap_or_default().to_owned()
}
