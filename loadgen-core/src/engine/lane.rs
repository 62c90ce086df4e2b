//! A lane: one scenario on one worker, whatever its load model.

mod told;

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use super::control::{Steered, Steering};
use super::event::Phase;
use super::slot::{Cut, Slots, UserSlot};
use super::spec::ScenarioSpec;
use super::stopper::{Stop, Stopper};
use crate::cap::Cap;
use crate::clock::{Clock, Nanos, nanos};
use crate::outcome::{Failure, Outcome};
use crate::record::{
    Ended, LONG_SILENCE, Muted, Overrun, Recorder, Unanswered, Via, Waited, is_single,
};
use crate::schedule::{OpenModel, rate_at};
use crate::workload::{
    Iteration, IterationSeed, LoadEnd, OPENED_AT_ONCE, Observer, UserId, Workload,
};

/// How long ending a session may take once the run was aborted: whoever aborts it waits.
const LONGEST_GOOD_BYE: Duration = Duration::from_secs(1);

/// The moments of a scenario's plan, on the run's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// Load begins.
    pub(super) begin: Nanos,
    /// Measuring begins.
    pub(super) measure_from: Nanos,
    /// Nothing starts from here on, where that is a matter of time.
    pub(super) plan_end: Option<Nanos>,
    /// Whether the plan lasts until then, rather than ending there at the latest.
    pub(super) lasts: bool,
}

impl Timeline {
    pub(super) fn new(spec: &ScenarioSpec, clock_start: Nanos) -> Self {
        let begin = clock_start.saturating_add(nanos(spec.start_after));
        let measure_from = begin.saturating_add(nanos(spec.warm_up));
        let limit = spec.load.time_limit();
        Self {
            begin,
            measure_from,
            plan_end: limit.map(|limit| measure_from.saturating_add(nanos(limit))),
            lasts: spec.load.duration().is_some(),
        }
    }

    /// How many arrivals a second an open model plans at a moment. A warm-up has the rate of the first
    /// stage's end.
    pub(super) fn planned_rate(&self, model: &OpenModel, now: Nanos) -> f64 {
        match now.checked_sub(self.measure_from) {
            Some(into) => rate_at(&model.stages, into),
            None => model.stages.first().map_or(0.0, |it| it.to),
        }
    }
}

/// What ended the run before its time, on one worker. The first of a kind counts.
#[derive(Debug, Default)]
pub(super) struct Fatal {
    pub(super) panic: RefCell<Option<String>>,
    pub(super) overrun: RefCell<Option<Overrun>>,
}

/// What of a lane does not depend on its workload's type.
pub(super) struct LaneCore {
    pub(super) spec: Arc<ScenarioSpec>,
    pub(super) clock: Clock,
    pub(super) recorder: Rc<Recorder>,
    pub(super) timeline: Timeline,
    pub(super) fatal: Rc<Fatal>,
    /// The most arrivals that may stand in line here.
    pub(super) most_in_line: usize,
    stopper: Stopper,
    /// What somebody tells the scenario.
    pub(super) steering: Arc<Steering>,
    /// How much of that is known here.
    heard: Cell<u64>,
    /// Whether nothing new is to start for the time being.
    paused: Cell<bool>,
    /// The rate that somebody told an open model to have.
    rate_told: Cell<Option<f64>>,
    /// Users from this one on are to rest; `None` where nobody said so.
    users_told: Cell<Option<u32>>,
    /// The most iterations a second of a closed model, where there is such a limit.
    limiter: RefCell<Option<Arc<Cap>>>,
    stop: Cell<Stop>,
    /// Whether a stop was asked for, rather than that the plan is over.
    stopped: Cell<bool>,
    drain_until: Cell<Option<Nanos>>,
    /// Since when nothing new starts, whatever the reason.
    load_end: LoadEnd,
    slots: Slots,
    /// Tells everyone who waits for time to pass that there is nothing to wait for.
    pub(super) halt: Notify,
    /// How long an iteration that may not be cut off yet is left alone.
    look_again: Nanos,
    /// Whether opening a session takes steps that are measured.
    has_beginning: bool,
    /// How long that may take.
    open_within: Nanos,
    /// Tells those who end their sessions that the run was aborted.
    aborted: Notify,
    last_end: Cell<Nanos>,
    done: Cell<bool>,
}

impl LaneCore {
    pub(super) fn new(
        steered: &Steered,
        clock: Clock,
        recorder: Rc<Recorder>,
        timeline: Timeline,
        stopper: Stopper,
        fatal: Rc<Fatal>,
        most_in_line: usize,
    ) -> Self {
        let (spec, steering) = (Arc::clone(&steered.spec), Arc::clone(&steered.steering));
        // Fine enough that a timeout is kept to 2 %, coarse enough to cost nothing.
        let look_again = (nanos(spec.timeout) / 50).clamp(1_000_000, 100_000_000);
        let slots = Slots::new(nanos(spec.timeout));
        let has_beginning = spec.has_beginning();
        let limiter = steering.told().limiter;
        let open_within = spec.open_within.unwrap_or_default().max(spec.timeout);
        Self {
            spec,
            clock,
            recorder,
            timeline,
            fatal,
            most_in_line,
            stopper,
            steering,
            heard: Cell::new(0),
            paused: Cell::new(false),
            rate_told: Cell::new(None),
            users_told: Cell::new(None),
            limiter: RefCell::new(limiter),
            stop: Cell::new(Stop::No),
            stopped: Cell::new(false),
            drain_until: Cell::new(None),
            load_end: LoadEnd::default(),
            slots,
            halt: Notify::new(),
            look_again,
            has_beginning,
            open_within: nanos(open_within),
            aborted: Notify::new(),
            last_end: Cell::new(0),
            done: Cell::new(false),
        }
    }

    /// A slot for one more user.
    pub(super) fn new_slot(&self) -> Rc<UserSlot> {
        self.slots.add()
    }

    /// Whether nothing new may start.
    pub(super) fn halted(&self) -> bool {
        self.stop.get() != Stop::No
    }

    /// Nothing new will start: what is under way has the graceful stop to end in.
    pub(super) fn begin_drain(&self, now: Nanos) {
        if self.drain_until.get().is_none() {
            let until = now.saturating_add(nanos(self.spec.graceful_stop));
            self.drain_until.set(Some(until));
            self.begin_ending(now);
        }
    }

    /// Nothing is left to start. What is under way was promised by the plan and may take as long
    /// as its timeout; only who rests before a next iteration need not.
    pub(super) fn begin_ending(&self, now: Nanos) {
        if self.ending_since().is_none() {
            self.steering.lane_ends();
        }
        self.load_end.come(now);
        self.halt.notify_waiters();
    }

    /// Since when nothing new starts.
    pub(super) fn ending_since(&self) -> Option<Nanos> {
        self.load_end.since()
    }

    /// When the heartbeat must look again, for timeouts.
    pub(super) fn next_sweep(&self) -> Nanos {
        // After an abort there is nothing left whose time could be up.
        if self.stop.get() == Stop::Abort {
            return Nanos::MAX;
        }
        self.slots.next_sweep()
    }

    /// The heartbeat's visit: obeys a stop, ends a drain that takes too long, sweeps timeouts.
    pub(super) fn beat(&self, now: Nanos) {
        let asked = self.stopper.asked();
        if asked == Stop::Abort {
            self.aborted.notify_waiters();
        }
        if asked > self.stop.get() {
            self.stopped.set(true);
            self.stop.set(asked);
            self.begin_drain(now);
            self.halt.notify_waiters();
        }
        let overdue = self.drain_until.get().is_some_and(|until| now >= until);
        self.listen();
        if overdue || self.stop.get() == Stop::Abort {
            self.stop.set(Stop::Abort);
            self.halt.notify_waiters();
            self.slots.cut(Cut::Interrupt);
        } else {
            self.slots.sweep(now);
        }
    }

    /// Whether an answer was owed to what is given up at this age. Not at once where somebody stopped
    /// the run, or the plan gives what is under way no time to end in.
    pub(super) fn is_owed(&self, age: Nanos) -> bool {
        let had_time = !self.spec.graceful_stop.is_zero() && !self.stopped.get();
        had_time || age >= LONG_SILENCE
    }

    pub(super) fn phase(&self, now: Nanos) -> Phase {
        if self.done.get() {
            Phase::Done
        } else if self.ending_since().is_some() {
            Phase::Drain
        } else if now >= self.timeline.measure_from {
            Phase::Measure
        } else if now >= self.timeline.begin {
            Phase::WarmUp
        } else {
            Phase::Connect
        }
    }

    /// Everybody is through.
    pub(super) fn finish(&self) {
        self.begin_ending(self.clock.now());
        if !self.done.replace(true) {
            self.steering.lane_is_through();
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.get()
    }

    /// When the lane's last measured iteration ended, or 0.
    pub(super) fn last_end(&self) -> Nanos {
        self.last_end.get()
    }

    /// Waits until nothing new will start.
    pub(super) async fn ending(&self) {
        self.load_end.wait().await;
    }

    /// Waits until somebody aborts the run. That a drain took too long is none of that: sessions are ended
    /// after it as after any other.
    async fn aborted(&self) {
        while self.stopper.asked() != Stop::Abort {
            self.aborted.notified().await;
        }
    }

    /// Waits until `at`, to about a millisecond. False when nothing new will start.
    pub(super) async fn rest_until(&self, at: Nanos) -> bool {
        loop {
            if self.ending_since().is_some() {
                return false;
            }
            let now = self.clock.now();
            if now >= at {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_nanos(at - now)) => {}
                () = self.halt.notified() => {}
            }
        }
    }

    /// More arrivals stand in line than may: the run ends, with its report.
    #[cold]
    pub(super) fn overrun(&self, in_line: usize, workers: u64) {
        let of = || Overrun::new(self.spec.name.clone(), in_line as u64, workers);
        self.fatal.overrun.borrow_mut().get_or_insert_with(of);
        self.stopper.abort();
    }

    /// Runs a user's task; its panic becomes the run's. It stands where it is pinned: a task that is handed over has
    /// room for it here, too.
    pub(super) async fn contain(&self, slot: &UserSlot, user: Pin<&mut impl Future<Output = ()>>) {
        if let Err(panic) = AssertUnwindSafe(user).catch_unwind().await {
            if slot.measuring() {
                self.recorder.interrupted(None, None);
            }
            slot.disarm();
            self.fatal
                .panic
                .borrow_mut()
                .get_or_insert_with(|| panic_message(&*panic));
            self.stopper.abort();
        }
    }
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// One scenario on one worker, with its workload.
pub(super) struct Lane<W: Workload> {
    pub(super) core: Rc<LaneCore>,
    pub(super) workload: Rc<W>,
}

impl<W: Workload> Clone for Lane<W> {
    fn clone(&self) -> Self {
        Self {
            core: Rc::clone(&self.core),
            workload: Rc::clone(&self.workload),
        }
    }
}

/// When one iteration was due and started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) number: u64,
    pub(super) arrival: Option<u64>,
    pub(super) due: Nanos,
    pub(super) start: Nanos,
    /// How much of the time between the two it waited for a user.
    pub(super) queue_wait: Nanos,
    pub(super) measured: bool,
}

/// How a pass was over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over {
    /// Since when the user is free: when the service had let go of it, which may be before that was
    /// seen.
    pub(super) free_since: Nanos,
    pub(super) interrupted: bool,
}

impl<W: Workload> Lane<W> {
    /// Runs one iteration that the recorder has been told of, and records how it ended.
    #[inline]
    pub(super) async fn iterate(
        &self,
        slot: &UserSlot,
        user: UserId,
        session: &mut Option<W::Session>,
        pass: Pass,
    ) -> Over {
        let core = &*self.core;
        let muted = Muted(&core.recorder);
        let observer: &dyn Observer = if pass.measured {
            &*core.recorder
        } else {
            &muted
        };
        let iteration = Iteration::new(IterationSeed {
            clock: core.clock,
            observer,
            user,
            number: pass.number,
            arrival: pass.arrival,
            due: pass.due,
            start: pass.start,
            queue_wait: pass.queue_wait,
            single_step: is_single(&core.spec.steps),
            load_end: Some(&core.load_end),
        });
        let timeout = nanos(core.spec.timeout);
        // What begins a user's life has a time of its own, and the iteration has its own after that.
        let is_beginning = Cell::new(core.has_beginning && session.is_none());
        let open_within = core.open_within;
        let first = match is_beginning.get() {
            true => open_within,
            false => timeout,
        };
        slot.arm(pass.start.saturating_add(first), pass.measured);
        let extend = || {
            let now = core.clock.now();
            let allowed = match is_beginning.get() {
                true => open_within,
                false => timeout.saturating_add(iteration.paused()),
            };
            // What lasts for the load has its time to end in when that is over.
            let from = match (iteration.is_lasting(), core.ending_since()) {
                (false, _) => iteration.started(),
                (true, None) => now,
                (true, Some(ended)) => ended.max(iteration.started()),
            };
            let deadline = from.saturating_add(allowed);
            // A pause that is under way is not known yet to its end: look again in a while.
            // What is concluded has nothing left to time out.
            if iteration.pausing() || iteration.concluded().is_some() {
                Some(now.saturating_add(core.look_again))
            } else {
                (deadline > now).then_some(deadline)
            }
        };
        let (result, was_pausing) = {
            // Pinned where it stands: a driver's future is large, and moving it costs. It ends here,
            // so that what it says of its last request when it is cut off is in the figures.
            let action = pin!(async {
                let session = match session {
                    Some(session) => session,
                    // Boxed, or every user would carry room for it.
                    None => match Box::pin(self.workload.open(user)).await {
                        Ok(opened) => {
                            if is_beginning.replace(false) {
                                iteration.begun();
                                slot.last_until(iteration.started().saturating_add(timeout));
                                self.waited(&iteration, &pass);
                            }
                            session.insert(opened)
                        }
                        Err(failure) => return Outcome::Failed(failure),
                    },
                };
                self.workload.iterate(session, &iteration).await
            });
            let result = slot.guard(action, extend).await;
            if matches!(result, Err(Cut::Timeout)) {
                iteration.times_out();
            }
            // What is dropped now is told of as what it is.
            let is_interrupt = matches!(result, Err(Cut::Interrupt));
            core.recorder.interrupting(is_interrupt);
            (result, iteration.pausing())
        };
        core.recorder.interrupting(false);
        slot.disarm();
        if is_beginning.get() {
            // An arrival never found a user who can start. Without one, nothing else has been waited for.
            if pass.arrival.is_some() {
                iteration.begun();
            }
            self.waited(&iteration, &pass);
        }
        let now = core.clock.now();
        let was_cut = result.is_err();
        let (seen, outcome) = match (iteration.concluded(), result) {
            (Some(concluded), _) => concluded,
            (None, Ok(outcome)) => (now, outcome),
            (None, Err(Cut::Timeout)) => {
                let outcome = Failure::Timeout.into();
                iteration.cut_off(now, outcome);
                (now, outcome)
            }
            (None, Err(Cut::Interrupt)) => {
                if pass.measured {
                    let (split, _) = iteration.split(now, true);
                    let owed = !was_pausing && core.is_owed(split.response_time());
                    let is_asking = !was_pausing && iteration.is_in_step();
                    let under_way = is_asking.then(|| Via::of(&iteration));
                    core.recorder.interrupted(
                        under_way,
                        owed.then_some(&Unanswered {
                            due: iteration.due(),
                            split,
                            step: iteration.given_up(now),
                            target: iteration.target(),
                        }),
                    );
                    core.last_end.set(now);
                }
                return Over {
                    free_since: now,
                    interrupted: true,
                };
            }
        };
        let is_concluded = iteration.concluded().is_some();
        let (split, end) = iteration.split(seen, was_cut && !is_concluded);
        if pass.measured {
            core.recorder.ended(&Ended {
                due: iteration.due(),
                at: end,
                split,
                outcome,
                via: Via::of(&iteration),
                target: iteration.target(),
            });
            core.last_end.set(core.last_end.get().max(end));
        }
        Over {
            // One that was concluded goes on saying good-bye.
            free_since: if is_concluded { now } else { end },
            interrupted: false,
        }
    }

    /// Records what an arrival waited for before its iteration started, where that was not known before.
    fn waited(&self, iteration: &Iteration<'_>, pass: &Pass) {
        if pass.measured && pass.arrival.is_some() {
            let queue_wait = iteration.queue_wait();
            let waited = iteration.started().saturating_sub(pass.due);
            self.core.recorder.waited(Waited {
                queue_wait,
                start_lag: waited.saturating_sub(queue_wait),
            });
        }
    }

    /// Whether the user of this session has yet to begin its life, with steps of its own.
    pub(super) fn has_to_begin(&self, session: Option<&W::Session>) -> bool {
        self.core.has_beginning && session.is_none()
    }

    /// Ends a session; one that does not end in time is left to the drop.
    pub(super) async fn close(&self, session: Option<W::Session>) {
        let Some(session) = session else {
            return;
        };
        let time_is_up = async {
            let close_within = self.core.spec.close_within;
            tokio::select! {
                () = tokio::time::sleep(close_within) => {}
                () = self.core.aborted() => {
                    tokio::time::sleep(close_within.min(LONGEST_GOOD_BYE)).await;
                    self.core.recorder.interrupting(true);
                }
            }
        };
        tokio::select! {
            () = self.workload.close(session) => {}
            () = time_is_up => {}
        }
        self.core.recorder.interrupting(false);
    }
}

/// Opens the sessions of a closed model's users. One that fails is tried again by the user's
/// first iteration, whose outcome it then is.
pub(super) async fn open_sessions<W: Workload>(
    workload: &Rc<W>,
    users: &[UserId],
) -> Vec<Option<W::Session>> {
    let mut sessions: Vec<_> = users.iter().map(|_| None).collect();
    let mut waiting = users.iter().enumerate();
    let open = |(index, user): (usize, &UserId)| {
        let (workload, user) = (Rc::clone(workload), *user);
        async move { (index, workload.open(user).await.ok()) }
    };
    let mut opening: FuturesUnordered<_> =
        waiting.by_ref().take(OPENED_AT_ONCE).map(open).collect();
    while let Some((index, session)) = opening.next().await {
        sessions[index] = session;
        opening.extend(waiting.next().map(open));
    }
    sessions
}
