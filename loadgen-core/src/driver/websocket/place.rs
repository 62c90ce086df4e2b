//! A user's place for its connection to one path, and what is known of that while it is not there.
//!
//! Owns the way from a connection that was lost to the next one, and that a step gets none on which
//! something old could be taken for an answer. What goes over it is `exchange`'s. A place outlives
//! its connections.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderValue;

use super::connection::{Connection, Lost};
use super::intercept::{Upgrades, With};
use super::pool::Pool;
use super::prepare::{Exchange, Expect, PathPlan};
use super::stray;
use super::tally::Tally;
use crate::clock::{Nanos, nanos};
use crate::driver::transport::backoff::Backoff;
use crate::driver::transport::endpoints::Assigned;
use crate::driver::web::cookies::Jar;
use crate::expression::Scope;
use crate::outcome::Failure;
use crate::workload::{ConnectionEvent, Iteration, Observer, UserId};

/// Messages that are read of one connection at one look, while no step uses it.
const MOST_AT_REST: usize = 256;

/// A connection that lasted longer than this was a good one: the back-off starts over.
const STEADY: Duration = Duration::from_secs(1);

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Unopened {
    pub(super) failure: Failure,
    pub(super) detail: String,
    /// Who refused it, where it says so.
    pub(super) by: Option<HeaderValue>,
}

/// A user's place for its connection to one path.
#[derive(Debug)]
pub(super) struct Place {
    /// Which of the scenario's paths.
    path: usize,
    user: UserId,
    /// Where it goes.
    to: Cell<Assigned>,
    /// How often targets had been switched when that was seen.
    switched: Cell<u64>,
    /// The cookies of its user, where they are kept.
    pub(super) jar: Option<Rc<RefCell<Jar>>>,
    /// Not there while a step uses it, and when it is lost.
    connection: RefCell<Option<Box<Connection>>>,
    backoff: RefCell<Backoff>,
    /// When the next attempt may be made.
    retry_at: Cell<Nanos>,
    /// Whether the last one was dropped, and none has taken its place.
    was_dropped: Cell<bool>,
    /// An attempt that failed and that no iteration has been told of.
    untold: RefCell<Option<(Nanos, Unopened)>>,
    /// What is seen of how the connection was opened.
    pub(super) upgrades: Upgrades,
}

impl Place {
    pub(super) fn new(
        pool: &Pool,
        user: UserId,
        path: usize,
        jar: Option<Rc<RefCell<Jar>>>,
    ) -> Self {
        let seed = pool.seed ^ (u64::from(user.0) << 16) ^ path as u64;
        Self {
            path,
            user,
            to: Cell::new(pool.assign(user)),
            switched: Cell::new(pool.switches.changes()),
            jar,
            connection: RefCell::new(None),
            backoff: RefCell::new(Backoff::new(seed)),
            retry_at: Cell::new(0),
            was_dropped: Cell::new(false),
            untold: RefCell::new(None),
            upgrades: Upgrades::of(user),
        }
    }

    /// Which of the scenario's targets it goes to.
    pub(super) fn target(&self) -> usize {
        self.to.get().target
    }

    pub(super) fn plan<'a>(&self, pool: &'a Pool) -> &'a PathPlan {
        &pool.prepared.paths[self.path]
    }

    /// Opens the connection ahead of its use. A failure waits for the iteration that needs it.
    pub(super) async fn open_ahead(&self, pool: &Pool) {
        let is_filled_in = self.plan(pool).template.is_filled_in();
        if is_filled_in || self.connection.borrow().is_some() {
            return;
        }
        match self.attempt(pool, None).await {
            Ok(connection) => self.put_back(connection),
            Err(unopened) => {
                let now = pool.clock.now();
                self.untold.replace(Some((now, unopened)));
            }
        }
    }

    /// A connection for a step, on which nothing old can be taken for an answer, and whether all that
    /// has come on it is read.
    pub(super) async fn take(
        &self,
        pool: &Rc<Pool>,
        exchange: &Exchange,
        with: With<'_>,
        iteration: &Iteration<'_>,
    ) -> Result<(Box<Connection>, bool), Unopened> {
        let taken = self.take_ready(pool, exchange, with.scope, iteration).await;
        if let Some(watch) = with.watch {
            self.upgrades.show(watch, iteration, || {
                (self.plan(pool).path.clone(), pool.origin(self.target()))
            });
        }
        taken
    }

    async fn take_ready(
        &self,
        pool: &Rc<Pool>,
        exchange: &Exchange,
        scope: &Scope,
        iteration: &Iteration<'_>,
    ) -> Result<(Box<Connection>, bool), Unopened> {
        let settle = async |connection: &mut Connection| {
            let observer = iteration.observer();
            poll_fn(|cx| Poll::Ready(self.settle(pool, connection, exchange, observer, cx))).await
        };
        if let Some(mut connection) = self.take_open() {
            match settle(&mut connection).await {
                Settled::Ready { is_read } => return Ok((connection, is_read)),
                Settled::Unclear => pool.say_good_bye(connection),
                Settled::Lost(_) => self.lost(pool, connection),
            }
        }
        let mut connection = self.take_new(pool, scope, iteration).await?;
        match settle(&mut connection).await {
            Settled::Ready { is_read } => Ok((connection, is_read)),
            // Nothing can be owed on a new one.
            Settled::Unclear => Ok((connection, false)),
            Settled::Lost(Lost {
                failure, detail, ..
            }) => {
                self.lost(pool, connection);
                Err(Unopened {
                    failure,
                    detail,
                    by: None,
                })
            }
        }
    }

    /// The connection, where it is open.
    pub(super) fn take_open(&self) -> Option<Box<Connection>> {
        self.connection.take()
    }

    /// The connection, where it goes to an address that is on its list no longer, or to a target that the user's
    /// iterations go to no longer.
    #[inline]
    pub(super) fn take_who_is_gone(&self, pool: &Pool) -> Option<Box<Connection>> {
        let switched = pool.switches.changes();
        if self.switched.replace(switched) != switched {
            let to = pool.assign(self.user);
            if self.to.replace(to) != to {
                // What was known was of the other one.
                self.worked();
                self.was_dropped.set(false);
                self.untold.take();
                return self.take_open();
            }
        }
        let is_gone = |it: &Connection| pool.lists.is_gone(self.target(), it.traffic());
        let is_gone = self.connection.borrow().as_deref().is_some_and(is_gone);
        is_gone.then(|| self.take_open()).flatten()
    }

    /// A new connection for an iteration.
    async fn take_new(
        &self,
        pool: &Pool,
        scope: &Scope,
        iteration: &Iteration<'_>,
    ) -> Result<Box<Connection>, Unopened> {
        // An attempt within the same iteration was this one's.
        if let Some((at, unopened)) = self.untold.take()
            && at >= iteration.started()
        {
            return Err(unopened);
        }
        // Boxed, or every iteration would carry room for what is needed once.
        Box::pin(async {
            let wait = self.retry_at.get().saturating_sub(pool.clock.now());
            if wait > 0 {
                // Resting before an attempt is our own choice, and nobody's latency.
                let until = Cell::new(Nanos::MAX);
                let rest = iteration.back_off(&until);
                tokio::time::sleep(Duration::from_nanos(wait)).await;
                drop(rest);
            }
            self.upgrades.iteration.set(iteration.number());
            self.attempt(pool, Some(scope)).await
        })
        .await
    }

    async fn attempt(
        &self,
        pool: &Pool,
        scope: Option<&Scope>,
    ) -> Result<Box<Connection>, Unopened> {
        self.upgrades.forget();
        let mut request = self.plan(pool).request(self.target());
        if let Some(scope) = scope {
            let filled_in = self.plan(pool).template.filled_in(request, scope);
            request = filled_in.map_err(|detail| Unopened {
                failure: Failure::Expression,
                detail,
                by: None,
            })?;
        }
        // Put off the next one now rather than when this one has failed: it may be cut off.
        self.put_off(pool);
        let was_dropped = self.was_dropped.get();
        let jar = self.jar.as_deref();
        let to = self.to.get();
        let opened = pool
            .open(self.path, request, to, was_dropped, jar, &self.upgrades)
            .await;
        self.was_dropped.set(was_dropped && opened.is_err());
        opened.map_err(|(failure, error)| Unopened {
            failure,
            detail: error.to_string(),
            by: error.problem.by().cloned(),
        })
    }

    /// The connection did what it is for: the back-off starts over.
    #[inline]
    pub(super) fn worked(&self) {
        self.backoff.borrow_mut().reset();
        self.retry_at.set(0);
    }

    /// Puts off the next attempt.
    fn put_off(&self, pool: &Pool) {
        let wait = nanos(self.backoff.borrow_mut().next());
        self.retry_at.set(pool.clock.now().saturating_add(wait));
    }

    /// The connection is free for the next step.
    pub(super) fn put_back(&self, connection: Box<Connection>) {
        self.connection.replace(Some(connection));
    }

    /// Takes note that the connection has ended without our asking.
    pub(super) fn lost(&self, pool: &Pool, connection: Box<Connection>) {
        connection.report(&*pool.observer);
        pool.observer
            .connection(self.target(), ConnectionEvent::Dropped);
        pool.lists.lost_a_connection(self.target());
        self.was_dropped.set(true);
        if pool.clock.now().saturating_sub(connection.since) > nanos(STEADY) {
            self.backoff.borrow_mut().reset();
        }
        drop(connection);
        self.put_off(pool);
    }

    /// Reads what has come while no step uses the connection: pings are answered, and its end is
    /// noticed when it comes rather than when it is next needed.
    pub(super) fn look_after(&self, pool: &Pool, cx: &mut Context<'_>) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let (plan, step) = (self.plan(pool), connection.step);
        let server = connection.server(&*pool.observer);
        let mut tally = Tally::default();
        match stray::read(plan, &mut connection, MOST_AT_REST, &mut tally, cx) {
            Ok(_) => {
                connection.report(&*pool.observer);
                self.put_back(connection);
            }
            Err(_) => self.lost(pool, connection),
        }
        tally.report(step, server, &*pool.observer);
    }

    /// Reads what has come before a step begins, so that nothing old is taken for an answer.
    /// Leaves the task to be woken by what comes from now on.
    fn settle(
        &self,
        pool: &Pool,
        connection: &mut Connection,
        exchange: &Exchange,
        observer: &dyn Observer,
        cx: &mut Context<'_>,
    ) -> Settled {
        let plan = self.plan(pool);
        let mut tally = Tally::default();
        let read = stray::read(plan, connection, usize::MAX, &mut tally, cx);
        tally.report(connection.step, connection.server(observer), observer);
        // Answers that carry their number, and pongs, can be told from what is owed; a feed cannot.
        let can_tell = match exchange.expect {
            Expect::InOrder | Expect::Stream(_) => false,
            Expect::Nothing | Expect::ById(_) | Expect::Pong => !plan.listens(),
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
enum Settled {
    /// Whether all that has come is read, and the task will be woken by more.
    Ready {
        is_read: bool,
    },
    /// Answers to what was given up would be taken for answers to what comes now.
    Unclear,
    Lost(Lost),
}

/// A user's places, opened ahead where they are kept.
pub(super) async fn places_of(pool: &Rc<Pool>, user: UserId, ahead: bool) -> Box<[Rc<Place>]> {
    let mut places: Vec<Rc<Place>> = Vec::with_capacity(pool.prepared.paths.len());
    for path in 0..pool.prepared.paths.len() {
        let place = pool.take_probed(user, path).unwrap_or_else(|| {
            // A user has one jar for all of them.
            let jar = match places.first() {
                Some(first) => first.jar.clone(),
                None => pool.new_jar(),
            };
            let place = Rc::new(Place::new(pool, user, path, jar));
            pool.watch(&place);
            place
        });
        if ahead {
            Box::pin(place.open_ahead(pool)).await;
        }
        places.push(place);
    }
    places.into()
}
