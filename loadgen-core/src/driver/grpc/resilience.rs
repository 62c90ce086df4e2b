//! Calls of a scenario that asks for something against failures: further attempts, a choice among targets, health
//! checks, circuit breakers.
//!
//! Owns what happens around an attempt; what one is, the caller says. Where a scenario asks for none of it, there is
//! none of this.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::calls::CallsOn;
use super::checking;
use super::own::Connections;
use super::prepare::Prepared;
use super::retry::{Attempt, Count, Lost, Next, Retrying};
use crate::chance::mix_in;
use crate::clock::{Nanos, nanos};
use crate::driver::http2::{Admitted, Choice, Chosen, How, Place, Standing, Told};
use crate::outcome::{Failure, Outcome};
use crate::workload::{Iteration, RetryEvent, Standing as State, WorkerContext};

/// Tells the chance of rests between attempts, and of choices, from others of the same worker.
const RESTS: u64 = 0x7265_7374;
const CHOICES: u64 = 0x7069_636b;

/// How long a call rests that no target takes, before it is rejected or asks again: nobody is to spin.
const PAUSE: Duration = Duration::from_millis(10);

/// What one worker does about failures.
pub(super) struct Resilience {
    prepared: Arc<Prepared>,
    context: WorkerContext,
    retrying: Option<Retrying>,
    /// Which target calls go to, where that depends on more than turns.
    choice: Option<Choice>,
    checks: RefCell<Vec<JoinHandle<()>>>,
}

impl Resilience {
    /// What the scenario asks for; `None` where that is nothing.
    pub(super) fn new(prepared: &Arc<Prepared>, context: &WorkerContext) -> Option<Box<Self>> {
        let seed = |of| mix_in(context.seed, of);
        let retry = prepared.retry.as_ref();
        let retrying = retry.map(|retry| Retrying::new(retry, seed(RESTS)));
        let standings = prepared.standings.clone();
        // A user's own connection goes where it goes.
        let is_choosing =
            prepared.connection_per.is_none() && (prepared.pick.is_some() || standings.is_some());
        let choice = is_choosing.then(|| {
            let how = prepared.pick.clone().unwrap_or(How::Connections);
            Choice::new(how, standings, context.worker, seed(CHOICES))
        });
        (retrying.is_some() || choice.is_some()).then(|| {
            Box::new(Self {
                prepared: Arc::clone(prepared),
                context: context.clone(),
                retrying,
                choice,
                checks: RefCell::default(),
            })
        })
    }

    /// Which target calls go to, where that depends on more than turns.
    pub(super) fn choice(&self) -> Option<&Choice> {
        self.choice.as_ref()
    }

    /// Meets those that there are connections to, and asks them for their health once.
    pub(super) async fn introduce(&self, connections: &Connections) {
        if let (Some(choice), Connections::Shared(pool)) = (&self.choice, connections) {
            pool.introduce(choice);
            for first in self.watch(choice) {
                // Told by a task of this worker; it says nothing where that was ended.
                let _ = first.await;
            }
        }
    }

    /// Has those asked for their health that were met since the last time. Each tells when it was asked once.
    fn watch(&self, choice: &Choice) -> Vec<tokio::sync::oneshot::Receiver<()>> {
        if self.prepared.checking.is_none() {
            return Vec::new();
        }
        let met = choice.take_met().into_iter();
        let first = met.map(|met| {
            let (asked, first) = tokio::sync::oneshot::channel();
            let (prepared, context) = (Arc::clone(&self.prepared), self.context.clone());
            let watching = checking::watch(prepared, met, context, asked);
            let watching = tokio::task::spawn_local(watching);
            self.checks.borrow_mut().push(watching);
            first
        });
        first.collect()
    }

    /// Where a call goes that is made now, where each chooses; `None` where no target takes it.
    pub(super) fn choose(&self, connections: &Connections, now: Nanos) -> Option<Chosen> {
        let choice = self.choice.as_ref()?;
        let chosen = connections.choose(choice, now);
        drop(self.watch(choice));
        if let Some(chosen) = &chosen
            && let Some(Admitted { standing, by, .. }) = &chosen.admitted
            && let Some(change) = by.change
        {
            self.tell(standing, change, "its time is over");
        }
        chosen
    }

    /// Makes attempts until the call is over. `attempt` is told where to, which one it is, and whom to tell that a
    /// stream's answer has begun.
    pub(super) async fn until_over(
        &self,
        calls: &CallsOn<'_>,
        iteration: &Iteration<'_>,
        mut attempt: impl AsyncFnMut(&Rc<Place>, Attempt, &dyn Fn()) -> Result<(), Lost>,
    ) -> Outcome {
        let mut count = Count::default();
        let over = Over {
            iteration,
            failed: Cell::new(0),
        };
        let timeout = nanos(self.prepared.timeout).saturating_add(iteration.paused());
        let until = iteration.started().saturating_add(timeout);
        loop {
            let result = match self.next(calls, iteration, count.failed).await {
                Ok(going) => {
                    let begins = || going.works();
                    let nth = Attempt {
                        previous: count.failed,
                        until,
                    };
                    let result = attempt(&going.place, nth, &begins).await;
                    going.ended(result.err().map(|lost| lost.failure));
                    result
                }
                Err(rejected) => Err(rejected),
            };
            let Err(lost) = result else {
                if let Some(retrying) = &self.retrying {
                    retrying.succeeded();
                }
                over.now(RetryEvent::Ok);
                return Outcome::Ok;
            };
            let retrying = self.retrying.as_ref();
            let next = retrying.map_or(Next::GiveUp, |it| it.after(&lost, &mut count));
            let Next::Again(rest) = next else {
                if next == Next::Throttled {
                    iteration.retry(RetryEvent::Throttled);
                }
                over.now(RetryEvent::Failed);
                return lost.failure.into();
            };
            let (after, attempt) = (lost.failure, count.failed + 1);
            let why = move || {
                format!(
                    "cut off while resting before attempt {attempt}; the one before ended with {after}"
                )
            };
            self.rest(rest, iteration, why).await;
            iteration.retry(RetryEvent::Again(lost.failure));
            over.failed.set(count.failed);
        }
    }

    /// Waits so long. `why` is what is said where that is cut off.
    async fn rest(&self, rest: Duration, iteration: &Iteration<'_>, why: impl Fn() -> String) {
        let resting = Resting { iteration, why };
        let due = iteration.now().saturating_add(nanos(rest));
        let mut alarm = self.context.alarms.alarm();
        poll_fn(|cx| alarm.poll_until(due, cx)).await;
        std::mem::forget(resting);
    }

    /// Where the next attempt goes.
    async fn next<'a>(
        &'a self,
        calls: &CallsOn<'_>,
        iteration: &'a Iteration<'a>,
        failed: u32,
    ) -> Result<Going<'a>, Lost> {
        let going = |place, admitted| Going {
            place,
            admitted: RefCell::new(admitted),
            resilience: self,
            iteration,
        };
        let Some(choice) = &self.choice else {
            let place = match failed {
                0 => calls.first_place(),
                _ => calls.further_place(),
            };
            iteration.goes_to(place.target);
            return Ok(going(place, None));
        };
        loop {
            if let Some(Chosen { place, admitted }) = calls.chosen(iteration.now()) {
                iteration.goes_to(place.target);
                return Ok(going(place, admitted));
            }
            iteration.goes_nowhere();
            let why = || {
                format!(
                    "cut off while waiting for a target; {}",
                    choice.why_nobody()
                )
            };
            self.rest(PAUSE, iteration, why).await;
            if !self.prepared.wanted.waits_for_ready {
                // Our own choice, and nobody's latency.
                iteration.backed_off(nanos(PAUSE));
                iteration.explain(Failure::Rejected, || choice.why_nobody());
                return Err(Lost::unanswered(Failure::Rejected));
            }
            iteration.ready(iteration.now());
        }
    }

    fn tell(&self, standing: &Standing, change: (State, State), why: &str) {
        let now = self.context.clock.now();
        let observer = &self.context.observer;
        observer.stands(&standing.name, change, now, why);
    }
}

impl Drop for Resilience {
    fn drop(&mut self) {
        for check in self.checks.get_mut() {
            check.abort();
        }
    }
}

/// An attempt under way.
struct Going<'a> {
    place: Rc<Place>,
    admitted: RefCell<Option<Admitted>>,
    resilience: &'a Resilience,
    iteration: &'a Iteration<'a>,
}

impl Going<'_> {
    /// A stream's answer has begun. What becomes of the stream is another matter: it may last as long as the load.
    fn works(&self) {
        let mut admitted = self.admitted.borrow_mut();
        if let Some(admitted) = admitted.as_mut()
            && let Some(change) = admitted.works(self.iteration.now())
        {
            let why = "a stream began to be answered";
            self.resilience.tell(&admitted.standing, change, why);
        }
    }

    /// It ended by itself: with this failure, if with any.
    fn ended(self, failure: Option<Failure>) {
        self.tell(failure);
    }

    fn tell(&self, failure: Option<Failure>) {
        let Some(admitted) = self.admitted.take() else {
            return;
        };
        let told = failure.map_or(Told::Works, said_by);
        let standing = Arc::clone(&admitted.standing);
        if let Some(change) = admitted.over(told, self.iteration.now()) {
            let why = match failure {
                Some(failure) => format!("the last call ended with {failure}"),
                None => "it was ok".to_owned(),
            };
            self.resilience.tell(&standing, change, &why);
        }
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        if self.iteration.has_timed_out() {
            self.tell(Some(Failure::Timeout));
        }
    }
}

/// What a failure says of a target: that it does not work, or only that it was asked for what it has not.
fn said_by(failure: Failure) -> Told {
    const UNKNOWN: u32 = 2;
    const DEADLINE_EXCEEDED: u32 = 4;
    const RESOURCE_EXHAUSTED: u32 = 8;
    const INTERNAL: u32 = 13;
    const UNAVAILABLE: u32 = 14;
    const DATA_LOSS: u32 = 15;
    let is_its_fault = match failure {
        Failure::Grpc(code) => matches!(
            code.number(),
            UNKNOWN | DEADLINE_EXCEEDED | RESOURCE_EXHAUSTED | INTERNAL | UNAVAILABLE | DATA_LOSS
        ),
        Failure::Http(status) => status == 429 || status >= 500,
        // It may not have been asked at all.
        Failure::Expression => return Told::Nothing,
        Failure::Check => false,
        _ => true,
    };
    match is_its_fault {
        true => Told::Fails,
        false => Told::Works,
    }
}

/// Says what came of a call that took more than one attempt, however it ends.
struct Over<'a> {
    iteration: &'a Iteration<'a>,
    /// Attempts that were followed by another.
    failed: Cell<u32>,
}

impl Over<'_> {
    fn now(self, event: RetryEvent) {
        if self.failed.replace(0) > 0 {
            self.iteration.retry(event);
        }
    }
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        // What the end of the run cuts off did not fail.
        if self.failed.get() > 0 && self.iteration.has_timed_out() {
            self.iteration.retry(RetryEvent::Failed);
        }
    }
}

/// A rest of ours. A call that is cut off there has no other way to say it.
struct Resting<'a, W: Fn() -> String> {
    iteration: &'a Iteration<'a>,
    why: W,
}

impl<W: Fn() -> String> Drop for Resting<'_, W> {
    fn drop(&mut self) {
        self.iteration.explain(Failure::Timeout, || (self.why)());
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::outcome::GrpcCode;

    #[test_case(Failure::Connect => Told::Fails)]
    #[test_case(Failure::Timeout => Told::Fails)]
    #[test_case(Failure::Reset("CANCEL") => Told::Fails)]
    #[test_case(Failure::Http(503) => Told::Fails; "a proxy without a server")]
    #[test_case(Failure::Http(404) => Told::Works; "a wrong path")]
    #[test_case(Failure::Grpc(GrpcCode::new(14)) => Told::Fails; "unavailable")]
    #[test_case(Failure::Grpc(GrpcCode::new(5)) => Told::Works; "not found")]
    #[test_case(Failure::Grpc(GrpcCode::new(16)) => Told::Works; "unauthenticated")]
    #[test_case(Failure::Check => Told::Works)]
    #[test_case(Failure::Expression => Told::Nothing)]
    fn tells_whether_a_target_works(failure: Failure) -> Told {
        said_by(failure)
    }
}
