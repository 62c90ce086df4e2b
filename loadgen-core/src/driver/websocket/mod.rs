//! The WebSocket driver: messages, streams of messages and pings over connections that users keep.
//!
//! Owns connections and what is measured of messages: round trips, first messages, gaps, what is
//! missing or comes twice. Each user has a connection of its own for each path. It must not decide
//! when an iteration starts, and measures no time but that of messages and of connecting.
//!
//! A step takes the connection from its place (`place`), where what is old has been read, exchanges
//! its messages (`exchange`; how many may be out is `window`'s) and gives the connection back. While
//! no step has it, the worker's `pool` looks at it ten times a second; `farewell` ends it. Wherever a
//! message comes that belongs to nothing, `stray` says what it is.

mod account;
mod connection;
mod deflate;
mod error;
mod exchange;
mod farewell;
mod fields;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guest;
mod intercept;
mod message;
mod negotiation;
mod open;
mod place;
mod pool;
mod prepare;
mod problem;
mod refusal;
mod request_template;
mod sequence;
mod stray;
mod stream;
mod tally;
mod unfinished;
mod upgrade;
mod watch;
mod window;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use self::connection::Connection;
use self::intercept::With;
use self::place::Place;
use self::pool::Pool;
use self::prepare::{Exchange, Prepared};
use crate::driver::intercept::Interceptor;
use crate::driver::steps::{Execute, Lives, Session, Stage};
use crate::driver::transport::tls::Alpn;
use crate::outcome::{Failure, Outcome};
use crate::scenario::{ConnectionPer, ScenarioPlan, WebsocketPlan};
use crate::secrets::Secrets;
use crate::workload::{Iteration, Levels, Lookouts, PrepareError, UserId, WorkerContext, Workload};

pub use self::error::DriverError;

/// What WebSocket is spoken over.
static HTTP1: Alpn = Alpn {
    name: b"http/1.1",
    needed: "HTTP/1.1 (ALPN `http/1.1`), which WebSocket",
};

/// Makes the workloads of one scenario, one for each worker.
#[derive(Clone)]
pub struct WebsocketFactory {
    prepared: Arc<Prepared>,
    interceptor: Option<Arc<dyn Interceptor>>,
}

impl fmt::Debug for WebsocketFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketFactory")
            .field("prepared", &self.prepared)
            .finish_non_exhaustive()
    }
}

impl WebsocketFactory {
    /// Prepares a scenario whose targets are resolved; `plan` is what it says of WebSocket. Nothing is
    /// connected to yet.
    ///
    /// # Errors
    /// [`DriverError`] says which part of the scenario is wrong and how.
    pub fn new(scenario: &ScenarioPlan, plan: &WebsocketPlan) -> Result<Self, DriverError> {
        Self::on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage, whose secrets learn what is read on the way, and again later.
    pub(crate) fn on(
        scenario: &ScenarioPlan,
        plan: &WebsocketPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Ok(Self {
            prepared: Arc::new(Prepared::new(scenario, plan, stage)?),
            interceptor: None,
        })
    }

    /// Shows every upgrade and message to this interceptor before it is sent, and what answered. Messages
    /// then take more of the generator's time, for they are kept and may be read.
    #[must_use]
    pub fn with_interceptor(mut self, interceptor: Arc<dyn Interceptor>) -> Self {
        self.interceptor = Some(interceptor);
        self
    }

    /// The files that it is made of and that may change.
    pub(crate) fn lookouts(&self) -> Lookouts {
        self.prepared.lookouts.clone()
    }

    /// Checks a scenario as far as that goes without a connection. It may have no targets yet.
    ///
    /// # Errors
    /// As for [`WebsocketFactory::new`].
    pub fn check(scenario: &ScenarioPlan, plan: &WebsocketPlan) -> Result<(), DriverError> {
        Self::check_on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage.
    pub(crate) fn check_on(
        scenario: &ScenarioPlan,
        plan: &WebsocketPlan,
        stage: &Stage<'_>,
    ) -> Result<(), DriverError> {
        Prepared::check(scenario, plan, stage)
    }

    /// How many iterations may start before the scenario's test data run out; `None` where they do not,
    /// or where that ends nothing.
    #[must_use]
    pub fn most_iterations(&self) -> Option<u64> {
        self.prepared.life.most_iterations()
    }

    /// What of the environment its expressions use: no output may carry it on.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        self.prepared.life.secrets()
    }

    /// The workload of one worker. Its futures must run on a local runtime.
    #[must_use]
    pub fn workload(&self, context: &WorkerContext) -> WebsocketWorkload {
        WebsocketWorkload {
            pool: Pool::new(&self.prepared, context, self.interceptor.clone()),
            lives: Lives::new(context, self.prepared.timeout).shown_to(self.interceptor.clone()),
        }
    }
}

/// A scenario's exchanges, for one worker's users.
pub struct WebsocketWorkload {
    pool: Rc<Pool>,
    lives: Lives,
}

impl fmt::Debug for WebsocketWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketWorkload")
            .field("prepared", &self.pool.prepared)
            .finish_non_exhaustive()
    }
}

/// A user's connections, one for each path.
#[derive(Debug)]
pub struct UserConnections {
    places: Box<[Rc<Place>]>,
}

impl UserConnections {
    /// Those that are open.
    fn take_open(&self) -> impl Iterator<Item = Box<Connection>> {
        self.places.iter().filter_map(|place| place.take_open())
    }
}

impl Workload for WebsocketWorkload {
    type Session = Session<UserConnections>;

    async fn prepare(&self) -> Result<(), PrepareError> {
        self.pool.probe().await?;
        let life = &self.pool.prepared.life;
        if !life.has_setup() {
            return Ok(());
        }
        let places = Box::pin(place::places_of(&self.pool, UserId(0), false)).await;
        let own = UserConnections { places };
        if let Some(own) = self.lives.set_up(life, &self.pool, own).await? {
            self.pool.close_all(own.take_open()).await;
        }
        Ok(())
    }

    /// Opens the user's connections, where it keeps them. One that cannot be opened is tried again
    /// by the iteration that needs it, whose failure it then is.
    async fn open(&self, user: UserId) -> Result<Self::Session, Failure> {
        let is_kept = self.pool.prepared.connection_per == ConnectionPer::User;
        let places = Box::pin(place::places_of(&self.pool, user, is_kept)).await;
        let life = &self.pool.prepared.life;
        let mut session = self.lives.session(life, user, UserConnections { places });
        if life.has_begin()
            && let Err(failure) = self.lives.begin(life, &self.pool, &mut session).await
        {
            self.pool.close_all(session.own.take_open()).await;
            return Err(failure);
        }
        Ok(session)
    }

    fn levels(&self) -> Levels {
        self.pool.levels()
    }

    async fn iterate(&self, session: &mut Self::Session, iteration: &Iteration<'_>) -> Outcome {
        let prepared = &self.pool.prepared;
        let is_kept = prepared.connection_per == ConnectionPer::User;
        if !is_kept && iteration.number() > 0 {
            // Of an iteration that was cut off.
            for connection in session.own.take_open() {
                self.pool.say_good_bye(connection);
            }
        }
        let places = session.own.places.iter();
        for connection in places.filter_map(|it| it.take_who_is_gone(&self.pool)) {
            self.pool.say_good_bye(connection);
        }
        let life = &prepared.life;
        let outcome = self
            .lives
            .iterate(life, &self.pool, session, iteration)
            .await;
        if !is_kept {
            // The good-bye is no part of what was asked for.
            iteration.conclude(outcome);
            // Boxed, or every iteration would carry room for it.
            Box::pin(self.pool.part_with(session.own.take_open())).await;
        }
        outcome
    }

    async fn close(&self, mut session: Self::Session) {
        let life = &self.pool.prepared.life;
        if life.has_end() {
            self.lives.end(life, &self.pool, &mut session).await;
        }
        self.pool.close_all(session.own.take_open()).await;
        self.pool.lingering.over().await;
    }
}

/// Each step has the connection of its own path.
impl Execute for Rc<Pool> {
    type Action = Exchange;
    type Own = UserConnections;

    #[inline]
    async fn execute(
        &self,
        exchange: &Exchange,
        step: usize,
        session: &mut Session<UserConnections>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let (own, reply, scope, watch) = session.parts();
        let place = &own.places[exchange.path];
        let with = With { scope, watch };
        exchange::run(exchange, step, place, self, with, reply, iteration).await
    }
}

impl Drop for WebsocketWorkload {
    fn drop(&mut self) {
        self.pool.end_watch();
    }
}
