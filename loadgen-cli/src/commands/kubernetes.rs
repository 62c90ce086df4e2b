//! `loadgen kubernetes`.

use super::exit::Exit;
use crate::args::KubernetesArgs;
use crate::error::Error;
use crate::{kubernetes, output};

/// Prints the manifests of a run.
///
/// # Errors
/// When it cannot be put into a cluster.
pub(crate) fn run(args: &KubernetesArgs) -> Result<Exit, Error> {
    output::print_whole(&kubernetes::print(args)?)?;
    Ok(Exit::Pass)
}
