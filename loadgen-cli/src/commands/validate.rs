//! `loadgen validate`.

use loadgen_core::scenario::{Deed, ScenarioPlan, Suite};

use super::exit::Exit;
use crate::args::ValidateArgs;
use crate::backend::said;
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
        text + "\n" + &servers(&suite) + &events(scenarios)
    })?;
    Ok(Exit::Pass)
}

/// The servers that a run starts.
fn servers(suite: &Suite) -> String {
    let lines = suite.backends().iter();
    lines.map(|it| format!("  starts {}\n", said(it))).collect()
}

/// All that is done during a run; of a scenario that is written for several it is done once.
fn events(scenarios: &[ScenarioPlan]) -> String {
    let is_first = |place: usize, of: &ScenarioPlan| {
        let same = |it: &ScenarioPlan| {
            it.written_name() == of.written_name() && it.protocol() == of.protocol()
        };
        of.for_each.is_empty() || !scenarios.iter().take(place).any(same)
    };
    let firsts = scenarios.iter().enumerate();
    let of_all = firsts
        .filter(|(place, of)| is_first(*place, of))
        .flat_map(|(_, of)| of.events.iter().map(move |it| (of, it)));
    of_all
        .map(|(of, event)| {
            let back = match (event.deed.back_after(), &event.deed) {
                (Some(after), Deed::Fault { .. }) => {
                    format!(", over after {}", human::duration(after))
                }
                (None, Deed::Fault { faults, .. }) if faults.is_done_once() => ", once".to_owned(),
                (Some(after), _) => format!(", back after {}", human::duration(after)),
                (None, Deed::Restart { .. }) => ", back at once".to_owned(),
                (None, deed) if deed.backend().is_some() => ", for good".to_owned(),
                (None, Deed::Mark(_)) => " (a mark)".to_owned(),
                (None, _) => " (only with --allow-events)".to_owned(),
            };
            let at = human::duration(event.at);
            format!("  {} at {at}: {}{back}\n", of.name, event.deed)
        })
        .collect()
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
