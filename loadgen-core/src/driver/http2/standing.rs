//! Whether requests go to a peer, as all workers know it: it is in health, and has not failed time after time.
//!
//! Owns the states and how one follows from another. What is a failure, and who asks for health, is the driver's.
//! Shared by all workers without a lock: each state is a number.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Nanos;
use crate::workload::Standing as State;

/// The standings of all peers of a scenario, by their names.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    breaking: Option<Breaking>,
    known: Mutex<Vec<Arc<Standing>>>,
}

/// When a peer is left alone that fails time after time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Breaking {
    /// So many failures in a row.
    pub(crate) failures: u32,
    /// For how long, in nanoseconds.
    pub(crate) open_for: Nanos,
    /// So many requests have to be ok then.
    pub(crate) trials: u32,
}

/// How a peer stands. See the module's header.
#[derive(Debug)]
pub(crate) struct Standing {
    /// What people call it.
    pub(crate) name: String,
    /// Whether somebody asks for its health, or may.
    is_watched: AtomicBool,
    is_out_of_health: AtomicBool,
    breaking: Option<Breaking>,
    /// [`CLOSED`], [`HALF_OPEN`], or until when it is open.
    circuit: AtomicU64,
    failed_in_a_row: AtomicU32,
    /// Since it is half open: requests that were let through, and those of them that were ok.
    tried: AtomicU32,
    passed: AtomicU32,
}

const CLOSED: u64 = 0;
const HALF_OPEN: u64 = 1;

/// What a request says of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Works,
    Fails,
    /// Neither: it was cut off.
    Nothing,
}

/// A request that is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Let {
    /// Whether it decides if the peer is left alone for longer.
    pub(crate) is_trial: bool,
    /// What has become of the peer's circuit with it.
    pub(crate) change: Option<(State, State)>,
}

impl Standings {
    pub(crate) fn new(breaking: Option<Breaking>) -> Self {
        Self {
            breaking,
            known: Mutex::default(),
        }
    }

    /// The standing of the peer of this name.
    pub(super) fn of(&self, name: &str) -> Arc<Standing> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = known.iter().find(|it| it.name == name) {
            return Arc::clone(standing);
        }
        let standing = Arc::new(Standing::new(name, self.breaking));
        known.push(Arc::clone(&standing));
        standing
    }
}

impl Standing {
    fn new(name: &str, breaking: Option<Breaking>) -> Self {
        Self {
            name: name.to_owned(),
            is_watched: AtomicBool::new(false),
            is_out_of_health: AtomicBool::new(false),
            breaking,
            circuit: AtomicU64::new(CLOSED),
            failed_in_a_row: AtomicU32::new(0),
            tried: AtomicU32::new(0),
            passed: AtomicU32::new(0),
        }
    }

    /// Whether whoever asks is to watch it, as nobody does.
    pub(super) fn adopt(&self) -> bool {
        !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// Whoever has watched it may leave it: no worker has a peer of this name any more. What was known of its health
    /// is forgotten then.
    pub(super) fn leave(self: &Arc<Self>) -> bool {
        // Ours, and that of the list of all.
        let is_gone = || Arc::strong_count(self) <= 2;
        if !is_gone() {
            return false;
        }
        let was_in_health = !self.is_out_of_health();
        self.is_in_health(true);
        self.is_watched.store(false, Ordering::Release);
        // Somebody may have come meanwhile, and have taken it for watched.
        if is_gone() || !self.adopt() {
            return true;
        }
        self.is_in_health(was_in_health);
        false
    }

    /// Whether it is in health or not is known from now on.
    pub(crate) fn is_in_health(&self, is: bool) {
        self.is_out_of_health.store(!is, Ordering::Relaxed);
    }

    /// Whether it was said not to be in health.
    pub(crate) fn is_out_of_health(&self) -> bool {
        self.is_out_of_health.load(Ordering::Relaxed)
    }

    /// Whether a request may go to it.
    pub(crate) fn takes(&self, now: Nanos) -> bool {
        if self.is_out_of_health() {
            return false;
        }
        let Some(breaking) = self.breaking else {
            return true;
        };
        match self.circuit.load(Ordering::Acquire) {
            CLOSED => true,
            HALF_OPEN => self.tried.load(Ordering::Relaxed) < breaking.trials,
            until => now >= until,
        }
    }

    /// Lets a request through, if one may; whoever is let through says [how it ended](Self::ended).
    pub(crate) fn admit(&self, now: Nanos) -> Option<Let> {
        if self.is_out_of_health() {
            return None;
        }
        let Some(breaking) = self.breaking else {
            return Some(Let {
                is_trial: false,
                change: None,
            });
        };
        let mut change = None;
        loop {
            match self.circuit.load(Ordering::Acquire) {
                CLOSED => {
                    return Some(Let {
                        is_trial: false,
                        change,
                    });
                }
                HALF_OPEN => {
                    let one_more = |tried: u32| (tried < breaking.trials).then(|| tried + 1);
                    let tried = &self.tried;
                    tried
                        .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
                        .ok()?;
                    return Some(Let {
                        is_trial: true,
                        change,
                    });
                }
                until if now < until => return None,
                until => {
                    if self.moves(until, HALF_OPEN) {
                        change = Some((State::Open, State::HalfOpen));
                    }
                }
            }
        }
    }

    fn moves(&self, from: u64, to: u64) -> bool {
        let moved = self
            .circuit
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        moved.is_ok()
    }

    /// A request that was let through has ended so. What becomes of the circuit.
    pub(crate) fn ended(&self, is_trial: bool, told: Told, now: Nanos) -> Option<(State, State)> {
        let breaking = self.breaking?;
        match (is_trial, told) {
            (false, Told::Works) => {
                // Mostly nothing has failed, and what is not written is in every core's cache.
                if self.failed_in_a_row.load(Ordering::Relaxed) > 0 {
                    self.failed_in_a_row.store(0, Ordering::Relaxed);
                }
                None
            }
            (false, Told::Fails) => {
                let before = self.failed_in_a_row.fetch_add(1, Ordering::AcqRel);
                let is_enough = before.saturating_add(1) >= breaking.failures;
                (is_enough && self.opens(CLOSED, breaking, now))
                    .then_some((State::Closed, State::Open))
            }
            (true, Told::Works) => {
                let passed = self.passed.fetch_add(1, Ordering::AcqRel) + 1;
                if passed < breaking.trials {
                    return None;
                }
                self.failed_in_a_row.store(0, Ordering::Relaxed);
                self.moves(HALF_OPEN, CLOSED)
                    .then_some((State::HalfOpen, State::Closed))
            }
            (true, Told::Fails) => self
                .opens(HALF_OPEN, breaking, now)
                .then_some((State::HalfOpen, State::Open)),
            (true, Told::Nothing) => {
                // Another one is tried in its place.
                let less = |tried: u32| tried.checked_sub(1);
                let _ = self
                    .tried
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
                None
            }
            (false, Told::Nothing) => None,
        }
    }

    fn opens(&self, from: u64, breaking: Breaking, now: Nanos) -> bool {
        let until = now.saturating_add(breaking.open_for).max(HALF_OPEN + 1);
        // Nobody is let through while it is open, so that these are nobody's yet.
        self.tried.store(0, Ordering::Relaxed);
        self.passed.store(0, Ordering::Relaxed);
        self.moves(from, until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(failures: u32, trials: u32) -> Standing {
        let open_for = 100;
        let breaking = Breaking {
            failures,
            open_for,
            trials,
        };
        Standing::new("b1", Some(breaking))
    }

    /// A request that ends at once.
    fn request(standing: &Standing, told: Told, now: Nanos) -> Option<(State, State)> {
        let admitted = standing.admit(now).expect("it is let through");
        standing.ended(admitted.is_trial, told, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_trial_closes_it() {
        let standing = standing(3, 1);
        for told in [
            Told::Fails,
            Told::Fails,
            Told::Works,
            Told::Fails,
            Told::Fails,
        ] {
            assert_eq!(request(&standing, told, 10), None);
        }
        let opens = Some((State::Closed, State::Open));
        assert_eq!(request(&standing, Told::Fails, 10), opens);
        assert!(!standing.takes(109));
        assert_eq!(standing.admit(109), None);
        assert!(standing.takes(110));
        let trial = standing.admit(110).expect("it is half open");
        assert!(trial.is_trial);
        assert_eq!(trial.change, Some((State::Open, State::HalfOpen)));
        assert!(!standing.takes(111), "there is one trial at a time");
        assert_eq!(standing.admit(111), None);
        let closes = Some((State::HalfOpen, State::Closed));
        assert_eq!(standing.ended(true, Told::Works, 112), closes);
        for _ in 0..2 {
            assert_eq!(request(&standing, Told::Fails, 113), None, "counted anew");
        }
    }

    #[test]
    fn a_trial_that_fails_opens_it_again() {
        let standing = standing(1, 2);
        request(&standing, Told::Fails, 0);
        let trials = [100, 100].map(|now| standing.admit(now).expect("two are tried"));
        assert!(trials.iter().all(|it| it.is_trial));
        assert_eq!(standing.ended(true, Told::Works, 101), None);
        let opens = Some((State::HalfOpen, State::Open));
        assert_eq!(standing.ended(true, Told::Fails, 102), opens);
        assert_eq!(standing.admit(201), None);
        assert!(standing.admit(202).is_some());
    }

    #[test]
    fn a_trial_that_says_nothing_is_made_again() {
        let standing = standing(1, 1);
        request(&standing, Told::Fails, 0);
        assert!(standing.admit(100).expect("it is half open").is_trial);
        assert_eq!(standing.ended(true, Told::Nothing, 101), None);
        assert!(standing.admit(102).expect("another").is_trial);
    }

    /// What was under way when it opened says nothing new.
    #[test]
    fn what_ends_late_changes_nothing() {
        let standing = standing(2, 1);
        let four = [0; 4].map(|now| standing.admit(now).expect("it is closed"));
        let changes = four.map(|it| standing.ended(it.is_trial, Told::Fails, 1));
        let opened = changes.iter().flatten().count();
        assert_eq!(opened, 1, "{changes:?}");
        assert_eq!(standing.admit(50), None);
    }

    #[test]
    fn what_is_not_in_health_gets_nothing_whatever_its_circuit() {
        let standings = Standings::new(None);
        let standing = standings.of("b1");
        assert!(standing.takes(0));
        standing.is_in_health(false);
        assert!(!standing.takes(0));
        assert_eq!(standing.admit(0), None);
        assert!(standings.of("b1").is_out_of_health());
        assert!(!standings.of("b2").is_out_of_health());
    }

    #[test]
    fn one_watches_it_until_all_are_gone() {
        let standings = Standings::new(None);
        let (one, other) = (standings.of("b1"), standings.of("b1"));
        assert!(one.adopt() && !other.adopt());
        one.is_in_health(false);
        assert!(!one.leave(), "another worker has one");
        drop(other);
        assert!(one.leave());
        let back = standings.of("b1");
        assert!(back.adopt(), "nobody watches it");
        assert!(!back.is_out_of_health(), "and nothing is known of it");
    }
}
