//! What the connections have in common that one worker's users open: how fast they may be opened, and
//! what their targets' names resolve to.

use std::cell::RefCell;

use futures::FutureExt;
use futures::future::{self, LocalBoxFuture};
use tokio::sync::Semaphore;

use super::connect_error::Problem;
use super::net::{Addresses, Endpoint};
use crate::cap::Cap;
use crate::clock::{Clock, Nanos};

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
}

impl Dialer {
    /// For connections to so many targets.
    pub(crate) fn new(clock: Clock, targets: usize) -> Self {
        Self {
            clock,
            resolved: (0..targets).map(|_| RefCell::default()).collect(),
            turn: Semaphore::new(1),
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
