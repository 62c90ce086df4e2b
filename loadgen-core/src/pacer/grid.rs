//! Sleeping to a grid: a worker's thread wakes up at its ticks only, and does everything there.
//!
//! Owns how coarse a grid is to be for what is asked of it, and the sleep of the thread that has one. It is the
//! whole thread that sleeps, where it would otherwise wait for events: waking up for an answer costs as much as
//! for an arrival. Whether there is one, and what that saves, is for the thread's owner to say.

use std::cell::Cell;
use std::time::Duration;

use super::{TOGETHER, imp};
use crate::clock::{Clock, Nanos};
use crate::process::thread_time;

/// Up to so many arrivals a second on a worker nothing changes.
const FEW: f64 = 10_000.0;
/// A larger part of a worker's time than this is too much for falling asleep and waking up. That is less
/// than half of what a wake-up costs: caches are cold, and each has system calls of its own.
const MOST_SHARE: f64 = 0.1;
/// Where there is a grid already, one more than half of this keeps it: what a wake-up was found to cost
/// would switch it on and off.
const STAYING: f64 = 0.5;
/// The grids that are chosen from: from the finest to the coarsest in such steps.
const FINEST: Nanos = 100_000;
const STEP: Nanos = 50_000;
const COARSEST: Nanos = 250_000;
/// A grid is to have a tick for so many arrivals.
const A_TICK: f64 = 2.0;
/// What a wake-up costs is known once so many were looked at, and is the mean of about so many.
const ENOUGH: u32 = 32;
/// From then on each of so many is: a look costs two system calls.
const LOOKS_AT: u32 = 64;
/// Asking for events that are there, and handing out all of them, takes no longer.
const AT_ONCE: Nanos = 100_000;

/// What a grid is chosen by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// How many arrivals are to start each second on this worker.
    pub(crate) per_second: f64,
    /// How coarse it may be.
    pub(crate) coarsest: Nanos,
    /// The processor time of falling asleep and waking up.
    pub(crate) wake_up: Duration,
    /// Whether there is a grid already.
    pub(crate) has_one: bool,
}

/// How far apart the ticks are to be, where there is to be a grid.
pub(crate) fn choose(demand: Demand) -> Option<Nanos> {
    let coarsest = demand.coarsest.min(COARSEST) / STEP * STEP;
    if demand.per_second <= FEW || coarsest < FINEST {
        return None;
    }
    let wake_ups = demand.per_second.min(1e9 / TOGETHER as f64);
    let most = match demand.has_one {
        true => MOST_SHARE * STAYING,
        false => MOST_SHARE,
    };
    if wake_ups * demand.wake_up.as_secs_f64() <= most {
        return None;
    }
    // Twice as coarse for twice as many: the same part of them has a tick of its own.
    let finest_for = A_TICK * 1e9 / FINEST as f64;
    let steps = (demand.per_second / finest_for * FINEST as f64 / STEP as f64) as Nanos;
    Some((steps * STEP).clamp(FINEST, coarsest))
}

/// The first tick from `at` on of a grid that has one at `phase`.
fn tick_from(at: Nanos, apart: Nanos, phase: Nanos) -> Nanos {
    let phase = phase % apart;
    (at + apart - phase).div_ceil(apart) * apart + phase - apart
}

/// What the calling thread sleeps to.
struct Grid {
    /// How far apart the ticks are; 0 where there is no grid.
    apart: Cell<Nanos>,
    /// When one of them is.
    phase: Cell<Nanos>,
    /// When it woke up at a tick, until it goes on.
    woke: Cell<Option<Nanos>>,
    /// Up to when it has asked for events; 0 before it ever has.
    asked: Cell<Nanos>,
    /// How often the thread waited for events, and how many of those waits were looked at, up to `ENOUGH`, with
    /// the processor time that so many took.
    waits: Cell<u32>,
    looks: Cell<u32>,
    took: Cell<Duration>,
    /// The thread's processor time before the wait that is looked at.
    looks_from: Cell<Option<Duration>>,
    arrivals: Cell<u64>,
}

thread_local! {
    static GRID: Grid = const {
        Grid {
            apart: Cell::new(0),
            phase: Cell::new(0),
            woke: Cell::new(None),
            asked: Cell::new(0),
            waits: Cell::new(0),
            looks: Cell::new(0),
            took: Cell::new(Duration::ZERO),
            looks_from: Cell::new(None),
            arrivals: Cell::new(0),
        }
    };
}

/// The calling thread sleeps to a grid from now on, or no longer. Of several threads each has ticks of its
/// own, or all would ask the service at once.
pub(crate) fn set(apart: Option<Nanos>, (thread, threads): (usize, usize)) {
    GRID.with(|grid| {
        let apart = apart.unwrap_or(0);
        if grid.apart.replace(apart) == 0 && apart > 0 {
            imp::wake_sharply();
        }
        grid.phase
            .set(apart * thread as Nanos / threads.max(1) as Nanos);
    });
}

/// Whether the calling thread sleeps to a grid.
#[inline]
pub(crate) fn is_on() -> bool {
    GRID.with(|grid| grid.apart.get() > 0)
}

/// The first tick from `at` on; `at` itself without a grid.
#[inline]
pub(crate) fn tick_at(at: Nanos) -> Nanos {
    GRID.with(|grid| match grid.apart.get() {
        0 => at,
        apart => tick_from(at, apart, grid.phase.get()),
    })
}

/// The thread has nothing to do and is to wait for events. With a grid it sleeps until the next tick first,
/// whatever comes meanwhile: nobody on it runs. Where a tick has passed while there was something to do, what
/// is there is asked for at once.
pub(crate) fn waits(clock: &Clock, now: Nanos) {
    GRID.with(|grid| match grid.apart.get() {
        0 => {
            let waits = grid.waits.get().wrapping_add(1);
            grid.waits.set(waits);
            if grid.looks.get() < ENOUGH || waits.is_multiple_of(LOOKS_AT) {
                grid.looks_from.set(Some(thread_time()));
            }
        }
        apart => {
            let phase = grid.phase.get();
            let asked = grid.asked.replace(now);
            if asked > 0 && tick_from(asked + 1, apart, phase) <= now {
                return;
            }
            imp::sleep_until(clock, tick_from(now + 1, apart, phase));
            let woke = clock.now();
            grid.asked.set(woke);
            grid.woke.set(Some(woke));
        }
    });
}

/// The thread goes on at `now`. Whether a tick woke it, and no event.
pub(crate) fn goes_on(now: Nanos) -> bool {
    GRID.with(|grid| {
        if let Some(from) = grid.looks_from.take() {
            let (looks, took) = (grid.looks.get(), grid.took.get());
            // What was seen before weighs less with each.
            let forgotten = match looks {
                ENOUGH => took / ENOUGH,
                _ => Duration::ZERO,
            };
            let took = took - forgotten + thread_time().saturating_sub(from);
            grid.took.set(took);
            grid.looks.set((looks + 1).min(ENOUGH));
        }
        // Had nothing been there at the tick, it would have waited on.
        let woke = grid.woke.take();
        woke.is_some_and(|at| now.saturating_sub(at) < AT_ONCE)
    })
}

/// What it costs the thread to fall asleep and wake up without a grid, once that is known.
pub(crate) fn wake_up() -> Option<Duration> {
    GRID.with(|grid| {
        let looks = grid.looks.get();
        (looks >= ENOUGH).then(|| grid.took.get() / looks)
    })
}

/// What wake-ups cost so far is none of what they cost from now on.
pub(crate) fn forget_wake_ups() {
    GRID.with(|grid| {
        grid.took.set(Duration::ZERO);
        grid.looks.set(0);
    });
}

/// An arrival was handed out on this thread.
#[inline]
pub(crate) fn count_arrival() {
    GRID.with(|grid| grid.arrivals.set(grid.arrivals.get() + 1));
}

/// How many arrivals were handed out on this thread, ever.
pub(crate) fn arrivals() -> u64 {
    GRID.with(|grid| grid.arrivals.get())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const SLOW: u64 = 12;
    const ANY: Nanos = 1_000_000;

    #[test_case(10_000.0, SLOW, ANY, false => None; "few")]
    #[test_case(10_001.0, SLOW, ANY, false => Some(100); "more")]
    #[test_case(20_000.0, SLOW, ANY, false => Some(100); "two a tick")]
    #[test_case(29_999.0, SLOW, ANY, false => Some(100); "almost three")]
    #[test_case(30_000.0, SLOW, ANY, false => Some(150); "three, in steps")]
    #[test_case(50_000.0, SLOW, ANY, false => Some(250); "as coarse as it gets")]
    #[test_case(1e6, SLOW, ANY, false => Some(250); "and no coarser")]
    #[test_case(20_000.0, 5, ANY, false => None; "a tenth of a core and no more")]
    #[test_case(20_001.0, 5, ANY, false => Some(100); "more than a tenth")]
    #[test_case(1e6, 2, ANY, false => None; "those that are due together wake up once")]
    #[test_case(20_000.0, 3, ANY, false => None; "not for this")]
    #[test_case(20_000.0, 3, ANY, true => Some(100); "but it stays for this")]
    #[test_case(20_000.0, 2, ANY, true => None; "not for less")]
    #[test_case(10_000.0, SLOW, ANY, true => None; "nor for few")]
    #[test_case(1e6, SLOW, 199_999, false => Some(150); "finer where it has to be")]
    #[test_case(1e6, SLOW, 99_999, false => None; "none where it has to be finer still")]
    fn grids(per_second: f64, wake_up_us: u64, coarsest: Nanos, has_one: bool) -> Option<u64> {
        let demand = Demand {
            per_second,
            coarsest,
            wake_up: Duration::from_micros(wake_up_us),
            has_one,
        };
        choose(demand).map(|apart| apart / 1_000)
    }

    #[test_case(0, 100, 0 => 0)]
    #[test_case(1, 100, 0 => 100)]
    #[test_case(100, 100, 0 => 100; "at a tick")]
    #[test_case(0, 100, 30 => 30; "before the first")]
    #[test_case(30, 100, 30 => 30; "at the first")]
    #[test_case(31, 100, 30 => 130; "after it")]
    #[test_case(31, 100, 430 => 130; "whichever that is")]
    fn ticks(at: Nanos, apart: Nanos, phase: Nanos) -> Nanos {
        tick_from(at, apart, phase)
    }

    #[test]
    fn threads_have_ticks_of_their_own() {
        let ticks = [0, 1, 2, 3].map(|thread| {
            set(Some(100_000), (thread, 4));
            tick_at(1)
        });
        assert_eq!(ticks, [100_000, 25_000, 50_000, 75_000]);
        assert!(is_on());
        set(None, (0, 4));
        assert_eq!((is_on(), tick_at(1)), (false, 1));
    }

    #[test]
    fn a_thread_sleeps_until_the_tick_and_says_so() {
        let clock = Clock::start();
        set(Some(1_000_000), (0, 1));
        let now = clock.now();
        waits(&clock, now);
        let woke = GRID.with(|grid| grid.woke.get()).unwrap();
        assert!(woke >= tick_at(now + 1));
        assert!(goes_on(woke + 1_000), "it found events");
        waits(&clock, clock.now());
        assert!(!goes_on(clock.now() + 1_000_000), "it had to wait for one");
        set(None, (0, 1));
        waits(&clock, clock.now());
        assert!(!goes_on(clock.now()), "no tick");
    }

    #[test]
    fn what_a_wake_up_costs_takes_some_to_know() {
        let clock = Clock::start();
        for _ in 0..ENOUGH {
            assert_eq!(wake_up(), None);
            waits(&clock, clock.now());
            goes_on(clock.now());
        }
        assert!(wake_up().is_some_and(|it| it < Duration::from_millis(1)));
        let looked_at = || {
            waits(&clock, clock.now());
            let looks = GRID.with(|grid| grid.looks_from.get().is_some());
            goes_on(clock.now());
            looks
        };
        let looks = (0..LOOKS_AT).filter(|_| looked_at()).count();
        assert_eq!(looks, 1, "of {LOOKS_AT}");
        forget_wake_ups();
        assert_eq!(wake_up(), None);
    }

    #[test]
    fn what_wake_ups_cost_once_is_forgotten() {
        let clock = Clock::start();
        GRID.with(|grid| {
            grid.looks.set(ENOUGH);
            grid.took.set(Duration::from_millis(1) * ENOUGH);
        });
        for _ in 0..10 * ENOUGH * LOOKS_AT {
            waits(&clock, clock.now());
            goes_on(clock.now());
        }
        assert!(wake_up().is_some_and(|it| it < Duration::from_micros(100)));
    }
}
