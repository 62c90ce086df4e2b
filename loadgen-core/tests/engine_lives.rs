//! The engine with users whose lives begin and end in steps of their own, and with checks of replies.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadgen_core::clock::Clock;
use loadgen_core::condition::Threshold;
use loadgen_core::engine::{LifePart, Options, Run, ScenarioSpec, StepSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::{RunRecord, ScenarioRecord, StepRecord};
use loadgen_core::report::{self, Context, Document, Status};
use loadgen_core::schedule::{Limit, Load};
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, IterationSeed, UserId, WorkerContext, Workload};

const LOGIN: usize = 0;
const BROWSE: usize = 1;
const LOGOUT: usize = 2;

const REFUSED: Failure = Failure::Custom("refused");

/// How the logins of a user go.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Login {
    Well,
    /// The first one is refused.
    SecondTime,
    Never,
}

/// Logs in, browses and logs out.
#[derive(Clone)]
struct Plan {
    login: Login,
    login_takes: Duration,
    logout: Outcome,
    logout_takes: Duration,
    iterations: Arc<AtomicU64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            login: Login::Well,
            login_takes: Duration::from_millis(20),
            logout: Outcome::Ok,
            logout_takes: Duration::from_millis(20),
            iterations: Arc::default(),
        }
    }
}

struct Lives {
    plan: Plan,
    context: WorkerContext,
    refused_once: RefCell<BTreeSet<UserId>>,
}

impl Lives {
    /// A step outside of iterations.
    async fn outside(
        &self,
        user: UserId,
        step: usize,
        takes: Duration,
        outcome: Outcome,
    ) -> Outcome {
        let observer = Rc::clone(&self.context.observer);
        let mut seed = IterationSeed::new(self.context.clock, &*observer);
        seed.user = user;
        seed.single_step = false;
        let iteration = Iteration::new(seed);
        let _ending = iteration.ending_on_drop();
        let action = async {
            iteration.messages(step, 1, 2);
            iteration.answered_by(b"gate");
            tokio::time::sleep(takes).await;
            iteration.check(step, 0, outcome.is_ok(), || "not let in".to_owned());
            if let Outcome::Failed(failure) = outcome {
                iteration.explain(failure, || format!("step {step} was refused"));
            }
            outcome
        };
        iteration.step(step, action).await
    }
}

impl Workload for Lives {
    type Session = UserId;

    async fn open(&self, user: UserId) -> Result<UserId, Failure> {
        let is_first = self.refused_once.borrow_mut().insert(user);
        let outcome = match self.plan.login {
            Login::SecondTime if is_first => REFUSED.into(),
            Login::Never => REFUSED.into(),
            _ => Outcome::Ok,
        };
        let takes = self.plan.login_takes;
        match self.outside(user, LOGIN, takes, outcome).await {
            Outcome::Ok => Ok(user),
            Outcome::Failed(failure) => Err(failure),
        }
    }

    async fn iterate(&self, _: &mut UserId, iteration: &Iteration<'_>) -> Outcome {
        let nth = self.plan.iterations.fetch_add(1, Ordering::Relaxed);
        let browse = async {
            iteration.answered_by(b"shop");
            tokio::time::sleep(Duration::from_millis(1)).await;
            iteration.check(BROWSE, 0, true, || unreachable!("it held"));
            iteration.check(BROWSE, 1, nth.is_multiple_of(2), || {
                "total was 4".to_owned()
            });
            Outcome::Ok
        };
        iteration.step(BROWSE, browse).await
    }

    async fn close(&self, user: UserId) {
        let Plan {
            logout,
            logout_takes,
            ..
        } = self.plan;
        self.outside(user, LOGOUT, logout_takes, logout).await;
    }
}

fn spec(load: impl Into<Load>) -> ScenarioSpec {
    let mut spec = ScenarioSpec::new("s", load);
    spec.steps = vec![
        StepSpec::from("login")
            .part(LifePart::Begin)
            .checks(["token"]),
        StepSpec::from("browse").checks(["status == 'OK'", "reply.total == 3"]),
        StepSpec::from("logout").part(LifePart::End),
    ];
    spec
}

fn per_user(users: u32, iterations: u64) -> ScenarioSpec {
    spec(Load::closed(users).limit(Limit::IterationsPerUser(iterations)))
}

fn prepared(spec: ScenarioSpec, plan: Plan) -> Run {
    let options = Options::default().workers(2).seed(1);
    Run::new(options).scenario(spec, move |context| Lives {
        plan: plan.clone(),
        context: context.clone(),
        refused_once: RefCell::default(),
    })
}

fn run(spec: ScenarioSpec, plan: Plan) -> RunRecord {
    prepared(spec, plan).execute().expect("the run begins")
}

fn steps(record: &RunRecord) -> (&ScenarioRecord, &StepRecord, &StepRecord, &StepRecord) {
    let scenario = &record.scenarios[0];
    assert!(scenario.ledger.balances(), "{:?}", scenario.ledger);
    let [login, browse, logout] = scenario.steps.as_slice() else {
        panic!("three steps");
    };
    (scenario, login, browse, logout)
}

fn ok(count: u64) -> [(Outcome, u64); 1] {
    [(Outcome::Ok, count)]
}

fn document(record: &RunRecord) -> Document {
    let document = report::build(record, Context::new());
    let value = serde_json::to_value(&document).expect("a document is JSON");
    let validator = jsonschema::validator_for(&report::schema()).expect("a schema");
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    let read: Document = serde_json::from_value(value).expect("what was written");
    assert_eq!(read, document);
    document
}

/// What goes before the clock, and in the warm-up, is in the report, and in no figure of iterations.
#[test]
fn lives_are_measured_beside_iterations() {
    let mut spec = per_user(5, 4);
    spec.warm_up = Duration::from_millis(100);
    let login_takes = Duration::from_millis(400);
    let plan = Plan {
        login_takes,
        ..Plan::default()
    };
    let record = run(spec, plan);
    let (scenario, login, browse, logout) = steps(&record);
    assert_eq!(scenario.ledger.completed, 20);
    assert_eq!(scenario.outcomes, ok(20));
    assert_eq!(login.outcomes, ok(5));
    assert_eq!(logout.outcomes, ok(5));
    assert_eq!(
        browse.outcomes,
        ok(20),
        "what is of the warm-up is not in it"
    );
    assert_eq!(login.response_time.len(), 5);
    assert!(login.response_time.min() >= 390_000_000);
    assert_eq!((login.messages_sent, login.messages_received), (5, 10));
    assert_eq!((logout.messages_sent, logout.messages_received), (5, 10));
    // Nothing of it is in those of iterations.
    assert_eq!(scenario.response_time.len(), 20);
    assert!(scenario.response_time.min() < 390_000_000);
    let points = scenario.series.iter();
    let samples = points.map(|it| (it.started, it.response_time.len()));
    let sums = samples.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert_eq!(sums, (20, 20));
    let backends: Vec<_> = scenario.backends.iter().collect();
    let requests = |id: &str| backends.iter().find(|it| it.id == id).map(|it| it.requests);
    assert_eq!((requests("shop"), requests("gate")), (Some(20), Some(0)));
    assert_eq!(scenario.unknown.requests, 0);

    let document = document(&record);
    let of = &document.scenarios[0];
    let parts: Vec<_> = of
        .steps
        .iter()
        .map(|it| (it.name.as_str(), it.part))
        .collect();
    assert_eq!(
        parts,
        [
            ("login", Some(LifePart::Begin)),
            ("browse", None),
            ("logout", Some(LifePart::End)),
        ]
    );
    assert!(of.steps.iter().all(|it| it.failures.is_empty()));
}

/// Of those in the warm-up nothing is counted; over both workers everything else is.
#[test]
fn checks_are_counted_for_each_expression() {
    let mut spec = per_user(5, 10);
    spec.warm_up = Duration::from_millis(500);
    let plan = Plan::default();
    let iterations = Arc::clone(&plan.iterations);
    let record = run(spec, plan);
    let (scenario, login, browse, logout) = steps(&record);
    assert!(
        iterations.load(Ordering::Relaxed) > 50,
        "there was a warm-up"
    );
    let [always, by_turns] = browse.checks.as_slice() else {
        panic!("two checks");
    };
    assert_eq!(always.expression, "status == 'OK'");
    assert_eq!((always.passed, always.failed), (50, 0));
    assert_eq!(always.example, None);
    assert_eq!(by_turns.passed + by_turns.failed, 50);
    assert!(by_turns.failed > 0);
    assert_eq!(by_turns.example.as_deref(), Some("total was 4"));
    assert_eq!((login.checks[0].passed, login.checks[0].failed), (5, 0));
    assert!(logout.checks.is_empty());
    // It was the workload's to say what that makes of the outcome.
    assert_eq!(scenario.ledger.completed, 50);

    let document = document(&record);
    let check = &document.scenarios[0].steps[BROWSE].checks[1];
    assert_eq!(check.passed + check.failed, 50);
    assert_eq!(check.example.as_deref(), Some("total was 4"));
}

/// A place that there is no step or no check for is nobody's.
#[test]
fn checks_of_the_only_step_and_of_none() {
    struct Checks;
    impl Workload for Checks {
        type Session = ();
        async fn open(&self, _: UserId) -> Result<(), Failure> {
            Ok(())
        }
        async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
            iteration.check(0, 0, false, || "seen".to_owned());
            iteration.check(0, 1, false, || unreachable!("no such check"));
            iteration.check(1, 0, false, || unreachable!("no such step"));
            Failure::Check.into()
        }
    }
    let mut spec = ScenarioSpec::new("s", Load::closed(2).iterations(9));
    spec.steps = vec![StepSpec::from("only").checks(["x"])];
    let run = Run::new(Options::default().workers(2)).scenario(spec, |_| Checks);
    let record = run.execute().unwrap();
    let [only] = record.scenarios[0].steps.as_slice() else {
        panic!("one step");
    };
    assert_eq!((only.checks[0].passed, only.checks[0].failed), (0, 9));
    assert_eq!(only.outcomes, [(Failure::Check.into(), 9)]);
}

#[test]
fn a_beginning_that_fails_before_the_clock_is_tried_again() {
    let plan = Plan {
        login: Login::SecondTime,
        ..Plan::default()
    };
    let record = run(per_user(4, 3), plan);
    let (scenario, login, _, logout) = steps(&record);
    assert_eq!(scenario.outcomes, ok(12), "it is in no iteration's outcome");
    assert_eq!(scenario.error_rate(), Some(0.0));
    let mut outcomes = login.outcomes.clone();
    outcomes.sort_by_key(|(outcome, _)| !outcome.is_ok());
    assert_eq!(outcomes, [(Outcome::Ok, 4), (REFUSED.into(), 4)]);
    assert_eq!((login.checks[0].passed, login.checks[0].failed), (4, 4));
    assert_eq!(logout.outcomes, ok(4));
    let document = document(&record);
    let of = &document.scenarios[0];
    assert!(of.failures.is_empty());
    let failures = &of.steps[LOGIN].failures;
    assert_eq!(
        (failures[0].outcome.as_str(), failures[0].count),
        ("custom.refused", 4)
    );
    assert_eq!(failures[0].example.as_deref(), Some("step 0 was refused"));
    let warning = document
        .verdict
        .warnings
        .iter()
        .find(|it| it.contains("`login`"));
    assert!(
        warning.is_some_and(|it| it.contains("failed 4 of 8 times")),
        "{warning:?}"
    );
    assert_ne!(
        document.verdict.status,
        Status::Fail,
        "{:?}",
        document.verdict
    );
}

/// The iteration that needed it ends as its beginning did, and counts once.
#[test]
fn a_beginning_that_fails_is_its_iterations_failure() {
    let plan = Plan {
        login: Login::Never,
        ..Plan::default()
    };
    let record = run(per_user(4, 3), plan);
    let (scenario, login, browse, logout) = steps(&record);
    assert_eq!(scenario.outcomes, [(REFUSED.into(), 12)]);
    assert_eq!(scenario.error_rate(), Some(1.0));
    assert_eq!(login.outcomes, [(REFUSED.into(), 4 + 12)]);
    assert!(browse.outcomes.is_empty() && logout.outcomes.is_empty());
    let document = document(&record);
    let of = &document.scenarios[0];
    assert_eq!(of.failures[0].count, 12);
    assert_eq!(
        of.failures[0].example.as_deref(),
        Some("step 0 was refused")
    );
}

/// An arrival waits for it, but the step after it does not begin before it is over.
#[test]
fn users_of_an_open_model_begin_when_they_are_needed() {
    let load = Load::open(Rate::new(10.0).expect("a rate"))
        .for_(Duration::from_millis(400))
        .max_users(10);
    let mut spec = spec(load);
    spec.warm_up = Duration::from_millis(200);
    let login_takes = Duration::from_millis(900);
    let plan = Plan {
        login_takes,
        ..Plan::default()
    };
    let record = run(spec, plan);
    let (scenario, login, browse, logout) = steps(&record);
    assert_eq!(scenario.outcomes, ok(4));
    // Each arrival of warm-up and measuring found nobody free.
    let users = login.outcomes[0].1;
    assert!((5..=6).contains(&users), "{users}");
    assert_eq!(logout.outcomes, ok(users));
    assert!(scenario.response_time.min() >= 890_000_000);
    assert!(login.response_time.min() >= 890_000_000);
    // It waits as for a user that is busy; what the service took for the iteration is known apart.
    assert_eq!(scenario.parts.queue_wait.len(), 4);
    assert!(scenario.parts.queue_wait.min() >= 890_000_000);
    assert_eq!(scenario.parts.start_lag.len(), 4);
    assert!(scenario.service_time.min() < 890_000_000);
    assert_eq!(browse.outcomes, ok(4));
    assert!(
        browse.response_time.min() < 890_000_000,
        "logging in is no part of it"
    );
}

/// Where more time is given to what begins a user's life, the iteration's timeout is none of its business,
/// and the iteration has all of its own afterwards.
#[test]
fn a_beginning_has_a_time_of_its_own() {
    let load = Load::open(Rate::new(10.0).expect("a rate"))
        .for_(Duration::from_millis(400))
        .max_users(10);
    let plan = Plan {
        login_takes: Duration::from_millis(1_500),
        ..Plan::default()
    };
    let mut spec = spec(load);
    spec.timeout = Duration::from_secs(1);
    let record = run(spec.clone(), plan.clone());
    let (scenario, login, ..) = steps(&record);
    let timeouts = [(Failure::Timeout.into(), 4)];
    assert_eq!(
        (&scenario.outcomes[..], &login.outcomes[..]),
        (&timeouts[..], &timeouts[..])
    );
    // What it waited for is known of each, whatever became of it.
    assert_eq!(scenario.parts.queue_wait.len(), 4);

    spec.open_within = Some(Duration::from_secs(60));
    let record = run(spec, plan);
    let (scenario, login, browse, _) = steps(&record);
    assert_eq!(scenario.outcomes, ok(4));
    assert_eq!(
        (&login.outcomes[..], &browse.outcomes[..]),
        (&ok(4)[..], &ok(4)[..])
    );
    assert!(scenario.response_time.min() >= 1_490_000_000);
}

/// What an arrival waits for may take as long as the arrival; and the end of the run is nobody's failure.
#[test]
fn beginnings_that_never_end() {
    let load = || {
        Load::open(Rate::new(10.0).expect("a rate"))
            .for_(Duration::from_millis(400))
            .max_users(10)
    };
    let plan = Plan {
        login_takes: Duration::from_secs(600),
        ..Plan::default()
    };
    let mut timed_out = spec(load());
    timed_out.timeout = Duration::from_millis(300);
    let record = run(timed_out, plan.clone());
    let (scenario, login, browse, _) = steps(&record);
    let timeouts = [(Failure::Timeout.into(), 4)];
    assert_eq!(
        (&scenario.outcomes[..], &login.outcomes[..]),
        (&timeouts[..], &timeouts[..])
    );
    assert!(login.response_time.min() >= 290_000_000);
    assert!(browse.outcomes.is_empty());

    let mut cut_off = spec(load());
    cut_off.graceful_stop = Duration::from_millis(50);
    let record = run(cut_off, plan);
    let (scenario, login, ..) = steps(&record);
    assert_eq!(scenario.ledger.interrupted, 4);
    assert!(login.outcomes.is_empty(), "{:?}", login.outcomes);
}

#[test]
fn an_end_that_fails_is_in_its_own_figures_only() {
    let plan = Plan {
        logout: Failure::Expression.into(),
        ..Plan::default()
    };
    let record = run(per_user(4, 3), plan);
    let (scenario, login, _, logout) = steps(&record);
    assert_eq!(
        (scenario.outcomes.as_slice(), scenario.error_rate()),
        (&ok(12)[..], Some(0.0))
    );
    assert!(scenario.examples.is_empty());
    assert_eq!(login.outcomes, ok(4));
    assert_eq!(logout.outcomes, [(Failure::Expression.into(), 4)]);
    let condition: Threshold = "steps.logout.error_rate < 1%".parse().unwrap();
    let judged = report::judge(&[condition], scenario);
    assert_eq!((judged[0].observed, judged[0].pass), (Some(100.0), false));
    let document = document(&record);
    assert!(document.scenarios[0].failures.is_empty());
    let failures = &document.scenarios[0].steps[LOGOUT].failures;
    assert_eq!(
        (failures[0].outcome.as_str(), failures[0].count),
        ("expression", 4)
    );
    assert_eq!(failures[0].example.as_deref(), Some("step 2 was refused"));
    let warning = document
        .verdict
        .warnings
        .iter()
        .find(|it| it.contains("`logout`"));
    assert!(
        warning.is_some_and(|it| it.contains("failed 4 of 4 times")),
        "{warning:?}"
    );
}

#[test]
fn how_long_an_end_may_take() {
    let plan = Plan {
        logout_takes: Duration::from_secs(3),
        ..Plan::default()
    };
    let record = run(per_user(2, 1), plan.clone());
    let timeouts = [(Failure::Timeout.into(), 2)];
    assert_eq!(steps(&record).3.outcomes, timeouts, "a second unless told");
    let mut spec = per_user(2, 1);
    spec.close_within = Duration::from_secs(60);
    let record = run(spec, plan);
    let (scenario, _, _, logout) = steps(&record);
    assert_eq!(logout.outcomes, ok(2));
    assert!(
        scenario.elapsed < Duration::from_secs(3),
        "it is no part of the load"
    );
}

#[test]
fn whoever_aborts_does_not_wait_for_ends() {
    let plan = Plan {
        logout_takes: Duration::from_secs(600),
        ..Plan::default()
    };
    let mut spec = spec(Load::closed(4).limit(Limit::Duration(Duration::from_secs(600))));
    spec.close_within = Duration::from_secs(600);
    let run = prepared(spec, plan);
    let stopper = run.stopper();
    let timer = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(300));
        stopper.drain();
        std::thread::park_timeout(Duration::from_millis(300));
        stopper.abort();
    });
    let clock = Clock::start();
    let record = run.execute().unwrap();
    timer.join().unwrap();
    assert!(clock.now() < 60_000_000_000, "{} ns", clock.now());
    assert!(steps(&record).3.outcomes.is_empty());
}
