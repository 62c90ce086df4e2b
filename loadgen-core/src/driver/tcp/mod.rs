//! The TCP driver: bytes sent, and replies whose end the scenario says, over connections that users keep.
//!
//! Owns connections and what is measured of messages. Each user has one connection. It must not decide
//! when an iteration starts, and measures no time but that of messages and of connecting.
//!
//! A step finds the connection at its user's place (`place`), where it has been seen to whether it is still
//! there, and exchanges its messages (`exchange`); where a reply ends is `frame`'s.

mod connection;
mod error;
mod exchange;
mod frame;
mod guest;
mod intercept;
mod outgoing;
mod place;
mod pool;
mod prepare;

use std::fmt;
use std::sync::Arc;

use self::exchange::With;
use self::pool::Pool;
use self::prepare::{Exchange, Prepared};
use crate::driver::intercept::Interceptor;
use crate::driver::steps::{Execute, Lives, Session, Stage};
use crate::driver::transport::tls::Alpn;
use crate::outcome::{Failure, Outcome};
use crate::scenario::{ConnectionPer, ScenarioPlan, TcpPlan};
use crate::secrets::Secrets;
use crate::workload::{Iteration, Levels, Lookouts, PrepareError, UserId, WorkerContext, Workload};

pub use self::error::DriverError;
pub use self::place::UserConnection;

/// What is spoken over TCP has no name that could be agreed on.
static NO_ALPN: Alpn = Alpn {
    name: b"",
    needed: "",
};

/// Makes the workloads of one scenario, one for each worker.
#[derive(Clone)]
pub struct TcpFactory {
    prepared: Arc<Prepared>,
    interceptor: Option<Arc<dyn Interceptor>>,
}

impl fmt::Debug for TcpFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpFactory")
            .field("prepared", &self.prepared)
            .finish_non_exhaustive()
    }
}

impl TcpFactory {
    /// Prepares a scenario whose targets are resolved; `plan` is what it says of TCP. Nothing is connected
    /// to yet.
    ///
    /// # Errors
    /// [`DriverError`] says which part of the scenario is wrong and how.
    pub fn new(scenario: &ScenarioPlan, plan: &TcpPlan) -> Result<Self, DriverError> {
        Self::on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage, whose secrets learn what is read on the way, and again later.
    pub(crate) fn on(
        scenario: &ScenarioPlan,
        plan: &TcpPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Ok(Self {
            prepared: Arc::new(Prepared::new(scenario, plan, stage)?),
            interceptor: None,
        })
    }

    /// Shows every message to this interceptor before it is sent, and what answered. Messages then take more
    /// of the generator's time, for they are kept and may be read.
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
    /// As for [`TcpFactory::new`].
    pub fn check(scenario: &ScenarioPlan, plan: &TcpPlan) -> Result<(), DriverError> {
        Self::check_on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage.
    pub(crate) fn check_on(
        scenario: &ScenarioPlan,
        plan: &TcpPlan,
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
    pub fn workload(&self, context: &WorkerContext) -> TcpWorkload {
        TcpWorkload {
            pool: Pool::new(&self.prepared, context),
            lives: Lives::new(context, self.prepared.timeout).shown_to(self.interceptor.clone()),
        }
    }
}

/// A scenario's exchanges, for one worker's users.
pub struct TcpWorkload {
    pool: Pool,
    lives: Lives,
}

impl fmt::Debug for TcpWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpWorkload")
            .field("prepared", &self.pool.prepared)
            .finish_non_exhaustive()
    }
}

impl TcpWorkload {
    fn keeps_connections(&self) -> bool {
        self.pool.prepared.connection_per == ConnectionPer::User
    }
}

impl Workload for TcpWorkload {
    type Session = Session<UserConnection>;

    async fn prepare(&self) -> Result<(), PrepareError> {
        self.pool.probe().await?;
        let life = &self.pool.prepared.life;
        if !life.has_setup() {
            return Ok(());
        }
        // The connection that was opened ahead is not for this.
        let own = UserConnection::new(&self.pool, UserId(0));
        if let Some(mut own) = self.lives.set_up(life, &self.pool, own).await? {
            own.close(&self.pool).await;
        }
        Ok(())
    }

    /// Opens the user's connection, where it keeps one. One that cannot be opened is tried again by the
    /// iteration that needs it, whose failure it then is.
    async fn open(&self, user: UserId) -> Result<Self::Session, Failure> {
        let own = UserConnection::of(&self.pool, user, self.keeps_connections()).await;
        let life = &self.pool.prepared.life;
        let mut session = self.lives.session(life, user, own);
        if life.has_begin()
            && let Err(failure) = self.lives.begin(life, &self.pool, &mut session).await
        {
            session.own.close(&self.pool).await;
            return Err(failure);
        }
        Ok(session)
    }

    fn levels(&self) -> Levels {
        self.pool.levels()
    }

    async fn iterate(&self, session: &mut Self::Session, iteration: &Iteration<'_>) -> Outcome {
        let is_kept = self.keeps_connections();
        if !is_kept && iteration.number() > 0 {
            // Of an iteration that was cut off.
            session.own.abandon(&self.pool);
        }
        session.own.leave_who_is_gone(&self.pool).await;
        let life = &self.pool.prepared.life;
        let outcome = self
            .lives
            .iterate(life, &self.pool, session, iteration)
            .await;
        if !is_kept {
            // The end of the connection is no part of what was asked for.
            iteration.conclude(outcome);
            // Boxed, or every iteration would carry room for it.
            Box::pin(session.own.close(&self.pool)).await;
        }
        outcome
    }

    async fn close(&self, mut session: Self::Session) {
        let life = &self.pool.prepared.life;
        if life.has_end() {
            self.lives.end(life, &self.pool, &mut session).await;
        }
        session.own.close(&self.pool).await;
    }
}

impl Execute for Pool {
    type Action = Exchange;
    type Own = UserConnection;

    #[inline]
    async fn execute(
        &self,
        exchange: &Exchange,
        _: usize,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let (own, reply, scope, watch) = session.parts();
        let with = With { scope, watch };
        exchange::run(exchange, own, self, with, reply, iteration).await
    }
}
