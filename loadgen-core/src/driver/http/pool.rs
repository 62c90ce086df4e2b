//! What a worker's users share: how connections are opened.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Connection;
use super::prepare::Prepared;
use crate::clock::{Clock, StampClock};
use crate::driver::http2::{self, Wanted};
use crate::driver::transport::connect_error::{ConnectError, Problem, Stage};
use crate::driver::transport::dialer::Dialer;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::lists::Lists;
use crate::driver::transport::net::{Addresses, Endpoint};
use crate::driver::transport::opening::Opening;
use crate::driver::transport::probe;
use crate::driver::transport::traffic::Traffic;
use crate::workload::{Levels, Observer, PrepareError, UserId, WorkerContext};

/// What a worker's users share.
pub(super) struct Pool {
    pub(super) prepared: Arc<Prepared>,
    /// The connections that users share, over HTTP/2.
    pub(super) shared: Option<http2::Pool>,
    context: WorkerContext,
    pub(super) clock: Clock,
    stamps: Rc<StampClock>,
    pub(super) observer: Rc<dyn Observer>,
    pub(super) seed: u64,
    /// The user whose connection [`Self::probe`] opens, because it will need one anyway.
    first_user: UserId,
    probed: RefCell<Option<Box<Connection>>>,
    dialer: Dialer,
    pub(super) lists: Lists,
    open_connections: Rc<Cell<u64>>,
    /// Requests that were sent and not answered.
    pub(super) in_flight: Cell<u64>,
}

impl Pool {
    pub(super) fn new(prepared: &Arc<Prepared>, context: &WorkerContext) -> Rc<Self> {
        Rc::new(Self {
            prepared: Arc::clone(prepared),
            shared: prepared
                .shared
                .as_ref()
                .map(|wanted| http2::Pool::new(&prepared.endpoints, wanted, context)),
            context: context.clone(),
            clock: context.clock,
            stamps: Rc::clone(&context.stamps),
            observer: Rc::clone(&context.observer),
            seed: context.seed,
            first_user: UserId(u32::try_from(context.worker).unwrap_or(0)),
            probed: RefCell::new(None),
            dialer: Dialer::new(context.clock, prepared.endpoints.len()),
            lists: Lists::of(&prepared.endpoints, context),
            open_connections: Rc::default(),
            in_flight: Cell::new(0),
        })
    }

    /// What stands at the moment.
    pub(super) fn levels(&self) -> Levels {
        if let Some(shared) = &self.shared {
            return shared.levels();
        }
        self.lists.look();
        Levels {
            connections: Some(self.open_connections.get()),
            in_flight: Some(self.in_flight.get()),
            ..Levels::default()
        }
    }

    /// Where a user's connection goes now.
    pub(super) fn assign(&self, user: UserId) -> Assigned {
        let targets = self.prepared.endpoints.len();
        endpoints::aim(user.0 as usize, targets, &self.context.switches)
    }

    /// How often targets were switched on or off.
    #[inline]
    pub(super) fn switched(&self) -> u64 {
        self.context.switches.changes()
    }

    /// Sees whether some target takes a connection. The one that the first user would open anyway
    /// is tried first, and kept for it.
    pub(super) async fn probe(&self) -> Result<(), PrepareError> {
        let (endpoints, limit) = (&self.prepared.endpoints, self.prepared.connect_timeout);
        self.lists.know(endpoints, limit).await?;
        let targets = endpoints.len();
        let Assigned { target: own, nth } = self.assign(self.first_user);
        let opened = probe::first_to_take(own, targets, async |target| {
            self.open(target, nth, false).await
        });
        let (target, connection) = opened.await?;
        if target == own {
            self.probed.replace(Some(connection));
        }
        Ok(())
    }

    /// The connection that was opened to see whether it can be, for the user it was opened for.
    pub(super) fn take_probed(&self, user: UserId) -> Option<Box<Connection>> {
        (user == self.first_user)
            .then(|| self.probed.take())
            .flatten()
    }

    /// Opens a connection to a target, maybe in place of one that was dropped; waits for the cap on
    /// connecting first. Reported either way.
    pub(super) async fn open(
        &self,
        target: usize,
        nth: usize,
        replaces_dropped: bool,
    ) -> Result<Box<Connection>, ConnectError<Problem>> {
        let prepared = &*self.prepared;
        let cap = prepared.connect_cap.as_ref();
        // First: who stands in line meets the list as it is then.
        self.dialer.wait_for_cap(cap).await;
        let (whole, limit) = (&prepared.endpoints[target], prepared.connect_timeout);
        let (endpoint, nth) = self.lists.whom(target, nth, whole, limit).await?;
        let resolving = self.dialer.resolve(target, &endpoint);
        self.open_at(&endpoint, resolving, target, nth, replaces_dropped)
            .await
    }

    /// The same to a server that a redirection from this target names.
    pub(super) async fn open_elsewhere(
        &self,
        endpoint: &Endpoint,
        target: usize,
    ) -> Result<Box<Connection>, ConnectError<Problem>> {
        let cap = self.prepared.connect_cap.as_ref();
        self.dialer.wait_for_cap(cap).await;
        self.open_at(endpoint, endpoint.resolve(), target, 0, false)
            .await
    }

    /// A connection over HTTP/2 to a server that a redirection from this target names. It is not open
    /// yet.
    pub(super) fn shared_elsewhere(
        &self,
        endpoint: &Endpoint,
        target: usize,
        wanted: &Wanted,
    ) -> http2::Pool {
        http2::Pool::of_one(endpoint, target, wanted, &self.context)
    }

    async fn open_at(
        &self,
        endpoint: &Endpoint,
        resolving: impl Future<Output = Result<Addresses, Problem>>,
        target: usize,
        nth: usize,
        replaces_dropped: bool,
    ) -> Result<Box<Connection>, ConnectError<Problem>> {
        let opening = Opening {
            endpoint,
            target,
            replaces_dropped,
            limit: self.prepared.connect_timeout,
            clock: self.clock,
            observer: &*self.observer,
        };
        let opened = opening.make(Stage::Resolving, async |deadline, stage| {
            let traffic = Rc::new(Traffic::new(&self.stamps));
            let connecting = endpoint.connect(resolving, nth, deadline, stage, &traffic);
            let (transport, since) = (connecting.await?, self.clock.now());
            let tls_time = traffic.tls_time();
            let id = traffic.connection_id(target, &*self.observer);
            let connection = Connection::new(id, transport, traffic, since, &self.open_connections);
            Ok((Box::new(connection), tls_time))
        });
        opened.await
    }
}
