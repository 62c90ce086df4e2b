//! In which hundredths of seconds something was asked of the service, and in which it answered well.

use std::collections::BTreeMap;

use crate::clock::Nanos;

pub(in crate::record) const SLOT: Nanos = 10_000_000;
pub(in crate::record) const SLOTS_PER_SECOND: u64 = 100;

/// The marked hundredths of one second, a bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::record) struct Marks {
    pub(in crate::record) under_way: u128,
    pub(in crate::record) ok: u128,
    /// A worker stood still: whether anything came is not known.
    pub(in crate::record) still: u128,
}

/// A worker that has not looked for longer stood still.
const LONGEST_BEAT: Nanos = 50_000_000;

/// One worker's marks, or all workers' together, by second.
#[derive(Debug, Clone, Default)]
pub(in crate::record) struct Activity {
    pub(in crate::record) seconds: BTreeMap<u64, Marks>,
    /// Until when the last mark of each kind reaches: what falls before is marked already.
    marked_until: [Nanos; 2],
}

const UNDER_WAY: usize = 0;
const OK: usize = 1;
const STILL: usize = 2;

impl Activity {
    /// An iteration ended ok, so long after measuring began.
    #[inline]
    pub(in crate::record) fn ok(&mut self, at: Nanos) {
        // Mostly in the same hundredth as the one before.
        if at >= self.marked_until[OK] || at + SLOT < self.marked_until[OK] {
            self.mark(OK, at / SLOT);
            self.marked_until[OK] = (at / SLOT + 1) * SLOT;
        }
    }

    /// Iterations were under way all the time from one moment at which that was looked at to the next.
    /// Where we stood still in between, that is no silence of the service's, nor the end of one.
    pub(in crate::record) fn under_way(&mut self, from: Nanos, to: Nanos) {
        let kind = if to.saturating_sub(from) > LONGEST_BEAT {
            STILL
        } else {
            UNDER_WAY
        };
        for slot in from / SLOT..=to / SLOT {
            self.mark(kind, slot);
        }
    }

    fn mark(&mut self, kind: usize, slot: u64) {
        let marks = self.seconds.entry(slot / SLOTS_PER_SECOND).or_default();
        let marks = match kind {
            OK => &mut marks.ok,
            STILL => &mut marks.still,
            _ => &mut marks.under_way,
        };
        *marks |= 1 << (slot % SLOTS_PER_SECOND);
    }

    pub(in crate::record) fn clear(&mut self) {
        self.seconds.clear();
        self.marked_until = [0; 2];
    }
}
