//! What the verdict knows of the generator's own troubles, whatever it judges by them.

use super::super::worker_load::{Surroundings, WorkerLoad};

/// What the verdict knows of the generator's own troubles.
#[derive(Debug)]
pub(super) struct Pressure {
    pub(super) busiest: Option<WorkerLoad>,
    pub(super) around: Surroundings,
}

impl Pressure {
    /// The busiest worker, where it had no time to spare.
    pub(super) fn saturated(&self) -> Option<WorkerLoad> {
        self.busiest
            .filter(|load| load.is_saturated(self.around.measured))
    }

    /// Why the generator did not keep up, and what helps.
    pub(super) fn explain(&self, less: &str) -> String {
        self.busiest.map_or_else(
            || "the generator did not keep up".to_owned(),
            |load| load.explain(self.around, less),
        )
    }
}
