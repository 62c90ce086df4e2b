//! What a worker's users share: how connections are opened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::connection::Connection;
use super::prepare::Prepared;
use crate::alarm::Alarms;
use crate::clock::{Clock, StampClock};
use crate::driver::transport::connect_error::{ConnectError, Problem, Stage};
use crate::driver::transport::dialer::Dialer;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::workload::{ConnectionEvent, Levels, Observer, PrepareError, UserId, WorkerContext};

/// What a worker's users share.
pub(super) struct Pool {
    pub(super) prepared: Arc<Prepared>,
    pub(super) clock: Clock,
    stamps: Rc<StampClock>,
    /// For messages with due times.
    pub(super) alarms: Alarms,
    pub(super) observer: Rc<dyn Observer>,
    pub(super) seed: u64,
    dialer: Dialer,
    /// The user whose connection [`Self::probe`] opens, because it will need one anyway.
    first_user: UserId,
    probed: RefCell<Option<Box<Connection>>>,
    open_connections: Rc<Cell<u64>>,
    /// Messages that steps under way have sent and wait for.
    pub(super) in_flight: Cell<u64>,
}

impl Pool {
    pub(super) fn new(prepared: &Arc<Prepared>, context: &WorkerContext) -> Self {
        Self {
            prepared: Arc::clone(prepared),
            clock: context.clock,
            stamps: Rc::clone(&context.stamps),
            alarms: context.alarms.clone(),
            observer: Rc::clone(&context.observer),
            seed: context.seed,
            dialer: Dialer::new(context.clock, prepared.endpoints.len()),
            first_user: UserId(u32::try_from(context.worker).unwrap_or(0)),
            probed: RefCell::new(None),
            open_connections: Rc::default(),
            in_flight: Cell::new(0),
        }
    }

    /// What stands at the moment.
    pub(super) fn levels(&self) -> Levels {
        Levels {
            connections: Some(self.open_connections.get()),
            in_flight: Some(self.in_flight.get()),
            replies_owed: Some(self.in_flight.get()),
            ..Levels::default()
        }
    }

    /// Where a user's connections go.
    pub(super) fn assign(&self, user: UserId) -> Assigned {
        endpoints::assign(user.0 as usize, self.prepared.endpoints.len())
    }

    /// A target as it is shown.
    pub(super) fn address(&self, target: usize) -> String {
        let endpoint = &self.prepared.endpoints[target];
        let scheme = if endpoint.is_encrypted() {
            "tls"
        } else {
            "tcp"
        };
        format!("{scheme}://{}", endpoint.authority)
    }

    /// Sees whether some target takes a connection. The one that the first user would open anyway is
    /// tried first, and kept for it.
    pub(super) async fn probe(&self) -> Result<(), PrepareError> {
        let targets = self.prepared.endpoints.len();
        let own = self.assign(self.first_user).target;
        let mut errors = Vec::new();
        for target in (own..targets).chain(0..own) {
            match self.open(Assigned { target, nth: 0 }, false).await {
                Ok(connection) if target == own => {
                    self.probed.replace(Some(connection));
                    return Ok(());
                }
                Ok(connection) => {
                    connection.close(&*self.observer).await;
                    return Ok(());
                }
                Err(error) => errors.push(error),
            }
        }
        let (first, others) = errors.split_first().expect("one target at least");
        Err(PrepareError::new(first.and_others(others.iter())))
    }

    /// The connection that was opened to see whether it can be, for the user it was opened for.
    pub(super) fn take_probed(&self, user: UserId) -> Option<Box<Connection>> {
        (user == self.first_user)
            .then(|| self.probed.take())
            .flatten()
    }

    /// Opens a connection, maybe in place of one that was dropped; waits for the cap on connecting
    /// first. Reported either way.
    pub(super) async fn open(
        &self,
        to: Assigned,
        replaces_dropped: bool,
    ) -> Result<Box<Connection>, ConnectError<Problem>> {
        let prepared = &*self.prepared;
        let cap = prepared.connect_cap.as_ref();
        self.dialer.wait_for_cap(cap).await;
        let endpoint = &prepared.endpoints[to.target];
        let (limit, from) = (prepared.connect_timeout, self.clock.now());
        let stage = Cell::new(Stage::Resolving);
        let under_way = UnderWay {
            stage: &stage,
            endpoint,
            target: to.target,
            observer: &*self.observer,
        };
        let traffic = Rc::new(Traffic::new(&self.stamps));
        let resolving = self.dialer.resolve(to.target, endpoint);
        let deadline = Instant::now() + limit;
        let opening = endpoint.connect(resolving, to.nth, deadline, &stage, &traffic);
        let opened = tokio::time::timeout(limit, opening).await;
        under_way.ended();
        let opened = opened.unwrap_or_else(|_| {
            let stage = stage.get().to_string();
            Err(Problem::TimedOut { stage, limit })
        });
        let since = self.clock.now();
        let event = match &opened {
            Ok(_) => ConnectionEvent::Opened {
                connect_time: since.saturating_sub(from),
                reconnected: replaces_dropped,
            },
            Err(_) => ConnectionEvent::Failed,
        };
        self.observer.connection(to.target, event);
        let transport = opened.map_err(|problem| endpoint.failed(problem))?;
        let open = &self.open_connections;
        Ok(Box::new(Connection::new(transport, traffic, since, open)))
    }
}

/// An attempt under way. One that is cut off has failed, too, and has no other way to say so.
struct UnderWay<'a> {
    stage: &'a Cell<Stage>,
    endpoint: &'a Endpoint,
    target: usize,
    observer: &'a dyn Observer,
}

impl UnderWay<'_> {
    /// It came to an end of its own.
    fn ended(self) {
        std::mem::forget(self);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.observer
            .connection(self.target, ConnectionEvent::Failed);
        let (target, stage) = (&self.endpoint.name, self.stage.get());
        self.observer.explain(None, Failure::Timeout, &mut || {
            format!("cut off while connecting to {target}, {stage}")
        });
    }
}
