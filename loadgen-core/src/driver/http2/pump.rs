//! A connection that can be given a turn by whoever has something to send, not by its keeper alone.
//!
//! Owns the moving of its bytes, and how long what was handed over may wait for it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::codec::Mover;
use super::tap::{Tap, Times};
use crate::clock::Nanos;

/// How long a request that was handed over may wait for others to leave with it, at the least. The
/// keeper's turn comes only after all users that are ready have had theirs, which with many users is
/// long.
const SHORT_WAIT: Nanos = 25_000;
/// Where the service takes long, this part of its time: nobody would notice more, and each write costs.
const OF_SERVICE: Nanos = 16;
/// Of how many requests that time is the mean, about.
const MEAN_OVER: Nanos = 16;

/// A connection and its turns.
pub(super) struct Pump {
    /// Until it has ended. HTTP/2's library tells some streams of a broken connection only when that
    /// is dropped, and their users hold this.
    connection: RefCell<Option<Mover>>,
    pub(super) tap: Rc<Tap>,
    /// The keeper, which the connection wakes when there is something to move.
    keeper: RefCell<Option<Waker>>,
    /// Since when something that was handed over waits for a turn.
    waiting_since: Cell<Option<Nanos>>,
    /// How long the service takes.
    service_time: Cell<Nanos>,
}

impl Pump {
    pub(super) fn new(connection: Mover, tap: &Rc<Tap>) -> Self {
        Self {
            connection: RefCell::new(Some(connection)),
            tap: Rc::clone(tap),
            keeper: RefCell::new(None),
            waiting_since: Cell::new(None),
            service_time: Cell::new(0),
        }
    }

    /// The keeper's turn. Ready when the connection has ended.
    #[inline]
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut keeper = self.keeper.borrow_mut();
        if !keeper.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *keeper = Some(cx.waker().clone());
        }
        drop(keeper);
        self.turn(cx)
    }

    fn turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut connection = self.connection.borrow_mut();
        let Some(open) = connection.as_mut() else {
            return Poll::Ready(());
        };
        self.waiting_since.set(None);
        self.tap.turn();
        let polled = Pin::new(open).poll(cx).map(drop);
        if polled.is_ready() {
            *connection = None;
        }
        polled
    }

    /// Ends the connection, and with it every stream on it.
    pub(super) fn end(&self) {
        let ended = self.connection.borrow_mut().take();
        drop(ended);
    }

    /// Something was handed over by somebody who began at `now`. It leaves with what is handed over
    /// after it, unless something waits for too long already.
    #[inline]
    pub(super) fn handed_over(&self, now: Nanos) {
        match self.waiting_since.get() {
            None => self.waiting_since.set(Some(now)),
            Some(since) if now.saturating_sub(since) >= self.longest_wait() => self.push(),
            Some(_) => {}
        }
    }

    #[inline]
    fn longest_wait(&self) -> Nanos {
        (self.service_time.get() / OF_SERVICE).max(SHORT_WAIT)
    }

    /// A request's frames left and came then.
    #[inline]
    pub(super) fn served(&self, times: &Times) {
        if let (Some(sent_at), Some(received)) = (times.sent_at, times.received) {
            let took = received.at.saturating_sub(sent_at);
            let mean = self.service_time.get();
            self.service_time
                .set(mean - mean / MEAN_OVER + took / MEAN_OVER);
        }
    }

    /// A turn in the keeper's name, who must be the one to be woken by what comes.
    fn push(&self) {
        let keeper = self.keeper.borrow();
        let Some(keeper) = keeper.as_ref() else {
            return;
        };
        if self.turn(&mut Context::from_waker(keeper)).is_ready() {
            keeper.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use nix::sys::socket::{setsockopt, sockopt};
    use test_case::test_case;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::super::codec::{Sender, handshake};
    use super::super::error::Error;
    use super::*;
    use crate::clock::{Clock, StampClock};
    use crate::driver::transport::net::Transport;
    use crate::driver::transport::traffic::Traffic;
    use crate::driver::transport::wire::{Socket, Wire};
    use crate::scenario::Codec;

    /// The connection breaks, and a write is the first to see it.
    #[test_case(Codec::H2; "the library")]
    #[test_case(Codec::Own; "our own codec")]
    #[tokio::test]
    async fn a_write_that_fails_ends_every_stream(codec: Codec) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (other, _) = listener.accept().expect("connected");
        let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(Clock::start()))));
        let tap = Tap::new(&traffic);
        let wire = Transport::Plain(Wire::new(Socket::Tcp(tcp), &traffic));
        let shaken = handshake(codec, wire, &traffic, &tap, None).await;
        let (mut sender, connection, _) = shaken.expect("a preface");
        let pump = Pump::new(connection, &tap);
        let send = |sender: &mut Sender| {
            let mut call = sender.call(None, || Request::new(()))?;
            call.send(Bytes::new())?;
            Ok::<_, Error>(call)
        };
        let mut calls = vec![send(&mut sender).expect("open")];
        poll_fn(|cx| {
            assert!(pump.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;

        let no_lingering = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&other, sockopt::Linger, &no_lingering).expect("a socket");
        drop(other);
        // The runtime has not been told yet.
        calls.push(send(&mut sender).expect("open"));
        let ended = timeout(Duration::from_secs(10), async {
            poll_fn(|cx| pump.poll(cx)).await;
            for mut call in calls {
                let head = poll_fn(|cx| call.poll_head(cx)).await;
                head.err().expect("nobody answered");
            }
        });
        ended.await.expect("none hangs");
    }
}
