//! The steps of a scenario, one after the other: the one place that walks them.
//!
//! Owns their order, the pauses between them, what is left out, repeated or chosen, when each begins and
//! ends, and what is done with replies. A driver executes one action and knows nothing of those around it;
//! what an action may be is the driver's too.
//!
//! The steps of a plan are a tree; they are walked as a list of instructions with jumps (`compile`), so that
//! going through them takes no stack. What a user's steps have in common is its [`Session`]; the parts of its
//! life are `life`'s.

mod after;
mod compile;
mod guest;
mod life;
mod mixture;
mod session;
mod stage;

use std::sync::Arc;

use self::mixture::Mixture;
use crate::driver::intercept::Watch;
use crate::expression::Expression;
use crate::outcome::{Failure, Outcome};
use crate::schedule::ThinkTime;
use crate::workload::Iteration;

pub(super) use self::after::{After, Looks};
pub(super) use self::compile::{At, Ready};
pub(super) use self::guest::{Guest, OnWorker, Serve};
pub(super) use self::life::{Life, Lives, Parts};
pub(super) use self::session::Reply;
pub use self::session::Session;
pub(crate) use self::stage::Stage;
pub(super) use self::stage::{Host, Invite, Invited};

/// Steps with the actions of a driver that has prepared them. Shared by all workers.
#[derive(Debug)]
pub(super) struct Steps<A> {
    code: Box<[Instruction<A>]>,
    /// How many loops there are.
    loops: usize,
}

#[derive(Debug)]
enum Instruction<A> {
    /// Measured under the name of the step with this number.
    Speak {
        number: usize,
        action: A,
        after: Option<Arc<After>>,
    },
    /// Goes elsewhere: to which of the guests, for which of its steps.
    Elsewhere(usize, usize),
    Pause(ThinkTime),
    /// Goes on there where this does not hold.
    Unless(Box<Condition>, usize),
    /// Goes on at one of these.
    Choose(Box<Mixture>),
    /// Goes on there.
    Jump(usize),
    /// Goes on there until it was done so many times.
    Again {
        which: usize,
        times: u32,
        from: usize,
    },
}

/// What decides whether a step is done.
#[derive(Debug)]
struct Condition {
    expression: Expression,
    /// Its place in the scenario.
    path: String,
}

/// What executes a scenario's actions, one at a time.
pub(super) trait Execute {
    /// What a step does, ready to be done.
    type Action;
    /// The driver's own part of a session.
    type Own;

    /// Executes the action of the step with this number. Where somebody looks at the reply, it is left in
    /// the session.
    async fn execute(
        &self,
        action: &Self::Action,
        step: usize,
        session: &mut Session<Self::Own>,
        iteration: &Iteration<'_>,
    ) -> Outcome;
}

impl<A> Steps<A> {
    fn none() -> Self {
        Self {
            code: Box::default(),
            loops: 0,
        }
    }

    /// Goes through the steps until one fails.
    #[inline]
    pub(super) async fn walk<E: Execute<Action = A>>(
        &self,
        executor: &E,
        session: &mut Session<E::Own>,
        iteration: &Iteration<'_>,
    ) -> Outcome {
        let mut at = 0;
        // Nothing is allocated for none.
        let mut rounds = vec![0_u32; self.loops];
        while let Some(instruction) = self.code.get(at) {
            at += 1;
            match instruction {
                Instruction::Speak {
                    number,
                    action,
                    after,
                } => {
                    iteration.begin_step(*number);
                    if let Some(after) = after.as_ref().filter(|it| it.is_of_each()) {
                        session.each = Some(Arc::clone(after));
                    }
                    let outcome = match &session.interceptor {
                        None => {
                            let outcome = executor.execute(action, *number, session, iteration);
                            let outcome = outcome.await;
                            match after {
                                None => outcome,
                                Some(after) => after.judge(outcome, *number, session, iteration),
                            }
                        }
                        // Boxed, or every iteration would carry room for it.
                        Some(interceptor) => {
                            let watch = Watch::new(interceptor);
                            let after = after.as_deref();
                            let speak = (action, *number, after);
                            Box::pin(watched(watch, speak, executor, session, iteration)).await
                        }
                    };
                    iteration.end_step(outcome);
                    if !outcome.is_ok() {
                        return outcome;
                    }
                }
                Instruction::Elsewhere(which, nth) => {
                    // Boxed, or every iteration would carry room for it.
                    let going = session.go_elsewhere((*which, *nth), iteration);
                    let outcome = Box::pin(going).await;
                    if !outcome.is_ok() {
                        return outcome;
                    }
                }
                Instruction::Pause(rest) => iteration.pause(session.draw(*rest)).await,
                Instruction::Unless(condition, to) => match condition.holds(session, iteration) {
                    Ok(true) => {}
                    Ok(false) => at = *to,
                    Err(failure) => return failure.into(),
                },
                Instruction::Choose(mixture) => {
                    at = mixture.choose(iteration.arrival(), session.part);
                }
                Instruction::Jump(to) => at = *to,
                Instruction::Again { which, times, from } => {
                    rounds[*which] += 1;
                    if rounds[*which] < *times {
                        at = *from;
                    } else {
                        rounds[*which] = 0;
                    }
                }
            }
        }
        Outcome::Ok
    }
}

/// Executes an action under the eyes of an interceptor, which is told how it is recorded.
async fn watched<E: Execute>(
    watch: Watch,
    (action, number, after): (&E::Action, usize, Option<&After>),
    executor: &E,
    session: &mut Session<E::Own>,
    iteration: &Iteration<'_>,
) -> Outcome {
    let _cut_off = watch.until_cut_off(iteration);
    session.watch = Some(watch.clone());
    let mut outcome = executor.execute(action, number, session, iteration).await;
    if let Some(after) = after {
        outcome = after.judge(outcome, number, session, iteration);
    }
    session.watch = None;
    watch.over(outcome, iteration);
    outcome
}

impl Condition {
    fn holds<D>(&self, session: &Session<D>, iteration: &Iteration<'_>) -> Result<bool, Failure> {
        self.expression.holds(session.scope()).map_err(|error| {
            let source = self.expression.source();
            iteration.explain(Failure::Expression, || {
                format!("{}: `{source}`: {error}", self.path)
            });
            Failure::Expression
        })
    }
}

#[cfg(test)]
mod tests;
