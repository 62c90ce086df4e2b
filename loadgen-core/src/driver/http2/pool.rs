//! A worker's connections: how many, to which targets, and which iteration is on which.
//!
//! Owns the division of a scenario's connections among workers, and of a worker's iterations among
//! its connections.

mod switched;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use tokio::task::JoinHandle;

use super::choice::{Choice, Chosen};
use super::division::divide;
use super::keeper::{self, First, Opener};
use super::peer::Peer;
use super::peers::{Following, Peers};
use super::place::Place;
use super::problem::ConnectError;
use crate::cap::Cap;
use crate::clock::Moment;
use crate::clock::Nanos;
use crate::driver::transport::endpoints::{self, Assigned};
use crate::driver::transport::listing::Listed;
use crate::driver::transport::net::Endpoint;
use crate::driver::transport::probe::Rounds;
use crate::scenario::Codec;
use crate::schedule::Shard;
use crate::workload::{Levels, OPENED_AT_ONCE, PrepareError, Switches, WorkerContext};

/// The connections that a scenario wants.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// How many on all workers together, where that is given.
    pub(crate) connections: Option<u32>,
    /// The most streams on one of them.
    pub(crate) most_streams: u32,
    /// Who speaks HTTP/2 on them.
    pub(crate) codec: Codec,
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
    /// A place for a connection: the one with this number to its target.
    pub(super) fn place(&self, peer: Rc<Peer>, nth: usize, context: &WorkerContext) -> Rc<Place> {
        let (clock, alarms) = (context.clock, context.alarms.clone());
        Rc::new(Place::new(peer, nth, clock, alarms, self.waits_for_ready))
    }

    /// What opens connections for a place, which has this number among all of the scenario.
    pub(super) fn opener(
        &self,
        nth: usize,
        open_connections: &Rc<Cell<u64>>,
        context: &WorkerContext,
    ) -> Opener {
        Opener {
            connect_timeout: self.connect_timeout,
            keepalive: self.keepalive,
            most_streams: self.most_streams,
            codec: self.codec,
            stamps: Rc::clone(&context.stamps),
            observer: Rc::clone(&context.observer),
            seed: context.seed ^ (nth as u64).rotate_left(32),
            open_connections: Rc::clone(open_connections),
            own: None,
        }
    }
}

/// The connections of one worker.
pub(crate) struct Pool {
    shared: Rc<Shared>,
    /// Whoever follows lists of addresses, once the connections are opened.
    following: RefCell<Option<Following>>,
}

/// What a pool has in common with whoever follows lists of addresses for it.
struct Shared {
    /// Those that iterations are given, in turn.
    places: RefCell<Vec<Rc<Place>>>,
    /// Whose turn it is.
    turn: Cell<usize>,
    /// The same places, and who keeps them connected.
    kept: RefCell<Vec<Kept>>,
    /// Those that were one too many, as long as somebody may need them.
    left: RefCell<Vec<Kept>>,
    /// Those in the place of all others, where they are to targets that are switched off.
    instead: RefCell<Vec<Kept>>,
    /// How often targets had been switched when that was seen.
    switched: Cell<u64>,
    /// Whether connections are kept open already.
    is_open: Cell<bool>,
    open_connections: Rc<Cell<u64>>,
    peers: Peers,
    /// For each target, how many connections to it the workers before this one have, where their number is
    /// given.
    before: Vec<usize>,
    wanted: Wanted,
    context: WorkerContext,
}

/// A place, and who keeps it connected.
struct Kept {
    place: Rc<Place>,
    opener: Opener,
    keeper: Option<JoinHandle<()>>,
}

impl Kept {
    /// What it takes to open its first connection: who it is for, its number among those to that one, and
    /// what opens it.
    fn to_open(&self) -> (Rc<Peer>, usize, Opener) {
        (self.place.peer(), self.place.nth(), self.opener.clone())
    }

    /// Has it kept connected from now on.
    fn keep(&mut self, first: First) {
        let keeping = keeper::keep(Rc::clone(&self.place), self.opener.clone(), first);
        self.keeper = Some(tokio::task::spawn_local(keeping));
    }

    /// Whether nobody knows its place but we and its keeper.
    fn is_alone(&self) -> bool {
        Rc::strong_count(&self.place) <= 2
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

impl Pool {
    /// The worker's share of the connections to these endpoints, of which there is one at least.
    pub(crate) fn new(endpoints: &[Endpoint], wanted: &Wanted, context: &WorkerContext) -> Self {
        let targets = endpoints.len();
        let total = total(wanted.connections, context.workers, targets);
        let shards = context.shard.count() as usize;
        let of_shard = (context.worker / shards, context.workers / shards);
        let share = share(total, context.shard, of_shard);
        let before = (0..targets).map(|target| {
            let all = (0..share.start).map(|number| endpoints::assign(number, targets));
            all.filter(|it| it.target == target).count()
        });
        let before = before.collect();
        let peers = Peers::of(endpoints, context);
        let all = share.map(|number| (endpoints::assign(number, targets), number));
        Self::of(all, peers, before, wanted, context)
    }

    /// A single connection to an endpoint that is none of the scenario's targets, on behalf of one of
    /// these.
    pub(crate) fn of_one(
        endpoint: &Endpoint,
        target: usize,
        wanted: &Wanted,
        context: &WorkerContext,
    ) -> Self {
        let peers = Peers::of_one(endpoint, target, context);
        let to = Assigned { target: 0, nth: 0 };
        // Nobody switches it off: whoever speaks to the target has decided that before.
        let context = WorkerContext {
            switches: Switches::default(),
            ..context.clone()
        };
        Self::of([(to, 0)], peers, vec![0], wanted, &context)
    }

    /// Connections to these, each with its number among all.
    fn of(
        all: impl IntoIterator<Item = (Assigned, usize)>,
        peers: Peers,
        before: Vec<usize>,
        wanted: &Wanted,
        context: &WorkerContext,
    ) -> Self {
        let open_connections = Rc::default();
        let kept = all.into_iter().map(|(to, number)| Kept {
            place: wanted.place(peers.first(to.target), to.nth, context),
            opener: wanted.opener(number, &open_connections, context),
            keeper: None,
        });
        let kept: Vec<_> = kept.collect();
        Self {
            shared: Rc::new(Shared {
                // Workers begin at different places, or the first target would get a little more.
                turn: Cell::new(context.worker % kept.len()),
                places: RefCell::new(kept.iter().map(|it| Rc::clone(&it.place)).collect()),
                kept: RefCell::new(kept),
                left: RefCell::default(),
                instead: RefCell::default(),
                switched: Cell::new(0),
                is_open: Cell::new(false),
                open_connections,
                peers,
                before,
                wanted: wanted.clone(),
                context: context.clone(),
            }),
            following: RefCell::new(None),
        }
    }

    /// Opens all connections, [`OPENED_AT_ONCE`] at a time; where all of them fail, in as many rounds. A name is
    /// resolved once for all of its connections. Those that fail are tried again behind the scenes; that all
    /// of them fail is an error, and that a list of addresses is not known.
    pub(crate) async fn open(&self, mut rounds: Rounds) -> Result<(), PrepareError> {
        let shared = &self.shared;
        let known = shared.know_lists().await;
        known.map_err(|error| PrepareError::new(error.to_string()))?;
        let all: Vec<_> = shared.kept.borrow().iter().map(Kept::to_open).collect();
        let mut names = HashMap::new();
        for (peer, _, opener) in &all {
            names
                .entry(Rc::as_ptr(peer))
                .or_insert_with(|| opener.resolve(peer).boxed_local().shared());
        }
        let mut failed = Vec::new();
        loop {
            // An attempt's clock starts with its first poll, which is when there is room for it.
            let attempts = all.iter().enumerate().map(|(at, (peer, nth, opener))| {
                let resolving = names[&Rc::as_ptr(peer)].clone();
                opener
                    .open((peer, *nth), resolving, false)
                    .map(move |attempt| (at, Rc::clone(peer), attempt))
            });
            let mut attempts = stream::iter(attempts).buffer_unordered(OPENED_AT_ONCE);
            failed.clear();
            while let Some((at, peer, attempt)) = attempts.next().await {
                match attempt {
                    // Kept from now on: those that open later may take their time.
                    Ok(opened) => {
                        let first = First::Opened(Box::new(opened), peer);
                        shared.kept.borrow_mut()[at].keep(first);
                    }
                    Err(error) => failed.push((at, error)),
                }
            }
            let errors = failed.iter().map(|(_, error)| error);
            if failed.len() < all.len() || !rounds.next(errors).await {
                break;
            }
        }
        failed.sort_unstable_by_key(|(at, _)| *at);
        for (at, _) in &failed {
            shared.kept.borrow_mut()[*at].keep(First::Failed);
        }
        self.follow();
        match failed.as_slice() {
            [(_, first), others @ ..] if failed.len() == all.len() => Err(PrepareError::new(
                first.and_others(others.iter().map(|(_, error)| error)),
            )),
            _ => Ok(()),
        }
    }

    /// What stands at the moment.
    pub(crate) fn levels(&self) -> Levels {
        self.shared.leave_those_alone();
        let (kept, left) = (self.shared.kept.borrow(), self.shared.left.borrow());
        let instead = self.shared.instead.borrow();
        let all = kept.iter().chain(left.iter()).chain(instead.iter());
        let places = all.map(|it| &*it.place);
        levels(self.shared.open_connections.get(), places)
    }

    /// Has the connections opened where nobody did so before: a user must not wait for what nobody
    /// does.
    pub(crate) fn ensure_kept(&self) {
        if self.shared.is_open.get() {
            return;
        }
        for kept in self.shared.kept.borrow_mut().iter_mut() {
            kept.keep(First::Failed);
        }
        self.follow();
    }

    /// Connections are kept open from now on, and lists of addresses followed.
    fn follow(&self) {
        self.shared.is_open.set(true);
        let (shared, failing) = (Rc::clone(&self.shared), Rc::clone(&self.shared));
        let following = self.shared.peers.follow(
            move |target, list, since| shared.meet(target, list, since),
            move |target, why| failing.fail(target, &why),
        );
        self.following.replace(Some(following));
    }

    /// Where the next iteration goes.
    #[inline]
    pub(crate) fn place_for_next_iteration(&self) -> Rc<Place> {
        let shared = &*self.shared;
        shared.look_at_switches();
        let places = shared.places.borrow();
        let nth = shared.choose(&places);
        shared.turn.set((nth + 1) % places.len());
        Rc::clone(&places[nth])
    }
}

impl Pool {
    /// Where a request goes by this choice; `None` where nobody takes any.
    pub(crate) fn choose(&self, choice: &Choice, now: Nanos) -> Option<Chosen> {
        let shared = &*self.shared;
        shared.look_at_switches();
        let places = shared.places.borrow();
        choice.choose(&places, &shared.turn, now, &shared.context.switches)
    }

    /// Has a choice meet all that there are.
    pub(crate) fn introduce(&self, choice: &Choice) {
        choice.meet(&self.shared.places.borrow());
    }

    /// One of its places, whoever's turn it is.
    pub(crate) fn any_place(&self) -> Rc<Place> {
        Rc::clone(&self.shared.places.borrow()[0])
    }
}

impl Shared {
    /// A connection that comes when others may be open already, and then is kept connected at once.
    fn one_more(&self, peer: Rc<Peer>, nth: usize, number: usize) -> Kept {
        let mut kept = Kept {
            place: self.wanted.place(peer, nth, &self.context),
            opener: self
                .wanted
                .opener(number, &self.open_connections, &self.context),
            keeper: None,
        };
        if self.is_open.get() {
            kept.keep(First::None);
        }
        kept
    }

    /// Waits until all lists of addresses are known, and divides the connections among them.
    async fn know_lists(&self) -> Result<(), ConnectError> {
        self.peers.know(self.wanted.connect_timeout).await?;
        for target in 0..self.peers.targets() {
            self.divide(target);
        }
        Ok(())
    }

    /// A target's list has changed.
    fn meet(&self, target: usize, list: &[Listed], since: Moment) {
        if self.peers.meet(target, list, since) {
            self.divide(target);
        }
    }

    /// A target's list is not known, and was not before.
    fn fail(&self, target: usize, why: &str) {
        for kept in self.kept.borrow().iter() {
            if kept.place.target == target {
                kept.place.attempt_failed(why.to_owned());
            }
        }
    }

    /// Divides a target's connections among those on its list: as few as can be go to another one than before.
    fn divide(&self, target: usize) {
        if !self.peers.is_list(target) {
            return;
        }
        let peers = self.peers.of_target(target);
        let mut all = self.kept.borrow_mut();
        let (its, others) = all
            .drain(..)
            .partition(|it: &Kept| it.place.target == target);
        let its: Vec<Kept> = its;
        all.extend::<Vec<_>>(others);
        let now: Vec<_> = its
            .iter()
            .map(|kept| peers.iter().position(|peer| kept.place.is_for(peer)))
            .collect();
        // Where their number is not given, each worker has one to each address.
        let (wanted, first) = match self.wanted.connections {
            Some(_) => (its.len(), self.before[target]),
            None => (peers.len(), 0),
        };
        let division = divide(&now, wanted, peers.len(), first);
        // Which of the addresses that connections come from theirs is.
        let mut counts = vec![0; peers.len()];
        let mut next_to = |peer: usize| {
            let nth = self.context.worker + self.context.workers * counts[peer];
            counts[peer] += 1;
            (Rc::clone(&peers[peer]), nth)
        };
        // Those that are one too many are divided among them as well: somebody may need them yet.
        let mut left = self.left.borrow_mut();
        let mut in_turn = (0..peers.len()).cycle().skip(self.context.worker);
        let mut any = || in_turn.next().unwrap_or(0);
        let is_gone = |it: &&Kept| {
            it.place.target == target && !peers.iter().any(|peer| it.place.is_for(peer))
        };
        for kept in left.iter().filter(is_gone) {
            let (peer, nth) = next_to(any());
            kept.place.moves_to(peer, nth);
        }
        for ((kept, was), goes) in its.into_iter().zip(&now).zip(division.goes) {
            let (peer, nth) = next_to(goes.unwrap_or_else(&mut any));
            if goes.is_none() {
                kept.place.is_left_over();
            }
            if goes != *was || goes.is_none() {
                kept.place.moves_to(peer, nth);
            }
            match goes {
                Some(_) => all.push(kept),
                None => left.push(kept),
            }
        }
        for peer in division.more {
            let (peer, nth) = next_to(peer);
            let number = self.context.worker + self.context.workers * all.len();
            all.push(self.one_more(peer, nth, number));
        }
        drop((all, left));
        self.leave_those_alone();
        self.arrange();
    }

    /// Which of these places is next: the first with room for a stream, beginning with
    /// the one whose turn it is. Where none has room it is the first that is
    /// connected, to stand in line there, and where none is, the one whose turn it is, to wait for its
    /// connection.
    ///
    /// The turn passes to the one behind the place that is taken, so that those with room share
    /// evenly what another one cannot take.
    #[inline]
    fn choose(&self, places: &[Rc<Place>]) -> usize {
        let turn = self.turn.get();
        let switches = &self.context.switches;
        let all_are_on = switches.changes() == 0;
        let first = |fits: fn(&Place) -> bool| {
            let mut from_turn = (turn..places.len()).chain(0..turn);
            from_turn.find(|&nth| {
                fits(&places[nth]) && (all_are_on || switches.is_on(places[nth].target))
            })
        };
        first(Place::has_room)
            .or_else(|| first(Place::is_connected))
            .or_else(|| first(|_| true))
            .unwrap_or(turn)
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
/// targets. So are those of its shard, however many workers the others have.
fn share(total: usize, shard: Shard, (worker, workers): (usize, usize)) -> Range<usize> {
    let before = shard.before(total as u64) as usize;
    let here = (shard.part_of(total as u64) as usize).max(workers);
    let begin = |worker| before + here * worker / workers;
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
                let share: Vec<_> = share(total, Shard::ALL, (worker, workers)).collect();
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

        #[test]
        fn shards_share_all_connections(
            workers in prop::collection::vec(1_usize..4, 1..=64),
            more in 0_usize..200,
        ) {
            let shards = workers.len();
            let total = 3 * shards + more;
            let shares = (0..shards).zip(&workers).flat_map(|(shard, workers)| {
                let shard = Shard::new(shard as u32, shards as u32).unwrap();
                (0..*workers).flat_map(move |worker| share(total, shard, (worker, *workers)))
            });
            prop_assert_eq!(shares.collect::<Vec<_>>(), (0..total).collect::<Vec<_>>());
        }
    }
}
