//! A user's connection to one path: there or not, and what is known of it while it is not.
//!
//! Owns the way from a connection that was lost to the next one. What goes over it is `exchange`'s.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use super::connection::{Connection, Lost};
use super::hub::Hub;
use super::prepare::{Exchange, Expect, LinePlan};
use super::stray;
use super::tally::Tally;
use crate::clock::{Nanos, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::outcome::Failure;
use crate::workload::{ConnectionEvent, Iteration, Observer, UserId};

/// Messages that are read of one connection at one look, while no step uses it.
const MOST_AT_REST: usize = 256;

/// A connection that lasted longer than this was a good one: the back-off starts over.
const STEADY: Duration = Duration::from_secs(1);

/// A user's connection to one path.
#[derive(Debug)]
pub(super) struct Line {
    /// Its place in the plan.
    index: usize,
    target: usize,
    /// Its number among those to the same target.
    nth: usize,
    /// Not there while a step uses it, and when it is lost.
    connection: RefCell<Option<Box<Connection>>>,
    backoff: RefCell<Backoff>,
    /// When the next attempt may be made.
    retry_at: Cell<Nanos>,
    /// Whether the last one was dropped, and none has taken its place.
    was_dropped: Cell<bool>,
    /// An attempt that failed and that no iteration has been told of.
    untold: RefCell<Option<(Nanos, Failure, String)>>,
}

impl Line {
    pub(super) fn new(hub: &Hub, user: UserId, index: usize) -> Self {
        let seed = hub.seed ^ (u64::from(user.0) << 16) ^ index as u64;
        let to = hub.assign(user);
        Self {
            index,
            target: to.target,
            nth: to.nth,
            connection: RefCell::new(None),
            backoff: RefCell::new(Backoff::new(seed)),
            retry_at: Cell::new(0),
            was_dropped: Cell::new(false),
            untold: RefCell::new(None),
        }
    }

    /// Which of the scenario's targets it goes to.
    pub(super) fn target(&self) -> usize {
        self.target
    }

    pub(super) fn plan<'a>(&self, hub: &'a Hub) -> &'a LinePlan {
        &hub.prepared.lines[self.index]
    }

    /// Opens the connection ahead of its use. A failure waits for the iteration that needs it.
    pub(super) async fn open_ahead(&self, hub: &Hub) {
        if self.connection.borrow().is_some() {
            return;
        }
        match self.attempt(hub).await {
            Ok(connection) => self.put_back(connection),
            Err((failure, detail)) => {
                let now = hub.clock.now();
                self.untold.replace(Some((now, failure, detail)));
            }
        }
    }

    /// The connection, where it is open.
    pub(super) fn take_open(&self) -> Option<Box<Connection>> {
        self.connection.take()
    }

    /// A new connection for an iteration.
    pub(super) async fn take_new(
        &self,
        hub: &Hub,
        iteration: &Iteration<'_>,
    ) -> Result<Box<Connection>, (Failure, String)> {
        // An attempt within the same iteration was this one's.
        if let Some((at, failure, detail)) = self.untold.take()
            && at >= iteration.started()
        {
            return Err((failure, detail));
        }
        // Boxed, or every iteration would carry room for what is needed once.
        Box::pin(async {
            let wait = self.retry_at.get().saturating_sub(hub.clock.now());
            if wait > 0 {
                // Resting before an attempt is our own choice, and nobody's latency.
                let until = Cell::new(Nanos::MAX);
                let rest = iteration.back_off(&until);
                tokio::time::sleep(Duration::from_nanos(wait)).await;
                drop(rest);
            }
            self.attempt(hub).await
        })
        .await
    }

    async fn attempt(&self, hub: &Hub) -> Result<Box<Connection>, (Failure, String)> {
        // Put off the next one now rather than when this one has failed: it may be cut off.
        self.put_off(hub);
        let was_dropped = self.was_dropped.get();
        let opened = hub
            .open(self.index, self.target, self.nth, was_dropped)
            .await;
        self.was_dropped.set(was_dropped && opened.is_err());
        opened.map_err(|(failure, error)| (failure, error.to_string()))
    }

    /// The connection did what it is for: the back-off starts over.
    #[inline]
    pub(super) fn worked(&self) {
        self.backoff.borrow_mut().reset();
        self.retry_at.set(0);
    }

    /// Puts off the next attempt.
    fn put_off(&self, hub: &Hub) {
        let wait = nanos(self.backoff.borrow_mut().next());
        self.retry_at.set(hub.clock.now().saturating_add(wait));
    }

    /// The connection is free for the next step.
    pub(super) fn put_back(&self, connection: Box<Connection>) {
        self.connection.replace(Some(connection));
    }

    /// Takes note that the connection has ended without our asking.
    pub(super) fn lost(&self, hub: &Hub, connection: Box<Connection>) {
        connection.report(&*hub.observer);
        hub.observer
            .connection(self.target, ConnectionEvent::Dropped);
        self.was_dropped.set(true);
        if hub.clock.now().saturating_sub(connection.since) > nanos(STEADY) {
            self.backoff.borrow_mut().reset();
        }
        drop(connection);
        self.put_off(hub);
    }

    /// Reads what has come while no step uses the connection: pings are answered, and its end is
    /// noticed when it comes rather than when it is next needed.
    pub(super) fn look_after(&self, hub: &Hub, cx: &mut Context<'_>) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let (plan, step) = (self.plan(hub), connection.step);
        let mut tally = Tally::default();
        match stray::read(plan, &mut connection, MOST_AT_REST, &mut tally, cx) {
            Ok(_) => {
                connection.report(&*hub.observer);
                self.put_back(connection);
            }
            Err(_) => self.lost(hub, connection),
        }
        tally.report(step, &*hub.observer);
    }

    /// Reads what has come before a step begins, so that nothing old is taken for an answer.
    /// Leaves the task to be woken by what comes from now on.
    pub(super) fn settle(
        &self,
        hub: &Hub,
        connection: &mut Connection,
        exchange: &Exchange,
        observer: &dyn Observer,
        cx: &mut Context<'_>,
    ) -> Settled {
        let plan = self.plan(hub);
        let mut tally = Tally::default();
        let read = stray::read(plan, connection, usize::MAX, &mut tally, cx);
        tally.report(connection.step, observer);
        // Answers that carry their number, and pongs, can be told from what is owed; a feed cannot.
        let can_tell = match exchange.expect {
            Expect::InOrder | Expect::Stream(_) => false,
            Expect::Nothing | Expect::ById(_) | Expect::Pong => !plan.listens,
        };
        match read {
            Err(lost) => Settled::Lost(lost),
            Ok(_) if !connection.account.is_clear() && !can_tell => Settled::Unclear,
            Ok(is_read) => Settled::Ready { is_read },
        }
    }
}

/// What a connection is good for when a step is about to use it.
#[derive(Debug)]
pub(super) enum Settled {
    /// Whether all that has come is read, and the task will be woken by more.
    Ready {
        is_read: bool,
    },
    /// Answers to what was given up would be taken for answers to what comes now.
    Unclear,
    Lost(Lost),
}

/// The lines of a user, opened ahead where they are kept.
pub(super) async fn lines_of(hub: &Rc<Hub>, user: UserId, ahead: bool) -> Box<[Rc<Line>]> {
    let mut lines = Vec::with_capacity(hub.prepared.lines.len());
    for index in 0..hub.prepared.lines.len() {
        let line = hub.take_probed(user, index).unwrap_or_else(|| {
            let line = Rc::new(Line::new(hub, user, index));
            hub.watch(&line);
            line
        });
        if ahead {
            Box::pin(line.open_ahead(hub)).await;
        }
        lines.push(line);
    }
    lines.into()
}
