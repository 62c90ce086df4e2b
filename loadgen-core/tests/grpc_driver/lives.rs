//! Whole runs of users that begin, choose, repeat and end, with rows of data.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use loadgen_core::engine::LifePart;
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{
    Alternative, DataOrder, DataSource, GrpcCall, ScenarioPlan, Step, WhenOut,
};
use loadgen_core::schedule::{Limit, Load};
use serde_json::json;
use test_case::test_case;

use crate::support::server::{Exchange, Server};
use crate::support::whole::{closed, open, whole};
use crate::support::{grpc, plan, run};

fn hello(name: &str) -> Step<GrpcCall> {
    let call = GrpcCall::new("loadgen.v1.Greeter/Hello", json!({ "name": name }));
    Step::new(name, call)
}

fn completed(record: &ScenarioRecord) -> BTreeMap<&str, u64> {
    let ok = |step: &loadgen_core::record::StepRecord| {
        let outcomes = step.outcomes.iter();
        outcomes
            .filter(|(outcome, _)| outcome.is_ok())
            .map(|(_, count)| count)
            .sum()
    };
    record
        .steps
        .iter()
        .map(|step| (step.name.as_str(), ok(step)))
        .collect()
}

async fn server() -> Server {
    Server::start(async |exchange: Exchange| exchange.ok(&[b""]).await).await
}

fn many() -> Load {
    closed(10, Limit::Iterations(1000))
}

fn at_a_rate() -> Load {
    // Few at once, and with users enough that a busy machine drops none.
    open(400.0, Duration::from_millis(2_500), 200)
}

#[test_case(many(); "closed")]
#[test_case(at_a_rate(); "open")]
fn a_mix_is_exact(load: Load) {
    run(async {
        let server = server().await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).steps = vec![
            Step::mix([
                Alternative::new(80, [hello("browse")]),
                Alternative::new(20, [hello("buy"), hello("pay")]),
            ]),
            Step::repeat(2, [hello("again").when("iteration % 10 == 0")]),
        ];
        plan.load = load;
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 1000);
        let counts = completed(&record);
        assert_eq!(
            (counts["browse"], counts["buy"], counts["pay"]),
            (800, 200, 200)
        );
        assert!(counts["again"] >= 200, "{counts:?}");
    });
}

/// The only step is done five times, or once in a while: then its figures are its own.
#[test]
fn a_step_that_is_not_done_once_has_figures_of_its_own() {
    run(async {
        let server = server().await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).steps = vec![Step::repeat(5, [hello("get")])];
        plan.load = closed(2, Limit::IterationsPerUser(5));
        let record = whole(plan.clone()).await;
        assert_eq!(record.ledger.completed, 10);
        assert_eq!(completed(&record)["get"], 50);
        assert_eq!(record.steps[0].response_time.len(), 50);
        grpc(&mut plan).steps = vec![hello("get").when("iteration == 3")];
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 10);
        assert_eq!(completed(&record)["get"], 2);
        assert_eq!(record.steps[0].response_time.len(), 2);
        assert_eq!(record.unknown.requests, 0);
    });
}

#[test]
fn each_user_begins_and_ends_once() {
    run(async {
        let server = server().await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).setup = vec![hello("prime")];
        grpc(&mut plan).begin = vec![hello("login")];
        grpc(&mut plan).steps = vec![hello("get")];
        grpc(&mut plan).end = vec![hello("logout")];
        plan.load = closed(20, Limit::IterationsPerUser(5));
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 100);
        let expected = [("get", 100), ("login", 20), ("logout", 20)];
        assert_eq!(completed(&record), expected.into());
        let parts: Vec<_> = record.steps.iter().map(|step| step.part).collect();
        assert_eq!(parts, [Some(LifePart::Begin), None, Some(LifePart::End)]);
    });
}

/// Whatever pauses in it: the iteration's timeout is none of its business.
#[test]
fn a_begin_with_a_long_pause_is_no_timeout_in_an_open_model() {
    run(async {
        let server = server().await;
        let mut plan = plan(&[server.address], "Hello");
        plan.timeout = Duration::from_millis(500);
        // They begin when the plan's time is nearly over.
        plan.graceful_stop = Duration::from_secs(10);
        let pause = Step::pause(Duration::from_millis(1_200));
        grpc(&mut plan).begin = vec![hello("login"), pause];
        grpc(&mut plan).steps = vec![hello("get")];
        plan.load = open(20.0, Duration::from_millis(200), 4);
        let record = whole(plan).await;
        assert_eq!(record.outcomes, [(Outcome::Ok, 4)]);
        assert_eq!(completed(&record), [("get", 4), ("login", 4)].into());
        assert!(record.parts.queue_wait.min() >= 1_190_000_000);
        assert!(record.response_time.min() >= 1_190_000_000);
        assert!(record.service_time.max() < 1_190_000_000);
    });
}

/// Who cannot begin fails an iteration, and tries again with the next.
#[test]
fn a_begin_that_fails_is_tried_again() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| match exchange.nth {
            // Before the clock starts, and for the first iteration.
            0 | 1 => exchange.respond.send_reset(h2::Reason::CANCEL),
            _ => exchange.ok(&[b""]).await,
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).begin = vec![hello("login")];
        grpc(&mut plan).steps = vec![hello("get")];
        plan.load = closed(1, Limit::IterationsPerUser(5));
        let record = whole(plan).await;
        let failed = Outcome::from(Failure::Reset("CANCEL"));
        assert_eq!(record.outcomes, [(Outcome::Ok, 4), (failed, 1)]);
        assert_eq!(completed(&record), [("get", 4), ("login", 1)].into());
    });
}

#[test]
fn a_setup_that_fails_lets_no_run_begin() {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.respond.send_reset(h2::Reason::CANCEL);
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).setup = vec![hello("prime")];
        let error = crate::support::whole::refused(plan).await;
        assert!(
            error.contains("setup failed in step `prime` with `reset.CANCEL`"),
            "{error}"
        );
    });
}

fn rows(count: u32) -> (tempfile::NamedTempFile, DataSource) {
    let mut file = tempfile::Builder::new()
        .suffix(".csv")
        .tempfile()
        .expect("a file");
    let rows: String = (0..count).map(|row| format!("{row}\n")).collect();
    file.write_all(format!("id\n{rows}").as_bytes())
        .expect("a file");
    let mut source = DataSource::new("people", file.path());
    source.order = DataOrder::Once;
    (file, source)
}

fn with_rows(plan: &mut ScenarioPlan, source: DataSource) {
    grpc(plan).steps = vec![hello("get").when("row.id != ''")];
    plan.data = vec![source];
}

#[test_case(closed(7, Limit::Duration(Duration::from_secs(10))); "closed")]
#[test_case(open(500.0, Duration::from_secs(10), 50); "open")]
fn the_last_row_ends_the_scenario(load: Load) {
    run(async {
        let server = server().await;
        let mut plan = plan(&[server.address], "Hello");
        let (_file, source) = rows(50);
        with_rows(&mut plan, source);
        plan.load = load;
        let record = whole(plan).await;
        assert_eq!((record.ledger.planned, record.ledger.completed), (50, 50));
        assert!(
            record.elapsed < Duration::from_secs(5),
            "{:?}",
            record.elapsed
        );
    });
}

#[test]
fn or_iterations_fail_that_find_none() {
    run(async {
        let server = server().await;
        let mut plan = plan(&[server.address], "Hello");
        let (_file, mut source) = rows(50);
        source.when_out = WhenOut::Fail;
        with_rows(&mut plan, source);
        plan.load = closed(7, Limit::Iterations(80));
        let record = whole(plan).await;
        let failed = Outcome::from(Failure::Expression);
        assert_eq!(record.outcomes, [(Outcome::Ok, 50), (failed, 30)]);
    });
}
