//! One iteration as the workload sees it: its steps and pauses, and the samples it adds.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use super::UserId;
use super::metric::{Counter, Gauge, Timing};
use super::observer::{
    BackendIndex, ConnectionId, MessageFault, Observer, Receipt, SampleKind, Split, StepSample,
    TargetIndex,
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
    due: Nanos,
    start: Nanos,
    queue_wait: Nanos,
    single_step: bool,
    /// The step under way, and what came before it started.
    current: Cell<Option<(usize, Split)>>,
    /// When the step under way, or the iteration where it has no steps, started.
    current_start: Cell<Nanos>,
    /// Since when nothing but the generator keeps the next request from leaving.
    ready_since: Cell<Nanos>,
    /// The generator's part of the step under way so far.
    send_lag: Cell<Nanos>,
    /// The generator's part of the steps that are over, what came between them included.
    earlier_lag: Cell<Nanos>,
    /// When the last reply of the step under way was received.
    received: Cell<Option<Receipt>>,
    /// How much of the steps that are over may be read lag.
    earlier_maybe: Cell<Nanos>,
    /// The most that the end of a step may be too late.
    doubt: Cell<Nanos>,
    /// When the last step was over, and when that was seen.
    last_end: Cell<Option<(Nanos, Nanos)>>,
    /// That of the last step, and that of a reply after which there was a pause.
    read_lag: Cell<Option<Nanos>>,
    read_before_pause: Cell<Option<Nanos>>,
    pausing: Cell<bool>,
    /// Left out on purpose, of the whole iteration and of the step under way.
    paused: Cell<Nanos>,
    step_rested: Cell<Nanos>,
    backend: Cell<Option<BackendIndex>>,
    target: Cell<TargetIndex>,
    connection: Cell<Option<ConnectionId>>,
    concluded: Cell<Option<(Nanos, Outcome)>>,
}

impl fmt::Debug for Iteration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iteration")
            .field("user", &self.user)
            .field("number", &self.number)
            .field("due", &self.due)
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
    /// When it was due.
    pub due: Nanos,
    /// When it actually started.
    pub start: Nanos,
    /// How much of the time between the two it waited for a user, in nanoseconds.
    pub queue_wait: Nanos,
    /// Whether the scenario has one step only: then the iteration's figures are the step's.
    pub single_step: bool,
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
            due: now,
            start: now,
            queue_wait: 0,
            single_step: true,
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
            due: seed.due,
            start: seed.start,
            queue_wait: seed.queue_wait,
            single_step: seed.single_step,
            current: Cell::new(None),
            current_start: Cell::new(seed.start),
            ready_since: Cell::new(seed.start),
            send_lag: Cell::new(0),
            earlier_lag: Cell::new(0),
            received: Cell::new(None),
            earlier_maybe: Cell::new(0),
            doubt: Cell::new(0),
            last_end: Cell::new(None),
            read_lag: Cell::new(None),
            read_before_pause: Cell::new(None),
            pausing: Cell::new(false),
            paused: Cell::new(0),
            step_rested: Cell::new(0),
            backend: Cell::new(None),
            target: Cell::new(0),
            connection: Cell::new(None),
            concluded: Cell::new(None),
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

    /// When it actually started, in nanoseconds since the run's epoch.
    #[must_use]
    pub fn started(&self) -> Nanos {
        self.start
    }

    /// Runs one step and records it under its own name.
    ///
    /// The first step is due when the iteration is; a later one when the last reply of the one before
    /// it was received, or when a pause between them ended.
    pub async fn step(&self, step: usize, action: impl Future<Output = Outcome>) -> Outcome {
        if self.single_step {
            return action.await;
        }
        let (start, before) = match self.last_end.get() {
            Some((due, seen)) => (
                seen,
                Split {
                    start_lag: seen.saturating_sub(due),
                    ..Split::default()
                },
            ),
            None => (self.start, self.before_start()),
        };
        self.backend.set(None);
        self.connection.set(None);
        self.current_start.set(start);
        self.send_lag.set(0);
        self.step_rested.set(0);
        self.read_lag.set(None);
        self.ready(start);
        if self.last_end.get().is_some() {
            let lag = self.earlier_lag.get().saturating_add(before.start_lag);
            self.earlier_lag.set(lag);
        }
        self.current.set(Some((step, before)));
        let outcome = action.await;
        self.end_step(self.clock.now(), outcome);
        outcome
    }

    /// What came between due and start of the iteration.
    fn before_start(&self) -> Split {
        let waited = self.start.saturating_sub(self.due);
        Split {
            queue_wait: self.queue_wait.min(waited),
            start_lag: waited.saturating_sub(self.queue_wait),
            ..Split::default()
        }
    }

    /// When what is under way was over for the service, seen at `seen`: when the last reply was
    /// received, where that is known and can be.
    fn end_seen_at(&self, seen: Nanos) -> (Nanos, Option<Nanos>) {
        let possible = self.current_start.get()..=seen;
        let received = self.received.get().map(|received| received.at);
        match received.filter(|at| possible.contains(at)) {
            Some(at) => (at, Some(seen - at)),
            None => (seen, None),
        }
    }

    /// How much of what was over with the last receipt may have been read lag, beside what surely was.
    /// What kept us from reading may have done so for as long before the last byte of the read as
    /// after it. The receipt is used up.
    fn maybe_read_lag(&self, read_lag: Option<Nanos>) -> Nanos {
        let (Some(received), Some(read_lag)) = (self.received.take(), read_lag) else {
            return 0;
        };
        // It answers what was sent before.
        let sent = self.current_start.get().saturating_add(self.send_lag.get());
        let doubt = received.doubt().min(received.at.saturating_sub(sent));
        self.doubt.set(self.doubt.get().max(doubt));
        doubt.min(read_lag)
    }

    /// Ends the step that is under way, if there is one.
    fn end_step(&self, seen: Nanos, outcome: Outcome) {
        if let Some((step, before)) = self.current.take() {
            let (end, read_lag) = self.end_seen_at(seen);
            let took = end.saturating_sub(self.current_start.get());
            let took = took.saturating_sub(self.step_rested.get());
            let send_lag = self.send_lag.get().min(took);
            let maybe_read_lag = self.maybe_read_lag(read_lag).min(took - send_lag);
            self.earlier_lag
                .set(self.earlier_lag.get().saturating_add(send_lag));
            self.send_lag.set(0);
            self.earlier_maybe
                .set(self.earlier_maybe.get().saturating_add(maybe_read_lag));
            self.read_lag.set(read_lag);
            self.last_end.set(Some((end, seen)));
            let start = self.current_start.get();
            self.observer.step(StepSample {
                step,
                due: start.saturating_sub(before.queue_wait + before.start_lag),
                split: Split {
                    send_lag,
                    service_time: took - send_lag,
                    read_lag,
                    maybe_read_lag,
                    ..before
                },
                outcome,
                backend: self.backend.get(),
                user: self.user,
                target: self.target.get(),
                connection: self.connection.get(),
            });
        }
    }

    /// Ends an iteration whose future was dropped, so that the step it was in is recorded too.
    pub(crate) fn cut_off(&self, end: Nanos, outcome: Outcome) {
        self.received.set(None);
        self.end_step(end, outcome);
    }

    /// The step that was under way when the iteration was given up, and what the time is made of that it
    /// has waited until then. `None` where none was, or where the scenario has no other.
    pub(crate) fn given_up(&self, now: Nanos) -> Option<(usize, Split)> {
        let (step, before) = self.current.take()?;
        let took = now.saturating_sub(self.current_start.get());
        let took = took.saturating_sub(self.step_rested.get());
        let send_lag = self.send_lag.get().min(took);
        let split = Split {
            send_lag,
            service_time: took - send_lag,
            ..before
        };
        Some((step, split))
    }

    /// What the whole iteration's time is made of, seen to be over at `seen`, and when it was over for
    /// the service. One that was cut off had no reply.
    pub(crate) fn split(&self, seen: Nanos, was_cut: bool) -> (Split, Nanos) {
        let (end, read_lag) = match (self.received.get(), self.read_lag.get()) {
            _ if was_cut => (seen, None),
            // The last step has said how long its reply was there.
            (None, Some(lag)) => (seen.saturating_sub(lag), Some(lag)),
            _ => self.end_seen_at(seen),
        };
        let read_lag = read_lag.or(self.read_before_pause.get());
        let took = end.saturating_sub(self.start);
        let took = took.saturating_sub(self.paused.get());
        let lag = self.earlier_lag.get().saturating_add(self.send_lag.get());
        let send_lag = lag.min(took);
        let maybe = self.maybe_read_lag(read_lag);
        let maybe = maybe.saturating_add(self.earlier_maybe.get());
        let split = Split {
            send_lag,
            service_time: took - send_lag,
            read_lag,
            maybe_read_lag: maybe.min(took - send_lag),
            doubt: self.doubt.get(),
            ..self.before_start()
        };
        (split, end)
    }

    /// Since when nothing but the generator keeps the request from leaving: the start of the step, or
    /// what [`ready`](Self::ready) said. In nanoseconds since the run's epoch.
    #[inline]
    #[must_use]
    pub fn ready_since(&self) -> Nanos {
        self.ready_since.get()
    }

    /// Until `at` something else than the generator kept the next request from leaving, such as a wait
    /// for a free stream: that time is the service's. What was received before does not end the step.
    pub fn ready(&self, at: Nanos) {
        self.ready_since.set(at);
        self.received.set(None);
    }

    /// The system took the request's last byte just after `at`, in nanoseconds since the run's epoch.
    /// The time since [`ready_since`](Self::ready_since) is the generator's. A workload that never
    /// says so has no send lag.
    #[inline]
    pub fn sent(&self, at: Nanos) {
        self.lagged(at.saturating_sub(self.ready_since.replace(at)));
    }

    /// The generator held the step up for so long, in nanoseconds.
    #[inline]
    pub fn lagged(&self, lag: Nanos) {
        self.send_lag.set(self.send_lag.get().saturating_add(lag));
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
        self.received.set(Some(receipt));
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
            self.paused.set(self.paused.get().saturating_add(rest));
            self.step_rested
                .set(self.step_rested.get().saturating_add(rest));
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
        self.target.set(target);
    }

    /// Which of the scenario's targets it went to; the first unless told.
    #[must_use]
    pub fn target(&self) -> TargetIndex {
        self.target.get()
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
        let from = self.clock.now();
        let idle_since = match (self.received.get(), self.last_end.get()) {
            (Some(Receipt { at: received, .. }), _) if received <= from => {
                let read_lag = Some(from - received);
                self.read_before_pause.set(read_lag);
                let maybe = self.maybe_read_lag(read_lag);
                self.earlier_maybe
                    .set(self.earlier_maybe.get().saturating_add(maybe));
                received
            }
            (None, Some((end, _))) => {
                // What was read before an earlier pause stays, where nothing was read since.
                let read_lag = self.read_lag.get().or(self.read_before_pause.get());
                self.read_before_pause.set(read_lag);
                end
            }
            _ => from,
        };
        self.read_lag.set(None);
        let rest = Rest::begin(self);
        tokio::time::sleep(duration).await;
        drop(rest);
        let end = self.clock.now();
        let paused = end.saturating_sub(idle_since);
        self.paused.set(self.paused.get().saturating_add(paused));
        self.last_end.set(Some((end, end)));
        self.current_start.set(end);
        self.ready(end);
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

    /// Says who answered, by the server's own word. The last call in a step counts.
    pub fn answered_by(&self, identity: &[u8]) {
        self.backend.set(Some(self.observer.backend(identity)));
    }

    /// Adds a sample to one of a step's further series.
    pub fn sample(&self, step: usize, kind: SampleKind, value: Duration) {
        self.observer.sample(step, kind, nanos(value));
    }

    /// Adds a sample, measured with the run's clock, to one of a step's further series.
    pub fn sample_nanos(&self, step: usize, kind: SampleKind, value: Nanos) {
        self.observer.sample(step, kind, value);
    }

    /// Counts messages that a step sent and received.
    pub fn messages(&self, step: usize, sent: u64, received: u64) {
        self.observer.messages(step, sent, received);
    }

    /// Counts messages of a step that had this fault.
    pub fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        self.observer.message_fault(step, fault, count);
    }

    /// Keeps one example of what a failure class looked like, for the report.
    pub fn explain(&self, failure: Failure, mut detail: impl FnMut() -> String) {
        self.observer.explain(failure, &mut detail);
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
        self.paused.get()
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

/// A rest before connecting again under way, also when it is cut off.
pub(crate) struct BackOff<'a, 'b> {
    iteration: &'a Iteration<'b>,
    from: Nanos,
    until: &'a Cell<Nanos>,
}

impl Drop for BackOff<'_, '_> {
    fn drop(&mut self) {
        let end = self.until.get().min(self.iteration.clock.now());
        self.iteration.backed_off(end.saturating_sub(self.from));
    }
}

/// A pause under way, also when it is cut off.
struct Rest<'a, 'b>(&'a Iteration<'b>);

impl<'a, 'b> Rest<'a, 'b> {
    fn begin(iteration: &'a Iteration<'b>) -> Self {
        iteration.pausing.set(true);
        iteration.observer.rests(true);
        Self(iteration)
    }
}

impl Drop for Rest<'_, '_> {
    fn drop(&mut self) {
        self.0.pausing.set(false);
        self.0.observer.rests(false);
    }
}

#[cfg(test)]
mod tests;
