//! How an iteration or a step ended.
//!
//! Owns the closed list of failure classes and the keys under which reports and metrics count
//! them. Knows nothing of protocols beyond their codes.

mod parse;

use std::fmt;

pub use parse::UnknownOutcome;

/// How an iteration or a step ended: ok, or a failure with its class and the protocol's code.
///
/// A failure is data, not an error: the run goes on and the ledger counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The service did what was asked.
    Ok,
    /// It did not, or its answer could not be had.
    Failed(Failure),
}

impl Outcome {
    /// Whether this is [`Outcome::Ok`].
    #[must_use]
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Result<(), Failure>> for Outcome {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Ok)
    }
}

/// The key under which reports and metrics count the outcome: `ok`, `timeout`,
/// `grpc.UNAVAILABLE`, `reset.REFUSED_STREAM`, ….
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// Why an iteration or a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// No complete answer within the scenario's timeout. Key `timeout`.
    Timeout,
    /// No connection could be made: refused, unresolved, handshake failed. Key `connect`.
    Connect,
    /// The connection broke while the request was under way, or was reset. Key `connection`.
    Connection,
    /// The server ended one stream (HTTP/2 `RST_STREAM`) with this reason. Key `reset.REASON`.
    Reset(&'static str),
    /// The answer breaks the protocol: garbage, wrong content type, truncated. Key `protocol`.
    Protocol,
    /// The answer came and is not what the scenario's check expects. How often each check held, and what
    /// was seen where it did not, is in `steps[].checks` of the result. Key `check`.
    Check,
    /// An expression came to nothing: what it names is not there, or it has no answer for what it was given.
    /// Key `expression`.
    Expression,
    /// The server answered with a gRPC status other than OK. Key `grpc.NAME`.
    Grpc(GrpcCode),
    /// The service is not in health by its own account (`grpc.health.v1`): the status that it told.
    /// Key `health.STATUS`.
    Health(&'static str),
    /// An HTTP status that is not a success where the protocol needed one. Key `http.STATUS`.
    Http(u16),
    /// The server closed the WebSocket connection with this status code while something was owed
    /// on it; 1005 stands for a close without a code, as in RFC 6455. Key `close.CODE`.
    Close(u16),
    /// A stream of messages came to its end with some of them missing, or a TCP server closed before its
    /// reply was whole. Key `incomplete`.
    Incomplete,
    /// It was not sent: no target took calls, by `health_check` or `circuit_breaker`. Key `rejected`.
    Rejected,
    /// A class of a custom workload's own. Key `custom.NAME`.
    Custom(&'static str),
    /// Any class that came after as many as are told apart. Key `(others)`.
    Others,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("connect"),
            Self::Connection => f.write_str("connection"),
            Self::Reset(reason) => write!(f, "reset.{reason}"),
            Self::Protocol => f.write_str("protocol"),
            Self::Check => f.write_str("check"),
            Self::Expression => f.write_str("expression"),
            Self::Grpc(code) => write!(f, "grpc.{code}"),
            Self::Health(status) => write!(f, "health.{status}"),
            Self::Http(status) => write!(f, "http.{status}"),
            Self::Close(code) => write!(f, "close.{code}"),
            Self::Incomplete => f.write_str("incomplete"),
            Self::Rejected => f.write_str("rejected"),
            Self::Custom(name) => write!(f, "custom.{name}"),
            Self::Others => f.write_str("(others)"),
        }
    }
}

/// A gRPC status code as the server sent it, 0 to 16 for the codes that have names.
///
/// Source: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrpcCode(u32);

impl GrpcCode {
    const NAMES: [&'static str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];

    /// The code with this number; numbers above 16 are kept and shown as they are.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this is OK (0).
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "CODE_{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Outcome::Ok => "ok")]
    #[test_case(Failure::Timeout.into() => "timeout")]
    #[test_case(Failure::Connect.into() => "connect")]
    #[test_case(Failure::Connection.into() => "connection")]
    #[test_case(Failure::Reset("CANCEL").into() => "reset.CANCEL")]
    #[test_case(Failure::Protocol.into() => "protocol")]
    #[test_case(Failure::Check.into() => "check")]
    #[test_case(Failure::Expression.into() => "expression")]
    #[test_case(Failure::Grpc(GrpcCode::new(14)).into() => "grpc.UNAVAILABLE")]
    #[test_case(Failure::Grpc(GrpcCode::new(16)).into() => "grpc.UNAUTHENTICATED")]
    #[test_case(Failure::Grpc(GrpcCode::new(99)).into() => "grpc.CODE_99")]
    #[test_case(Failure::Health("NOT_SERVING").into() => "health.NOT_SERVING")]
    #[test_case(Failure::Http(503).into() => "http.503")]
    #[test_case(Failure::Close(1011).into() => "close.1011")]
    #[test_case(Failure::Incomplete.into() => "incomplete")]
    #[test_case(Failure::Rejected.into() => "rejected")]
    #[test_case(Failure::Custom("cache_miss").into() => "custom.cache_miss")]
    #[test_case(Failure::Others.into() => "(others)")]
    fn keys(outcome: Outcome) -> String {
        outcome.to_string()
    }
}
