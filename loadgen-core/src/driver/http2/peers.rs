//! All those whom a worker's connections go to, and how that changes while lists of addresses do.
//!
//! Owns who there is, target by target, and whose turn it is. Which connection goes to whom is for those who
//! have the connections.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::peer::Peer;
use super::problem::{ConnectError, Problem};
use crate::clock::{Clock, Moment};
use crate::driver::transport::connect_error;
use crate::driver::transport::listing::{Listed, Listing};
use crate::driver::transport::net::Endpoint;
use crate::workload::{Observer, WorkerContext};

/// All those whom a worker's connections go to.
pub(super) struct Peers {
    targets: Vec<OfTarget>,
    clock: Clock,
    observer: Rc<dyn Observer>,
}

/// Those of one target: itself, or the addresses on its list. Before that is known, it stands there itself.
struct OfTarget {
    endpoint: Endpoint,
    now: RefCell<Vec<Rc<Peer>>>,
    turn: Cell<usize>,
}

impl Peers {
    /// Those of these targets. Workers begin at different ones.
    pub(super) fn of(endpoints: &[Endpoint], context: &WorkerContext) -> Self {
        let targets = endpoints
            .iter()
            .enumerate()
            .map(|(target, endpoint)| OfTarget {
                endpoint: endpoint.clone(),
                now: RefCell::new(vec![Peer::new(target, endpoint.clone())]),
                turn: Cell::new(context.worker),
            });
        Self {
            targets: targets.collect(),
            clock: context.clock,
            observer: Rc::clone(&context.observer),
        }
    }

    /// Somebody who is none of the scenario's targets, on behalf of one of these.
    pub(super) fn of_one(endpoint: &Endpoint, target: usize, context: &WorkerContext) -> Self {
        let only = OfTarget {
            endpoint: endpoint.clone(),
            now: RefCell::new(vec![Peer::new(target, endpoint.clone())]),
            turn: Cell::new(0),
        };
        Self {
            targets: vec![only],
            clock: context.clock,
            observer: Rc::clone(&context.observer),
        }
    }

    /// How many targets there are.
    pub(super) fn targets(&self) -> usize {
        self.targets.len()
    }

    /// Those of a target, one at least.
    pub(super) fn of_target(&self, target: usize) -> Vec<Rc<Peer>> {
        self.targets[target].now.borrow().clone()
    }

    /// The first of a target's.
    pub(super) fn first(&self, target: usize) -> Rc<Peer> {
        Rc::clone(&self.targets[target].now.borrow()[0])
    }

    /// The next of a target's, and how often it had its turn before.
    pub(super) fn next(&self, target: usize) -> (Rc<Peer>, usize) {
        let of = &self.targets[target];
        let now = of.now.borrow();
        let turn = of.turn.get();
        of.turn.set(turn.wrapping_add(1));
        (Rc::clone(&now[turn % now.len()]), turn / now.len())
    }

    /// Whether it is still one of them.
    pub(super) fn has(&self, peer: &Rc<Peer>) -> bool {
        let now = self.targets[peer.target].now.borrow();
        now.iter().any(|it| Rc::ptr_eq(it, peer))
    }

    /// Whether a target is a list of addresses.
    pub(super) fn is_list(&self, target: usize) -> bool {
        self.targets[target].endpoint.listing().is_some()
    }

    /// The targets that are lists.
    fn lists(&self) -> impl Iterator<Item = (usize, &OfTarget, &Listing)> {
        let targets = self.targets.iter().enumerate();
        targets.filter_map(|(target, of)| Some((target, of, of.endpoint.listing()?)))
    }

    /// Waits until all lists are known, and takes them.
    ///
    /// # Errors
    /// Why one of them is not known within the time.
    pub(super) async fn know(&self, limit: Duration) -> Result<(), ConnectError> {
        for (target, of, listing) in self.lists() {
            let list = listing.first(limit).await.map_err(|problem| {
                let problem = connect_error::Problem::Unlisted(problem);
                of.endpoint.failed(Problem::from(problem))
            })?;
            self.meet(target, &list, Moment::default());
        }
        Ok(())
    }

    /// Takes a target's list as it is since that moment. Whether anybody has come or gone.
    pub(super) fn meet(&self, target: usize, list: &[Listed], since: Moment) -> bool {
        let of = &self.targets[target];
        let Some(listing) = of.endpoint.listing() else {
            return false;
        };
        let mut now = of.now.borrow_mut();
        let is_same = now.len() == list.len()
            && now
                .iter()
                .zip(list)
                .all(|(peer, listed)| peer.entry.as_ref().is_some_and(|it| it.listed == *listed));
        if is_same {
            return false;
        }
        let at = self.clock.at(since);
        let known = |listed: &Listed| {
            let is_it =
                |peer: &&Rc<Peer>| peer.entry.as_ref().is_some_and(|it| it.listed == *listed);
            now.iter().find(is_it).cloned()
        };
        let next: Vec<_> = list
            .iter()
            .map(|listed| {
                known(listed).unwrap_or_else(|| {
                    let name = listed.to_string();
                    self.observer.listed(target, &name, true, at);
                    Peer::on_list(target, &of.endpoint, listing, listed)
                })
            })
            .collect();
        let is_gone = |it: &&Rc<Peer>| !next.iter().any(|new| Rc::ptr_eq(new, it));
        let gone = now.iter().filter(is_gone);
        for entry in gone.filter_map(|it| it.entry.as_ref()) {
            let name = entry.listed.to_string();
            self.observer.listed(target, &name, false, at);
        }
        *now = next;
        true
    }

    /// Has `meet` told of each list as it is and whenever it changes, with since when it is that, for as long as what this returns is kept;
    /// and `fail` why one is not known. `meet` is told by a task of this worker.
    pub(super) fn follow(
        &self,
        meet: impl Fn(usize, &[Listed], Moment) + Clone + 'static,
        fail: impl Fn(usize, String) + Clone + 'static,
    ) -> Following {
        let all = self.lists().map(|(target, of, listing)| {
            let (meet, fail) = (meet.clone(), fail.clone());
            let name = of.endpoint.name.clone();
            let problem = move |why| format!("the addresses of {name} are not known: {why}");
            let following = listing.follow();
            tokio::task::spawn_local(async move {
                let mut known = match following {
                    Ok(known) => known,
                    Err(error) => return fail(target, problem(error)),
                };
                known.mark_changed();
                while known.changed().await.is_ok() {
                    let now = known.borrow_and_update().clone();
                    match (now.list, now.problem) {
                        (Some(list), _) => meet(target, &list, now.since),
                        (None, Some(why)) => fail(target, problem(why)),
                        (None, None) => {}
                    }
                }
            })
        });
        Following(all.collect())
    }
}

/// Tasks that follow lists. They end when this is dropped.
#[derive(Default)]
pub(super) struct Following(Vec<JoinHandle<()>>);

impl Drop for Following {
    fn drop(&mut self) {
        for following in &self.0 {
            following.abort();
        }
    }
}
