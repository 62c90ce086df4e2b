//! A coordinator's decisions, without a clock and without a network.

use proptest::prelude::*;
use serde_json::json;
use test_case::test_case;

use super::super::proto::set_up::Ended;
use super::super::proto::{Data, EarlyEnd};
use super::*;

const SECOND: u64 = 1_000_000_000;
const NOTICE: Duration = Duration::from_millis(30);

fn policy(count: u32, at_least: u32) -> Policy {
    Policy {
        count,
        run_id: None,
        random_id: "random".to_owned(),
        wait: Duration::from_secs(60),
        at_least,
        wants_results: false,
    }
}

fn coordinator(count: u32) -> Coordinator {
    Coordinator::new(policy(count, count), 0)
}

fn hello(index: u32, count: u32) -> Hello {
    Hello {
        index,
        count,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: 0,
        run_id: String::new(),
        process: "process 7 on bench-1".to_owned(),
        data: rows("aa"),
        plan: json!({"scenarios": [{"name": "s", "load": {"closed": {"users": 8}}}]}).to_string(),
    }
}

fn rows(sha256: &str) -> Vec<Data> {
    vec![Data {
        scenario: "s".to_owned(),
        source: "users".to_owned(),
        sha256: sha256.to_owned(),
    }]
}

/// What this member was told.
fn told(outputs: &[Output], member: Member) -> Vec<&Said> {
    let its = outputs.iter().filter_map(|it| match it {
        Output::Tell(to, said) if *to == member => Some(said),
        _ => None,
    });
    its.collect()
}

/// Why the only thing that a member was told is that it may not take part.
fn refusal(outputs: &[Output], member: Member) -> String {
    match told(outputs, member).as_slice() {
        [Said::Refused(refused)] => refused.why.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

fn start(outputs: &[Output], member: Member) -> Option<u64> {
    told(outputs, member).into_iter().find_map(|it| match it {
        Said::Start(start) => Some(start.at),
        _ => None,
    })
}

/// All shards are there and ready: each is the member of its number.
fn running(count: u32) -> Coordinator {
    let mut state = coordinator(count);
    for index in 0..count {
        state.join(index.into(), hello(index, count), 0);
        state.ready(index.into(), NOTICE, 0);
    }
    assert!(state.has_begun());
    state
}

#[test]
fn all_begin_at_one_moment_once_the_last_is_ready() {
    let mut state = coordinator(3);
    for index in 0..3 {
        let outputs = state.join(index.into(), hello(index, 3), SECOND);
        let welcome = Welcome {
            run_id: "random".to_owned(),
            wants_result: false,
        };
        assert_eq!(told(&outputs, index.into()), [&Said::Welcome(welcome)]);
    }
    assert_eq!(state.ready(2, NOTICE, 2 * SECOND), []);
    assert_eq!(state.ready(0, 10 * NOTICE, 2 * SECOND), []);
    let outputs = state.ready(1, NOTICE, 3 * SECOND);
    // Whoever has to know of it the longest before decides.
    let at = 3 * SECOND + nanos(10 * NOTICE + HEADWAY);
    for member in 0..3 {
        assert_eq!(start(&outputs, member), Some(at));
    }
    assert_eq!(state.end(), None);
    for member in 0..3 {
        let outputs = state.over(member);
        assert_eq!(told(&outputs, member), [&Said::Farewell(Farewell {})]);
    }
    assert_eq!(state.end(), Some(End::Ran { lost: vec![] }));
}

#[test_case(|it| it.count = 4 => "this is shard 1 of 4, and the coordinator waits for 3")]
#[test_case(|it| it.version = "0.0.1".to_owned() => format!("shard 1 of 3 is loadgen 0.0.1, and the coordinator {}; use one version for all", env!("CARGO_PKG_VERSION")))]
#[test_case(|it| it.index = 0 => "another process (process 7 on bench-1) is shard 0 of 3 of this run; end one of the two, or give this one a `--shard` of its own")]
#[test_case(|it| it.index = 3 => "there is no shard 3 of 3")]
#[test_case(|it| it.seed = 7 => "shard 1 of 3 has another plan than the shards that are here:\n  `--seed` is 0 in shard 0 and 7 in shard 1 of 3")]
#[test_case(|it| it.plan = it.plan.replace('8', "9") => "shard 1 of 3 has another plan than the shards that are here:\n  `scenarios.s.load.closed.users` is 8 in shard 0 and 9 in shard 1 of 3"; "another plan")]
#[test_case(|it| it.data = rows("bb") => "shard 1 of 3 has another plan than the shards that are here:\n  the file of `scenarios.s.data.users` holds other rows in shard 0 than in shard 1 of 3: give all shards the same one"; "other rows")]
#[test_case(|it| it.run_id = "other".to_owned() => "shard 1 of 3 is of the run `other`, and the coordinator of `mine`: name the address of its own, or one `--run-id` for all")]
fn whoever_is_of_another_run_is_refused_by_name(change: fn(&mut Hello)) -> String {
    let mut state = coordinator(3);
    let mut first = hello(0, 3);
    first.run_id = "mine".to_owned();
    state.join(0, first, 0);
    let mut second = hello(1, 3);
    change(&mut second);
    let why = refusal(&state.join(1, second, 0), 1);
    // Its place is free for who is right.
    assert!(matches!(
        told(&state.join(2, hello(1, 3), 0), 2)[0],
        Said::Welcome(_)
    ));
    why
}

#[test]
fn a_run_that_has_a_name_takes_no_other() {
    let named = Policy {
        run_id: Some("mine".to_owned()),
        ..policy(2, 2)
    };
    let mut state = Coordinator::new(named, 0);
    let mut other = hello(0, 2);
    other.run_id = "other".to_owned();
    refusal(&state.join(0, other, 0), 0);
    match told(&state.join(1, hello(0, 2), 0), 1)[0] {
        Said::Welcome(welcome) => assert_eq!(welcome.run_id, "mine"),
        other => panic!("{other:?}"),
    };
}

#[test]
fn one_that_never_comes_ends_it_when_the_time_is_over() {
    let mut state = coordinator(4);
    for index in [0, 1] {
        state.join(index.into(), hello(index, 4), 0);
    }
    state.ready(0, NOTICE, 0);
    let (mut now, mut reminders) = (0, 0);
    let outputs = loop {
        now += SECOND;
        for member in [0, 1] {
            state.tick(member, now);
        }
        let outputs = state.time(now);
        if now >= 60 * SECOND {
            break outputs;
        }
        reminders += outputs.len();
    };
    assert_eq!(reminders, 5, "each ten seconds");
    let why = "the run did not begin: shards 2 and 3 of 4 did not come, and shard 1 of 4 did not get ready within 60 s";
    assert_eq!(refusal(&outputs, 0), why);
    assert_eq!(refusal(&outputs, 1), why);
    assert_eq!(state.end(), None, "two do not know it yet");
    assert_eq!(refusal(&state.join(9, hello(2, 4), now), 9), why);
    assert_eq!(state.end(), None);
    state.time(now + 31 * SECOND);
    assert!(matches!(state.end(), Some(End::NotBegun(refused)) if refused.why == why));
}

#[test]
fn it_begins_without_some_only_where_that_was_said() {
    let mut state = Coordinator::new(policy(4, 2), 0);
    for index in [0, 1, 2] {
        state.join(index.into(), hello(index, 4), 50 * SECOND);
    }
    state.ready(0, NOTICE, 50 * SECOND);
    state.ready(2, NOTICE, 50 * SECOND);
    for member in 0..3 {
        state.tick(member, 59 * SECOND);
    }
    let outputs = state.time(60 * SECOND);
    assert!(start(&outputs, 0).is_some());
    assert_eq!(start(&outputs, 0), start(&outputs, 2));
    let unready = "the run began without shard 1 of 4, which was not ready";
    assert_eq!(refusal(&outputs, 1), unready);
    let late = refusal(&state.join(9, hello(3, 4), 61 * SECOND), 9);
    assert_eq!(late, "the run has begun without shard 3 of 4");
    state.over(0);
    state.over(2);
    assert_eq!(state.end(), Some(End::Ran { lost: vec![1, 3] }));
}

#[test]
fn one_that_dies_before_the_start_may_come_again() {
    let mut state = coordinator(2);
    state.join(0, hello(0, 2), 0);
    state.ready(0, NOTICE, 0);
    state.join(1, hello(1, 2), 0);
    let outputs = state.lost(1, SECOND);
    let note = "shard 1 of 2 was lost before the load began".to_owned();
    assert_eq!(outputs, [Output::Note(note)]);
    state.join(5, hello(1, 2), SECOND);
    assert!(start(&state.ready(5, NOTICE, SECOND), 0).is_some());
}

#[test]
fn one_that_dies_under_way_is_missing_and_does_not_come_again() {
    let mut state = running(2);
    let outputs = state.lost(1, SECOND);
    let note = "shard 1 of 2 was lost: the others go on, and its part of the load is missing";
    assert_eq!(outputs, [Output::Note(note.to_owned())]);
    let again = refusal(&state.join(5, hello(1, 2), SECOND), 5);
    assert_eq!(
        again,
        "shard 1 of 2 has begun before and was started again: its load is not made twice; what it had made is in its \
         result, or in its journal"
    );
    // Whoever was refused has no part in anything, and its end is no loss.
    assert_eq!(state.lost(5, SECOND), []);
    state.over(0);
    assert_eq!(state.end(), Some(End::Ran { lost: vec![1] }));
    let after = refusal(&state.join(6, hello(0, 2), SECOND), 6);
    assert!(after.contains("has begun before"), "{after}");
}

#[test]
fn whoever_is_silent_is_lost() {
    let mut state = running(2);
    for second in 1..=11 {
        state.tick(0, second * SECOND);
        let outputs = state.time(second * SECOND);
        assert_eq!(outputs.is_empty(), second <= 10, "after {second} s");
    }
    assert_eq!(state.running(), 1);
}

#[test]
fn a_tick_is_answered() {
    let mut state = running(2);
    let outputs = state.tick(1, SECOND);
    assert_eq!(outputs, [Output::Tell(1, Said::Pulse(Pulse {}))]);
    assert_eq!(state.tick(9, SECOND), [], "of a stranger it is not");
}

#[test]
fn what_stops_one_stops_all() {
    let mut state = running(3);
    let outputs = state.stop(Some(1), Stop::default(), 0);
    for member in [0, 2] {
        let [Said::Stop(stop)] = told(&outputs, member)[..] else {
            panic!("{outputs:?}");
        };
        assert_eq!(
            (&*stop.why, stop.at_once),
            ("shard 1 of 3 was told to", false)
        );
    }
    assert!(told(&outputs, 1).is_empty(), "it knows");
    assert_eq!(state.stop(Some(2), Stop::default(), 0), [], "all know");
    let harder = Stop {
        at_once: true,
        ..Stop::default()
    };
    let outputs = state.stop(None, harder, 0);
    assert!(
        matches!(&told(&outputs, 1)[..], [Said::Stop(it)] if it.at_once && it.why == "the coordinator was told to")
    );
}

#[test]
fn a_condition_that_ends_one_ends_all() {
    let mut state = running(2);
    let end = EarlyEnd {
        scenario: "s".to_owned(),
        condition: "error_rate < 1%".to_owned(),
        at: SECOND,
        observed: 31.0,
    };
    let stop = Stop {
        early_end: Some(end.clone()),
        ..Stop::default()
    };
    let outputs = state.stop(Some(1), stop, 0);
    let [Said::Stop(stop)] = told(&outputs, 0)[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(stop.early_end, Some(end));
    assert_eq!(stop.why, "`error_rate < 1%` does not hold on shard 1 of 2");
}

#[test]
fn a_stop_before_the_load_is_the_end() {
    let mut state = coordinator(2);
    state.join(0, hello(0, 2), 0);
    let outputs = state.stop(None, Stop::default(), 0);
    assert!(matches!(told(&outputs, 0)[..], [Said::Stop(_)]));
    assert_eq!(state.end(), None, "until it is gone");
    state.lost(0, SECOND);
    assert_eq!(state.end(), None, "the other does not know it yet");
    let late = refusal(&state.join(1, hello(1, 2), SECOND), 1);
    assert_eq!(late, "all were stopped before the load began");
    assert_eq!(state.end(), Some(End::Stopped));
}

/// Whoever says it twice does not want to wait for those who may still come.
#[test]
fn a_second_stop_waits_for_nobody() {
    let mut state = coordinator(2);
    state.stop(None, Stop::default(), 0);
    state.time(SECOND);
    assert_eq!(state.end(), None);
    state.stop(None, Stop::default(), 2 * SECOND);
    state.time(2 * SECOND);
    assert_eq!(state.end(), Some(End::Stopped));
}

#[test]
fn what_one_has_set_up_all_have_and_whoever_comes_later() {
    let mut state = coordinator(3);
    state.join(0, hello(0, 3), 0);
    state.join(1, hello(1, 3), 0);
    let saved = SetUp {
        scenario: 0,
        ended: Some(Ended::Saved("[]".to_owned())),
    };
    assert_eq!(state.set_up(1, saved.clone()), [], "it is not its to do");
    assert_eq!(state.set_up(9, saved.clone()), [], "it has no place");
    let outputs = state.set_up(0, saved.clone());
    assert_eq!(told(&outputs, 1), [&Said::SetUp(saved.clone())]);
    let outputs = state.join(2, hello(2, 3), 0);
    assert_eq!(told(&outputs, 2)[1], &Said::SetUp(saved));
    // Another would save something else.
    let outputs = state.lost(0, SECOND);
    let why = "shard 0 of 3 was lost after it had done the `setup`";
    assert_eq!(refusal(&outputs, 1), why);
}

#[test]
fn what_keeps_one_from_beginning_keeps_all() {
    let mut state = coordinator(2);
    state.join(0, hello(0, 2), 0);
    state.join(1, hello(1, 2), 0);
    let failed = Failed {
        kind: Kind::Unreachable.into(),
        why: "no target could be reached".to_owned(),
    };
    let outputs = state.failed(1, &failed, 0);
    assert_eq!(told(&outputs, 1), [&Said::Farewell(Farewell {})]);
    assert_eq!(
        refusal(&outputs, 0),
        "shard 1 of 2: no target could be reached"
    );
    let Some(End::NotBegun(refused)) = state.end() else {
        panic!("{:?}", state.end());
    };
    assert_eq!(refused.kind(), Kind::Unreachable);
}

#[test]
fn who_says_twice_that_it_is_ready_is_told_once() {
    let mut state = coordinator(1);
    state.join(0, hello(0, 1), 0);
    let outputs = state.ready(0, NOTICE, 0);
    assert!(matches!(told(&outputs, 0)[..], [Said::Start(_)]));
    assert!(state.ready(0, NOTICE, SECOND).is_empty());
}

/// What may happen to a shard, in any order.
#[derive(Debug, Clone, Copy)]
enum Does {
    Join,
    Ready,
    Tick,
    Over,
    Lose,
    Fail,
    Stop,
    Wait,
}

proptest! {
    /// Whatever happens: nobody begins twice, all who begin do so at one moment, and it comes to an end when all are
    /// gone and the time is over.
    #[test]
    fn nobody_begins_twice(
        at_least in 1_u32..=3,
        deeds in prop::collection::vec(
            (0_u32..3, prop::sample::select(vec![
                Does::Join, Does::Join, Does::Ready, Does::Ready, Does::Tick, Does::Over, Does::Lose, Does::Fail,
                Does::Stop, Does::Wait, Does::Wait,
            ])),
            0..60,
        ),
    ) {
        let mut state = Coordinator::new(policy(3, at_least), 0);
        let mut members: [Option<Member>; 3] = [None; 3];
        let (mut next, mut now) = (0, 0);
        let mut began: Vec<(u32, u64)> = Vec::new();
        for (index, does) in deeds {
            let member = members[index as usize];
            let outputs = match (does, member) {
                (Does::Join, None) => {
                    next += 1;
                    members[index as usize] = Some(next);
                    state.join(next, hello(index, 3), now)
                }
                (Does::Ready, Some(it)) => state.ready(it, NOTICE, now),
                (Does::Tick, Some(it)) => state.tick(it, now),
                (Does::Over, Some(it)) if state.has_begun() => state.over(it),
                (Does::Lose, Some(it)) => state.lost(it, SECOND),
                (Does::Fail, Some(it)) => state.failed(it, &Failed::default(), now),
                (Does::Stop, it) => state.stop(it, Stop::default(), now),
                (Does::Wait, _) => {
                    now += 7 * SECOND;
                    state.time(now)
                }
                _ => Vec::new(),
            };
            for (index, place) in (0..).zip(&mut members) {
                let Some(member) = *place else { continue };
                for said in told(&outputs, member) {
                    match said {
                        Said::Start(start) => began.push((index, start.at)),
                        Said::Refused(_) | Said::Farewell(_) => *place = None,
                        _ => {}
                    }
                }
            }
            if matches!(does, Does::Lose) {
                members[index as usize] = None;
            }
        }
        let mut shards: Vec<u32> = began.iter().map(|(index, _)| *index).collect();
        shards.sort_unstable();
        shards.dedup();
        prop_assert_eq!(shards.len(), began.len());
        prop_assert!(began.windows(2).all(|it| it[0].1 == it[1].1));
        prop_assert!(began.is_empty() || began.len() >= at_least as usize);
        for member in members.into_iter().flatten() {
            state.lost(member, SECOND);
        }
        // The one gives it up, the other waits no longer for whoever does not know it.
        for later in [120, 160] {
            state.time(now + later * SECOND);
        }
        prop_assert!(state.end().is_some());
    }
}

/// Before the load the place of one that is gone is another's; under way it is nobody's, and nothing is to be waited for.
#[test]
fn a_place_is_waited_for_only_before_the_load() {
    let kind = |outputs: &[Output]| match told(outputs, 9).as_slice() {
        [Said::Refused(refused)] => refused.kind(),
        other => panic!("not refused: {other:?}"),
    };
    let mut gathering = coordinator(2);
    gathering.join(0, hello(0, 2), 0);
    assert_eq!(kind(&gathering.join(9, hello(0, 2), 0)), Kind::Taken);
    let mut running = running(2);
    assert_eq!(kind(&running.join(9, hello(0, 2), 0)), Kind::Unspecified);
}
