//! How many of something there are.

use std::cell::Cell;
use std::rc::Rc;

/// One of those that are counted, for as long as it is there.
#[derive(Debug)]
pub(in crate::driver) struct Counted(Rc<Cell<u64>>);

impl Counted {
    pub(in crate::driver) fn among(all: &Rc<Cell<u64>>) -> Self {
        all.set(all.get() + 1);
        Self(Rc::clone(all))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
