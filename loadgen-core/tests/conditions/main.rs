//! Conditions over time, on servers by name, and such as end a run, judged of runs that the engine carried
//! out.

mod tags;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loadgen_core::condition::Threshold;
use loadgen_core::engine::{Event, Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::RunRecord;
use loadgen_core::report::{Context, Document, Status, ThresholdResult, build};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};

/// A made-up service: how long an answer takes, by the seconds since the first one, and whether it is a
/// failure, by its number.
#[derive(Clone)]
struct Service {
    takes: fn(f64) -> Duration,
    fails: fn(u64) -> bool,
    first: Arc<OnceLock<u64>>,
    asked: Arc<AtomicU64>,
}

impl Service {
    fn new(takes: fn(f64) -> Duration, fails: fn(u64) -> bool) -> Self {
        Self {
            takes,
            fails,
            first: Arc::default(),
            asked: Arc::default(),
        }
    }
}

const SOON: Duration = Duration::from_millis(1);

impl Workload for Service {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let started = iteration.started();
        let since = started.saturating_sub(*self.first.get_or_init(|| started));
        tokio::time::sleep((self.takes)(since as f64 / 1e9)).await;
        let name: &[u8] = if number.is_multiple_of(2) {
            b"a"
        } else {
            b"10.0.0.1:80"
        };
        iteration.answered_by(name);
        if (self.fails)(number) {
            return Failure::Check.into();
        }
        Outcome::Ok
    }
}

const RATE: f64 = 100.0;

fn open_for(seconds: u64) -> Load {
    let rate = Rate::new(RATE).expect("a rate");
    let load = Load::open(rate).for_(Duration::from_secs(seconds));
    load.max_users(200).into()
}

fn thresholds(texts: &[&str]) -> Vec<Threshold> {
    let parsed = texts.iter().map(|it| it.parse().expect("a condition"));
    parsed.collect()
}

/// A run of this load and what became of these conditions.
fn run(load: Load, service: Service, conditions: Vec<Threshold>) -> (RunRecord, Document) {
    let mut spec = ScenarioSpec::new("shop", load);
    spec.thresholds = conditions.clone();
    spec.graceful_stop = Duration::from_secs(5);
    let record = Run::new(Options::default().workers(2))
        .scenario(spec, move |_| service.clone())
        .execute()
        .expect("a run");
    let mut context = Context::new();
    context.thresholds = vec![conditions];
    let document = build(&record, context);
    (record, document)
}

fn passes(document: &Document) -> Vec<bool> {
    let thresholds = document.scenarios[0].thresholds.iter();
    thresholds.map(|it| it.pass).collect()
}

/// Half a second in which answers take long are not seen in the whole, and are in a window.
#[test]
fn slow_for_a_while_in_the_middle() {
    let conditions = thresholds(&[
        "response_time.p50 < 150ms",
        "response_time.p50 < 150ms over any 1s",
        "steps.shop.response_time.mean < 250ms over any 2s",
        "backends.a.response_time.max < 150ms over any 1s",
        "throughput > 1/s over any 2s",
        "error_rate < 1% over any 5s",
        "response_time.p50 < 150ms over any 7s",
    ]);
    let service = Service::new(
        |at| match at {
            2.0..4.0 => Duration::from_millis(400),
            _ => SOON,
        },
        |_| false,
    );
    let (_, document) = run(open_for(6), service, conditions);
    let found = &document.scenarios[0].thresholds;
    assert_eq!(
        passes(&document),
        [true, false, false, false, true, true, false],
        "{found:#?}"
    );
    let window = |it: &ThresholdResult| it.window.map(|it| (it.from_s, it.to_s));
    // Both seconds are alike but for what a timer is off by.
    let worst = window(&found[1]).expect("a window");
    assert!([(2, 3), (3, 4)].contains(&worst), "{worst:?}");
    assert_eq!(
        window(&found[2]),
        Some((2, 4)),
        "the only step's are the iteration's"
    );
    assert!(found[1].observed.expect("a value") >= 400.0);
    assert_eq!(window(&found[0]), None);
    assert_eq!(
        found[6].unjudged.as_deref(),
        Some("the load came to 6 seconds, and a window has 7")
    );
    assert_eq!(document.verdict.status, Status::Fail);
    let reasons = document.verdict.reasons.join("\n");
    assert!(
        reasons.contains("over any 1s` does not hold, observed 4"),
        "{reasons}"
    );
    assert!(
        reasons.contains("over any 7s` cannot be judged, the load came to 6 seconds"),
        "{reasons}"
    );
}

#[test]
fn servers_by_name() {
    let conditions = thresholds(&[
        "backends.a.error_rate < 1%",
        "backends.'10.0.0.1:80'.error_rate < 1%",
        "backends.'10.0.0.1:80'.error_rate < 1% over any 1s",
        "backends.a.share <= 51%",
        "backends.a.requests > 10/s",
        "backends.b.share < 60%",
        "backends.'(unknown)'.requests == 0",
        "backends.a.share <= 60% over any 2s",
    ]);
    let service = Service::new(|_| SOON, |number| number % 10 == 3);
    let (_, document) = run(open_for(3), service, conditions);
    let found = &document.scenarios[0].thresholds;
    let passes = passes(&document);
    assert_eq!(
        passes,
        [true, false, false, true, true, false, true, true],
        "{found:#?}"
    );
    assert_eq!(found[1].observed, Some(20.0));
    assert_eq!(found[5].observed, None);
    let reasons = document.verdict.reasons.join("\n");
    assert!(
        reasons.contains("`backends.b.share < 60%` cannot be judged, no server named itself `b`; those that did are `"),
        "{reasons}"
    );
}

/// A run that would last a minute, ended by a condition, with all that it promised done.
#[test]
fn a_condition_ends_the_run() {
    let mut conditions = thresholds(&["error_rate < 1%", "error_rate < 30% over any 1s"]);
    conditions.push(
        "error_rate < 25%"
            .parse::<Threshold>()
            .unwrap()
            .aborting(Duration::from_secs(2)),
    );
    conditions.push(
        "error_rate < 90%"
            .parse::<Threshold>()
            .unwrap()
            .aborting(Duration::ZERO),
    );
    let service = Service::new(|_| Duration::from_millis(20), |number| number % 2 == 0);
    let (record, document) = run(open_for(60), service, conditions);
    let end = record.early_end.as_ref().expect("an early end");
    assert_eq!(
        (end.scenario.as_deref(), &*end.condition),
        (Some("shop"), "error_rate < 25%")
    );
    assert!(end.at >= Duration::from_secs(2), "{end:?}");
    assert!(
        record.elapsed < Duration::from_secs(50),
        "{:?}",
        record.elapsed
    );
    assert!(!record.stopped, "by nobody from outside");
    let ledger = &record.scenarios[0].ledger;
    assert!(ledger.balances());
    assert_eq!(ledger.interrupted, 0, "what was under way was let finish");

    assert_eq!(passes(&document), [false, false, false, true]);
    let ended = &document.scenarios[0].thresholds[2];
    assert!(
        ended.abort && ended.ended_run.is_some_and(|it| it.at_s >= 2.0),
        "{ended:?}"
    );
    assert!(document.run.stopped);
    assert_eq!(document.verdict.status, Status::Fail);
    let reasons = document.verdict.reasons.join("\n");
    assert!(
        reasons.contains("`shop`: `error_rate < 25%` ended the run after "),
        "{reasons}"
    );
}

/// A window that is bad ends a run soon after it, and listeners hear of it once.
#[test]
fn a_window_ends_the_run() {
    let condition = "response_time.p50 < 150ms over any 1s"
        .parse::<Threshold>()
        .unwrap();
    let mut spec = ScenarioSpec::new("shop", open_for(60));
    spec.warm_up = Duration::from_millis(500);
    spec.thresholds = vec![condition.aborting(Duration::ZERO)];
    let service = Service::new(
        |at| {
            if at > 2.0 {
                Duration::from_millis(300)
            } else {
                SOON
            }
        },
        |_| false,
    );
    let (told, heard) = std::sync::mpsc::channel();
    let record = Run::new(Options::default())
        .scenario(spec, move |_| service.clone())
        .listen(move |event| {
            if let Event::Ending(end) = event {
                told.send(end.at).expect("somebody listens");
            }
        })
        .execute()
        .expect("a run");
    let at = heard.recv().expect("an end");
    assert_eq!(heard.try_iter().count(), 0);
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(40)).contains(&at),
        "{at:?}"
    );
    assert_eq!(record.early_end.map(|it| it.at), Some(at));
}
