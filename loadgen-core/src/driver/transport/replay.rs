//! A server made up by a fuzzer: bytes that come, some before anything was asked for and the rest
//! after, and an ear that takes everything.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The made-up server's side of a connection.
#[derive(Debug)]
pub(crate) struct Replay {
    bytes: Vec<u8>,
    position: usize,
    /// How many bytes come before anything is sent to it.
    unasked: usize,
    was_asked: bool,
    /// The most that one read gets.
    chunk: usize,
}

impl Replay {
    pub(crate) fn new(bytes: &[u8], unasked: usize, chunk: usize) -> Self {
        Self {
            bytes: bytes.to_vec(),
            position: 0,
            unasked: unasked.min(bytes.len()),
            was_asked: false,
            chunk: chunk.max(1),
        }
    }
}

impl AsyncRead for Replay {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let end = if this.was_asked {
            this.bytes.len()
        } else {
            this.unasked
        };
        let ready = &this.bytes[this.position..end];
        if ready.is_empty() && !this.was_asked {
            // Whoever replays polls again.
            return Poll::Pending;
        }
        let len = ready.len().min(this.chunk).min(buf.remaining());
        buf.put_slice(&ready[..len]);
        this.position += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().was_asked = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
