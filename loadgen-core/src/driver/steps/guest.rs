//! Steps that go elsewhere: what the driver of another protocol, or of other servers, does for a user in the
//! midst of its life.
//!
//! Each user has a session of that driver's beside its own one, which shares what was saved and what names
//! stand for. A step there is walked as any other is. Its times, its outcome and its checks are its own; its
//! connections, bytes and backends are none of the scenario's.

use std::fmt;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

use super::{Life, Session, Steps};
use crate::clock::Nanos;
use crate::driver::intercept::Interceptor;
use crate::expression::{Saved, Scope};
use crate::outcome::{Failure, Outcome};
use crate::workload::{
    BackendIndex, Iteration, MessageFault, Observer, SampleKind, StepSample, UserId, WorkerContext,
};

type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A driver that has made ready what goes elsewhere. Shared by all workers.
pub(in crate::driver) trait Guest: fmt::Debug + Send + Sync {
    /// What does it on one worker.
    fn on_worker(&self, context: &WorkerContext) -> Rc<dyn OnWorker>;
}

/// What a driver does on one worker for users of other scenarios.
pub(in crate::driver) trait Serve: 'static {
    /// What a step does.
    type Action: 'static;
    /// The driver's own part of a session.
    type Own: 'static;

    /// What was made ready.
    fn life(&self) -> &Life<Self::Action>;

    /// Whether users keep connections from one part of their life to the next.
    fn keeps_connections(&self) -> bool;

    /// A user's own part. Nothing need be open.
    async fn receive(&self, user: UserId) -> Self::Own;

    /// Goes through these steps.
    async fn walk(
        &self,
        steps: &Steps<Self::Action>,
        session: &mut Session<Self::Own>,
        iteration: &Iteration<'_>,
    ) -> Outcome;

    /// Ends whatever a user has open.
    async fn part_with(&self, own: Self::Own);
}

/// A [`Serve`], whatever it speaks.
pub(in crate::driver) trait OnWorker {
    fn receive(self: Rc<Self>, visitor: Visitor) -> Local<'static, Box<dyn Visit>>;
}

/// What a user brings along.
pub(in crate::driver) struct Visitor {
    pub(super) user: UserId,
    pub(super) saved: Saved,
    pub(super) scope: Option<Scope>,
    pub(super) interceptor: Option<Arc<dyn Interceptor>>,
}

/// A user at one of them.
pub(in crate::driver) trait Visit {
    /// Takes the step with this number among those that go there.
    fn act<'a>(&'a mut self, nth: usize, host: &'a Iteration<'_>) -> Local<'a, Outcome>;
    /// Whether it goes on when the part of the user's life is over.
    fn is_kept(&self) -> bool;
    fn end(self: Box<Self>) -> Local<'static, ()>;
}

struct Visiting<S: Serve> {
    host: Rc<S>,
    session: Session<S::Own>,
}

impl<S: Serve> OnWorker for S {
    fn receive(self: Rc<Self>, visitor: Visitor) -> Local<'static, Box<dyn Visit>> {
        Box::pin(async move {
            let own = Serve::receive(&*self, visitor.user).await;
            let session = Session::new(own).visiting(visitor);
            let visit: Box<dyn Visit> = Box::new(Visiting {
                host: self,
                session,
            });
            visit
        })
    }
}

impl<S: Serve> Visit for Visiting<S> {
    fn act<'a>(&'a mut self, nth: usize, host: &'a Iteration<'_>) -> Local<'a, Outcome> {
        Box::pin(async move {
            let observer = Quiet(host.observer());
            let iteration = host.beside(&observer);
            let steps = &self.host.life().elsewhere[nth];
            // Where the time of what is done here is up, this is dropped, in this order: the iteration is
            // told so, what is under way tells of it, the step ends.
            let _ending = iteration.ending_on_drop();
            let walk = pin!(self.host.walk(steps, &mut self.session, &iteration));
            let _telling = TimingOut(host, &iteration);
            let outcome = walk.await;
            host.was_elsewhere(iteration.paused());
            outcome
        })
    }

    fn is_kept(&self) -> bool {
        self.host.keeps_connections()
    }

    fn end(self: Box<Self>) -> Local<'static, ()> {
        Box::pin(async move { self.host.part_with(self.session.own).await })
    }
}

struct TimingOut<'a, 'b, 'c>(&'a Iteration<'b>, &'a Iteration<'c>);

impl Drop for TimingOut<'_, '_, '_> {
    fn drop(&mut self) {
        if self.0.has_timed_out() {
            self.1.times_out();
        }
    }
}

/// Where a user goes beside its own scenario's servers.
pub(super) struct Visits {
    to: Rc<[Rc<dyn OnWorker>]>,
    under_way: Box<[Option<Box<dyn Visit>>]>,
}

impl Visits {
    pub(super) fn new(to: &Rc<[Rc<dyn OnWorker>]>) -> Self {
        Self {
            under_way: to.iter().map(|_| None).collect(),
            to: Rc::clone(to),
        }
    }

    /// Takes a step there.
    pub(super) async fn act(
        &mut self,
        (which, nth): (usize, usize),
        visitor: impl FnOnce() -> Visitor,
        host: &Iteration<'_>,
    ) -> Outcome {
        let visit = match &mut self.under_way[which] {
            Some(visit) => visit,
            none => none.insert(Rc::clone(&self.to[which]).receive(visitor()).await),
        };
        visit.act(nth, host).await
    }

    /// A part of the user's life is over: ends those that are not kept, or all where it was the last.
    pub(super) async fn part_is_over(&mut self, was_last: bool) {
        for visit in &mut self.under_way {
            if let Some(visit) = visit.take_if(|it| was_last || !it.is_kept()) {
                visit.end().await;
            }
        }
    }
}

/// Passes on what is of a step, and nothing of connections: those of the record are the scenario's own.
pub(super) struct Quiet<O>(pub(super) O);

impl<'a, O: Deref<Target = dyn Observer + 'a>> Observer for Quiet<O> {
    fn step(&self, sample: StepSample) {
        self.0.step(StepSample {
            backend: None,
            target: None,
            connection: None,
            ..sample
        });
    }
    fn sample(&self, step: usize, kind: SampleKind, value: Nanos) {
        self.0.sample(step, kind, value);
    }
    fn messages(&self, step: usize, _: Option<BackendIndex>, sent: u64, received: u64) {
        self.0.messages(step, None, sent, received);
    }
    fn message_fault(&self, step: usize, fault: MessageFault, count: u64) {
        self.0.message_fault(step, fault, count);
    }
    fn explain(&self, step: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        self.0.explain(step, failure, detail);
    }
    fn check(&self, step: usize, check: usize, passed: bool, example: &mut dyn FnMut() -> String) {
        self.0.check(step, check, passed, example);
    }
}
