//! The compact form of the original configuration, rewritten into the full form. It has two
//! protocols and will have no others; what each says is in its room.

use super::raw::{RawScenario, RawStep};
use crate::scenario::load::{RawClosed, RawLoad};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, List};
use crate::scenario::value::ScenarioName;

/// Rounds of the reference service that take about 100 µs of processor time.
pub(in crate::scenario) const COMPUTE_ROUNDS: u32 = 10_000;
/// Messages of one stream.
pub(in crate::scenario) const STREAM_COUNT: u32 = 10;

/// A scenario in the compact form.
pub(in crate::scenario) trait Compact {
    fn name(&self) -> &Entry<ScenarioName>;

    /// The full form; `None` when it could not be read.
    fn rewritten(&self, path: &str, problems: &Problems) -> Option<RawScenario>;
}

/// A scenario of one step.
pub(in crate::scenario) fn scenario(
    name: &Entry<ScenarioName>,
    closed: RawClosed,
    step: RawStep,
) -> RawScenario {
    RawScenario {
        name: name.clone(),
        load: Entry::Given(RawLoad {
            closed: Entry::Given(closed),
            ..RawLoad::default()
        }),
        steps: Entry::Given(List::of([step])),
        ..RawScenario::default()
    }
}
