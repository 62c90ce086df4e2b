//! What a document says of a server that went away, from a run in which one did.
#![expect(
    clippy::disallowed_methods,
    reason = "whoever does something to servers has a thread and a clock of their own"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadgen_core::engine::{Options, Run, ScenarioSpec, TimelineSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::{EventAction, EventRecord};
use loadgen_core::report::{self, Context};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};

/// So long it takes until nothing is given to a dead server.
const NOTICED: Duration = Duration::from_millis(300);

/// Three servers by turns, of which b2 may be down: since so many microseconds after `begin`, if not zero.
#[derive(Clone)]
struct Balancer {
    begin: Instant,
    down: Arc<AtomicU64>,
}

impl Balancer {
    fn set_down(&self, is_down: bool) -> Instant {
        let now = Instant::now();
        let since = u64::try_from(now.duration_since(self.begin).as_micros()).expect("it fits");
        let since = if is_down { since.max(1) } else { 0 };
        self.down.store(since, Ordering::SeqCst);
        now
    }
}

impl Workload for Balancer {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        let number = iteration.number();
        let others = ["b1", "b3"][(number / 3 % 2) as usize];
        let down = self.down.load(Ordering::SeqCst);
        let server = match number % 3 {
            0 => "b1",
            1 if down == 0 => "b2",
            1 => {
                let since = self.begin + Duration::from_micros(down);
                if since.elapsed() < NOTICED {
                    return Failure::Reset("the connection was reset").into();
                }
                others
            }
            _ => "b3",
        };
        iteration.answered_by(server.as_bytes());
        Outcome::Ok
    }
}

#[test]
fn a_server_that_dies_and_comes_back_is_told_of() {
    let balancer = Balancer {
        begin: Instant::now(),
        down: Arc::default(),
    };
    let load = Load::open(Rate::new(500.0).expect("a rate"))
        .for_(Duration::from_millis(3_300))
        .max_users(200);
    let mut spec = ScenarioSpec::new("lb", load);
    let window = (Duration::ZERO, Duration::from_secs(60));
    spec.timeline = Some(TimelineSpec::new([window], None));
    let asked = balancer.clone();
    let run = Run::new(Options::default().workers(1)).scenario(spec, move |_| asked.clone());
    let marker = run.marker();
    let teller = std::thread::spawn(move || {
        assert!(marker.begun(Duration::from_secs(20)));
        let wait = |ms| {
            let due = marker.due(0, Duration::from_millis(ms));
            let due = due.expect("the clock runs");
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        };
        let mut event = EventRecord::new(EventAction::Kill, "kill b2");
        event.backend = Some("b2".to_owned());
        wait(1_000);
        event.done = Some(marker.since(0, balancer.set_down(true)));
        wait(2_000);
        event.ready = Some(marker.since(0, balancer.set_down(false)));
        assert!(marker.record(0, event));
    });
    let record = run.execute().expect("the run begins");
    teller.join().expect("it told");

    let mut context = Context::new();
    context.thresholds = vec![vec![
        "failover.detected < 400ms".parse().expect("a condition"),
        "failover.lost <= 1".parse().expect("a condition"),
        "drain.lost <= 1".parse().expect("a condition"),
    ]];
    let document = report::build(&record, context);
    let scenario = &document.scenarios[0];
    let [failover] = scenario.failovers.as_slice() else {
        panic!("{:?}", scenario.failovers);
    };
    let near = |seconds: Option<f64>, expected: f64| {
        assert!(
            seconds.is_some_and(|it| (it - expected).abs() < 0.05),
            "{failover:?}"
        );
    };
    near(failover.detected_s, 0.3);
    near(failover.recovered_s, 0.3);
    near(failover.last_error_s, 0.3);
    near(failover.returned_s, 0.0);
    near(failover.rebalanced_s, 0.0);
    assert!(
        failover.lost.is_some_and(|it| it.abs_diff(50) <= 5),
        "{failover:?}"
    );
    assert_eq!(failover.relapses, Some(0));
    // 500 a second for a second, without those that failed: enough for a p90, and not for a p99.
    let survivors = failover.survivors.as_ref().expect("two went on");
    let during = &survivors.during_us;
    assert!((400..=500).contains(&during.count), "{during:?}");
    assert!(during.p90.is_some() && during.p99.is_none(), "{during:?}");
    assert!(
        failover.never.is_empty() && failover.untold.is_none(),
        "{failover:?}"
    );
    let passed: Vec<bool> = scenario.thresholds.iter().map(|it| it.pass).collect();
    assert_eq!(passed, [true, false, false]);
    let unjudged = scenario.thresholds[2].unjudged.as_deref();
    assert_eq!(unjudged, Some("no server was asked to go"));
}
