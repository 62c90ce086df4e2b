//! A request's body on its way to a backend, and what becomes of it when the backend does not take it.
//!
//! Owns whether a request can be tried again: as long as nothing of its body was handed over, the next attempt
//! finds all of it. And it owns how long a body is waited for: by each attempt until an answer begins, and once
//! the answer has ended by whoever sees to the [`Source::rest`].

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::Notify;
use tokio::time::{self, Instant, Sleep};

use super::kept::Stream;
use crate::balance::endpoint::Endpoint;

/// A request's body across all attempts.
#[derive(Debug)]
pub(super) struct Source {
    is_empty: bool,
    most: Option<u64>,
    patience: Duration,
    state: Mutex<State>,
    /// Told when there is nothing left to send.
    over: Notify,
}

#[derive(Debug)]
struct State {
    /// None when nobody is to read it any more.
    body: Option<Incoming>,
    /// Whether an attempt has it.
    is_claimed: bool,
    /// Whether some of it was handed over, and whether all.
    is_begun: bool,
    is_ended: bool,
    /// When it last got on.
    moved: Instant,
    /// Whether it is the client that is waited for, and who does so.
    waits_for_client: bool,
    waits: Option<Waker>,
    fault: Option<Fault>,
    /// Whether an answer has begun.
    is_answered: bool,
}

/// What a client did wrong with its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the body is longer than it may be")]
    TooLarge,
    #[error("the client stopped sending")]
    Slow,
    #[error("the client went, or sent nonsense")]
    Gone,
}

impl Source {
    pub(super) fn new(body: Incoming, most: Option<u64>, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            is_empty: body.is_end_stream(),
            most,
            patience,
            state: Mutex::new(State {
                body: Some(body),
                is_claimed: false,
                is_begun: false,
                is_ended: false,
                moved: Instant::now(),
                waits_for_client: false,
                waits: None,
                fault: None,
                is_answered: false,
            }),
            over: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is longer than it may be, as far as that is said beforehand.
    pub(super) fn is_too_large(&self) -> bool {
        let state = self.state();
        let least = state.body.as_ref().map_or(0, |it| it.size_hint().lower());
        self.most.is_some_and(|most| least > most)
    }

    /// Whether another attempt would have all of it.
    pub(super) fn is_whole(&self) -> bool {
        let state = self.state();
        self.is_empty || !(state.is_claimed || state.is_begun)
    }

    /// What the client did wrong, if it did.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.state().fault
    }

    /// An attempt begins, or the answer: from then on one is waited for anew.
    pub(super) fn touch(&self) {
        self.state().moved = Instant::now();
    }

    /// Since when it is the backend that is waited for; none while it is the client.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        (!state.waits_for_client).then_some(state.moved)
    }

    /// The answer has begun: client and backend talk, and may take their time. No other attempt will have a body
    /// that was let go by then.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.is_answered = true;
        if !state.is_claimed {
            state.body = None;
            drop(state);
            self.over.notify_one();
        }
    }

    /// Whether there is nothing left to send.
    pub(super) fn is_over(&self) -> bool {
        self.is_empty || self.state().is_over()
    }

    /// Nobody is to read it any more, whoever has it.
    pub(super) fn cut(&self, fault: Fault) {
        let mut state = self.state();
        if state.is_over() {
            return;
        }
        state.body = None;
        state.fault = Some(fault);
        let waits = state.waits.take();
        drop(state);
        if let Some(waits) = waits {
            waits.wake();
        }
    }

    /// What is left of it when the answer has ended may still come, unless it gets no further for too long: by
    /// the client's doing or the backend's. Whether it had to be cut.
    pub(super) async fn rest(&self) -> bool {
        self.touch();
        loop {
            let due = {
                let state = self.state();
                if state.is_over() {
                    return false;
                }
                state.moved + self.patience
            };
            if due <= Instant::now() {
                self.cut(Fault::Slow);
                return true;
            }
            // An end that was told before anybody asked is still heard.
            let _ = time::timeout_at(due, self.over.notified()).await;
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.is_ended || self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}

/// The body of one attempt.
pub(super) struct Upload {
    source: Arc<Source>,
    endpoint: Arc<Endpoint>,
    /// Held for as long as it may be sent, over HTTP/2.
    _stream: Option<Arc<Stream>>,
    is_empty: bool,
    handed: u64,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    pub(super) fn new(
        source: &Arc<Source>,
        endpoint: &Arc<Endpoint>,
        stream: Option<Arc<Stream>>,
    ) -> Self {
        if !source.is_empty {
            source.state().is_claimed = true;
        }
        Self {
            source: Arc::clone(source),
            endpoint: Arc::clone(endpoint),
            _stream: stream,
            is_empty: source.is_empty,
            handed: 0,
            waiting: None,
        }
    }

    fn fails(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut state = self.source.state();
        state.is_begun = true;
        state.fault = Some(fault);
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_client(
        &mut self,
        context: &mut Context<'_>,
        is_answered: bool,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if is_answered {
            return Poll::Pending;
        }
        let patience = self.source.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(time::sleep(patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => self.fails(Fault::Slow),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        if this.is_empty {
            return Poll::Ready(None);
        }
        let mut guard = this.source.state();
        let state = &mut *guard;
        if state.is_ended {
            return Poll::Ready(None);
        }
        let Some(body) = &mut state.body else {
            let fault = state.fault.unwrap_or(Fault::Gone);
            drop(guard);
            return this.fails(fault);
        };
        let polled = Pin::new(body).poll_frame(context);
        state.waits_for_client = polled.is_pending();
        if polled.is_pending() {
            state.waits = Some(context.waker().clone());
        } else {
            state.moved = Instant::now();
            state.is_begun = true;
            state.is_ended = matches!(polled, Poll::Ready(None));
        }
        let is_answered = state.is_answered;
        drop(guard);
        match polled {
            Poll::Pending => this.poll_client(context, is_answered),
            Poll::Ready(Some(Err(_))) => this.fails(Fault::Gone),
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = None;
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.handed += length;
                if this.source.most.is_some_and(|most| this.handed > most) {
                    return this.fails(Fault::TooLarge);
                }
                this.endpoint.sent(length);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty || {
            let state = self.source.state();
            // One that was cut is no end.
            state.is_ended || state.body.as_ref().is_some_and(Body::is_end_stream)
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_empty {
            return SizeHint::with_exact(0);
        }
        let state = self.source.state();
        let hint = state.body.as_ref().map(Body::size_hint);
        hint.unwrap_or_default()
    }
}

/// What was not begun is there for the next attempt. Of what was, and once there is an answer, nobody reads the rest.
impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_empty {
            return;
        }
        let mut state = self.source.state();
        state.is_claimed = false;
        state.waits_for_client = false;
        state.waits = None;
        if state.is_begun || state.is_answered {
            state.body = None;
            drop(state);
            self.source.over.notify_one();
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("handed", &self.handed)
            .finish_non_exhaustive()
    }
}
