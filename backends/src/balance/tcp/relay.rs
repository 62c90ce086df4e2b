//! Bytes in both directions at once, each until its side ends it.
//!
//! Owns the copying and how an end is passed on: a side that ends its direction in good order ends it for the
//! other one too, and that one may go on talking; a reset is passed on as a reset. A connection on which
//! nothing happens holds no buffer: each thread has one, and bytes that the other side does not take at once
//! are kept apart until it does.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{self, Instant, Sleep};

use super::counts::End;
use crate::balance::endpoint::Endpoint;
use crate::serve::connection::reset_on_close;

/// What is read at once. Also the most that one direction keeps while its receiver is slow: twice as much would
/// forward large transfers with a twentieth less of the processor.
const BUFFER: usize = 32 << 10;

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

    /// Copies until both directions have ended, one has broken, or nothing has moved for `idle`. The backend
    /// first gets `greeting`.
    pub(super) async fn relay(
        &mut self,
        greeting: Vec<u8>,
        endpoint: &Endpoint,
        idle: Option<Duration>,
    ) -> End {
        let Self {
            client, backend, ..
        } = self;
        let mut up = Direction::starting_with(greeting);
        let mut down = Direction::starting_with(Vec::new());
        let mut up_is_first = true;
        let mut silence = idle.map(Silence::new);
        let end = poll_fn(|context| {
            let has_moved = Cell::new(false);
            let sent = |bytes| {
                has_moved.set(true);
                endpoint.sent(bytes);
            };
            let received = |bytes| {
                has_moved.set(true);
                endpoint.received(bytes);
            };
            // A turn has its limit, so that neither direction can keep the other from its own.
            up_is_first = !up_is_first;
            for is_up in [up_is_first, !up_is_first] {
                let progress = if is_up {
                    up.poll(context, client, backend, sent)
                } else {
                    down.poll(context, backend, client, received)
                };
                if let Poll::Ready(Err(_)) = progress {
                    return Poll::Ready(End::Broken);
                }
            }
            if up.has_ended() && down.has_ended() {
                return Poll::Ready(End::Completed);
            }
            match &mut silence {
                Some(silence) => silence.poll(context, has_moved.get()).map(|()| End::Idle),
                None => Poll::Pending,
            }
        })
        .await;
        self.is_complete = end == End::Completed;
        end
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

/// A time in which nothing has moved. Looked at now and then, so that what moves costs no look at the clock.
struct Silence {
    next: Pin<Box<Sleep>>,
    every: Duration,
    /// Looks in a row before which nothing had moved.
    looks: u32,
    has_moved: bool,
}

impl Silence {
    /// So many looks in a row that see nothing make the time that is the most.
    const LOOKS: u32 = 4;

    fn new(most: Duration) -> Self {
        let every = most / Self::LOOKS;
        Self {
            next: Box::pin(time::sleep(every)),
            every,
            looks: 0,
            has_moved: false,
        }
    }

    /// Whether it has lasted for the most that it may, and a look longer at most.
    fn poll(&mut self, context: &mut Context<'_>, has_moved: bool) -> Poll<()> {
        self.has_moved |= has_moved;
        loop {
            ready!(self.next.as_mut().poll(context));
            let has_moved = std::mem::take(&mut self.has_moved);
            self.looks = if has_moved { 0 } else { self.looks + 1 };
            if self.looks == Self::LOOKS {
                return Poll::Ready(());
            }
            self.next.as_mut().reset(Instant::now() + self.every);
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
