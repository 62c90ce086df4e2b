//! The journal of a run: what can be read of it, wherever the process was killed.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen_core::engine::{Event, Options, Run, ScenarioSpec};
use loadgen_core::journal::{self, Journal, Place};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::RunRecord;
use loadgen_core::report::{self, Context, Document, Status};
use loadgen_core::schedule::{Limit, Load};
use loadgen_core::workload::{Iteration, UserId, Workload};

/// Takes two milliseconds, and fails every tenth time.
struct Nap;

impl Workload for Nap {
    type Session = u64;

    async fn open(&self, _: UserId) -> Result<u64, Failure> {
        Ok(0)
    }

    async fn iterate(&self, session: &mut u64, iteration: &Iteration<'_>) -> Outcome {
        *session += 1;
        let is_tenth = session.is_multiple_of(10);
        let nap = async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if is_tenth {
                iteration.explain(Failure::Check, || "it was the tenth".to_owned());
                return Failure::Check.into();
            }
            Outcome::Ok
        };
        let nap = iteration.step(0, nap).await;
        if !nap.is_ok() {
            return nap;
        }
        iteration.step(1, async { Outcome::Ok }).await
    }
}

/// Completed and failed iterations by the time of each snapshot.
type Seen = Arc<Mutex<Vec<(u64, u64)>>>;

/// A run of some seconds with a journal in this folder.
fn run(folder: &Path, context: &Context, seen: &Seen) -> (RunRecord, Journal) {
    let load = Load::closed(4).limit(Limit::Duration(Duration::from_millis(3_300)));
    let mut spec = ScenarioSpec::new("nap", load);
    spec.steps = vec!["nap".into(), "wake".into()];
    let run = Run::new(Options::default().workers(Some(2))).scenario(spec, |_| Nap);
    let place = Place::reserve(folder, &context.run_id).expect("a free name");
    let ended = |error: &journal::JournalError| panic!("{error}");
    let (journal, mut follower) =
        Journal::begin(place, context, &run.names(), ended).expect("a journal");
    let seen = Arc::clone(seen);
    let run = run.listen(move |event| follower.hear(event));
    let run = run.listen(move |event| {
        if let Event::Snapshot(snapshot) = event {
            let ledger = snapshot.scenarios[0].total.ledger;
            seen.lock()
                .expect("nobody panics")
                .push((ledger.completed, ledger.failed));
        }
    });
    (run.execute().expect("the run goes well"), journal)
}

fn read(path: &Path) -> Document {
    journal::read(path).expect("a whole entry").document()
}

/// What a journal says once all of it is written, which is soon.
fn read_to_end(path: &Path, completed: u64) -> Document {
    for _ in 0..10_000 {
        let document = read(path);
        if document.scenarios[0].ledger.completed == completed {
            return document;
        }
        std::thread::yield_now();
    }
    panic!("the last entry is missing");
}

#[test]
fn the_last_entry_has_all_that_the_record_has() {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new();
    let (record, journal) = run(folder.path(), &context, &Seen::default());
    let kept = read_to_end(journal.path(), record.scenarios[0].ledger.completed);
    let document = report::build(&record, context);
    let json = |document: &Document| serde_json::to_value(document).unwrap();
    let (kept, document) = (json(&kept), json(&document));
    assert_eq!(kept["scenarios"], document["scenarios"]);
    assert_eq!(kept["total"], document["total"]);
    for field in ["id", "started_at", "duration_s", "version", "host", "plan"] {
        assert_eq!(kept["run"][field], document["run"][field], "{field}");
    }
    assert_eq!(
        kept["run"]["generator"]["per_worker"],
        document["run"]["generator"]["per_worker"]
    );
    assert_eq!(kept["run"]["cut_off"], true);
    assert_eq!(document["run"].get("cut_off"), None);
}

/// Killed after any byte of it was written: what there is says what was seen at some second, its ledger
/// balances, and it is no pass.
#[test]
fn wherever_it_ends_it_is_read_up_to_the_entry_before() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let (record, journal) = run(folder.path(), &Context::new(), &seen);
    read_to_end(journal.path(), record.scenarios[0].ledger.completed);
    let whole = fs::read(journal.path()).unwrap();
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(seen.len() >= 3, "{seen:?}");
    seen.insert(0, (0, 0));
    let cut = folder.path().join("cut");
    let mut found = Vec::new();
    for length in (0..=whole.len()).step_by(97).chain([whole.len()]) {
        fs::write(&cut, &whole[..length]).unwrap();
        let Ok(kept) = journal::read(&cut) else {
            assert!(found.is_empty(), "{length} bytes are no journal any more");
            continue;
        };
        let document = kept.document();
        assert!(document.run.cut_off);
        assert_ne!(document.verdict.status, Status::Pass);
        let ledger = document.scenarios[0].ledger;
        assert!(ledger.balances(), "{ledger:?}");
        let point = |of: fn(&report::Point) -> u64| {
            document.scenarios[0].series.iter().map(of).sum::<u64>()
        };
        assert_eq!(point(|it| it.completed), ledger.completed);
        assert_eq!(point(|it| it.failed), ledger.failed);
        for step in &document.scenarios[0].steps {
            let over_time = step.series.iter().map(|it| it.completed + it.failed);
            assert_eq!(over_time.sum::<u64>(), step.outcomes.values().sum::<u64>());
        }
        let [nap, wake] = document.scenarios[0].steps.as_slice() else {
            panic!("two steps");
        };
        let failed = |step: &report::Step| step.series.iter().map(|it| it.failed).sum::<u64>();
        assert_eq!((failed(nap), failed(wake)), (ledger.failed, 0));
        found.push((ledger.completed, ledger.failed));
    }
    found.dedup();
    assert_eq!(found, seen);
}

#[test]
fn of_a_run_that_came_to_its_end_it_says_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let context = Context::new();
    let (record, journal) = run(folder.path(), &context, &Seen::default());
    let path = journal.path().to_owned();
    let document = report::build(&record, context);
    journal.conclude(&document).unwrap();
    let kept = journal::read(&path).unwrap();
    assert!(!kept.is_running);
    assert_eq!(kept.document(), document);
    assert_eq!(journal::find(folder.path()).unwrap(), [path]);
}

#[test]
fn once_it_is_removed_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let within = folder.path().join("r.json.journal");
    let (_, journal) = run(&within, &Context::new(), &Seen::default());
    let path = journal.path().to_owned();
    assert!(journal::is_journal(&path));
    assert!(journal::read(&path).unwrap().is_running);
    journal.remove().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_journal_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loadgen-1.journal");
    let error = || journal::read(&path).unwrap_err().to_string();
    assert!(error().starts_with("cannot read "), "{}", error());
    fs::write(&path, "something else").unwrap();
    assert!(!journal::is_journal(&path));
    assert_eq!(
        error(),
        format!(
            "{} is no journal of a run, or its beginning is spoilt",
            path.display()
        )
    );
}
