//! The steps of an iteration, one after the other: the one place that walks them.
//!
//! Owns their order, the pauses between them, when each begins and ends, and what a user's steps have
//! in common. A driver executes one action and knows nothing of those around it; what an action may
//! be is the driver's too.

use std::time::Duration;

use crate::outcome::Outcome;
use crate::scenario;
use crate::workload::Iteration;

/// A scenario's steps, with the actions of a driver that has prepared them. Shared by all workers.
#[derive(Debug)]
pub(super) struct Steps<A>(Box<[Step<A>]>);

#[derive(Debug)]
enum Step<A> {
    /// Measured under the name of the step with this number; pauses have none.
    Speak {
        number: usize,
        action: A,
    },
    Pause(Duration),
}

/// What executes a scenario's actions, one at a time.
pub(super) trait Execute {
    /// What a step does, ready to be done.
    type Action;
    /// The driver's own part of a session.
    type Own;

    /// Executes the action of the step with this number.
    async fn execute(
        &self,
        action: &Self::Action,
        step: usize,
        session: &mut Session<Self::Own>,
        iteration: &Iteration<'_>,
    ) -> Outcome;
}

/// What a user keeps between iterations.
///
/// It is the step loop's, and a driver has its own part in it: what one step leaves for another belongs
/// to no protocol.
#[derive(Debug)]
pub struct Session<D> {
    /// The driver's part, such as the user's connections.
    pub(super) own: D,
}

impl<D> Session<D> {
    pub(super) fn new(own: D) -> Self {
        Self { own }
    }
}

impl<A> Steps<A> {
    /// Has a driver make the actions of a plan ready. It is told each step's place in the plan and its
    /// number; what it makes nothing of is left out.
    pub(super) fn prepare<P, E>(
        plan: &[scenario::Step<P>],
        mut ready: impl FnMut(&P, usize, usize) -> Result<Option<A>, E>,
    ) -> Result<Self, E> {
        let mut steps = Vec::with_capacity(plan.len());
        let mut number = 0;
        for (index, step) in plan.iter().enumerate() {
            match &step.action {
                scenario::Action::Pause(duration) => steps.push(Step::Pause(*duration)),
                scenario::Action::Speak(action) => {
                    let action = ready(action, index, number)?;
                    steps.extend(action.map(|action| Step::Speak { number, action }));
                    number += 1;
                }
            }
        }
        Ok(Self(steps.into()))
    }

    /// Goes through the steps until one fails.
    #[inline]
    pub(super) async fn walk<E: Execute<Action = A>>(
        &self,
        executor: &E,
        session: &mut Session<E::Own>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        for step in &self.0 {
            match step {
                Step::Pause(duration) => iteration.pause(*duration).await,
                Step::Speak { number, action } => {
                    iteration.begin_step(*number);
                    let outcome = executor.execute(action, *number, session, iteration).await;
                    iteration.end_step(outcome);
                    if !outcome.is_ok() {
                        return outcome;
                    }
                }
            }
        }
        Outcome::Ok
    }
}

#[cfg(test)]
mod tests;
