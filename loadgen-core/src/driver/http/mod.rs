//! The HTTP driver: requests over HTTP/1.1, each user's on a connection of its own, or over HTTP/2, all
//! users' on connections that they share.
//!
//! Owns connections, and what is measured of answers that come as events. It must not decide when an
//! iteration starts, and measures no time but that of events and of connecting.
//!
//! A step (`exchange`) makes what was made ready (`request`) a request over its user's own connection
//! (`over_http1`, `own`, `connection`; its form is `http1`'s) or a stream of a shared one (`over_http2`; the
//! connections are `driver::http2`'s), and reads the answer (`reading`, `events`, `answer`) the same way for
//! both. The connection of HTTP/1.1 is moved by the user's own task, so that no other is woken for a request.

mod answer;
mod connection;
mod error;
mod events;
mod exchange;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guest;
mod http1;
mod intercept;
mod over_http1;
mod over_http2;
mod own;
mod place;
mod pool;
mod prepare;
mod reading;
mod request;
mod trouble;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use self::exchange::With;
use self::place::Place;
use self::pool::Pool;
use self::prepare::{Asking, Prepared};
use crate::driver::http2;
use crate::driver::intercept::Interceptor;
use crate::driver::steps::{Execute, Lives, Session, Stage};
use crate::driver::transport::probe::Rounds;
use crate::driver::transport::tls::Alpn;
use crate::outcome::{Failure, Outcome};
use crate::scenario::{HttpPlan, ScenarioPlan};
use crate::secrets::Secrets;
use crate::workload::{Iteration, Levels, Lookouts, PrepareError, UserId, WorkerContext, Workload};

pub use self::error::DriverError;

/// What is spoken.
static HTTP1: Alpn = Alpn {
    name: b"http/1.1",
    needed: "HTTP/1.1 (ALPN `http/1.1`), which an HTTP scenario",
};

/// The same with `"http_version": "2"`.
static HTTP2: Alpn = Alpn {
    name: http2::ALPN,
    needed: "HTTP/2 (ALPN `h2`), which `\"http_version\": \"2\"`",
};

/// Makes the workloads of one scenario, one for each worker.
#[derive(Clone)]
pub struct HttpFactory {
    prepared: Arc<Prepared>,
    interceptor: Option<Arc<dyn Interceptor>>,
}

impl fmt::Debug for HttpFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFactory")
            .field("prepared", &self.prepared)
            .finish_non_exhaustive()
    }
}

impl HttpFactory {
    /// Prepares a scenario whose targets are resolved; `plan` is what it says of HTTP. Nothing is
    /// connected to yet.
    ///
    /// # Errors
    /// [`DriverError`] says which part of the scenario is wrong and how.
    pub fn new(scenario: &ScenarioPlan, plan: &HttpPlan) -> Result<Self, DriverError> {
        Self::on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage, whose secrets learn what is read on the way, and again later.
    pub(crate) fn on(
        scenario: &ScenarioPlan,
        plan: &HttpPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Ok(Self {
            prepared: Arc::new(Prepared::new(scenario, plan, stage)?),
            interceptor: None,
        })
    }

    /// Shows every request to this interceptor before it is sent, and what answered. Requests then take
    /// more of the generator's time, for bodies are kept and may be read.
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
    /// As for [`HttpFactory::new`].
    pub fn check(scenario: &ScenarioPlan, plan: &HttpPlan) -> Result<(), DriverError> {
        Self::check_on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage.
    pub(crate) fn check_on(
        scenario: &ScenarioPlan,
        plan: &HttpPlan,
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
    pub fn workload(&self, context: &WorkerContext) -> HttpWorkload {
        HttpWorkload {
            pool: Pool::new(&self.prepared, context),
            lives: Lives::new(context, self.prepared.timeout).shown_to(self.interceptor.clone()),
        }
    }
}

/// A scenario's requests, for one worker's users.
pub struct HttpWorkload {
    pool: Rc<Pool>,
    lives: Lives,
}

impl fmt::Debug for HttpWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWorkload")
            .field("prepared", &self.pool.prepared)
            .finish_non_exhaustive()
    }
}

/// A user's connection.
pub struct UserConnection(Place);

impl fmt::Debug for UserConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConnection").finish_non_exhaustive()
    }
}

impl Workload for HttpWorkload {
    type Session = Session<UserConnection>;

    async fn prepare(&self) -> Result<(), PrepareError> {
        match &self.pool.shared {
            None => self.pool.probe().await?,
            Some(shared) => shared.open(Rounds::begin()).await?,
        }
        let life = &self.pool.prepared.life;
        if life.has_setup() {
            // It goes to the first target, and the connection that was opened ahead is not for this.
            let own = UserConnection(Place::empty(&self.pool, UserId(0)));
            if let Some(mut own) = self.lives.set_up(life, &self.pool, own).await? {
                own.0.close(&self.pool);
            }
        }
        Ok(())
    }

    /// Opens the user's connection, where it keeps it. One that cannot be opened is tried again by the
    /// iteration that needs it, whose failure it then is.
    async fn open(&self, user: UserId) -> Result<Self::Session, Failure> {
        let mut place = Place::new(&self.pool, user);
        place.open_ahead(&self.pool).await;
        let life = &self.pool.prepared.life;
        let mut session = self.lives.session(life, user, UserConnection(place));
        if life.has_begin()
            && let Err(failure) = self.lives.begin(life, &self.pool, &mut session).await
        {
            session.own.0.close(&self.pool);
            return Err(failure);
        }
        Ok(session)
    }

    fn levels(&self) -> Levels {
        self.pool.levels()
    }

    async fn iterate(&self, session: &mut Self::Session, iteration: &Iteration<'_>) -> Outcome {
        let is_first = iteration.number() == 0;
        session.own.0.begin(&self.pool, is_first);
        let life = &self.pool.prepared.life;
        let outcome = self
            .lives
            .iterate(life, &self.pool, session, iteration)
            .await;
        session.own.0.end(&self.pool);
        outcome
    }

    async fn close(&self, mut session: Self::Session) {
        let life = &self.pool.prepared.life;
        if life.has_end() {
            self.lives.end(life, &self.pool, &mut session).await;
        }
        session.own.0.close(&self.pool);
    }
}

impl Execute for Rc<Pool> {
    type Action = Asking;
    type Own = UserConnection;

    #[inline]
    async fn execute(
        &self,
        asking: &Asking,
        step: usize,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let (own, reply, scope, watch) = session.parts();
        let with = With { scope, watch };
        exchange::run(asking, step, &mut own.0, self, with, reply, iteration).await
    }
}
