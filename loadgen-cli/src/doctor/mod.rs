//! What this machine lets a load generator do.
//!
//! Facts (`facts`, read by `read` and `cgroup`, measured by `measure`) are apart from what is made
//! of them (`judge` for the machine alone, `needs` for a run that is about to start), and both
//! from how it looks (`render`). Nothing here changes the machine: commands are printed, never
//! run.

mod cgroup;
mod check;
mod facts;
mod judge;
mod measure;
mod needs;
mod read;
mod reckoning;
mod render;
mod sum;
mod system;
#[cfg(test)]
mod tests;

pub(crate) use facts::{Facts, Ports};
pub(crate) use needs::{Needs, PortError, warnings};
pub(crate) use reckoning::MemoryError;

use crate::paint::Paint;

/// A machine, looked at and judged.
#[derive(Debug)]
pub(crate) struct Examination {
    checks: Vec<check::Check>,
    summary: sum::Summary,
}

/// Looks at this machine; takes about a second, for what has to be measured.
pub(crate) fn examine() -> Examination {
    let measured = measure::measure();
    let facts = Facts::of_this_machine();
    let checks = judge::checks(&facts, &measured);
    let summary = sum::up(&facts, &measured, &checks);
    Examination { checks, summary }
}

impl Examination {
    /// For a person with a terminal of so many columns.
    pub(crate) fn text(&self, paint: Paint, columns: usize) -> String {
        render::text(&self.checks, &self.summary, paint, columns)
    }

    /// For a program.
    pub(crate) fn json(&self) -> serde_json::Value {
        render::json(&self.checks, &self.summary)
    }
}
