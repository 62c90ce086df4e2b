//! One worker's requests around events, in fine pieces of time.

use std::collections::HashMap;

use super::tick::Answer;
use crate::clock::{Nanos, nanos};
use crate::record::{Sparse, TimelineCell, TimelineSpec};
use crate::workload::BackendIndex;

/// Requests by the worker's own number of their server, and by bucket.
#[derive(Debug, Default)]
pub(in crate::record) struct Fine {
    cells: HashMap<(Option<BackendIndex>, u64), TimelineCell>,
    /// How long each took that a server is known for, to two digits, after the same of its due time.
    times: Vec<(BackendIndex, u64, Nanos)>,
}

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
        if let (Some(backend), Some(bucket)) = (backend, timeline.bucket(answer.due)) {
            let time = Sparse::coarse_value(response_time);
            self.times.push((backend, bucket, time));
        }
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
            *self.cells.entry((backend, bucket)).or_default() += cell;
        }
    }

    pub(in crate::record) fn cells(
        &self,
    ) -> impl Iterator<Item = (Option<BackendIndex>, u64, TimelineCell)> + '_ {
        let cells = self.cells.iter();
        cells.map(|((backend, bucket), cell)| (*backend, *bucket, *cell))
    }

    /// How long requests took, by their server and the bucket in which they were due.
    pub(in crate::record) fn times(
        &mut self,
    ) -> impl Iterator<Item = (BackendIndex, u64, Sparse)> + '_ {
        self.times.sort_unstable();
        let of_buckets = self
            .times
            .chunk_by(|one, next| (one.0, one.1) == (next.0, next.1));
        of_buckets.map(|times| {
            let (backend, bucket, _) = times[0];
            let counts = times.chunk_by(|one, next| one.2 == next.2);
            let counts = counts.map(|it| (it[0].2, it.len() as u64));
            (backend, bucket, Sparse::pack(counts))
        })
    }

    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.times.clear();
    }
}
