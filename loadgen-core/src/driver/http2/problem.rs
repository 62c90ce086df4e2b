//! Why a connection could not be opened that was to speak HTTP/2.
//!
//! Owns the wording, and the guesses from what came in HTTP/2's place.

use std::fmt;

use crate::driver::transport::connect_error;
use crate::driver::transport::probe::Passing;
use crate::driver::transport::tls;

/// A connection that could not be opened.
pub(crate) type ConnectError = connect_error::ConnectError<Problem>;

/// What kept a connection from opening.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Transport(#[from] connect_error::Problem),
    #[error("the server speaks HTTP/1.1 on this port, and not HTTP/2; check the port")]
    Http1,
    #[error(
        "the server closed the connection without answering; it may expect TLS (an `https://` \
         target or a `tls` block), or not speak HTTP/2 on this port"
    )]
    ClosedAtOnce,
    #[error("the server sent something that is not HTTP/2 (it begins with {0}); check the port")]
    NotHttp2(String),
    #[error("the server said good-bye (GOAWAY) while HTTP/2 was being set up; it may be stopping")]
    GoodBye,
    #[error("HTTP/2 could not be set up: {0}")]
    Setup(String),
}

impl Passing for Problem {
    fn may_pass(&self) -> bool {
        match self {
            Self::Transport(problem) => problem.may_pass(),
            Self::ClosedAtOnce | Self::GoodBye | Self::Setup(_) => true,
            Self::Http1 | Self::NotHttp2(_) => false,
        }
    }
}

/// How far opening a connection had come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Transport(connect_error::Stage),
    Setup,
}

impl From<connect_error::Stage> for Stage {
    fn from(stage: connect_error::Stage) -> Self {
        Self::Transport(stage)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(stage) => stage.fmt(f),
            Self::Setup => f.write_str("waiting for the server's HTTP/2 settings"),
        }
    }
}

/// Guesses what a server is that did not answer HTTP/2's preface with HTTP/2, from the first bytes
/// it sent in plain text. `None` when they could be HTTP/2.
pub(super) fn guess_from_first_bytes(first: &[u8]) -> Option<Problem> {
    // A server's first frame is SETTINGS: three bytes of length, then type 4.
    match first {
        [] => Some(Problem::ClosedAtOnce),
        _ if tls::is_spoken(first) => Some(connect_error::Problem::TlsExpected.into()),
        _ if first.starts_with(b"HTTP/1.") => Some(Problem::Http1),
        [_, _, _, 0x04, ..] => None,
        _ => Some(Problem::NotHttp2(format!("\"{}\"", first.escape_ascii()))),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"" => Some(Problem::ClosedAtOnce))]
    #[test_case(b"HTTP/1.1 400 Bad" => Some(Problem::Http1))]
    #[test_case(&[0x15, 3, 3, 0, 2, 2, 70] => Some(connect_error::Problem::TlsExpected.into()); "alert")]
    #[test_case(&[0, 0, 6, 4, 0, 0, 0, 0, 0] => None; "settings")]
    #[test_case(b"SSH-2.0\r\n" => Some(Problem::NotHttp2("\"SSH-2.0\\r\\n\"".to_owned())))]
    fn guesses(first: &[u8]) -> Option<Problem> {
        guess_from_first_bytes(first)
    }
}
