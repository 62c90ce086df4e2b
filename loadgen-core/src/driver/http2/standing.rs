//! Whether requests go to a peer, as all workers know it: it is in health, and has not failed time after time.
//!
//! Owns the states and how one follows from another. What is a failure, and who asks for health, is the driver's.
//! Shared by all workers; as long as nothing fails, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
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
    /// [`UNKNOWN`], [`SERVING`] or [`NOT_SERVING`].
    health: AtomicU8,
    breaking: Option<Breaking>,
    /// The generation of the circuit while that is closed and nothing has failed in a row, else [`NOT_CALM`]:
    /// mostly nobody needs to know more, and what is not written is in every core's cache.
    calm: AtomicU64,
    circuit: Mutex<Circuit>,
}

const UNKNOWN: u8 = 0;
const SERVING: u8 = 1;
const NOT_SERVING: u8 = 2;

const NOT_CALM: u64 = u64::MAX;

/// Whether requests are let through, as far as those before them decide it.
#[derive(Debug)]
struct Circuit {
    /// Closed, open or half open.
    state: State,
    /// How often it has changed: what was let through before the last change says nothing of it.
    generation: u64,
    /// Until when it is open, if it is.
    until: Nanos,
    /// While it is closed: failures since the last request that was ok.
    failed_in_a_row: u32,
    /// While it is half open: requests that were let through, and those of them that were ok.
    tried: u32,
    passed: u32,
}

impl Circuit {
    fn becomes(&mut self, to: State) -> (State, State) {
        let changed = Self {
            state: to,
            generation: self.generation + 1,
            ..Self::default()
        };
        (std::mem::replace(self, changed).state, to)
    }

    fn opens(&mut self, breaking: Breaking, now: Nanos) -> (State, State) {
        let change = self.becomes(State::Open);
        self.until = now.saturating_add(breaking.open_for);
        change
    }

    fn is_calm(&self) -> bool {
        self.state == State::Closed && self.failed_in_a_row == 0
    }
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: State::Closed,
            generation: 0,
            until: 0,
            failed_in_a_row: 0,
            tried: 0,
            passed: 0,
        }
    }
}

/// What a request says of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Works,
    Fails,
    /// Neither: it was cut off.
    Nothing,
}

/// A request that is let through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Let {
    /// What has become of the peer's circuit with it.
    pub(crate) change: Option<(State, State)>,
    /// That of the circuit that it counts for.
    generation: u64,
    /// Whether it is a trial that was ok.
    has_passed: bool,
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
            health: AtomicU8::new(UNKNOWN),
            breaking,
            calm: AtomicU64::new(0),
            circuit: Mutex::default(),
        }
    }

    /// Whether whoever asks is to watch it, as nobody does.
    pub(super) fn adopt(&self) -> bool {
        !self.is_watched.load(Ordering::Relaxed) && !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// Whoever has watched it does so no longer, and another worker may.
    pub(super) fn give_up(&self) {
        self.is_watched.store(false, Ordering::Release);
    }

    /// Whoever has watched it may leave it: no worker has a peer of this name any more. What was known of its health
    /// is forgotten then.
    pub(super) fn leave(self: &Arc<Self>) -> bool {
        // Ours, and that of the list of all.
        let is_gone = || Arc::strong_count(self) <= 2;
        if !is_gone() {
            return false;
        }
        let was = self.health();
        self.has_health(State::Unknown);
        self.give_up();
        // Somebody may have come meanwhile, and have taken it for watched.
        if is_gone() || !self.adopt() {
            return true;
        }
        self.has_health(was);
        false
    }

    /// What was said of its health, by whoever watches it or did.
    pub(crate) fn health(&self) -> State {
        match self.health.load(Ordering::Relaxed) {
            SERVING => State::Serving,
            NOT_SERVING => State::NotServing,
            _ => State::Unknown,
        }
    }

    /// This is said of its health from now on.
    pub(crate) fn has_health(&self, health: State) {
        let health = match health {
            State::Serving => SERVING,
            State::NotServing => NOT_SERVING,
            _ => UNKNOWN,
        };
        self.health.store(health, Ordering::Relaxed);
    }

    /// Whether it was said not to be in health.
    pub(crate) fn is_out_of_health(&self) -> bool {
        self.health.load(Ordering::Relaxed) == NOT_SERVING
    }

    /// Why it takes no requests, in words.
    pub(crate) fn why_not(&self) -> &'static str {
        if self.is_out_of_health() {
            return "is not in health";
        }
        match self.with_circuit(|it| it.state) {
            State::HalfOpen => "has its circuit half open and its trials under way",
            _ => "has its circuit open",
        }
    }

    /// Whether a request may go to it.
    pub(crate) fn takes(&self, now: Nanos) -> bool {
        if self.is_out_of_health() {
            return false;
        }
        let Some(breaking) = self.breaking else {
            return true;
        };
        self.calm.load(Ordering::Acquire) != NOT_CALM
            || self.with_circuit(|it| match it.state {
                State::Open => now >= it.until,
                State::HalfOpen => it.tried < breaking.trials,
                _ => true,
            })
    }

    /// Lets a request through, if one may; whoever is let through says [what it hears](Self::hears).
    pub(crate) fn admit(&self, now: Nanos) -> Option<Let> {
        if self.is_out_of_health() {
            return None;
        }
        let Some(breaking) = self.breaking else {
            return Some(Let::default());
        };
        let generation = self.calm.load(Ordering::Acquire);
        if generation != NOT_CALM {
            return Some(Let {
                generation,
                ..Let::default()
            });
        }
        self.with_circuit(|it| {
            let is_over = it.state == State::Open && now >= it.until;
            let change = is_over.then(|| it.becomes(State::HalfOpen));
            match it.state {
                State::Open => return None,
                State::HalfOpen if it.tried >= breaking.trials => return None,
                State::HalfOpen => it.tried += 1,
                _ => {}
            }
            Some(Let {
                change,
                generation: it.generation,
                has_passed: false,
            })
        })
    }

    /// A request that was let through says so of the peer. What becomes of the circuit. It may say that the peer works
    /// before it has ended, and something else then.
    pub(crate) fn hears(&self, by: &mut Let, told: Told, now: Nanos) -> Option<(State, State)> {
        let breaking = self.breaking?;
        if told == Told::Works && self.calm.load(Ordering::Acquire) == by.generation {
            return None;
        }
        self.with_circuit(|it| {
            if it.generation != by.generation {
                return None;
            }
            match (it.state, told) {
                (State::Closed, Told::Works) => {
                    it.failed_in_a_row = 0;
                    None
                }
                (State::Closed, Told::Fails) => {
                    it.failed_in_a_row += 1;
                    (it.failed_in_a_row >= breaking.failures).then(|| it.opens(breaking, now))
                }
                (State::HalfOpen, Told::Works) if !by.has_passed => {
                    by.has_passed = true;
                    it.passed += 1;
                    (it.passed >= breaking.trials).then(|| {
                        let change = it.becomes(State::Closed);
                        // What it says from now on is of the circuit that it has closed.
                        by.generation = it.generation;
                        change
                    })
                }
                (State::HalfOpen, Told::Fails) => Some(it.opens(breaking, now)),
                (State::HalfOpen, Told::Nothing) if !by.has_passed => {
                    // Another one is tried in its place.
                    it.tried = it.tried.saturating_sub(1);
                    None
                }
                _ => None,
            }
        })
    }

    fn with_circuit<T>(&self, look: impl FnOnce(&mut Circuit) -> T) -> T {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let result = look(&mut circuit);
        let calm = match circuit.is_calm() {
            true => circuit.generation,
            false => NOT_CALM,
        };
        if self.calm.load(Ordering::Relaxed) != calm {
            self.calm.store(calm, Ordering::Release);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const OPENS: Option<(State, State)> = Some((State::Closed, State::Open));
    const OPENS_AGAIN: Option<(State, State)> = Some((State::HalfOpen, State::Open));
    const CLOSES: Option<(State, State)> = Some((State::HalfOpen, State::Closed));

    fn standing(failures: u32, trials: u32) -> Standing {
        let open_for = 100;
        let breaking = Breaking {
            failures,
            open_for,
            trials,
        };
        Standing::new("b1", Some(breaking))
    }

    fn admitted(standing: &Standing, now: Nanos) -> Let {
        standing.admit(now).expect("it is let through")
    }

    /// A request that ends at once.
    fn request(standing: &Standing, told: Told, now: Nanos) -> Option<(State, State)> {
        standing.hears(&mut admitted(standing, now), told, now)
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
        assert_eq!(request(&standing, Told::Fails, 10), OPENS);
        assert!(!standing.takes(109));
        assert_eq!(standing.admit(109), None);
        assert!(standing.takes(110));
        let mut trial = admitted(&standing, 110);
        assert_eq!(trial.change, Some((State::Open, State::HalfOpen)));
        assert!(!standing.takes(111), "there is one trial at a time");
        assert_eq!(standing.admit(111), None);
        assert_eq!(standing.hears(&mut trial, Told::Works, 112), CLOSES);
        for _ in 0..2 {
            assert_eq!(request(&standing, Told::Fails, 113), None, "counted anew");
        }
        assert_eq!(request(&standing, Told::Fails, 114), OPENS);
    }

    #[test]
    fn a_trial_that_fails_opens_it_again() {
        let standing = standing(1, 2);
        request(&standing, Told::Fails, 0);
        let [mut one, mut other] = [100, 100].map(|now| admitted(&standing, now));
        assert_eq!(standing.hears(&mut one, Told::Works, 101), None);
        assert_eq!(standing.hears(&mut other, Told::Fails, 102), OPENS_AGAIN);
        assert_eq!(standing.admit(201), None);
        assert!(standing.admit(202).is_some());
    }

    #[test]
    fn a_trial_that_says_nothing_is_made_again() {
        let standing = standing(1, 1);
        request(&standing, Told::Fails, 0);
        let mut trial = admitted(&standing, 100);
        assert_eq!(standing.hears(&mut trial, Told::Nothing, 101), None);
        assert!(standing.admit(102).is_some());
        assert_eq!(standing.admit(103), None);
    }

    /// What was under way when it opened says nothing new, whatever has become of it.
    #[test_case(1; "it is open")]
    #[test_case(100; "it is half open")]
    #[test_case(101; "it is closed again")]
    #[test_case(102; "it is open again")]
    fn what_ends_late_changes_nothing(until: Nanos) {
        let standing = standing(2, 1);
        let mut before = [0; 6].map(|now| admitted(&standing, now));
        let changes = [0, 1].map(|nth| standing.hears(&mut before[nth], Told::Fails, 0));
        assert_eq!(changes, [None, OPENS]);
        let mut trial = (until >= 100).then(|| admitted(&standing, 100));
        if until >= 101 {
            let trial = trial.as_mut().expect("it is half open");
            assert_eq!(standing.hears(trial, Told::Works, 100), CLOSES);
        }
        if until >= 102 {
            assert_eq!(request(&standing, Told::Fails, 100), None);
            assert_eq!(request(&standing, Told::Fails, 100), OPENS);
        }
        let now = until.max(50);
        let takes = standing.takes(now);
        let told = [Told::Fails, Told::Fails, Told::Nothing, Told::Works];
        for (late, told) in before[2..].iter_mut().zip(told) {
            assert_eq!(standing.hears(late, told, now), None, "{told:?}");
            assert_eq!(standing.takes(now), takes, "{told:?}");
        }
        assert_eq!(takes, until == 101);
    }

    /// So is a trial of an earlier time that it was half open.
    #[test_case(Told::Works)]
    #[test_case(Told::Fails)]
    #[test_case(Told::Nothing)]
    fn a_trial_of_an_earlier_time_changes_nothing(told: Told) {
        let standing = standing(1, 2);
        request(&standing, Told::Fails, 0);
        let [mut late, mut fails] = [100, 100].map(|now| admitted(&standing, now));
        assert_eq!(standing.hears(&mut fails, Told::Fails, 100), OPENS_AGAIN);
        let mut trial = admitted(&standing, 200);
        assert_eq!(standing.hears(&mut late, told, 201), None);
        assert_eq!(standing.hears(&mut trial, Told::Works, 202), None);
        assert_eq!(request(&standing, Told::Works, 203), CLOSES);
    }

    /// A stream that is a trial works from its answer's head on, and may break later.
    #[test]
    fn a_trial_that_lasts_holds_nobody_up() {
        let standing = standing(1, 2);
        request(&standing, Told::Fails, 0);
        let [mut one, mut other] = [100, 100].map(|now| admitted(&standing, now));
        for _ in 0..2 {
            assert_eq!(
                standing.hears(&mut one, Told::Works, 101),
                None,
                "one trial"
            );
        }
        assert_eq!(standing.hears(&mut one, Told::Nothing, 102), None);
        assert_eq!(standing.admit(102), None, "it is not made again");
        assert_eq!(standing.hears(&mut other, Told::Works, 103), CLOSES);
        assert_eq!(standing.hears(&mut other, Told::Works, 104), None);
        assert_eq!(standing.hears(&mut other, Told::Fails, 105), OPENS);
    }

    #[test]
    fn what_is_not_in_health_gets_nothing_whatever_its_circuit() {
        let standings = Standings::new(None);
        let standing = standings.of("b1");
        assert!(standing.takes(0));
        standing.has_health(State::NotServing);
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
        one.has_health(State::NotServing);
        assert!(!one.leave(), "another worker has one");
        drop(other);
        assert!(one.leave());
        let back = standings.of("b1");
        assert!(back.adopt(), "nobody watches it");
        assert_eq!(back.health(), State::Unknown, "and nothing is known of it");
    }
}
