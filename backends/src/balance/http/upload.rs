//! A request's body on its way to a backend, and what becomes of it when the backend does not take it.
//!
//! Owns whether a request can be tried again: as long as nothing of its body was handed over, the body goes
//! back to where the next attempt finds it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::balance::endpoint::Endpoint;

/// A request's body across all attempts.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is while no attempt has it.
    body: Mutex<Option<Incoming>>,
    is_empty: bool,
    most: Option<u64>,
    patience: Duration,
    state: Mutex<State>,
    /// Whether an answer has begun.
    answered: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// When it last got on.
    moved: Instant,
    /// Whether it is the client that is waited for.
    waits_for_client: bool,
    fault: Option<Fault>,
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
            body: Mutex::new(Some(body)),
            most,
            patience,
            state: Mutex::new(State {
                moved: Instant::now(),
                waits_for_client: false,
                fault: None,
            }),
            answered: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn body(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is longer than it may be, as far as that is said beforehand.
    pub(super) fn is_too_large(&self) -> bool {
        let least = self.body().as_ref().map_or(0, |it| it.size_hint().lower());
        self.most.is_some_and(|most| least > most)
    }

    /// Whether another attempt would have all of it.
    pub(super) fn is_whole(&self) -> bool {
        self.is_empty || self.body().is_some()
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

    /// The answer has begun: client and backend talk, and may take their time.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }
}

/// The body of one attempt.
pub(super) struct Upload {
    source: Arc<Source>,
    endpoint: Arc<Endpoint>,
    body: Option<Incoming>,
    handed: u64,
    begun: bool,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    pub(super) fn new(source: &Arc<Source>, endpoint: &Arc<Endpoint>) -> Self {
        Self {
            body: if source.is_empty {
                None
            } else {
                source.body().take()
            },
            source: Arc::clone(source),
            endpoint: Arc::clone(endpoint),
            handed: 0,
            begun: false,
            waiting: None,
        }
    }

    fn fails(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.begun = true;
        self.source.state().fault = Some(fault);
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_client(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.source.answered.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let patience = self.source.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) if self.source.answered.load(Ordering::Relaxed) => Poll::Pending,
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
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        {
            let mut state = this.source.state();
            state.waits_for_client = polled.is_pending();
            if polled.is_ready() {
                state.moved = Instant::now();
            }
        }
        match polled {
            Poll::Pending => this.poll_client(context),
            Poll::Ready(Some(Err(_))) => this.fails(Fault::Gone),
            Poll::Ready(Some(Ok(frame))) => {
                this.begun = true;
                this.waiting = None;
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.handed += length;
                if this.source.most.is_some_and(|most| this.handed > most) {
                    return this.fails(Fault::TooLarge);
                }
                this.endpoint.sent(length);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.begun = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// What was not begun is there for the next attempt.
impl Drop for Upload {
    fn drop(&mut self) {
        if !self.begun
            && let Some(body) = self.body.take()
        {
            *self.source.body() = Some(body);
            self.source.state().waits_for_client = false;
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("handed", &self.handed)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}
