//! Why a connection could not be opened that was to become WebSocket's.
//!
//! Owns the wording. Opens nothing itself.

use std::fmt;

use http::HeaderValue;

use crate::driver::transport::connect_error;
use crate::driver::transport::excerpt;
use crate::driver::transport::probe::Passing;
use crate::outcome::Failure;
use crate::secrets;

/// A connection that could not be opened.
pub(super) type ConnectError = connect_error::ConnectError<Problem>;

/// What kept a connection from opening.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Transport(#[from] connect_error::Problem),
    #[error("{0}")]
    Upgrade(UpgradeProblem),
    #[error("redirected to {to}: {problem}")]
    Redirected {
        /// Where it was, without the query.
        to: String,
        /// What kept it from opening there.
        problem: Box<Self>,
    },
    #[error("{detail}, while {stage}")]
    Greeting {
        failure: Failure,
        /// What ended the connection.
        detail: String,
        stage: Stage,
    },
}

impl Problem {
    /// Who refused, where it says so.
    pub(super) fn by(&self) -> Option<&HeaderValue> {
        match self {
            Self::Upgrade(UpgradeProblem::Status { by, .. }) => by.as_ref(),
            Self::Redirected { problem, .. } => problem.by(),
            _ => None,
        }
    }
}

impl Passing for Problem {
    fn may_pass(&self) -> bool {
        match self {
            Self::Transport(problem) => problem.may_pass(),
            Self::Upgrade(UpgradeProblem::Status { status, .. }) => *status >= 500,
            Self::Upgrade(problem) => matches!(
                problem,
                UpgradeProblem::Closed | UpgradeProblem::ClosedInPlainText
            ),
            Self::Redirected { problem, .. } => problem.may_pass(),
            Self::Greeting { .. } => true,
        }
    }
}

/// What came back instead of a WebSocket connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UpgradeProblem {
    #[error("the server answered {}", http_answer(*status, location.as_deref(), *followed, body))]
    Status {
        status: u16,
        /// Where a redirection points to.
        location: Option<String>,
        /// Redirections that were followed before.
        followed: u32,
        /// The beginning of the answer's body.
        body: String,
        /// Who answered, where it says so.
        by: Option<HeaderValue>,
    },
    #[error("the server answered HTTP {status} and redirects to {to}")]
    LeadsNowhere {
        status: u16,
        /// What it says of where.
        to: String,
    },
    #[error("the server chose a subprotocol other than those offered: {0}")]
    ForeignSubprotocol(String),
    #[error("the server chose a subprotocol, and none was offered; name it in `subprotocols`")]
    UnaskedSubprotocol,
    #[error("the server turned on {0}, which was not offered")]
    UnaskedExtension(String),
    #[error(
        "the server did not agree to `permessage-deflate`, which `compression` offers: leave that out \
         to do without"
    )]
    NoCompression,
    #[error("the server answered the offer of compression with {answer:?}: {what}")]
    Compression {
        /// What it said of it.
        answer: String,
        /// What is wrong with that.
        what: String,
    },
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

fn http_answer(status: u16, location: Option<&str>, followed: u32, body: &str) -> String {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .map_or_else(String::new, |reason| format!(" {reason}"));
    let help = match status {
        401 | 403 => "; does the upgrade request need a header (`headers`)?".to_owned(),
        404 => "; check the step's `path`".to_owned(),
        426 => "; it asks for another version of the protocol".to_owned(),
        200..=299 => "; it speaks HTTP there and not WebSocket: check port and path".to_owned(),
        300..=399 => location.map(secrets::address).map_or_else(String::new, |to| match followed {
            0 => format!(
                "; it redirects to {to}: name where that is as target and `path`, or say how many \
                 redirections to follow (`redirects`)"
            ),
            _ => format!(
                "; it redirects to {to}, and {followed} redirections have been followed \
                 (`redirects`): does it go round in circles?"
            ),
        }),
        _ => String::new(),
    };
    let body = excerpt::said(body);
    format!("HTTP {status}{reason} instead of switching to WebSocket{body}{help}")
}

/// How far opening a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Transport(connect_error::Stage),
    Upgrade,
    Greeting {
        /// Messages that have come.
        came: u32,
        /// Messages that are to come.
        of: u32,
    },
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
            Self::Upgrade => f.write_str("waiting for the answer to the upgrade request"),
            Self::Greeting { came, of } => {
                let messages = if *of == 1 { "message" } else { "messages" };
                write!(
                    f,
                    "waiting for the greeting, {came} of {of} {messages} so far; does the server \
                     greet on this path (`greeting`)?"
                )
            }
        }
    }
}
