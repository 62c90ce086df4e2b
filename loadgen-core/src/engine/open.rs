//! The open load model: iterations start when they are due, whatever the service does.

mod turns;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::JoinSet;

use super::control::steering::{To, Turn};
use super::lane::{Lane, Pass};
use crate::clock::{Nanos, nanos};
use crate::pacer::{Pacer, TOGETHER, grid};
use crate::record::{LONG_SILENCE, Started, Unanswered, Waited};
use crate::schedule::{Arrivals, OpenModel, RateStage, Share, Spacing, WhenBusy, arrivals_of};
use crate::workload::{UserId, Workload};
use turns::Turns;

/// How many arrivals are handed out before the users may run.
const BURST: u32 = 64;
/// How many that were turned away are kept until a user comes free: 8 MiB.
const MOST_TURNED_AWAY: usize = 1 << 20;

/// Which of all arrivals the nth of a worker's is, those left out that were dropped.
fn number(share: Share, nth: u64) -> u64 {
    nth.saturating_mul(share.of).saturating_add(share.index)
}

/// Numbers a worker's arrivals as they leave the line.
#[derive(Debug)]
struct Numbers {
    share: Share,
    /// How many arrivals the warm-up has on all workers together, where each can know: what is measured is numbered
    /// from there on, so that an iteration has the same number however many workers there are. Of Poisson arrivals
    /// nobody knows how many the others draw, and each worker's go on where its own warm-up ended.
    warm_up: Option<u64>,
    /// How many have left the line that are numbered from 0 on.
    taken: Cell<u64>,
    /// How many that are numbered from the warm-up's end on.
    taken_since: Cell<u64>,
}

impl Numbers {
    fn next(&self, measured: bool) -> u64 {
        let (before, taken) = match self.warm_up {
            Some(count) if measured => (count, &self.taken_since),
            _ => (0, &self.taken),
        };
        let nth = taken.replace(taken.get() + 1);
        number(self.share, nth).saturating_add(before)
    }
}

/// So many places in a line are kept when it is empty: a mebibyte.
const LINE_KEPT: usize = 1 << 16;

/// An arrival in line.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    due: Nanos,
    /// When it was put in line because no user was free; until then it waited for us. Millions of these
    /// may be kept, so that the size matters.
    in_line_since: Option<NonZero<Nanos>>,
}

/// A user of an open model, as its dispatcher sees it.
#[derive(Debug)]
struct Parked {
    waker: RefCell<Option<Waker>>,
    idle: Cell<bool>,
}

/// One worker's part of an open model.
struct Part<W: Workload> {
    lane: Lane<W>,
    line: RefCell<VecDeque<Arrival>>,
    numbers: Numbers,
    /// Users waiting for an arrival, the one that was busy last on top: its memory is warm.
    idle: RefCell<Vec<Rc<Parked>>>,
    /// When those were due that were dropped because no user was free, and none has come free since.
    turned_away: RefCell<Vec<Nanos>>,
    no_more: Cell<bool>,
}

/// Runs one worker's share to the end.
///
/// # Errors
/// When the system refuses to set a timer, which it has no reason to.
pub(super) async fn run<W: Workload>(
    lane: &Lane<W>,
    model: &OpenModel,
    share: Share,
    users: &[UserId],
    mut pacer: Pacer,
    seed: u64,
) -> io::Result<()> {
    let core = &*lane.core;
    let warm_up = (!core.spec.warm_up.is_zero()).then(|| {
        let rate = model.stages.first().map_or(0.0, |stage| stage.to);
        [RateStage {
            duration: core.spec.warm_up,
            from: rate,
            to: rate,
        }]
    });
    let part = Rc::new(Part {
        lane: lane.clone(),
        line: RefCell::new(VecDeque::new()),
        numbers: Numbers {
            share,
            warm_up: match model.spacing {
                Spacing::Uniform => warm_up.as_ref().map(|it| arrivals_of(it)),
                Spacing::Poisson => None,
            },
            taken: Cell::new(0),
            taken_since: Cell::new(0),
        },
        idle: RefCell::new(Vec::new()),
        turned_away: RefCell::new(Vec::new()),
        no_more: Cell::new(false),
    });
    let mut crew = Crew {
        part: Rc::clone(&part),
        tasks: JoinSet::new(),
        unused: users.iter().copied().collect(),
        when_busy: model.when_busy,
        share,
        in_line: 0,
        turns: Turns::default(),
    };
    let timeline = core.timeline;
    if let Some(stages) = warm_up {
        let arrivals = Arrivals::new(&stages, model.spacing, share, seed ^ 1);
        crew.dispatch(&mut pacer, timeline.begin, timeline.measure_from, arrivals)
            .await?;
    }
    let arrivals = Arrivals::new(&model.stages, model.spacing, share, seed);
    // A plan ends when its time is over, not when its last arrival is out.
    let end = timeline.plan_end.unwrap_or(timeline.measure_from);
    crew.dispatch(&mut pacer, timeline.measure_from, end, arrivals)
        .await?;
    core.begin_drain(core.clock.now());
    part.no_more.set(true);
    part.wake_everyone();
    while crew.tasks.join_next().await.is_some() {}
    part.drop_line();
    Ok(())
}

/// The dispatcher's side: users, made when first needed.
struct Crew<W: Workload> {
    part: Rc<Part<W>>,
    tasks: JoinSet<()>,
    unused: VecDeque<UserId>,
    when_busy: WhenBusy,
    /// This worker's part of the arrivals.
    share: Share,
    /// How many of what is measured have been put in line here.
    in_line: u64,
    turns: Turns,
}

impl<W: Workload> Crew<W> {
    /// Hands out arrivals as they fall due, until `until` or until the lane halts, or until as many were
    /// handed out as may start.
    async fn dispatch(
        &mut self,
        pacer: &mut Pacer,
        origin: Nanos,
        until: Nanos,
        mut arrivals: Arrivals,
    ) -> io::Result<()> {
        let part = Rc::clone(&self.part);
        let core = &*part.lane.core;
        let late_after = nanos(core.spec.late_after);
        // Who waits awake sets no timer for those that follow each other closely.
        let together = if pacer.is_busy() { 0 } else { TOGETHER };
        let (mut burst, mut last_due, mut now) = (0, 0, core.clock.now());
        let most = core.spec.most_iterations.unwrap_or(u64::MAX);
        loop {
            // What is next: an arrival, something that somebody told, or the end.
            let arrival = arrivals.due().map(|due| origin.saturating_add(due));
            if arrival.is_some() && number(self.share, self.in_line) >= most {
                return Ok(());
            }
            let next = arrival.unwrap_or(until);
            let turn = self
                .turns
                .next()
                .filter(|it| it.at <= next && it.at < until);
            let due = turn.map_or(next, |it| it.at);
            if now < due {
                now = core.clock.now();
            }
            while now < due && !self.turns.are_behind(&core.steering) {
                if core.halted() {
                    return Ok(());
                }
                let close_by = due.saturating_sub(last_due) < together && !grid::is_on();
                let wake_at = if close_by { due + together } else { due };
                tokio::select! {
                    set = pacer.until(wake_at) => set?,
                    () = core.halt.notified() => {}
                }
                now = core.clock.now();
                burst = 0;
                let overslept = now.saturating_sub(due) > late_after;
                if overslept || grid::is_on() {
                    // We slept for longer than it may take the service. Answers that came meanwhile are
                    // read first, or users would count as busy that it has long let go.
                    tokio::task::yield_now().await;
                }
            }
            // An arrival that is due after a turn has to wait for it, however late that was heard of.
            if self.turns.listen(&core.steering) {
                continue;
            }
            match (turn, arrival) {
                (Some(turn), _) => {
                    self.turn(turn, origin, &mut arrivals);
                    continue;
                }
                (None, None) => return Ok(()),
                (None, Some(_)) => arrivals.advance(),
            }
            last_due = due;
            self.hand_out(due, now);
            burst += 1;
            if burst == BURST {
                burst = 0;
                tokio::task::yield_now().await;
                now = core.clock.now();
                if core.halted() {
                    return Ok(());
                }
            }
        }
    }

    /// Does what somebody told.
    fn turn(&mut self, turn: Turn, origin: Nanos, arrivals: &mut Arrivals) {
        self.turns.done += 1;
        match turn.to {
            To::Rate(per_second) => arrivals.turn(turn.at.saturating_sub(origin), per_second),
            To::Resume => self.turns.paused = false,
            To::Pause => {
                self.turns.paused = true;
                self.in_line -= self.part.withhold_line();
            }
        }
    }

    /// Puts an arrival in line and sees to it that a user comes for it, if there is a free one.
    #[inline]
    fn hand_out(&mut self, due: Nanos, now: Nanos) {
        let part = Rc::clone(&self.part);
        let core = &*part.lane.core;
        let measured = due >= core.timeline.measure_from;
        grid::count_arrival();
        if measured {
            core.recorder.planned(1);
        }
        if self.turns.paused {
            if measured {
                core.recorder.withheld(1);
            }
            return;
        }
        let parked = part.idle.borrow_mut().pop();
        let had_user = match parked {
            Some(user) => {
                user.idle.set(false);
                if let Some(waker) = user.waker.borrow().as_ref() {
                    waker.wake_by_ref();
                }
                true
            }
            None => self.hire(),
        };
        if !had_user && self.when_busy == WhenBusy::Drop {
            if measured {
                core.recorder.dropped(1);
                // Handed out late, it might have found a user when it was due: that is ours.
                if now.saturating_sub(due) <= nanos(core.spec.late_after) {
                    part.turn_away(due, now);
                }
            }
            return;
        }
        let in_line_since = NonZero::new(now).filter(|_| !had_user);
        let arrival = Arrival { due, in_line_since };
        self.in_line += u64::from(measured);
        let mut line = part.line.borrow_mut();
        line.push_back(arrival);
        if line.len() > core.most_in_line {
            core.overrun(line.len(), self.share.of);
        }
    }

    /// Starts one more user, where there may be one more.
    fn hire(&mut self) -> bool {
        let Some(user) = self.unused.pop_front() else {
            return false;
        };
        let part = Rc::clone(&self.part);
        let slot = part.lane.core.new_slot();
        self.tasks.spawn_local(async move {
            let core = Rc::clone(&part.lane.core);
            core.contain(&slot, pin!(part.user(user, &slot))).await;
        });
        true
    }
}

impl<W: Workload> Part<W> {
    async fn user(&self, user: UserId, slot: &super::slot::UserSlot) {
        let core = &*self.lane.core;
        let late_after = nanos(core.spec.late_after);
        let parked = Rc::new(Parked {
            waker: RefCell::new(None),
            idle: Cell::new(false),
        });
        let (mut session, mut passes, mut free_since, mut burst) = (None, 0, 0_u64, 0);
        while let Some(arrival) = self.next_arrival(&parked).await {
            let start = core.clock.now();
            let measured = arrival.due >= core.timeline.measure_from;
            // While it stood in line and no user was free it waited for the service; before that, and
            // since, for us.
            let queue_wait = arrival
                .in_line_since
                .map_or(0, |since| free_since.saturating_sub(since.get()));
            if measured {
                let start_lag = start.saturating_sub(arrival.due).saturating_sub(queue_wait);
                let waited = Waited {
                    queue_wait,
                    start_lag,
                };
                // One whose user has to begin its life waits for that, too.
                let is_known = !self.lane.has_to_begin(session.as_ref());
                core.recorder.started_open(&Started {
                    at: start,
                    waited: is_known.then_some(waited),
                    is_late: start_lag > late_after,
                    is_in_time: core.timeline.plan_end.is_none_or(|end| start <= end),
                });
            }
            let pass = Pass {
                number: passes,
                arrival: Some(self.numbers.next(measured)),
                due: arrival.due,
                start,
                queue_wait,
                measured,
            };
            passes += 1;
            let over = self.lane.iterate(slot, user, &mut session, pass).await;
            if over.interrupted {
                break;
            }
            free_since = over.free_since;
            self.count_turned_away(free_since);
            burst += 1;
            if burst == BURST {
                burst = 0;
                tokio::task::yield_now().await;
            }
        }
        Box::pin(self.lane.close(session)).await;
    }

    /// The next arrival in line; waits for one. `None` when there will be no more.
    async fn next_arrival(&self, me: &Rc<Parked>) -> Option<Arrival> {
        poll_fn(|cx| {
            if self.lane.core.halted() || self.comes_too_late() {
                return Poll::Ready(None);
            }
            if let Some(arrival) = self.take_from_line() {
                if me.idle.replace(false) {
                    self.idle
                        .borrow_mut()
                        .retain(|other| !Rc::ptr_eq(other, me));
                }
                return Poll::Ready(Some(arrival));
            }
            if self.no_more.get() {
                return Poll::Ready(None);
            }
            let mut waker = me.waker.borrow_mut();
            if !waker
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                *waker = Some(cx.waker().clone());
            }
            if !me.idle.replace(true) {
                self.idle.borrow_mut().push(Rc::clone(me));
            }
            Poll::Pending
        })
        .await
    }

    /// The first in line. When there is none, the memory of one that was long is given back: after an overload nothing
    /// is to be left of it.
    #[inline]
    fn take_from_line(&self) -> Option<Arrival> {
        let mut line = self.line.borrow_mut();
        let first = line.pop_front();
        if first.is_none() && line.capacity() > LINE_KEPT {
            *line = VecDeque::new();
        }
        first
    }

    /// Whether what is in line would begin only to end: it lasts for as long as a load that is over.
    fn comes_too_late(&self) -> bool {
        let core = &*self.lane.core;
        core.spec.lasting && core.ending_since().is_some()
    }

    fn wake_everyone(&self) {
        for user in self.idle.borrow_mut().drain(..) {
            user.idle.set(false);
            if let Some(waker) = user.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Notes that one was turned away. Where no user comes free for very many of them, the older half is
    /// counted at the age that it has: a lower bound, as it would be at the end.
    fn turn_away(&self, due: Nanos, now: Nanos) {
        // The scenario keeps its users busy, and not the service.
        if self.lane.core.spec.lasting {
            self.lane.core.recorder.dropped_kept();
            return;
        }
        let mut turned_away = self.turned_away.borrow_mut();
        if turned_away.len() == MOST_TURNED_AWAY {
            for due in turned_away.drain(..MOST_TURNED_AWAY / 2) {
                let unanswered = Unanswered::in_line(due, now);
                self.lane.core.recorder.dropped_unanswered(&unanswered);
            }
        }
        turned_away.push(due);
    }

    /// Those that were turned away would have been served from here on: the service has owed them an
    /// answer for so long at least.
    #[inline]
    fn count_turned_away(&self, free_since: Nanos) {
        let mut turned_away = self.turned_away.borrow_mut();
        if !turned_away.is_empty() {
            let recorder = &self.lane.core.recorder;
            // For one that fell due after that a user was free, and we had not seen it yet.
            for due in turned_away.drain(..).filter(|due| *due <= free_since) {
                recorder.dropped_unanswered(&Unanswered::in_line(due, free_since));
            }
        }
    }

    /// What stands in line when a scenario is paused does not start any more, or it would wait for as long as that is
    /// and come at once after it. What the service has kept waiting for long already is owed by it all the same, as
    /// at a stop. How many there were of what is measured.
    fn withhold_line(&self) -> u64 {
        let core = &*self.lane.core;
        let now = core.clock.now();
        let mut count = 0;
        for arrival in self.line.borrow_mut().drain(..) {
            if arrival.due < core.timeline.measure_from {
                continue;
            }
            count += 1;
            let is_owed = now.saturating_sub(arrival.due) >= LONG_SILENCE;
            match (arrival.in_line_since, core.spec.lasting) {
                (Some(_), true) => {
                    core.recorder.dropped(1);
                    core.recorder.dropped_kept();
                }
                (Some(_), false) if is_owed => {
                    core.recorder.dropped(1);
                    let unanswered = Unanswered::in_line(arrival.due, now);
                    core.recorder.dropped_unanswered(&unanswered);
                }
                _ => core.recorder.withheld(1),
            }
        }
        count
    }

    /// What is still in line when the run has ended will never start. Where no user was free for it,
    /// the service kept it from that.
    fn drop_line(&self) {
        let core = &*self.lane.core;
        let now = core.clock.now();
        let is_measured = |due: Nanos| due >= core.timeline.measure_from;
        for arrival in self.line.borrow_mut().drain(..) {
            if !is_measured(arrival.due) {
                continue;
            }
            core.recorder.dropped(1);
            let age = now.saturating_sub(arrival.due);
            if arrival.in_line_since.is_none() {
                continue;
            }
            if core.spec.lasting {
                core.recorder.dropped_kept();
            } else if core.is_owed(age) {
                let unanswered = Unanswered::in_line(arrival.due, now);
                core.recorder.dropped_unanswered(&unanswered);
            }
        }
        // They were turned away while the plan went on: no stop was the reason.
        self.count_turned_away(now);
    }
}
