//! The closed load model: a fixed number of users, each of which starts again when done.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::lane::{Lane, Pass};
use super::slot::UserSlot;
use crate::clock::nanos;
use crate::schedule::{ClosedModel, Limit, Shard, UserStage, needed_at};
use crate::workload::{UserId, Workload};

/// How many iterations that end without waiting a user runs before it lets others run.
const BURST: u32 = 64;
/// Users of a worker that start at once; after them, others have their turn before more do. Tens of
/// thousands would keep the worker from everything else for as long as all of them take: answers would
/// not be read, and the worker would be told of as one that stood still.
const STARTED_AT_ONCE: usize = 128;

/// What all workers of a closed model share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Iterations not yet handed out, for [`Limit::Iterations`].
    left: AtomicU64,
    /// Iterations that may start, those of the warm-up included, where there is an end to that.
    may_start: Option<AtomicU64>,
    chunk: u64,
}

impl Shared {
    /// What this part of it comes to, of the iterations that may start as well.
    pub(super) fn new(
        model: &ClosedModel,
        most_iterations: Option<u64>,
        part: Option<Shard>,
    ) -> Arc<Self> {
        let part_of = |total| part.map_or(0, |it| it.part_of(total));
        let total = match model.limit {
            Limit::Iterations(total) => part_of(total),
            _ => 0,
        };
        let users = part_of(model.users.max(1).into());
        Arc::new(Self {
            left: AtomicU64::new(total),
            may_start: most_iterations.map(part_of).map(AtomicU64::new),
            chunk: (total / (users.max(1) * 8)).clamp(1, 64),
        })
    }

    /// Whether one more iteration may start; takes it if so.
    fn start_one(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        self.may_start.as_ref().is_none_or(|left| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
        })
    }

    /// Takes a chunk of what is left; 0 when nothing is.
    fn claim(&self) -> u64 {
        let take = |left: u64| left.checked_sub(self.chunk.min(left)).filter(|_| left > 0);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(left) => self.chunk.min(left),
            Err(_) => 0,
        }
    }

    /// Whether something that was given back may still start.
    fn has_left(&self) -> bool {
        let may_start = self.may_start.as_ref();
        self.left.load(Ordering::Relaxed) > 0
            && may_start.is_none_or(|left| left.load(Ordering::Relaxed) > 0)
    }

    /// Gives back what was claimed and is not started here.
    fn give_back(&self, claimed: u64) {
        self.left.fetch_add(claimed, Ordering::Relaxed);
    }
}

/// Whether a user may start now.
enum Turn {
    /// It may.
    Comes,
    /// Nothing new will start, or not of this user by the plan.
    Never,
    /// Something has changed meanwhile.
    LooksAgain,
}

/// One worker's part of a closed model.
struct Part<W: Workload> {
    lane: Lane<W>,
    model: ClosedModel,
    shared: Arc<Shared>,
    /// Iterations of the chunk claimed last.
    claimed: Cell<u64>,
    /// Users that may start again.
    going_on: Cell<usize>,
    /// Users stand in line for the rate limit: only the first of them asks it, however many wait.
    turn: Semaphore,
    seed: u64,
}

/// Runs one worker's users to the end.
pub(super) async fn run<W: Workload>(
    lane: &Lane<W>,
    model: &ClosedModel,
    shared: Arc<Shared>,
    users: Vec<(UserId, Option<W::Session>)>,
    seed: u64,
) {
    let part = Rc::new(Part {
        lane: lane.clone(),
        model: model.clone(),
        shared,
        claimed: Cell::new(0),
        going_on: Cell::new(users.len()),
        turn: Semaphore::new(1),
        seed,
    });
    let core = &*lane.core;
    let everyone = async {
        let mut tasks = JoinSet::new();
        for (index, (user, session)) in users.into_iter().enumerate() {
            if index > 0 && index.is_multiple_of(STARTED_AT_ONCE) {
                core.rest_until(core.timeline.begin).await;
                tokio::task::yield_now().await;
            }
            let part = Rc::clone(&part);
            let slot = part.lane.core.new_slot();
            tasks.spawn_local(async move {
                let core = Rc::clone(&part.lane.core);
                core.contain(&slot, pin!(part.user(user, &slot, session)))
                    .await;
            });
        }
        while tasks.join_next().await.is_some() {}
    };
    // Users look at the time before they start again. It is up when it is up, though, not when the
    // first of them comes to look: what is under way has only the graceful stop from there.
    let time_is_up = async {
        if let Some(end) = core.timeline.plan_end
            && core.rest_until(end).await
        {
            core.begin_drain(core.clock.now());
        }
        core.ending().await;
        part.turn.close();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = everyone => {}
        () = time_is_up => unreachable!("it waits for everyone"),
    }
}

impl<W: Workload> Part<W> {
    async fn user(&self, user: UserId, slot: &UserSlot, mut session: Option<W::Session>) {
        let core = &*self.lane.core;
        let timeline = core.timeline;
        let mut random = fastrand::Rng::with_seed(self.seed ^ u64::from(user.0));
        let (mut number, mut measured_so_far, mut burst) = (0, 0, 0);
        let mut ready = core.rest_until(timeline.begin).await;
        while ready && !core.halted() {
            if !self.comes_to_start(user, &mut session).await {
                break;
            }
            let start = core.clock.now();
            if core.halted() || timeline.plan_end.is_some_and(|end| start >= end) {
                break;
            }
            let measured = start >= timeline.measure_from;
            if measured && !self.take_one(measured_so_far) {
                // Its own share may be done; that of all users means the end for everyone.
                if matches!(self.model.limit, Limit::Iterations(_)) {
                    core.begin_ending(start);
                    core.steering.exhaust();
                }
                break;
            }
            if !self.shared.start_one() {
                core.begin_ending(start);
                core.steering.exhaust();
                break;
            }
            if measured {
                measured_so_far += 1;
                core.recorder.started_closed(start);
            }
            let pass = Pass {
                number,
                arrival: None,
                due: start,
                start,
                queue_wait: 0,
                measured,
            };
            number += 1;
            let over = self.lane.iterate(slot, user, &mut session, pass).await;
            if over.interrupted {
                break;
            }
            if let Some(think_time) = self.model.think_time {
                let rest = nanos(think_time.draw(&mut random));
                let until = over.free_since.saturating_add(rest);
                let until = timeline.plan_end.map_or(until, |end| until.min(end));
                ready = core.rest_until(until).await;
            }
            burst += 1;
            if burst == BURST {
                burst = 0;
                tokio::task::yield_now().await;
            }
        }
        // Saying good-bye is no part of the load, however long it takes.
        self.going_on.set(self.going_on.get() - 1);
        if self.going_on.get() == 0 {
            core.begin_ending(core.clock.now());
        }
        Box::pin(self.lane.close(session)).await;
    }

    /// Whether this user may start one more measured iteration; takes it if so.
    #[inline]
    fn take_one(&self, taken_by_user: u64) -> bool {
        match self.model.limit {
            Limit::Iterations(_) => {
                if self.claimed.get() == 0 {
                    self.claimed.set(self.shared.claim());
                }
                match self.claimed.get() {
                    0 => false,
                    left => {
                        self.claimed.set(left - 1);
                        true
                    }
                }
            }
            Limit::IterationsPerUser(most) => taken_by_user < most,
            Limit::Duration(_) | Limit::Stages(_) => true,
        }
    }

    /// Waits until this user may start: nobody has it rest, the stages have room for it, and the limit gives it a
    /// turn. False when that will not be.
    #[inline]
    async fn comes_to_start(&self, user: UserId, session: &mut Option<W::Session>) -> bool {
        let core = &*self.lane.core;
        loop {
            let stands_in = match core.is_held(user) {
                true => match self.rest(user).await {
                    Turn::Comes => true,
                    Turn::LooksAgain => false,
                    Turn::Never => return false,
                },
                false => false,
            };
            let is_held = || match stands_in {
                true => core.is_paused(),
                false => core.is_held(user),
            };
            if let Limit::Stages(stages) = &self.model.limit
                && core.users_told().is_none()
            {
                match self.wait_for_turn(user, stages).await {
                    Some(Turn::Comes) => {}
                    Some(Turn::LooksAgain) => continue,
                    Some(Turn::Never) => {
                        let recalled = self.wait_to_be_recalled(user, session.take());
                        // Boxed, or every user would carry room for it.
                        if !Box::pin(recalled).await {
                            return false;
                        }
                        continue;
                    }
                    None => return false,
                }
            }
            if core.is_limited() && !self.wait_for_limiter(is_held).await {
                return false;
            }
            // A turn that came during a pause is lost: after it, they come one after the other again.
            if !is_held() {
                return true;
            }
        }
    }

    /// Rests for as long as somebody says so. Comes where others have handed out all that is left but for what was
    /// given back here.
    async fn rest(&self, user: UserId) -> Turn {
        let core = &*self.lane.core;
        self.shared.give_back(self.claimed.take());
        while core.is_held(user) {
            if core.ending_since().is_some() {
                return Turn::Never;
            }
            if core.steering.is_exhausted() {
                match (self.shared.has_left(), core.is_paused()) {
                    (false, _) => return Turn::Never,
                    (true, false) => return Turn::Comes,
                    (true, true) => {}
                }
            }
            core.halt.notified().await;
        }
        Turn::LooksAgain
    }

    /// Waits until the stages have room for this user. `None` when nothing new will start.
    async fn wait_for_turn(&self, user: UserId, stages: &[UserStage]) -> Option<Turn> {
        let core = &*self.lane.core;
        let from = core.timeline.measure_from;
        let into = core.clock.now().saturating_sub(from);
        match needed_at(stages, user.0, into) {
            Some(at) if at <= into => Some(Turn::Comes),
            Some(at) => {
                let rests = core.rest_until_told(from.saturating_add(at)).await;
                rests.then_some(Turn::LooksAgain)
            }
            None => Some(Turn::Never),
        }
    }

    /// The plan has no use for this user any more. Waits for somebody who has. False when nobody will.
    async fn wait_to_be_recalled(&self, user: UserId, session: Option<W::Session>) -> bool {
        let core = &*self.lane.core;
        core.steering.goes_home();
        self.lane.close(session).await;
        while core.users_told().is_none_or(|users| user.0 >= users) {
            if core.ending_since().is_some() || core.steering.is_exhausted() {
                return false;
            }
            core.halt.notified().await;
        }
        core.steering.comes_back();
        true
    }

    /// Waits until the rate limit lets one more start, or somebody has the user rest. False when nothing new will
    /// start.
    async fn wait_for_limiter(&self, is_held: impl Fn() -> bool) -> bool {
        let core = &*self.lane.core;
        // Closed when nothing new will start: cheaper than for each user to listen for that too.
        let Ok(_turn) = self.turn.acquire().await else {
            return false;
        };
        while !is_held() {
            let Err(wait) = core.take_turn() else {
                return true;
            };
            let until = core.clock.now().saturating_add(nanos(wait));
            let until = core.timeline.plan_end.map_or(until, |end| until.min(end));
            if !core.rest_until_told(until).await {
                return false;
            }
            if core
                .timeline
                .plan_end
                .is_some_and(|end| core.clock.now() >= end)
            {
                return false;
            }
        }
        true
    }
}
