use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};
use test_case::test_case;

use super::*;
use crate::journal;
use crate::outcome::{Failure, Outcome};
use crate::record::{
    Ended, EventAction, EventRecord, GeneratorRecord, Merger, Names, Recorder, ScenarioRecord,
    Started, StepSpec, Tick, Via, Waited, WorkerRecord,
};
use crate::report::Status;
use crate::schedule::{Load, Shard, Slice};
use crate::units::Rate;
use crate::workload::{Observer, Split};

const SECOND: u64 = 1_000_000_000;
const SECONDS: u64 = 3;

/// One iteration: in which second it was due, how late it was, how long it took, whether it ended ok, and who answered.
type Sample = (u64, u64, u64, bool, u8);

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (
        0..SECONDS,
        0_u64..3_000_000,
        1_000_u64..4_000_000_000,
        prop::bool::weighted(0.9),
        0_u8..3,
    );
    prop::collection::vec(one, 1..400)
}

/// What one process records of these.
fn recorded<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> RunRecord {
    let samples: Vec<&Sample> = samples.into_iter().collect();
    let names = Names {
        scenario: "greet".to_owned(),
        protocol: "grpc".to_owned(),
        open: true,
        steps: vec![StepSpec::from("hello")],
        targets: vec!["127.0.0.1:1".to_owned()],
        ..Names::default()
    };
    let recorder = Recorder::new(&names);
    let mut merger = Merger::new(&names, 1);
    for second in 0..SECONDS {
        for (_, lag, took, ok, backend) in samples.iter().filter(|it| it.0 == second) {
            let due = second * SECOND + lag % 1_000;
            recorder.planned(1);
            recorder.started_open(&Started {
                at: due + lag,
                waited: Some(Waited {
                    queue_wait: 0,
                    start_lag: *lag,
                }),
                is_late: *lag > 1_000_000,
                is_in_time: true,
            });
            recorder.ended(&Ended {
                due,
                at: due + lag + took,
                split: Split {
                    start_lag: *lag,
                    service_time: *took,
                    ..Split::default()
                },
                outcome: match ok {
                    true => Outcome::Ok,
                    false => Failure::Timeout.into(),
                },
                via: Via {
                    backend: Some(recorder.backend(&[b'a' + backend], None)),
                    ..Via::default()
                },
                target: Some(0),
            });
        }
        let mut tick = recorder.swap(Box::new(Tick::new(&names)));
        merger.add_of(0, second, &mut tick, &[], |_| {});
    }
    let elapsed = Duration::from_secs(SECONDS);
    let scenario: ScenarioRecord = merger.finish(elapsed, SECONDS);
    let generator = GeneratorRecord {
        workers: vec![WorkerRecord::default()],
        ..GeneratorRecord::default()
    };
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000);
    RunRecord::new(began, elapsed, vec![scenario], generator)
}

fn load() -> Load {
    let rate = Rate::new(40.0).unwrap();
    Load::open(rate).for_(Duration::from_secs(SECONDS)).into()
}

fn context() -> Context {
    let mut context = Context::new();
    context.plan = json!({"scenarios": [{
        "name": "greet", "targets": ["127.0.0.1:1"], "load": {"open": {"rate": "40/s", "duration": "3s"}},
        "steps": [{"name": "hello", "grpc": {}}],
        "thresholds": ["error_rate < 90%", "response_time.p50 < 10s", "throughput > 0.1/s"],
    }]});
    let conditions = [
        "error_rate < 90%",
        "response_time.p50 < 10s",
        "throughput > 0.1/s",
    ];
    context.thresholds = vec![conditions.map(|it| it.parse().unwrap()).to_vec()];
    context
}

/// The document of a shard, written and read as it would be.
fn document(shard: Shard, record: &RunRecord, change: impl FnOnce(&mut Context)) -> Document {
    let mut context = context();
    let slice = Slice::of("greet", &load(), Some(shard));
    context.shard = Some(ShardPart::new(shard, 7, vec![slice]));
    change(&mut context);
    let text = serde_json::to_string(&journal::document(record, context)).unwrap();
    report::read(&text).unwrap()
}

fn shards(count: u32) -> impl Iterator<Item = Shard> {
    (0..count).map(move |index| Shard::new(index, count).unwrap())
}

/// A shard's part of what was measured.
fn part(all: &[Sample], shard: Shard) -> RunRecord {
    let (skip, step) = (shard.index() as usize, shard.count() as usize);
    recorded(all.iter().skip(skip).step_by(step))
}

fn merged(documents: &[(String, Document)]) -> Result<Document, MergeError> {
    let mut merge = Merge::default();
    for (source, document) in documents {
        merge.add(source, document)?;
    }
    merge.finish()
}

fn named(documents: impl IntoIterator<Item = Document>) -> Vec<(String, Document)> {
    let named = documents.into_iter().enumerate();
    named.map(|(nth, it)| (format!("{nth}.json"), it)).collect()
}

/// A scenario's figures, without the only one of which the sum is a bound.
fn figures(document: &Document) -> Value {
    let mut figures = serde_json::to_value(&document.scenarios).unwrap();
    for point in figures[0]["series"].as_array_mut().unwrap() {
        point.as_object_mut().unwrap().remove("users");
    }
    figures
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Bucket by bucket, second by second, server by server, and in every percentile and condition.
    #[test]
    fn merged_is_what_one_process_would_have_told(
        samples in samples(), events in prop::collection::vec(0_u64..SECONDS * 1_000, 0..4),
        count in 1_u32..=64, from in 0_usize..64,
    ) {
        // Events are done by the first shard, for all, in the order of their times.
        let mut events = events;
        events.sort_unstable();
        let done = |record: &mut RunRecord| {
            for (nth, at) in events.iter().enumerate() {
                let mut event = EventRecord::new(EventAction::Mark, format!("mark {nth}"));
                (event.planned, event.done) = (Some(Duration::from_millis(*at)), Some(Duration::from_millis(at + 1)));
                record.scenarios[0].events.push(event);
            }
        };
        let mut all = recorded(&samples);
        done(&mut all);
        let whole = journal::document(&all, context());
        let mut documents = named(shards(count).map(|it| {
            let mut record = part(&samples, it);
            if it.index() == 0 {
                done(&mut record);
            }
            document(it, &record, |_| {})
        }));
        documents.rotate_left(from % count as usize);
        let merged = merged(&documents).unwrap();
        prop_assert_eq!(figures(&merged), figures(&whole));
        prop_assert_eq!(merged.scenarios[0].events.len(), events.len());
        prop_assert_eq!(&merged.total.response_time_us, &whole.total.response_time_us);
        prop_assert_eq!(&merged.verdict.status, &whole.verdict.status);
        prop_assert_eq!(&merged.verdict.reasons, &whole.verdict.reasons);
        let shards = merged.run.shards.unwrap();
        prop_assert_eq!((shards.count, shards.missing_share), (u64::from(count), 0.0));
        let indexes: Vec<u64> = shards.merged.iter().map(|it| it.index).collect();
        prop_assert_eq!(indexes, (0..u64::from(count)).collect::<Vec<_>>());
        let workers = merged.run.generator.per_worker.iter().map(|it| it.shard);
        prop_assert_eq!(workers.collect::<Vec<_>>(), (0..count).map(Some).collect::<Vec<_>>());
    }
}

/// Of each of 4 shards the same 30 iterations, 2 of which failed.
fn four() -> Vec<Document> {
    let samples: Vec<Sample> = (0..30)
        .map(|nth| (nth % 3, 0, 5_000_000 + nth, nth > 1, 0))
        .collect();
    let record = recorded(&samples);
    shards(4).map(|it| document(it, &record, |_| {})).collect()
}

#[test]
fn conditions_are_judged_once_and_over_the_whole() {
    let documents = four();
    for document in &documents {
        assert!(document.scenarios[0].thresholds.is_empty());
        assert_eq!(document.verdict.status, Status::Pass);
    }
    let merged = merged(&named(documents)).unwrap();
    let judged = &merged.scenarios[0].thresholds;
    assert_eq!(judged.len(), 3);
    assert!(judged.iter().all(|it| it.pass));
    assert_eq!(judged[0].observed, Some(8.0 / 120.0 * 100.0));
    // All of them completed it, each a quarter.
    assert_eq!(judged[2].observed, Some(112.0 / 3.0));
    assert_eq!(merged.run.shard, None);
}

#[test]
fn a_condition_that_does_not_hold_fails_the_whole() {
    let samples: Vec<Sample> = (0..60)
        .map(|nth| (nth % 3, 0, 5_000_000, false, 0))
        .collect();
    let record = recorded(&samples);
    let documents = named(shards(2).map(|it| document(it, &record, |_| {})));
    let merged = merged(&documents).unwrap();
    assert_eq!(merged.verdict.status, Status::Fail);
    assert!(
        merged.verdict.reasons[0].contains("`error_rate < 90%` does not hold, observed 100%"),
        "{:?}",
        merged.verdict
    );
}

#[test]
fn a_lost_shard_makes_the_run_invalid() {
    let mut documents = four();
    documents.remove(2);
    let merged = merged(&named(documents)).unwrap();
    assert_eq!(merged.verdict.status, Status::Invalid);
    assert_eq!(
        merged.verdict.reasons,
        [
            "shard 2 of 4 is missing, and with it 25% of the planned load: the figures are of 3 of 4 shards"
        ]
    );
    assert_eq!(
        merged.scenarios[0].ledger.planned, 90,
        "what ran is told all the same"
    );
    let shards = merged.run.shards.unwrap();
    assert_eq!((shards.missing, shards.missing_share), (vec![2], 0.25));
}

/// The service has not done what nobody asked of it.
#[test]
fn what_a_lost_shard_would_have_counted_is_not_the_services_fault() {
    let conditions = ["error_rate < 90%", "completed == 112"];
    let samples: Vec<Sample> = (0..30)
        .map(|nth| (nth % 3, 0, 5_000_000 + nth, nth > 1, 0))
        .collect();
    let record = recorded(&samples);
    let documents = named(shards(4).take(3).map(|shard| {
        document(shard, &record, |it| {
            it.thresholds = vec![conditions.map(|it| it.parse().unwrap()).to_vec()];
        })
    }));
    let merged = merged(&documents).unwrap();
    assert_eq!(merged.verdict.status, Status::Invalid);
    let reasons = &merged.verdict.reasons;
    assert!(
        reasons[0].starts_with("shard 3 of 4 is missing"),
        "{reasons:?}"
    );
    assert_eq!(
        reasons[1],
        "`greet`: `completed == 112` does not hold, observed 84"
    );
    assert!(!merged.conditions_hold());
}

/// A journal's document is one, too.
#[test]
fn one_that_was_cut_off_is_merged_with_what_there_is_of_it() {
    let mut documents = four();
    let samples: Vec<Sample> = (0..10)
        .map(|nth| (0, 0, 5_000_000 + nth, true, 0))
        .collect();
    let mut record = recorded(&samples);
    record.elapsed = Duration::from_secs(1);
    record.cut_off();
    documents[1] = document(Shard::new(1, 4).unwrap(), &record, |_| {});
    let merged = merged(&named(documents)).unwrap();
    assert_eq!(merged.verdict.status, Status::Invalid);
    assert_eq!(
        merged.verdict.reasons,
        [
            "shard 1 was cut off: it was killed, or has not come to its end yet, and what is here of it is what its \
             journal has of its first 1 s",
            "16.67% of the planned load is missing with what was cut off or stopped",
        ]
    );
    assert_eq!(merged.scenarios[0].ledger.planned, 100);
    assert!(!merged.run.cut_off, "the others were not");
}

#[test]
fn a_shard_is_merged_once() {
    let mut documents = four();
    documents[3] = documents[1].clone();
    let error = merged(&named(documents)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1.json and 3.json are both of shard 1 of 4; give one of them: a shard that was started again has made its \
         load twice"
    );
}

#[test_case(|it| it.version = "0.0.1".to_owned() => "`run.version` is {version} in a.json and 0.0.1 in b.json"; "another version")]
#[test_case(|it| it.shard.as_mut().unwrap().seed = 8 => "`run.shard.seed` is 7 in a.json and 8 in b.json"; "another seed")]
#[test_case(|it| it.shard.as_mut().unwrap().count = 8 => "`run.shard.count` is 4 in a.json and 8 in b.json"; "of another number")]
#[test_case(|it| it.plan["scenarios"][0]["load"]["open"]["rate"] = json!("50/s") => "`scenarios.greet.load.open.rate` is \"40/s\" in a.json and \"50/s\" in b.json"; "another rate")]
#[test_case(|it| it.plan["scenarios"][0]["thresholds"][0] = json!("error_rate < 1%") => "`scenarios.greet.thresholds[0]` is \"error_rate < 90%\" in a.json and \"error_rate < 1%\" in b.json"; "other conditions")]
fn what_is_of_another_run_is_refused(change: fn(&mut Context)) -> String {
    let documents = four();
    let samples: Vec<Sample> = vec![(0, 0, 5_000_000, true, 0)];
    let other = document(Shard::new(1, 4).unwrap(), &recorded(&samples), change);
    let mut merge = Merge::default();
    merge.add("a.json", &documents[0]).unwrap();
    let error = merge.add("b.json", &other).unwrap_err().to_string();
    let told = error.strip_prefix("a.json and b.json are not of one run:\n  ");
    told.unwrap_or(&error)
        .replace(env!("CARGO_PKG_VERSION"), "{version}")
}

#[test]
fn what_is_no_shard_is_refused() {
    let refused = |document: &Document| {
        let mut merge = Merge::default();
        merge.add("a.json", document).unwrap_err().to_string()
    };
    let documents = four();
    let whole = journal::document(&part(&[(0, 0, 5, true, 0)], Shard::ALL), context());
    assert_eq!(
        refused(&whole),
        "a.json is of a whole run and of no shard; `loadgen run --shard I/N` makes the results that are merged"
    );
    let again = merged(&named(documents.clone())).unwrap();
    assert_eq!(
        refused(&again),
        "a.json was merged already, of 4 shards; give the results of the shards themselves"
    );
    let mut without = documents[0].clone();
    without.run.shard.as_mut().unwrap().record = None;
    assert_eq!(
        refused(&without),
        "a.json is of a shard and has no `run.shard.record`, without which it cannot be merged; a page has none: give \
         the result as `loadgen run --shard I/N --out json=FILE` wrote it"
    );
    without.run.shard.as_mut().unwrap().record = Some("AAAA".to_owned());
    assert_eq!(
        refused(&without),
        "a.json: its `run.shard.record` is spoilt: it cannot be inflated; give the result as it was written"
    );
    let nothing = Merge::default().finish().unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "there is no result of a shard to merge: expected results as `loadgen run --shard I/N --out json=FILE` wrote \
         them, their journals, or folders of these"
    );
}

/// A shard that has nothing to do says so, and fails nothing.
#[test]
fn a_shard_without_a_part_passes() {
    let empty: Vec<Sample> = Vec::new();
    let document = document(Shard::new(3, 4).unwrap(), &recorded(&empty), |it| {
        let load = Load::closed(2).iterations(10).into();
        it.shard.as_mut().unwrap().slices = vec![Slice::of("greet", &load, None)];
    });
    assert_eq!(
        document.verdict.status,
        Status::Pass,
        "{:?}",
        document.verdict
    );
}

/// Rows that other shards have, or not: another file is another run.
#[test_case("aa", "aa" => None; "the same")]
#[test_case("aa", "bb" => Some("0.json and 1.json are not of one run:\n  the file of `scenarios.greet.data.users` holds other rows in 0.json than in 1.json: give all shards the same one".to_owned()); "another")]
fn shards_have_the_same_rows(first: &str, second: &str) -> Option<String> {
    let record = recorded(&[]);
    let of = |shard, digest: &str| {
        document(shard, &record, |it| {
            let part = it.shard.as_mut().unwrap();
            part.data = vec![report::DataDigest::new("greet", "users", digest)];
        })
    };
    let documents = named(
        shards(2)
            .zip([first, second])
            .map(|(it, digest)| of(it, digest)),
    );
    merged(&documents).err().map(|it| it.to_string())
}

/// How each waited for what was due may differ, and is told.
#[test]
fn another_pacing_is_noted_and_not_refused() {
    let samples: Vec<Sample> = (0..60)
        .map(|nth| (nth % 3, 0, 5_000_000, true, 0))
        .collect();
    let documents = shards(3).map(|shard| {
        let mut record = recorded(&samples);
        if shard.index() == 1 {
            record.generator.pacing =
                crate::pacer::Pacing::busy(Duration::from_micros(50)).unwrap();
        }
        document(shard, &record, |_| {})
    });
    let merged = merged(&named(documents)).unwrap();
    let told = "shards did not wait for what was due in one way, so that what they added to times differs: shards 0 and 2 exact, shard 1 busy=50us";
    assert!(
        merged.verdict.warnings.iter().any(|it| it == told),
        "{:?}",
        merged.verdict.warnings
    );
}
