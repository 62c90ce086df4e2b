//! A stream that is open, and that breaks unless it ends.

use std::fmt;

use crate::workload::{BackendIndex, Observer, StreamEvent};

/// A stream that is open. It breaks when this is dropped; where the end of the run drops it, it was open
/// until then.
pub struct OpenStream<'a> {
    observer: &'a dyn Observer,
    backend: Option<BackendIndex>,
    end: StreamEvent,
}

impl fmt::Debug for OpenStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl<'a> OpenStream<'a> {
    pub(super) fn new(observer: &'a dyn Observer, backend: Option<BackendIndex>) -> Self {
        observer.stream(backend, StreamEvent::Opened);
        Self {
            observer,
            backend,
            end: StreamEvent::Broke,
        }
    }

    /// It ended as it should, or we had enough of it.
    pub fn ended(mut self) {
        self.end = StreamEvent::Ended;
    }
}

impl Drop for OpenStream<'_> {
    fn drop(&mut self) {
        self.observer.stream(self.backend, self.end);
    }
}
