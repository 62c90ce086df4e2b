//! What became of streams on connections that the server said good-bye on.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::workload::FarewellEvent;

/// The most moments that are kept apart: some 5 MiB.
const MOST_MOMENTS: usize = 65_536;

/// What became of streams on connections that were told good-bye (GOAWAY) about the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FarewellCount {
    /// Connections that were.
    pub connections: u64,
    /// Streams that were open on them.
    pub open: u64,
    /// Streams that came to their end.
    pub finished: u64,
    /// Streams that were too late, so that the server did not look at them.
    pub refused: u64,
    /// Of these, those that were sent again, elsewhere.
    pub sent_again: u64,
    /// Streams that broke, or were given up.
    pub broken: u64,
}

impl FarewellCount {
    /// Counts what happened.
    pub(in crate::record) fn add(&mut self, event: FarewellEvent) {
        match event {
            FarewellEvent::Said { open } => {
                self.connections += 1;
                self.open += open;
            }
            FarewellEvent::Finished => self.finished += 1,
            FarewellEvent::Refused => self.refused += 1,
            FarewellEvent::SentAgain => self.sent_again += 1,
            FarewellEvent::Broken => self.broken += 1,
        }
    }
}

impl AddAssign for FarewellCount {
    fn add_assign(&mut self, more: Self) {
        let Self {
            connections,
            open,
            finished,
            refused,
            sent_again,
            broken,
        } = self;
        for (sum, more) in [
            (connections, more.connections),
            (open, more.open),
            (finished, more.finished),
            (refused, more.refused),
            (sent_again, more.sent_again),
            (broken, more.broken),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The same by when good-bye was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewells {
    /// By the hundredth of a second since measuring began.
    moments: BTreeMap<u64, FarewellCount>,
    is_cut: bool,
}

impl Farewells {
    /// How long a moment is.
    pub const MOMENT: Duration = Duration::from_millis(10);

    /// Adds what is of one moment.
    pub(in crate::record) fn add(&mut self, moment: u64, count: FarewellCount) {
        if self.moments.len() >= MOST_MOMENTS && !self.moments.contains_key(&moment) {
            self.is_cut = true;
            return;
        }
        *self.moments.entry(moment).or_default() += count;
    }

    /// What another part of the run has.
    pub(in crate::record) fn merge(&mut self, other: &Self) {
        for (moment, count) in &other.moments {
            self.add(*moment, *count);
        }
        self.is_cut |= other.is_cut;
    }

    /// What became of those that were told good-bye from one moment on, and before another. `None` where no
    /// connection was, or not all is kept.
    #[must_use]
    pub fn between(&self, from: Duration, to: Option<Duration>) -> Option<FarewellCount> {
        let moment = |at: Duration| (at.as_nanos() / Self::MOMENT.as_nanos()) as u64;
        let end = to.map_or(u64::MAX, moment);
        let mut sum = FarewellCount::default();
        for (_, count) in self.moments.range(moment(from)..end.max(moment(from))) {
            sum += *count;
        }
        (sum.connections > 0 && !self.is_cut).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_between_two_events_is_told() {
        let mut all = Farewells::default();
        let mut count = FarewellCount::default();
        for event in [
            FarewellEvent::Said { open: 4 },
            FarewellEvent::Finished,
            FarewellEvent::Finished,
            FarewellEvent::Refused,
            FarewellEvent::SentAgain,
            FarewellEvent::Broken,
        ] {
            count.add(event);
        }
        all.add(300, count);
        all.add(500, count);
        let ms = Duration::from_millis;
        let told = all
            .between(ms(3_000), Some(ms(5_000)))
            .expect("one connection");
        assert_eq!((told.connections, told.open, told.finished), (1, 4, 2));
        assert_eq!((told.refused, told.sent_again, told.broken), (1, 1, 1));
        assert_eq!(all.between(ms(3_010), Some(ms(5_000))), None);
        assert_eq!(all.between(ms(0), None).map(|it| it.connections), Some(2));
        let mut more = Farewells::default();
        for moment in 0..=MOST_MOMENTS as u64 {
            more.add(moment, count);
        }
        assert_eq!(more.between(ms(0), None), None, "not all is kept");
    }
}
