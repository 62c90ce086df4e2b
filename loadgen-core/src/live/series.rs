//! The points of a scenario's series, each written once: of several hundred only the last change.

use std::mem;

use serde_json::value::RawValue;

use super::message::written;
use crate::record::SeriesPoint;
use crate::report::Point;

/// A scenario's series so far.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// As it was recorded.
    pub(super) recorded: Vec<SeriesPoint>,
    /// As a document has it.
    told: Vec<Point>,
    /// The same as JSON, each with the second that it begins with.
    written: Vec<WrittenPoint>,
}

#[derive(Debug)]
pub(super) struct WrittenPoint {
    pub(super) t_s: u64,
    pub(super) json: Box<RawValue>,
}

impl Series {
    /// Makes of a document's points, which are those from a place on, all of them.
    pub(super) fn lend(&mut self, points: &mut Vec<Point>, from: usize) {
        self.written.truncate(from);
        let new = points.iter().map(|it| WrittenPoint {
            t_s: it.t_s,
            json: written(it),
        });
        self.written.extend(new);
        self.told.truncate(from);
        self.told.append(points);
        *points = mem::take(&mut self.told);
    }

    /// The document needs them no longer.
    pub(super) fn take_back(&mut self, points: &mut Vec<Point>) {
        self.told = mem::take(points);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    /// Those from a place on.
    pub(super) fn written_from(&self, from: usize) -> &[WrittenPoint] {
        self.written.get(from..).unwrap_or_default()
    }
}
