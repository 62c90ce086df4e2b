//! Steps in the lives of other scenarios' users.

use std::rc::Rc;

use super::place::Place;
use super::prepare::Asking;
use super::{HttpFactory, HttpWorkload, UserConnection};
use crate::driver::steps::{Guest, Life, OnWorker, Serve, Session, Steps};
use crate::outcome::Outcome;
use crate::scenario::ConnectionPer;
use crate::workload::{Iteration, UserId, WorkerContext};

impl Guest for HttpFactory {
    fn on_worker(&self, context: &WorkerContext) -> Rc<dyn OnWorker> {
        Rc::new(Serving(self.workload(context)))
    }
}

/// A workload that serves others' users.
struct Serving(HttpWorkload);

impl Serve for Serving {
    type Action = Asking;
    type Own = UserConnection;

    fn life(&self) -> &Life<Asking> {
        &self.0.pool.prepared.life
    }

    fn keeps_connections(&self) -> bool {
        self.0.pool.prepared.connection_per == ConnectionPer::User
    }

    async fn receive(&self, user: UserId) -> UserConnection {
        UserConnection(Place::empty(&self.0.pool, user))
    }

    async fn walk(
        &self,
        steps: &Steps<Asking>,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        steps.walk(&self.0.pool, session, iteration).await
    }

    async fn part_with(&self, mut own: UserConnection) {
        own.0.close(&self.0.pool);
    }
}
