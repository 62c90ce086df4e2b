//! What the server writes down.

use super::super::clock::Nanos;

/// A reply, and what it replies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The stream or connection, unique in the log.
    pub(crate) lane: u64,
    /// Whether it is a stream's end rather than a message.
    pub(crate) is_end: bool,
    /// When the kernel had received the request's last byte.
    pub(crate) received: Nanos,
    /// Just before the write that took the reply's last byte; 0 until then.
    pub(crate) written: Nanos,
}

/// All of it, in the order in which requests were read and their replies fell due.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    /// Requests whose stamp may be that of a byte behind their last: of what was read together.
    pub(crate) inexact: u64,
    /// Requests that the kernel did not stamp; they count from when they were read.
    pub(crate) unstamped: u64,
    /// What clients did that the server did not understand.
    pub(crate) complaints: Vec<String>,
}
