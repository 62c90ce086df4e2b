//! Why a connection could not be opened, said so that a person knows what to do next.
//!
//! Owns the wording of what goes wrong below a protocol; a driver puts its own problems beside it.
//! Opens nothing itself.

use super::probe::Passing;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A connection that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not connect to {target}: {problem}")]
pub(crate) struct ConnectError<P> {
    /// Where to, as `host:port`.
    pub(crate) target: String,
    /// What came back.
    pub(crate) problem: P,
}

impl<P: fmt::Display> ConnectError<P> {
    /// This error, and where else it could not be connected to.
    pub(crate) fn and_others<'a>(&self, others: impl Iterator<Item = &'a Self>) -> String
    where
        P: 'a,
    {
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

/// What kept a connection from opening, below the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the name does not resolve ({0}); check its spelling")]
    Unresolved(String),
    #[error(
        "its addresses are not known ({0}); expected an answer with one `host:port` at the least"
    )]
    Unlisted(String),
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
    TimedOut {
        /// What was waited for, in the driver's words.
        stage: String,
        limit: Duration,
    },
    #[error("the server expects TLS; use an `https://` or `wss://` target, or a `tls` block")]
    TlsExpected,
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
    #[error(
        "the server asked for our client certificate and ended the connection right after the \
         handshake, without saying why; it may not accept it: check `tls.cert_file`: who signed it, how \
         long it is valid, what it is for"
    )]
    EndedAfterCertificate,
    #[error("the server has no certificate for the name it was asked for; set `tls.server_name`")]
    UnknownName,
    #[error("the server and loadgen have no version of TLS, or no cipher, in common")]
    NothingInCommon,
    #[error(
        "no local port is free towards this address; `loadgen doctor` tells how many there are, \
         and more targets or addresses have more"
    )]
    NoLocalPort,
    #[error("none of the addresses in `bind` is of the family of the target's")]
    NoSource,
    #[error("{0}, which is in `bind`, is no address of this machine any more")]
    NotOurs(IpAddr),
    #[error(
        "{0}, which is in `bind`, leads nowhere but to this machine, and the target is on another; bind \
         an address of the interface that leads there (`ip route get` and the target's says which)"
    )]
    FromLoopback(IpAddr),
    #[error("TLS handshake failed: {0}")]
    Tls(String),
    #[error("`{0}` is not a name that a certificate can carry; set `tls.server_name`")]
    BadServerName(String),
}

impl Passing for Problem {
    fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::NobodyListens
                | Self::Io(_)
                | Self::TimedOut { .. }
                | Self::Tls(_)
        )
    }
}

/// How far opening a connection had come, below the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Resolving,
    Connecting,
    TlsHandshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "resolving the name",
            Self::Connecting => "connecting",
            Self::TlsHandshake => "waiting for the TLS handshake",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence() {
        let error = ConnectError {
            target: "db.example:443".to_owned(),
            problem: Problem::TimedOut {
                stage: Stage::Connecting.to_string(),
                limit: Duration::from_secs(5),
            },
        };
        assert_eq!(
            error.to_string(),
            "could not connect to db.example:443: no answer within 5s while connecting"
        );
    }
}
