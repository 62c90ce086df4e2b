use std::time::Duration;

use test_case::test_case;

use super::*;
use crate::report::{BreachCause, Capacity, Statistics, ThresholdResult};
use crate::units::Rate;

const GOAL: &str = "response_time.p99 < 20ms";
/// What one user alone is answered in.
const ALONE: f64 = 0.001;

/// A service that holds its goal up to a rate, and what may be wrong with it.
#[derive(Clone, Copy)]
struct Service {
    capacity: f64,
    /// Whether the goal is held whatever is offered.
    is_lenient: bool,
    /// Whether one user is too much.
    breaks_alone: bool,
    /// What the generator can offer.
    offered: f64,
    /// What one user alone is not turned away at.
    alone: f64,
    /// From which rate on it is gone afterwards, and for how many looks.
    dies_from: f64,
    gone_for: usize,
}

impl Service {
    const fn of(capacity: f64) -> Self {
        Self {
            capacity,
            is_lenient: false,
            breaks_alone: false,
            alone: f64::MAX,
            offered: f64::MAX,
            dies_from: f64::MAX,
            gone_for: 0,
        }
    }

    fn trial(&self, step: &TrialStep, from: Duration) -> Trial {
        let (rate_per_s, users) = match step.offered {
            Offered::Rate(rate) => (Some(rate), None),
            Offered::Users(users) => (None, Some(u64::from(users))),
        };
        let asked = rate_per_s.unwrap_or_else(|| users.unwrap_or(1) as f64 / ALONE);
        let is_alone = users.is_some();
        let asked = step.held_to.map_or(asked, |it| asked.min(it.per_second()));
        let is_turned_away = is_alone && asked > self.alone;
        let completed_per_s = match is_turned_away {
            true => self.alone,
            false => asked.min(self.capacity),
        };
        let holds = match is_alone {
            true => !self.breaks_alone && !is_turned_away,
            false => self.is_lenient || asked <= self.capacity,
        };
        let result = match (asked > self.offered && !is_alone, holds) {
            (true, _) => TrialResult::Invalid,
            (false, true) => TrialResult::Held,
            (false, false) => TrialResult::Broke,
        };
        // What is offered beyond the capacity waits: half of all for half of what the last waits for.
        let waits = step.duration.as_secs_f64() * (asked / completed_per_s - 1.0) / 2.0;
        let took = users.map_or(ALONE + waits, |users| users as f64 / completed_per_s);
        let response_time_us = Statistics {
            count: 1_000,
            p50: Some(took * 1e6),
            mean: Some(took * 1e6),
            ..Statistics::default()
        };
        Trial {
            purpose: step.purpose,
            rate_per_s,
            users,
            held_to_per_s: step.held_to.map(Rate::per_second),
            from_s: from.as_secs_f64(),
            duration_s: step.duration.as_secs_f64(),
            certain_after_s: None,
            result,
            reason: None,
            completed_per_s,
            error_rate: Some(match is_turned_away {
                true => 1.0 - self.alone / asked,
                false => 0.0,
            }),
            response_time_us,
            goals: vec![goal(holds)],
            cool_down_s: None,
        }
    }
}

fn goal(pass: bool) -> ThresholdResult {
    serde_json::from_value(serde_json::json!({
        "expression": GOAL, "observed": 1.0, "unit": "ms", "pass": pass
    }))
    .expect("a result")
}

fn plan() -> CapacityPlan {
    CapacityPlan {
        budget: Duration::from_secs(90),
        ..CapacityPlan::default()
    }
}

fn rate(per_second: f64) -> Rate {
    Rate::new(per_second).expect("a rate")
}

/// Looks for it, and stops after so many trials.
fn searched(service: Service, plan: &CapacityPlan, most_trials: usize) -> (Capacity, Vec<f64>) {
    let mut course = Course::new(plan, 1, 1_000).expect("a course");
    let mut elapsed = Duration::ZERO;
    let mut tried = Vec::new();
    let mut gone = 0;
    let mut died = false;
    for _ in 0..10_000 {
        if course.trials.len() >= most_trials {
            course.stop();
        }
        match course.next(elapsed) {
            Step::Done => {
                let goals = [GOAL.parse().expect("a condition")];
                return (course.found(&goals, elapsed), tried);
            }
            Step::Trial(step) => {
                let trial = service.trial(&step, elapsed);
                elapsed += step.duration;
                tried.extend(trial.rate_per_s);
                if !died && trial.rate_per_s.is_some_and(|it| it >= service.dies_from) {
                    (gone, died) = (service.gone_for, true);
                }
                let seen = seen(&trial);
                course.enter(trial, seen, elapsed);
            }
            Step::Rest(lasts) => elapsed += lasts,
            Step::CoolDown(lasts) => {
                elapsed += lasts;
                let is_gone = gone > 0;
                gone = gone.saturating_sub(1);
                match is_gone {
                    true => course.gone(elapsed),
                    false => course.cooled(Look::Answered(ALONE * 1e6), elapsed),
                }
            }
        }
    }
    panic!("it never ends");
}

#[test_case(37.0)]
#[test_case(940.0; "less than one user gets")]
#[test_case(5_000.0)]
#[test_case(80_000.0)]
fn finds_what_a_service_holds(capacity: f64) {
    let (found, _) = searched(Service::of(capacity), &plan(), usize::MAX);
    let (lower, upper) = (found.lower_per_s.unwrap(), found.upper_per_s.unwrap());
    assert_eq!(found.end, CapacityEnd::Settled, "{}", found.summary);
    assert!(lower <= capacity && capacity < upper, "{lower} to {upper}");
    assert!(found.width.unwrap() <= 0.02);
    assert!(found.confirmed);
    assert!(found.took_s < 90.0, "{}", found.took_s);
    assert_eq!(found.at_lower.held, found.at_lower.of);
    assert_eq!(found.goals[0].holds_at_per_s, Some(lower));
}

#[test]
fn users_are_doubled_until_no_more_completes() {
    let (found, _) = searched(Service::of(5_000.0), &plan(), usize::MAX);
    let of_users = found.trials.iter().filter_map(|it| it.users);
    assert_eq!(of_users.collect::<Vec<_>>(), [1, 2, 4, 8, 16]);
    let law = found.scalability.expect("enough for a law");
    assert!(law.from_users >= 1.0 && law.to_users <= 16.0);
}

#[test_case(Service { breaks_alone: true, ..Service::of(5_000.0) } => CapacityEnd::Idle)]
#[test_case(Service { is_lenient: true, ..Service::of(5_000.0) } => CapacityEnd::Unbounded)]
#[test_case(Service { offered: 3_000.0, ..Service::of(5_000.0) } => CapacityEnd::Generator)]
#[test_case(Service { dies_from: 5_100.0, gone_for: usize::MAX, ..Service::of(5_000.0) } => CapacityEnd::Died)]
#[test_case(Service { dies_from: 5_100.0, gone_for: 3, ..Service::of(5_000.0) } => CapacityEnd::Settled; "gone for a while")]
fn ends(service: Service) -> CapacityEnd {
    let (found, _) = searched(service, &plan(), usize::MAX);
    if service.gone_for > 0 {
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    }
    if found.end == CapacityEnd::Generator {
        let lower = found.lower_per_s.unwrap();
        assert!(lower <= 3_000.0 && lower > 2_500.0, "{lower}");
    }
    found.end
}

/// One user who asks again at once is turned away by a service that takes half as much.
#[test_case(Some(100.0) => (CapacityEnd::Settled, vec![1, 1]); "it is held to the lowest rate")]
#[test_case(None => (CapacityEnd::Idle, vec![1]); "how fast it may ask is not known")]
#[test_case(Some(700.0) => (CapacityEnd::Idle, vec![1, 1]); "that is too fast as well")]
#[test_case(Some(1_500.0) => (CapacityEnd::Idle, vec![1]); "that is faster")]
fn one_user_is_turned_away(from: Option<f64>) -> (CapacityEnd, Vec<u64>) {
    let plan = CapacityPlan {
        from: from.map(rate),
        ..plan()
    };
    let service = Service {
        alone: 500.0,
        ..Service::of(500.0)
    };
    let (found, tried) = searched(service, &plan, usize::MAX);
    let told = found.notes.iter();
    let told = told.filter(|it| it.contains("one user alone made 1,000/s, and 50% of them failed"));
    let is_told = from.is_none_or(|it| it < 1_000.0);
    assert_eq!(told.count(), usize::from(is_told), "{:?}", found.notes);
    let lower = found
        .notes
        .iter()
        .filter(|it| it.contains("a lower `--from`"));
    assert_eq!(lower.count(), usize::from(from == Some(700.0)));
    if found.end == CapacityEnd::Settled {
        let first = "what was not turned away is where it begins";
        assert!((tried[0] - 500.0).abs() < 1.0, "{first}: {tried:?}");
        assert!(found.lower_per_s <= Some(500.0) && found.upper_per_s > Some(500.0));
    }
    let of_users = found.trials.iter().filter_map(|it| it.users);
    (found.end, of_users.collect())
}

#[test]
fn stays_in_its_range() {
    let within = CapacityPlan {
        from: Some(rate(1_000.0)),
        to: Some(rate(4_000.0)),
        ..plan()
    };
    for (capacity, end) in [
        (5_000.0, CapacityEnd::To),
        (2_000.0, CapacityEnd::Settled),
        (500.0, CapacityEnd::From),
    ] {
        let (found, tried) = searched(Service::of(capacity), &within, usize::MAX);
        assert_eq!(found.end, end, "{}", found.summary);
        assert!(
            tried.iter().all(|it| (1_000.0..=4_000.0).contains(it)),
            "{tried:?}"
        );
    }
}

/// Whenever somebody stops it there is what is known by then.
#[test]
fn may_be_stopped_at_any_time() {
    let service = Service::of(5_000.0);
    let (whole, _) = searched(service, &plan(), usize::MAX);
    for trials in 1..whole.trials.len() {
        let (found, _) = searched(service, &plan(), trials);
        assert_eq!(found.end, CapacityEnd::Stopped);
        assert!(found.lower_per_s.is_none_or(|it| it <= 5_000.0));
        assert!(found.upper_per_s.is_none_or(|it| it > 5_000.0));
    }
}

#[test]
fn the_same_service_is_searched_the_same_way() {
    let (one, tried) = searched(Service::of(5_000.0), &plan(), usize::MAX);
    let (other, again) = searched(Service::of(5_000.0), &plan(), usize::MAX);
    assert_eq!((one, tried), (other, again));
}

/// A slow goal and short trials: what is found is said to be as far off as it may be.
#[test]
fn short_trials_of_a_slow_goal_are_told_of() {
    let course = |longest| {
        Course::new(&plan(), 1, 1_000)
            .expect("a course")
            .allowing(longest)
    };
    assert_eq!(course(Duration::from_millis(20)).notes, [""; 0]);
    let notes = course(Duration::from_millis(600)).notes;
    assert!(notes[0].contains("up to 20% too high"), "{notes:?}");
}

fn seen(trial: &Trial) -> Seen {
    let asked = trial.rate_per_s;
    let fails = trial.error_rate > Some(0.0);
    Seen {
        kept: 1.0,
        pace: asked.map_or(1.0, |it| trial.completed_per_s / it),
        breach: fails.then(|| Breach {
            goal: goal(false),
            at_per_s: trial.completed_per_s,
            cause: BreachCause::Failing,
            step: None,
            backend: None,
            outcome: Some("grpc.RESOURCE_EXHAUSTED".to_owned()),
            explanation: String::new(),
        }),
    }
}

/// Enters what a service makes of a trial, changed.
fn entered(
    course: &mut Course,
    step: &TrialStep,
    elapsed: Duration,
    change: impl FnOnce(&mut Trial),
) {
    let mut trial = Service::of(5_000.0).trial(step, elapsed);
    change(&mut trial);
    let seen = seen(&trial);
    course.enter(trial, seen, elapsed);
}

fn trial_of(step: Step) -> TrialStep {
    match step {
        Step::Trial(step) => step,
        other => panic!("{other:?}"),
    }
}

fn invalid(trial: &mut Trial) {
    trial.result = TrialResult::Invalid;
    trial.reason = Some("the generator stood still".to_owned());
}

fn found(course: &Course) -> Capacity {
    course.found(
        &[GOAL.parse().expect("a condition")],
        Duration::from_secs(1),
    )
}

#[test]
fn one_user_alone_is_tried_again_where_the_generator_was_in_the_way() {
    let mut course = Course::new(&plan(), 1, 1_000).expect("a course");
    let first = trial_of(course.next(Duration::ZERO));
    assert!(!first.warm_up.is_zero());
    entered(&mut course, &first, first.duration, invalid);
    let second = trial_of(course.next(first.duration));
    assert_eq!(
        (second.purpose, second.warm_up),
        (TrialPurpose::Idle, Duration::ZERO)
    );
    entered(&mut course, &second, first.duration * 2, invalid);
    assert_eq!(course.next(first.duration * 2), Step::Done);
    let found = found(&course);
    assert_eq!(found.end, CapacityEnd::Generator);
    assert_eq!(
        found.summary,
        "no capacity is known: one user alone was not offered in time: the generator stood still"
    );
}

/// An answer may take longer than the trial: the next one is longer, and waits for the first.
#[test]
fn one_user_alone_is_waited_for() {
    let mut course = Course::new(&plan(), 1, 1_000).expect("a course");
    let first = trial_of(course.next(Duration::ZERO));
    entered(&mut course, &first, first.duration, |trial| {
        invalid(trial);
        trial.error_rate = None;
    });
    assert!(!course.knows(), "nothing came of it");
    let second = trial_of(course.next(first.duration));
    assert!(second.duration > first.duration && second.warm_up.is_zero());
    entered(
        &mut course,
        &second,
        first.duration + second.duration,
        |_| (),
    );
    let third = trial_of(course.next(first.duration + second.duration));
    assert_eq!(
        (third.purpose, third.offered),
        (TrialPurpose::Ramp, Offered::Users(2))
    );
    assert!(!third.warm_up.is_zero());
}

/// Who is rested for is tried, however little of the time is left after that.
#[test]
fn a_trial_that_was_chosen_is_made() {
    let service = Service::of(5_000.0);
    let (mut course, mut elapsed, mut rested) = (
        Course::new(&plan(), 1, 1_000).expect("a course"),
        Duration::ZERO,
        0,
    );
    loop {
        match course.next(elapsed) {
            Step::Done => break,
            Step::Trial(step) => {
                elapsed += step.duration;
                let trial = service.trial(&step, elapsed);
                entered(&mut course, &step, elapsed, |it| *it = trial);
            }
            Step::CoolDown(lasts) => {
                elapsed += lasts;
                course.cooled(Look::Answered(ALONE * 1e6), elapsed);
            }
            Step::Rest(lasts) => {
                rested += 1;
                elapsed += lasts;
                // Somebody else took more than all the time that there is.
                elapsed += Duration::from_secs(90);
                let next = course.next(elapsed);
                assert!(matches!(next, Step::Trial(_)), "{next:?}");
            }
        }
    }
    assert_eq!(rested, 1);
}

/// One straggler, or an answer that takes as long whatever the load, is not a service that falls behind.
#[test_case(Some(700_000.0), 2 => CapacityEnd::Stopped; "late once")]
#[test_case(Some(700_000.0), 3 => CapacityEnd::Unbounded; "late twice")]
#[test_case(Some(1_000.0), 5 => CapacityEnd::Stopped; "as fast as alone")]
fn falls_behind(p50_us: Option<f64>, trials: usize) -> CapacityEnd {
    let mut course = Course::new(&plan(), 1, 1).expect("a course");
    let mut elapsed = Duration::ZERO;
    for _ in 0..trials {
        let step = loop {
            match course.next(elapsed) {
                Step::Trial(step) => break step,
                Step::CoolDown(lasts) => {
                    elapsed += lasts;
                    course.cooled(Look::Answered(ALONE * 1e6), elapsed);
                }
                Step::Rest(lasts) => elapsed += lasts,
                Step::Done => return found(&course).end,
            }
        };
        elapsed += step.duration;
        entered(&mut course, &step, elapsed, |trial| {
            trial.result = TrialResult::Held;
            trial.goals = vec![goal(true)];
            if let Some(rate) = trial.rate_per_s {
                trial.completed_per_s = rate * 0.8;
                trial.response_time_us.p50 = p50_us;
            }
        });
    }
    found(&course).end
}

/// What was known when an error came is told, and is no pass.
#[test]
fn an_error_leaves_what_is_known() {
    let (mut course, mut elapsed) = (
        Course::new(&plan(), 1, 1).expect("a course"),
        Duration::ZERO,
    );
    for _ in 0..6 {
        match course.next(elapsed) {
            Step::Trial(step) => {
                elapsed += step.duration;
                entered(&mut course, &step, elapsed, |_| ());
            }
            Step::CoolDown(lasts) => {
                elapsed += lasts;
                course.cooled(Look::Answered(ALONE * 1e6), elapsed);
            }
            other => panic!("{other:?}"),
        }
    }
    course.fail("the workload panicked: oh".to_owned());
    assert_eq!(course.next(elapsed), Step::Done);
    let found = found(&course);
    assert_eq!(found.end, CapacityEnd::Failed);
    let lower = found.lower_per_s.expect("it is known");
    let expected = "as far as it was looked for: the workload panicked: oh";
    assert!(
        found.summary.ends_with(expected) && lower > 0.0,
        "{}",
        found.summary
    );
}
