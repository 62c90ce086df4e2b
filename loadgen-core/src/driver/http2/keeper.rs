//! Keeping a place connected: driving the connection and replacing it when it ends.
//!
//! Owns the back-off between attempts and the reports of what happens to connections. Sends no
//! requests.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::connection::Connection;
use super::handshake::{self, Opened};
use super::place::Place;
use super::probe::{Finding, Probe};
use super::problem::{ConnectError, Problem};
use super::pump::Pump;
use crate::clock::{Nanos, StampClock, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::driver::transport::connect_error::{self, Stage as Way};
use crate::driver::transport::counted::Counted;
use crate::driver::transport::net::{Addresses, Endpoint};
use crate::driver::transport::opening::Opening;
use crate::driver::transport::traffic::Traffic;
use crate::workload::{ConnectionEvent, Observer};

/// What is needed to open a place's connections.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) endpoint: Rc<Endpoint>,
    /// Which of the scenario's targets that is.
    pub(super) target: usize,
    /// The place's number among all of the scenario.
    pub(super) nth: usize,
    pub(super) connect_timeout: Duration,
    /// How often it is asked whether a silent connection is alive.
    pub(super) keepalive: Option<Duration>,
    /// The scenario's limit of streams on one connection.
    pub(super) most_streams: u32,
    pub(super) stamps: Rc<StampClock>,
    pub(super) observer: Rc<dyn Observer>,
    pub(super) seed: u64,
    /// How many connections of the pool are open, those included that only finish their streams.
    pub(super) open_connections: Rc<Cell<u64>>,
}

/// A connection that meets with a good-bye while it is being set up has come to a server that is
/// about to stop: that says to try again at once, not that nobody is there. At the most so often,
/// as a server may say nothing else.
const GOOD_BYES: usize = 3;

impl Opener {
    /// An attempt to connect, maybe in place of a connection that was dropped. `resolving` is the
    /// endpoint's.
    pub(super) async fn open(
        &self,
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
        replaces_dropped: bool,
    ) -> Result<Opened, ConnectError> {
        let mut result = self.open_once(resolving, replaces_dropped).await;
        for _ in 1..GOOD_BYES {
            match result {
                Err(error) if error.problem == Problem::GoodBye => {}
                _ => break,
            }
            result = self
                .open_once(self.endpoint.resolve(), replaces_dropped)
                .await;
        }
        result
    }

    /// Reported however it ends.
    async fn open_once(
        &self,
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
        replaces_dropped: bool,
    ) -> Result<Opened, ConnectError> {
        let opening = Opening {
            endpoint: &self.endpoint,
            target: self.target,
            replaces_dropped,
            limit: self.connect_timeout,
            clock: self.stamps.clock(),
            observer: &*self.observer,
        };
        let opened = opening.make(Way::Resolving.into(), async |deadline, stage| {
            let (endpoint, nth) = (&self.endpoint, self.nth);
            let traffic = Rc::new(Traffic::new(&self.stamps));
            let opening =
                handshake::open_by(endpoint, resolving, nth, deadline, stage, &traffic).await;
            opening.map(|opened| (opened, traffic.tls_time()))
        });
        opened.await
    }
}

/// A connection that lasted longer than this was a good one: the back-off starts over.
const STEADY_NANOS: Nanos = 1_000_000_000;

/// Keeps a place connected for as long as the returned future is polled. `first` is what the
/// attempt before came to; when it succeeded, the place can be used at once.
pub(super) fn keep(
    place: Rc<Place>,
    opener: Opener,
    first: Option<Opened>,
) -> impl Future<Output = ()> {
    let first = first.map(|open| Driven::install(open, &place, &opener));
    keep_driving(place, opener, first)
}

async fn keep_driving(place: Rc<Place>, opener: Opener, first: Option<Driven>) {
    let mut backoff = Backoff::new(opener.seed);
    let mut was_dropped = false;
    let mut current = first;
    loop {
        let Some(mut driven) = current.take() else {
            let rest = backoff.next();
            place.rests_until(opener.stamps.clock().now().saturating_add(nanos(rest)));
            tokio::time::sleep(rest).await;
            current = opener.open_for(&place, was_dropped).await;
            continue;
        };
        let end = driven.until_end(&place).await;
        place.retire(&driven.connection);
        was_dropped = !matches!(end, End::UsedUp);
        if was_dropped {
            opener
                .observer
                .connection(opener.target, ConnectionEvent::Dropped);
        }
        if opener.stamps.clock().now().saturating_sub(driven.since) > STEADY_NANOS {
            backoff.reset();
        }
        let is_in_order = !matches!(end, End::Failed);
        let was_of_use = driven.connection.streams() > 0;
        if !driven.is_closed {
            // Streams under way finish on it, beside its successor.
            tokio::task::spawn_local(driven.finish());
        }
        if is_in_order && was_of_use {
            backoff.reset();
            current = opener.open_for(&place, was_dropped).await;
        }
    }
}

impl Opener {
    /// One attempt, after which the place has a connection or those in line know that it failed.
    async fn open_for(&self, place: &Place, replaces_dropped: bool) -> Option<Driven> {
        match self.open(self.endpoint.resolve(), replaces_dropped).await {
            Ok(open) => Some(Driven::install(open, place, self)),
            Err(error) => {
                place.attempt_failed(error.to_string());
                None
            }
        }
    }
}

/// How a connection came to be of no more use.
enum End {
    /// It broke, or the server ended it with an error.
    Failed,
    /// It died without a word.
    Silent,
    /// The server asked us to go elsewhere, in good order.
    GoodBye,
    /// Nothing more can be sent on it: its stream numbers ran out, or a request that could not be
    /// sent retired it. Or we leave it, since nothing is answered on it.
    UsedUp,
}

/// A connection and all that moving its bytes takes.
struct Driven {
    pump: Rc<Pump>,
    connection: Rc<Connection>,
    traffic: Rc<Traffic>,
    observer: Rc<dyn Observer>,
    since: Nanos,
    is_closed: bool,
    probe: Probe,
    counted: Counted,
}

impl Driven {
    fn install(open: Opened, place: &Place, opener: &Opener) -> Self {
        let pump = Rc::new(Pump::new(open.connection, &open.tap));
        let connection = Rc::new(Connection::new(
            open.sender,
            opener.most_streams,
            Rc::clone(&open.traffic),
            &pump,
        ));
        place.install(&connection);
        Self {
            pump,
            connection,
            traffic: open.traffic,
            observer: Rc::clone(&opener.observer),
            since: opener.stamps.clock().now(),
            is_closed: false,
            probe: Probe::new(open.pings, opener.connect_timeout, opener.keepalive),
            counted: Counted::among(&opener.open_connections),
        }
    }

    /// Moves bytes until the connection ends or takes no more requests.
    async fn until_end(&mut self, place: &Place) -> End {
        poll_fn(|cx| {
            let polled = self.pump.poll(cx);
            report(&self.traffic, self.observer.as_ref());
            self.is_closed = polled.is_ready();
            // Asked also of a connection that is closed: a good-bye and the end may come at once.
            if let Some(error) = self.connection.farewell() {
                return Poll::Ready(if error.is_untouched() {
                    End::GoodBye
                } else if error.ends_connection() {
                    End::Failed
                } else {
                    End::UsedUp
                });
            }
            if self.is_closed {
                return Poll::Ready(End::Failed);
            }
            let suspected = self.connection.take_suspicion();
            let (reads, answers) = (self.traffic.reads(), self.pump.tap.answers());
            place.heard(answers);
            match self.probe.poll(reads, answers, suspected, cx) {
                Poll::Ready(Finding::Dead) => {
                    self.connection.give_up(format!(
                        "the connection died without a word: nothing came any more, not even an \
                         answer to a ping within {:?}",
                        self.probe.patience()
                    ));
                    self.is_closed = true;
                    return Poll::Ready(End::Silent);
                }
                Poll::Ready(Finding::Mute) if place.replaces_mute() => {
                    return Poll::Ready(End::UsedUp);
                }
                Poll::Ready(Finding::Mute) | Poll::Pending => {}
            }
            let has_more_room = self.connection.release_lingering();
            if self.connection.refresh_limit() || has_more_room {
                place.grant();
            }
            if !place.is_current(&self.connection, cx) {
                return Poll::Ready(End::UsedUp);
            }
            Poll::Pending
        })
        .await
    }

    /// Moves bytes until the last stream has ended.
    async fn finish(self) {
        let Self {
            pump,
            connection,
            traffic,
            observer,
            counted: _counted,
            ..
        } = self;
        // Once those with streams have let go of it too, the connection closes.
        drop(connection);
        poll_fn(|cx| {
            let polled = pump.poll(cx);
            report(&traffic, observer.as_ref());
            polled
        })
        .await;
    }
}

#[inline]
fn report(traffic: &Traffic, observer: &dyn Observer) {
    let (sent, received) = traffic.take();
    if sent + received > 0 {
        observer.bytes(sent, received);
    }
}
