use std::cell::RefCell;
use std::convert::Infallible;

use super::*;
use crate::clock::{Clock, Nanos};
use crate::outcome::Failure;
use crate::workload::{
    BackendIndex, ConnectionEvent, Counter, Gauge, IterationSeed, MessageFault, Observer,
    SampleKind, StepSample, TargetIndex, Timing, UserId,
};

/// Executes actions that are outcomes, and keeps in the session which steps it was asked for.
struct Obedient;

impl Execute for Obedient {
    type Action = Outcome;
    type Own = Vec<usize>;

    async fn execute(
        &self,
        action: &Outcome,
        step: usize,
        session: &mut Session<Vec<usize>>,
        _: &Iteration<'_>,
    ) -> Outcome {
        session.own.push(step);
        *action
    }
}

/// Keeps what was told of steps, and counts rests.
#[derive(Default)]
struct Kept {
    steps: RefCell<Vec<(usize, Outcome)>>,
    rests: RefCell<u32>,
}

impl Observer for Kept {
    fn step(&self, sample: StepSample) {
        self.steps.borrow_mut().push((sample.step, sample.outcome));
    }
    fn rests(&self, begins: bool) {
        *self.rests.borrow_mut() += u32::from(begins);
    }
    fn sample(&self, _: usize, _: SampleKind, _: Nanos) {}
    fn messages(&self, _: usize, _: u64, _: u64) {}
    fn message_fault(&self, _: usize, _: MessageFault, _: u64) {}
    fn backend(&self, _: &[u8]) -> BackendIndex {
        0
    }
    fn explain(&self, _: Option<usize>, _: Failure, _: &mut dyn FnMut() -> String) {}
    fn check(&self, _: usize, _: usize, _: bool, _: &mut dyn FnMut() -> String) {}
    fn connection(&self, _: TargetIndex, _: ConnectionEvent) {}
    fn backed_off(&self, _: Nanos) {}
    fn bytes(&self, _: u64, _: u64) {}
    fn count(&self, _: Counter, _: u64) {}
    fn gauge(&self, _: Gauge, _: f64) {}
    fn timing(&self, _: Timing, _: Nanos) {}
}

#[tokio::test(start_paused = true)]
async fn goes_through_the_steps_until_one_fails() {
    let failed = Outcome::from(Failure::Protocol);
    let pause = || scenario::Step::pause(Duration::from_secs(1));
    let plan = [
        scenario::Step::new("first", Outcome::Ok),
        pause(),
        scenario::Step::new("second", failed),
        pause(),
        scenario::Step::new("third", Outcome::Ok),
    ];
    let steps = Steps::prepare(&plan, |outcome, _, _| Ok::<_, Infallible>(Some(*outcome)));
    let steps = steps.expect("nothing to go wrong");
    let kept = Kept::default();
    let iteration = Iteration::new(IterationSeed {
        clock: Clock::start(),
        observer: &kept,
        user: UserId(0),
        number: 0,
        due: 0,
        start: 0,
        queue_wait: 0,
        single_step: false,
    });
    let mut session = Session::new(Vec::new());
    let outcome = steps.walk(&Obedient, &mut session, &iteration).await;
    assert_eq!(outcome, failed);
    assert_eq!(session.own, [0, 1]);
    assert_eq!(*kept.steps.borrow(), [(0, Outcome::Ok), (1, failed)]);
    assert_eq!(*kept.rests.borrow(), 1);
}
