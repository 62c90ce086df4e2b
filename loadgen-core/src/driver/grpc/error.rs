//! Why a gRPC scenario cannot be run, found before the run.

use std::path::PathBuf;

use super::metadata::MetadataError;
use crate::driver::endpoints::EndpointError;

/// Why a gRPC scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Its targets cannot be connected to at all.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// A `.proto` file could not be read or compiled.
    #[error("protos: {file}: {problem}")]
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
    #[error("{path}: there is no method `{method}`{}", did_you_mean(nearest.as_deref()))]
    UnknownMethod {
        /// The step's place in the scenario.
        path: String,
        /// What was asked for.
        method: String,
        /// The method with the name most like it, if any is like it.
        nearest: Option<String>,
    },
    /// The method is neither described by the scenario nor by the server.
    #[error(
        "{path}: nothing describes `{method}`: {problem}; name its .proto files in `protos`, or \
         turn on reflection at the server"
    )]
    Undescribed {
        /// The step's place in the scenario.
        path: String,
        /// What was asked for.
        method: String,
        /// What the server said.
        problem: String,
    },
    /// A message does not fit its type.
    #[error("{path}: {problem}")]
    Message {
        /// The field's place in the scenario: `steps[0].grpc.message.name`.
        path: String,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
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

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!("; did you mean `{nearest}`?")
    })
}
