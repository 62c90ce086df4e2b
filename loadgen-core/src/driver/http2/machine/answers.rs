//! What became of a stream, for whoever opened it.
//!
//! Owns the order in which an answer's parts are given away: what came before a failure comes before it.

use std::rc::Rc;
use std::task::{Context, Poll};

use super::blocks::Block;
use super::client::Client;
use super::fault::Fault;
use super::frame::{PROTOCOL_ERROR, WINDOW_UPDATE, put_number};
use super::stream::{Came, Stream};

impl Client {
    /// The head of a stream's answer.
    #[inline]
    pub(crate) fn poll_head(
        &mut self,
        id: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Rc<Block>, Fault>> {
        let Some(stream) = self.streams.get(id) else {
            return Poll::Ready(Err(Fault::BadStream(PROTOCOL_ERROR)));
        };
        match stream.head.take() {
            Some(head) => Poll::Ready(Ok(head)),
            // One that ends without a head is none.
            None => poll_end(stream, cx)
                .map(|end| Err(end.err().unwrap_or(Fault::BadStream(PROTOCOL_ERROR)))),
        }
    }

    /// Data that nobody has taken; `None` where no more comes. Once it was read, its room is given back with
    /// [`Self::give_back`].
    #[inline]
    pub(crate) fn poll_data(
        &mut self,
        id: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<u8>, Fault>>> {
        let Some(stream) = self.streams.get(id) else {
            return Poll::Ready(None);
        };
        if stream.data.is_empty() {
            if stream.trailers.is_some() {
                return Poll::Ready(None);
            }
            return poll_end(stream, cx).map(|end| end.err().map(Err));
        }
        let data = std::mem::take(&mut stream.data);
        let read = data.len();
        // A stream that is over has no use for room.
        if stream.came != Came::All && stream.fault.is_none() {
            stream.untold += u32::try_from(read).unwrap_or(u32::MAX);
            if stream.untold >= self.limits.stream_window / 2 {
                stream.room += i64::from(stream.untold);
                put_number(
                    &mut self.out,
                    WINDOW_UPDATE,
                    id,
                    std::mem::take(&mut stream.untold),
                );
                self.owed += 1;
            }
        }
        self.was_read(read);
        Poll::Ready(Some(Ok(data)))
    }

    /// Gives back the room of what was read.
    #[inline]
    pub(crate) fn give_back(&mut self, data: Vec<u8>) {
        self.spare.give(data);
    }

    /// The trailers; `None` where there are none.
    #[inline]
    pub(crate) fn poll_trailers(
        &mut self,
        id: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Rc<Block>>, Fault>> {
        let Some(stream) = self.streams.get(id) else {
            return Poll::Ready(Ok(None));
        };
        if !stream.data.is_empty() {
            // After that.
            stream.wakes(cx.waker());
            return Poll::Pending;
        }
        match stream.trailers.take() {
            Some(trailers) => Poll::Ready(Ok(Some(trailers))),
            None => poll_end(stream, cx).map(|end| end.map(|()| None)),
        }
    }

    /// Whether nothing more of an answer is to come or to be taken.
    pub(crate) fn is_at_end(&mut self, id: u32) -> bool {
        self.streams.get(id).is_none_or(|it| {
            let has_all = it.came == Came::All;
            has_all && it.head.is_none() && it.data.is_empty() && it.trailers.is_none()
        })
    }

    /// So much data was read, for which the server may send other.
    #[inline]
    pub(super) fn was_read(&mut self, bytes: usize) {
        self.untold += u32::try_from(bytes).unwrap_or(u32::MAX);
        if self.untold >= self.limits.connection_window / 2 {
            self.room += i64::from(self.untold);
            put_number(
                &mut self.out,
                WINDOW_UPDATE,
                0,
                std::mem::take(&mut self.untold),
            );
            self.owed += 1;
        }
    }
}

/// The end of what came, once nothing that came is left.
#[inline]
fn poll_end(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
    match &stream.fault {
        Some(fault) => Poll::Ready(Err(fault.clone())),
        None if stream.came == Came::All => Poll::Ready(Ok(())),
        None => {
            stream.wakes(cx.waker());
            Poll::Pending
        }
    }
}
