//! Which methods calls are of: what describes them, and what the server says where nothing else does.

use std::collections::BTreeSet;

use prost_reflect::MethodDescriptor;

use super::super::call::metadata as metadata_of;
use super::super::descriptor::{Catalogue, Found};
use super::super::error::DriverError;
use super::super::metadata::headers;
use super::super::reflection::{self, Reflected};
use crate::driver::header_fields::Sources;
use crate::driver::transport::net::Endpoint;
use crate::nearest::nearest;
use crate::scenario::{GrpcCall, GrpcPlan, ScenarioPlan, all_steps};

/// What asking the server for descriptions came to.
pub(super) enum Asked {
    /// It was not asked.
    Not,
    /// It has these services.
    Services(Vec<String>),
    /// It could not help, and this is why.
    InVain(String),
}

/// Asks the server about the services that nothing else describes.
pub(super) fn ask_server(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    endpoints: &[Endpoint],
    catalogue: &mut Catalogue,
    sources: &mut Sources,
) -> Result<Asked, DriverError> {
    let parts = [&plan.setup, &plan.begin, &plan.steps, &plan.end];
    let unknown: BTreeSet<String> = parts
        .into_iter()
        .flat_map(|steps| all_steps(steps, ""))
        .filter_map(|(_, step)| step.spoken())
        .filter(|call| !call.is_health_check)
        .filter_map(|call| split(&call.method))
        .filter(|(service, method)| matches!(catalogue.find(service, method), Found::NoSuchService))
        .map(|(service, _)| service.to_owned())
        .collect();
    if unknown.is_empty() {
        return Ok(Asked::Not);
    }
    match reflect(scenario, plan, endpoints, &unknown, sources)? {
        Reflected::NotHelpful(problem) => Ok(Asked::InVain(problem)),
        Reflected::Described { pool, services } => {
            catalogue.add(pool);
            Ok(Asked::Services(services))
        }
    }
}

/// Asks the first server that can be reached about these services, with the scenario's metadata. Blocks.
pub(in crate::driver::grpc) fn reflect(
    scenario: &ScenarioPlan,
    plan: &GrpcPlan,
    endpoints: &[Endpoint],
    services: &BTreeSet<String>,
    sources: &mut Sources,
) -> Result<Reflected, DriverError> {
    let (limit, max_message) = (scenario.connect_timeout, scenario.max_message);
    // What is templated belongs to users, and there are none yet.
    let metadata = headers(Some(limit), None, &[("metadata", &plan.metadata)], sources)?;
    let metadata = metadata_of(&metadata.constant);
    // A thread of its own: the caller may be inside a runtime, which must not be blocked in.
    let reflected = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let asked = reflection::ask(endpoints, services, &metadata, limit, max_message);
            Ok::<_, std::io::Error>(runtime.block_on(asked))
        });
        asking
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread that asked panicked")))
    })?;
    reflected.map_err(|error| DriverError::Unreachable(error.to_string()))
}

/// `package.Service/Method`, with or without a slash in front.
pub(super) fn split(method: &str) -> Option<(&str, &str)> {
    let (service, method) = method.strip_prefix('/').unwrap_or(method).split_once('/')?;
    (!service.is_empty() && !method.is_empty() && !method.contains('/'))
        .then_some((service, method))
}

pub(super) fn resolve(
    catalogue: &Catalogue,
    asked: &Asked,
    call: &GrpcCall,
    path: &str,
) -> Result<MethodDescriptor, DriverError> {
    let path = format!("{path}.method");
    let method = call.method.clone();
    let Some((service, name)) = split(&call.method) else {
        return Err(DriverError::MethodName { path, method });
    };
    let found = catalogue.find(service, name);
    if let Found::Method(found) = found {
        return Ok(found);
    }
    if let (Found::NoSuchService, Asked::InVain(problem)) = (&found, asked) {
        return Err(DriverError::Undescribed {
            path,
            nearest: catalogue.nearest(&method),
            method,
            problem: problem.clone(),
        });
    }
    let mut near = catalogue.nearest(&method);
    let mut there = Vec::new();
    if let (Found::NoSuchService, Asked::Services(services)) = (&found, asked) {
        let renamed: Vec<_> = services
            .iter()
            .map(|service| format!("{service}/{name}"))
            .collect();
        let of_server = nearest(&method, renamed.iter().map(String::as_str));
        near = of_server.map(str::to_owned).or(near);
        there.clone_from(services);
    }
    Err(DriverError::UnknownMethod {
        path,
        method,
        nearest: near,
        services: there.into(),
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("a.B/C" => Some(("a.B", "C")))]
    #[test_case("/a.B/C" => Some(("a.B", "C")))]
    #[test_case("a.B" => None)]
    #[test_case("a.B/" => None)]
    #[test_case("/C" => None)]
    #[test_case("a/b/c" => None)]
    fn splits(method: &str) -> Option<(&str, &str)> {
        split(method)
    }
}
