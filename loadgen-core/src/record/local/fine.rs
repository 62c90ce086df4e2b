//! One worker's requests around events, in fine pieces of time.

use std::collections::HashMap;

use super::tick::Answer;
use crate::clock::{Nanos, nanos};
use crate::record::{TimelineCell, TimelineSpec};
use crate::workload::BackendIndex;

/// Requests by the worker's own number of their server, and by bucket.
#[derive(Debug, Default)]
pub(in crate::record) struct Fine(HashMap<(Option<BackendIndex>, u64), TimelineCell>);

impl Fine {
    /// A request ended.
    pub(super) fn answered(
        &mut self,
        timeline: &TimelineSpec,
        backend: Option<BackendIndex>,
        answer: Answer,
        response_time: Nanos,
    ) {
        let is_slow = timeline
            .ok_within
            .is_some_and(|it| response_time > nanos(it));
        let unsent = u64::from(answer.is_unsent);
        let due = TimelineCell {
            due_unsent: unsent,
            ..TimelineCell::of_due(answer.is_ok, is_slow)
        };
        self.add(timeline, backend, answer.due, due);
        let ended = TimelineCell {
            ended_unsent: unsent,
            ..TimelineCell::of_ended(answer.is_ok)
        };
        self.add(timeline, backend, answer.at, ended);
    }

    /// A request was cut off by the end of the run.
    pub(super) fn interrupted(
        &mut self,
        timeline: &TimelineSpec,
        backend: Option<BackendIndex>,
        due: Nanos,
        is_unsent: bool,
    ) {
        let cell = TimelineCell {
            interrupted: 1,
            due_unsent: u64::from(is_unsent),
            ..TimelineCell::default()
        };
        self.add(timeline, backend, due, cell);
    }

    fn add(
        &mut self,
        timeline: &TimelineSpec,
        backend: Option<BackendIndex>,
        at: Nanos,
        cell: TimelineCell,
    ) {
        if let Some(bucket) = timeline.bucket(at) {
            *self.0.entry((backend, bucket)).or_default() += cell;
        }
    }

    pub(in crate::record) fn cells(
        &self,
    ) -> impl Iterator<Item = (Option<BackendIndex>, u64, TimelineCell)> + '_ {
        let cells = self.0.iter();
        cells.map(|((backend, bucket), cell)| (*backend, *bucket, *cell))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
