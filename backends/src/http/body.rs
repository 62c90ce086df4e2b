//! An answer's body, as hyper takes it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::serve::activity::{Answered, Handling};

use super::events::Events;

/// What an answer has to say.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it is there.
    Whole(Bytes),
    /// It comes bit by bit.
    Events(Box<Events>),
}

/// An answer's body, up to its end.
#[derive(Debug)]
pub(super) struct Answer {
    content: Content,
    /// Over when all of it is handed over.
    handling: Option<Handling>,
}

impl Answer {
    pub(super) fn new(content: Content, handling: Option<Handling>) -> Self {
        Self { content, handling }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(std::mem::take(bytes)),
            Content::Events(events) => ready!(events.poll_next(context)),
        };
        if self.is_end_stream()
            && let Some(handling) = self.handling.take()
        {
            handling.over(Answered::Well);
        }
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Events(events) => events.are_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Events(_) => SizeHint::default(),
        }
    }
}
