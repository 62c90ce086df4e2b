//! The right to one stream.
//!
//! Owns what follows from a stream's beginning and end for the connection that it is on.

use std::cell::Cell;
use std::rc::Rc;

use http::Request;

use super::codec::{ResponseFuture, SendStream, Sender};
use super::connection::Connection;
use super::error::Error;
use super::place::Place;
use super::tap::{Tap, Times};
use crate::clock::Nanos;

/// The right to one stream on a connection. Dropping it passes the right on: at once, or, where
/// the stream has not ended and the connection cannot write, once it could.
pub(crate) struct StreamPermit {
    place: Rc<Place>,
    pub(super) connection: Rc<Connection>,
    is_under_way: Cell<bool>,
    /// How much of answers had come on the connection when the stream was opened.
    came_before: Cell<u64>,
}

impl StreamPermit {
    #[inline]
    pub(super) fn take(place: &Rc<Place>, connection: &Rc<Connection>) -> Self {
        connection.in_use.set(connection.in_use.get() + 1);
        Self::granted(place, Rc::clone(connection))
    }

    /// One that is counted already.
    #[inline]
    pub(super) fn granted(place: &Rc<Place>, connection: Rc<Connection>) -> Self {
        place.permits.set(place.permits.get() + 1);
        Self {
            place: Rc::clone(place),
            connection,
            is_under_way: Cell::new(false),
            came_before: Cell::new(0),
        }
    }

    /// Opens the stream. An error means that nothing was sent.
    #[inline]
    pub(crate) fn send(
        &self,
        request: impl Fn() -> Request<()>,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        let (response, stream) = self.connection.send(request)?;
        self.opened();
        self.connection.pump.tap.watch(stream.id());
        Ok((response, stream))
    }

    #[inline]
    fn opened(&self) {
        self.is_under_way.set(true);
        self.came_before.set(self.connection.pump.tap.answers());
    }

    /// Why the connection ended, where somebody said so.
    pub(crate) fn why_it_ended(&self) -> Option<String> {
        self.connection.why_it_ended()
    }

    /// What was opened is handed over whole, by an iteration that was ready at `ready`.
    #[inline]
    pub(crate) fn handed_over(&self, ready: Nanos) {
        self.connection.pump.handed_over(ready);
    }

    /// When the stream's frames left and came.
    #[inline]
    pub(crate) fn times(&self, stream: &SendStream) -> Times {
        self.connection.pump.times(stream.id())
    }

    /// A handle to open the stream with, for one that outlives the borrow.
    pub(crate) fn sender(&self) -> Sender {
        self.opened();
        self.connection.sender()
    }

    /// Where to see when the stream's frames leave and come.
    pub(crate) fn tap(&self) -> &Rc<Tap> {
        &self.connection.pump.tap
    }

    /// The stream has ended on both sides: nothing of it is left to send.
    #[inline]
    pub(crate) fn ended(&self) {
        self.is_under_way.set(false);
    }

    /// Whether the stream was opened and has not ended.
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way.get()
    }

    /// The stream is ended before its end on purpose, and says nothing about the connection.
    pub(crate) fn expects_no_more(&self) {
        // No connection has ever answered so much.
        self.came_before.set(u64::MAX);
    }

    /// Nothing more can be sent on this connection.
    pub(crate) fn retire(&self) {
        self.place.retire(&self.connection);
    }
}

impl Drop for StreamPermit {
    #[inline]
    fn drop(&mut self) {
        self.place.permits.set(self.place.permits.get() - 1);
        let connection = &self.connection;
        if self.is_under_way.get() {
            connection.gave_up(self.came_before.get());
            if connection.is_suspect.get() {
                self.place.wake_keeper();
            }
        }
        if self.is_under_way.get() && connection.traffic.is_stuck() {
            connection.lingering.set(connection.lingering.get() + 1);
            return;
        }
        connection.in_use.set(connection.in_use.get() - 1);
        self.place.grant();
    }
}
