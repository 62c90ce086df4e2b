//! Changing a run while it is under way, with workloads of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use loadgen_core::condition::Threshold;
use loadgen_core::engine::{Change, Control, Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::{EventAction, RunRecord, ScenarioRecord, TargetSwitch};
use loadgen_core::schedule::{Load, Spacing, UserStage, WhenBusy};
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};
use proptest::prelude::*;
use test_case::test_case;

/// Takes a given time, and says how many are at it.
#[derive(Clone, Default)]
struct Busy {
    takes: Duration,
    /// What the first iteration of the second user takes beside that.
    first: Duration,
    calls: Arc<AtomicU64>,
    now: Arc<AtomicU64>,
}

impl Busy {
    fn taking(ms: u64) -> Self {
        Self {
            takes: Duration::from_millis(ms),
            ..Self::default()
        }
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many of them were at it when there were most, over so long.
    fn most_at_it(&self, ms: u64) -> u64 {
        let look = |_| {
            rest(2);
            self.now.load(Ordering::Relaxed)
        };
        (0..ms / 2).map(look).max().unwrap_or_default()
    }
}

impl Workload for Busy {
    type Session = UserId;

    async fn open(&self, user: UserId) -> Result<UserId, Failure> {
        Ok(user)
    }

    async fn iterate(&self, user: &mut UserId, iteration: &Iteration<'_>) -> Outcome {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let is_first = user.0 == 1 && iteration.number() == 0;
        let takes = self.takes + if is_first { self.first } else { Duration::ZERO };
        if !takes.is_zero() {
            self.now.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(takes).await;
            self.now.fetch_sub(1, Ordering::Relaxed);
        }
        Outcome::Ok
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever changes a run is on a thread of their own"
)]
fn rest(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

fn rate(per_second: f64) -> Rate {
    Rate::new(per_second).expect("a rate")
}

fn parsed(json: &str) -> Change {
    json.parse().expect("a change")
}

fn tell(control: &Control, json: &str) {
    control.change(&parsed(json)).expect("it is done");
}

fn refusal(control: &Control, json: &str) -> String {
    match json.parse::<Change>().and_then(|it| control.change(&it)) {
        Ok(done) => panic!("{json}: {done}"),
        Err(refused) => refused.to_string(),
    }
}

/// Runs it on two workers, and whoever changes it beside it from its first moment on.
fn changed(
    spec: ScenarioSpec,
    workload: &Busy,
    script: impl FnOnce(&Control) + Send,
) -> ScenarioRecord {
    let mut record = changed_run([(spec, workload.clone())], script);
    record.scenarios.remove(0)
}

fn changed_run(
    scenarios: impl IntoIterator<Item = (ScenarioSpec, Busy)>,
    script: impl FnOnce(&Control) + Send,
) -> RunRecord {
    let mut run = Run::new(Options::default().workers(2).seed(1));
    for (spec, workload) in scenarios {
        run = run.scenario(spec, move |_| workload.clone());
    }
    let record = steered(run, script);
    record.scenarios.iter().for_each(check);
    record
}

fn steered(run: Run, script: impl FnOnce(&Control) + Send) -> RunRecord {
    let (control, marker) = (run.control(), run.marker());
    thread::scope(|scope| {
        scope.spawn(move || {
            assert!(marker.begun(Duration::from_secs(60)));
            // The clock starts a little later, and measuring with it.
            while marker.due(0, Duration::ZERO).is_none() || marker.before(0, now()).is_some() {
                rest(1);
            }
            script(&control);
        });
        run.execute().expect("the run begins")
    })
}

#[expect(clippy::disallowed_methods, reason = "no clock of the run's is here")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// What must hold of every record.
fn check(record: &ScenarioRecord) {
    let ledger = record.ledger;
    assert!(ledger.balances(), "{ledger:?}");
    assert!(ledger.withheld <= ledger.dropped, "{ledger:?}");
    assert!(
        record.dropped_unanswered + record.dropped_kept + ledger.withheld <= ledger.dropped,
        "{ledger:?}"
    );
    let started: u64 = record.series.iter().map(|it| it.started).sum();
    assert_eq!(started, ledger.started);
}

/// When an action was done, in nanoseconds.
fn done(record: &ScenarioRecord, action: EventAction) -> Vec<u64> {
    let events = record.events.iter().filter(|it| it.action == action);
    let done = events.map(|it| it.done.expect("it was done").as_nanos() as u64);
    done.collect()
}

fn open(per_second: f64, ms: u64) -> loadgen_core::schedule::OpenModel {
    Load::open(rate(per_second)).for_(Duration::from_millis(ms))
}

/// Whole numbers below an area are arrivals.
fn arrivals_below(area: f64) -> u64 {
    area.ceil() as u64
}

#[test]
fn a_pause_withholds_what_falls_due_meanwhile() {
    let busy = Busy::taking(1);
    let record = changed(
        ScenarioSpec::new("s", open(1_000.0, 1_200)),
        &busy,
        |control| {
            rest(200);
            tell(control, r#"{"change": "pause"}"#);
            assert!(control.standing()[0].paused);
            rest(200);
            let calls = busy.calls();
            rest(100);
            assert_eq!(busy.calls(), calls, "nothing starts during a pause");
            tell(control, r#"{"change": "resume"}"#);
            assert!(!control.standing()[0].paused);
        },
    );
    let ledger = record.ledger;
    assert_eq!(ledger.planned, 1_200, "the plan's clock goes on");
    let [paused, resumed] =
        [EventAction::Pause, EventAction::Resume].map(|it| done(&record, it)[0]);
    // Arrival i is due at i ms.
    let due_meanwhile = resumed.div_ceil(1_000_000) - paused.div_ceil(1_000_000);
    let in_line = ledger.withheld - due_meanwhile;
    assert!(in_line < 50, "{in_line} stood in line when it began");
    assert!(due_meanwhile >= 250, "{due_meanwhile}");
    assert_eq!(ledger.dropped, ledger.withheld);
    assert_eq!((ledger.missed(), record.unanswered), (0, 0));
    assert_eq!(ledger.wanted(), ledger.started);
}

/// What waits for a user when a pause begins does not come at once after it.
#[test_case(WhenBusy::Queue)]
#[test_case(WhenBusy::Drop)]
fn a_line_is_withheld_with_what_falls_due(when_busy: WhenBusy) {
    let busy = Busy::taking(100);
    let load = open(500.0, 900).max_users(4).when_busy(when_busy);
    let record = changed(ScenarioSpec::new("s", load), &busy, |control| {
        rest(250);
        tell(control, r#"{"change": "pause"}"#);
        rest(400);
        let calls = busy.calls();
        tell(control, r#"{"change": "resume"}"#);
        // Of 4 users, with 100 ms each.
        rest(100);
        assert!(
            busy.calls() - calls <= 12,
            "{} at once",
            busy.calls() - calls
        );
    });
    let ledger = record.ledger;
    assert_eq!(ledger.planned, 450);
    let [paused, resumed] =
        [EventAction::Pause, EventAction::Resume].map(|it| done(&record, it)[0]);
    let due_meanwhile = resumed.div_ceil(2_000_000) - paused.div_ceil(2_000_000);
    assert!(ledger.withheld >= due_meanwhile);
    match when_busy {
        WhenBusy::Drop => assert!(ledger.withheld - due_meanwhile < 8, "{ledger:?}"),
        WhenBusy::Queue => {
            // It had been a line for at least 150 ms.
            assert!(ledger.withheld - due_meanwhile > 40, "{ledger:?}");
        }
    }
}

#[test_case(Spacing::Uniform)]
#[test_case(Spacing::Poisson)]
fn a_rate_holds_from_one_moment_for_all_workers(spacing: Spacing) {
    let load = open(200.0, 1_500).spacing(spacing);
    let record = changed(ScenarioSpec::new("s", load), &Busy::taking(1), |control| {
        rest(300);
        tell(control, r#"{"change": "rate", "rate": "2000/s"}"#);
        rest(300);
        let standing = control.standing();
        assert_eq!(
            (standing[0].rate, standing[0].rate_is_told),
            (Some(2_000.0), true)
        );
        tell(
            control,
            r#"{"change": "rate", "rate": "100/s", "scenario": "s"}"#,
        );
    });
    let turns = done(&record, EventAction::Rate);
    let [up, down] = [turns[0], turns[1]].map(|it| it as f64 / 1e9);
    let area = 200.0 * up + 2_000.0 * (down - up) + 100.0 * (1.5 - down);
    let planned = record.ledger.planned;
    match spacing {
        Spacing::Uniform => assert_eq!(planned, arrivals_below(area - 1e-6)),
        Spacing::Poisson => {
            assert!(
                (planned as f64 - area).abs() < 6.0 * area.sqrt(),
                "{planned} of {area}"
            );
        }
    }
    assert_eq!(record.ledger.dropped, 0);
}

/// A worker that has no arrival for long hears of a new rate all the same.
#[test]
fn a_rate_wakes_who_waits_for_an_arrival_far_off() {
    let record = changed(
        ScenarioSpec::new("s", open(0.1, 1_000)),
        &Busy::default(),
        |control| {
            rest(100);
            tell(control, r#"{"change": "rate", "rate": "100/s"}"#);
        },
    );
    let from = done(&record, EventAction::Rate)[0] as f64 / 1e9;
    let area = 0.1 * from + 100.0 * (1.0 - from);
    assert_eq!(record.ledger.planned, arrivals_below(area - 1e-6));
    assert!(record.ledger.planned > 60);
}

#[test]
fn users_of_a_closed_model_wait_for_the_end_of_a_pause() {
    let busy = Busy::taking(5);
    let spec = ScenarioSpec::new("s", Load::closed(6).for_(Duration::from_millis(1_000)));
    let record = changed(spec, &busy, |control| {
        rest(200);
        tell(control, r#"{"change": "pause"}"#);
        rest(100);
        let calls = busy.calls();
        rest(200);
        assert_eq!(busy.calls(), calls);
        tell(control, r#"{"change": "resume"}"#);
        rest(100);
        assert!(busy.calls() > calls + 20);
    });
    assert_eq!((record.ledger.dropped, record.ledger.withheld), (0, 0));
    assert!(
        record.elapsed < Duration::from_millis(1_300),
        "it is not extended"
    );
}

#[test]
fn users_come_and_go_as_they_are_told() {
    let busy = Busy::taking(10);
    let spec = ScenarioSpec::new("s", Load::closed(8).for_(Duration::from_millis(1_500)));
    changed(spec, &busy, |control| {
        rest(100);
        assert_eq!(busy.most_at_it(100), 8);
        for users in [3, 1, 6, 8] {
            tell(
                control,
                &format!(r#"{{"change": "users", "users": {users}}}"#),
            );
            rest(100);
            assert_eq!(busy.most_at_it(150), users);
            let standing = &control.standing()[0];
            assert_eq!(
                (standing.users, standing.most_users),
                (Some(users as u32), 8)
            );
        }
    });
}

/// Those whom the stages have sent home come back, on all workers.
#[test]
fn users_are_called_back_after_their_stage() {
    let busy = Busy::taking(5);
    let stage = |ms, users| UserStage::new(Duration::from_millis(ms), users);
    let stages = vec![stage(50, 6), stage(100, 6), stage(50, 1), stage(900, 1)];
    let spec = ScenarioSpec::new("s", Load::closed(1).stages(stages));
    changed(spec, &busy, |control| {
        rest(350);
        assert_eq!(busy.most_at_it(100), 1);
        tell(control, r#"{"change": "users", "users": 5}"#);
        rest(100);
        assert_eq!(busy.most_at_it(150), 5);
    });
}

#[test]
fn iterations_are_all_run_however_few_users_are_left() {
    let busy = Busy::taking(2);
    let spec = ScenarioSpec::new("s", Load::closed(7).iterations(800));
    let record = changed(spec, &busy, |control| {
        for users in [1, 5, 2, 7, 1] {
            rest(40);
            tell(
                control,
                &format!(r#"{{"change": "users", "users": {users}}}"#),
            );
        }
    });
    assert_eq!(record.ledger.completed, 800);
}

/// Who is to rest does what nobody else is left to do, as fast as it may.
#[test]
fn what_was_given_back_keeps_to_the_limit() {
    let first = Duration::from_millis(1_400);
    let busy = Busy {
        first,
        ..Busy::default()
    };
    // Workers claim eight at a time.
    let load = Load::closed(2).iterations(128).rate_limit(rate(100.0));
    let record = changed(ScenarioSpec::new("s", load), &busy, |control| {
        // Only the second user's first takes any time, and it holds what its worker has claimed.
        while busy.now.load(Ordering::Relaxed) == 0 {
            rest(1);
        }
        tell(control, r#"{"change": "users", "users": 1}"#);
    });
    assert_eq!(record.ledger.completed, 128);
    let after = record.elapsed - first;
    assert!(after >= Duration::from_millis(45), "seven in {after:?}");
}

/// A pause holds nobody back who has nothing left to do.
#[test]
fn a_pause_keeps_nobody_who_may_not_start() {
    let busy = Busy {
        takes: Duration::from_millis(1),
        first: Duration::from_millis(3_000),
        ..Busy::default()
    };
    let mut spec = ScenarioSpec::new("s", Load::closed(2).iterations(128));
    spec.most_iterations = Some(60);
    let mut is_over = false;
    let record = changed(spec, &busy, |control| {
        // By then the other user has done what there is, on slow machines too.
        rest(2_000);
        tell(control, r#"{"change": "pause"}"#);
        rest(2_500);
        is_over = control.standing()[0].is_over;
        let _ = control.change(&Change::Stop { at_once: false });
    });
    assert!(is_over, "{:?}", record.ledger);
    assert_eq!(record.ledger.completed, 60);
}

/// Nobody has changed anything: a run ends with what there is to start.
#[test_case(Some(60), 1; "nothing is left")]
#[test_case(None, 0; "nobody is needed")]
fn users_sent_home_by_their_stages_keep_no_run_from_its_end(most: Option<u64>, users: u32) {
    let stage = |ms, users| UserStage::new(Duration::from_millis(ms), users);
    let stages = vec![
        stage(50, 4),
        stage(50, 4),
        stage(50, users),
        stage(20_000, users),
    ];
    let mut spec = ScenarioSpec::new("s", Load::closed(1).stages(stages));
    spec.most_iterations = most;
    let from = now();
    changed(spec, &Busy::taking(5), |_| {});
    assert!(from.elapsed() < Duration::from_secs(15));
}

/// A pause makes no run shorter, and what comes after it is judged again.
#[test]
fn a_pause_trips_no_condition_over_windows() {
    let mut spec = ScenarioSpec::new("s", open(100.0, 7_000));
    let condition = "throughput > 20/s over any 1s".parse::<Threshold>();
    spec.thresholds = vec![condition.expect("a condition").aborting(Duration::ZERO)];
    let record = changed(spec, &Busy::default(), |control| {
        rest(1_300);
        tell(control, r#"{"change": "pause"}"#);
        rest(2_500);
        tell(control, r#"{"change": "resume"}"#);
    });
    assert_eq!(record.ledger.planned, 700, "it goes to its end");
}

/// The worst window is that of the pause, which decides nothing; one that is less bad and has none in it does.
#[test]
fn a_pause_hides_no_window_that_is_bad() {
    let mut spec = ScenarioSpec::new("s", open(200.0, 30_000));
    spec.tags = vec![("tier".to_owned(), "gold".to_owned())];
    let conditions = ["throughput", "tags.tier.gold.throughput"];
    let condition = |what| format!("{what} > 100/s over any 1s").parse::<Threshold>();
    for (place, condition) in conditions.map(condition).into_iter().enumerate() {
        let condition = condition.expect("a condition").aborting(Duration::ZERO);
        let mut run = Run::new(Options::default().workers(2).seed(1));
        let mut spec = spec.clone();
        match place {
            0 => spec.thresholds = vec![condition],
            _ => run = run.thresholds(vec![condition]),
        }
        let run = run.scenario(spec, |_| Busy::default());
        let record = steered(run, |control| {
            rest(1_050);
            tell(control, r#"{"change": "pause"}"#);
            rest(850);
            tell(control, r#"{"change": "rate", "rate": "50/s"}"#);
            tell(control, r#"{"change": "resume"}"#);
        });
        let end = record.early_end.expect("it ends early");
        assert!(end.at < Duration::from_secs(10), "{end:?}");
        assert!((20.0..100.0).contains(&end.observed), "{end:?}");
    }
}

#[test]
fn what_is_over_takes_no_marks() {
    let scenarios = [("short", 200), ("long", 30_000)];
    let scenarios =
        scenarios.map(|(name, ms)| (ScenarioSpec::new(name, open(20.0, ms)), Busy::default()));
    let record = changed_run(scenarios, |control| {
        rest(800);
        let done = control.change(&parsed(r#"{"change": "note", "text": "deployed"}"#));
        let done = done.expect("of the other");
        assert!(done.ends_with("in `long`"), "{done}");
        let why = refusal(
            control,
            r#"{"change": "note", "text": "late", "scenario": "short"}"#,
        );
        assert_eq!(why, "`short` is over: a note is set while it is measured");
        tell(control, r#"{"change": "stop"}"#);
    });
    let events = record.scenarios.iter().map(|it| it.events.len());
    assert_eq!(events.collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_limit_on_the_rate_changes_and_saves_nothing_up() {
    let busy = Busy::default();
    let load = Load::closed(8).for_(Duration::from_millis(1_600));
    let spec = ScenarioSpec::new("s", load.rate_limit(rate(100.0)));
    changed(spec, &busy, |control| {
        rest(200);
        tell(control, r#"{"change": "pause"}"#);
        rest(400);
        let calls = busy.calls();
        tell(control, r#"{"change": "resume"}"#);
        rest(100);
        let after = busy.calls() - calls;
        assert!((1..=20).contains(&after), "{after} after a pause");
        tell(control, r#"{"change": "rate", "rate": "0.5/s"}"#);
        rest(50);
        let calls = busy.calls();
        rest(300);
        // One that was nearly due is due soon.
        assert!(busy.calls() <= calls + 1, "one in two seconds");
        let calls = busy.calls();
        // Who waits for a turn that is far off has another one.
        tell(control, r#"{"change": "rate", "rate": "500/s"}"#);
        rest(200);
        let after = busy.calls() - calls;
        assert!((50..=130).contains(&after), "{after}");
    });
}

#[test]
fn a_paused_warm_up_is_not_measured() {
    let mut spec = ScenarioSpec::new("s", open(500.0, 300));
    spec.warm_up = Duration::from_millis(500);
    let mut run = Run::new(Options::default().workers(2));
    let busy = Busy::taking(1);
    let seen = busy.clone();
    run = run.scenario(spec, move |_| busy.clone());
    let (control, marker) = (run.control(), run.marker());
    let record = thread::scope(|scope| {
        scope.spawn(move || {
            assert!(marker.begun(Duration::from_secs(60)));
            rest(150);
            let why = refusal(&control, r#"{"change": "rate", "rate": "1/s"}"#);
            assert!(why.contains("not measured yet"), "{why}");
            assert!(!control.standing()[0].takes.contains(&"rate"));
            tell(&control, r#"{"change": "pause"}"#);
            rest(150);
            let calls = seen.calls();
            rest(50);
            assert_eq!(seen.calls(), calls);
            tell(&control, r#"{"change": "resume"}"#);
        });
        run.execute().expect("the run begins")
    });
    let record = &record.scenarios[0];
    check(record);
    assert_eq!((record.ledger.planned, record.ledger.withheld), (150, 0));
    let before: Vec<_> = record.events.iter().map(|it| it.before.is_some()).collect();
    assert_eq!(before, [true, true]);
}

/// As when a command names what several protocols have.
#[test]
fn scenarios_of_one_name_are_changed_each_by_itself() {
    let [mut grpc, mut websocket] = [(); 2].map(|()| ScenarioSpec::new("echo", open(100.0, 900)));
    grpc.protocol = "grpc".to_owned();
    websocket.protocol = "websocket".to_owned();
    let busy = Busy::taking(2);
    let record = changed_run([grpc, websocket].map(|it| (it, busy.clone())), |control| {
        let standing = control.standing();
        let names: Vec<_> = standing.iter().map(|it| it.scenario.as_str()).collect();
        assert_eq!(names, ["echo grpc", "echo websocket"]);
        let to_one = r#"{"change": "pause", "scenario": "echo websocket"}"#;
        let done = control.change(&parsed(to_one)).expect("it is done");
        assert!(done.ends_with(" in `echo websocket`"), "{done}");
        let paused: Vec<_> = control.standing().iter().map(|it| it.paused).collect();
        assert_eq!(paused, [false, true]);
        let why = refusal(control, r#"{"change": "pause", "scenario": "echo"}"#);
        assert!(
            why.contains("it has") || why.contains("did you mean"),
            "{why}"
        );
    });
    let events: Vec<_> = record.scenarios.iter().map(|it| it.events.len()).collect();
    assert_eq!(events, [0, 1]);
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let busy = Busy::taking(2);
    let second = Duration::from_millis(900);
    let mut targets = ScenarioSpec::new("spread", Load::closed(2).for_(second));
    targets.target("127.0.0.1:1");
    targets.target("127.0.0.1:2");
    targets.switches_targets = true;
    let mut own = ScenarioSpec::new("own", Load::closed(1).for_(second));
    own.target("127.0.0.1:1");
    let each = Load::closed(2)
        .iterations_per_user(100_000)
        .max_duration(second);
    let scenarios = [
        ScenarioSpec::new("checkout", open(100.0, 900)),
        targets,
        own,
        ScenarioSpec::new("each", each),
    ];
    let record = changed_run(scenarios.map(|it| (it, busy.clone())), |control| {
        for (change, why) in [
            (
                r#"{"change": "pause", "scenario": "chekout"}"#,
                "the run has no scenario `chekout`; did you mean `checkout`?",
            ),
            (
                r#"{"change": "resume"}"#,
                "`checkout` is not paused; `spread` is not paused; `own` is not paused; and 1 more",
            ),
            (
                r#"{"change": "resume", "scenario": "own"}"#,
                "`own` is not paused",
            ),
            (
                r#"{"change": "rate", "rate": "0/s"}"#,
                "to have nothing start, pause it",
            ),
            (r#"{"change": "rate", "rate": "fast"}"#, "`rate`: "),
            (
                r#"{"change": "rate", "rate": "1/s", "scenario": "own"}"#,
                "`own` has no rate: it is a closed model without `rate_limit`",
            ),
            (
                r#"{"change": "users", "users": 3, "scenario": "checkout"}"#,
                "`checkout` has no number of users: it is an open model, which takes a user for each arrival; change `rate`",
            ),
            (
                r#"{"change": "users", "users": 3, "scenario": "spread"}"#,
                "`spread` cannot have 3 users: expected 1 to 2, the most that its plan has",
            ),
            (
                r#"{"change": "users", "users": 0, "scenario": "spread"}"#,
                "`spread` cannot have 0 users: expected 1 to 2, the most that its plan has; to have nobody start, pause it",
            ),
            (
                r#"{"change": "users", "users": 1, "scenario": "each"}"#,
                "the run would not end while some rest; pause it",
            ),
            (
                r#"{"change": "users", "users": 1.5}"#,
                "`users` of `users`: expected a whole number from 1 on, such as 20",
            ),
            (r#"{"change": "users"}"#, "`users` needs the field `users`"),
            (
                r#"{"change": "target", "target": "127.0.0.1:1", "on": false, "scenario": "own"}"#,
                "`own` has no targets that can be switched: its workload decides by itself where it sends",
            ),
            (
                r#"{"change": "target", "target": "x", "on": false, "scenario": "checkout"}"#,
                "`checkout` has no targets that can be switched: its workload names none",
            ),
            (
                r#"{"change": "target", "target": "127.0.0.1:12", "on": false, "scenario": "spread"}"#,
                "`spread` has no target `127.0.0.1:12`; did you mean `127.0.0.1:1`?",
            ),
            (
                r#"{"change": "target", "target": "127.0.0.1:1", "on": true, "scenario": "spread"}"#,
                "`spread` sends to `127.0.0.1:1` already",
            ),
            (
                r#"{"change": "target", "target": "127.0.0.1:1"}"#,
                "`target` needs the field `on`",
            ),
            (
                r#"{"change": "target", "target": "127.0.0.1:1", "on": "no"}"#,
                "`on` of `target`: expected true or false",
            ),
            (
                r#"{"change": "note", "text": " "}"#,
                "the note is empty; write what happens",
            ),
            (
                r#"{"change": "pause", "scenaro": "own"}"#,
                "`pause` has no `scenaro`; did you mean `scenario`?",
            ),
            (
                r#"{"change": "stop", "scenario": "own"}"#,
                "`stop` has no `scenario`; it takes `at_once`",
            ),
            (
                r#"{"change": "halt"}"#,
                "there is no change `halt`; expected one of `pause`, `resume`, `rate`, `users`, `target`, `note`, `stop`",
            ),
            (r#"{"pause": true}"#, "`change` is missing or not a text"),
            ("[]", "expected an object of JSON"),
            ("{", "expected an object of JSON"),
        ] {
            let said = refusal(control, change);
            assert!(said.contains(why), "{change}: {said}");
        }
        tell(
            control,
            r#"{"change": "target", "target": "127.0.0.1:2", "on": false}"#,
        );
        let why = refusal(
            control,
            r#"{"change": "target", "target": "127.0.0.1:1", "on": false, "scenario": "spread"}"#,
        );
        assert!(
            why.contains(
                "`spread` sends to no other target than `127.0.0.1:1`, which has to stay on"
            ),
            "{why}"
        );
        let on: Vec<_> = control.standing()[1]
            .targets
            .iter()
            .map(|it| it.on)
            .collect();
        assert_eq!(on, [true, false]);
        let takes: Vec<_> = control.standing().into_iter().map(|it| it.takes).collect();
        assert_eq!(takes[0], ["pause", "rate", "note", "stop"]);
        assert_eq!(takes[1], ["pause", "users", "target", "note", "stop"]);
        assert_eq!(takes[3], ["pause", "note", "stop"]);
        tell(control, r#"{"change": "pause", "scenario": "own"}"#);
        let done = control
            .change(&parsed(r#"{"change": "pause"}"#))
            .expect("of the others");
        assert!(done.contains("in `checkout`, `spread`, `each`"), "{done}");
        assert_eq!(
            refusal(control, r#"{"change": "pause", "scenario": "own"}"#),
            "`own` is paused already"
        );
    });
    let own = &record.scenarios[2].events;
    let said: Vec<_> = own.iter().map(|it| it.said.as_str()).collect();
    assert_eq!(said, ["pause"]);
}

#[test]
fn a_note_is_a_mark_that_can_be_shown() {
    let spec = ScenarioSpec::new("s", open(10.0, 400));
    spec.secrets.learn("", "hunter2-and-more");
    let record = changed(spec, &Busy::default(), |control| {
        let note = Change::Note {
            scenario: None,
            text: format!(" deploy\n\u{1b}[2J hunter2-and-more {}", "x".repeat(400)),
        };
        let said = control.change(&note).expect("it is noted");
        assert!(said.starts_with("deploy \u{fffd}[2J"), "{said}");
    });
    let event = &record.events[0];
    assert_eq!(event.action, EventAction::Mark);
    assert!(!event.said.contains("hunter2"), "{}", event.said);
    assert!(event.said.chars().count() <= 201 + 20, "{}", event.said);
    assert!(event.done.is_some());
}

#[test_case(false)]
#[test_case(true)]
fn a_stop_is_an_event(at_once: bool) {
    let busy = Busy::taking(300);
    let spec = ScenarioSpec::new("s", open(20.0, 60_000));
    let record = changed(spec, &busy, |control| {
        rest(500);
        tell(
            control,
            &format!(r#"{{"change": "stop", "at_once": {at_once}}}"#),
        );
        if !at_once {
            let again = refusal(control, r#"{"change": "stop"}"#);
            assert_eq!(again, "the run is stopping already");
        }
    });
    assert_eq!(record.events.len(), 1, "{:?}", record.events);
    assert_eq!(record.events[0].action, EventAction::Stop);
    assert_eq!(
        record.ledger.interrupted > 0,
        at_once,
        "{:?}",
        record.ledger
    );
}

/// However often it was told something, it can be stopped, and does not stay paused.
#[test]
fn what_was_told_is_ended_however_much_that_was() {
    let mut spec = ScenarioSpec::new("s", open(100.0, 60_000));
    spec.target("127.0.0.1:1");
    spec.target("127.0.0.1:2");
    spec.switches_targets = true;
    let record = changed(spec, &Busy::default(), |control| {
        tell(control, r#"{"change": "pause"}"#);
        let target = |on| format!(r#"{{"change": "target", "target": "127.0.0.1:1", "on": {on}}}"#);
        tell(control, &target(false));
        for _ in 0..998 {
            tell(control, r#"{"change": "note", "text": "again"}"#);
        }
        for refused in [
            r#"{"change": "note", "text": "again"}"#,
            r#"{"change": "rate", "rate": "1/s"}"#,
        ] {
            let why = refusal(control, refused);
            assert!(
                why.contains("has had 1,000 changes and notes, and more are not recorded"),
                "{why}"
            );
        }
        assert_eq!(control.standing()[0].takes, ["resume", "target", "stop"]);
        tell(control, &target(true));
        tell(control, r#"{"change": "resume"}"#);
        let why = refusal(control, r#"{"change": "pause"}"#);
        assert!(
            why.contains("has had 1,000 changes and notes, and more are not recorded"),
            "{why}"
        );
        tell(control, r#"{"change": "stop"}"#);
    });
    let actions = record.events.iter().map(|it| it.action);
    let ends = [EventAction::Resume, EventAction::Stop];
    assert!(ends.iter().all(|end| actions.clone().any(|it| it == *end)));
    assert_eq!(actions.count(), 1_003, "and all is on record");
    let switched = record.events.iter().filter(|it| it.switched.is_some());
    let switched: Vec<_> = switched.map(|it| it.switched.clone()).collect();
    let switch = |on| Some(TargetSwitch::new("127.0.0.1:1", on));
    assert_eq!(switched, [switch(false), switch(true)]);
}

#[test]
fn a_run_that_is_over_takes_nothing() {
    let run = Run::new(Options::default());
    let control = run.control();
    assert_eq!(
        refusal(&control, r#"{"change": "pause"}"#),
        "the load has not begun; try again once it has"
    );
    assert_eq!(control.standing(), []);
    let run = run.scenario(ScenarioSpec::new("s", open(10.0, 100)), |_| Busy::default());
    run.execute().expect("the run begins");
    assert_eq!(
        refusal(&control, r#"{"change": "note", "text": "late"}"#),
        "the run is over"
    );
    assert!(control.standing()[0].is_over);
}

/// Streams that last until the load is over.
struct Streams;

impl Workload for Streams {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        iteration.lasts();
        iteration.load_ended().await;
        Outcome::Ok
    }
}

#[test]
fn streams_that_last_go_on_during_a_pause() {
    let mut spec = ScenarioSpec::new("s", open(50.0, 600).max_users(4));
    spec.lasting = true;
    let run = Run::new(Options::default().workers(2)).scenario(spec, |_| Streams);
    let (control, marker) = (run.control(), run.marker());
    let record = thread::scope(|scope| {
        scope.spawn(move || {
            assert!(marker.begun(Duration::from_secs(60)));
            rest(300);
            tell(&control, r#"{"change": "pause"}"#);
        });
        run.execute().expect("the run begins")
    });
    let record = &record.scenarios[0];
    check(record);
    let ledger = record.ledger;
    assert_eq!(
        (ledger.planned, ledger.completed, ledger.interrupted),
        (30, 4, 0)
    );
    // What had no user before it is not the pause's.
    assert!(ledger.withheld > 5 && record.dropped_kept > 5, "{ledger:?}");
    assert_eq!(record.unanswered, 0);
}

/// What the page and others are sent.
#[test]
fn how_a_run_stands_is_json() {
    let mut spec = ScenarioSpec::new("s", open(100.0, 600));
    spec.target("b:1");
    spec.target("b:2");
    spec.switches_targets = true;
    changed(spec, &Busy::default(), |control| {
        rest(50);
        tell(control, r#"{"change": "pause"}"#);
        tell(
            control,
            r#"{"change": "target", "target": "b:2", "on": false}"#,
        );
        let standing = serde_json::to_value(control.standing()).expect("JSON");
        let expected = serde_json::json!([{
            "scenario": "s",
            "is_over": false,
            "paused": true,
            "rate": 100.0,
            "rate_is_told": false,
            "users": null,
            "users_are_told": false,
            "most_users": 1000,
            "targets": [{ "target": "b:1", "on": true }, { "target": "b:2", "on": false }],
            "takes": ["resume", "rate", "target", "note", "stop"],
        }]);
        assert_eq!(standing, expected);
    });
}

/// What may be told in any order.
fn changes() -> impl Strategy<Value = Vec<(u64, &'static str)>> {
    let change = prop::sample::select(vec![
        r#"{"change": "pause"}"#,
        r#"{"change": "pause", "scenario": "open"}"#,
        r#"{"change": "resume"}"#,
        r#"{"change": "resume", "scenario": "closed"}"#,
        r#"{"change": "rate", "rate": "1500/s"}"#,
        r#"{"change": "rate", "rate": "60/s"}"#,
        r#"{"change": "users", "users": 1}"#,
        r#"{"change": "users", "users": 5}"#,
        r#"{"change": "note", "text": "hello"}"#,
    ]);
    prop::collection::vec((0_u64..60, change), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever is told in whatever order, the books balance, arrivals are as many as the area says, and
    /// iterations that are counted are all run.
    #[test]
    fn changes_in_any_order(changes in changes(), takes in 0_u64..8) {
        let limited = Load::closed(5).for_(Duration::from_millis(500)).rate_limit(rate(300.0));
        let counted = Load::closed(5).iterations(200);
        let busy = Busy::taking(takes);
        let scenarios = [
            ("open", Load::from(open(300.0, 500).max_users(5))),
            ("closed", limited.into()),
            ("counted", counted.into()),
        ];
        let scenarios = scenarios.map(|(name, load)| (ScenarioSpec::new(name, load), busy.clone()));
        let record = changed_run(scenarios, |control| {
            for (after, change) in &changes {
                rest(*after);
                // What is refused changes nothing.
                let _ = control.change(&parsed(change));
            }
            // A plan that counts does not end while it is paused.
            let _ = control.change(&parsed(r#"{"change": "resume", "scenario": "counted"}"#));
        });
        let [open, _, counted] = &record.scenarios[..] else { unreachable!() };
        prop_assert_eq!(counted.ledger.completed, 200);
        let (mut area, mut from, mut rate) = (0.0, 0.0, 300.0);
        for event in open.events.iter().filter(|it| it.action == EventAction::Rate) {
            let at = event.done.expect("it was done").as_secs_f64();
            area += rate * (at - from);
            (from, rate) = (at, if event.said.contains("60") { 60.0 } else { 1_500.0 });
        }
        area += rate * (0.5 - from);
        prop_assert!((open.ledger.planned as f64 - area).abs() <= 1.0, "{} of {}", open.ledger.planned, area);
    }
}
