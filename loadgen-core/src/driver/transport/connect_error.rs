//! Why a connection could not be opened, said so that a person knows what to do next.
//!
//! Owns the wording and the guesses from what the other side sent. Opens nothing itself.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "websocket")]
use crate::outcome::Failure;

/// A connection that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not connect to {target}: {problem}")]
pub(crate) struct ConnectError {
    /// Where to, as `host:port`.
    pub(crate) target: String,
    /// What came back.
    pub(crate) problem: Problem,
}

impl ConnectError {
    /// This error, and where else it could not be connected to.
    pub(crate) fn and_others<'a>(&self, others: impl Iterator<Item = &'a Self>) -> String {
        let others = others
            .filter(|problem| problem.target != self.target)
            .map(|problem| problem.target.as_str());
        let mut targets: Vec<&str> = others.collect();
        targets.sort_unstable();
        targets.dedup();
        if targets.is_empty() {
            self.to_string()
        } else {
            format!("{self} (nor to {})", targets.join(", "))
        }
    }
}

/// What kept a connection from opening.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the name does not resolve ({0}); check its spelling")]
    Unresolved(String),
    #[error("the connection was refused; is the server running and listening on this port?")]
    Refused,
    #[error("there is no such file; is the server running, and is this the socket it listens on?")]
    NoSocket,
    #[error("nobody listens on this socket; is the server running?")]
    NobodyListens,
    #[error("permission denied; who may write to the socket's file may connect")]
    SocketDenied,
    #[error("{0}")]
    Io(String),
    #[error("no answer within {limit:?} while {stage}")]
    TimedOut { stage: Stage, limit: Duration },
    #[error("the server speaks HTTP/1.1 on this port, and gRPC needs HTTP/2; check the port")]
    Http1,
    #[error("the server expects TLS; use an `https://` or `wss://` target, or a `tls` block")]
    TlsExpected,
    #[error(
        "the server closed the connection without answering; it may expect TLS (an `https://` \
         target or a `tls` block), or not speak HTTP/2 on this port"
    )]
    ClosedAtOnce,
    #[error("the server sent something that is not HTTP/2 (it begins with {0}); check the port")]
    NotHttp2(String),
    #[cfg(feature = "grpc")]
    #[error("the server said good-bye (GOAWAY) while HTTP/2 was being set up; it may be stopping")]
    GoodBye,
    #[cfg(feature = "grpc")]
    #[error("HTTP/2 could not be set up: {0}")]
    Http2(String),
    #[error(
        "the server does not speak TLS on this port; leave TLS out: no `https://` or `wss://` in \
         front of the target, no `tls` block, no flag that turns TLS on"
    )]
    PlaintextServer,
    #[error(
        "its certificate is not signed by a trusted authority; name the authority's PEM file in \
         `tls.ca_file`, or accept any certificate with `tls.insecure_skip_verify`"
    )]
    Untrusted,
    #[error(
        "its certificate is for {presented}, not for {expected}; set `tls.server_name` to a name \
         it carries, or accept any certificate with `tls.insecure_skip_verify`"
    )]
    WrongName { expected: String, presented: String },
    #[error("its certificate is not acceptable: {0}")]
    Certificate(String),
    #[error(
        "the server speaks TLS but did not agree on {0} needs; check the port, or set `tls.alpn` to \
         false for a server that does not know ALPN"
    )]
    NoAlpn(&'static str),
    #[error(
        "the server asks for a client certificate; name the files of one and its key in \
         `tls.cert_file` and `tls.key_file`"
    )]
    WantsCertificate,
    #[error(
        "the server does not accept our client certificate ({0}); check `tls.cert_file`: who signed \
         it, how long it is valid, what it is for"
    )]
    OwnCertificate(&'static str),
    #[error("the server has no certificate for the name it was asked for; set `tls.server_name`")]
    UnknownName,
    #[error("the server and loadgen have no version of TLS, or no cipher, in common")]
    NothingInCommon,
    #[error(
        "no local port is free towards this address; `loadgen doctor` tells how many there are, \
         and more targets or addresses have more"
    )]
    NoLocalPort,
    #[cfg(feature = "websocket")]
    #[error("{0}")]
    Upgrade(UpgradeProblem),
    #[cfg(feature = "websocket")]
    #[error("{detail}, while {stage}")]
    Greeting {
        failure: Failure,
        /// What ended the connection.
        detail: String,
        stage: Stage,
    },
    #[error("TLS handshake failed: {0}")]
    Tls(String),
    #[error("`{0}` is not a name that a certificate can carry; set `tls.server_name`")]
    BadServerName(String),
}

/// What came back instead of a WebSocket connection.
#[cfg(feature = "websocket")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpgradeProblem {
    #[error("the server answered {}", http_answer(*status, location.as_deref(), body))]
    Status {
        status: u16,
        /// Where a redirection points to.
        location: Option<String>,
        /// The beginning of the answer's body.
        body: String,
    },
    #[error("the server chose a subprotocol other than those offered: {0}")]
    ForeignSubprotocol(String),
    #[error("the server chose a subprotocol, and none was offered; name it in `subprotocols`")]
    UnaskedSubprotocol,
    #[error("the server turned on {0}, which was not offered")]
    UnaskedExtension(String),
    #[error("the server chose none of the subprotocols offered: {0}")]
    NoSubprotocol(String),
    #[error("the answer to the upgrade request is not WebSocket's: {0}")]
    Invalid(String),
    #[error("the server sent something that is not HTTP/1.1 (it begins with {0}); check the port")]
    NotHttp(String),
    #[error("the server closed the connection without answering the upgrade request")]
    Closed,
    /// Some servers meet what is no TLS without a word.
    #[error(
        "the server closed the connection without answering the upgrade request; it may expect \
         TLS (a `wss://` target or a `tls` block)"
    )]
    ClosedInPlainText,
}

#[cfg(feature = "websocket")]
fn http_answer(status: u16, location: Option<&str>, body: &str) -> String {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .map_or_else(String::new, |reason| format!(" {reason}"));
    let help = match status {
        401 | 403 => "; does the upgrade request need a header (`headers`)?".to_owned(),
        404 => "; check the step's `path`".to_owned(),
        426 => "; it asks for another version of the protocol".to_owned(),
        200..=299 => "; it speaks HTTP there and not WebSocket: check port and path".to_owned(),
        300..=399 => location.map_or_else(String::new, |to| {
            format!("; it redirects to {to}: name where that is as target and `path`")
        }),
        _ => String::new(),
    };
    let body = super::excerpt::said(body);
    format!("HTTP {status}{reason} instead of switching to WebSocket{body}{help}")
}

/// How far opening a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Resolving,
    Connecting,
    TlsHandshake,
    #[cfg(feature = "grpc")]
    Http2Setup,
    #[cfg(feature = "websocket")]
    Upgrade,
    #[cfg(feature = "websocket")]
    Greeting {
        /// Messages that have come.
        came: u32,
        /// Messages that are to come.
        of: u32,
    },
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "websocket")]
            Self::Greeting { came, of } => {
                let messages = if *of == 1 { "message" } else { "messages" };
                return write!(
                    f,
                    "waiting for the greeting, {came} of {of} {messages} so far; does the server \
                     greet on this path (`greeting`)?"
                );
            }
            Self::Resolving => "resolving the name",
            Self::Connecting => "connecting",
            Self::TlsHandshake => "waiting for the TLS handshake",
            #[cfg(feature = "grpc")]
            Self::Http2Setup => "waiting for the server's HTTP/2 settings",
            #[cfg(feature = "websocket")]
            Self::Upgrade => "waiting for the answer to the upgrade request",
        })
    }
}

/// TLS record types: an alert, and a handshake message.
const TLS_ALERT: u8 = 0x15;
const TLS_HANDSHAKE: u8 = 0x16;

/// Guesses what a server is that did not answer HTTP/2's preface with HTTP/2, from the first bytes
/// it sent in plain text. `None` when they could be HTTP/2.
pub(crate) fn guess_from_first_bytes(first: &[u8]) -> Option<Problem> {
    // A server's first frame is SETTINGS: three bytes of length, then type 4.
    match first {
        [] => Some(Problem::ClosedAtOnce),
        [TLS_ALERT | TLS_HANDSHAKE, 0x03, ..] => Some(Problem::TlsExpected),
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
    #[test_case(&[0x15, 3, 3, 0, 2, 2, 70] => Some(Problem::TlsExpected); "alert")]
    #[test_case(&[0, 0, 6, 4, 0, 0, 0, 0, 0] => None; "settings")]
    #[test_case(b"SSH-2.0\r\n" => Some(Problem::NotHttp2("\"SSH-2.0\\r\\n\"".to_owned())))]
    fn guesses(first: &[u8]) -> Option<Problem> {
        guess_from_first_bytes(first)
    }

    #[test]
    fn reads_as_a_sentence() {
        let error = ConnectError {
            target: "db.example:443".to_owned(),
            problem: Problem::TimedOut {
                stage: Stage::Connecting,
                limit: Duration::from_secs(5),
            },
        };
        assert_eq!(
            error.to_string(),
            "could not connect to db.example:443: no answer within 5s while connecting"
        );
    }
}
