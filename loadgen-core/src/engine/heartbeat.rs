//! A worker's heartbeat: sweeps timeouts, obeys stops, hands ticks to the collector, and notices
//! when the worker itself stood still.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use super::collect::ToCollector;
use super::event::Phase;
use super::grid::GridKeeper;
use super::lane::LaneCore;
use super::usage::Usage;
use crate::clock::{Clock, Nanos, StampClock, nanos};
use crate::pacer::{Pacer, grid};
use crate::record::{Names, Tick, WorkerRecord};
use crate::schedule::Share;
use crate::workload::Levels;

/// The longest from one beat to the next.
const PERIOD: Nanos = 10_000_000;
const SECOND: Nanos = 1_000_000_000;
/// Ticks that one lane has in circulation at the most; a slow listener then delays the next one.
const MOST_TICKS: usize = 3;

/// What stands at the moment of the call.
pub(super) type LevelsNow = Box<dyn Fn() -> Levels>;

/// One lane's ticks.
pub(super) struct Beat {
    pub(super) scenario: usize,
    pub(super) core: Rc<LaneCore>,
    share: Share,
    pub(super) names: Names,
    levels: LevelsNow,
    #[expect(
        clippy::vec_box,
        reason = "ticks travel to the collector and back in their boxes"
    )]
    empties: RefCell<Vec<Box<Tick>>>,
    returned: Receiver<Box<Tick>>,
    in_circulation: Cell<usize>,
    next_tick: Cell<Nanos>,
    measuring: Cell<bool>,
    /// Whether the last tick is out.
    over: Cell<bool>,
}

impl Beat {
    pub(super) fn new(
        scenario: usize,
        core: Rc<LaneCore>,
        share: Share,
        names: Names,
        levels: LevelsNow,
        returned: Receiver<Box<Tick>>,
    ) -> Self {
        Self {
            scenario,
            next_tick: Cell::new(core.timeline.begin + SECOND),
            core,
            share,
            empties: RefCell::new(vec![Box::new(Tick::new(&names))]),
            names,
            levels,
            returned,
            in_circulation: Cell::new(2),
            measuring: Cell::new(false),
            over: Cell::new(false),
        }
    }

    fn empty(&self, must: bool) -> Option<Box<Tick>> {
        let mut empties = self.empties.borrow_mut();
        empties.extend(self.returned.try_iter());
        empties.pop().or_else(|| {
            let more = must || self.in_circulation.get() < MOST_TICKS;
            more.then(|| {
                self.in_circulation.set(self.in_circulation.get() + 1);
                Box::new(Tick::new(&self.names))
            })
        })
    }

    /// Sends the tick if its second is over, or in any case.
    fn send_tick(&self, worker: usize, now: Nanos, out: &Sender<ToCollector>, last: bool) {
        let core = &self.core;
        let from = core.timeline.measure_from;
        if !self.measuring.get() && now >= from {
            self.measuring.set(true);
            core.recorder.begin_measuring();
            self.next_tick.set(from + SECOND);
        }
        if now < self.next_tick.get() && !last {
            return;
        }
        if let Some(empty) = self.empty(last) {
            let origin = if self.measuring.get() {
                from
            } else {
                core.timeline.begin
            };
            self.next_tick
                .set(origin + (now.saturating_sub(origin) / SECOND + 1) * SECOND);
            if !self.measuring.get() {
                core.recorder.forget_warm_up();
            }
            let mut tick = core.recorder.swap(empty);
            tick.set_levels((self.levels)());
            let _ = out.send(ToCollector::Tick {
                worker,
                scenario: self.scenario,
                at: now,
                phase: core.phase(now),
                last_end: core.last_end(),
                tick,
            });
        }
    }
}

/// Beats for all lanes of one worker.
pub(super) struct Heart {
    worker: usize,
    clock: Clock,
    stamps: Rc<StampClock>,
    keeper: GridKeeper,
    beats: Vec<Beat>,
    out: Sender<ToCollector>,
    last_beat: Cell<Nanos>,
    /// When the next one is to be.
    next_beat: Cell<Nanos>,
    longest_stall: Cell<Duration>,
    /// The last second: since when, what had been used by then, and the longest stall in it.
    second: Cell<(Nanos, Usage, Duration)>,
    usage_from: Cell<Option<(Nanos, Usage)>>,
    used: Cell<Option<(Nanos, Usage)>>,
}

impl Heart {
    pub(super) fn new(
        worker: usize,
        stamps: Rc<StampClock>,
        keeper: GridKeeper,
        beats: Vec<Beat>,
        out: Sender<ToCollector>,
    ) -> Self {
        let clock = stamps.clock();
        let now = clock.now();
        Self {
            worker,
            clock,
            stamps,
            last_beat: Cell::new(now),
            next_beat: Cell::new(now),
            second: Cell::new((now, Usage::of_this_thread(&keeper), Duration::ZERO)),
            keeper,
            beats,
            out,
            longest_stall: Cell::new(Duration::ZERO),
            usage_from: Cell::new(None),
            used: Cell::new(None),
        }
    }

    /// Beats until dropped: once in a period, and when a deadline has come. Ends only where the
    /// system refuses to set the timer, which it has no reason to.
    pub(super) async fn beat(&self, mut pacer: Pacer) -> io::Error {
        loop {
            self.stamps.refresh();
            let now = self.clock.now();
            let before = self.last_beat.get();
            self.notice_stall(now);
            for beat in self.beats.iter().filter(|beat| !beat.over.get()) {
                let asks = beat.core.ending_since().is_none();
                beat.core.recorder.beat(before, now, asks);
                beat.core.beat(now);
                let last = beat.core.is_done();
                beat.over.set(last);
                beat.send_tick(self.worker, now, &self.out, last);
            }
            let lanes = self.beats.iter().map(|beat| (&*beat.core, beat.share));
            self.keeper.beat(now, lanes);
            self.account(now);
            self.tell(now);
            let going_on = self.beats.iter().filter(|beat| !beat.over.get());
            let sweep = going_on.map(|beat| beat.core.next_sweep()).min();
            let looks = sweep.into_iter().chain(self.keeper.next(now));
            let next = looks.fold(now + PERIOD, Nanos::min);
            // A thread that sleeps to a grid does not stand still until the tick.
            self.next_beat.set(grid::tick_at(next));
            // However long this one took, others run before the next.
            tokio::task::yield_now().await;
            if let Err(error) = pacer.until(next).await {
                return error;
            }
        }
    }

    /// Tells the collector how the last second went, once it is over.
    fn tell(&self, now: Nanos) {
        let (from, before, longest_stall) = self.second.get();
        let wall = now.saturating_sub(from);
        if wall < SECOND {
            return;
        }
        let used = self.usage();
        self.second.set((now, used, Duration::ZERO));
        let _ = self.out.send(ToCollector::Vitals {
            worker: self.worker,
            vitals: WorkerRecord {
                longest_stall,
                ..worker_record(used.since(before), wall)
            },
            so_far: self.so_far(now),
        });
    }

    /// How the worker has fared since measuring began, until it drained.
    fn so_far(&self, now: Nanos) -> WorkerRecord {
        let used = self.usage_from.get().map(|(from, before)| {
            let until = self.used.get();
            let (until, used) = until.unwrap_or_else(|| (now, self.usage()));
            worker_record(used.since(before), until.saturating_sub(from))
        });
        WorkerRecord {
            longest_stall: self.longest_stall.get(),
            ..used.unwrap_or_default()
        }
    }

    fn usage(&self) -> Usage {
        Usage::of_this_thread(&self.keeper)
    }

    /// Only a stall while load runs says anything about the load.
    fn notice_stall(&self, now: Nanos) {
        let last = self.last_beat.replace(now);
        let measuring = |beat: &Beat| {
            let began = now >= beat.core.timeline.measure_from;
            began && beat.core.ending_since().is_none_or(|ending| last < ending)
        };
        let stall = Duration::from_nanos(now.saturating_sub(self.next_beat.get()));
        let (from, used, longest) = self.second.get();
        self.second.set((from, used, longest.max(stall)));
        if stall > self.longest_stall.get() && self.beats.iter().any(measuring) {
            self.longest_stall.set(stall);
        }
    }

    /// Processor time is judged from the first measured moment until all lanes drain.
    fn account(&self, now: Nanos) {
        let phase = |beat: &Beat| beat.core.phase(now);
        let earliest = self.beats.iter().map(phase).min().unwrap_or(Phase::Done);
        let latest = self.beats.iter().map(phase).max().unwrap_or(Phase::Done);
        if latest >= Phase::Measure && self.usage_from.get().is_none() {
            self.keeper.begin_measuring(now);
            self.usage_from.set(Some((now, self.usage())));
        }
        if earliest >= Phase::Drain && self.used.get().is_none() {
            self.used.set(Some((now, self.usage())));
        }
    }

    /// The last ticks and the worker's own figures.
    pub(super) fn finish(&self) -> WorkerRecord {
        let now = self.clock.now();
        self.notice_stall(now);
        self.keeper.end(now);
        for beat in self.beats.iter().filter(|beat| !beat.over.get()) {
            beat.core.finish();
            beat.send_tick(self.worker, now, &self.out, true);
        }
        self.so_far(now)
    }
}

/// The shares of the time that a worker used, and went without.
fn worker_record(used: Usage, wall: Nanos) -> WorkerRecord {
    let share = |part: Duration| match wall {
        0 => 0.0,
        wall => (nanos(part) as f64 / wall as f64).min(1.0),
    };
    WorkerRecord {
        cpu_busy: share(used.busy.saturating_sub(used.idle)),
        cpu_waiting: share(used.idle.min(used.busy)),
        cpu_starved: share(used.starved),
        grid: used.grid.record(wall),
        ..WorkerRecord::default()
    }
}
