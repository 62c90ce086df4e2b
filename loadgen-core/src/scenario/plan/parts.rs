//! What a scenario does when, as it is written: once before the load, when a user comes, in each iteration,
//! when a user goes.

use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::reader::{Entry, List};

/// A part of a life: its steps, as far as they could be read, and its path.
pub(super) type Part = (Option<List<RawStep>>, String);

/// What is done when, as it is written.
pub(super) struct Parts {
    pub(super) setup: Part,
    pub(super) begin: Part,
    pub(super) steps: Part,
    pub(super) end: Part,
}

/// All steps of these parts, each with its path.
pub(super) fn leaves_of<'a>(parts: &[&'a Part]) -> Vec<(String, &'a RawStep)> {
    let given = parts.iter();
    let given = given.filter_map(|(list, path)| Some(RawStep::all(list.as_ref()?, path)));
    given.flatten().collect()
}

impl Layers<'_> {
    /// What is done when, as it is written.
    pub(super) fn parts(&self) -> Parts {
        let part = |field, get: fn(&RawScenario) -> &Entry<List<RawStep>>| {
            let picked = self.pick(field, get);
            let list = picked.entry.or_else_with(|| List(Vec::new()), Clone::clone);
            (list, picked.path)
        };
        Parts {
            setup: part("setup", |raw| &raw.setup),
            begin: part("begin", |raw| &raw.begin),
            steps: part("steps", |raw| &raw.steps),
            end: part("end", |raw| &raw.end),
        }
    }
}
