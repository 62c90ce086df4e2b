//! A user's connection to one path: there or not, and what is known of it while it is not.
//!
//! Owns the way from a connection that was lost to the next one. What goes over it is `exchange`'s.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;

use super::connection::{Connection, Incoming, Lost};
use super::hub::Hub;
use super::message::{number_in, number_of_pong};
use super::prepare::{Exchange, Expect, LinePlan};
use crate::clock::{Nanos, nanos};
use crate::driver::backoff::Backoff;
use crate::outcome::Failure;
use crate::workload::{ConnectionEvent, MessageFault, Observer, UserId};

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
    /// An attempt that failed and that no iteration has been told of.
    untold: RefCell<Option<(Nanos, Failure, String)>>,
}

impl Line {
    pub(super) fn new(hub: &Hub, user: UserId, index: usize) -> Self {
        let seed = hub.seed ^ (u64::from(user.0) << 16) ^ index as u64;
        Self {
            index,
            target: hub.target_of(user),
            nth: user.0 as usize / hub.prepared.endpoints.len(),
            connection: RefCell::new(hub.take_probed(user, index)),
            backoff: RefCell::new(Backoff::new(seed)),
            retry_at: Cell::new(0),
            untold: RefCell::new(None),
        }
    }

    fn plan<'a>(&self, hub: &'a Hub) -> &'a LinePlan {
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

    /// A new connection for an iteration that started at `started`.
    pub(super) async fn take_new(
        &self,
        hub: &Hub,
        started: Nanos,
    ) -> Result<Box<Connection>, (Failure, String)> {
        // An attempt within the same iteration was this one's.
        if let Some((at, failure, detail)) = self.untold.take()
            && at >= started
        {
            return Err((failure, detail));
        }
        // Boxed, or every iteration would carry room for what is needed once.
        Box::pin(async {
            let wait = self.retry_at.get().saturating_sub(hub.clock.now());
            if wait > 0 {
                tokio::time::sleep(Duration::from_nanos(wait)).await;
            }
            self.attempt(hub).await
        })
        .await
    }

    async fn attempt(&self, hub: &Hub) -> Result<Box<Connection>, (Failure, String)> {
        let opened = hub.open(self.index, self.target, self.nth).await;
        opened.map_err(|(failure, error)| {
            self.put_off(hub);
            (failure, error.to_string())
        })
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
        hub.observer.connection(ConnectionEvent::Dropped);
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
        let plan = self.plan(hub);
        let mut strays = Strays::new(plan);
        match strays.read(&mut connection, cx) {
            Ok(()) => {
                connection.report(&*hub.observer);
                self.put_back(connection);
            }
            Err(_) => self.lost(hub, connection),
        }
        strays.report(plan.step, &*hub.observer);
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
        let mut strays = Strays::new(self.plan(hub));
        let read = strays.read(connection, cx);
        strays.report(exchange.step, observer);
        let matches_in_order = matches!(exchange.expect, Expect::InOrder | Expect::Stream(_))
            && exchange.outgoing.is_some();
        match read {
            Err(lost) => Settled::Lost(lost),
            // What is owed could come at any time, and be taken for the answer to something else.
            Ok(()) if connection.owed > 0 && matches_in_order => Settled::Unclear,
            Ok(()) => Settled::Ready,
        }
    }

    /// A message that belongs to nothing that is waited for.
    pub(super) fn stray(
        &self,
        hub: &Hub,
        connection: &mut Connection,
        message: &Message,
    ) -> Option<MessageFault> {
        stray(self.plan(hub), connection, message)
    }
}

/// What a connection is good for when a step is about to use it.
#[derive(Debug)]
pub(super) enum Settled {
    Ready,
    /// Answers to what was given up would be taken for answers to what comes now.
    Unclear,
    Lost(Lost),
}

/// What came while nothing was waited for.
struct Strays<'a> {
    plan: &'a LinePlan,
    received: u64,
    unexpected: u64,
    too_late: u64,
}

impl<'a> Strays<'a> {
    fn new(plan: &'a LinePlan) -> Self {
        Self {
            plan,
            received: 0,
            unexpected: 0,
            too_late: 0,
        }
    }

    /// Reads all that is there.
    fn read(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Result<(), Lost> {
        while !connection.is_full() {
            match connection.poll_incoming(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(lost)) => return Err(lost),
                Poll::Ready(Ok(Incoming::Pong(payload))) => {
                    if let Some(number) = number_of_pong(&payload) {
                        // Those that nothing asked for are no more than a sign of life.
                        self.too_late += u64::from(connection.was_given_up(number));
                    }
                }
                Poll::Ready(Ok(Incoming::Message(message))) => {
                    if self.plan.listens && connection.owed == 0 {
                        connection.keep_waiting(message);
                        continue;
                    }
                    self.received += 1;
                    match stray(self.plan, connection, &message) {
                        Some(MessageFault::TooLate) => self.too_late += 1,
                        Some(_) => self.unexpected += 1,
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn report(&self, step: usize, observer: &dyn Observer) {
        if self.received > 0 {
            observer.messages(step, 0, self.received);
        }
        for (fault, count) in [
            (MessageFault::Unexpected, self.unexpected),
            (MessageFault::TooLate, self.too_late),
        ] {
            if count > 0 {
                observer.message_fault(step, fault, count);
            }
        }
    }
}

/// What is wrong with a message that belongs to nothing that is waited for.
fn stray(plan: &LinePlan, connection: &mut Connection, message: &Message) -> Option<MessageFault> {
    let id_field = plan.id_field.as_deref();
    let id_field = id_field.filter(|_| connection.has_given_up() || connection.owed > 0);
    let number = id_field.and_then(|field| number_in(message, field));
    if number.is_some_and(|number| connection.was_given_up(number)) {
        return Some(MessageFault::TooLate);
    }
    if number.is_none() && connection.owed > 0 {
        connection.owed -= 1;
        return Some(MessageFault::TooLate);
    }
    (!plan.tolerates).then_some(MessageFault::Unexpected)
}

/// The lines of a user, opened ahead where they are kept.
pub(super) async fn lines_of(hub: &Rc<Hub>, user: UserId, ahead: bool) -> Box<[Rc<Line>]> {
    let mut lines = Vec::with_capacity(hub.prepared.lines.len());
    for index in 0..hub.prepared.lines.len() {
        let line = Rc::new(Line::new(hub, user, index));
        if ahead {
            Box::pin(line.open_ahead(hub)).await;
        }
        hub.watch(&line);
        lines.push(line);
    }
    lines.into()
}
