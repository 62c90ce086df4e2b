//! One iteration as the workload sees it: its steps and pauses, and the samples it adds.
//!
//! Owns what a workload can say of itself. What its moments mean for the times is `times`' to reckon.

mod load_end;
mod open_stream;
mod rest;
mod times;

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

pub use self::load_end::LoadEnd;
pub use self::open_stream::OpenStream;
pub use self::rest::EndingOnDrop;
use self::rest::{BackOff, Idle, Rest};
use self::times::Times;
use super::UserId;
use super::metric::{Counter, Gauge, Timing};
use super::observer::{
    BackendIndex, ConnectionId, KeyIndex, MessageFault, Observer, Opened, Receipt, RetryEvent,
    SampleKind, Split, StepSample, TargetIndex,
};
use crate::clock::{Clock, Nanos, nanos};
use crate::outcome::{Failure, Outcome};

/// One pass of one user through the steps, as the workload sees it.
///
/// The engine stamps the time; a workload only marks its steps and pauses and adds samples of its
/// own.
pub struct Iteration<'a> {
    clock: Clock,
    observer: &'a dyn Observer,
    user: UserId,
    number: u64,
    arrival: Option<u64>,
    single_step: bool,
    times: Times,
    pausing: Cell<bool>,
    timed_out: Cell<bool>,
    backend: Cell<Option<BackendIndex>>,
    target: Cell<Option<TargetIndex>>,
    was_given: Cell<bool>,
    connection: Cell<Option<ConnectionId>>,
    key: Cell<Option<KeyIndex>>,
    has_stream: Cell<bool>,
    concluded: Cell<Option<(Nanos, Outcome)>>,
    heard: Cell<Heard>,
    load_end: Option<&'a LoadEnd>,
    lasts: Cell<bool>,
}

/// What its failures are explained with.
#[derive(Debug, Default)]
enum Heard {
    /// Nobody asks.
    #[default]
    Unwanted,
    Nothing,
    Detail(Failure, String),
}

impl fmt::Debug for Iteration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iteration")
            .field("user", &self.user)
            .field("number", &self.number)
            .field("due", &self.times.due.get())
            .finish_non_exhaustive()
    }
}

/// What an [`Iteration`] is made from. The engine fills it in; so may the test of a workload.
#[derive(Clone, Copy)]
#[expect(
    missing_debug_implementations,
    reason = "holds a trait object and lives for one call"
)]
#[non_exhaustive]
pub struct IterationSeed<'a> {
    /// The run's clock.
    pub clock: Clock,
    /// Where observations go.
    pub observer: &'a dyn Observer,
    /// Whose iteration it is.
    pub user: UserId,
    /// The iteration's number among its user's, from 0.
    pub number: u64,
    /// The number of its arrival among all of the scenario, from 0, warm-up included; only an open
    /// model has arrivals.
    pub arrival: Option<u64>,
    /// When it was due.
    pub due: Nanos,
    /// When it actually started.
    pub start: Nanos,
    /// How much of the time between the two it waited for a user, in nanoseconds.
    pub queue_wait: Nanos,
    /// Whether the scenario has one step only: then the iteration's figures are the step's.
    pub single_step: bool,
    /// What tells when the load is over; without, it never is.
    pub load_end: Option<&'a LoadEnd>,
}

impl<'a> IterationSeed<'a> {
    /// The first iteration of the first user, due now, in a scenario of one step.
    #[must_use]
    pub fn new(clock: Clock, observer: &'a dyn Observer) -> Self {
        let now = clock.now();
        Self {
            clock,
            observer,
            user: UserId(0),
            number: 0,
            arrival: None,
            due: now,
            start: now,
            queue_wait: 0,
            single_step: true,
            load_end: None,
        }
    }
}

impl<'a> Iteration<'a> {
    /// An iteration that starts now.
    #[must_use]
    pub fn new(seed: IterationSeed<'a>) -> Self {
        Self {
            clock: seed.clock,
            observer: seed.observer,
            user: seed.user,
            number: seed.number,
            arrival: seed.arrival,
            single_step: seed.single_step,
            times: Times::new(seed.due, seed.start, seed.queue_wait),
            pausing: Cell::new(false),
            timed_out: Cell::new(false),
            backend: Cell::new(None),
            target: Cell::new(Some(0)),
            was_given: Cell::new(false),
            connection: Cell::new(None),
            key: Cell::new(None),
            has_stream: Cell::new(false),
            concluded: Cell::new(None),
            heard: Cell::default(),
            load_end: seed.load_end,
            lasts: Cell::new(false),
        }
    }

    /// Whose iteration this is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The iteration's number among its user's, from 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number of its arrival among all of the scenario, from 0, warm-up included; `None` in a closed
    /// model, which has no arrivals.
    #[must_use]
    pub fn arrival(&self) -> Option<u64> {
        self.arrival
    }

    /// When it actually started, in nanoseconds since the run's epoch.
    #[must_use]
    pub fn started(&self) -> Nanos {
        self.times.start.get()
    }

    /// When it was due, in nanoseconds since the run's epoch.
    pub(crate) fn due(&self) -> Nanos {
        self.times.due.get()
    }

    /// How long the arrival waited for a user who can start.
    pub(crate) fn queue_wait(&self) -> Nanos {
        self.times.queue_wait()
    }

    /// Runs one step and records it under its own name.
    ///
    /// The first step is due when the iteration is; a later one when the last reply of the one before
    /// it was received, or when a pause between them ended.
    pub async fn step(&self, step: usize, action: impl Future<Output = Outcome>) -> Outcome {
        self.begin_step(step);
        let outcome = action.await;
        self.end_step(outcome);
        outcome
    }

    /// The user's life has begun, in steps of its own, and the iteration starts only now: an arrival has
    /// waited for its user until here, as for one who is busy; without one, the iteration is due now.
    pub(crate) fn begun(&self) {
        self.times.begun(self.clock.now(), self.arrival.is_some());
    }

    /// One that begins now for the same user beside this one, which waits for it, and is told of elsewhere.
    pub(crate) fn beside<'b>(&self, observer: &'b dyn Observer) -> Iteration<'b> {
        Iteration::new(IterationSeed {
            user: self.user,
            number: self.number,
            arrival: self.arrival,
            single_step: false,
            ..IterationSeed::new(self.clock, observer)
        })
    }

    /// One [`beside`](Self::beside) this is over, which rested for so long on purpose. What comes next is due
    /// now.
    pub(crate) fn was_elsewhere(&self, rested: Nanos) {
        self.times.was_elsewhere(self.clock.now(), rested);
    }

    /// A step begins. Where the scenario has no other, the iteration's figures are the step's.
    #[inline]
    pub(crate) fn begin_step(&self, step: usize) {
        if !self.single_step {
            self.backend.set(None);
            self.connection.set(None);
            self.has_stream.set(false);
            self.was_given.set(false);
            self.times.begin_step(step);
        }
    }

    /// The step under way is over.
    #[inline]
    pub(crate) fn end_step(&self, outcome: Outcome) {
        if !self.single_step {
            self.record_step(self.clock.now(), outcome);
        }
    }

    /// Ends the step that is under way, if there is one.
    fn record_step(&self, seen: Nanos, outcome: Outcome) {
        if let Some((step, due, ended, split)) = self.times.end_step(seen) {
            self.observer.step(StepSample {
                step,
                due,
                ended,
                split,
                outcome,
                backend: self.backend.get(),
                user: self.user,
                target: self.target.get(),
                connection: self.connection.get(),
                key: self.key.get(),
                has_stream: self.has_stream.get(),
                is_unsent: self.is_unsent(),
            });
        }
    }

    /// Ends an iteration whose future was dropped, so that the step it was in is recorded too.
    pub(crate) fn cut_off(&self, end: Nanos, outcome: Outcome) {
        self.times.received(None);
        self.record_step(end, outcome);
    }

    /// Has what its failures are explained with kept from now on.
    pub(crate) fn listen(&self) {
        self.heard.set(Heard::Nothing);
    }

    /// What this failure was last explained with, where that was to be kept.
    pub(crate) fn heard(&self, failure: Failure) -> Option<String> {
        match self.heard.take() {
            Heard::Detail(heard, detail) if heard == failure => Some(detail),
            _ => None,
        }
    }

    /// Its time is up: what is dropped of it from now on is so for that.
    pub(crate) fn times_out(&self) {
        self.timed_out.set(true);
    }

    /// Whether its time is up.
    pub(crate) fn has_timed_out(&self) -> bool {
        self.timed_out.get()
    }

    /// Has the step that is under way when the result is dropped end as a timeout. For an iteration that
    /// is not the engine's, such as one of the steps that begin a user's life: where the engine gives up
    /// what needed them, only that drops it. What the end of the run cuts off is recorded nowhere.
    pub fn ending_on_drop(&self) -> EndingOnDrop<'_, 'a> {
        EndingOnDrop(self)
    }

    /// Whether a step is under way. Where the scenario has no other, its step is the iteration.
    pub(crate) fn is_in_step(&self) -> bool {
        self.single_step || self.times.under_way().is_some()
    }

    /// The step that was under way when the iteration was given up, and what the time is made of that it
    /// has waited until then. `None` where none was, or where the scenario has no other.
    pub(crate) fn given_up(&self, now: Nanos) -> Option<(usize, Split)> {
        self.times.given_up(now)
    }

    /// What the time is made of so far of the step under way, or of the iteration where it has one step.
    pub(crate) fn so_far(&self) -> Split {
        self.times.so_far(self.clock.now())
    }

    /// What the whole iteration's time is made of, seen to be over at `seen`, and when it was over for
    /// the service. One that was cut off had no reply.
    pub(crate) fn split(&self, seen: Nanos, was_cut: bool) -> (Split, Nanos) {
        self.times.split(seen, was_cut)
    }

    /// Since when nothing but the generator keeps the request from leaving: the start of the step, or
    /// what [`ready`](Self::ready) said. In nanoseconds since the run's epoch.
    #[inline]
    #[must_use]
    pub fn ready_since(&self) -> Nanos {
        self.times.ready_since()
    }

    /// Until `at` something else than the generator kept the next request from leaving, such as a wait
    /// for a free stream: that time is the service's. What was received before does not end the step.
    pub fn ready(&self, at: Nanos) {
        self.times.ready(at);
    }

    /// The system took the request's last byte just after `at`, in nanoseconds since the run's epoch.
    /// The time since [`ready_since`](Self::ready_since) is the generator's. A workload that never
    /// says so has no send lag.
    #[inline]
    pub fn sent(&self, at: Nanos) {
        self.times.sent(at);
    }

    /// The generator held the step up for so long, in nanoseconds.
    #[inline]
    pub fn lagged(&self, lag: Nanos) {
        self.times.lagged(lag);
    }

    /// The system received the reply's last byte at `at`, in nanoseconds since the run's epoch. The
    /// last call in a step counts; the step ends there and not when it is seen to have ended. A
    /// workload that never says so has no read lag.
    #[inline]
    pub fn received(&self, at: Nanos) {
        self.received_within(Receipt::at(at));
    }

    /// The same of a reply that came in one read with later ones, whose stamp it has.
    #[inline]
    pub fn received_within(&self, receipt: Receipt) {
        self.times.received(Some(receipt));
    }

    /// A message of a step was received: it ended a time of so many nanoseconds. Where that may be
    /// notably too long, the step's series of doubts has it.
    #[inline]
    pub fn message_received(&self, step: usize, receipt: Receipt, took: Nanos) {
        let doubt = receipt.doubt().min(took);
        if Receipt::is_notable(doubt, took) {
            self.sample_nanos(step, SampleKind::MessageDoubt, doubt);
        }
    }

    /// Part of the iteration was a rest before connecting again, in nanoseconds: our own choice, and
    /// in neither response nor service time.
    pub fn backed_off(&self, rest: Nanos) {
        if rest > 0 {
            self.times.rested(rest);
            self.observer.backed_off(rest);
        }
    }

    /// Rests before connecting again until `until`, or for as long as the result is kept, whichever is
    /// shorter; also where it is cut off.
    /// `until` may be set while the result is kept.
    pub(crate) fn back_off<'b>(&'b self, until: &'b Cell<Nanos>) -> BackOff<'b, 'a> {
        BackOff {
            iteration: self,
            from: self.clock.now(),
            until,
        }
    }

    /// Says which of the scenario's targets the iteration goes to. The last call counts.
    #[inline]
    pub fn goes_to(&self, target: TargetIndex) {
        self.target.set(Some(target));
        self.was_given.set(true);
    }

    /// Says that the iteration goes to none of the scenario's targets, until it [goes to](Self::goes_to) one.
    #[inline]
    pub fn goes_nowhere(&self) {
        self.target.set(None);
    }

    /// Which of the scenario's targets it went to, the first unless told; `None` where it went nowhere.
    #[must_use]
    pub fn target(&self) -> Option<TargetIndex> {
        self.target.get()
    }

    /// Whether the step under way, or the iteration where there is one only, went nowhere, and never was given to a
    /// target before.
    pub(crate) fn is_unsent(&self) -> bool {
        self.target.get().is_none() && !self.was_given.get()
    }

    /// Says which connection the request goes over. The last call in a step counts.
    #[inline]
    pub fn goes_over(&self, connection: ConnectionId) {
        self.connection.set(Some(connection));
    }

    /// Which connection the last request went over, where there was one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        self.connection.get()
    }

    /// Waits on purpose. The time is in neither response nor service time. It begins when the last
    /// reply was received.
    pub async fn pause(&self, duration: Duration) {
        let idle_since = self.times.begin_pause(self.clock.now());
        let rest = Rest::begin(self);
        tokio::time::sleep(duration).await;
        drop(rest);
        self.times.end_pause(idle_since, self.clock.now());
    }

    /// Waits until the load is over, which is when nothing new starts.
    pub async fn load_ended(&self) {
        match self.load_end {
            Some(end) => end.wait().await,
            None => std::future::pending().await,
        }
    }

    /// From here on the iteration lasts for as long as the load does: its timeout begins when that is over.
    /// Whoever calls this says itself when it takes too long for an answer.
    pub fn lasts(&self) {
        self.lasts.set(true);
    }

    /// Whether it [lasts](Self::lasts) for as long as the load does.
    pub(crate) fn is_lasting(&self) -> bool {
        self.lasts.get()
    }

    /// A message came at this time. On what [lasts](Self::lasts) for as long as the load that is the sign of life that
    /// an iteration which ends ok is otherwise.
    pub fn hears(&self, at: Nanos) {
        if self.lasts.get() {
            self.observer.lives(at);
        }
    }

    /// Whether it is one that lasts and waits for nothing, so that no silence is the service's; until what this gives
    /// back is dropped.
    pub(crate) fn idles(&self) -> Idle<'_, 'a> {
        Idle::new(self)
    }

    /// Rests on purpose once it was [concluded](Self::conclude), before its user does anything else: for so
    /// long, or until the load is over. The time is counted as a rest before connecting again.
    pub(crate) async fn rest_after(&self, duration: Duration) {
        let from = self.clock.now();
        let rest = Rest::begin(self);
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.load_ended() => {}
        }
        drop(rest);
        self.observer
            .backed_off(self.clock.now().saturating_sub(from));
    }

    /// What was asked for is done, and this is how it ended. Whatever the workload does from here
    /// until it returns, such as saying good-bye, is not measured: no timeout cuts it off, and if
    /// the run's end does, the outcome stands. Whoever calls this bounds what follows.
    pub fn conclude(&self, outcome: Outcome) {
        self.concluded.set(Some((self.clock.now(), outcome)));
    }

    /// When and how the iteration ended, where that was said before it returned.
    pub(crate) fn concluded(&self) -> Option<(Nanos, Outcome)> {
        self.concluded.get()
    }

    /// The step's request is made once more, or another one in its place: whom it went to and over which
    /// connection is not known again, and until now something else than the generator kept it from leaving.
    pub fn asks_again(&self) {
        self.backend.set(None);
        self.connection.set(None);
        self.ready(self.clock.now());
    }

    /// Something came of a call that may be made again. One that [fails and is](RetryEvent::Again) is on the
    /// account of whoever has [answered](Self::answered_by) it, and nothing is known of the next attempt's way.
    pub fn retry(&self, event: RetryEvent) {
        let (backend, connection) = (self.backend.get(), self.connection.get());
        self.observer.retry(event, backend, connection);
        if let RetryEvent::Again(_) = event {
            self.asks_again();
        }
    }

    /// Says who answered, by the server's own word, on the connection that the request
    /// [goes over](Self::goes_over). The last call in a step counts. Nothing is nobody's name, and of a long one
    /// the first 200 bytes count.
    pub fn answered_by(&self, identity: &[u8]) {
        if identity.is_empty() {
            return;
        }
        let backend = self.observer.backend(identity, self.connection.get());
        self.backend.set(Some(backend));
    }

    /// Adds a sample to one of a step's further series.
    pub fn sample(&self, step: usize, kind: SampleKind, value: Duration) {
        self.observer.sample(step, kind, nanos(value));
    }

    /// Adds a sample, measured with the run's clock, to one of a step's further series.
    pub fn sample_nanos(&self, step: usize, kind: SampleKind, value: Nanos) {
        self.observer.sample(step, kind, value);
    }

    /// Counts messages that a step sent and received, on the account of whoever has
    /// [answered](Self::answered_by) too.
    pub fn messages(&self, step: usize, sent: u64, received: u64) {
        self.observer
            .messages(step, self.backend.get(), sent, received);
    }

    /// A stream opened, on the account of whoever has [answered](Self::answered_by). It breaks when what
    /// this gives back is dropped, unless it has ended before.
    pub fn opened_stream(&self) -> OpenStream<'a> {
        self.has_stream.set(true);
        let opened = self.backend.get().map(|backend| Opened {
            user: self.user,
            backend,
            at: self.clock.now(),
            connection: self.connection.get(),
            key: self.key.get(),
        });
        OpenStream::new(self.observer, opened)
    }

    /// Says which key should decide on the server of whatever the iteration asks.
    pub fn of_key(&self, key: &str) {
        self.key.set(self.observer.key(key));
    }

    /// The key that should decide on its server, where it has one.
    #[must_use]
    pub fn key(&self) -> Option<KeyIndex> {
        self.key.get()
    }

    /// Whether the step under way, or the iteration where there is one only, opened a stream.
    pub(crate) fn has_stream(&self) -> bool {
        self.has_stream.get()
    }

    /// Counts messages of a step that had this fault.
    pub fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        self.observer.message_fault(step, fault, count);
    }

    /// Keeps one example of what a failure class looked like, for the report.
    pub fn explain(&self, failure: Failure, mut detail: impl FnMut() -> String) {
        let step = self.times.under_way();
        self.observer.explain(step, failure, &mut detail);
        let heard = self.heard.take();
        self.heard.set(match heard {
            Heard::Unwanted => Heard::Unwanted,
            Heard::Nothing | Heard::Detail(..) => Heard::Detail(failure, detail()),
        });
    }

    /// Counts that a check of a step held, or that it did not. `check` is its place among the step's in
    /// [`StepSpec::checks`](crate::record::StepSpec::checks); `example` says what was seen, and runs only
    /// where it did not hold and none is kept yet. What a failed check makes of the step is its outcome's
    /// to say.
    #[inline]
    pub fn check(
        &self,
        step: usize,
        check: usize,
        passed: bool,
        mut example: impl FnMut() -> String,
    ) {
        self.observer.check(step, check, passed, &mut example);
    }

    /// Adds to a custom counter.
    pub fn count(&self, counter: Counter, delta: u64) {
        self.observer.count(counter, delta);
    }

    /// Sets a custom gauge. What the last worker to report has set is shown.
    pub fn gauge(&self, gauge: Gauge, value: f64) {
        self.observer.gauge(gauge, value);
    }

    /// Adds a sample to a custom timing.
    pub fn timing(&self, timing: Timing, value: Duration) {
        self.observer.timing(timing, nanos(value));
    }

    /// Where the observations go that the methods here make.
    #[must_use]
    pub fn observer(&self) -> &dyn Observer {
        self.observer
    }

    /// Nanoseconds since the run's epoch.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// How long the iteration has paused on purpose so far, in nanoseconds.
    #[must_use]
    pub fn paused(&self) -> Nanos {
        self.times.paused()
    }

    /// Whether the iteration is pausing on purpose right now.
    #[must_use]
    pub fn pausing(&self) -> bool {
        self.pausing.get()
    }

    /// Who answered last, where that is known.
    #[must_use]
    pub fn backend(&self) -> Option<BackendIndex> {
        self.backend.get()
    }
}

#[cfg(test)]
mod tests;
