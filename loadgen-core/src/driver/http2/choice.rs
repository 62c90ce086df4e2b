//! Which peer a request goes to, where somebody asked for a choice.
//!
//! Owns the choice among those whom a worker has connections to: by turns, by chance, by what is under way, by
//! weights, and of those only that take requests. Without it requests go to connections in turn, whomever they are
//! to.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::peer::Peer;
use super::place::Place;
use super::standing::{Let, Standing, Standings, Told};
use crate::clock::Nanos;
use crate::driver::transport::net::Endpoint;
use crate::workload::{Standing as State, Switches};

/// How one of several is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// By the turn of the connections.
    Connections,
    RoundRobin,
    Random,
    LeastInFlight,
    /// Each as often as the weight of its target says.
    Weights(Vec<u32>),
}

/// Chooses for one worker.
pub(crate) struct Choice {
    how: How,
    /// How peers stand, where that matters.
    standings: Option<Arc<Standings>>,
    turn: Cell<usize>,
    random: RefCell<fastrand::Rng>,
    /// Used again and again.
    peers: RefCell<Vec<Candidate>>,
    /// The targets that had a part in the last choice by weight.
    weighed: RefCell<Vec<Weighed>>,
    /// Whom nobody watches, and that somebody may want to ask for its health.
    met: RefCell<Vec<Met>>,
}

/// A target, by its weight.
struct Weighed {
    target: usize,
    /// How far behind its weight it is, as of the last choice.
    behind: i64,
    /// Which of its addresses is next.
    turn: usize,
}

/// One that nobody watches. Dropping it has somebody else watch it.
pub(crate) struct Met {
    pub(crate) standing: Arc<Standing>,
    pub(crate) endpoint: Endpoint,
    pub(crate) target: usize,
    is_left: Cell<bool>,
}

impl Met {
    /// Whether it is no longer one of those that requests go to, and need not be asked any more.
    pub(crate) fn is_gone(&self) -> bool {
        let is_left = self.is_left.get() || self.standing.leave();
        self.is_left.set(is_left);
        is_left
    }
}

impl Drop for Met {
    fn drop(&mut self) {
        if !self.is_left.get() {
            self.standing.give_up();
        }
    }
}

struct Candidate {
    peer: Rc<Peer>,
    /// Whether its target is not switched off.
    is_on: bool,
    is_connected: bool,
    in_flight: u64,
    takes: bool,
}

/// Where a request goes.
pub(crate) struct Chosen {
    pub(crate) place: Rc<Place>,
    /// That it was let through, where standings matter.
    pub(crate) admitted: Option<Admitted>,
}

/// A request that was let through. Dropping it says that it was cut off.
pub(crate) struct Admitted {
    pub(crate) standing: Arc<Standing>,
    pub(crate) by: Let,
    is_over: bool,
}

impl Admitted {
    /// It is under way and the peer serves it. What becomes of the peer's circuit.
    pub(crate) fn works(&mut self, now: Nanos) -> Option<(State, State)> {
        self.standing.hears(&mut self.by, Told::Works, now)
    }

    /// It has ended so. What becomes of the peer's circuit.
    pub(crate) fn over(mut self, told: Told, now: Nanos) -> Option<(State, State)> {
        self.is_over = true;
        self.standing.hears(&mut self.by, told, now)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if !self.is_over {
            self.standing.hears(&mut self.by, Told::Nothing, 0);
        }
    }
}

impl Choice {
    /// For a worker with this number.
    pub(crate) fn new(
        how: How,
        standings: Option<Arc<Standings>>,
        worker: usize,
        seed: u64,
    ) -> Self {
        Self {
            how,
            standings,
            turn: Cell::new(worker),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            peers: RefCell::default(),
            weighed: RefCell::default(),
            met: RefCell::default(),
        }
    }

    /// Those that were met since the last time this was asked.
    pub(crate) fn take_met(&self) -> Vec<Met> {
        self.met.take()
    }

    /// Meets all of these.
    pub(super) fn meet(&self, places: &[Rc<Place>]) {
        for place in places {
            self.standing(&place.peer());
        }
    }

    /// Why nobody took a request the last time that one was to be chosen.
    pub(crate) fn why_nobody(&self) -> String {
        let peers = self.peers.borrow();
        let each = peers.iter().filter_map(|it| {
            if !it.is_on {
                return Some(format!("{} is switched off", it.peer.endpoint.name));
            }
            let standing = self.standing(&it.peer)?;
            Some(format!("{} {}", standing.name, standing.why_not()))
        });
        let each: Vec<String> = each.collect();
        format!("no target takes calls: {}", each.join(", "))
    }

    fn standing(&self, peer: &Rc<Peer>) -> Option<Arc<Standing>> {
        let standings = self.standings.as_ref()?;
        if !peer.is_somebody() {
            return None;
        }
        let standing = peer
            .standing
            .get_or_init(|| standings.of(&peer.endpoint.name));
        // The worker that watched it may be done before this one.
        if standing.adopt() {
            self.met.borrow_mut().push(Met {
                standing: Arc::clone(standing),
                endpoint: peer.endpoint.clone(),
                target: peer.target,
                is_left: Cell::new(false),
            });
        }
        Some(Arc::clone(standing))
    }

    /// Which of these a request goes to, and the turn that is next; `None` where nobody takes any.
    pub(super) fn choose(
        &self,
        places: &[Rc<Place>],
        turn: &Cell<usize>,
        now: Nanos,
        switches: &Switches,
    ) -> Option<Chosen> {
        self.look_at(places, now, switches);
        loop {
            let peer = self.peer(places, turn.get())?;
            let admitted = match self.standing(&peer) {
                None => None,
                Some(standing) => match standing.admit(now) {
                    Some(by) => Some(Admitted {
                        standing,
                        by,
                        is_over: false,
                    }),
                    // Somebody else was let through meanwhile.
                    None => {
                        let mut peers = self.peers.borrow_mut();
                        let refused = peers.iter_mut().filter(|it| Rc::ptr_eq(&it.peer, &peer));
                        refused.for_each(|it| it.takes = false);
                        continue;
                    }
                },
            };
            let nth = nth_of(places, &peer, turn.get())?;
            turn.set((nth + 1) % places.len());
            return Some(Chosen {
                place: Rc::clone(&places[nth]),
                admitted,
            });
        }
    }

    /// Sees who there is.
    fn look_at(&self, places: &[Rc<Place>], now: Nanos, switches: &Switches) {
        let mut peers = self.peers.borrow_mut();
        peers.clear();
        for place in places {
            let peer = place.peer();
            let known = peers.iter().position(|it| Rc::ptr_eq(&it.peer, &peer));
            let index = known.unwrap_or_else(|| {
                let is_on = switches.is_on(peer.target);
                peers.push(Candidate {
                    takes: is_on && self.standing(&peer).is_none_or(|it| it.takes(now)),
                    is_on,
                    peer,
                    is_connected: false,
                    in_flight: 0,
                });
                peers.len() - 1
            });
            let candidate = &mut peers[index];
            candidate.is_connected |= place.is_connected();
            candidate.in_flight += place.in_flight();
        }
    }

    /// The peer that is next: of those that take requests one that is connected, if any is.
    fn peer(&self, places: &[Rc<Place>], turn_of_places: usize) -> Option<Rc<Peer>> {
        let peers = self.peers.borrow();
        let is_any = peers.iter().any(|it| it.takes && it.is_connected);
        let fits = |it: &Candidate| it.takes && (it.is_connected || !is_any);
        let len = peers.len();
        let turn = self.turn.get() % len.max(1);
        let mut from_turn = (turn..len).chain(0..turn).filter(|&nth| fits(&peers[nth]));
        let chosen = match &self.how {
            How::Connections => {
                let places_from_turn = places.iter().cycle().skip(turn_of_places);
                let mut of_places = places_from_turn.take(places.len());
                let is_fit = |place: &&Rc<Place>| {
                    let mut all = peers.iter();
                    all.any(|it| place.is_for(&it.peer) && fits(it))
                };
                let with_room = |place: &&Rc<Place>| is_fit(place) && place.has_room();
                let place = of_places.clone().find(with_room);
                let place = place.or_else(|| of_places.find(is_fit))?;
                return Some(place.peer());
            }
            How::RoundRobin => from_turn.next()?,
            How::Random => {
                let count = from_turn.clone().count();
                if count == 0 {
                    return None;
                }
                from_turn.nth(self.random.borrow_mut().usize(..count))?
            }
            How::LeastInFlight => from_turn.min_by_key(|&nth| peers[nth].in_flight)?,
            How::Weights(weights) => {
                let fitting = from_turn.map(|nth| (peers[nth].peer.target, nth));
                self.most_behind(fitting, weights)?
            }
        };
        self.turn.set(chosen + 1);
        Some(Rc::clone(&peers[chosen].peer))
    }

    /// Each target falls behind by its weight, and the one that is furthest behind catches up by the sum of all. So
    /// each has its share of any stretch of choices, as evenly spread as can be. Its addresses take turns.
    fn most_behind(
        &self,
        fitting: impl Iterator<Item = (usize, usize)> + Clone,
        weights: &[u32],
    ) -> Option<usize> {
        let mut all = self.weighed.borrow_mut();
        all.retain(|it| fitting.clone().any(|(target, _)| it.target == target));
        for (target, _) in fitting.clone() {
            if !all.iter().any(|it| it.target == target) {
                all.push(Weighed {
                    target,
                    behind: 0,
                    turn: 0,
                });
            }
        }
        let mut sum = 0;
        for it in &mut *all {
            let weight = i64::from(weights.get(it.target).copied().unwrap_or(1));
            it.behind += weight;
            sum += weight;
        }
        // The first of those that are equally far behind.
        let most = all.iter_mut().rev().max_by_key(|it| it.behind)?;
        most.behind -= sum;
        let target = most.target;
        let its = fitting.filter(|(of, _)| *of == target).map(|(_, nth)| nth);
        let mut its: Vec<usize> = its.collect();
        // By their places, wherever the turn of all begins.
        its.sort_unstable();
        let chosen = its[most.turn % its.len()];
        most.turn = most.turn.wrapping_add(1);
        Some(chosen)
    }
}

/// Which of these a request to this peer goes to: the first with room, beginning with the one whose turn it is, else
/// the first that is connected, else the first.
fn nth_of(places: &[Rc<Place>], peer: &Rc<Peer>, turn: usize) -> Option<usize> {
    let turn = turn % places.len().max(1);
    let from_turn = (turn..places.len()).chain(0..turn);
    let its = from_turn.filter(|&nth| places[nth].is_for(peer));
    let first = |fits: fn(&Place) -> bool| its.clone().find(|&nth| fits(&places[nth]));
    first(Place::has_room)
        .or_else(|| first(Place::is_connected))
        .or_else(|| its.clone().next())
}
