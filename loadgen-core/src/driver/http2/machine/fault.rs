//! How a stream or a connection came to an end that it should not have, as the protocol has it.

use std::io;
use std::rc::Rc;

/// Why a stream ended, or a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server reset the stream (RFC 9113, section 6.4).
    Reset(u32),
    /// The server ended the connection (section 6.8).
    GoAway { code: u32, said: Rc<[u8]> },
    /// The server sent what is not allowed on a stream, which was reset for it (section 5.4.2).
    BadStream(u32),
    /// The server sent what is not allowed on a connection, which was ended for it (section 5.4.1).
    BadConnection {
        code: u32,
        /// What was too much, where that is it.
        said: &'static str,
    },
    /// The connection broke.
    Broken(io::ErrorKind, Option<Rc<str>>),
    /// The connection was closed, and with it this: a `stream` or the `connection` itself.
    Closed(&'static str),
    /// The connection has no stream numbers left.
    UsedUp,
}

impl Fault {
    pub(super) fn of_connection(code: u32) -> Self {
        Self::BadConnection { code, said: "" }
    }
}
