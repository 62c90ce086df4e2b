//! Steps in the lives of other scenarios' users.

use std::rc::Rc;

use super::call::Call;
use super::{GrpcFactory, GrpcWorkload};
use crate::driver::steps::{Guest, Life, OnWorker, Serve, Session, Steps};
use crate::outcome::Outcome;
use crate::workload::{Iteration, UserId, WorkerContext};

impl Guest for GrpcFactory {
    fn on_worker(&self, context: &WorkerContext) -> Rc<dyn OnWorker> {
        Rc::new(Serving(self.workload(context)))
    }
}

/// A workload that serves others' users.
struct Serving(GrpcWorkload);

impl Serve for Serving {
    type Action = Call;
    type Own = ();

    fn life(&self) -> &Life<Call> {
        &self.0.prepared.life
    }

    /// They are the worker's, which users share.
    fn keeps_connections(&self) -> bool {
        true
    }

    async fn receive(&self, _: UserId) {
        self.0.pool.ensure_kept();
    }

    async fn walk(
        &self,
        steps: &Steps<Call>,
        session: &mut Session<()>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        steps.walk(&self.0.calls(), session, iteration).await
    }

    async fn part_with(&self, (): ()) {}
}
