//! Which grid a worker's thread sleeps to, and what that saves it.
//!
//! Owns when there is one, and the account of it. Sleeping is the pacer's.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::event::Phase;
use super::lane::LaneCore;
use super::spec::ScenarioSpec;
use crate::clock::{Nanos, StampClock, nanos};
use crate::pacer::{Pacing, grid};
use crate::process::thread_time;
use crate::record::GridRecord;
use crate::schedule::{Load, Share};

/// While there is a grid, the worker is paced exactly once in a while to know what it saves, so often and
/// for so long: for a five-hundredth of the time, which no p99 is made of.
const PROBES_APART: Nanos = 1_000_000_000;
const PROBE: Nanos = 2_000_000;
/// What fewer arrivals took tells nothing: by some hundred of them runs of 3 s were off by up to a quarter of a core.
const ENOUGH: u64 = 500;
/// A grid that is chosen makes no iteration late, whose steps each wait for a tick, and keeps timeouts to a
/// fiftieth.
const OF_LATENESS: Nanos = 2;
const OF_TIMEOUT: Nanos = 50;
/// Answers are seen at ticks: there are to be so many times the users that a tick's arrivals need.
const OF_USERS: f64 = 2.0;

/// A lane and its part of the arrivals.
pub(super) type Laned<'a> = (&'a LaneCore, Share);

/// Keeps one worker's grid.
pub(super) struct GridKeeper {
    pacing: Pacing,
    /// Which of how many workers.
    of: (usize, usize),
    stamps: Rc<StampClock>,
    /// How far apart the ticks are, where the thread sleeps to them.
    apart: Cell<Option<Nanos>>,
    next_probe: Cell<Option<Nanos>>,
    probes_until: Cell<Nanos>,
    /// Whether there was load at the last beat.
    had_load: Cell<bool>,
    last: Cell<Stretch>,
    account: Cell<Account>,
}

impl GridKeeper {
    pub(super) fn new(pacing: Pacing, of: (usize, usize), stamps: Rc<StampClock>) -> Self {
        Self {
            pacing,
            of,
            last: Cell::new(Stretch::up_to(stamps.clock().now())),
            stamps,
            apart: Cell::new(None),
            next_probe: Cell::new(None),
            probes_until: Cell::new(0),
            had_load: Cell::new(false),
            account: Cell::default(),
        }
    }

    /// Looks at what the worker's lanes do by now.
    pub(super) fn beat<'a>(&self, now: Nanos, lanes: impl Iterator<Item = Laned<'a>>) {
        self.enter(now);
        let asked = Asked::by(lanes, now);
        let begins = !self.had_load.replace(asked.has_load) && asked.has_load;
        if begins && self.pacing == Pacing::AUTO {
            // What waking up cost while thousands of connections were opened says nothing of the load.
            grid::forget_wake_ups();
        }
        let wanted = decide(
            self.pacing,
            asked,
            grid::wake_up(),
            self.stamps.are_for_all(),
            self.next_probe.get().is_some(),
        );
        let next_probe = match self.next_probe.get() {
            _ if wanted.is_none() => None,
            // Not all workers at once.
            None => Some(
                now + PROBES_APART / 2
                    + PROBES_APART / 2 * self.of.0 as Nanos / self.of.1.max(1) as Nanos,
            ),
            Some(at) if now >= at => {
                self.probes_until.set(now + PROBE);
                Some(now + PROBES_APART)
            }
            later => later,
        };
        self.next_probe.set(next_probe);
        let apart = wanted.filter(|_| now >= self.probes_until.get());
        self.apart.set(apart);
        grid::set(apart, self.of);
    }

    /// When to look again at the latest.
    pub(super) fn next(&self, now: Nanos) -> Option<Nanos> {
        Some(self.probes_until.get()).filter(|&until| until > now)
    }

    /// The worker is through.
    pub(super) fn end(&self, now: Nanos) {
        self.enter(now);
        self.apart.set(None);
        self.next_probe.set(None);
        grid::set(None, self.of);
    }

    /// What was so far is of the warm-up: how coarse the grid was then says nothing of what is measured.
    pub(super) fn begin_measuring(&self, now: Nanos) {
        self.enter(now);
        self.account.set(Account {
            coarsest: 0,
            ..self.account.get()
        });
    }

    /// Enters what was since the last beat.
    fn enter(&self, now: Nanos) {
        let up_to = Stretch::up_to(now);
        let since = up_to.since(self.last.replace(up_to));
        let mut account = self.account.get();
        if let Some(apart) = self.apart.get() {
            account.coarsest = account.coarsest.max(apart);
            account.gridded += since;
            account.unstamped |= self.stamps.lack_some();
        } else if self.next_probe.get().is_some() {
            account.probed += since;
        }
        self.account.set(account);
    }

    /// What was entered so far.
    pub(super) fn account(&self) -> Account {
        self.account.get()
    }
}

/// What the lanes of a worker that are not through ask of a grid.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Asked {
    /// Whether there is none but open models.
    is_open: bool,
    /// Whether arrivals are to start by now, and how many a second.
    has_load: bool,
    per_second: f64,
    /// How coarse it may be.
    coarsest: Nanos,
}

impl Asked {
    fn by<'a>(lanes: impl Iterator<Item = Laned<'a>>, now: Nanos) -> Self {
        let mut asked = Self {
            is_open: true,
            has_load: false,
            per_second: 0.0,
            coarsest: Nanos::MAX,
        };
        for (core, share) in lanes.filter(|(core, _)| !core.is_done()) {
            let Load::Open(model) = &core.spec.load else {
                asked.is_open = false;
                continue;
            };
            if matches!(core.phase(now), Phase::WarmUp | Phase::Measure) {
                asked.has_load = true;
                let per_second = core.rate(model, now) / share.of as f64;
                asked.per_second += per_second;
                let users = f64::from(model.max_users) / share.of as f64;
                let of_users = users / OF_USERS / steps_of(&core.spec) as f64 / per_second * 1e9;
                asked.coarsest = asked.coarsest.min(of_users as Nanos);
            }
            asked.coarsest = asked.coarsest.min(coarsest_for(&core.spec));
        }
        asked
    }
}

fn steps_of(spec: &ScenarioSpec) -> Nanos {
    spec.steps.len().max(1) as Nanos
}

/// How coarse the grid may be for what is asked of a scenario, however many arrivals it has.
fn coarsest_for(spec: &ScenarioSpec) -> Nanos {
    // What opens a connection waits for ticks, too: nobody knows for how many.
    if spec.connects_each {
        return 0;
    }
    let of_lateness = nanos(spec.late_after) / OF_LATENESS / steps_of(spec);
    of_lateness.min(nanos(spec.timeout) / OF_TIMEOUT)
}

/// How far apart the ticks are to be, where there is to be a grid.
fn decide(
    pacing: Pacing,
    asked: Asked,
    wake_up: Option<Duration>,
    is_stamped: bool,
    has_one: bool,
) -> Option<Nanos> {
    // The users of a closed model would wait for it with each answer.
    if !asked.is_open || !asked.has_load {
        return None;
    }
    // What it saves is held against what a wake-up costs: not before that is known.
    let wake_up = wake_up?;
    match pacing.ticks_apart() {
        Some(apart) => Some(nanos(apart)),
        None if pacing != Pacing::AUTO || !is_stamped => None,
        None => grid::choose(grid::Demand {
            per_second: asked.per_second,
            coarsest: asked.coarsest,
            wake_up,
            has_one,
        }),
    }
}

/// What a thread did over a time.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    time: Nanos,
    cpu: Duration,
    arrivals: u64,
}

impl Stretch {
    /// What the calling thread did ever.
    fn up_to(now: Nanos) -> Self {
        Self {
            time: now,
            cpu: thread_time(),
            arrivals: grid::arrivals(),
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            time: self.time.saturating_sub(earlier.time),
            cpu: self.cpu.saturating_sub(earlier.cpu),
            arrivals: self.arrivals.saturating_sub(earlier.arrivals),
        }
    }
}

impl std::ops::AddAssign for Stretch {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        self.cpu += other.cpu;
        self.arrivals += other.arrivals;
    }
}

/// The account of a worker's grid.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Account {
    /// With the grid, and without it so that this is known.
    gridded: Stretch,
    probed: Stretch,
    /// Since measuring began, or ever before that; 0 while there was no grid.
    coarsest: Nanos,
    unstamped: bool,
}

impl Account {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            gridded: self.gridded.since(earlier.gridded),
            probed: self.probed.since(earlier.probed),
            ..self
        }
    }

    /// What a record says of it, over so much time.
    pub(super) fn record(self, wall: Nanos) -> Option<GridRecord> {
        let Self {
            gridded, probed, ..
        } = self;
        let share = |part: Nanos| part as f64 / wall as f64;
        let had_one = gridded.time > 0 && self.coarsest > 0;
        (wall > 0 && had_one).then(|| GridRecord {
            ticks_apart: Duration::from_nanos(self.coarsest),
            share: share(gridded.time).min(1.0),
            cpu_saved: (probed.arrivals >= ENOUGH).then(|| {
                let each = nanos(probed.cpu) as f64 / probed.arrivals as f64;
                let without = each * gridded.arrivals as f64;
                share(without as Nanos) - share(nanos(gridded.cpu))
            }),
            unstamped: self.unstamped,
        })
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::clock::Clock;

    fn stretch(time_ms: u64, cpu_ms: u64, arrivals: u64) -> Stretch {
        Stretch {
            time: time_ms * 1_000_000,
            cpu: Duration::from_millis(cpu_ms),
            arrivals,
        }
    }

    fn saved(probed: Stretch) -> Option<f64> {
        let account = Account {
            gridded: stretch(990, 400, 19_800),
            probed,
            coarsest: 100_000,
            unstamped: false,
        };
        let record = account.record(1_000_000_000).unwrap();
        assert_eq!(record.ticks_apart, Duration::from_micros(100));
        assert_eq!((record.share, record.unstamped), (0.99, false));
        record.cpu_saved
    }

    // 500 arrivals in 20 ms are 40 µs each, and 792 ms for all.
    #[test_case(stretch(25, 20, 500) => Some(392))]
    #[test_case(stretch(25, 5, 500) => Some(-202); "it costs more")]
    #[test_case(stretch(25, 20, 499) => None; "too few to tell")]
    fn what_it_saves(probed: Stretch) -> Option<i64> {
        saved(probed).map(|it| (it * 1_000.0).round() as i64)
    }

    #[test_case(|_| {} => 500_000; "half of a millisecond that makes late")]
    #[test_case(|spec| spec.steps = vec!["a".into(), "b".into()] => 250_000; "a half of that for two")]
    #[test_case(|spec| spec.timeout = Duration::from_millis(10) => 200_000; "a fiftieth of what may pass")]
    #[test_case(|spec| spec.connects_each = true => 0; "none where connections are opened all the time")]
    fn coarsest(change: fn(&mut ScenarioSpec)) -> Nanos {
        let mut spec = ScenarioSpec::new("s", Load::closed(1));
        change(&mut spec);
        coarsest_for(&spec)
    }

    fn keeper() -> GridKeeper {
        let stamps = StampClock::new(Clock::start());
        GridKeeper::new(Pacing::GRID, (0, 1), Rc::new(stamps))
    }

    /// Sleeps to that grid for a millisecond, by the account.
    fn sleeps_to(keeper: &GridKeeper, apart: Nanos) {
        keeper.apart.set(Some(apart));
        keeper.enter(keeper.last.get().time + 1_000_000);
    }

    #[test]
    fn the_warm_up_is_no_part_of_what_is_told() {
        let keeper = keeper();
        keeper.stamps.are_for(false);
        sleeps_to(&keeper, 250_000);
        assert!(keeper.account().unstamped);
        keeper.begin_measuring(keeper.last.get().time);
        let from = keeper.account();
        let told = || keeper.account().since(from).record(1_000_000);
        assert_eq!(told(), None);
        sleeps_to(&keeper, 100_000);
        let record = told().unwrap();
        assert_eq!(record.ticks_apart, Duration::from_micros(100));
        assert_eq!((record.share, record.unstamped), (1.0, true));
    }

    /// A second that began in the warm-up may have had it then only.
    #[test]
    fn a_grid_of_the_warm_up_alone_is_none() {
        let keeper = keeper();
        let from = keeper.account();
        sleeps_to(&keeper, 250_000);
        keeper.apart.set(None);
        keeper.begin_measuring(keeper.last.get().time);
        assert_eq!(keeper.account().since(from).record(1_000_000), None);
    }

    #[test]
    fn the_last_stretch_is_entered() {
        let keeper = keeper();
        keeper.apart.set(Some(100_000));
        let end = keeper.last.get().time + 1_000_000;
        keeper.end(end);
        keeper.enter(end + 1_000_000);
        assert_eq!(keeper.account().gridded.time, 1_000_000);
    }

    const LOAD: Asked = Asked {
        is_open: true,
        has_load: true,
        per_second: 20_000.0,
        coarsest: Nanos::MAX,
    };
    const CLOSED: Asked = Asked {
        is_open: false,
        ..LOAD
    };
    const BEFORE: Asked = Asked {
        has_load: false,
        ..LOAD
    };
    const FEW: Asked = Asked {
        per_second: 10.0,
        ..LOAD
    };
    const HASTY: Asked = Asked {
        coarsest: 99_000,
        ..LOAD
    };

    #[test_case(Pacing::AUTO, LOAD, Some(20), true => Some(100); "auto where it saves")]
    #[test_case(Pacing::AUTO, LOAD, None, true => None; "auto before it is known to save")]
    #[test_case(Pacing::AUTO, LOAD, Some(1), true => None; "auto where it does not")]
    #[test_case(Pacing::AUTO, LOAD, Some(20), false => None; "auto without stamps")]
    #[test_case(Pacing::AUTO, FEW, Some(20), true => None; "auto for few")]
    #[test_case(Pacing::AUTO, HASTY, Some(20), true => None; "auto where little is late")]
    #[test_case(Pacing::AUTO, CLOSED, Some(20), true => None; "auto beside a closed model")]
    #[test_case(Pacing::GRID, FEW, Some(1), false => Some(100); "as asked for")]
    #[test_case(Pacing::GRID, HASTY, Some(1), false => Some(100); "as asked for, whatever is late")]
    #[test_case(Pacing::GRID, LOAD, None, true => None; "as asked for once it is known what that saves")]
    #[test_case(Pacing::GRID, CLOSED, Some(20), true => None; "not beside a closed model")]
    #[test_case(Pacing::GRID, BEFORE, Some(20), true => None; "not before the load")]
    #[test_case(Pacing::EXACT, LOAD, Some(20), true => None; "exact")]
    #[test_case(Pacing::BUSY, LOAD, Some(20), true => None; "awake")]
    fn grids(
        pacing: Pacing,
        asked: Asked,
        wake_up_us: Option<u64>,
        is_stamped: bool,
    ) -> Option<u64> {
        let wake_up = wake_up_us.map(Duration::from_micros);
        decide(pacing, asked, wake_up, is_stamped, false).map(|apart| apart / 1_000)
    }

    #[test]
    fn an_account_is_of_its_time() {
        let before = Account {
            gridded: stretch(500, 100, 1_000),
            probed: stretch(10, 5, 100),
            coarsest: 150_000,
            unstamped: false,
        };
        assert_eq!(before.since(before).record(1_000_000_000), None, "nothing");
        let after = Account {
            gridded: stretch(1_000, 200, 2_000),
            ..before
        };
        let record = after.since(before).record(1_000_000_000).unwrap();
        assert_eq!((record.share, record.cpu_saved), (0.5, None));
    }
}
