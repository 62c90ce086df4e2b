//! Steps in the lives of other scenarios' users.

use std::rc::Rc;

use super::prepare::Exchange;
use super::{TcpFactory, TcpWorkload, UserConnection};
use crate::driver::steps::{Guest, Life, OnWorker, Serve, Session, Steps};
use crate::outcome::Outcome;
use crate::workload::{Iteration, UserId, WorkerContext};

impl Guest for TcpFactory {
    fn on_worker(&self, context: &WorkerContext) -> Rc<dyn OnWorker> {
        Rc::new(Serving(self.workload(context)))
    }
}

/// A workload that serves others' users.
struct Serving(TcpWorkload);

impl Serve for Serving {
    type Action = Exchange;
    type Own = UserConnection;

    fn life(&self) -> &Life<Exchange> {
        &self.0.pool.prepared.life
    }

    fn keeps_connections(&self) -> bool {
        self.0.keeps_connections()
    }

    async fn receive(&self, user: UserId) -> UserConnection {
        UserConnection::new(&self.0.pool, user)
    }

    async fn walk(
        &self,
        steps: &Steps<Exchange>,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        steps.walk(&self.0.pool, session, iteration).await
    }

    async fn part_with(&self, mut own: UserConnection) {
        own.close(&self.0.pool).await;
    }
}
