//! A stream of a client's over HTTP/2: one whose answer the client does not take is reset, and it alone.
//!
//! Owns how that is known. HTTP/2 lets a client that reads its connection leave a single stream without room, of
//! which the connection says nothing. But hyper asks for an answer's next piece once the one before has found
//! room in the client's window, and not before; so a piece that was handed over is one that the client is waited
//! for with, until the next is asked for. What would end a stream is its task's end, and that is why streams run
//! on [`Streams`].

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{self, Instant};

use super::balancer::Shared;

/// The most of an answer that is handed over at once: what a frame has room for (RFC 9113, 4.2). Of less than
/// that, nobody can see whether a client takes it.
const PIECE_BYTES: usize = 16 << 10;

tokio::task_local! {
    /// That of the stream whose task it is.
    static TAKEN: Taken;
}

/// Since when the client is waited for, if it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<Mutex<Option<Instant>>>);

impl Taken {
    fn set(&self, waits_since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waits_since;
    }

    fn waits_since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the streams of a connection, each for itself.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    /// How long a client may take nothing of an answer.
    pub(super) patience: Duration,
    pub(super) shared: Arc<Shared>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let taken = Taken::default();
        let Self { patience, shared } = self.clone();
        let watched = watched(stream, taken.clone(), patience, shared);
        tokio::spawn(TAKEN.scope(taken, watched));
    }
}

/// Runs a stream to its end, or until the client has taken nothing for too long.
async fn watched(
    stream: impl Future<Output = ()>,
    taken: Taken,
    patience: Duration,
    shared: Arc<Shared>,
) {
    let mut stream = pin!(stream);
    let mut stalled = None;
    let over = poll_fn(|context| {
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        let Some(since) = taken.waits_since() else {
            stalled = None;
            return Poll::Pending;
        };
        let due = since + patience;
        let stalled = stalled.get_or_insert_with(|| Box::pin(time::sleep_until(due)));
        if stalled.deadline() != due {
            stalled.as_mut().reset(due);
        }
        stalled.as_mut().poll(context).map(|()| true)
    });
    if over.await {
        shared.counts.stalled.one();
        // Dropped before its end, the stream is reset.
    }
}

/// An answer's body in pieces of which it is known whether they are taken.
#[derive(Debug)]
pub(super) struct Pieces<B> {
    body: B,
    /// What has come of it and is not handed over yet.
    rest: Bytes,
    taken: Taken,
}

impl<B> Pieces<B> {
    /// For the stream whose task this is.
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            // Without such a task nobody looks.
            taken: TAKEN.try_with(Taken::clone).unwrap_or_default(),
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.taken.set((length > 0).then(Instant::now));
        Frame::data(piece)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(this.piece())));
        }
        this.taken.set(None);
        let polled = ready!(Pin::new(&mut this.body).poll_frame(context));
        let Some(Ok(frame)) = polled else {
            return Poll::Ready(polled);
        };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                this.rest = data;
                this.piece()
            }
            Err(trailers) => trailers,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn a_body_comes_in_pieces_and_whole() {
        let whole = Bytes::from(vec![7; 2 * PIECE_BYTES + 1]);
        let mut pieces = Pieces::new(Full::new(whole.clone()));
        let mut lengths = Vec::new();
        while let Some(frame) = pieces.frame().await {
            assert!(pieces.taken.waits_since().is_some());
            lengths.push(frame.unwrap().into_data().unwrap().len());
            let left = whole.len() - lengths.iter().sum::<usize>();
            assert_eq!(pieces.size_hint().exact(), Some(left as u64));
            assert_eq!(pieces.is_end_stream(), left == 0);
        }
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, 1]);
        assert_eq!(pieces.taken.waits_since(), None);
    }
}
