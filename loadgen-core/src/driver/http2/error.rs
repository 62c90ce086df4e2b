//! How a stream or a connection came to an end that it should not have.
//!
//! Owns the kinds that drivers tell apart, and their wording.

use std::fmt;
use std::io;

use crate::outcome::Failure;

/// The longest head of an answer that is taken, as HTTP/2 counts it. Heads are held until the call
/// ends.
pub(crate) const MOST_HEAD_BYTES: u32 = 64 << 10;

/// How often a request that no server has looked at is sent again on another connection.
pub(crate) const MOST_RESENDS: u32 = 3;

/// Why a stream or a connection ended.
#[derive(Debug)]
pub(crate) enum Error {
    /// The server reset the stream.
    Reset(Code),
    /// The server ended the connection (GOAWAY).
    GoAway {
        code: Code,
        /// What it said with it, escaped; mostly nothing.
        said: String,
    },
    /// The server sent what is not allowed on a stream, and only that was ended by our side.
    BadStream(Code),
    /// The server sent what is not allowed on a connection, and our side ended that.
    BadConnection {
        code: Code,
        /// What was wrong with it, where that is known.
        said: String,
    },
    /// The connection broke.
    Broken(io::Error),
    /// It was our own doing, in the library's words.
    Own(String),
}

impl Error {
    /// The failure that it stands for, where it ends a stream under way.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Reset(code) => Failure::Reset(code.name()),
            // What our own side of the protocol complains about is the server's garbage.
            Self::BadStream(_) | Self::BadConnection { .. } => Failure::Protocol,
            Self::GoAway { .. } | Self::Broken(_) | Self::Own(_) => Failure::Connection,
        }
    }

    /// Whether the server said that it never looked at the request, so that sending it again on
    /// another connection repeats nothing.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(self, Self::GoAway { code, .. } if *code == Code::NO_ERROR)
    }

    /// Whether it is the end of the connection, and not of a stream alone.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::GoAway { .. } | Self::BadConnection { .. } | Self::Broken(_) => true,
            Self::Reset(_) | Self::BadStream(_) | Self::Own(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(code) => write!(f, "the server reset the stream with {code}"),
            Self::GoAway { code, said } => write!(
                f,
                "the server ended the connection with GOAWAY {code}{}",
                in_quotes(said)
            ),
            Self::BadStream(code) => write!(
                f,
                "the server sent what HTTP/2 does not allow on a stream{}: {code}",
                code.or_too_long()
            ),
            Self::BadConnection { code, said } => write!(
                f,
                "the server sent what HTTP/2 does not allow on a connection{}: {code}{}",
                code.or_too_long(),
                in_quotes(said)
            ),
            // What TLS says of it is a link to a manual.
            Self::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the server closed the connection without a word")
            }
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Own(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

fn in_quotes(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(": \"{said}\""),
    }
}

/// An error code (RFC 9113, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(super) u32);

/// The names that the specification gives them, from 0.
const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl Code {
    pub(super) const NO_ERROR: Self = Self(0);
    const PROTOCOL_ERROR: Self = Self(1);
    const COMPRESSION_ERROR: Self = Self(9);
    const ENHANCE_YOUR_CALM: Self = Self(11);

    /// Its name; `UNKNOWN` where it has none.
    pub(crate) fn name(self) -> &'static str {
        let name = usize::try_from(self.0).ok().and_then(|it| NAMES.get(it));
        name.copied().unwrap_or("UNKNOWN")
    }

    /// What else our side's complaint may be about: the library does not tell a head that is too long
    /// from one that is wrong.
    fn or_too_long(self) -> String {
        match self {
            Self::PROTOCOL_ERROR | Self::COMPRESSION_ERROR | Self::ENHANCE_YOUR_CALM => format!(
                ", or a head of more than {} KiB, which is not taken",
                MOST_HEAD_BYTES >> 10
            ),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "UNKNOWN" => write!(f, "error {}", self.0),
            name => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&Error::Reset(Code(8)) => "the server reset the stream with CANCEL")]
    #[test_case(&Error::Reset(Code(99)) => "the server reset the stream with error 99")]
    #[test_case(&Error::GoAway { code: Code(11), said: "too_many_pings".to_owned() }
        => "the server ended the connection with GOAWAY ENHANCE_YOUR_CALM: \"too_many_pings\"")]
    #[test_case(&Error::BadConnection { code: Code(3), said: String::new() }
        => "the server sent what HTTP/2 does not allow on a connection: FLOW_CONTROL_ERROR")]
    #[test_case(&Error::BadStream(Code(1))
        => "the server sent what HTTP/2 does not allow on a stream, or a head of more than 64 KiB, which is not taken: PROTOCOL_ERROR")]
    #[test_case(&Error::Broken(io::ErrorKind::UnexpectedEof.into())
        => "the server closed the connection without a word")]
    fn says(error: &Error) -> String {
        error.to_string()
    }

    #[test]
    fn only_a_good_bye_in_good_order_leaves_requests_untouched() {
        let bye = |code| Error::GoAway {
            code,
            said: String::new(),
        };
        assert!(bye(Code::NO_ERROR).is_untouched());
        assert!(!bye(Code::PROTOCOL_ERROR).is_untouched());
        assert!(!Error::Reset(Code::NO_ERROR).is_untouched());
        assert_eq!(Error::Reset(Code(99)).failure(), Failure::Reset("UNKNOWN"));
    }
}
