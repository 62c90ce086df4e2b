use proptest::prelude::*;

use std::time::Duration;

use super::*;
use crate::outcome::GrpcCode;
use crate::outcome::{Failure, Outcome};
use crate::record::Names;
use crate::record::local::{Ended, Recorder, Started, Tick};
use crate::secrets::Secrets;
use crate::workload::{Observer, Split};

fn names() -> Names {
    Names {
        scenario: "s".to_owned(),
        protocol: "test".to_owned(),
        open: true,
        steps: vec!["only".to_owned()],
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
    let example = |failure, said: String| recorder.explain(failure, &mut || said.clone());
    example(Failure::Connect, "no such token: s3cr3t-1".to_owned());
    example(Failure::Protocol, "x".repeat(4090) + " s3cr3t-1");
    record(&recorder, 0, 0, 1, true, "host of s3cr3t-1");
    let mut merger = Merger::new(&names, 1);
    merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    let merged = merger.finish(Duration::from_secs(1));
    assert_eq!(merged.examples[0].1, "no such token: ***");
    let cut = &merged.examples[1].1;
    assert!(cut.ends_with("x ***"), "{cut}");
    assert_eq!(merged.backends[0].id, "host of ***");
}

/// Runs one iteration through a recorder.
fn record(recorder: &Recorder, due: u64, lag: u64, took: u64, ok: bool, backend: &str) {
    recorder.planned(1);
    recorder.started_open(&Started {
        at: due + lag,
        queue_wait: 0,
        start_lag: lag,
        is_late: lag > 1_000_000,
        is_in_time: true,
    });
    let outcome = if ok {
        Outcome::Ok
    } else {
        Failure::Timeout.into()
    };
    let backend = recorder.backend(backend.as_bytes());
    recorder.ended(&Ended {
        due,
        at: due + lag + took,
        split: Split {
            start_lag: lag,
            service_time: took,
            ..Split::default()
        },
        outcome,
        backend: Some(backend),
        target: 0,
    });
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
    let merged = merger.finish(Duration::from_secs(1));
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
    let merged = merger.finish(Duration::from_secs(1));
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
            recorder.explain(failure, &mut || "ä".repeat(5_000));
            recorder.started_closed(0);
            recorder.ended(&Ended {
                due: 0,
                at: 1,
                split: Split::default(),
                outcome: failure.into(),
                backend: None,
                target: 0,
            });
        }
        let worker = worker as usize;
        merger.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
    }
    let merged = merger.finish(Duration::from_secs(1));
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
fn what_no_server_put_its_name_to_is_known() {
    let names = names();
    let recorder = Recorder::new(&names);
    let end = |ok: bool, backend: Option<&str>| {
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
            backend: backend.map(|it| recorder.backend(it.as_bytes())),
            target: 0,
        });
    };
    let merged = |recorder: &Recorder| {
        let mut merger = Merger::new(&names, 1);
        merger.add(0, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        merger.finish(Duration::from_secs(1))
    };
    end(true, None);
    assert_eq!(merged(&recorder).unnamed(), None, "nobody named itself");
    end(true, Some("a"));
    end(false, Some("a"));
    end(true, None);
    end(false, None);
    end(false, None);
    assert_eq!(merged(&recorder).unnamed(), Some((3, 2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However iterations are spread over workers and ticks, the merged record is the one a
    /// single recorder would have made.
    #[test]
    fn merging_equals_one_recorder(
        iterations in prop::collection::vec(
            (0_u64..90_000_000_000, 0_u64..3_000_000, 1_u64..5_000_000_000, any::<bool>(), 0_u8..3, 0_usize..3, any::<bool>()),
            1..60,
        )
    ) {
        let names = names();
        let mut whole = Merger::new(&names, 1);
        let mut parts = Merger::new(&names, 3);
        let one = Recorder::new(&names);
        let many: Vec<_> = (0..3).map(|_| Recorder::new(&names)).collect();
        for (due, lag, took, ok, backend, worker, swap) in iterations {
            let backend = format!("backend-{backend}");
            record(&one, due, lag, took, ok, &backend);
            record(&many[worker], due, lag, took, ok, &backend);
            if swap {
                let mut tick = many[worker].swap(Box::new(Tick::new(&names)));
                parts.add(worker, &mut tick, &[]);
            }
        }
        whole.add(0, &mut one.swap(Box::new(Tick::new(&names))), &[]);
        for (worker, recorder) in many.iter().enumerate() {
            parts.add(worker, &mut recorder.swap(Box::new(Tick::new(&names))), &[]);
        }
        let whole = whole.finish(Duration::from_secs(91));
        let mut parts = parts.finish(Duration::from_secs(91));
        prop_assert!(whole.ledger.balances());
        prop_assert_eq!(whole.ledger, parts.ledger);
        prop_assert_eq!(&whole.response_time, &parts.response_time);
        prop_assert_eq!(&whole.service_time, &parts.service_time);
        prop_assert_eq!(&whole.parts.start_lag, &parts.parts.start_lag);
        prop_assert_eq!(&whole.parts.queue_wait, &parts.parts.queue_wait);
        prop_assert_eq!(&whole.steps[0].response_time, &whole.response_time);
        let sum: u64 = parts.outcomes.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(sum, parts.ledger.completed + parts.ledger.failed);
        for backend in whole.backends {
            let place = parts.backends.iter().position(|b| b.id == backend.id);
            let same = parts.backends.swap_remove(place.expect("seen by both"));
            prop_assert_eq!(backend.requests, same.requests);
            prop_assert_eq!(backend.failed, same.failed);
            prop_assert_eq!(backend.response_time, same.response_time);
        }
        prop_assert!(parts.backends.is_empty());
    }
}
