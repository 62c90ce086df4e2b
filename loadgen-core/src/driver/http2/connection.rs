//! One open connection, as those see it who send on it.
//!
//! Owns how many streams are in use on it, which of them linger, and whether it may be dead.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use http::Request;

use super::codec::{ResponseFuture, SendStream, Sender};
use super::error::Error;
use super::pump::Pump;
use crate::clock::Nanos;
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
    /// Whom to tell what becomes of streams, once the server has said good-bye, and when it did.
    farewell: RefCell<Option<(Rc<dyn Observer>, Nanos)>>,
    has_farewell: Cell<bool>,
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
            farewell: RefCell::new(None),
            has_farewell: Cell::new(false),
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
        let result = self.sender.borrow_mut().send(request, is_whole);
        self.streams.set(self.streams.get() + 1);
        result
    }

    /// A handle to open a stream with.
    pub(super) fn sender(&self) -> Sender {
        self.streams.set(self.streams.get() + 1);
        self.sender.borrow().clone()
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

    /// The server has said good-bye: what becomes of its streams is told from here on.
    pub(super) fn said_good_bye(&self, observer: &Rc<dyn Observer>, now: Nanos) {
        if !self.has_farewell.replace(true) {
            let open = u64::from(self.in_use.get());
            observer.farewell(now, FarewellEvent::Said { open });
            *self.farewell.borrow_mut() = Some((Rc::clone(observer), now));
        }
    }

    /// What became of a stream, where the server has said good-bye.
    #[inline]
    pub(super) fn after_farewell(&self, event: FarewellEvent) {
        if self.has_farewell.get()
            && let Some((observer, at)) = &*self.farewell.borrow()
        {
            observer.farewell(*at, event);
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
