//! The calls of an iteration, and where each of their attempts goes.

use std::cell::RefCell;
use std::rc::Rc;

use super::call::{Call, Kind};
use super::framing::Nobody;
use super::own::{Connections, UserConnection};
use super::resilience::Resilience;
use super::retry::{Attempt, Lost};
use super::unary::Outgoing;
use super::{filled, intercept, stream, unary};
use crate::clock::Nanos;
use crate::driver::http2::{Chosen, Place};
use crate::driver::steps::{Execute, Session};
use crate::outcome::Outcome;
use crate::workload::Iteration;

/// An iteration's calls. All of them go to one connection, unless the scenario has each choose where it goes; so do
/// attempts after a call's first.
pub(super) struct CallsOn<'a> {
    place: Rc<Place>,
    connections: &'a Connections,
    resilience: Option<&'a Resilience>,
    /// Where the next attempt goes, once that was chosen.
    chosen: RefCell<Option<Chosen>>,
}

impl<'a> CallsOn<'a> {
    #[inline]
    pub(super) fn new(
        own: &mut UserConnection,
        connections: &'a Connections,
        resilience: Option<&'a Resilience>,
    ) -> Self {
        let is_chosen = resilience.is_some_and(|it| it.choice().is_some());
        let place = match connections {
            // Its turn is the choice's to pass on.
            Connections::Shared(pool) if is_chosen => pool.any_place(),
            _ => connections.place(own),
        };
        Self {
            place,
            connections,
            resilience,
            chosen: RefCell::new(None),
        }
    }

    /// Which of the scenario's targets all of them go to at first; `None` where each chooses.
    #[inline]
    pub(super) fn common_target(&self) -> Option<usize> {
        let is_chosen = self.resilience.is_some_and(|it| it.choice().is_some());
        (!is_chosen).then_some(self.place.target)
    }

    /// Which of the scenario's targets the next call goes to; where each chooses, it does so now.
    #[inline]
    pub(super) fn target(&self) -> usize {
        let mut kept = self.chosen.borrow_mut();
        if kept.is_none() {
            *kept = self.choose(self.place.clock.now());
        }
        let chosen = kept.as_ref();
        chosen.map_or(self.place.target, |it| it.place.target)
    }

    /// Makes a call: `attempt` is told where to, which one it is, and whom to tell that a stream's answer has begun.
    #[inline]
    pub(super) async fn make(
        &self,
        iteration: &Iteration<'_>,
        mut attempt: impl AsyncFnMut(&Rc<Place>, Attempt, &dyn Fn()) -> Result<(), Lost>,
    ) -> Outcome {
        match self.resilience {
            None => match attempt(&self.place, Attempt::default(), &|| ()).await {
                Ok(()) => Outcome::Ok,
                Err(lost) => lost.failure.into(),
            },
            // Boxed, or every call would carry room for it.
            Some(resilience) => Box::pin(resilience.until_over(self, iteration, attempt)).await,
        }
    }

    /// Where the next attempt goes by a choice; `None` where no target takes it.
    pub(super) fn chosen(&self, now: Nanos) -> Option<Chosen> {
        let chosen = self.chosen.borrow_mut().take();
        chosen.or_else(|| self.choose(now))
    }

    fn choose(&self, now: Nanos) -> Option<Chosen> {
        self.resilience?.choose(self.connections, now)
    }

    /// Where a call's first attempt goes, where that is no choice.
    pub(super) fn first_place(&self) -> Rc<Place> {
        Rc::clone(&self.place)
    }

    /// Where an attempt goes after another failed: where the next iteration would, if users share connections.
    pub(super) fn further_place(&self) -> Rc<Place> {
        let place = self.connections.another();
        place.unwrap_or_else(|| Rc::clone(&self.place))
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
            Kind::Unary(call, message) => {
                let framed = match message.now(call.compression, session.scope()) {
                    Ok(framed) => framed,
                    Err(error) => return filled::came_to_nothing(&error, iteration),
                };
                let outgoing = Outgoing {
                    headers: &call.headers,
                    framed: &framed,
                };
                let attempt = async |place: &Rc<Place>, nth, _: &dyn Fn()| {
                    let (what, nth) = ((call, outgoing), (step, nth));
                    unary::attempt(what, targets, place, nth, iteration, &mut Nobody).await
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
