//! `loadgen validate`.

use crate::args::ValidateArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::{human, output, suite};
use loadgen_core::scenario;

/// Checks a scenario file.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub(crate) fn run(args: &ValidateArgs) -> Result<Exit, Error> {
    let suite = suite::load(Some(&args.file), args.profile.as_deref())?;
    let scenarios = suite.scenarios();
    output::print(&if args.print {
        output::json(&scenario::to_json(scenarios))
    } else {
        let plural = if scenarios.len() == 1 { "" } else { "s" };
        format!(
            "{}: {} scenario{plural}, valid\n",
            args.file.display(),
            human::count(scenarios.len() as u64)
        )
    })?;
    Ok(Exit::Pass)
}
