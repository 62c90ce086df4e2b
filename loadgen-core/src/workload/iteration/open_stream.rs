//! A stream that is open, and that breaks unless it ends.

use std::cell::Cell;
use std::fmt;

use crate::clock::Nanos;
use crate::workload::{Observer, Opened, StreamEvent};

/// A stream that is open. It breaks when this is dropped; where the end of the run drops it, it was open
/// until then.
pub struct OpenStream<'a> {
    observer: &'a dyn Observer,
    /// How it opened, where its server named itself.
    opened: Option<Opened>,
    /// When the last message came.
    last: Cell<Option<Nanos>>,
    end: StreamEvent,
}

impl fmt::Debug for OpenStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream")
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

impl<'a> OpenStream<'a> {
    pub(super) fn new(observer: &'a dyn Observer, opened: Option<Opened>) -> Self {
        if let Some(opened) = opened {
            observer.serves(opened);
        }
        let stream = Self {
            observer,
            opened,
            last: Cell::new(None),
            end: StreamEvent::Broke,
        };
        stream.tell(StreamEvent::Opened);
        stream
    }

    /// A message came at this time.
    #[inline]
    pub fn heard(&self, at: Nanos) {
        self.last.set(Some(at));
    }

    fn tell(&self, event: StreamEvent) {
        let backend = self.opened.map(|it| it.backend);
        self.observer.stream(backend, event);
    }

    /// It ended as it should, or we had enough of it.
    pub fn ended(mut self) {
        self.end = StreamEvent::Ended;
    }
}

impl Drop for OpenStream<'_> {
    fn drop(&mut self) {
        if let (Some(opened), Some(last)) = (self.opened, self.last.get()) {
            self.observer.heard(opened, last);
        }
        self.tell(self.end);
    }
}
