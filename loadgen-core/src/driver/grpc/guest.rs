//! Steps in the lives of other scenarios' users.

use std::rc::Rc;

use super::call::Call;
use super::own::UserConnection;
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
    type Own = UserConnection;

    fn life(&self) -> &Life<Call> {
        &self.0.prepared.life
    }

    fn keeps_connections(&self) -> bool {
        self.0.connections.are_kept()
    }

    async fn receive(&self, user: UserId) -> UserConnection {
        self.0.connections.of(user)
    }

    async fn walk(
        &self,
        steps: &Steps<Call>,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let calls = self.0.calls(&mut session.own);
        steps.walk(&calls, session, iteration).await
    }

    async fn part_with(&self, own: UserConnection) {
        own.close().await;
    }
}
