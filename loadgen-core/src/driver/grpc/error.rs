//! Why a gRPC scenario cannot be run, found before the run.

use std::path::PathBuf;

use super::metadata::MetadataError;
use crate::driver::mistake::{Mistake, lines};
use crate::driver::transport::endpoints::EndpointError;

/// Why a gRPC scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Its targets cannot be connected to at all.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// A `.proto` file could not be read or compiled.
    #[error("protos: {}: {problem}", file.display())]
    Proto {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column where it has them.
        problem: String,
    },
    /// A method's name is not of the form `package.Service/Method`.
    #[error(
        "{path}: `{method}` is not a method's name; it takes the form `package.Service/Method`"
    )]
    MethodName {
        /// The step's place in the scenario: `steps[0].grpc.method`.
        path: String,
        /// What was given.
        method: String,
    },
    /// No known service has the method.
    #[error("{path}: there is no method `{method}`{}", hint(nearest.as_deref(), services))]
    UnknownMethod {
        /// The step's place in the scenario.
        path: String,
        /// What was asked for.
        method: String,
        /// The method with the name most like it, if any is like it.
        nearest: Option<String>,
        /// The services that the server has, where it was asked and has not this one.
        services: Box<[String]>,
    },
    /// The method is neither described by the scenario nor by the server.
    #[error(
        "{path}: nothing describes `{method}`{}: {problem}; name its .proto files in `protos`, or \
         turn on reflection at the server",
        perhaps(nearest.as_deref())
    )]
    Undescribed {
        /// The step's place in the scenario.
        path: String,
        /// What was asked for.
        method: String,
        /// What the server said.
        problem: String,
        /// The described method with the name most like it, if any is like it.
        nearest: Option<String>,
    },
    /// Messages do not fit their types, or expressions and test data are wrong.
    #[error("{}", lines(.0))]
    Mistakes(Vec<Mistake>),
    /// A piece of metadata cannot be sent.
    #[error("{path}: {problem}")]
    Metadata {
        /// Its place in the scenario.
        path: String,
        /// What is wrong with it.
        problem: MetadataError,
    },
    /// The server had to be asked what its services look like, and no target could be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The system refused what asking the server needed.
    #[error("the server could not be asked for its services: {0}")]
    System(#[from] std::io::Error),
}

impl From<Vec<Mistake>> for DriverError {
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self::Mistakes(mistakes)
    }
}

fn perhaps(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!(" (did you mean `{nearest}`?)")
    })
}

/// Services that are named where none is like the one that was asked for.
const MOST_NAMED: usize = 10;

fn hint(nearest: Option<&str>, services: &[String]) -> String {
    if let Some(nearest) = nearest {
        return format!("; did you mean `{nearest}`?");
    }
    let names: Vec<String> = services
        .iter()
        .take(MOST_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    match services.len().saturating_sub(MOST_NAMED) {
        _ if names.is_empty() => String::new(),
        0 => format!("; the server has {}", names.join(", ")),
        more => format!("; the server has {} and {more} more", names.join(", ")),
    }
}
