//! A client's connection as HTTP is spoken on it: one that is not read gets no patience, and one whose answer
//! is cut off is reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

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
    inner: Option<Resumed>,
    cut_off: CutOff,
    patience: Duration,
    /// Since the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Client {
    /// `patience` is how long the client may take nothing of what is there for it.
    pub(super) fn new(inner: Resumed, cut_off: CutOff, patience: Duration) -> Self {
        Self {
            inner: Some(inner),
            cut_off,
            patience,
            stalled: None,
        }
    }

    /// The connection, to be ended; none where it was cut off.
    pub(super) fn into_inner(mut self) -> Option<Resumed> {
        if self.cut_off.is_set() {
            return None;
        }
        self.inner.take()
    }

    fn inner(&mut self) -> io::Result<Pin<&mut Resumed>> {
        let inner = self.inner.as_mut();
        inner
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// What writing came to, unless it comes to nothing for too long.
    fn watched<T>(
        &mut self,
        wrote: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => {
                self.cut_off.set();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.cut_off.is_set()
            && let Some(inner) = &self.inner
        {
            inner.connection().reset_on_drop();
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
        this.watched(wrote, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = this.inner()?.poll_write_vectored(context, slices);
        this.watched(wrote, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.cut_off.is_set() {
            // An end in good order could be taken for the answer's.
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        this.inner()?.poll_shutdown(context)
    }
}
