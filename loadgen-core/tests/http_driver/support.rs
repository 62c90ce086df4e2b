//! What these tests share: plans.

use std::net::SocketAddr;
use std::time::Duration;

use loadgen_core::driver::http::{HttpFactory, HttpWorkload};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{HttpPlan, HttpRequest, ProtocolPlan, ScenarioPlan, Step, Target};
use loadgen_core::schedule::Limit;
use loadgen_core::workload::WorkerContext;

use crate::common::Planned;
use crate::common::whole::closed;

pub(crate) type Driver = crate::common::Driver<HttpWorkload>;

impl Planned for HttpWorkload {
    fn of(plan: &ScenarioPlan, context: &WorkerContext) -> Self {
        let factory = match &plan.protocol {
            ProtocolPlan::Http(http) => HttpFactory::new(plan, http),
            other => panic!("not HTTP: {other:?}"),
        };
        factory.expect("a valid plan").workload(context)
    }
}

/// A scenario of one request.
pub(crate) fn plan(target: SocketAddr, request: HttpRequest) -> ScenarioPlan {
    steps(target, [request.into()])
}

/// A scenario of these steps.
pub(crate) fn steps(
    target: SocketAddr,
    steps: impl IntoIterator<Item = Step<HttpRequest>>,
) -> ScenarioPlan {
    let load = closed(1, Limit::Iterations(1));
    let mut plan = ScenarioPlan::new("test", HttpPlan::new(steps), load);
    plan.targets = vec![Target {
        host: target.ip().to_string(),
        port: target.port(),
        tls: false,
    }];
    plan.timeout = Duration::from_secs(5);
    plan.graceful_stop = Duration::from_secs(1);
    plan
}

/// What a plan says of HTTP.
pub(crate) fn http(plan: &mut ScenarioPlan) -> &mut HttpPlan {
    match &mut plan.protocol {
        ProtocolPlan::Http(http) => http,
        other => panic!("not HTTP: {other:?}"),
    }
}

/// How one iteration ends, and what is said of a failure.
pub(crate) async fn ends(plan: &ScenarioPlan) -> (Outcome, String) {
    let driver = Driver::open(plan).await;
    let outcome = driver.once().await;
    let seen = driver.recorder.0.borrow();
    let said = seen.explanations.last().map(|(_, said)| said.clone());
    (outcome, said.unwrap_or_default())
}

/// A failure with this status.
pub(crate) fn status(status: u16) -> Outcome {
    Failure::Http(status).into()
}
