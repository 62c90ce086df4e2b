use std::cell::RefCell;

use test_case::test_case;

use super::*;
use crate::workload::ConnectionId;

const MS: Nanos = 1_000_000;

/// When the iterations of these tests were due and started, and how long they had to wait for a user.
const DUE: Nanos = MS;
const START: Nanos = 11 * MS;
const QUEUE_WAIT: Nanos = 4 * MS;

/// Keeps what was told of steps and rests.
#[derive(Default)]
struct Kept {
    steps: RefCell<Vec<StepSample>>,
    samples: RefCell<Vec<(SampleKind, Nanos)>>,
    backed_off: Cell<Nanos>,
    rests: Cell<u32>,
}

impl Observer for Kept {
    fn step(&self, sample: StepSample) {
        self.steps.borrow_mut().push(sample);
    }
    fn sample(&self, _: usize, kind: SampleKind, value: Nanos) {
        self.samples.borrow_mut().push((kind, value));
    }
    fn backed_off(&self, rest: Nanos) {
        self.backed_off.set(self.backed_off.get() + rest);
    }
    fn rests(&self, begins: bool) {
        self.rests.set(self.rests.get() + u32::from(begins));
    }
}

/// An iteration that starts at [`START`], on a clock that is past it.
fn iteration(kept: &Kept, single_step: bool) -> Iteration<'_> {
    let clock = Clock::start();
    past(clock, START);
    Iteration::new(IterationSeed {
        clock,
        observer: kept,
        user: UserId(0),
        number: 0,
        arrival: None,
        due: DUE,
        start: START,
        queue_wait: QUEUE_WAIT,
        single_step,
        load_end: None,
    })
}

fn past(clock: Clock, until: Nanos) {
    while clock.now() < until {
        std::hint::spin_loop();
    }
}

/// What comes before the start.
fn before() -> Split {
    Split {
        queue_wait: QUEUE_WAIT,
        start_lag: START - DUE - QUEUE_WAIT,
        ..Split::default()
    }
}

#[test]
fn parts_add_up_to_what_was_seen() {
    let kept = Kept::default();
    let it = iteration(&kept, true);
    it.sent(START + 2 * MS);
    it.received(START + 7 * MS);
    let (split, end) = it.split(START + 8 * MS, false);
    let expected = Split {
        send_lag: 2 * MS,
        service_time: 5 * MS,
        read_lag: Some(MS),
        ..before()
    };
    assert_eq!((split, end), (expected, START + 7 * MS));
    assert_eq!(split.response_time(), end - DUE);
    assert_eq!(split.undelayed(), QUEUE_WAIT + 5 * MS);
    assert_eq!(split.generator(), 6 * MS + 2 * MS + MS);
}

#[test]
fn a_workload_that_says_nothing_has_service_time_alone() {
    let kept = Kept::default();
    let (split, end) = iteration(&kept, true).split(START + 8 * MS, false);
    let expected = Split {
        service_time: 8 * MS,
        ..before()
    };
    assert_eq!((split, end), (expected, START + 8 * MS));
}

/// A stamp from before the start or after it was seen is none.
#[test]
fn an_impossible_stamp_is_none() {
    for at in [START - 1, START + 9 * MS] {
        let kept = Kept::default();
        let it = iteration(&kept, true);
        it.received(at);
        let (split, end) = it.split(START + 8 * MS, false);
        assert_eq!((split.read_lag, end), (None, START + 8 * MS), "{at}");
    }
}

/// What was sent after the reply came is not more than there was time.
#[test]
fn no_part_is_negative() {
    let kept = Kept::default();
    let it = iteration(&kept, true);
    it.sent(START + 9 * MS);
    it.received(START + 7 * MS);
    let (split, _) = it.split(START + 8 * MS, false);
    assert_eq!((split.send_lag, split.service_time), (7 * MS, 0));
}

#[test]
fn waits_that_are_not_ours_are_the_services() {
    let kept = Kept::default();
    let it = iteration(&kept, true);
    it.ready(START + 3 * MS);
    it.sent(START + 4 * MS);
    it.received(START + 8 * MS);
    let (split, _) = it.split(START + 8 * MS, false);
    assert_eq!((split.send_lag, split.service_time), (MS, 7 * MS));
}

#[test]
fn a_back_off_is_in_no_time() {
    let kept = Kept::default();
    let it = iteration(&kept, true);
    it.backed_off(3 * MS);
    let (split, _) = it.split(START + 8 * MS, false);
    assert_eq!(split.service_time, 5 * MS);
    assert_eq!(kept.backed_off.get(), 3 * MS);
}

/// Of replies in one read all but the last may have been there for as long as they were not read.
#[test]
fn a_shared_stamp_is_in_doubt_by_the_read_lag() {
    // Since when it may have been there, how late it was read; the doubt, and how much of it counts.
    for (since, read_lag, doubt, maybe) in [(0, 2, 5, 2), (6, 3, 1, 1), (0, 9, 5, 5), (7, 9, 0, 0)]
    {
        let kept = Kept::default();
        let it = iteration(&kept, true);
        it.sent(START + 2 * MS);
        it.received_within(Receipt {
            since: START + since * MS,
            at: START + 7 * MS,
        });
        let (split, _) = it.split(START + (7 + read_lag) * MS, false);
        assert_eq!(split.doubt, doubt * MS, "{since} {read_lag}");
        assert_eq!(split.maybe_read_lag, maybe * MS, "{since} {read_lag}");
        assert_eq!(split.service_time, 5 * MS, "it is not known");
        assert_eq!(split.undelayed(), QUEUE_WAIT + (5 - maybe) * MS);
        assert_eq!(split.is_in_doubt(), doubt > 0);
    }
}

#[test]
fn a_message_in_doubt_by_little_is_not_worth_a_word() {
    let kept = Kept::default();
    let it = iteration(&kept, true);
    let doubtful = Receipt {
        since: 0,
        at: 100_000,
    };
    it.message_received(0, Receipt::at(7), MS);
    it.message_received(0, doubtful, 40_000);
    it.message_received(0, doubtful, 100 * MS);
    assert_eq!(kept.samples.take(), []);
    it.message_received(0, doubtful, 60_000);
    it.message_received(0, doubtful, MS);
    let doubts = [60_000, 100_000].map(|doubt| (SampleKind::MessageDoubt, doubt));
    assert_eq!(kept.samples.take(), doubts);
}

#[test]
fn one_that_was_cut_off_had_no_reply() {
    let kept = Kept::default();
    let it = iteration(&kept, true);
    it.received(START + MS);
    let (split, end) = it.split(START + 8 * MS, true);
    assert_eq!((split.read_lag, split.service_time), (None, 8 * MS));
    assert_eq!(end, START + 8 * MS);
}

#[tokio::test]
async fn a_later_step_is_due_when_the_one_before_was_received() {
    let kept = Kept::default();
    let it = iteration(&kept, false);
    let mut received = 0;
    let first = it.step(0, async {
        it.sent(START + MS);
        past(it.clock, START + 2 * MS);
        received = it.now();
        it.received(received);
        past(it.clock, received + 3 * MS);
        Outcome::Ok
    });
    first.await;
    let second = it.step(1, async {
        it.sent(it.now());
        Outcome::Ok
    });
    second.await;
    let steps = kept.steps.take();
    let [a, b] = [steps[0].split, steps[1].split];
    assert_eq!((a.queue_wait, a.start_lag), (QUEUE_WAIT, 6 * MS));
    assert_eq!((a.send_lag, a.response_time()), (MS, received - DUE));
    let read_lag = a.read_lag.expect("it was received");
    assert!(read_lag >= 3 * MS, "{read_lag}");
    assert_eq!((b.start_lag, b.queue_wait, b.read_lag), (read_lag, 0, None));
    // The steps' own times are the iteration's.
    let seen = received + b.response_time();
    let (whole, end) = it.split(seen, false);
    assert_eq!(end, seen);
    assert_eq!(whole.response_time(), a.response_time() + b.response_time());
    assert_eq!(whole.send_lag, a.send_lag + b.start_lag + b.send_lag);
    assert_eq!(whole.service_time, a.service_time + b.service_time);
}

#[tokio::test]
async fn a_pause_is_in_no_time_and_begins_with_the_reply() {
    let kept = Kept::default();
    let it = iteration(&kept, false);
    let mut received = 0;
    let first = it.step(0, async {
        received = it.now();
        it.received(received);
        past(it.clock, received + 3 * MS);
        Outcome::Ok
    });
    first.await;
    it.pause(Duration::from_millis(5)).await;
    assert!(it.paused() >= 8 * MS, "{}", it.paused());
    let second = it.step(1, async { Outcome::Ok });
    second.await;
    let steps = kept.steps.take();
    let (a, b) = (steps[0].split, steps[1].split);
    assert_eq!(b.start_lag, 0, "it was due at the pause's end");
    let seen = received + it.paused() + b.response_time();
    let (whole, _) = it.split(seen, false);
    assert_eq!(whole.response_time(), a.response_time() + b.response_time());
    assert_eq!(kept.rests.get(), 1);
}

#[tokio::test]
async fn a_step_that_is_cut_off_is_told_of() {
    let kept = Kept::default();
    let it = iteration(&kept, false);
    it.sent(START);
    let polled = futures::poll!(Box::pin(it.step(0, async {
        it.received(START + MS);
        std::future::pending().await
    })));
    assert!(polled.is_pending());
    it.cut_off(START + 9 * MS, Outcome::Ok);
    let [step] = kept.steps.take()[..] else {
        panic!("one step");
    };
    assert_eq!(
        (step.split.service_time, step.split.read_lag),
        (9 * MS, None)
    );
}

/// A step that goes nowhere is unsent, unless a target was given it before.
#[test_case(&[], false; "said nothing")]
#[test_case(&[None], true; "nowhere")]
#[test_case(&[None, Some(1)], false; "somewhere after all")]
#[test_case(&[Some(1), None], false; "nowhere in the end")]
fn a_step_may_be_unsent(went: &[Option<usize>], expected: bool) {
    let kept = Kept::default();
    let iteration = iteration(&kept, false);
    // Of the step before.
    iteration.goes_to(2);
    iteration.begin_step(0);
    for target in went {
        match target {
            Some(target) => iteration.goes_to(*target),
            None => iteration.goes_nowhere(),
        }
    }
    iteration.end_step(Failure::Timeout.into());
    assert_eq!(kept.steps.borrow()[0].is_unsent, expected);
}

/// Whoever looks at steps can tell whose they were, when they were due, and where they went.
#[tokio::test]
async fn a_step_knows_its_user_target_and_connection() {
    let kept = Kept::default();
    let iteration = iteration(&kept, false);
    iteration.goes_to(3);
    let connection = ConnectionId::next();
    let over = iteration.step(0, async {
        iteration.goes_over(connection);
        Outcome::Ok
    });
    over.await;
    iteration.step(1, async { Failure::Connect.into() }).await;
    let steps = kept.steps.borrow();
    assert_eq!([steps[0].user, steps[1].user], [UserId(0); 2]);
    assert_eq!([steps[0].target, steps[1].target], [Some(3); 2]);
    assert_eq!(steps[0].connection, Some(connection));
    assert_eq!(steps[1].connection, None, "it came to have none");
    let end = steps[0].due + steps[0].split.response_time();
    assert_eq!([steps[0].due, steps[1].due], [DUE, end]);
    assert_eq!(steps[0].ended, end);
    assert_ne!(ConnectionId::next(), connection);
}

/// A redirection, or one more attempt, may go to somebody else, who may say nothing.
#[test]
fn a_request_that_is_made_again_is_nobodys_yet() {
    let kept = Kept::default();
    let iteration = iteration(&kept, true);
    iteration.goes_over(ConnectionId::next());
    iteration.answered_by(b"a");
    assert!(iteration.backend().is_some() && iteration.connection().is_some());
    iteration.asks_again();
    assert_eq!((iteration.backend(), iteration.connection()), (None, None));
    // Nor is it somebody's who says nothing.
    iteration.answered_by(b"");
    assert_eq!(iteration.backend(), None);
}

/// Once it is concluded, an iteration rests no longer than the load lasts.
#[tokio::test(start_paused = true)]
async fn a_rest_behind_an_iteration_ends_with_the_load() {
    let (kept, end) = (Kept::default(), LoadEnd::default());
    let clock = Clock::start();
    let iteration = Iteration::new(IterationSeed {
        load_end: Some(&end),
        ..IterationSeed::new(clock, &kept)
    });
    let from = tokio::time::Instant::now();
    iteration.rest_after(Duration::from_secs(7)).await;
    assert_eq!(from.elapsed(), Duration::from_secs(7));
    let over = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        end.come(clock.now());
    };
    tokio::join!(iteration.rest_after(Duration::from_secs(7)), over);
    assert_eq!(from.elapsed(), Duration::from_secs(9));
    iteration.rest_after(Duration::from_secs(7)).await;
    assert_eq!(from.elapsed(), Duration::from_secs(9), "it is over");
    assert_eq!(kept.rests.get(), 3);
}
