use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use test_case::test_case;

use super::*;
use crate::outcome::{Failure, GrpcCode, Outcome};
use crate::record::local::{Ended, Recorder, Started, Tick, Unanswered, Via, Waited};
use crate::record::{LifePart, Names, StepSpec, StreamCount};
use crate::secrets::Secrets;
use crate::workload::{ConnectionId, Observer, Split, StepSample, StreamEvent, UserId};

fn names() -> Names {
    Names {
        scenario: "s".to_owned(),
        protocol: "test".to_owned(),
        open: true,
        steps: vec![StepSpec::from("only").checks(["a", "b"])],
        ..Names::default()
    }
}

/// Before they are cut, or what is left of a secret could not be told.
#[test]
fn what_servers_say_is_kept_without_secrets() {
    let secrets =
        Secrets::of(&serde_json::json!({"metadata": {"authorization": "Bearer s3cr3t-1"}}));
    let names = names();
    let recorder = Recorder::new(&names).masking(secrets);
    let example = |failure, said: String| recorder.explain(None, failure, &mut || said.clone());
    example(Failure::Connect, "no such token: s3cr3t-1".to_owned());
    example(Failure::Protocol, "x".repeat(4090) + " s3cr3t-1");
    recorder.check(0, 1, false, &mut || "total of s3cr3t-1 was 4".to_owned());
    record(&recorder, 0, 0, 1, true, "host of s3cr3t-1");
    let mut merger = Merger::new(&names, 1);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    let merged = merger.finish(Duration::from_secs(1), 1);
    assert_eq!(merged.examples[0].1, "no such token: ***");
    let cut = &merged.examples[1].1;
    assert!(cut.ends_with("x ***"), "{cut}");
    assert_eq!(merged.backends[0].id, "host of ***");
    let seen = merged.steps[0].checks[1].example.as_deref();
    assert_eq!(seen, Some("total of *** was 4"));
}

/// Runs one iteration through a recorder.
fn record(recorder: &Recorder, due: u64, lag: u64, took: u64, ok: bool, backend: &str) {
    recorder.planned(1);
    recorder.started_open(&Started {
        at: due + lag,
        waited: Some(Waited {
            queue_wait: 0,
            start_lag: lag,
        }),
        is_late: lag > 1_000_000,
        is_in_time: true,
    });
    let outcome = if ok {
        Outcome::Ok
    } else {
        Failure::Timeout.into()
    };
    let backend = recorder.backend(backend.as_bytes(), None);
    recorder.ended(&Ended {
        due,
        at: due + lag + took,
        split: Split {
            start_lag: lag,
            service_time: took,
            ..Split::default()
        },
        outcome,
        via: Via {
            backend: Some(backend),
            ..Via::default()
        },
        target: Some(0),
    });
}

/// A name is found in what a server says, however long that is.
#[test]
fn long_names_are_cut() {
    let names = names();
    let recorder = Recorder::new(&names);
    let long = "\u{20ac}".repeat(1 << 20);
    record(&recorder, 0, 0, 1, true, &"b".repeat(200));
    record(&recorder, 0, 0, 1, true, &long);
    record(&recorder, 0, 0, 1, true, &(long + "!"));
    let mut merger = Merger::new(&names, 1);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    let merged = merger.finish(Duration::from_secs(1), 1);
    let found = merged.backends.iter();
    let found: Vec<_> = found.map(|it| (it.id.clone(), it.requests)).collect();
    let cut = "\u{20ac}".repeat(65) + "\u{2026}";
    assert_eq!(found, [("b".repeat(200), 1), (cut, 2)]);
}

#[test]
fn backends_beyond_the_bound_are_counted_together() {
    let names = names();
    let recorder = Recorder::new(&names);
    for number in 0..400 {
        record(&recorder, 0, 0, 1, true, &format!("backend-{number}"));
    }
    let mut merger = Merger::new(&names, 1);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    let merged = merger.finish(Duration::from_secs(1), 1);
    assert_eq!(merged.backends.len(), 256);
    assert!(merged.backends[..255].iter().all(|it| it.requests == 1));
    let others = &merged.backends[255];
    assert_eq!((others.id.as_str(), others.requests), ("(others)", 145));
}

/// Each worker has as many as a run may have.
#[test]
fn backends_are_bounded_over_all_workers() {
    let names = names();
    let mut merger = Merger::new(&names, 8);
    for worker in 0..8 {
        let recorder = Recorder::new(&names);
        for number in 0..300 {
            let name = format!("backend-{worker}-{number}");
            record(&recorder, 0, 0, 1, true, &name);
        }
        merger.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    }
    let merged = merger.finish(Duration::from_secs(1), 1);
    assert_eq!(merged.backends.len(), 256);
    let requests = merged.backends.iter().map(|it| it.requests);
    assert_eq!(requests.sum::<u64>(), 8 * 300);
    let samples = merged.backends.iter().map(|it| it.response_time.len());
    assert_eq!(samples.sum::<u64>(), 8 * 300);
}

/// A server can make up four billion status codes, and a workload names without end.
#[test]
fn classes_of_failures_beyond_the_bound_are_counted_together() {
    let names = names();
    let mut merger = Merger::new(&names, 2);
    for worker in 0..2 {
        let recorder = Recorder::new(&names);
        for number in 0..200 {
            let failure = Failure::Grpc(GrpcCode::new(1_000 * (worker + 1) + number));
            recorder.explain(None, failure, &mut || "ä".repeat(5_000));
            recorder.started_closed(0);
            recorder.ended(&Ended {
                due: 0,
                at: 1,
                split: Split::default(),
                outcome: failure.into(),
                via: Via::default(),
                target: Some(0),
            });
        }
        let worker = worker as usize;
        merger.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    }
    let merged = merger.finish(Duration::from_secs(1), 1);
    for outcomes in [&merged.outcomes, &merged.steps[0].outcomes] {
        assert_eq!(outcomes.len(), 129);
        assert_eq!(outcomes.iter().map(|it| it.1).sum::<u64>(), 400);
        let others = Outcome::Failed(Failure::Others);
        let others = outcomes.iter().find(|it| it.0 == others);
        assert_eq!(others.map(|it| it.1), Some(400 - 128));
    }
    assert_eq!(merged.examples.len(), 128);
    let longest = merged.examples.iter().map(|it| it.1.len()).max();
    assert_eq!(longest, Some(4_096));
}

#[test]
fn it_is_known_when_the_first_and_the_last_failure_of_a_class_came() {
    let names = names();
    let failed_at = |seconds: &[(u64, Failure)]| {
        let mut merger = Merger::new(&names, 1);
        let recorder = Recorder::new(&names);
        for (second, failure) in seconds {
            recorder.started_closed(0);
            recorder.ended(&Ended {
                due: 0,
                at: 1,
                split: Split::default(),
                outcome: (*failure).into(),
                via: Via::default(),
                target: Some(0),
            });
            let mut tick = recorder.swap(Box::new(Tick::new(&names)));
            merger.add_of(0, *second, &mut tick, &[], |_| {});
        }
        merger.finish(Duration::from_secs(9), 9)
    };
    let (timeout, check) = (Failure::Timeout, Failure::Check);
    let one = failed_at(&[(2, timeout), (3, check), (5, timeout)]);
    assert_eq!(one.failed_in, [(timeout, [2, 5]), (check, [3, 3])]);
    let mut both = one;
    let other = failed_at(&[(1, timeout), (4, timeout), (8, check)]);
    both.merge(&other).unwrap();
    assert_eq!(both.failed_in, [(timeout, [1, 5]), (check, [3, 8])]);
    let many = |number: u64| (number, Failure::Grpc(GrpcCode::new(1_000 + number as u32)));
    let many = failed_at(&(0..200).map(many).collect::<Vec<_>>());
    let others = many.failed_in.iter().find(|it| it.0 == Failure::Others);
    assert_eq!(
        others.map(|it| it.1),
        Some([128, 199]),
        "those beyond the bound"
    );
}

/// The ticks of a worker are handed over a little after a second is over, and so two tell of most seconds.
#[test]
fn users_that_two_ticks_tell_of_are_busy_once() {
    let names = names();
    let mut merger = Merger::new(&names, 2);
    let recorders = [(); 2].map(|()| Recorder::new(&names));
    for (worker, recorder) in recorders.iter().enumerate() {
        for at in [100, 200, 300] {
            recorder.started_closed(at);
            let mut tick = recorder.swap(Box::new(Tick::new(&names)));
            merger.add(worker, &mut tick, &[]);
        }
    }
    let merged = merger.finish(Duration::from_secs(1), 1);
    assert_eq!(merged.series[0].users, 6, "three of each worker");
}

#[test]
fn every_request_has_its_server_or_none_is_known() {
    let names = names();
    let recorder = Recorder::new(&names);
    let via = |backend: Option<&str>, connection| Via {
        backend: backend.map(|it| recorder.backend(it.as_bytes(), connection)),
        connection,
        ..Via::default()
    };
    let end = |ok: bool, via: Via| {
        recorder.started_closed(0);
        recorder.ended(&Ended {
            due: 0,
            at: 1,
            split: Split::default(),
            outcome: if ok {
                Outcome::Ok
            } else {
                Failure::Timeout.into()
            },
            via,
            target: Some(0),
        });
    };
    let merged = || {
        let mut merger = Merger::new(&names, 1);
        merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        merger.finish(Duration::from_secs(1), 1)
    };
    let rows = |record: &ScenarioRecord| {
        let rows = record.all_backends().map(|it| {
            let counts = [it.completed(), it.failed, it.interrupted, it.connections];
            (it.id.clone(), counts)
        });
        rows.collect::<Vec<_>>()
    };
    let row = |id: &str, counts: [u64; 4]| (id.to_owned(), counts);

    end(true, via(None, None));
    assert_eq!(rows(&merged()), [row("(unknown)", [1, 0, 0, 0])]);

    let [own, silent] = [(); 2].map(|()| Some(ConnectionId::next()));
    let balancer = recorder.connected(0, "127.0.0.1:1");
    let [shared, new] = [(); 2].map(|()| Some(ConnectionId::to(balancer)));
    end(true, via(Some("a"), own));
    end(true, via(Some("a"), shared));
    end(true, via(Some("b"), shared));
    // Whoever was alone on a connection has what came to nothing there, and what has no name.
    end(false, via(None, own));
    end(true, via(None, own));
    end(false, via(None, shared));
    end(false, via(None, silent));
    end(false, via(Some("b"), None));
    // Who is alone on one to where others lead to several has its answer, and not what follows.
    end(true, via(Some("a"), new));
    end(false, via(None, new));
    for via in [Some(via(None, own)), Some(via(Some("b"), shared)), None] {
        recorder.started_closed(0);
        recorder.interrupted(via, None);
    }
    let record = merged();
    let expected = [
        row("a", [4, 1, 1, 3]),
        row("b", [1, 1, 1, 1]),
        row("(unknown)", [0, 3, 1, 0]),
    ];
    assert_eq!(rows(&record), expected);
    assert_eq!(record.ledger.interrupted, 3);
    // Of `own` a second answer had no name.
    assert_eq!(
        (record.decisions.connections, record.decisions.several),
        (1, 1)
    );
    assert_eq!(record.decided_by(), Some(Unit::Request));
}

/// How many answers by how many servers on each of these connections say what is given to one of them.
#[test_case(&[&[0, 0], &[1, 1], &[0, 0, 0]] => Some(Unit::Connection); "each has one")]
#[test_case(&[&[0, 1], &[1, 0], &[0, 0, 1]] => Some(Unit::Request); "each has all")]
#[test_case(&[&[0, 0], &[0, 0]] => None; "there is one server")]
#[test_case(&[&[0], &[1], &[0]] => None; "nobody was asked twice")]
#[test_case(&[&[0, 0], &[1, 1], &[0, 1], &[1, 1]] => None; "some have one and some have several")]
fn what_is_given_to_one_server(connections: &[&[u8]]) -> Option<Unit> {
    let names = names();
    let recorder = Recorder::new(&names);
    for answers in connections {
        let connection = Some(ConnectionId::next());
        for backend in *answers {
            recorder.started_closed(0);
            recorder.ended(&Ended {
                due: 0,
                at: 1,
                split: Split::default(),
                outcome: Outcome::Ok,
                via: Via {
                    backend: Some(recorder.backend(&[b'a' + *backend], connection)),
                    connection,
                    ..Via::default()
                },
                target: Some(0),
            });
        }
    }
    let mut merger = Merger::new(&names, 1);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    merger.finish(Duration::from_secs(1), 1).decided_by()
}

#[test]
fn streams_are_counted_from_when_they_open() {
    let names = names();
    let recorder = Recorder::new(&names);
    let a = Some(recorder.backend(b"a", None));
    recorder.stream(a, StreamEvent::Opened);
    recorder.messages(0, a, 1, 2);
    let mut merger = Merger::new(&names, 1);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    let under_way = &merger.total().backends[0];
    assert_eq!((under_way.streams.open(), under_way.messages), (1, 2));
    for event in [StreamEvent::Ended, StreamEvent::Opened, StreamEvent::Broke] {
        recorder.stream(a, event);
    }
    recorder.stream(None, StreamEvent::Opened);
    recorder.interrupting(true);
    recorder.stream(None, StreamEvent::Broke);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    let record = merger.finish(Duration::from_secs(1), 1);
    let counts = record.all_backends().map(|it| {
        let StreamCount { opened, broken, .. } = it.streams;
        (opened, it.streams.open(), broken)
    });
    assert_eq!(counts.collect::<Vec<_>>(), [(2, 0, 1), (1, 1, 0)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However iterations are spread over workers and ticks, and these over processes, and though each
    /// process stores its record, the merged one is that which a single recorder would have made.
    #[test]
    fn merging_equals_one_recorder(
        iterations in prop::collection::vec(iteration(59_000_000_000), 1..60),
        processes in 1_usize..6,
    ) {
        let (whole, parts) = split(&iterations, processes, Duration::from_secs(70));
        prop_assert!(whole.ledger.balances());
        prop_assert_eq!(&whole.steps[0].response_time, &whole.response_time);
        let checks = &whole.steps[0].checks;
        let checked: u64 = checks.iter().map(|it| it.passed + it.failed).sum();
        prop_assert_eq!(checked, iterations.len() as u64);
        let sum: u64 = whole.outcomes.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(sum, whole.ledger.completed + whole.ledger.failed);
        for backend in &whole.backends {
            let points = backend.over_time.points();
            let sums = points.fold((0, 0), |sum, it| (sum.0 + it.requests, sum.1 + it.failed));
            prop_assert_eq!(sums, (backend.requests, backend.failed));
        }
        prop_assert_eq!(in_order(whole), in_order(parts));
    }

    /// The same where points of the series cover several seconds.
    #[test]
    fn merging_long_runs_equals_one_recorder(
        mut iterations in prop::collection::vec(iteration(2_000_000_000_000), 1..60),
        processes in 1_usize..6,
    ) {
        iterations.sort_by_key(|it| it.due + it.lag + it.took);
        for iteration in &mut iterations {
            // A second stays open for a minute, and ticks come once a second.
            iteration.swap = true;
        }
        let (whole, parts) = split(&iterations, processes, Duration::from_secs(2_100));
        prop_assert_eq!(in_order(whole), in_order(parts));
    }
}

/// One iteration, and where and how it is recorded.
#[derive(Debug, Clone)]
struct Recorded {
    due: u64,
    lag: u64,
    took: u64,
    ok: bool,
    backend: u8,
    worker: usize,
    swap: bool,
}

fn iteration(until: u64) -> impl Strategy<Value = Recorded> {
    let of = (
        0..until,
        0_u64..3_000_000,
        1_u64..900_000_000,
        any::<bool>(),
        0_u8..3,
        0_usize..10,
        any::<bool>(),
    );
    of.prop_map(|(due, lag, took, ok, backend, worker, swap)| Recorded {
        due,
        lag,
        took,
        ok,
        backend,
        worker,
        swap,
    })
}

/// What one recorder makes of these iterations, and what two workers in each of several processes do
/// that store their records.
fn split(
    iterations: &[Recorded],
    processes: usize,
    elapsed: Duration,
) -> (ScenarioRecord, ScenarioRecord) {
    let names = names();
    let tick = |recorder: &Recorder| recorder.swap(Box::new(Tick::new(&names)));
    let mut whole = Merger::new(&names, 1);
    let one = Recorder::new(&names);
    let mut parts: Vec<_> = (0..processes).map(|_| Merger::new(&names, 2)).collect();
    let many: Vec<_> = (0..2 * processes).map(|_| Recorder::new(&names)).collect();
    for it in iterations {
        let backend = format!("backend-{}", it.backend);
        let (worker, failure) = (it.worker % many.len(), Failure::Timeout);
        for recorder in [&one, &many[worker]] {
            record(recorder, it.due, it.lag, it.took, it.ok, &backend);
            // It was under way from the beginning to the end of its time, and seen to be so.
            recorder.started_closed(it.due);
            // With one in several that stands still.
            let step = if it.backend == 0 {
                60_000_000
            } else {
                40_000_000
            };
            for from in (it.due..it.due + it.took).step_by(step as usize) {
                recorder.beat(from, from + step, true);
            }
            recorder.explain(None, failure, &mut || "too slow".to_owned());
            let check = usize::from(it.backend % 2);
            recorder.check(0, check, it.ok, &mut || "total was 4".to_owned());
            recorder.interrupted(
                None,
                it.swap
                    .then_some(&Unanswered::in_line(it.due, it.due + it.lag)),
            );
        }
        if it.swap {
            parts[worker / 2].add(worker % 2, &mut tick(&many[worker]), &[]);
            whole.add(0, &mut tick(&one), &[]);
        }
    }
    whole.add(0, &mut tick(&one), &[]);
    for (worker, recorder) in many.iter().enumerate() {
        parts[worker / 2].add(worker % 2, &mut tick(recorder), &[]);
    }
    let stored = parts.into_iter().map(|part| {
        let generator = GeneratorRecord::default();
        let scenarios = vec![part.finish(elapsed, 0)];
        let record = RunRecord::new(SystemTime::UNIX_EPOCH, elapsed, scenarios, generator);
        let text = serde_json::to_string(&record).unwrap();
        let read: RunRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record);
        read
    });
    let merged = stored.reduce(|mut sum, more| {
        sum.merge(&more).unwrap();
        sum
    });
    (
        whole.finish(elapsed, 0),
        merged.unwrap().scenarios.remove(0),
    )
}

/// With its lists in the same order, whoever was first to see what is in them, and without what depends
/// on how many looked: the most users that each of them saw are added up.
fn in_order(mut record: ScenarioRecord) -> ScenarioRecord {
    record.series.iter_mut().for_each(|point| point.users = 0);
    record.backends.sort_by(|a, b| a.id.cmp(&b.id));
    record
        .outcomes
        .sort_by_key(|(outcome, _)| outcome.to_string());
    for step in &mut record.steps {
        step.outcomes
            .sort_by_key(|(outcome, _)| outcome.to_string());
    }
    record
}

#[test]
fn records_of_another_plan_are_refused() {
    let record = |steps: &[&str], name: &str| {
        let steps: Vec<_> = steps.iter().map(|it| StepSpec::from(*it)).collect();
        let scenarios = vec![ScenarioRecord::empty(name, "test", true, &steps)];
        let generator = GeneratorRecord::default();
        RunRecord::new(SystemTime::UNIX_EPOCH, Duration::ZERO, scenarios, generator)
    };
    let mut one = record(&["a", "b"], "s");
    let mut refused = |other: &RunRecord| one.merge(other).unwrap_err().to_string();
    assert_eq!(
        refused(&record(&["a", "b"], "t")),
        "the records are of other scenarios: `s` and `t`"
    );
    assert_eq!(
        refused(&record(&["a"], "s")),
        "scenario `s` has another list of steps in each of the records"
    );
    assert_eq!(one.merge(&record(&["a", "b"], "s")), Ok(()));
}

#[test]
fn records_of_steps_that_differ_are_refused() {
    let record = |step: StepSpec| ScenarioRecord::empty("s", "test", true, &[step]);
    let mut one = record(StepSpec::from("a").checks(["x", "y"]));
    let mut refused = |step: StepSpec| one.merge(&record(step)).unwrap_err().to_string();
    assert_eq!(
        refused(StepSpec::from("a").checks(["x"])),
        "scenario `s` has another list of checks in each of the records"
    );
    assert_eq!(
        refused(StepSpec::from("a").checks(["x", "y"]).part(LifePart::End)),
        "scenario `s` has another list of steps in each of the records"
    );
}

fn step_sample(step: usize, outcome: Outcome) -> StepSample {
    StepSample {
        step,
        due: 0,
        ended: 1_000,
        split: Split::default(),
        outcome,
        backend: None,
        user: UserId(0),
        target: None,
        connection: None,
        key: None,
        has_stream: false,
        is_unsent: false,
    }
}

/// Workers, seconds and processes come to one series of each step.
#[test]
fn steps_are_kept_over_time_the_first_twenty() {
    let names = |steps: usize| Names {
        steps: (0..steps)
            .map(|it| StepSpec::from(format!("s{it}")))
            .collect(),
        ..names()
    };
    let measured = |steps: usize, seconds: &[u64]| {
        let names = names(steps);
        let mut merger = Merger::new(&names, 2);
        for (worker, second) in seconds.iter().enumerate() {
            let recorder = Recorder::new(&names);
            for (step, outcome) in [(0, Outcome::Ok), (steps - 1, Failure::Timeout.into())] {
                recorder.step(step_sample(step, outcome));
            }
            let mut tick = recorder.swap(Box::new(Tick::new(&names)));
            merger.add_of(worker % 2, *second, &mut tick, &[], |_| {});
        }
        merger.finish(Duration::from_secs(9), 9)
    };
    let counts = |record: &ScenarioRecord, step: usize| -> Vec<[u64; 4]> {
        let points = record.steps[step].series.iter();
        points
            .map(|it| [it.t_s, it.completed, it.failed, it.response_time.len()])
            .collect()
    };
    let mut merged = measured(3, &[0, 2, 2]);
    let expected = |n: [u64; 3]| (0..).zip(n).map(|(t_s, it)| [t_s, it, 0, it]);
    assert_eq!(counts(&merged, 0), expected([1, 0, 2]).collect::<Vec<_>>());
    assert_eq!(counts(&merged, 1), [[0; 4]; 0], "it never ended");
    merged.merge(&measured(3, &[1])).unwrap();
    assert_eq!(counts(&merged, 0), expected([1, 1, 2]).collect::<Vec<_>>());
    let failed = |[t_s, ok, failed, times]: [u64; 4]| [t_s, failed, ok, times];
    let of_last = counts(&merged, 2).into_iter().map(failed);
    assert_eq!(of_last.collect::<Vec<_>>(), counts(&merged, 0));
    let many = measured(21, &[0]);
    assert_eq!(counts(&many, 0).len(), 1);
    assert_eq!(counts(&many, 20), [[0; 4]; 0], "one too many");
    assert_eq!(counts(&measured(1, &[0]), 0), [[0; 4]; 0], "the only one");
}

/// Failures of steps that begin and end users' lives, over workers and processes.
#[test]
fn examples_of_steps_outside_of_iterations_are_merged() {
    let names = Names {
        steps: vec![
            StepSpec::from("login").part(LifePart::Begin),
            "browse".into(),
            StepSpec::from("logout").part(LifePart::End),
        ],
        ..names()
    };
    let measured = |said: &str| {
        let mut merger = Merger::new(&names, 2);
        for worker in 0..2 {
            let recorder = Recorder::new(&names);
            for step in [Some(0), Some(1), Some(2), None] {
                let failure =
                    Failure::Custom(["login", "browse", "logout", "none"][step.unwrap_or(3)]);
                let said = format!("{said} {worker} {step:?}");
                recorder.explain(step, failure, &mut || said.clone());
            }
            merger.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        }
        merger.finish(Duration::from_secs(1), 1)
    };
    let mut merged = measured("first");
    merged.merge(&measured("second")).unwrap();
    let kept = |examples: &[(Failure, String)]| {
        let kept = examples
            .iter()
            .map(|(failure, said)| format!("{failure}: {said}"));
        kept.collect::<Vec<_>>()
    };
    let login = "custom.login: first 0 Some(0)";
    assert_eq!(kept(&merged.steps[0].examples), [login]);
    assert_eq!(kept(&merged.steps[1].examples), [""; 0]);
    assert_eq!(
        kept(&merged.steps[2].examples),
        ["custom.logout: first 0 Some(2)"]
    );
    assert_eq!(
        kept(&merged.examples),
        [
            login,
            "custom.browse: first 0 Some(1)",
            "custom.none: first 0 None"
        ]
    );
}

#[test]
fn users_of_several_processes_are_added_up() {
    let record = |users: &[u64]| {
        let mut record = ScenarioRecord::empty("s", "test", true, &[]);
        for (t_s, users) in (0..).zip(users) {
            let mut point = SeriesPoint::empty(t_s, 1);
            point.users = *users;
            record.series.push(point);
        }
        record
    };
    let mut sum = record(&[1, 2]);
    sum.merge(&record(&[10, 20, 30])).unwrap();
    assert_eq!(sum.series, record(&[11, 22, 30]).series);
}

/// A target that a scenario names twice is two.
#[test]
fn targets_and_metrics_are_matched_by_name() {
    let record = |targets: &[(&str, u64)], counters: &[(&str, u64)]| {
        let mut record = ScenarioRecord::empty("s", "test", true, &[]);
        for (target, completed) in targets {
            let mut target = TargetRecord::empty(*target);
            target.completed = *completed;
            record.targets.push(target);
        }
        let counters = counters
            .iter()
            .map(|(name, sum)| ((*name).to_owned(), *sum));
        record.custom.counters = counters.collect();
        record
    };
    let mut sum = record(&[("a", 1), ("b", 2), ("a", 3)], &[("x", 1), ("y", 2)]);
    let more = record(
        &[("b", 10), ("a", 20), ("a", 30), ("c", 40)],
        &[("y", 10), ("z", 20)],
    );
    sum.merge(&more).unwrap();
    assert_eq!(
        sum.targets,
        record(&[("a", 21), ("b", 12), ("a", 33), ("c", 40)], &[]).targets
    );
    assert_eq!(
        sum.custom,
        record(&[], &[("x", 1), ("y", 12), ("z", 20)]).custom
    );
}
