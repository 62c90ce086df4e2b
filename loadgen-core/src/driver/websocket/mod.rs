//! The WebSocket driver: messages, streams of messages and pings over connections that users keep.
//!
//! Owns connections and what is measured of messages: round trips, first messages, gaps, what is
//! missing or comes twice. Each user has a connection of its own for each path. It must not decide
//! when an iteration starts, and measures no time but that of messages and of connecting.
//!
//! A step takes the connection (`line`), reads what is old (`settle`), exchanges its messages
//! (`exchange`) and gives the connection back. While no step has it, the worker's `hub` looks at it
//! ten times a second; `farewell` ends it. Wherever a message comes that belongs to nothing, `stray`
//! says what it is.

mod account;
mod connection;
mod error;
mod exchange;
mod farewell;
mod fields;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hub;
mod line;
mod message;
mod open;
mod prepare;
mod problem;
mod refusal;
mod sequence;
mod stray;
mod stream;
mod tally;
mod unfinished;
mod upgrade;
mod watch;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use self::connection::Connection;
use self::hub::Hub;
use self::line::Line;
use self::prepare::{Action, Prepared};
use crate::driver::transport::tls::Alpn;
use crate::outcome::{Failure, Outcome};
use crate::scenario::{ConnectionPer, ScenarioPlan, WebsocketPlan};
use crate::workload::{Iteration, Levels, PrepareError, UserId, WorkerContext, Workload};

pub use self::error::DriverError;

/// What WebSocket is spoken over.
static HTTP1: Alpn = Alpn {
    name: b"http/1.1",
    needed: "HTTP/1.1 (ALPN `http/1.1`), which WebSocket",
};

/// Makes the workloads of one scenario, one for each worker.
#[derive(Debug, Clone)]
pub struct WebsocketFactory {
    prepared: Arc<Prepared>,
}

impl WebsocketFactory {
    /// Prepares a scenario whose targets are resolved; `plan` is what it says of WebSocket. Nothing is
    /// connected to yet.
    ///
    /// # Errors
    /// [`DriverError`] says which part of the scenario is wrong and how.
    pub fn new(scenario: &ScenarioPlan, plan: &WebsocketPlan) -> Result<Self, DriverError> {
        Ok(Self {
            prepared: Arc::new(Prepared::new(scenario, plan)?),
        })
    }

    /// Checks a scenario as far as that goes without a connection. It may have no targets yet.
    ///
    /// # Errors
    /// As for [`WebsocketFactory::new`].
    pub fn check(scenario: &ScenarioPlan, plan: &WebsocketPlan) -> Result<(), DriverError> {
        Prepared::check(scenario, plan)
    }

    /// The workload of one worker. Its futures must run on a local runtime.
    #[must_use]
    pub fn workload(&self, context: &WorkerContext) -> WebsocketWorkload {
        WebsocketWorkload {
            hub: Hub::new(&self.prepared, context),
        }
    }
}

/// A scenario's exchanges, for one worker's users.
pub struct WebsocketWorkload {
    hub: Rc<Hub>,
}

impl fmt::Debug for WebsocketWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketWorkload")
            .field("prepared", &self.hub.prepared)
            .finish_non_exhaustive()
    }
}

/// A user's connections, one for each path.
#[derive(Debug)]
pub struct WebsocketSession {
    lines: Box<[Rc<Line>]>,
}

impl WebsocketSession {
    /// Those that are open.
    fn take_open(&self) -> impl Iterator<Item = Box<Connection>> {
        self.lines.iter().filter_map(|line| line.take_open())
    }
}

impl Workload for WebsocketWorkload {
    type Session = WebsocketSession;

    async fn prepare(&self) -> Result<(), PrepareError> {
        self.hub.probe().await
    }

    /// Opens the user's connections, where it keeps them. One that cannot be opened is tried again
    /// by the iteration that needs it, whose failure it then is.
    async fn open(&self, user: UserId) -> Result<WebsocketSession, Failure> {
        let is_kept = self.hub.prepared.connection_per == ConnectionPer::User;
        let lines = Box::pin(line::lines_of(&self.hub, user, is_kept)).await;
        Ok(WebsocketSession { lines })
    }

    fn levels(&self) -> Levels {
        self.hub.levels()
    }

    async fn iterate(&self, session: &mut WebsocketSession, iteration: &Iteration<'_>) -> Outcome {
        let prepared = &self.hub.prepared;
        let is_kept = prepared.connection_per == ConnectionPer::User;
        if !is_kept && iteration.number() > 0 {
            // Of an iteration that was cut off.
            for connection in session.take_open() {
                self.hub.say_good_bye(connection);
            }
        }
        let mut outcome = Outcome::Ok;
        for action in &prepared.actions {
            let exchange = match action {
                Action::Exchange(exchange) => exchange,
                Action::Pause(duration) => {
                    iteration.pause(*duration).await;
                    continue;
                }
            };
            let line = &session.lines[exchange.line];
            let run = exchange::run(exchange, line, &self.hub, iteration);
            outcome = iteration.step(exchange.step, run).await;
            if !outcome.is_ok() {
                break;
            }
        }
        if !is_kept {
            // The good-bye is no part of what was asked for.
            iteration.conclude(outcome);
            // Boxed, or every iteration would carry room for it.
            Box::pin(self.hub.part_with(session.take_open())).await;
        }
        outcome
    }

    async fn close(&self, session: WebsocketSession) {
        self.hub.close_all(session.take_open()).await;
        self.hub.lingering.over().await;
    }
}

impl Drop for WebsocketWorkload {
    fn drop(&mut self) {
        self.hub.end_watch();
    }
}
