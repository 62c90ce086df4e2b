//! A byte stream that somebody looks at on its way.
//!
//! Owns the passing on. Knows nothing of what passes; only who looks at what comes may change it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::net::Transport;

/// Who looks at the bytes of a connection.
pub(crate) trait Inspect {
    /// These came, decrypted, with one read or a part of it. As they are left they are handed on.
    fn came(&self, bytes: &mut [u8]);

    /// These were taken to be sent.
    #[inline]
    fn left(&self, _: &[u8]) {}
}

/// A byte stream whose bytes are shown to somebody as they pass.
#[derive(Debug)]
pub(crate) struct Inspected<I> {
    transport: Transport,
    inspector: Rc<I>,
}

impl<I> Inspected<I> {
    pub(crate) fn new(transport: Transport, inspector: &Rc<I>) -> Self {
        Self {
            transport,
            inspector: Rc::clone(inspector),
        }
    }

    /// Who is shown them.
    pub(crate) fn inspector(&self) -> &Rc<I> {
        &self.inspector
    }
}

impl<I: Inspect> AsyncRead for Inspected<I> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, buf))?;
        self.inspector.came(&mut buf.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<I: Inspect> AsyncWrite for Inspected<I> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.transport).poll_write(cx, buf))?;
        self.inspector.left(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
