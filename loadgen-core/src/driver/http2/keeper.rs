//! Keeping a place connected: driving the connection and replacing it when it ends.
//!
//! Owns the back-off between attempts and the reports of what happens to connections. Sends no
//! requests.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::connection::Connection;
use super::handshake::{self, Opened};
use super::peer::Peer;
use super::peers::Peers;
use super::place::Place;
use super::probe::{Finding, Probe};
use super::problem::{ConnectError, Problem};
use super::pump::Pump;
use crate::cap::Cap;
use crate::clock::{Nanos, StampClock, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::driver::transport::connect_error::{self, Stage as Way};
use crate::driver::transport::counted::Counted;
use crate::driver::transport::dialer::Dialer;
use crate::driver::transport::net::Addresses;
use crate::driver::transport::opening::Opening;
use crate::driver::transport::traffic::Traffic;
use crate::scenario::Codec;
use crate::workload::{ConnectionEvent, Observer};

/// What is needed to open a place's connections.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) connect_timeout: Duration,
    /// How often it is asked whether a silent connection is alive.
    pub(super) keepalive: Option<Duration>,
    /// The scenario's limit of streams on one connection.
    pub(super) most_streams: u32,
    /// Who speaks on it.
    pub(super) codec: Codec,
    pub(super) stamps: Rc<StampClock>,
    pub(super) observer: Rc<dyn Observer>,
    pub(super) seed: u64,
    /// How many connections of the pool are open, those included that only finish their streams.
    pub(super) open_connections: Rc<Cell<u64>>,
    /// What it has in common with the connections of other users, where it is one user's own. Such a
    /// connection is opened when it is needed; those that are shared are kept open.
    pub(super) own: Option<Rc<InCommon>>,
}

/// What connections have in common each of which is one user's own.
pub(super) struct InCommon {
    pub(super) dialer: Dialer,
    /// Whom they go to.
    pub(super) peers: Rc<Peers>,
    /// How often any of them may be opened.
    pub(super) cap: Option<Arc<Cap>>,
}

/// A connection that meets with a good-bye while it is being set up has come to a server that is
/// about to stop: that says to try again at once, not that nobody is there. At the most so often,
/// as a server may say nothing else.
const GOOD_BYES: usize = 3;

impl Opener {
    /// An attempt to connect a place to whom it is for, maybe in place of a connection that was dropped.
    /// `resolving` is [`Self::resolve`].
    pub(super) async fn open(
        &self,
        (peer, nth): (&Peer, usize),
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
        replaces_dropped: bool,
    ) -> Result<Opened, ConnectError> {
        let to = (peer, nth);
        let mut result = self.open_once(to, resolving, replaces_dropped).await;
        for _ in 1..GOOD_BYES {
            match result {
                Err(error) if error.problem == Problem::GoodBye => {}
                _ => break,
            }
            let resolving = self.resolve(peer);
            result = self.open_once(to, resolving, replaces_dropped).await;
        }
        result
    }

    /// What its name resolves to. Users that need it at about the same time ask once.
    pub(super) async fn resolve(&self, peer: &Peer) -> Result<Addresses, connect_error::Problem> {
        match &self.own {
            // What is on a list has an address.
            Some(common) if peer.entry.is_none() => {
                common.dialer.resolve(peer.target, &peer.endpoint).await
            }
            _ => peer.endpoint.resolve().await,
        }
    }

    /// Reported however it ends. Each is one more of those that may be opened a second.
    async fn open_once(
        &self,
        (peer, nth): (&Peer, usize),
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
        replaces_dropped: bool,
    ) -> Result<Opened, ConnectError> {
        if let Some(common) = &self.own {
            common.dialer.wait_for_cap(common.cap.as_deref()).await;
        }
        let opening = Opening {
            endpoint: &peer.endpoint,
            target: peer.target,
            replaces_dropped,
            limit: self.connect_timeout,
            clock: self.stamps.clock(),
            observer: &*self.observer,
        };
        let opened = opening.make(Way::Resolving.into(), async |deadline, stage| {
            let endpoint = &peer.endpoint;
            let traffic = Rc::new(Traffic::new(&self.stamps));
            let opening = handshake::open_by(
                endpoint,
                resolving,
                nth,
                deadline,
                stage,
                (&traffic, self.codec),
            )
            .await;
            opening.map(|opened| (opened, traffic.tls_time()))
        });
        opened.await
    }
}

/// A connection that lasted longer than this was a good one: the back-off starts over.
const STEADY_NANOS: Nanos = 1_000_000_000;

/// What became of the attempt to connect before a place is kept.
pub(super) enum First {
    /// The place can be used at once, if it is for that one still.
    Opened(Box<Opened>, Rc<Peer>),
    Failed,
    /// None was made.
    None,
}

/// Keeps a place connected for as long as the returned future is polled, or until the place is closed.
pub(super) fn keep(place: Rc<Place>, opener: Opener, first: First) -> impl Future<Output = ()> {
    let has_failed = matches!(first, First::Failed);
    let first = match first {
        First::Opened(open, peer) => {
            let driven = Driven::install(*open, &place, &peer, &opener);
            if !place.is_for(&peer) {
                // A list has changed meanwhile.
                place.hang_up();
            }
            Some(driven)
        }
        First::Failed | First::None => None,
    };
    keep_driving(place, opener, first, has_failed)
}

async fn keep_driving(
    place: Rc<Place>,
    opener: Opener,
    first: Option<Box<Driven>>,
    has_failed: bool,
) {
    let now = || opener.stamps.clock().now();
    let mut backoff = Backoff::new(opener.seed);
    let mut was_dropped = false;
    let mut current = first;
    let mut rest = has_failed.then(|| backoff.next());
    loop {
        let Some(mut driven) = current.take() else {
            let until = rest.map_or(0, |rest| now().saturating_add(nanos(rest)));
            place.rests_until(until);
            let is_on_demand = opener.own.is_some() || place.is_left();
            if is_on_demand && !place.is_wanted().await {
                return;
            }
            opener.aim(&place);
            let peer = place.peer();
            let wait = until.saturating_sub(now());
            // Boxed, or every connection would carry room for it.
            let attempt = Box::pin(async {
                if wait > 0 {
                    tokio::time::sleep(Duration::from_nanos(wait)).await;
                }
                opener.open_for(&place, &peer, was_dropped).await
            });
            match place.while_for(&peer, attempt).await {
                Some(None) => {
                    // Those in line reckon with the rest before the attempt, which is over; the next one's is
                    // theirs who come now.
                    tokio::task::yield_now().await;
                    rest = Some(backoff.next());
                }
                Some(opened) => current = opened,
                // What became of attempts to connect to somebody else says nothing of this one.
                None => {
                    backoff.reset();
                    rest = None;
                }
            }
            continue;
        };
        let end = driven.until_end(&place).await;
        driven.connection.sees_good_bye();
        place.retire(&driven.connection);
        let has_moved = !place.is_for(&driven.peer);
        was_dropped = !has_moved && !matches!(end, End::UsedUp);
        if was_dropped {
            opener
                .observer
                .connection(place.target, ConnectionEvent::Dropped);
            driven.peer.lost_a_connection();
        }
        if now().saturating_sub(driven.since) > STEADY_NANOS {
            backoff.reset();
        }
        if place.is_closing() {
            if !driven.is_closed {
                driven.finish().await;
            }
            return;
        }
        let is_in_order = !matches!(end, End::Failed);
        let was_of_use = driven.connection.streams() > 0;
        if !driven.is_closed {
            // Streams under way finish on it, beside its successor.
            tokio::task::spawn_local(driven.finish());
        }
        // Where one ended in good order, its successor need not wait.
        rest = match has_moved || (is_in_order && was_of_use) {
            true => {
                backoff.reset();
                None
            }
            false => Some(backoff.next()),
        };
    }
}

impl Opener {
    /// Where one of a user's own goes that is opened next, if that is a list of addresses: to the next of them.
    pub(super) fn aim(&self, place: &Place) {
        if let Some(common) = &self.own
            && common.peers.is_list(place.target)
        {
            let (peer, nth) = common.peers.next(place.target);
            place.is_to(peer, nth);
        }
    }

    /// One attempt, after which the place has a connection or those in line know that it failed.
    async fn open_for(
        &self,
        place: &Place,
        peer: &Rc<Peer>,
        replaces_dropped: bool,
    ) -> Option<Box<Driven>> {
        if !peer.is_somebody() {
            // Until it is known who.
            return pending().await;
        }
        let to = (&**peer, place.nth());
        match self.open(to, self.resolve(peer), replaces_dropped).await {
            Ok(open) => Some(Driven::install(open, place, peer, self)),
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
    /// Whom it goes to.
    peer: Rc<Peer>,
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
    fn install(open: Opened, place: &Place, peer: &Rc<Peer>, opener: &Opener) -> Box<Self> {
        let pump = Rc::new(Pump::new(open.connection, &open.tap));
        let observer = &opener.observer;
        let connection = Rc::new(Connection::new(
            open.traffic.connection_id(place.target, &**observer),
            open.sender,
            opener.most_streams,
            Rc::clone(&open.traffic),
            &pump,
            (observer, opener.stamps.clock()),
        ));
        place.install(&connection);
        Box::new(Self {
            peer: Rc::clone(peer),
            pump,
            connection,
            traffic: open.traffic,
            observer: Rc::clone(&opener.observer),
            since: opener.stamps.clock().now(),
            is_closed: false,
            probe: Probe::new(open.pings, opener.connect_timeout, opener.keepalive),
            counted: Counted::among(&opener.open_connections),
        })
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
    async fn finish(self: Box<Self>) {
        let Self {
            pump,
            connection,
            traffic,
            observer,
            counted: _counted,
            ..
        } = *self;
        // Once those with streams have let go of it too, the connection closes.
        let theirs = Rc::downgrade(&connection);
        drop(connection);
        poll_fn(|cx| {
            let polled = pump.poll(cx);
            report(&traffic, observer.as_ref());
            // One that was left may be told good-bye too, while streams are under way on it.
            if let Some(connection) = theirs.upgrade() {
                connection.sees_good_bye();
            }
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
