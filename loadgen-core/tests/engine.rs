//! The engine with workloads of its own: ledgers, phases, cancellation, validity.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use loadgen_core::condition::Threshold;
use loadgen_core::engine::{Event, Options, Phase, Run, RunError, ScenarioSpec, Stopper};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::pacer::Pacing;
use loadgen_core::record::{EarlyEnd, Histogram, Ledger, RunRecord, ScenarioRecord};
use loadgen_core::report;
use loadgen_core::schedule::{Limit, Load, OpenModel, Spacing, ThinkTime, UserStage, WhenBusy};
use loadgen_core::units::Rate;
use loadgen_core::workload::{
    Counter, Gauge, Iteration, Observer, PrepareError, Timing, UserId, Workload,
};
use test_case::test_case;

/// Takes a given time, fails every so often.
#[derive(Clone, Default)]
struct Busy {
    takes: Duration,
    fail_every: u64,
    blocks: Option<(u64, Duration)>,
    panics_at: Option<u64>,
    prepare_fails: bool,
    calls: Arc<AtomicU64>,
}

impl Busy {
    fn taking(ms: u64) -> Self {
        Self {
            takes: Duration::from_millis(ms),
            ..Self::default()
        }
    }
}

impl Workload for Busy {
    type Session = Cell<u64>;

    async fn prepare(&self) -> Result<(), PrepareError> {
        if self.prepare_fails {
            return Err(PrepareError::new("nobody there"));
        }
        Ok(())
    }

    async fn open(&self, _: UserId) -> Result<Cell<u64>, Failure> {
        Ok(Cell::new(0))
    }

    async fn iterate(&self, session: &mut Cell<u64>, iteration: &Iteration<'_>) -> Outcome {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        session.set(session.get() + 1);
        if self.panics_at == Some(call) {
            panic!("call {call} is one too many");
        }
        if let Some((at, block)) = self.blocks
            && at == call
        {
            let until = iteration.now() + loadgen_core::clock::nanos(block);
            while iteration.now() < until {
                std::hint::spin_loop();
            }
        }
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        if self.fail_every > 0 && call.is_multiple_of(self.fail_every) {
            iteration.explain(Failure::Check, || format!("call {call}"));
            return Failure::Check.into();
        }
        Outcome::Ok
    }
}

fn closed(users: u32, limit: Limit) -> Load {
    Load::closed(users).limit(limit).into()
}

fn open(rate: f64, ms: u64, max_users: u32) -> OpenModel {
    Load::open(Rate::new(rate).expect("a rate"))
        .for_(Duration::from_millis(ms))
        .max_users(max_users)
}

fn two_workers() -> Options {
    Options::default().workers(2).seed(1)
}

fn run(spec: ScenarioSpec, workload: Busy) -> RunRecord {
    Run::new(two_workers())
        .scenario(spec, move |_| workload.clone())
        .execute()
        .expect("the run begins")
}

/// What must hold of every record.
fn check(record: &ScenarioRecord) -> Ledger {
    let ledger = record.ledger;
    assert!(ledger.balances(), "{ledger:?}");
    let ended = ledger.completed + ledger.failed;
    let cut_off = record.unanswered - record.dropped_unanswered;
    assert_eq!(record.response_time.len(), ended + record.unanswered);
    assert_eq!(record.service_time.len(), ended + cut_off);
    assert!(cut_off <= ledger.interrupted && record.dropped_unanswered <= ledger.dropped);
    // Queue wait, start lag, send lag and service time add up to response time.
    let sum = |histogram: &Histogram| histogram.mean() * histogram.len() as f64;
    let parts = &record.parts;
    if record.unanswered == 0 && ledger.interrupted == 0 && ended > 0 {
        let all = sum(&parts.queue_wait)
            + sum(&parts.start_lag)
            + sum(&parts.send_lag)
            + sum(&record.service_time);
        let response = sum(&record.response_time);
        assert!(
            (all - response).abs() <= response * 0.002,
            "{all} {response}"
        );
    }
    assert_eq!(record.outcomes.iter().map(|(_, n)| n).sum::<u64>(), ended);
    let series = |count: fn(&loadgen_core::record::SeriesPoint) -> u64| {
        record.series.iter().map(count).sum::<u64>()
    };
    assert_eq!(series(|p| p.started), ledger.started);
    assert_eq!(series(|p| p.completed), ledger.completed);
    assert_eq!(series(|p| p.failed), ledger.failed);
    assert_eq!(series(|p| p.response_time.len()), ended + record.unanswered);
    if record.open {
        assert_eq!(record.parts.start_lag.len(), ledger.started);
        assert_eq!(record.parts.queue_wait.len(), ledger.started);
    }
    ledger
}

fn spec(load: impl Into<Load>) -> ScenarioSpec {
    ScenarioSpec::new("s", load)
}

#[test]
fn shared_iterations_are_all_run_and_no_more() {
    let workload = Busy {
        fail_every: 10,
        ..Busy::default()
    };
    let calls = Arc::clone(&workload.calls);
    let record = run(spec(closed(7, Limit::Iterations(10_001))), workload);
    let ledger = check(&record.scenarios[0]);
    assert_eq!(ledger.planned, 10_001);
    assert_eq!(ledger.failed, 1000);
    assert_eq!(calls.load(Ordering::Relaxed), 10_001);
    let (failure, example) = &record.scenarios[0].examples[0];
    assert_eq!(*failure, Failure::Check);
    assert!(example.starts_with("call "));
}

#[test]
fn each_user_runs_its_own_iterations() {
    let record = run(
        spec(closed(5, Limit::IterationsPerUser(3))),
        Busy::taking(2),
    );
    assert_eq!(check(&record.scenarios[0]).completed, 15);
}

#[test]
fn a_duration_ends_a_closed_model() {
    let mut spec = spec(closed(4, Limit::Duration(Duration::from_millis(300))));
    spec.warm_up = Duration::from_millis(200);
    let workload = Busy::taking(5);
    let calls = Arc::clone(&workload.calls);
    let record = run(spec, workload);
    let ledger = check(&record.scenarios[0]);
    assert!(ledger.completed > 20, "{ledger:?}");
    assert!(
        calls.load(Ordering::Relaxed) > ledger.started,
        "the warm-up ran and is in no figure"
    );
    assert!(record.elapsed >= Duration::from_millis(300));
}

/// A load that counts iterations and ends in time at the latest.
fn within(most: Duration, users: u32, limit: Limit) -> Load {
    Load::closed(users).limit(limit).max_duration(most).into()
}

#[test]
fn iterations_that_are_done_in_time_end_their_scenario_alone() {
    for limit in [Limit::Iterations(20), Limit::IterationsPerUser(5)] {
        let bounded = ScenarioSpec::new("b", within(Duration::from_secs(60), 4, limit));
        let timed = spec(closed(1, Limit::Duration(Duration::from_secs(1))));
        let record = Run::new(two_workers())
            .scenario(bounded, |_| Busy::taking(1))
            .scenario(timed, |_| Busy::taking(1))
            .execute()
            .unwrap();
        let [bounded, timed] = &record.scenarios[..] else {
            panic!("two scenarios");
        };
        assert_eq!(check(bounded).completed, 20);
        // It took as long as its iterations, though there was time until the run's end.
        assert!(bounded.elapsed < timed.elapsed, "{:?}", bounded.elapsed);
        assert!(timed.elapsed >= Duration::from_secs(1));
        assert!(!record.stopped);
    }
}

#[test]
fn time_ends_iterations_that_are_not_done() {
    for limit in [
        Limit::Iterations(1_000_000),
        Limit::IterationsPerUser(1_000_000),
    ] {
        let mut spec = spec(within(Duration::from_millis(200), 4, limit));
        spec.warm_up = Duration::from_millis(100);
        let record = run(spec, Busy::taking(5));
        let ledger = check(&record.scenarios[0]);
        assert!((10..10_000).contains(&ledger.completed), "{ledger:?}");
        assert_eq!(ledger.planned, ledger.completed, "nothing was cut off");
        assert!(!record.stopped);
    }
}

/// Fifty thousand once kept their worker from all else for two seconds, and made the run invalid.
#[test]
fn others_have_their_turn_while_many_users_start() {
    /// Notes how many had started when the first one came back.
    #[derive(Clone, Default)]
    struct Counts {
        started: Arc<AtomicU64>,
        until_first: Arc<AtomicU64>,
    }

    impl Workload for Counts {
        type Session = ();

        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }

        async fn iterate(&self, (): &mut (), _: &Iteration<'_>) -> Outcome {
            let nth = self.started.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            if nth == 0 {
                let started = self.started.load(Ordering::Relaxed);
                self.until_first.store(started, Ordering::Relaxed);
            }
            Outcome::Ok
        }
    }

    let counts = Counts::default();
    let workload = counts.clone();
    let options = Options::default().workers(1);
    let record = Run::new(options)
        .scenario(
            spec(closed(5_000, Limit::IterationsPerUser(1))),
            move |_| workload.clone(),
        )
        .execute()
        .expect("a run");
    assert_eq!(check(&record.scenarios[0]).completed, 5_000);
    let until_first = counts.until_first.load(Ordering::Relaxed);
    assert!((1..1_000).contains(&until_first), "{until_first}");
}

#[test]
fn stages_bring_users_and_take_them_away() {
    let stage = |ms, users| UserStage::new(Duration::from_millis(ms), users);
    let load = closed(
        8,
        Limit::Stages(vec![stage(300, 8), stage(300, 8), stage(300, 0)]),
    );
    let record = run(spec(load), Busy::taking(3));
    check(&record.scenarios[0]);
    let most = record.scenarios[0].series.iter().map(|p| p.users).max();
    assert!(most.is_some_and(|most| (5..=8).contains(&most)), "{most:?}");
}

#[test]
fn think_time_is_in_neither_series() {
    let load = Load::closed(2)
        .iterations_per_user(4)
        .think_time(ThinkTime::Between(
            Duration::from_millis(40),
            Duration::from_millis(60),
        ));
    let record = run(spec(load), Busy::default());
    check(&record.scenarios[0]);
    assert!(record.elapsed >= Duration::from_millis(120));
    assert!(record.scenarios[0].response_time.value_at_quantile(0.5) < 20_000_000);
}

/// A run that ended on a whole second put the counts of its last one into a point of no length, as
/// often as its end came before the second had been told of.
#[test]
fn the_last_whole_second_has_its_own_counts() {
    for _ in 0..6 {
        let load = Load::closed(20)
            .for_(Duration::from_secs(1))
            .think_time(ThinkTime::Fixed(Duration::from_millis(50)));
        let record = run(spec(load), Busy::default());
        let scenario = &record.scenarios[0];
        let ended = check(scenario).completed;
        // What is under way when the time is up ends a moment later.
        let first = scenario.series[0].completed;
        assert!(first * 2 > ended, "{first} of {ended}");
    }
}

#[test]
fn a_rate_limit_caps_a_closed_model() {
    let load = Load::closed(10)
        .for_(Duration::from_secs(1))
        .rate_limit(Rate::new(200.0).unwrap());
    let record = run(spec(load), Busy::default());
    let started = check(&record.scenarios[0]).started;
    assert!((120..=200).contains(&started), "{started}");
}

#[test]
fn an_open_model_starts_exactly_what_was_planned() {
    for spacing in [Spacing::Uniform, Spacing::Poisson] {
        let model = open(1000.0, 1000, 100).spacing(spacing);
        let mut spec = spec(model);
        spec.warm_up = Duration::from_millis(100);
        let record = run(spec, Busy::taking(1));
        let ledger = check(&record.scenarios[0]);
        assert_eq!(ledger.dropped, 0);
        match spacing {
            Spacing::Uniform => assert_eq!(ledger.planned, 1000),
            Spacing::Poisson => assert!((800..1200).contains(&ledger.planned), "{ledger:?}"),
        }
    }
}

/// Busy polling takes processor time that is not counted as work, and starts nothing early: the
/// time of an iteration that ended before it was due would overflow.
#[test]
fn a_wait_that_is_spent_awake_is_no_work() {
    let model = open(2000.0, 500, 100).spacing(Spacing::Poisson);
    let options = Options::default()
        .workers(1)
        .pacing(Pacing::busy(Pacing::LONGEST).unwrap());
    let record = Run::new(options.clone())
        .scenario(spec(model), |_| Busy::default())
        .execute()
        .unwrap();
    let ledger = check(&record.scenarios[0]);
    assert_eq!(ledger.dropped, 0);
    assert_eq!(record.generator.pacing, options.pacing);
    let worker = record.generator.workers[0];
    let all = worker.cpu_busy + worker.cpu_waiting;
    assert!(worker.cpu_waiting > 0.0 && all <= 1.0 + 1e-9, "{worker:?}");
}

fn gridded(pacing: Pacing, specs: impl IntoIterator<Item = ScenarioSpec>) -> RunRecord {
    let options = Options::default().workers(1).seed(1).pacing(pacing);
    let run = specs.into_iter().fold(Run::new(options), |run, spec| {
        run.scenario(spec, |_| Busy::default())
    });
    let record = run.execute().expect("the run begins");
    let is_open = record.scenarios.iter().any(|it| it.open);
    // Nobody waits for what is due in a closed model.
    let told = if is_open { pacing } else { Pacing::EXACT };
    assert_eq!(record.generator.pacing, told);
    record
}

/// All start, none early: the time of an iteration that ended before it was due would overflow.
#[test_case(Spacing::Uniform)]
#[test_case(Spacing::Poisson)]
fn on_a_grid_arrivals_wait_for_the_next_tick(spacing: Spacing) {
    let apart = Duration::from_millis(1);
    let model = open(2_000.0, 2_000, 100).spacing(spacing);
    let record = gridded(Pacing::grid(apart).expect("in range"), [spec(model)]);
    let scenario = &record.scenarios[0];
    let ledger = check(scenario);
    match spacing {
        Spacing::Uniform => assert_eq!(ledger.planned, 4_000),
        Spacing::Poisson => assert!((3_600..4_400).contains(&ledger.planned), "{ledger:?}"),
    }
    assert_eq!((ledger.started, ledger.dropped), (ledger.planned, 0));
    // One of two that are due between two ticks waits for half of that at least. Without a grid none would.
    let lag = scenario.parts.start_lag.value_at_quantile(0.75);
    assert!(lag > 300_000, "{lag}");
    let grid = record.generator.workers[0].grid.expect("there was one");
    assert_eq!(grid.ticks_apart, apart);
    // It begins once it is known what it saves.
    assert!((0.5..=1.0).contains(&grid.share), "{grid:?}");
    assert!(!grid.unstamped, "nothing comes over a socket");
}

#[test]
fn a_grid_is_for_open_models_alone() {
    let (beside, alone) = (
        [
            spec(open(2_000.0, 300, 100)),
            spec(closed(1, Limit::Duration(Duration::from_millis(300)))),
        ],
        [spec(closed(1, Limit::Duration(Duration::from_millis(300))))],
    );
    for record in [gridded(Pacing::GRID, beside), gridded(Pacing::GRID, alone)] {
        assert_eq!(record.generator.workers[0].grid, None);
    }
}

/// The times of this workload are as it sees them: nothing says when its answers were received.
#[test]
fn none_is_chosen_where_it_would_be_in_the_times() {
    let record = gridded(Pacing::AUTO, [spec(open(20_000.0, 300, 100))]);
    assert_eq!(record.generator.workers[0].grid, None);
}

#[test]
fn a_busy_arrival_waits_with_its_due_time() {
    // One user that takes 20 ms at 100/s: the line grows by one every 20 ms.
    let record = run(spec(open(100.0, 500, 1)), Busy::taking(20));
    let scenario = &record.scenarios[0];
    let ledger = check(scenario);
    assert_eq!(ledger.planned, 50);
    assert_eq!(ledger.completed, 50);
    let longest = scenario.response_time.max();
    assert!(longest > 450_000_000, "waited {longest} ns");
    assert!(scenario.service_time.value_at_quantile(0.5) < 200_000_000);
    assert!(scenario.parts.queue_wait.max() > 400_000_000);
}

#[test]
fn a_busy_arrival_is_dropped_when_told_so() {
    let model = open(100.0, 500, 1).when_busy(WhenBusy::Drop);
    let record = run(spec(model), Busy::taking(30));
    let ledger = check(&record.scenarios[0]);
    assert_eq!(ledger.planned, 50);
    assert!(ledger.dropped >= 25, "{ledger:?}");
    assert!(ledger.completed >= 5, "{ledger:?}");
}

#[test]
fn a_graceful_stop_that_is_too_short_interrupts_and_drops() {
    let mut spec = spec(open(100.0, 300, 2));
    spec.graceful_stop = Duration::from_millis(50);
    let record = run(spec, Busy::taking(10_000));
    let ledger = check(&record.scenarios[0]);
    assert_eq!(ledger.planned, 30);
    assert_eq!(ledger.interrupted, 2);
    assert_eq!(ledger.dropped, 28);
}

#[test]
fn a_closed_load_drains_from_its_end_and_not_from_the_next_answer() {
    for load in [
        closed(2, Limit::Duration(Duration::from_millis(200))),
        within(Duration::from_millis(200), 2, Limit::Iterations(1000)),
    ] {
        let mut spec = spec(load);
        spec.graceful_stop = Duration::from_millis(50);
        let record = run(spec, Busy::taking(10_000));
        assert_eq!(check(&record.scenarios[0]).interrupted, 2);
        assert!(
            record.elapsed < Duration::from_secs(5),
            "{:?}",
            record.elapsed
        );
    }
}

#[test]
fn a_timeout_is_a_failure_with_the_time_it_took() {
    let mut spec = spec(closed(2, Limit::Iterations(4)));
    spec.timeout = Duration::from_millis(50);
    let record = run(spec, Busy::taking(10_000));
    let scenario = &record.scenarios[0];
    assert_eq!(check(scenario).failed, 4);
    assert_eq!(scenario.outcomes, [(Failure::Timeout.into(), 4)]);
    assert!(scenario.response_time.min() >= 49_000_000);
}

fn stop_after(ms: u64, stop: impl Fn(&Stopper) + Send + 'static, spec: ScenarioSpec) -> RunRecord {
    let run = Run::new(two_workers()).scenario(spec, |_| Busy::taking(200));
    let stopper = run.stopper();
    let timer = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(ms));
        stop(&stopper);
    });
    let record = run.execute().expect("the run begins");
    timer.join().expect("the timer does not panic");
    record
}

#[test]
fn a_drain_lets_what_is_under_way_finish() {
    let long = closed(4, Limit::Duration(Duration::from_secs(60)));
    let record = stop_after(300, Stopper::drain, spec(long));
    let ledger = check(&record.scenarios[0]);
    assert!(record.stopped);
    assert_eq!(ledger.interrupted, 0);
    assert!(ledger.completed >= 4);
}

#[test]
fn an_abort_cuts_off_and_still_balances() {
    for load in [
        closed(4, Limit::Duration(Duration::from_secs(60))),
        Load::Open(open(100.0, 60_000, 10)),
    ] {
        let record = stop_after(300, Stopper::abort, spec(load));
        let ledger = check(&record.scenarios[0]);
        assert!(record.stopped);
        assert!(ledger.interrupted > 0, "{ledger:?}");
    }
}

/// A condition that ended the run on another shard ends it here, and nobody has stopped it.
#[test]
fn an_end_that_was_found_elsewhere_is_no_stop() {
    let end = || {
        EarlyEnd::new(
            Some("s".to_owned()),
            "error_rate < 1%",
            Duration::from_secs(3),
            31.0,
        )
    };
    let long = closed(4, Limit::Duration(Duration::from_secs(60)));
    let heard = Arc::new(AtomicU64::new(0));
    let run = Run::new(two_workers()).scenario(spec(long), |_| Busy::taking(20));
    let (stopper, hears) = (run.stopper(), Arc::clone(&heard));
    let run = run.listen(move |event: &Event<'_>| {
        if let Event::Ending(told) = event {
            assert_eq!(**told, end());
            hears.fetch_add(1, Ordering::Relaxed);
        }
    });
    let timer = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(300));
        stopper.end_early(end());
        // Whatever is said after that is too late.
        stopper.end_early(EarlyEnd::new(None, "another", Duration::ZERO, 0.0));
    });
    let record = run.execute().expect("the run begins");
    timer.join().expect("the timer does not panic");
    check(&record.scenarios[0]);
    assert_eq!((record.stopped, record.early_end), (false, Some(end())));
    assert!(record.elapsed < Duration::from_secs(30));
    assert_eq!(heard.load(Ordering::Relaxed), 0, "nobody here has found it");
}

#[test]
fn an_end_that_was_found_elsewhere_changes_nothing_of_a_stop() {
    let long = closed(4, Limit::Duration(Duration::from_secs(60)));
    let stop = |stopper: &Stopper| {
        stopper.drain();
        stopper.end_early(EarlyEnd::new(None, "error_rate < 1%", Duration::ZERO, 1.0));
    };
    let record = stop_after(300, stop, spec(long));
    assert_eq!((record.stopped, record.early_end), (true, None));
}

/// All are prepared by then, and nothing has begun.
#[test]
fn a_load_begins_at_the_moment_that_was_agreed_on() {
    let later = Duration::from_millis(400);
    let (asked, was_asked) = std::sync::mpsc::channel();
    let run = Run::new(two_workers())
        .scenario(spec(closed(2, Limit::Iterations(10))), |_| Busy::taking(1))
        .begin_when(move |headway| {
            let at = now() + headway + later;
            asked
                .send((at, SystemTime::now() + headway + later))
                .expect("somebody waits");
            Some(at)
        });
    let record = run.execute().expect("the run begins");
    let (_, by_the_wall) = was_asked.recv().expect("it was asked");
    let off = record
        .started_at
        .duration_since(by_the_wall)
        .unwrap_or_else(|it| it.duration());
    assert!(off < Duration::from_millis(50), "{off:?}");
    assert_eq!(check(&record.scenarios[0]).completed, 10);
}

#[test]
fn a_load_that_is_not_to_begin_does_not() {
    let run = Run::new(two_workers())
        .scenario(spec(closed(2, Limit::Iterations(10))), |_| Busy::taking(1))
        .begin_when(|_| None);
    assert!(matches!(run.execute(), Err(RunError::StoppedEarly)));
}

/// The clock of whoever agrees on a moment with others.
fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "it is no clock of a run's")]
    Instant::now()
}

/// A line without a bound ends in the kernel's killer, without a report.
#[test]
fn a_line_that_grows_too_long_ends_the_run_as_invalid() {
    let options = two_workers().most_in_line(2_000);
    let mut spec = spec(open(20_000.0, 600_000, 2));
    spec.graceful_stop = Duration::ZERO;
    let run = Run::new(options).scenario(spec, |_| Busy::taking(600_000));
    let record = run.execute().expect("the run begins");
    let overrun = record.overrun.clone().expect("the line was too long");
    assert_eq!((overrun.in_line, overrun.workers), (1_001, 2));
    assert!(!record.stopped, "nobody asked for it");
    let ledger = check(&record.scenarios[0]);
    assert!(ledger.dropped >= 1_001, "{ledger:?}");
    assert!(record.elapsed < Duration::from_secs(60));
    let verdict = report::verdict(&record, &[], &[]);
    assert_eq!(verdict.status, loadgen_core::report::Status::Invalid);
    assert!(
        verdict.reasons[0].contains("1,001 arrivals stood in line"),
        "{verdict:?}"
    );
}

/// Where it is ended they are dropped, and where they are turned away there is no line.
#[test]
fn what_is_turned_away_makes_no_line() {
    let options = two_workers().most_in_line(10);
    let mut model = open(5_000.0, 200, 2);
    model.when_busy = WhenBusy::Drop;
    let mut spec = spec(model);
    spec.graceful_stop = Duration::ZERO;
    let run = Run::new(options).scenario(spec, |_| Busy::taking(600_000));
    let record = run.execute().expect("the run begins");
    assert_eq!(record.overrun, None);
    assert_eq!(check(&record.scenarios[0]).dropped, 998);
}

#[test]
fn a_stop_before_the_load_says_so() {
    let run = Run::new(two_workers())
        .scenario(spec(closed(1, Limit::Iterations(1))), |_| Busy::default());
    run.stopper().drain();
    assert!(matches!(run.execute(), Err(RunError::StoppedEarly)));
}

#[test]
fn an_unreachable_scenario_ends_the_run_before_it_starts() {
    let workload = Busy {
        prepare_fails: true,
        ..Busy::default()
    };
    let error = Run::new(two_workers())
        .scenario(spec(closed(2, Limit::Iterations(1))), move |_| {
            workload.clone()
        })
        .execute()
        .unwrap_err();
    assert_eq!(error.to_string(), "scenario `s`: nobody there");
}

/// Half the arrivals were missing without a word when the first connection of one of two workers
/// failed.
#[test]
fn a_worker_that_could_not_prepare_takes_its_share_of_the_load() {
    let users = closed(4, Limit::IterationsPerUser(25));
    for load in [users, Load::Open(open(200.0, 500, 8))] {
        let record = Run::new(two_workers())
            .scenario(spec(load), |context| Busy {
                prepare_fails: context.worker == 1,
                ..Busy::default()
            })
            .execute()
            .expect("the other worker could");
        let ledger = check(&record.scenarios[0]);
        assert_eq!((ledger.planned, ledger.completed), (100, 100));
    }
}

#[test]
fn a_panic_ends_the_run_with_its_record() {
    let workload = Busy {
        panics_at: Some(50),
        ..Busy::taking(1)
    };
    let record = run(spec(closed(4, Limit::Iterations(1_000_000))), workload);
    let ledger = check(&record.scenarios[0]);
    assert_eq!(record.panic.as_deref(), Some("call 50 is one too many"));
    assert!(ledger.completed >= 40, "{ledger:?}");
    assert!(ledger.interrupted >= 1, "{ledger:?}");
}

#[test]
fn a_generator_that_stood_still_is_found_out() {
    let workload = Busy {
        blocks: Some((100, Duration::from_millis(250))),
        ..Busy::default()
    };
    let record = Run::new(Options::default().workers(1))
        .scenario(spec(open(500.0, 1000, 50)), move |_| workload.clone())
        .execute()
        .unwrap();
    let ledger = check(&record.scenarios[0]);
    let stall = record.generator.workers[0].longest_stall;
    assert!(stall > Duration::from_millis(200), "{stall:?}");
    assert!(ledger.late > 50, "{ledger:?}");
    assert!(record.scenarios[0].parts.start_lag.max() > 150_000_000);
    assert_eq!(ledger.planned, 500);
}

/// Works hard and takes 900 ms to say good-bye.
struct SlowToLeave;

impl Workload for SlowToLeave {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        let until = iteration.now() + 5_000_000;
        while iteration.now() < until {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
        Outcome::Ok
    }

    async fn close(&self, (): ()) {
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
}

/// A worker that worked all the time is not one that had time to spare, however long the good-byes
/// of its users take.
#[test]
fn good_byes_are_no_part_of_the_load() {
    for limit in [Limit::Iterations(60), Limit::IterationsPerUser(60)] {
        let options = Options::default().workers(1).seed(1);
        let record = Run::new(options)
            .scenario(spec(closed(1, limit)), |_| SlowToLeave)
            .execute()
            .unwrap();
        let worker = &record.generator.workers[0];
        let wanted = worker.cpu_busy + worker.cpu_starved;
        assert!(wanted > 0.5, "{worker:?}");
    }
}

/// Says what a driver would: that each iteration moved some bytes.
struct Chatty(Rc<dyn Observer>);

impl Workload for Chatty {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        self.0.bytes(1_000_000, 1_000_000);
        Ok(())
    }

    async fn iterate(&self, (): &mut (), _: &Iteration<'_>) -> Outcome {
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.0.bytes(7, 11);
        Outcome::Ok
    }
}

#[test]
fn the_bytes_of_the_first_moments_are_counted() {
    let record = Run::new(two_workers())
        .scenario(spec(closed(4, Limit::Iterations(40))), |context| {
            Chatty(Rc::clone(&context.observer))
        })
        .execute()
        .unwrap();
    check(&record.scenarios[0]);
    let bytes = record.scenarios[0].bytes;
    assert_eq!((bytes.sent, bytes.received), (40 * 7, 40 * 11));
}

#[test]
fn the_bytes_of_the_warm_up_are_not_counted() {
    let mut spec = spec(closed(1, Limit::Iterations(50)));
    spec.warm_up = Duration::from_millis(1200);
    let record = Run::new(two_workers())
        .scenario(spec, |context| Chatty(Rc::clone(&context.observer)))
        .execute()
        .unwrap();
    check(&record.scenarios[0]);
    let sent = record.scenarios[0].bytes.sent;
    // The heartbeat that tells the warm-up's end may come some 10 ms after it; the iteration that
    // was under way then moves its bytes later.
    assert!((30 * 7..=51 * 7).contains(&sent), "{sent}");
}

#[test]
fn early_samples_are_in_the_first_second_of_the_series_however_long_connecting_took() {
    struct SlowToOpen;

    impl Workload for SlowToOpen {
        type Session = ();

        async fn open(&self, _: UserId) -> Result<(), Failure> {
            tokio::time::sleep(Duration::from_millis(1200)).await;
            Ok(())
        }

        async fn iterate(&self, (): &mut (), _: &Iteration<'_>) -> Outcome {
            Outcome::Ok
        }
    }

    let record = Run::new(two_workers())
        .scenario(spec(closed(1, Limit::Iterations(10))), |_| SlowToOpen)
        .execute()
        .unwrap();
    let series = &record.scenarios[0].series;
    assert_eq!(series[0].response_time.len(), 10, "{series:?}");
}

/// The scenario knew of it, and the step that hung looked as if it had never been there.
#[test]
fn a_step_among_several_that_hangs_is_unanswered_itself() {
    struct Hangs;
    impl Workload for Hangs {
        type Session = ();
        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }
        async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
            iteration.step(0, async { Outcome::Ok }).await;
            iteration.step(1, std::future::pending()).await
        }
    }
    let mut spec = spec(closed(4, Limit::Duration(Duration::from_millis(200))));
    spec.graceful_stop = Duration::from_millis(50);
    spec.steps = vec!["quick".into(), "hangs".into()];
    let record = Run::new(two_workers())
        .scenario(spec, |_| Hangs)
        .execute()
        .unwrap();
    let scenario = &record.scenarios[0];
    assert_eq!((check(scenario).interrupted, scenario.unanswered), (4, 4));
    let [quick, hangs] = &scenario.steps[..] else {
        panic!("two steps");
    };
    assert_eq!((quick.unanswered, quick.outcomes[0].1), (0, 4));
    assert_eq!((hangs.unanswered, hangs.outcomes.len()), (4, 0));
    assert_eq!(hangs.response_time.len(), 4);
    assert!(hangs.youngest_unanswered >= Some(200_000_000));
    let rate = |step: &str| {
        let condition: Threshold = format!("steps.{step}.error_rate < 1%").parse().unwrap();
        report::judge(&[condition], scenario)[0].observed
    };
    assert_eq!((rate("quick"), rate("hangs")), (Some(0.0), Some(100.0)));
    let document = report::build(&record, Default::default());
    let [quick, hangs] = &document.scenarios[0].steps[..] else {
        panic!("two steps");
    };
    assert_eq!((quick.unanswered, hangs.unanswered), (0, 4));
    let times = hangs.response_time_us.as_ref().expect("at their age");
    assert_eq!(times.at_least_from, Some(0.0));
}

#[test]
fn steps_pauses_and_custom_metrics_are_told_apart() {
    #[derive(Clone, Copy)]
    struct Steps {
        hits: Counter,
        level: Gauge,
        lookup: Timing,
    }

    impl Workload for Steps {
        type Session = ();
        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }
        async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
            let first = iteration
                .step(0, async {
                    iteration.answered_by(b"one");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Outcome::Ok
                })
                .await;
            iteration.pause(Duration::from_millis(60)).await;
            iteration.count(self.hits, 2);
            iteration.gauge(self.level, 1.5);
            iteration.timing(self.lookup, Duration::from_micros(3));
            if !first.is_ok() {
                return first;
            }
            iteration
                .step(1, async {
                    iteration.answered_by(b"two");
                    Failure::Check.into()
                })
                .await
        }
    }
    let mut spec = spec(closed(1, Limit::Iterations(3)));
    spec.steps = vec!["slow".into(), "bad".into()];
    let steps = Steps {
        hits: spec.counter("hits"),
        level: spec.gauge("level"),
        lookup: spec.timing("lookup"),
    };
    let record = Run::new(two_workers())
        .scenario(spec, move |_| steps)
        .execute()
        .unwrap();
    let scenario = &record.scenarios[0];
    assert_eq!(check(scenario).failed, 3);
    let [slow, bad] = &scenario.steps[..] else {
        panic!("two steps");
    };
    assert_eq!(slow.outcomes, [(Outcome::Ok, 3)]);
    assert_eq!(bad.outcomes, [(Failure::Check.into(), 3)]);
    assert!(slow.response_time.min() >= 9_900_000);
    assert!(bad.response_time.min() < 9_000_000);
    // The pause is in neither: 10 ms and a little, not 70.
    assert!(scenario.response_time.value_at_quantile(0.5) < 60_000_000);
    let shares: Vec<_> = scenario
        .backends
        .iter()
        .map(|b| (b.id.as_str(), b.requests, b.failed))
        .collect();
    assert_eq!(shares, [("one", 3, 0), ("two", 3, 3)]);
    assert_eq!(scenario.custom.counters, [("hits".to_owned(), 6)]);
    assert_eq!(scenario.custom.gauges, [("level".to_owned(), 1.5)]);
    assert_eq!(scenario.custom.timings[0].1.len(), 3);
}

#[test]
fn listeners_hear_of_every_iteration_once() {
    let heard = Arc::new(AtomicU64::new(0));
    let ends = Arc::new(AtomicU64::new(0));
    let (sum, last) = (Arc::clone(&heard), Arc::clone(&ends));
    let record = Run::new(two_workers())
        .scenario(spec(open(200.0, 2200, 50)), |_| Busy::taking(2))
        .listen(move |event| match event {
            Event::Snapshot(snapshot) => {
                let scenario = &snapshot.scenarios[0];
                sum.fetch_add(scenario.interval.ledger.completed, Ordering::Relaxed);
                assert_eq!(
                    scenario.interval.response_time.second().len(),
                    scenario.interval.ledger.completed
                );
                if scenario.phase == Phase::Done {
                    last.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Finished(record) => assert_eq!(record.scenarios[0].ledger.completed, 440),
            _ => {}
        })
        .execute()
        .unwrap();
    check(&record.scenarios[0]);
    assert_eq!(heard.load(Ordering::Relaxed), 440);
    assert!(ends.load(Ordering::Relaxed) >= 1);
    assert!(record.scenarios[0].series.len() >= 3);
}

#[test]
fn scenarios_of_one_run_keep_their_own_figures() {
    let mut later = spec(open(100.0, 300, 10));
    later.name = "later".to_owned();
    later.start_after = Duration::from_millis(200);
    let record = Run::new(two_workers())
        .scenario(spec(closed(3, Limit::Iterations(30))), |_| Busy::taking(1))
        .scenario(later, |_| Busy::taking(1))
        .execute()
        .unwrap();
    assert_eq!(check(&record.scenarios[0]).completed, 30);
    assert_eq!(check(&record.scenarios[1]).completed, 30);
    assert!(record.scenarios[0].elapsed < Duration::from_millis(250));
    assert!(record.scenarios[1].elapsed >= Duration::from_millis(290));
}

#[test]
fn iterations_that_the_plan_promised_are_not_cut_off_by_a_short_graceful_stop() {
    /// The first user is done at once, the second takes longer than the graceful stop.
    struct Uneven;

    impl Workload for Uneven {
        type Session = UserId;

        async fn open(&self, user: UserId) -> Result<UserId, Failure> {
            Ok(user)
        }

        async fn iterate(&self, user: &mut UserId, _: &Iteration<'_>) -> Outcome {
            tokio::time::sleep(Duration::from_millis(300) * user.0).await;
            Outcome::Ok
        }
    }

    let mut spec = spec(closed(2, Limit::Iterations(2)));
    spec.graceful_stop = Duration::from_millis(20);
    let record = Run::new(Options::default().workers(1))
        .scenario(spec, |_| Uneven)
        .execute()
        .unwrap();
    let ledger = check(&record.scenarios[0]);
    assert_eq!((ledger.completed, ledger.interrupted), (2, 0));
}

#[test]
fn a_scenario_that_never_began_takes_no_time() {
    let mut later = spec(closed(1, Limit::Iterations(1)));
    later.start_after = Duration::from_secs(3600);
    let run = Run::new(two_workers())
        .scenario(
            spec(closed(2, Limit::Duration(Duration::from_secs(60)))),
            |_| Busy::taking(5),
        )
        .scenario(later, |_| Busy::default());
    let stopper = run.stopper();
    let timer = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(200));
        stopper.drain();
    });
    let record = run.execute().unwrap();
    timer.join().expect("the timer does not panic");
    assert!(record.elapsed < Duration::from_secs(30), "{record:?}");
    assert_eq!(check(&record.scenarios[1]), Ledger::default());
}

#[test]
fn a_pause_extends_the_timeout_by_its_own_length_only() {
    /// A pause, then a step that never ends.
    struct PauseThenHang;

    impl Workload for PauseThenHang {
        type Session = ();

        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }

        async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
            iteration.pause(Duration::from_millis(400)).await;
            iteration.step(0, std::future::pending()).await
        }
    }

    let mut spec = spec(closed(1, Limit::Iterations(1)));
    spec.timeout = Duration::from_millis(300);
    let record = Run::new(two_workers())
        .scenario(spec, |_| PauseThenHang)
        .execute()
        .unwrap();
    let scenario = &record.scenarios[0];
    assert_eq!(scenario.outcomes, [(Failure::Timeout.into(), 1)]);
    let took = scenario.response_time.max();
    assert!((295_000_000..500_000_000).contains(&took), "{took}");
}

#[test]
fn a_stall_across_the_end_of_the_plan_is_seen() {
    for load in [
        closed(1, Limit::Duration(Duration::from_millis(300))),
        Load::Open(open(100.0, 300, 10)),
    ] {
        let workload = Busy {
            blocks: Some((20, Duration::from_millis(400))),
            ..Busy::taking(10)
        };
        let record = Run::new(Options::default().workers(1))
            .scenario(spec(load), move |_| workload.clone())
            .execute()
            .unwrap();
        let stall = record.generator.workers[0].longest_stall;
        assert!(stall > Duration::from_millis(300), "{stall:?}");
    }
}

#[test]
fn late_arrivals_of_a_generator_that_slept_are_not_blamed_on_the_service() {
    // Four users with a service that takes 1 ms have time to spare at 200/s; only our own sleep of
    // 90 ms makes arrivals wait.
    let workload = Busy {
        blocks: Some((50, Duration::from_millis(90))),
        ..Busy::taking(1)
    };
    let model = open(200.0, 1000, 4);
    let record = Run::new(Options::default().workers(1))
        .scenario(spec(model), move |_| workload.clone())
        .execute()
        .unwrap();
    let scenario = &record.scenarios[0];
    check(scenario);
    assert!(scenario.parts.start_lag.max() > 60_000_000);
    assert!(scenario.ledger.late >= 10, "{:?}", scenario.ledger);
}

#[test]
fn an_example_may_record_something_itself() {
    #[derive(Clone, Copy)]
    struct Explains(Counter);

    impl Workload for Explains {
        type Session = ();

        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }

        async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
            iteration.explain(Failure::Check, || {
                iteration.count(self.0, 1);
                "why".to_owned()
            });
            Failure::Check.into()
        }
    }

    let mut spec = spec(closed(1, Limit::Iterations(5)));
    let workload = Explains(spec.counter("explained"));
    let record = Run::new(two_workers())
        .scenario(spec, move |_| workload)
        .execute()
        .unwrap();
    assert!(record.panic.is_none());
    assert_eq!(record.scenarios[0].custom.counters[0].1, 1);
}

#[test]
fn a_listener_that_panics_takes_the_load_with_it() {
    let workload = Busy::taking(1);
    let calls = Arc::clone(&workload.calls);
    let run = Run::new(two_workers())
        .scenario(
            spec(closed(2, Limit::Duration(Duration::from_secs(60)))),
            move |_| workload.clone(),
        )
        .listen(|event| assert!(!matches!(event, Event::Snapshot(_)), "enough"));
    std::thread::spawn(|| run.execute()).join().unwrap_err();
    let settle = || std::thread::park_timeout(Duration::from_millis(300));
    settle();
    let then = calls.load(Ordering::Relaxed);
    settle();
    assert_eq!(calls.load(Ordering::Relaxed), then);
}

#[test]
fn snapshots_come_once_a_second_whatever_the_scenarios_offsets() {
    let mut later = spec(open(50.0, 2000, 10));
    later.start_after = Duration::from_millis(500);
    let heard = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&heard);
    let record = Run::new(two_workers())
        .scenario(spec(open(50.0, 2000, 10)), |_| Busy::taking(1))
        .scenario(later, |_| Busy::taking(1))
        .listen(move |event| {
            if let Event::Snapshot(_) = event {
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
        .execute()
        .unwrap();
    // At 1.1 s and 2.1 s and at the end; a slow machine may be late, never early.
    let snapshots = heard.load(Ordering::Relaxed);
    assert!((2..=4).contains(&snapshots), "{snapshots}");
    for scenario in &record.scenarios {
        check(scenario);
        assert!(scenario.series.len() <= 3, "{}", scenario.series.len());
    }
}

#[test]
fn no_users_are_one_user_and_a_range_backwards_is_a_range() {
    let load = Load::closed(0).iterations(2).think_time(ThinkTime::Between(
        Duration::from_millis(2),
        Duration::from_millis(1),
    ));
    let record = run(spec(load), Busy::default());
    assert_eq!(check(&record.scenarios[0]).completed, 2);
}

#[test]
fn who_is_kept_waiting_by_a_service_that_stopped_answering_is_unanswered() {
    let mut spec = spec(open(100.0, 300, 2));
    spec.graceful_stop = Duration::from_millis(200);
    let record = run(spec, Busy::taking(10_000));
    let scenario = &record.scenarios[0];
    let ledger = check(scenario);
    assert_eq!((ledger.interrupted, ledger.dropped), (2, 28));
    assert_eq!((scenario.unanswered, scenario.dropped_unanswered), (30, 28));
    // The oldest was due at 0 and waited for all of the load and the graceful stop.
    let oldest = scenario.response_time.max();
    assert!((480_000_000..2_000_000_000).contains(&oldest), "{oldest}");
    assert!(
        scenario.response_time.min() >= 190_000_000,
        "each waited at least for the graceful stop"
    );
}

/// Where users keep what lasts as long as the load it is not the service that keeps arrivals waiting.
#[test_case(WhenBusy::Queue)]
#[test_case(WhenBusy::Drop)]
fn who_waits_for_users_that_keep_theirs_is_told_apart(when_busy: WhenBusy) {
    let mut spec = spec(open(100.0, 300, 2).when_busy(when_busy));
    spec.lasting = true;
    spec.graceful_stop = Duration::from_millis(200);
    // One that came while its worker itself was late would not be theirs, and a machine may be slow.
    spec.late_after = Duration::from_secs(10);
    let record = run(spec, Busy::taking(10_000));
    let scenario = &record.scenarios[0];
    let dropped = check(scenario).dropped;
    assert_eq!((dropped, scenario.dropped_unanswered), (28, 0));
    assert_eq!(scenario.dropped_kept, dropped);
}

/// Each is as old as the time until the next user came free.
#[test]
fn arrivals_that_found_no_user_are_unanswered() {
    let model = open(100.0, 500, 1).when_busy(WhenBusy::Drop);
    let record = run(spec(model), Busy::taking(45));
    let scenario = &record.scenarios[0];
    let ledger = check(scenario);
    assert!(ledger.dropped > 0, "{ledger:?}");
    assert_eq!(scenario.unanswered, scenario.dropped_unanswered);
    // One that came while its worker itself was late is not the service's.
    assert!(
        scenario.unanswered * 10 >= ledger.dropped * 8,
        "{} of {ledger:?}",
        scenario.unanswered
    );
}

#[test]
fn what_a_person_stopped_is_nobodys_fault() {
    let record = stop_after(
        300,
        Stopper::abort,
        spec(closed(4, Limit::Duration(Duration::from_secs(60)))),
    );
    let scenario = &record.scenarios[0];
    assert!(check(scenario).interrupted > 0);
    assert_eq!(scenario.unanswered, 0);
}

/// In a closed model a dead service leaves no more unanswered than there are users.
#[test]
fn a_service_that_falls_silent_is_heard_of() {
    struct Dies;

    impl Workload for Dies {
        type Session = ();

        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }

        async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
            if iteration.number() >= 20 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            Outcome::Ok
        }
    }

    let mut spec = spec(closed(2, Limit::Duration(Duration::from_millis(1_500))));
    spec.graceful_stop = Duration::from_millis(100);
    let record = Run::new(two_workers()).scenario(spec, |_| Dies).execute();
    let record = record.expect("the run begins");
    let scenario = &record.scenarios[0];
    assert_eq!(check(scenario).interrupted, 2);
    assert_eq!(scenario.unanswered, 2);
    let last = scenario.silence.last;
    assert_eq!(last, scenario.silence.longest);
    let from = last.from.as_secs_f64();
    assert!((0.2..0.9).contains(&from), "{from}");
    assert!(last.length >= Duration::from_millis(600), "{last:?}");
}
