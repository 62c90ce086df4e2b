//! From a plan to a run: the one place that chooses a driver.

use crate::driver::grpc::{Checked, DriverError, GrpcFactory};
use crate::engine::{Options, Run, ScenarioSpec};
use crate::scenario::{Action, Plan, Protocol, ScenarioPlan};

/// Why a plan could not be turned into a run.
#[derive(Debug, thiserror::Error)]
#[error("scenario `{scenario}`: {source}")]
pub struct AssembleError {
    scenario: String,
    source: DriverError,
}

impl AssembleError {
    /// Whether the reason is that no target answered, rather than what the plan asks for.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self.source, DriverError::Unreachable { .. })
    }
}

/// Checks a scenario as [`assemble()`] would, as far as that goes without a connection. It may have
/// no targets yet.
///
/// # Errors
/// [`AssembleError`] when a method or message does not exist as the plan writes it, or a file cannot
/// be read.
pub fn check(scenario: &ScenarioPlan) -> Result<Checked, AssembleError> {
    match scenario.protocol {
        Protocol::Grpc => GrpcFactory::check(scenario).map_err(|source| AssembleError {
            scenario: scenario.name.clone(),
            source,
        }),
        Protocol::Websocket => Ok(Checked::default()),
    }
}

/// Builds the run that a plan describes: descriptors resolved, constant messages encoded, one
/// workload factory per scenario. Every scenario needs targets by now.
///
/// # Errors
/// [`AssembleError`] when a method or message does not exist as the plan writes it, a file cannot
/// be read, or a server that has to be asked for its descriptors does not answer.
pub fn assemble(plan: &Plan, options: Options) -> Result<Run, AssembleError> {
    let mut run = Run::new(options);
    for scenario in &plan.scenarios {
        run = match scenario.protocol {
            Protocol::Grpc => {
                let factory = GrpcFactory::new(scenario).map_err(|source| AssembleError {
                    scenario: scenario.name.clone(),
                    source,
                })?;
                run.scenario(spec(scenario), move |context| factory.workload(context))
            }
            Protocol::Websocket => {
                return Err(AssembleError {
                    scenario: scenario.name.clone(),
                    source: DriverError::NoTarget,
                });
            }
        };
    }
    Ok(run)
}

/// The engine's view of a scenario.
fn spec(plan: &ScenarioPlan) -> ScenarioSpec {
    let named = |step: &crate::scenario::StepPlan| match step.action {
        Action::Pause(_) => None,
        Action::Grpc(_) | Action::Websocket(_) => Some(step.name.clone()),
    };
    ScenarioSpec {
        protocol: plan.protocol.to_string(),
        start_after: plan.start_after,
        warm_up: plan.warm_up,
        graceful_stop: plan.graceful_stop,
        timeout: plan.timeout,
        late_after: plan.late_after,
        max_workers: plan.connections.map(|connections| connections as usize),
        steps: plan.steps.iter().filter_map(named).collect(),
        ..ScenarioSpec::new(plan.name.clone(), plan.load.clone())
    }
}
