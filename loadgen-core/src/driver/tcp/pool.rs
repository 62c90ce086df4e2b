//! What a worker's users share: how connections are opened.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Connection;
use super::prepare::Prepared;
use crate::alarm::Alarms;
use crate::clock::{Clock, StampClock};
use crate::driver::identity::group_in;
use crate::driver::transport::connect_error::{ConnectError, Problem, Stage as Way};
use crate::driver::transport::dialer::Dialer;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::lists::Lists;
use crate::driver::transport::opening::Opening;
use crate::driver::transport::probe;
use crate::driver::transport::traffic::Traffic;
use crate::workload::{Levels, Observer, PrepareError, Switches, UserId, WorkerContext};

/// What a worker's users share.
pub(super) struct Pool {
    pub(super) prepared: Arc<Prepared>,
    pub(super) clock: Clock,
    stamps: Rc<StampClock>,
    /// For messages with due times.
    pub(super) alarms: Alarms,
    pub(super) observer: Rc<dyn Observer>,
    pub(super) seed: u64,
    pub(super) switches: Switches,
    dialer: Dialer,
    pub(super) lists: Lists,
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
            switches: context.switches.clone(),
            dialer: Dialer::new(context.clock, prepared.endpoints.len()),
            lists: Lists::of(&prepared.endpoints, context),
            first_user: UserId(u32::try_from(context.worker).unwrap_or(0)),
            probed: RefCell::new(None),
            open_connections: Rc::default(),
            in_flight: Cell::new(0),
        }
    }

    /// What stands at the moment.
    pub(super) fn levels(&self) -> Levels {
        self.lists.look();
        Levels {
            connections: Some(self.open_connections.get()),
            in_flight: Some(self.in_flight.get()),
            replies_owed: Some(self.in_flight.get()),
            ..Levels::default()
        }
    }

    /// Where a user's connections go now.
    pub(super) fn assign(&self, user: UserId) -> Assigned {
        let targets = self.prepared.endpoints.len();
        endpoints::aim(user.0 as usize, targets, &self.switches)
    }

    /// A target as it is shown.
    pub(super) fn address(&self, target: usize) -> String {
        let endpoint = &self.prepared.endpoints[target];
        let scheme = if endpoint.is_encrypted() {
            "tls"
        } else {
            "tcp"
        };
        format!("{scheme}://{}", endpoint.shown())
    }

    /// Sees whether some target takes a connection. The one that the first user would open anyway is
    /// tried first, and kept for it.
    pub(super) async fn probe(&self) -> Result<(), PrepareError> {
        let (endpoints, limit) = (&self.prepared.endpoints, self.prepared.connect_timeout);
        self.lists.know(endpoints, limit).await?;
        let targets = endpoints.len();
        let Assigned { target: own, nth } = self.assign(self.first_user);
        let opened = probe::first_to_take(own, targets, async |target| {
            self.open(Assigned { target, nth }, false).await
        });
        let (target, connection) = opened.await?;
        if target == own {
            self.probed.replace(Some(connection));
        } else {
            connection.close(&*self.observer).await;
        }
        Ok(())
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
        let (target, limit) = (to.target, prepared.connect_timeout);
        let whole = &prepared.endpoints[target];
        let (endpoint, nth) = self.lists.whom(target, to.nth, whole, limit).await?;
        let endpoint = &*endpoint;
        let resolving = self.dialer.resolve(target, endpoint);
        let opening = Opening {
            endpoint,
            target,
            replaces_dropped,
            limit: prepared.connect_timeout,
            clock: self.clock,
            observer: &*self.observer,
        };
        let opened = opening.make(Stage::from(Way::Resolving), async |deadline, stage| {
            let traffic = Rc::new(Traffic::new(&self.stamps));
            let connecting = endpoint.connect(resolving, nth, deadline, stage, &traffic);
            let (transport, since) = (connecting.await?, self.clock.now());
            let tls_time = traffic.tls_time();
            let open = &self.open_connections;
            let connection = Connection::new(transport, Rc::clone(&traffic), since, open);
            let mut connection = Box::new(connection);
            if let Some(pattern) = prepared.life.identity.greeting() {
                stage.set(Stage::Greeting);
                let line = connection.first_line().await;
                let line = line.map_err(|error| Problem::Io(error.to_string()))?;
                connection.identity = group_in(pattern, &line);
                connection.since = self.clock.now();
            }
            connection.id = traffic.connection_id(target, &*self.observer);
            Ok((connection, tls_time))
        });
        opened.await
    }
}

/// How far opening a connection had come.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Transport(Way),
    /// It is there, and the server is to say a line first.
    Greeting,
}

impl From<Way> for Stage {
    fn from(way: Way) -> Self {
        Self::Transport(way)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(way) => way.fmt(f),
            Self::Greeting => f.write_str(
                "waiting for the line that the server says first; does it say one (`identify.greeting`)?",
            ),
        }
    }
}
