//! Searches of services that answer as they are told to.

use std::time::Duration;

use proptest::prelude::*;
use test_case::test_case;

use super::{
    Answer, Class, End, Measured, Method, Next, Purpose, Range, Search, SearchError, Trial,
};
use crate::chance::mix_in;
use crate::units::Rate;

fn rate(per_second: f64) -> Rate {
    Rate::new(per_second).unwrap()
}

fn range(from: f64, to: f64, hint: Option<f64>) -> Range {
    Range {
        from: rate(from),
        to: rate(to),
        hint: hint.map(rate),
    }
}

fn method() -> Method {
    Method::within(Duration::from_secs(300), 0.02).unwrap()
}

fn held(held: &[bool]) -> Measured {
    Measured::Valid {
        held: held.iter().copied().map(Some).collect(),
        kept: 1.0,
    }
}

/// All trials of a search, and what it found; time does not pass unless trials take it.
fn searched(
    search: &mut Search,
    takes_time: bool,
    mut service: impl FnMut(&Trial) -> Measured,
) -> (Vec<Trial>, Answer) {
    let mut trials = Vec::new();
    let mut elapsed = Duration::ZERO;
    loop {
        match search.next(elapsed) {
            Next::Trial(trial) => {
                let measured = service(&trial);
                search.enter(trial, &measured);
                trials.push(trial);
                if takes_time {
                    elapsed += trial.duration + trial.rest;
                }
            }
            Next::Done(end) => return (trials, search.answer(end)),
        }
    }
}

/// What is found of a service that holds each goal up to a load.
fn found(range: Range, limits: &[f64]) -> Answer {
    let mut search = Search::new(method(), limits.len(), range).unwrap();
    let service = |trial: &Trial| {
        let goals = limits.iter().map(|it| trial.rate.per_second() <= *it);
        held(&goals.collect::<Vec<bool>>())
    };
    searched(&mut search, true, service).1
}

fn ends(answer: &Answer) -> (Option<f64>, Option<f64>) {
    let per_second = |bound: super::Bound| bound.rate.per_second();
    (answer.lower.map(per_second), answer.upper.map(per_second))
}

#[test_case(Some(4_700.0); "near")]
#[test_case(Some(50_000.0); "far too high")]
#[test_case(Some(200.0); "far too low")]
#[test_case(None)]
fn a_sharp_service_is_found_from_any_hint(hint: Option<f64>) {
    let answer = found(range(100.0, 50_000.0, hint), &[4_321.0]);
    assert_eq!(answer.end, End::Width, "{answer:?}");
    let (lower, upper) = ends(&answer);
    assert!(
        lower.unwrap() <= 4_321.0 && upper.unwrap() > 4_321.0,
        "{answer:?}"
    );
    assert!(
        answer.width.unwrap() <= 0.02 && answer.is_confirmed,
        "{answer:?}"
    );
    assert_eq!(answer.conditional, lower);
    assert!(!answer.is_contradicted);
}

#[test]
fn the_goal_that_breaks_first_decides() {
    let answer = found(
        range(100.0, 50_000.0, Some(5_000.0)),
        &[9_000.0, 4_000.0, 6_000.0],
    );
    assert_eq!(answer.decided_by, Some(1));
    let (lower, _) = ends(&answer);
    for goal in [0, 2] {
        let known = &answer.goals[goal];
        assert!(
            known.lower.unwrap().rate.per_second() >= lower.unwrap(),
            "{answer:?}"
        );
        assert!(
            known.upper.is_none_or(|it| it.rate.per_second() > 6_000.0),
            "{answer:?}"
        );
    }
    assert_eq!(answer.goals[1].upper, answer.upper);
}

#[test]
fn a_range_may_be_all_too_high_or_too_low() {
    let answer = found(range(1_000.0, 2_000.0, Some(1_500.0)), &[500.0]);
    assert_eq!(
        (answer.end, ends(&answer)),
        (End::LowestBroke, (None, Some(1_000.0)))
    );
    let answer = found(range(1_000.0, 2_000.0, Some(1_500.0)), &[5_000.0]);
    assert_eq!(
        (answer.end, ends(&answer)),
        (End::HighestHeld, (Some(2_000.0), None))
    );
    assert!(answer.is_confirmed);
    let answer = found(range(1_000.0, 1_000.0, None), &[5_000.0]);
    assert_eq!(
        (answer.end, ends(&answer)),
        (End::HighestHeld, (Some(1_000.0), None))
    );
}

#[test]
fn what_the_generator_cannot_offer_ends_the_way_up() {
    let mut search = Search::new(method(), 1, range(100.0, 50_000.0, Some(3_000.0))).unwrap();
    let (trials, answer) = searched(&mut search, true, |trial| {
        if trial.rate.per_second() > 4_000.0 {
            Measured::Invalid
        } else {
            held(&[true])
        }
    });
    assert_eq!(answer.end, End::GeneratorLimit, "{answer:?}");
    let (lower, upper) = ends(&answer);
    assert!(
        lower.unwrap() > 3_600.0 && answer.is_confirmed,
        "{answer:?}"
    );
    assert_eq!(upper, None);
    assert!(answer.generator_limit.unwrap().per_second() > 4_000.0);
    let invalid: Vec<Trial> = trials
        .into_iter()
        .filter(|it| it.rate.per_second() > 4_000.0)
        .collect();
    assert!(
        invalid.chunks(2).all(|it| it[0] == it[1]),
        "each twice: {invalid:?}"
    );
}

#[test]
fn an_invalid_trial_is_forgotten_when_it_can_be_made() {
    let mut search = Search::new(method(), 1, range(100.0, 50_000.0, Some(3_000.0))).unwrap();
    let mut number = 0;
    let (_, answer) = searched(&mut search, true, |trial| {
        number += 1;
        if number % 5 == 1 {
            Measured::Invalid
        } else {
            held(&[trial.rate.per_second() <= 3_333.0])
        }
    });
    assert_eq!(
        (answer.end, answer.generator_limit),
        (End::Width, None),
        "{answer:?}"
    );
}

#[test]
fn goals_that_break_below_the_generators_limit_give_an_upper_bound() {
    let mut search = Search::new(method(), 1, range(100.0, 50_000.0, Some(8_000.0))).unwrap();
    let (_, answer) = searched(&mut search, true, |trial| match trial.rate.per_second() {
        above if above > 7_000.0 => Measured::Invalid,
        rate => held(&[rate <= 4_321.0]),
    });
    assert_eq!(answer.end, End::Width, "{answer:?}");
    assert!(answer.upper.is_some() && answer.generator_limit.is_some());
}

/// A place that cannot be told, below a load that was offered and broke, is no limit.
#[test]
fn what_cannot_be_offered_between_the_bounds_leaves_them_apart() {
    let mut search = Search::new(method(), 1, range(100.0, 50_000.0, Some(5_300.0))).unwrap();
    let (_, answer) = searched(&mut search, true, |trial| match trial.rate.per_second() {
        between if between > 4_700.0 && between < 5_200.0 => Measured::Invalid,
        rate => held(&[rate <= 4_700.0]),
    });
    assert_eq!(answer.end, End::Undecided, "{answer:?}");
    let (lower, upper) = ends(&answer);
    assert!(
        lower.unwrap() <= 4_700.0 && upper.unwrap() >= 5_200.0,
        "{answer:?}"
    );
}

/// Of a trial that was ended before its time it is not known what would have become of the other goals.
#[test]
fn what_was_not_seen_is_not_held() {
    let mut search = Search::new(method(), 2, range(100.0, 50_000.0, Some(5_000.0))).unwrap();
    let (_, answer) = searched(&mut search, true, |trial| Measured::Valid {
        held: match trial.rate.per_second() <= 4_000.0 {
            true => vec![Some(true), Some(true)],
            false => vec![Some(false), None],
        },
        kept: 1.0,
    });
    assert_eq!(answer.decided_by, Some(0));
    let other = &answer.goals[1];
    assert_eq!(
        other.lower.map(|it| it.rate),
        answer.lower.map(|it| it.rate)
    );
    assert_eq!(other.upper, None, "{other:?}");
}

#[test]
fn a_lower_bound_that_is_not_confirmed_is_given_up() {
    let mut search = Search::new(method(), 1, range(100.0, 50_000.0, Some(5_000.0))).unwrap();
    // Who lasts longer shows what shorter trials do not.
    let (trials, answer) = searched(&mut search, true, |trial| {
        let limit = match trial.purpose {
            Purpose::Confirm => 4_700.0,
            _ => 5_000.0,
        };
        held(&[trial.rate.per_second() <= limit])
    });
    let failed = trials.iter().find(|it| it.purpose == Purpose::Confirm);
    let failed = failed.unwrap().rate;
    assert!(failed.per_second() > 4_700.0);
    let lower = answer.lower.unwrap();
    assert!(
        lower.rate < failed || lower.held < lower.trials,
        "{answer:?}"
    );
}

#[test]
fn a_budget_that_is_used_up_gives_the_best_bracket() {
    let mut search = Search::new(method(), 1, range(100.0, 50_000.0, Some(5_000.0))).unwrap();
    let between = Duration::from_secs(30);
    let mut elapsed = Duration::ZERO;
    let end = loop {
        match search.next(elapsed) {
            Next::Trial(trial) => {
                search.enter(trial, &held(&[trial.rate.per_second() <= 4_000.0]));
                elapsed += trial.duration + between;
            }
            Next::Done(end) => break end,
        }
    };
    let answer = search.answer(end);
    assert_eq!(answer.end, End::Budget);
    let (lower, upper) = ends(&answer);
    assert!(
        lower.unwrap() <= 4_000.0 && upper.unwrap() > 4_000.0,
        "{answer:?}"
    );
    assert!(elapsed <= method().budget + between);
}

#[test]
fn it_can_be_stopped_before_it_began() {
    let search = Search::new(method(), 2, range(100.0, 50_000.0, None)).unwrap();
    let answer = search.answer(End::Stopped);
    assert_eq!(
        (ends(&answer), answer.conditional, answer.width),
        ((None, None), None, None)
    );
    assert_eq!((answer.decided_by, answer.goals.len()), (None, 2));
    assert_eq!(answer.lower, None);
}

#[test]
fn a_service_that_holds_more_above_than_below_is_said_to() {
    let method = Method {
        doubt: 1.0,
        ..method()
    };
    let duration = method.final_duration;
    let mut search = Search::new(method, 1, range(100.0, 50_000.0, None)).unwrap();
    for (per_second, is_held) in [(1_000.0, true), (2_000.0, false), (3_000.0, true)] {
        let trial = Trial {
            rate: rate(per_second),
            duration,
            purpose: Purpose::Refine,
            rest: Duration::ZERO,
        };
        for _ in 0..3 {
            search.enter(trial, &held(&[is_held]));
        }
    }
    let answer = search.answer(End::Stopped);
    assert_eq!(ends(&answer), (Some(1_000.0), Some(2_000.0)));
    assert!(answer.is_contradicted);
    let next = search.next(Duration::ZERO);
    assert!(
        matches!(next, Next::Trial(trial) if trial.rate == rate(2_000.0)),
        "{next:?}"
    );
}

#[test]
fn bad_searches() {
    let none = Search::new(method(), 0, range(1.0, 2.0, None)).unwrap_err();
    assert_eq!(none, SearchError::NoGoals);
    let turned = Search::new(method(), 1, range(200.0, 100.0, None)).unwrap_err();
    assert_eq!(
        turned.to_string(),
        "the lowest load, 200/s, is above the highest, 100/s; expected it to be below, or the same"
    );
    let unfit = Method {
        width: 0.0,
        ..method()
    };
    let unfit = Search::new(unfit, 1, range(1.0, 2.0, None)).unwrap_err();
    assert!(matches!(unfit, SearchError::Method(_)));
}

fn all_trials(
    seed: u64,
    goals: usize,
    range: Range,
    takes_time: bool,
) -> (Vec<Trial>, Search, Answer) {
    let mut search = Search::new(method(), goals, range).unwrap();
    let mut number = 0;
    let (trials, answer) = searched(&mut search, takes_time, |_| {
        number += 1;
        let chance = mix_in(seed, number);
        if chance.is_multiple_of(16) {
            return Measured::Invalid;
        }
        let goals = (0..goals as u64).map(|goal| !mix_in(chance, goal).is_multiple_of(3));
        held(&goals.collect::<Vec<bool>>())
    });
    (trials, search, answer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever becomes of trials, and though no time passes.
    #[test]
    fn a_search_ends_and_its_bounds_agree(
        seed: u64,
        goals in 1..4_usize,
        from in 1.0..1_000.0_f64,
        times in 1.0..1_000.0_f64,
        hint in prop::option::of(1.0..1e6_f64),
        takes_time: bool,
    ) {
        let range = range(from, from * times, hint);
        let (trials, search, answer) = all_trials(seed, goals, range, takes_time);
        prop_assert!(trials.len() <= 151, "{}", trials.len());
        for trial in &trials {
            prop_assert!(range.from <= trial.rate && trial.rate <= range.to, "{trial:?}");
        }
        if let (Some(lower), Some(upper)) = (answer.lower, answer.upper) {
            prop_assert!(lower.rate < upper.rate, "{answer:?}");
        }
        if let Some(goal) = answer.decided_by {
            let at = answer.goals[goal].upper.map(|it| it.rate);
            prop_assert_eq!(at, answer.upper.map(|it| it.rate), "{:?}", answer);
        }
        for known in &answer.goals {
            let rate = |bound: Option<super::Bound>| bound.map(|it| it.rate);
            prop_assert!(rate(known.lower) >= rate(answer.lower), "{answer:?}");
            if let Some(upper) = known.upper {
                prop_assert!(answer.upper.is_none_or(|it| it.rate <= upper.rate), "{answer:?}");
            }
            if let (Some(lower), Some(upper)) = (known.lower, known.upper) {
                prop_assert!(lower.rate < upper.rate, "{known:?}");
            }
        }
        let bounds = answer.lower.into_iter().chain(answer.upper);
        for bound in bounds {
            prop_assert!(bound.held <= bound.trials && bound.trials > 0, "{bound:?}");
            let load = search.loads().into_iter().find(|it| it.rate == bound.rate);
            let class = load.map(|it| it.class);
            prop_assert_eq!(bound.is_settled, class != Some(Class::Undecided));
        }
        if answer.end == End::Width {
            prop_assert!(answer.width.is_some_and(|it| it <= 0.02), "{answer:?}");
        }
        let (again, _, same) = all_trials(seed, goals, range, takes_time);
        prop_assert_eq!(trials, again);
        prop_assert_eq!(answer, same);
    }

    #[test]
    fn a_sharp_capacity_is_always_found(
        capacity in 150.0..40_000.0_f64,
        hint in prop::option::of(100.0..50_000.0_f64),
    ) {
        let answer = found(range(100.0, 50_000.0, hint), &[capacity]);
        let (lower, upper) = ends(&answer);
        prop_assert!(lower.is_some_and(|it| it <= capacity), "{answer:?}");
        prop_assert!(upper.is_some_and(|it| it > capacity), "{answer:?}");
        // Few trials may leave it open whether chance has a part in them.
        prop_assert!(answer.width.is_some_and(|it| it <= 0.03), "{answer:?}");
    }
}
