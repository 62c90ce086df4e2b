//! Which HTTP a connection speaks, and the connection from its first byte on although that was read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::serve::connection::Connection;
use crate::wire::lengths::Lengths;

/// What a connection that speaks HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What is made room for at first: most requests have less.
const EARLY_BYTES: usize = 1024;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1, or 1.0.
    One,
    /// HTTP/2.
    Two,
}

/// A connection on which something was said.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) version: Version,
    /// What was read to find out.
    pub(crate) early: Vec<u8>,
}

/// Reads as much as tells what the connection speaks. None when the peer has gone.
pub(crate) async fn read(connection: &mut Connection) -> Option<Opened> {
    let mut early = Vec::new();
    if connection.agreed_protocol() == Some(b"h2") {
        let version = Version::Two;
        return Some(Opened { version, early });
    }
    early.reserve(EARLY_BYTES);
    loop {
        match connection.read_buf(&mut early).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return None,
        }
        if let Some(version) = spoken(&early) {
            return Some(Opened { version, early });
        }
    }
}

/// What begins like this, if that tells.
fn spoken(early: &[u8]) -> Option<Version> {
    if early.starts_with(PREFACE) {
        Some(Version::Two)
    } else if PREFACE.starts_with(early) {
        None
    } else {
        Some(Version::One)
    }
}

/// A connection that is read from its first byte on.
#[derive(Debug)]
pub(crate) struct Resumed {
    connection: Connection,
    early: Vec<u8>,
    /// How much of it was read again.
    read: usize,
    lengths: Option<Lengths>,
}

impl Resumed {
    /// `lengths` sees all that is read.
    pub(crate) fn new(connection: Connection, early: Vec<u8>, lengths: Option<Lengths>) -> Self {
        Self {
            connection,
            early,
            read: 0,
            lengths,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }
}

impl AsyncRead for Resumed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.early.is_empty() {
            ready!(Pin::new(&mut this.connection).poll_read(context, buffer))?;
        } else {
            let rest = &this.early[this.read..];
            let length = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..length]);
            this.read += length;
            if this.read == this.early.len() {
                this.early = Vec::new();
            }
        }
        if let Some(lengths) = &mut this.lengths {
            lengths.see(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Resumed {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"G" => Some(Version::One); "a letter that tells")]
    #[test_case(b"P" => None; "POST or the preface")]
    #[test_case(b"PO" => Some(Version::One); "POST")]
    #[test_case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r" => None; "nearly all of the preface")]
    #[test_case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0" => Some(Version::Two); "more than the preface")]
    #[test_case(b"\0" => Some(Version::One); "nonsense")]
    fn tells(early: &[u8]) -> Option<Version> {
        spoken(early)
    }
}
