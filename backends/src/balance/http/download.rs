//! An answer's body on its way to a client.
//!
//! Owns what its end means: a whole one frees its connection for the next request; one that breaks off is
//! passed on as broken, never as an end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::client::CutOff;
use super::forward::Way;
use super::front::Busy;
use super::services::Service;
use super::upload::{Fault, Source};
use crate::balance::endpoint::Lease;

/// What an answer has to say.
#[derive(Debug)]
pub(super) enum Answer {
    /// The balancer's own.
    Own {
        body: Bytes,
        _held: (Option<Open>, Option<Busy>),
    },
    /// A backend's.
    Passed(Box<Download>),
}

/// A request of a service that is open, until this is dropped.
#[derive(Debug)]
pub(super) struct Open {
    service: Arc<Service>,
    /// Whether its answer has begun, the balancer's own included.
    is_answered: bool,
}

impl Open {
    pub(super) fn new(service: &Arc<Service>) -> Self {
        let counts = &service.lasting.counts;
        counts.requests.one();
        counts.open.one();
        Self {
            service: Arc::clone(service),
            is_answered: false,
        }
    }

    /// Its answer begins. A client that goes before that has abandoned it.
    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }

    /// The service's name.
    pub(super) fn service(&self) -> &str {
        &self.service.settings.name
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let counts = &self.service.lasting.counts;
        counts.open.one_less();
        if !self.is_answered {
            counts.abandoned.one();
        }
    }
}

/// A backend's answer.
#[derive(Debug)]
pub(super) struct Download {
    body: Incoming,
    lease: Lease,
    open: Open,
    busy: Option<Busy>,
    /// What it comes on, and whose thread's that is.
    way: Option<Way>,
    thread: usize,
    source: Arc<Source>,
    cut_off: CutOff,
    is_over: bool,
    log: Option<Log>,
}

/// What is said of a request when it is over.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) began: Instant,
    pub(super) method: http::Method,
    pub(super) path: String,
    pub(super) status: u16,
}

impl Log {
    /// Says it.
    pub(super) fn say(&self, service: &str, backend: &str, end: &str) {
        let Self {
            method,
            path,
            status,
            ..
        } = self;
        let took = self.began.elapsed();
        tracing::debug!(%method, path, service, backend, status, ?took, end, "request");
    }
}

impl Download {
    pub(super) fn new(
        body: Incoming,
        lease: Lease,
        (open, busy): (Open, Busy),
        (way, thread): (Way, usize),
        source: Arc<Source>,
        cut_off: CutOff,
        log: Option<Log>,
    ) -> Self {
        Self {
            body,
            lease,
            open,
            busy: Some(busy),
            way: Some(way),
            thread,
            source,
            cut_off,
            is_over: false,
            log,
        }
    }

    fn over(&mut self) {
        self.is_over = true;
        self.see_to_the_rest();
        let Some(Way::One(mut sender)) = self.way.take() else {
            return;
        };
        let thread = self.thread;
        let service = Arc::clone(&self.open.service);
        let address = self.lease.endpoint().address();
        let keep = move |sender| {
            let kept = service.lasting.kept.get(thread);
            if let Some(kept) = kept {
                kept.put(address, sender, service.settings.keep_alive);
            }
        };
        if sender.is_ready() {
            keep(sender);
        } else if !sender.is_closed() {
            // The request may not have been read to its end yet.
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    keep(sender);
                }
            });
        }
    }

    /// What the client still sends, of a body that is answered, goes on to the backend: until nothing moves.
    fn see_to_the_rest(&mut self) {
        if self.source.is_over() {
            return;
        }
        let (source, busy) = (Arc::clone(&self.source), self.busy.take());
        tokio::spawn(async move {
            if source.rest().await
                && let Some(busy) = &busy
            {
                busy.counts().stalled.one();
            }
        });
    }

    fn broken(&mut self, error: &hyper::Error) {
        self.is_over = true;
        self.source.cut(Fault::Gone);
        self.open.service.lasting.counts.broken.one();
        self.cut_off.set();
        let endpoint = self.lease.endpoint();
        tracing::debug!(backend = endpoint.name(), address = %endpoint.address(), reason = %error, "an answer broke off");
        self.say("broken");
    }

    fn say(&mut self, end: &str) {
        if let Some(log) = self.log.take() {
            let service = &self.open.service.settings.name;
            log.say(service, self.lease.endpoint().name(), end);
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // One without a body is not polled.
        if !self.is_over && self.body.is_end_stream() {
            self.over();
        }
        if !self.is_over {
            self.open.service.lasting.counts.abandoned.one();
            self.source.cut(Fault::Gone);
        }
        self.say(if self.is_over { "whole" } else { "abandoned" });
    }
}

impl Answer {
    /// The balancer's own; what is held is over with it.
    pub(super) fn own(body: Bytes, open: Option<Open>, busy: Option<Busy>) -> Self {
        Self::Own {
            body,
            _held: (open, busy),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let download = match self.get_mut() {
            Self::Own { body, .. } if body.is_empty() => return Poll::Ready(None),
            Self::Own { body, .. } => {
                let bytes = std::mem::take(body);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Self::Passed(download) => download,
        };
        let polled = ready!(Pin::new(&mut download.body).poll_frame(context));
        match &polled {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                download.lease.endpoint().received(length);
                if download.body.is_end_stream() {
                    download.over();
                }
            }
            Some(Err(error)) => download.broken(error),
            None if !download.is_over => download.over(),
            None => {}
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own { body, .. } => body.is_empty(),
            Self::Passed(download) => download.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own { body, .. } => SizeHint::with_exact(body.len() as u64),
            Self::Passed(download) => download.body.size_hint(),
        }
    }
}
