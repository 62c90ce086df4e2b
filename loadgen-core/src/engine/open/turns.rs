//! What somebody told an open model, as its dispatcher knows it.

use super::super::control::steering::{Steering, Turn};

/// What arrivals were told to do, as far as it is known here.
#[derive(Debug, Default)]
pub(super) struct Turns {
    version: u64,
    all: Vec<Turn>,
    /// How many of them were done.
    pub(super) done: usize,
    /// Whether arrivals are withheld.
    pub(super) paused: bool,
}

impl Turns {
    /// Whether something was told that is not known here.
    #[inline]
    pub(super) fn are_behind(&self, steering: &Steering) -> bool {
        steering.version() != self.version
    }

    /// Hears what there is to do. Whether there is anything new.
    #[inline]
    pub(super) fn listen(&mut self, steering: &Steering) -> bool {
        let version = steering.version();
        let is_new = version != self.version;
        if is_new {
            self.version = version;
            self.all = steering.told().turns;
        }
        is_new
    }

    /// The next that is to be done.
    #[inline]
    pub(super) fn next(&self) -> Option<Turn> {
        self.all.get(self.done).copied()
    }
}
