//! Steps in the lives of other scenarios' users.

use std::rc::Rc;

use super::prepare::Exchange;
use super::{UserConnections, WebsocketFactory, WebsocketWorkload, place};
use crate::driver::steps::{Guest, Life, OnWorker, Serve, Session, Steps};
use crate::outcome::Outcome;
use crate::scenario::ConnectionPer;
use crate::workload::{Iteration, UserId, WorkerContext};

impl Guest for WebsocketFactory {
    fn on_worker(&self, context: &WorkerContext) -> Rc<dyn OnWorker> {
        Rc::new(Serving(self.workload(context)))
    }
}

/// A workload that serves others' users.
struct Serving(WebsocketWorkload);

impl Serve for Serving {
    type Action = Exchange;
    type Own = UserConnections;

    fn life(&self) -> &Life<Exchange> {
        &self.0.pool.prepared.life
    }

    fn keeps_connections(&self) -> bool {
        self.0.pool.prepared.connection_per == ConnectionPer::User
    }

    async fn receive(&self, user: UserId) -> UserConnections {
        UserConnections {
            places: place::places_of(&self.0.pool, user, false).await,
        }
    }

    async fn walk(
        &self,
        steps: &Steps<Exchange>,
        session: &mut Session<UserConnections>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        steps.walk(&self.0.pool, session, iteration).await
    }

    async fn part_with(&self, own: UserConnections) {
        self.0.pool.close_all(own.take_open()).await;
    }
}
