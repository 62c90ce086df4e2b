//! `loadgen completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::exit::Exit;
use crate::args::Args;
use crate::error::Error;
use crate::output;

/// Prints the completion script of a shell.
///
/// # Errors
/// When it cannot be printed.
pub(crate) fn run(shell: Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "loadgen", &mut script);
    output::print_as_it_is(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Pass)
}
