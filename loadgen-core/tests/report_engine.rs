//! The document of a run that the engine carried out.

use std::time::Duration;

use loadgen_core::engine::{Options, Run, ScenarioSpec};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::report::{Context, Document, LoadModel, Status, build, schema};
use loadgen_core::schedule::Load;
use loadgen_core::units::Rate;
use loadgen_core::workload::{Iteration, UserId, Workload};

/// Takes a millisecond; fails every tenth time.
struct Pausing;

impl Workload for Pausing {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        tokio::time::sleep(Duration::from_millis(1)).await;
        iteration.answered_by(b"only");
        if iteration.number() % 10 == 9 {
            iteration.explain(Failure::Check, || "the tenth".to_owned());
            return Failure::Check.into();
        }
        Outcome::Ok
    }
}

#[test]
fn a_run_of_the_engine_meets_the_schema() {
    let closed = Load::closed(4).iterations(200);
    let open = Load::open(Rate::new(200.0).expect("a rate"))
        .for_(Duration::from_millis(400))
        .max_users(50);
    let options = Options::default().workers(1);
    let record = Run::new(options)
        .scenario(ScenarioSpec::new("closed", closed), |_| Pausing)
        .scenario(ScenarioSpec::new("open", open), |_| Pausing)
        .execute()
        .unwrap();
    // Every tenth fails on purpose.
    let mut context = Context::new();
    context.thresholds = vec![Vec::new(); 2];
    let document = build(&record, context);

    let value = serde_json::to_value(&document).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(serde_json::from_value::<Document>(value).unwrap(), document);

    let [closed, open] = document.scenarios.as_slice() else {
        panic!("two scenarios")
    };
    assert_eq!(closed.load_model, LoadModel::Closed);
    assert_eq!(closed.ledger.planned, 200);
    assert_eq!(closed.outcomes["check"], closed.ledger.failed);
    assert_eq!(closed.failures[0].example.as_deref(), Some("the tenth"));
    assert_eq!(closed.backends[0].id, "only");
    assert_eq!(closed.steps.len(), 1);
    assert_eq!(
        closed.steps[0].response_time_us.as_ref(),
        Some(&closed.response_time_us)
    );
    assert_eq!(open.load_model, LoadModel::Open);
    assert_eq!(open.ledger.planned, 80);
    let lag = open.start_lag_us.as_ref().unwrap();
    assert_eq!(lag.count, open.ledger.started);
    assert_eq!(document.total.ledger.planned, 280);
    assert_eq!(document.run.generator.workers, 1);

    // The machine may be too busy for a valid run; the books must be in order all the same.
    let at_fault = |reason: &String| reason.contains("fault of loadgen");
    assert!(
        !document.verdict.reasons.iter().any(at_fault),
        "{:?}",
        document.verdict
    );
    assert_ne!(
        document.verdict.status,
        Status::Fail,
        "{:?}",
        document.verdict
    );
}
