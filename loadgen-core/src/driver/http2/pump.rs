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
    use std::io::Write as _;
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use nix::sys::socket::{setsockopt, sockopt};
    use test_case::test_case;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::super::codec::{Call, Sender, handshake};
    use super::super::error::Error;
    use super::super::frames::tests::frame;
    use super::super::frames::{END_STREAM, HEADERS};
    use super::*;
    use crate::clock::{Clock, StampClock};
    use crate::driver::transport::net::Transport;
    use crate::driver::transport::traffic::Traffic;
    use crate::driver::transport::wire::{Socket, Wire};
    use crate::scenario::Codec;

    /// A connection, who sends on it, and its other side.
    async fn connected(codec: Codec) -> (Pump, Sender, std::net::TcpStream) {
        let (mover, tap, sender, other) = dialed(codec).await;
        (Pump::new(mover, &tap), sender, other)
    }

    async fn dialed(codec: Codec) -> (Mover, Rc<Tap>, Sender, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (other, _) = listener.accept().expect("connected");
        let no_lingering = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&other, sockopt::Linger, &no_lingering).expect("a socket");
        let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(Clock::start()))));
        let tap = Tap::new(&traffic);
        let wire = Transport::Plain(Wire::new(Socket::Tcp(tcp), &traffic));
        let shaken = handshake(codec, wire, &traffic, &tap, None).await;
        let (sender, mover, _) = shaken.expect("a preface");
        (mover, tap, sender, other)
    }

    fn send(sender: &mut Sender) -> Call {
        let mut call = sender.call(None, || Request::new(())).expect("open");
        call.send(&Bytes::new()).expect("open");
        call
    }

    async fn one_turn(pump: &Pump) {
        poll_fn(|cx| {
            assert!(pump.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    /// The connection breaks, and a write is the first to see it.
    #[test_case(Codec::H2; "the library")]
    #[test_case(Codec::Own; "our own codec")]
    #[tokio::test]
    async fn a_write_that_fails_ends_every_stream(codec: Codec) {
        let (pump, mut sender, other) = connected(codec).await;
        let mut calls = vec![send(&mut sender)];
        one_turn(&pump).await;

        drop(other);
        // The runtime has not been told yet.
        calls.push(send(&mut sender));
        let ended = timeout(Duration::from_secs(10), async {
            poll_fn(|cx| pump.poll(cx)).await;
            for mut call in calls {
                let head = poll_fn(|cx| call.poll_head(cx)).await;
                let error = head.expect_err("nobody answered").to_string();
                let says = ["broken pipe", "connection reset"];
                assert!(says.iter().any(|it| error.contains(it)), "{error}");
            }
        });
        ended.await.expect("none hangs");
    }

    /// A server answers, says good-bye and resets the connection. The library loses that where it writes before the
    /// runtime was told.
    #[test_case(Codec::H2, false; "the library")]
    #[test_case(Codec::Own, false; "our own codec")]
    #[test_case(Codec::Own, true; "our own codec and a write before it knows")]
    #[tokio::test]
    async fn what_came_before_a_reset_is_taken(codec: Codec, writes: bool) {
        let (pump, mut sender, mut other) = connected(codec).await;
        let (mut answered, mut refused) = (send(&mut sender), send(&mut sender));
        one_turn(&pump).await;

        let said = [
            frame(4, 0, 0, &[]),
            frame(HEADERS, 4 | END_STREAM, 1, &[0x88]),
            frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ];
        other.write_all(&said.concat()).expect("sent");
        drop(other);
        let mut more = writes.then(|| send(&mut sender));
        let ended = timeout(Duration::from_secs(10), poll_fn(|cx| pump.poll(cx)));
        ended.await.expect("it ends");
        let head = poll_fn(|cx| answered.poll_head(cx)).await;
        assert_eq!(head.expect("it was answered").status(), 200);
        for call in [Some(&mut refused), more.as_mut()].into_iter().flatten() {
            let head = poll_fn(|cx| call.poll_head(cx)).await;
            assert!(head.err().is_some_and(|it| it.is_untouched()));
        }
    }

    /// Our last word does not arrive, and that is not what ended the connection. The library says that it is.
    #[tokio::test]
    async fn a_connection_that_we_end_ended_for_our_reason() {
        let (mut mover, _tap, _sender, mut other) = dialed(Codec::Own).await;
        let said = [frame(4, 0, 0, &[]), frame(6, 0, 0, &[0; 3])];
        other.write_all(&said.concat()).expect("sent");
        drop(other);
        let ended = timeout(Duration::from_secs(10), &mut mover);
        let error = ended.await.expect("it ends").expect_err("it was wrong");
        assert!(matches!(error, Error::BadConnection { .. }), "{error}");
    }
}
