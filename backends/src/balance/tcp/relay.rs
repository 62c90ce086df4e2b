//! Bytes in both directions at once, each until its side ends it.
//!
//! Owns the copying and how an end is passed on: a side that ends its direction in good order ends it for the
//! other one too, and that one may go on talking; a reset is passed on as a reset. A connection on which
//! nothing happens holds no buffer: each thread has one, and bytes that the other side does not take at once
//! are kept apart until it does.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use crate::balance::endpoint::Endpoint;
use crate::serve::connection::reset_on_close;

/// What is read at once. Also the most that one direction keeps while its receiver is slow.
const BUFFER: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// Two sockets that belong together. Dropped before both directions have ended, both are reset: neither
/// peer is to take a broken connection for one that is complete.
#[derive(Debug)]
pub(super) struct Pair {
    client: TcpStream,
    backend: TcpStream,
    is_complete: bool,
}

impl Pair {
    pub(super) fn new(client: TcpStream, backend: TcpStream) -> Self {
        Self {
            client,
            backend,
            is_complete: false,
        }
    }

    /// Copies until both directions have ended. The backend first gets `greeting`.
    ///
    /// # Errors
    /// What broke one of them.
    pub(super) async fn relay(&mut self, greeting: Vec<u8>, endpoint: &Endpoint) -> io::Result<()> {
        let Self {
            client, backend, ..
        } = self;
        let mut up = Direction::starting_with(greeting);
        let mut down = Direction::starting_with(Vec::new());
        let mut up_is_first = true;
        poll_fn(|context| {
            // A turn has its limit, so that neither direction can keep the other from its own.
            up_is_first = !up_is_first;
            for is_up in [up_is_first, !up_is_first] {
                let progress = if is_up {
                    up.poll(context, client, backend, |bytes| endpoint.sent(bytes))
                } else {
                    down.poll(context, backend, client, |bytes| endpoint.received(bytes))
                };
                if let Poll::Ready(Err(error)) = progress {
                    return Poll::Ready(Err(error));
                }
            }
            if up.has_ended() && down.has_ended() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await?;
        self.is_complete = true;
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if !self.is_complete {
            reset_on_close(&self.client);
            reset_on_close(&self.backend);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nothing more will be read; what is kept is still to be written.
    Ending,
    Ended,
}

#[derive(Debug)]
struct Direction {
    /// Read and not yet written.
    kept: Vec<u8>,
    /// How many of these are written after all.
    written: usize,
    stage: Stage,
}

impl Direction {
    fn starting_with(kept: Vec<u8>) -> Self {
        Self {
            kept,
            written: 0,
            stage: Stage::Open,
        }
    }

    fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        count: impl Fn(u64),
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.kept.len() {
                let rest = &self.kept[self.written..];
                let written = ready!(Pin::new(&mut *to).poll_write(context, rest))?;
                self.written += written;
                count(written as u64);
            }
            if self.written > 0 {
                (self.kept, self.written) = (Vec::new(), 0);
            }
            match self.stage {
                Stage::Open => ready!(self.pass_on(context, from, to, &count))?,
                Stage::Ending => {
                    match ready!(Pin::new(&mut *to).poll_shutdown(context)) {
                        // A peer that has gone altogether needs no end.
                        Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                            return Poll::Ready(Err(error));
                        }
                        _ => self.stage = Stage::Ended,
                    }
                }
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once, and writes it as far as it is taken.
    fn pass_on(
        &mut self,
        context: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        count: &impl Fn(u64),
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(context, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                self.stage = Stage::Ending;
                return Poll::Ready(Ok(()));
            }
            let written = match Pin::new(to).poll_write(context, bytes)? {
                Poll::Ready(written) => written,
                Poll::Pending => 0,
            };
            count(written as u64);
            self.kept.extend_from_slice(&bytes[written..]);
            Poll::Ready(Ok(()))
        })
    }
}
