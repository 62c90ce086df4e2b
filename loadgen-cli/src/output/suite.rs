//! Scenarios as a suite that a person reads and runs again.

use loadgen_core::scenario::{ScenarioPlan, to_json};
use loadgen_core::secrets::Secrets;

use super::json;
use crate::screen;

/// The full form of these scenarios. What stands in the environment or in a file is printed as its place;
/// secrets that stand in the scenarios themselves are `***` unless asked for, which is said.
pub(crate) fn suite(scenarios: &[ScenarioPlan], show_secrets: bool) -> String {
    let mut suite = to_json(scenarios);
    if !show_secrets {
        let whole = suite.clone();
        Secrets::mask_in(&mut suite);
        if suite != whole {
            screen::note(
                "secrets that stand in the scenarios are printed as ***; --show-secrets prints \
                          them, and {\"env\": \"NAME\"} or {\"file\": \"PATH\"} takes them out of there",
            );
        }
    }
    json(&suite)
}
