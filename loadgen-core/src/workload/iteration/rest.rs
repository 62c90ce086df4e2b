//! What is told of when it ends, also by being cut off: rests that an iteration takes on purpose, and the
//! step of one that nobody else ends.

use std::cell::Cell;

use super::Iteration;
use crate::clock::Nanos;
use crate::outcome::Failure;

/// A rest before connecting again under way.
pub(crate) struct BackOff<'a, 'b> {
    pub(super) iteration: &'a Iteration<'b>,
    pub(super) from: Nanos,
    pub(super) until: &'a Cell<Nanos>,
}

impl Drop for BackOff<'_, '_> {
    fn drop(&mut self) {
        let end = self.until.get().min(self.iteration.now());
        self.iteration.backed_off(end.saturating_sub(self.from));
    }
}

/// Ends the step that is under way when it is dropped; see [`Iteration::ending_on_drop`].
#[derive(Debug)]
#[must_use = "the step ends when it is dropped"]
pub struct EndingOnDrop<'a, 'b>(pub(super) &'a Iteration<'b>);

impl Drop for EndingOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.cut_off(self.0.now(), Failure::Timeout.into());
    }
}

/// A pause under way.
pub(super) struct Rest<'a, 'b>(&'a Iteration<'b>);

impl<'a, 'b> Rest<'a, 'b> {
    pub(super) fn begin(iteration: &'a Iteration<'b>) -> Self {
        iteration.pausing.set(true);
        iteration.observer.rests(true);
        Self(iteration)
    }
}

impl Drop for Rest<'_, '_> {
    fn drop(&mut self) {
        self.0.pausing.set(false);
        self.0.observer.rests(false);
    }
}

/// Whether what lasts for as long as the load waits for nothing; then nobody is silent to it.
pub(crate) struct Idle<'a, 'b> {
    iteration: &'a Iteration<'b>,
    is_idle: bool,
}

impl<'a, 'b> Idle<'a, 'b> {
    pub(super) fn new(iteration: &'a Iteration<'b>) -> Self {
        Self {
            iteration,
            is_idle: false,
        }
    }

    /// Says whether it is so from here on.
    #[inline]
    pub(crate) fn set(&mut self, is_idle: bool) {
        if is_idle != self.is_idle {
            self.is_idle = is_idle;
            self.iteration.observer.rests(is_idle);
        }
    }
}

impl Drop for Idle<'_, '_> {
    fn drop(&mut self) {
        self.set(false);
    }
}
