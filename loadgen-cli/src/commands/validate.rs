//! `loadgen validate`.

use loadgen_core::scenario;

use crate::args::ValidateArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::{human, output, suite};

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
        let mut text = format!(
            "{}: {}, valid",
            suite::name(&args.file),
            human::counted(scenarios.len() as u64, "scenario")
        );
        let unavailable = suite.unavailable().len() as u64;
        if unavailable > 0 {
            text.push_str(&format!(
                "; {} in a protocol that this version does not speak",
                human::counted(unavailable, "more scenario")
            ));
        }
        text + "\n"
    })?;
    Ok(Exit::Pass)
}
