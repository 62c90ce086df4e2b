//! A worker's connections: how many, to which targets, and which iteration is on which.
//!
//! Owns the division of a scenario's connections among workers, and of a worker's iterations among
//! its connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::task::JoinHandle;

use super::keeper::{self, First, Opener};
use super::place::Place;
use crate::cap::Cap;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::net::Endpoint;
use crate::workload::{Levels, OPENED_AT_ONCE, PrepareError, WorkerContext};

/// The connections that a scenario wants.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// How many on all workers together, where that is given.
    pub(crate) connections: Option<u32>,
    /// The most streams on one of them.
    pub(crate) most_streams: u32,
    /// How long opening one may take.
    pub(crate) connect_timeout: Duration,
    /// How often it is asked whether a silent one is alive.
    pub(crate) keepalive: Option<Duration>,
    /// Whether who finds no connection waits for one, however many attempts to open it fail.
    pub(crate) waits_for_ready: bool,
    /// How often users open connections of their own, where they have such.
    pub(crate) connect_cap: Option<Arc<Cap>>,
}

impl Wanted {
    /// What opens a connection, and the place that it is for.
    pub(super) fn place(
        &self,
        to: Assigned,
        nth: usize,
        endpoint: Rc<Endpoint>,
        open_connections: &Rc<Cell<u64>>,
        context: &WorkerContext,
    ) -> (Rc<Place>, Opener) {
        let opener = Opener {
            endpoint,
            target: to.target,
            nth: to.nth,
            connect_timeout: self.connect_timeout,
            keepalive: self.keepalive,
            most_streams: self.most_streams,
            stamps: Rc::clone(&context.stamps),
            observer: Rc::clone(&context.observer),
            seed: context.seed ^ (nth as u64).rotate_left(32),
            open_connections: Rc::clone(open_connections),
            own: None,
        };
        let place = Place::new(
            to.target,
            context.clock,
            context.alarms.clone(),
            self.waits_for_ready,
        );
        (Rc::new(place), opener)
    }
}

/// The connections of one worker.
pub(crate) struct Pool {
    places: Vec<(Rc<Place>, Opener)>,
    /// Whose turn it is.
    turn: Cell<usize>,
    keepers: RefCell<Vec<JoinHandle<()>>>,
    open_connections: Rc<Cell<u64>>,
}

impl Pool {
    /// The worker's share of the connections to these endpoints, of which there is one at least.
    pub(crate) fn new(endpoints: &[Endpoint], wanted: &Wanted, context: &WorkerContext) -> Self {
        let endpoints: Vec<_> = endpoints.iter().cloned().map(Rc::new).collect();
        let total = total(wanted.connections, context.workers, endpoints.len());
        let all = share(total, context.worker, context.workers).map(|nth| {
            let to = endpoints::assign(nth, endpoints.len());
            (to, nth, Rc::clone(&endpoints[to.target]))
        });
        Self::of(all, wanted, context)
    }

    /// A single connection to an endpoint that is none of the scenario's targets, on behalf of one of
    /// these.
    #[cfg(feature = "http")]
    pub(crate) fn of_one(
        endpoint: &Endpoint,
        target: usize,
        wanted: &Wanted,
        context: &WorkerContext,
    ) -> Self {
        let to = Assigned { target, nth: 0 };
        Self::of([(to, 0, Rc::new(endpoint.clone()))], wanted, context)
    }

    fn of(
        all: impl IntoIterator<Item = (Assigned, usize, Rc<Endpoint>)>,
        wanted: &Wanted,
        context: &WorkerContext,
    ) -> Self {
        let open_connections = Rc::default();
        let places = all
            .into_iter()
            .map(|(to, nth, endpoint)| wanted.place(to, nth, endpoint, &open_connections, context));
        let places: Vec<_> = places.collect();
        Self {
            // Workers begin at different places, or the first target would get a little more.
            turn: Cell::new(context.worker % places.len()),
            places,
            keepers: RefCell::new(Vec::new()),
            open_connections,
        }
    }

    /// Opens all connections, [`OPENED_AT_ONCE`] at a time. A name is resolved once for all of its
    /// connections. Those that fail are tried again behind the scenes; that all
    /// of them fail is an error.
    pub(crate) async fn open(&self) -> Result<(), PrepareError> {
        let mut names = HashMap::new();
        for (place, opener) in &self.places {
            names
                .entry(place.target)
                .or_insert_with(|| opener.endpoint.resolve().boxed_local().shared());
        }
        // An attempt's clock starts with its first poll, which is when there is room for it.
        let attempts = self
            .places
            .iter()
            .enumerate()
            .map(|(nth, (place, opener))| {
                let resolving = names[&place.target].clone();
                opener
                    .open(resolving, false)
                    .map(move |attempt| (nth, attempt))
            });
        let mut attempts = stream::iter(attempts).buffer_unordered(OPENED_AT_ONCE);
        let mut failed = Vec::new();
        while let Some((nth, attempt)) = attempts.next().await {
            match attempt {
                // Kept from now on: those that open later may take their time.
                Ok(opened) => self.keep(nth, First::Opened(Box::new(opened))),
                Err(error) => failed.push((nth, error)),
            }
        }
        failed.sort_unstable_by_key(|(nth, _)| *nth);
        for (nth, _) in &failed {
            self.keep(*nth, First::Failed);
        }
        match failed.as_slice() {
            [(_, first), others @ ..] if failed.len() == self.places.len() => Err(
                PrepareError::new(first.and_others(others.iter().map(|(_, error)| error))),
            ),
            _ => Ok(()),
        }
    }

    /// What stands at the moment.
    pub(crate) fn levels(&self) -> Levels {
        let places = self.places.iter().map(|(place, _)| &**place);
        levels(self.open_connections.get(), places)
    }

    fn keep(&self, nth: usize, first: First) {
        let (place, opener) = &self.places[nth];
        let keeping = keeper::keep(Rc::clone(place), opener.clone(), first);
        let keeper = tokio::task::spawn_local(keeping);
        self.keepers.borrow_mut().push(keeper);
    }

    /// Has the connections opened where nobody did so before: a user must not wait for what nobody
    /// does.
    pub(crate) fn ensure_kept(&self) {
        if self.keepers.borrow().is_empty() {
            for nth in 0..self.places.len() {
                self.keep(nth, First::Failed);
            }
        }
    }

    /// Where the next iteration goes: to the first place with room for a stream, beginning with
    /// the one whose turn it is. Where none has room it will stand in line at the first that is
    /// connected, and where none is, for the connection of the one whose turn it is.
    ///
    /// The turn passes to the one behind the place that is taken, so that those with room share
    /// evenly what another one cannot take.
    #[inline]
    pub(crate) fn place_for_next_iteration(&self) -> &Rc<Place> {
        let turn = self.turn.get();
        let first = |fits: fn(&Place) -> bool| {
            let mut from_turn = (turn..self.places.len()).chain(0..turn);
            from_turn.find(|&nth| fits(&self.places[nth].0))
        };
        let nth = first(Place::has_room)
            .or_else(|| first(Place::is_connected))
            .unwrap_or(turn);
        self.turn.set((nth + 1) % self.places.len());
        &self.places[nth].0
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for keeper in self.keepers.get_mut() {
            keeper.abort();
        }
    }
}

/// What stands at the moment on so many connections, at these places.
pub(super) fn levels<'a>(connections: u64, places: impl Iterator<Item = &'a Place>) -> Levels {
    let mut levels = Levels {
        connections: Some(connections),
        in_flight: Some(0),
        streams_in_use: Some(0),
        streams_allowed: Some(0),
        replies_owed: None,
    };
    let mut is_unlimited = false;
    for place in places {
        levels += place.levels();
        is_unlimited |= place.is_unlimited();
    }
    if is_unlimited {
        levels.streams_allowed = None;
    }
    levels
}

/// Connections over all workers: what was asked for, else one for each worker to each target, so
/// that every target gets the same whatever the numbers are.
fn total(asked: Option<u32>, workers: usize, targets: usize) -> usize {
    asked.map_or(workers * targets, |asked| asked as usize)
}

/// The numbers of a worker's connections, at least one: neighbours, because those go to different
/// targets.
fn share(total: usize, worker: usize, workers: usize) -> Range<usize> {
    let total = total.max(workers);
    let begin = |worker| total * worker / workers;
    begin(worker)..begin(worker + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn workers_share_all_connections_and_targets_evenly(
            asked in prop::option::of(1_u32..200),
            workers in 1_usize..20,
            targets in 1_usize..10,
        ) {
            let total = total(asked, workers, targets);
            let mut all = Vec::new();
            for worker in 0..workers {
                let share: Vec<_> = share(total, worker, workers).collect();
                prop_assert!(!share.is_empty());
                // No target has more than one connection more than another, on any worker.
                let to = |target| {
                    let goes = |&&nth: &&usize| endpoints::assign(nth, targets).target == target;
                    share.iter().filter(goes).count()
                };
                let counts: Vec<_> = (0..targets).map(to).collect();
                let (least, most) = (counts.iter().min(), counts.iter().max());
                prop_assert!(most <= least.map(|least| least + 1).as_ref());
                if asked.is_none() {
                    prop_assert_eq!(&counts, &vec![1; targets]);
                }
                all.extend(share);
            }
            prop_assert_eq!(&all, &(0..total.max(workers)).collect::<Vec<_>>());
        }
    }
}
