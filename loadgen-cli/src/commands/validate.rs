//! `loadgen validate`.

use loadgen_core::scenario::ScenarioPlan;

use super::exit::Exit;
use crate::args::ValidateArgs;
use crate::error::Error;
use crate::suite;
use crate::{human, output};

/// Checks a scenario file.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub(crate) fn run(args: &ValidateArgs) -> Result<Exit, Error> {
    let suite = suite::load(suite::Choice {
        file: Some(&args.file),
        profile: args.profile.as_deref(),
        set: &args.set,
        over_shipped: false,
    })?;
    let scenarios = suite.scenarios();
    let left_to_server = check(&suite::name(&args.file), scenarios)?;
    output::print(&if args.print {
        output::suite(suite.to_json(), args.show_secrets)
    } else {
        let mut text = format!(
            "{}: {}, valid",
            suite::name(&args.file),
            human::counted(scenarios.len() as u64, "scenario")
        );
        if !left_to_server.is_empty() {
            let verb = if left_to_server.len() == 1 {
                "is"
            } else {
                "are"
            };
            text.push_str(&format!(
                "; {} {verb} looked up at the server when the run begins",
                left_to_server.join(", ")
            ));
        }
        text + "\n"
    })?;
    Ok(Exit::Pass)
}

/// What preparing a run would find, without connecting. Returns the methods that only the server
/// can tell of.
fn check(file: &str, scenarios: &[ScenarioPlan]) -> Result<Vec<String>, Error> {
    let (mut left_to_server, mut problems) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        match loadgen_core::check(scenario) {
            Ok(checked) => left_to_server.extend(checked.left_to_server),
            Err(problem) => problems.push(problem),
        }
    }
    left_to_server.sort();
    left_to_server.dedup();
    if problems.is_empty() {
        Ok(left_to_server)
    } else {
        let file = file.to_owned();
        Err(Error::Check { file, problems })
    }
}
