//! Scenarios as a suite that a person reads and runs again.

use loadgen_core::secrets::Secrets;
use serde_json::Value;

use super::json;
use crate::screen;

/// A suite. What stands in the environment or in a file is printed as its place;
/// secrets that stand in the scenarios themselves are `***` unless asked for, which is said.
pub(crate) fn suite(mut suite: Value, show_secrets: bool) -> String {
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
