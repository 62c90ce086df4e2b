//! One open connection, as those see it who send on it.
//!
//! Owns how many streams are in use on it, which of them linger, and whether it may be dead.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use http::Request;

use super::codec::library::{self, ResponseFuture, SendStream};
use super::codec::{Call, Sender};
use super::error::Error;
use super::machine::Constant;
use super::pump::Pump;
use crate::clock::{Clock, Nanos};
use crate::driver::transport::traffic::Traffic;
use crate::workload::{ConnectionId, FarewellEvent, Observer};

/// One open HTTP/2 connection, as those see it who send on it.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Shared by all users of the connection: a clone for each request would take its lock twice
    /// more.
    sender: RefCell<Sender>,
    pub(super) in_use: Cell<u32>,
    pub(super) limit: Cell<u32>,
    /// The scenario's own limit.
    most: u32,
    streams: Cell<u64>,
    pub(super) traffic: Rc<Traffic>,
    /// Of those in use, the streams whose call was given up while nothing could be written: what
    /// they had to send, the word that they are given up included, is still queued.
    pub(super) lingering: Cell<u32>,
    /// How many calls were given up in a row while none had an answer, and how much of answers had
    /// come then.
    unanswered: Cell<(u32, u64)>,
    /// Whether that became so many that the connection may be dead.
    pub(super) is_suspect: Cell<bool>,
    /// Why we ended it, where we did.
    given_up: RefCell<Option<String>>,
    /// Whom to tell what becomes of streams once the server has said good-bye.
    observer: Rc<dyn Observer>,
    clock: Clock,
    /// When it did.
    said_good_bye: Cell<Option<Nanos>>,
    pub(super) pump: Rc<Pump>,
}

/// The most streams that may linger on a connection before it takes no more. It bounds what a
/// server that has stopped reading costs: each lingering stream is memory, and calls go on being
/// made and given up. Where the server allows fewer streams, that is the bound.
const MOST_LINGERING: u32 = 128;

/// So many calls that are given up in a row, without an answer to any, make a connection suspect. One
/// may just be slow.
const SUSPICIOUS: u32 = 2;

impl Connection {
    pub(super) fn new(
        id: ConnectionId,
        sender: Sender,
        most: u32,
        traffic: Rc<Traffic>,
        pump: &Rc<Pump>,
        (observer, clock): (&Rc<dyn Observer>, Clock),
    ) -> Self {
        let connection = Self {
            id,
            pump: Rc::clone(pump),
            sender: RefCell::new(sender),
            in_use: Cell::new(0),
            limit: Cell::new(0),
            most,
            streams: Cell::new(0),
            traffic,
            lingering: Cell::new(0),
            unanswered: Cell::new((0, 0)),
            is_suspect: Cell::new(false),
            given_up: RefCell::new(None),
            observer: Rc::clone(observer),
            clock,
            said_good_bye: Cell::new(None),
        };
        connection.refresh_limit();
        connection
    }

    #[inline]
    pub(super) fn send(
        &self,
        request: impl Fn() -> Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        self.streams.set(self.streams.get() + 1);
        self.sender.borrow_mut().library()?.send(request, is_whole)
    }

    #[inline]
    pub(super) fn call(
        &self,
        constant: Option<Constant>,
        request: impl Fn() -> Request<()>,
    ) -> Result<Call, Error> {
        self.streams.set(self.streams.get() + 1);
        self.sender.borrow_mut().call(constant, request)
    }

    /// A handle to open a stream with.
    pub(super) fn sender(&self) -> Result<library::Sender, Error> {
        self.streams.set(self.streams.get() + 1);
        self.sender.borrow_mut().library().cloned()
    }

    /// How many streams were opened on it so far.
    pub(super) fn streams(&self) -> u64 {
        self.streams.get()
    }

    /// Takes over the server's limit of streams. Whether it changed.
    pub(super) fn refresh_limit(&self) -> bool {
        let allowed = self.sender.borrow().most_streams();
        let limit = u32::try_from(allowed).unwrap_or(u32::MAX).min(self.most);
        self.limit.replace(limit) != limit
    }

    /// Why no stream can be opened any more, once the server has said so.
    pub(super) fn farewell(&self) -> Option<Error> {
        self.sender.borrow_mut().farewell()
    }

    /// Why it ended, where somebody said so: the server with a good-bye, or we.
    pub(super) fn why_it_ended(&self) -> Option<String> {
        self.given_up.borrow().clone().or_else(|| {
            self.farewell()
                .filter(|error| matches!(error, Error::GoAway { .. }))
                .map(|error| error.to_string())
        })
    }

    /// Sees whether the server has said good-bye in good order: what becomes of its streams is told from then
    /// on. Whoever has a turn reads it, and those whose streams it ends may be heard of before the keeper is.
    pub(super) fn sees_good_bye(&self) {
        if self.said_good_bye.get().is_some() {
            return;
        }
        if self.farewell().is_some_and(|it| it.is_untouched()) {
            let now = self.clock.now();
            self.said_good_bye.set(Some(now));
            // Nobody hears any more what becomes of those that linger.
            let open = self.in_use.get() - self.lingering.get();
            let open = u64::from(open);
            self.observer.farewell(now, FarewellEvent::Said { open });
        }
    }

    /// What became of a stream, where the server has said good-bye.
    #[inline]
    pub(super) fn after_farewell(&self, event: FarewellEvent) {
        if event != FarewellEvent::Finished {
            self.sees_good_bye();
        }
        if let Some(at) = self.said_good_bye.get() {
            self.observer.farewell(at, event);
        }
    }

    /// Ends it, and all of its calls with it.
    pub(super) fn give_up(&self, why: String) {
        *self.given_up.borrow_mut() = Some(why);
        self.pump.end();
    }

    /// A call was given up, whose stream was opened when so much of answers had come.
    pub(super) fn gave_up(&self, came_before: u64) {
        let answers = self.pump.tap.answers();
        let (before, answers_then) = self.unanswered.get();
        let in_a_row = match (answers == came_before, answers == answers_then) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => before.saturating_add(1),
        };
        self.unanswered.set((in_a_row, answers));
        if in_a_row >= SUSPICIOUS {
            self.is_suspect.set(true);
        }
    }

    /// Whether it may be dead, as far as calls tell that were given up since the last time.
    #[inline]
    pub(super) fn take_suspicion(&self) -> bool {
        self.is_suspect.take()
    }

    /// Gives the lingering streams back once everything that could be sent was. Whether there
    /// were any. To be asked after the connection was given its turn to write.
    pub(super) fn release_lingering(&self) -> bool {
        if self.lingering.get() == 0 || self.traffic.is_stuck() {
            return false;
        }
        self.in_use.set(self.in_use.get() - self.lingering.take());
        true
    }

    /// Whether one more stream can be opened.
    pub(super) fn has_room(&self) -> bool {
        self.in_use.get() < self.limit.get() && self.lingering.get() < MOST_LINGERING
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use bytes::Bytes;
    use test_case::test_case;
    use tokio::net::TcpStream;
    use tokio::time::{sleep, timeout};

    use super::super::codec::handshake;
    use super::super::frames::tests::frame;
    use super::super::tap::Tap;
    use super::*;
    use crate::clock::StampClock;
    use crate::driver::transport::net::Transport;
    use crate::driver::transport::wire::{Socket, Wire};
    use crate::scenario::Codec;

    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;

    /// Hears of good-byes.
    #[derive(Default)]
    struct Heard(RefCell<Vec<FarewellEvent>>);

    impl Observer for Heard {
        fn farewell(&self, _: Nanos, event: FarewellEvent) {
            self.0.borrow_mut().push(event);
        }
    }

    /// The good-bye comes in a turn that a user's request gave the connection, so that the keeper is not asked
    /// before those whose streams are refused.
    #[test_case(Codec::H2; "the library")]
    #[test_case(Codec::Own; "our own codec")]
    #[tokio::test]
    async fn a_good_bye_that_a_user_reads_is_told_before_what_it_refuses(codec: Codec) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (mut other, _) = listener.accept().expect("connected");
        let clock = Clock::start();
        let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(clock))));
        let tap = Tap::new(&traffic);
        let wire = Transport::Plain(Wire::new(Socket::Tcp(tcp), &traffic));
        let shaken = handshake(codec, wire, &traffic, &tap, None).await;
        let (sender, mover, _) = shaken.expect("a preface");
        let pump = Rc::new(Pump::new(mover, &tap));
        let heard = Rc::new(Heard::default());
        let observer: Rc<dyn Observer> = Rc::<Heard>::clone(&heard);
        let id = traffic.connection_id(0, &*observer);
        let on = Connection::new(id, sender, 10, traffic, &pump, (&observer, clock));
        let request = || {
            let mut call = on.call(None, || Request::new(())).expect("open");
            call.send(&Bytes::new()).expect("open");
            call
        };
        let (_first, mut refused) = (request(), request());
        on.in_use.set(3);
        // One of them was given up while nothing could be written.
        on.lingering.set(1);
        poll_fn(|cx| {
            assert!(pump.poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;

        let last_and_code = [0, 0, 0, 1, 0, 0, 0, 0];
        let said = [
            frame(SETTINGS, 0, 0, &[]),
            frame(GOAWAY, 0, 0, &last_and_code),
        ];
        other.write_all(&said.concat()).expect("sent");
        let mut refused = poll_fn(|cx| refused.poll_head(cx));
        let pushing = async {
            loop {
                sleep(Duration::from_millis(1)).await;
                pump.handed_over(0);
                pump.handed_over(1_000_000);
            }
        };
        let ended = timeout(Duration::from_secs(10), async {
            tokio::select! {
                () = pushing => None,
                ended = &mut refused => ended.err(),
            }
        });
        let error = ended.await.expect("it is told").expect("refused");
        assert!(error.is_untouched(), "{error}");
        assert_eq!(*heard.0.borrow(), []);
        on.after_farewell(FarewellEvent::Refused);
        on.after_farewell(FarewellEvent::Finished);
        let told = [
            FarewellEvent::Said { open: 2 },
            FarewellEvent::Refused,
            FarewellEvent::Finished,
        ];
        assert_eq!(*heard.0.borrow(), told);
    }
}
