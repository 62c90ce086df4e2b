//! A client's connection as HTTP is spoken on it: one that is not read gets no patience, and one whose answer
//! is cut off is reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::balancer::Shared;
use crate::balance::patient::Patient;
use crate::wire::opening::Resumed;

/// Whether an answer on a connection was cut off, so that its end must not look like the answer's.
#[derive(Debug, Clone, Default)]
pub(super) struct CutOff(Arc<AtomicBool>);

impl CutOff {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Client {
    inner: Option<Patient<Resumed>>,
    cut_off: CutOff,
    has_stalled: bool,
    shared: Arc<Shared>,
}

impl Client {
    /// `patience` is how long the client may take nothing of what is there for it. One that does is counted.
    pub(super) fn new(
        inner: Resumed,
        cut_off: CutOff,
        patience: Duration,
        shared: &Arc<Shared>,
    ) -> Self {
        Self {
            inner: Some(Patient::new(inner, patience)),
            cut_off,
            has_stalled: false,
            shared: Arc::clone(shared),
        }
    }

    /// The connection, to be ended; none where it was cut off.
    pub(super) fn into_inner(mut self) -> Option<Resumed> {
        if self.cut_off.is_set() {
            return None;
        }
        self.inner.take().map(Patient::into_inner)
    }

    fn inner(&mut self) -> io::Result<Pin<&mut Patient<Resumed>>> {
        let inner = self.inner.as_mut();
        inner
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// What writing came to: who has taken nothing for too long gets no end in good order.
    fn wrote<T>(&mut self, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &wrote
            && error.kind() == io::ErrorKind::TimedOut
            && !self.has_stalled
        {
            self.has_stalled = true;
            self.shared.counts.stalled.one();
            self.cut_off.set();
        }
        wrote
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.cut_off.is_set()
            && let Some(inner) = &self.inner
        {
            inner.get_ref().connection().reset_on_drop();
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().inner()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = this.inner()?.poll_write(context, bytes);
        this.wrote(wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = this.inner()?.poll_write_vectored(context, slices);
        this.wrote(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.inner()?.poll_flush(context);
        this.wrote(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cut_off.is_set() {
            // An end in good order could be taken for the answer's.
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let ended = this.inner()?.poll_shutdown(context);
        this.wrote(ended)
    }
}
