//! The gRPC driver: all four kinds of call over HTTP/2 connections, which users share or have of their own.
//!
//! Owns calls, their framing and statuses; connections and streams are `driver::http2`'s. A constant unary call goes straight to HTTP/2
//! (`unary`); streams and compressed calls go through tonic's client over a service on the same
//! connections (`stream`). Descriptions of services and encoded messages are made once, by
//! [`GrpcFactory::new`]. It must not decide when an iteration starts, and measures no time but
//! that of streams.

mod call;
mod calls;
mod checking;
mod codec;
mod compression;
mod describe;
mod described;
mod descriptor;
mod details;
mod dialect;
mod editions;
mod encoded;
mod error;
mod filled;
mod framed;
mod framing;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guest;
mod health;
mod intercept;
mod message;
mod metadata;
mod number;
mod numbered;
mod options;
mod outgoing;
mod own;
mod prepare;
mod protos;
mod reflection;
mod refusal;
mod reopening;
mod reply;
mod resilience;
mod retry;
mod scalar;
mod service;
mod status;
mod stream;
mod template;
mod unary;
mod unpacking;
mod waiting;

use std::fmt;
use std::sync::Arc;

use self::calls::CallsOn;
use self::own::Connections;
use self::prepare::Prepared;
use self::reopening::Reopening;
use self::resilience::Resilience;
use crate::clock::Clock;
use crate::driver::http2;
use crate::driver::intercept::Interceptor;
use crate::driver::steps::{Lives, Session, Stage};
use crate::driver::transport::tls::Alpn;
use crate::outcome::{Failure, Outcome};
use crate::scenario::{Codec, GrpcPlan, ScenarioPlan};
use crate::secrets::Secrets;
use crate::workload::{Iteration, Levels, Lookouts, PrepareError, UserId, WorkerContext, Workload};

pub use self::describe::{
    CallKind, DescribeError, Described, EnumDescription, FieldDescription, MessageDescription,
    MethodDescription, MethodSummary, ServiceDescription, describe, services,
};
pub use self::error::DriverError;
pub use self::metadata::MetadataError;
pub use self::own::UserConnection;

/// What gRPC is spoken over.
static HTTP2: Alpn = Alpn {
    name: http2::ALPN,
    needed: "HTTP/2 (ALPN `h2`), which gRPC",
};

/// Makes the workloads of one scenario, one for each worker.
///
/// Everything that is the same for all workers is made here, once: TLS settings, descriptions of
/// the methods, encoded messages, headers.
#[derive(Clone)]
pub struct GrpcFactory {
    prepared: Arc<Prepared>,
    interceptor: Option<Arc<dyn Interceptor>>,
}

impl fmt::Debug for GrpcFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcFactory")
            .field("prepared", &self.prepared)
            .finish_non_exhaustive()
    }
}

impl GrpcFactory {
    /// Prepares a scenario whose targets are resolved; `plan` is what it says of gRPC.
    ///
    /// A method is looked up in the scenario's `.proto` files, then among loadgen's own services,
    /// then at the first target that can be reached, by server reflection. That takes at most `connect_timeout` twice for each target; without it
    /// nothing is connected to. It may be called inside a runtime and then blocks its thread.
    ///
    /// # Errors
    /// [`DriverError`] says which part of the scenario is wrong and how;
    /// [`DriverError::Unreachable`] that the server had to be asked and none was there.
    pub fn new(scenario: &ScenarioPlan, plan: &GrpcPlan) -> Result<Self, DriverError> {
        Self::on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage, whose secrets learn what is read on the way, and again later.
    pub(crate) fn on(
        scenario: &ScenarioPlan,
        plan: &GrpcPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Ok(Self {
            prepared: Arc::new(Prepared::new(scenario, plan, stage)?),
            interceptor: None,
        })
    }

    /// Shows every call to this interceptor before it is sent, and what answered. Calls then take more
    /// of the generator's time, for their messages are kept and may be read.
    #[must_use]
    pub fn with_interceptor(mut self, interceptor: Arc<dyn Interceptor>) -> Self {
        self.interceptor = Some(interceptor);
        self
    }

    /// The files that it is made of and that may change.
    pub(crate) fn lookouts(&self) -> Lookouts {
        self.prepared.lookouts.clone()
    }

    /// Checks a scenario as far as that goes without a connection: its TLS settings, `.proto`
    /// files, methods, messages and metadata. It may have no targets yet. Returns the methods that
    /// the server is asked about when the run is prepared, in order of use, each once: neither the
    /// scenario nor loadgen describes them.
    ///
    /// # Errors
    /// As for [`GrpcFactory::new`], save those that take a server.
    pub fn check(scenario: &ScenarioPlan, plan: &GrpcPlan) -> Result<Vec<String>, DriverError> {
        Self::check_on(scenario, plan, &Stage::alone(&Secrets::default()))
    }

    /// The same on a stage.
    pub(crate) fn check_on(
        scenario: &ScenarioPlan,
        plan: &GrpcPlan,
        stage: &Stage<'_>,
    ) -> Result<Vec<String>, DriverError> {
        prepare::check(scenario, plan, stage)
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

    /// Who speaks HTTP/2 for its calls: [`Codec::Own`] where the plan says so, all of the scenario's calls are such
    /// as that makes, and nobody intercepts them.
    #[must_use]
    pub fn codec(&self) -> Codec {
        match self.interceptor {
            Some(_) => Codec::H2,
            None => self.prepared.wanted.codec,
        }
    }

    /// Why [`Codec::Own`] does not speak although the plan asks for it.
    #[must_use]
    pub fn codec_notice(&self) -> Option<String> {
        let prepared = &self.prepared;
        let why = match (&prepared.not_own, &self.interceptor) {
            _ if !prepared.asks_for_own => return None,
            (Some(call), _) => format!("`own` does not make the call of {call}"),
            (None, Some(_)) => "`own` shows its calls to nobody".to_owned(),
            (None, None) => return None,
        };
        Some(format!("`codec` is `h2` for all calls: {why}"))
    }

    /// The workload of one worker. Its futures must run on a local runtime.
    #[must_use]
    pub fn workload(&self, context: &WorkerContext) -> GrpcWorkload {
        GrpcWorkload {
            connections: Connections::new(&self.prepared, self.codec(), context),
            resilience: Resilience::new(&self.prepared, context),
            clock: context.clock,
            seed: context.seed,
            lives: Lives::new(context, self.prepared.timeout).shown_to(self.interceptor.clone()),
            prepared: Arc::clone(&self.prepared),
        }
    }
}

/// A scenario's gRPC calls, on one worker's connections.
pub struct GrpcWorkload {
    prepared: Arc<Prepared>,
    connections: Connections,
    clock: Clock,
    seed: u64,
    lives: Lives,
    /// What is done about failures, where the scenario asks for any.
    resilience: Option<Box<Resilience>>,
}

impl fmt::Debug for GrpcWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcWorkload")
            .field("prepared", &self.prepared)
            .finish_non_exhaustive()
    }
}

impl Workload for GrpcWorkload {
    type Session = Session<UserConnection>;

    async fn prepare(&self) -> Result<(), PrepareError> {
        self.connections.open().await?;
        if let Some(resilience) = &self.resilience {
            resilience.introduce(&self.connections).await;
        }
        let life = &self.prepared.life;
        if life.has_setup() {
            let mut own = self.connections.of_nobody();
            let calls = self.calls(&mut own);
            if let Some(own) = self.lives.set_up(life, &calls, own).await? {
                own.close().await;
            }
        }
        Ok(())
    }

    async fn open(&self, user: UserId) -> Result<Self::Session, Failure> {
        let mut own = match &self.connections {
            Connections::Shared(_) => self.connections.of(user),
            Connections::Own(..) => Box::pin(self.connections.of_opened(user)).await,
        };
        if self.prepared.has_lasting_streams {
            let reopening = Reopening::new(self.clock, self.seed, user);
            own.reopening = Some(Box::new(reopening));
        }
        let life = &self.prepared.life;
        let mut session = self.lives.session(life, user, own);
        if life.has_begin() {
            let calls = self.calls(&mut session.own);
            if let Err(failure) = self.lives.begin(life, &calls, &mut session).await {
                session.own.close().await;
                return Err(failure);
            }
        }
        Ok(session)
    }

    fn levels(&self) -> Levels {
        self.connections.levels()
    }

    async fn iterate(&self, session: &mut Self::Session, iteration: &Iteration<'_>) -> Outcome {
        let is_kept = self.connections.are_kept();
        if !is_kept && iteration.number() > 0 {
            // Of an iteration that was cut off.
            session.own.hang_up();
        }
        self.connections.aim(&mut session.own);
        if let Some(reopening) = &mut session.own.reopening {
            reopening.begin();
        }
        let calls = self.calls(&mut session.own);
        match calls.common_target() {
            Some(target) => iteration.goes_to(target),
            None => iteration.goes_nowhere(),
        }
        let life = &self.prepared.life;
        let outcome = self.lives.iterate(life, &calls, session, iteration).await;
        if !is_kept {
            session.own.hang_up();
        }
        if let Some(reopening) = &mut session.own.reopening {
            Box::pin(reopening.end(outcome, iteration)).await;
        }
        outcome
    }

    async fn close(&self, mut session: Self::Session) {
        let life = &self.prepared.life;
        if life.has_end() {
            let calls = self.calls(&mut session.own);
            self.lives.end(life, &calls, &mut session).await;
        }
        session.own.close().await;
    }
}

impl GrpcWorkload {
    /// The calls of what a user does next.
    #[inline]
    fn calls(&self, own: &mut UserConnection) -> CallsOn<'_> {
        CallsOn::new(own, &self.connections, self.resilience.as_deref())
    }
}
