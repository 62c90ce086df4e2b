//! What somebody told a scenario, as its lanes on all workers see it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::spec::ScenarioSpec;
use crate::cap::Cap;
use crate::clock::Nanos;
use crate::schedule::{ClosedModel, Load, Shard};
use crate::units::Rate;

/// What arrivals do from a moment on that is the same for all workers, and in which they are in good time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::engine) struct Turn {
    /// On the run's clock.
    pub(in crate::engine) at: Nanos,
    pub(in crate::engine) to: To,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::engine) enum To {
    /// So many a second.
    Rate(f64),
    /// They are withheld.
    Pause,
    /// They are let go again.
    Resume,
}

/// What a scenario was told so far.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Told {
    pub(in crate::engine) paused: bool,
    /// Of a closed model: users above these rest.
    pub(in crate::engine) users: Option<u32>,
    pub(in crate::engine) rate: Option<Rate>,
    /// Of a closed model: at most so many iterations a second.
    pub(in crate::engine) limiter: Option<Arc<Cap>>,
    /// Of an open model: in the order of their moments.
    pub(in crate::engine) turns: Vec<Turn>,
}

/// What a scenario was told, shared by its lanes and whoever tells it.
#[derive(Debug)]
pub(in crate::engine) struct Steering {
    /// Rises with each change: as long as it does not, nobody needs to know more.
    version: AtomicU64,
    told: Mutex<Told>,
    /// Lanes that have not come to the end of their load.
    going_on: AtomicUsize,
    /// Lanes with something under way, or yet to come.
    not_through: AtomicUsize,
    /// Of a closed model: users whom its stages have not sent home for good.
    needed: AtomicU32,
    /// Whose users there are here.
    part: Shard,
    /// No iteration is left to start.
    is_exhausted: AtomicBool,
}

impl Steering {
    /// Of a scenario on the workers of this shard, of which there are so many.
    pub(in crate::engine) fn new(spec: &ScenarioSpec, workers: usize, shard: Shard) -> Self {
        let part = spec.part(shard).unwrap_or_default();
        let limiter = match &spec.load {
            Load::Closed(ClosedModel { rate_limit, .. }) => rate_limit
                .map(|it| part.rate(it))
                .map(Cap::new)
                .map(Arc::new),
            Load::Open(_) => None,
        };
        let workers = spec.workers(workers, shard);
        let users = u32::try_from(spec.users(shard)).unwrap_or(u32::MAX);
        let told = Told {
            limiter,
            ..Told::default()
        };
        Self {
            version: AtomicU64::new(0),
            told: Mutex::new(told),
            going_on: AtomicUsize::new(workers),
            not_through: AtomicUsize::new(workers),
            needed: AtomicU32::new(users),
            part,
            is_exhausted: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Whoever panicked while holding it has changed it wholly or not at all.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of a rate of all users is that of those here.
    pub(super) fn rate(&self, of_all: Rate) -> Rate {
        self.part.rate(of_all)
    }

    /// How often it was told something.
    #[inline]
    pub(in crate::engine) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(in crate::engine) fn told(&self) -> Told {
        self.lock().clone()
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.lock());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// A lane has come to the end of its load.
    pub(in crate::engine) fn lane_ends(&self) {
        self.going_on.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether nothing of it starts any more.
    pub(super) fn is_over(&self) -> bool {
        self.going_on.load(Ordering::Relaxed) == 0
    }

    /// Nothing of a lane is under way any more.
    pub(in crate::engine) fn lane_is_through(&self) {
        self.not_through.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether nothing of it is under way any more, nor will be.
    pub(super) fn is_through(&self) -> bool {
        self.not_through.load(Ordering::Relaxed) == 0
    }

    /// The stages have no use for one more user. With the last of them the load is over.
    pub(in crate::engine) fn goes_home(&self) {
        if self.needed.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.exhaust();
        }
    }

    /// Somebody has use for such a user.
    pub(in crate::engine) fn comes_back(&self) {
        self.needed.fetch_add(1, Ordering::Relaxed);
    }

    /// No iteration is left to start: who rests because somebody said so need not any longer.
    pub(in crate::engine) fn exhaust(&self) {
        if !self.is_exhausted.swap(true, Ordering::Relaxed) {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    pub(in crate::engine) fn is_exhausted(&self) -> bool {
        self.is_exhausted.load(Ordering::Relaxed)
    }
}
