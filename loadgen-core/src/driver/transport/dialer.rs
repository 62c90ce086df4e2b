//! What the connections have in common that one worker's users open: how fast they may be opened, and
//! what their targets' names resolve to.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{self, LocalBoxFuture};
use tokio::sync::Semaphore;

use super::connect_error::{ConnectError, Problem};
#[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
use super::followed::Followed;
use super::net::{Addresses, Endpoint};
#[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
use super::traffic::Traffic;
use crate::cap::Cap;
use crate::clock::{Clock, Nanos};
#[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
use crate::workload::PrepareError;
use crate::workload::WorkerContext;

/// How long what a name resolves to holds for further connections.
const RESOLVED_FOR: Nanos = 1_000_000_000;

/// A name that is being looked up, by several who wait for it.
pub(crate) type Resolving = future::Shared<LocalBoxFuture<'static, Result<Addresses, Problem>>>;

/// What the connections of one worker have in common.
pub(crate) struct Dialer {
    clock: Clock,
    /// What each target's name resolves to, and since when.
    resolved: Vec<RefCell<Option<(Nanos, Resolving)>>>,
    /// Users stand in line for the cap on connecting: only the first of them asks it.
    turn: Semaphore,
    /// Of each target that is a list of addresses, who is on it.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    lists: Vec<Option<Followed>>,
}

impl Dialer {
    /// For connections to so many targets.
    pub(crate) fn new(clock: Clock, targets: usize) -> Self {
        Self {
            clock,
            resolved: (0..targets).map(|_| RefCell::default()).collect(),
            turn: Semaphore::new(1),
            #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
            lists: Vec::new(),
        }
    }

    /// For connections to these targets, of which some may be lists of addresses.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    pub(crate) fn to(endpoints: &[Endpoint], context: &WorkerContext) -> Self {
        let (worker, observer) = (context.worker, &context.observer);
        let lists = endpoints.iter().enumerate().map(|(target, endpoint)| {
            let listing = endpoint.listing()?;
            let clock = context.clock;
            Some(Followed::new(target, listing, worker, clock, observer))
        });
        Self {
            lists: lists.collect(),
            ..Self::new(context.clock, endpoints.len())
        }
    }

    /// The list of addresses that a target is, if it is one.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    #[inline]
    fn list(&self, target: usize) -> Option<&Followed> {
        self.lists.get(target)?.as_ref()
    }

    /// Waits until all lists of addresses are known.
    ///
    /// # Errors
    /// Why one of them is not known within the time.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    pub(crate) async fn know(
        &self,
        endpoints: &[Endpoint],
        limit: Duration,
    ) -> Result<(), PrepareError> {
        for (endpoint, list) in endpoints.iter().zip(&self.lists) {
            if let Some(list) = list {
                let known = list.know(limit).await;
                known.map_err(|why| PrepareError::new(endpoint.failed(why).to_string()))?;
            }
        }
        Ok(())
    }

    /// Tells who came to be on a list and who no longer is, where no user has asked meanwhile.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    pub(crate) fn look(&self) {
        self.lists.iter().flatten().for_each(Followed::look);
    }

    /// Whom the next connection to a target goes to, and its number among those to that one: to the target
    /// itself, where it has the number `nth`, or to the next address of its list.
    ///
    /// # Errors
    /// Why the list is not known.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    pub(crate) async fn whom<'a>(
        &self,
        target: usize,
        nth: usize,
        endpoint: &'a Endpoint,
        limit: Duration,
    ) -> Result<(Cow<'a, Endpoint>, usize), ConnectError<Problem>> {
        let Some(list) = self.list(target) else {
            return Ok((Cow::Borrowed(endpoint), nth));
        };
        let next = list.next(limit).await;
        let (listed, nth) = next.map_err(|problem| endpoint.failed(problem))?;
        Ok((Cow::Owned(endpoint.at(&listed)), nth))
    }

    /// Whether a connection to a target goes to an address that is on its list no longer: nothing is sent on it
    /// any more.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    #[inline]
    pub(crate) fn is_gone(&self, target: usize, connection: &Traffic) -> bool {
        self.list(target)
            .is_some_and(|list| list.is_gone(connection))
    }

    /// A connection to a target has ended, and not by our doing.
    #[cfg(any(feature = "websocket", feature = "http", feature = "tcp"))]
    pub(crate) fn lost_a_connection(&self, target: usize) {
        if let Some(list) = self.list(target) {
            list.lost_a_connection();
        }
    }

    /// Waits until one more connection may be opened.
    pub(crate) async fn wait_for_cap(&self, cap: Option<&Cap>) {
        let Some(cap) = cap else {
            return;
        };
        // Never closed; without a permit the cap is asked out of turn, which it bears.
        let _turn = self.turn.acquire().await;
        while let Err(wait) = cap.take() {
            tokio::time::sleep(wait).await;
        }
    }

    /// What a target's name resolves to. Connections that are opened about the same time ask once.
    pub(crate) fn resolve(&self, target: usize, endpoint: &Endpoint) -> Resolving {
        if endpoint.is_listed() {
            // Each address of a list is its own.
            let endpoint = endpoint.clone();
            let resolving = async move { endpoint.resolve().await };
            return resolving.boxed_local().shared();
        }
        let now = self.clock.now();
        let mut known = self.resolved[target].borrow_mut();
        match &*known {
            Some((since, resolving)) if now.saturating_sub(*since) < RESOLVED_FOR => {
                resolving.clone()
            }
            _ => {
                let endpoint = endpoint.clone();
                let resolving = async move { endpoint.resolve().await };
                let resolving = resolving.boxed_local().shared();
                *known = Some((now, resolving.clone()));
                resolving
            }
        }
    }
}
