//! The calls of an iteration, and where each of their attempts goes.

use std::rc::Rc;

use super::call::{Call, Kind};
use super::framing::Nobody;
use super::own::{Connections, UserConnection};
use super::retry::{Lost, Retrying};
use super::{filled, intercept, stream, unary};
use crate::driver::http2::Place;
use crate::driver::steps::{Execute, Session};
use crate::outcome::Outcome;
use crate::workload::Iteration;

/// An iteration's calls. All of them go to one connection, but for attempts after a call's first.
pub(super) struct CallsOn<'a> {
    place: Rc<Place>,
    connections: &'a Connections,
    retrying: Option<&'a Retrying>,
}

impl<'a> CallsOn<'a> {
    #[inline]
    pub(super) fn new(
        place: &Rc<Place>,
        connections: &'a Connections,
        retrying: Option<&'a Retrying>,
    ) -> Self {
        Self {
            place: Rc::clone(place),
            connections,
            retrying,
        }
    }

    /// Which of the scenario's targets they go to at first.
    #[inline]
    pub(super) fn target(&self) -> usize {
        self.place.target
    }

    /// Makes a call: `attempt` is told where to and how many attempts have failed.
    #[inline]
    pub(super) async fn make(
        &self,
        iteration: &Iteration<'_>,
        mut attempt: impl AsyncFnMut(&Rc<Place>, u32) -> Result<(), Lost>,
    ) -> Outcome {
        match self.retrying {
            None => match attempt(&self.place, 0).await {
                Ok(()) => Outcome::Ok,
                Err(lost) => lost.failure.into(),
            },
            // Boxed, or every call would carry room for it.
            Some(retrying) => Box::pin(retrying.until_over(self, iteration, attempt)).await,
        }
    }

    /// Where a call's first attempt goes.
    pub(super) fn first_place(&self, iteration: &Iteration<'_>) -> Rc<Place> {
        iteration.goes_to(self.place.target);
        Rc::clone(&self.place)
    }

    /// Where an attempt goes after another failed: where the next iteration would, if users share connections.
    pub(super) fn further_place(&self, iteration: &Iteration<'_>) -> Rc<Place> {
        let place = self.connections.another().unwrap_or(&self.place);
        iteration.goes_to(place.target);
        Rc::clone(place)
    }
}

impl Execute for CallsOn<'_> {
    type Action = Call;
    type Own = UserConnection;

    #[inline]
    async fn execute(
        &self,
        call: &Call,
        step: usize,
        session: &mut Session<UserConnection>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        if let Some(eyes) = &session.watch {
            let eyes = eyes.clone();
            let run = intercept::run(call, eyes, self, step, session, iteration);
            return Box::pin(run).await;
        }
        let targets = &call.targets;
        match &call.kind {
            Kind::Unary(call) => {
                let attempt = async |place: &Rc<Place>, previous| {
                    let nth = (step, previous);
                    unary::attempt(call, targets, place, nth, iteration, &mut Nobody).await
                };
                self.make(iteration, attempt).await
            }
            // Boxed, or every unary iteration would carry room for it.
            Kind::Filled(call) => {
                Box::pin(filled::run(call, targets, self, step, session, iteration)).await
            }
            Kind::Stream(call) => {
                Box::pin(stream::run(call, targets, self, step, session, iteration)).await
            }
        }
    }
}
