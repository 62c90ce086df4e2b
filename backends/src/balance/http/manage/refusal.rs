//! Why a request is refused, and how that is said: as problem details (RFC 9457), in one form for everything.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::balance::config::{ConfigError, Problem, ReloadError};

/// The media type of problem details.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "there is nothing at this path; there are /services, /services/{{name}}, /services/{{name}}/status, \
         /docs and /openapi.json"
    )]
    NoSuchPath,
    #[error("this path does not answer this method; `allow` says which it does")]
    Method,
    #[error("there is no service `{name}`; PUT and POST create one")]
    NoService { name: String },
    #[error("there is a service `{name}` already; PUT takes its place, PATCH changes parts of it")]
    Exists { name: String },
    #[error(
        "the service `{name}` is the default service; first name another one, or none, with \
         PATCH /services and {{\"default_service\": …}}"
    )]
    IsDefault { name: String },
    #[error(
        "the file {file} has changed since it was read, so that the change would undo what somebody else \
         did; have it read again (SIGHUP) and try again"
    )]
    FileChanged { file: String },
    #[error(
        "the file {file} has changed since it was read, so that the change would undo what somebody else \
         did; when it was to be read again, that failed, and what it says does not hold: {reason}; mend it, have \
         it read again (SIGHUP) and try again"
    )]
    FileUnread { file: String, reason: String },
    #[error(transparent)]
    Fixed(#[from] ReloadError),
    #[error("{}", several(problems.len()))]
    Invalid { problems: Vec<Problem> },
    #[error("the body is no JSON: line {line}, column {column}: {message}")]
    Syntax {
        line: usize,
        column: usize,
        message: String,
    },
    #[error("it is not as `if-match` or `if-none-match` says; GET has the latest `etag`")]
    Precondition,
    #[error("the body is longer than {} KiB", most >> 10)]
    BodyTooLong { most: usize },
    #[error("the configuration would be longer than {} MiB, and could not be read again", most >> 20)]
    ConfigTooLong { most: u64 },
    #[error("the body did not come whole within {seconds} s")]
    TooSlow { seconds: u64 },
    #[error("the connection broke off within the body")]
    BrokenOff,
    #[error("the body has to be {wanted}, as `content-type` says it")]
    ContentType { wanted: &'static str },
    #[error("a token is needed: `authorization: Bearer …`")]
    NoToken,
    #[error("this token is not the right one")]
    WrongToken,
    #[error(
        "without a token this answers only who asks for this machine by a name like `localhost` or \
         `127.0.0.1`, which a page from elsewhere cannot make a browser do; found {found}"
    )]
    Host { found: String },
    #[error(
        "pages from {origin} may not change anything here; `allowed_origins` of `management` says which may"
    )]
    Origin { origin: String },
    #[error("pages from {origin} may not change anything here")]
    Foreign { origin: String },
    #[error("there is nothing at this path; there are /faults and /connections")]
    NoFaultPath,
    #[error(
        "the faults were changed, but nobody listens yet, which is tried again until it succeeds: {reason}"
    )]
    Deaf { reason: String },
    #[error("the change cannot be saved to {file}, so nothing was changed: {reason}")]
    Save { file: String, reason: String },
}

fn several(problems: usize) -> String {
    match problems {
        1 => "1 problem; nothing was changed".to_owned(),
        several => format!("{several} problems; nothing was changed"),
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Read { path, reason } => Self::Save {
                file: path.display().to_string(),
                reason: reason.to_string(),
            },
            ConfigError::Syntax {
                line,
                column,
                message,
                ..
            } => Self::Syntax {
                line,
                column,
                message,
            },
            ConfigError::Invalid { problems, .. } => Self::Invalid { problems },
        }
    }
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoFaultPath | Self::NoService { .. } => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Exists { .. }
            | Self::IsDefault { .. }
            | Self::FileChanged { .. }
            | Self::FileUnread { .. }
            | Self::Fixed(_) => StatusCode::CONFLICT,
            Self::Invalid { .. } | Self::ConfigTooLong { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Syntax { .. } | Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::Host { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin { .. } | Self::Foreign { .. } => StatusCode::FORBIDDEN,
            Self::Deaf { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Save { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the status asks for beside the body.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::NoToken => (header::WWW_AUTHENTICATE, "Bearer realm=\"loadgen\""),
            Self::WrongToken => (
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"loadgen\", error=\"invalid_token\"",
            ),
            Self::ContentType { wanted } => (header::ACCEPT, *wanted),
            // What is left of the body is not waited for.
            Self::BodyTooLong { .. } | Self::TooSlow { .. } => (header::CONNECTION, "close"),
            _ => return None,
        };
        Some((name, HeaderValue::from_static(value)))
    }

    fn details(&self) -> ProblemDetails {
        let status = self.status();
        let problems: &[Problem] = match self {
            Self::Invalid { problems } => problems,
            _ => &[],
        };
        ProblemDetails {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            problems: problems.iter().map(WhatIsWrong::from).collect(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self.details()).unwrap_or_default();
        let mut response = (self.status(), text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.header());
        response
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// Always `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, and what to try.
    detail: String,
    /// All that is wrong with the document that was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<WhatIsWrong>,
}

/// One thing that is wrong with a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhatIsWrong {
    /// Where: a path in the document that was sent, like `backends[0].weight`; empty for all of it.
    path: String,
    /// What stands there.
    found: String,
    /// What should.
    expected: String,
    /// What to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl From<&Problem> for WhatIsWrong {
    fn from(problem: &Problem) -> Self {
        Self {
            path: problem.path.clone(),
            found: problem.found.clone(),
            expected: problem.expected.clone(),
            help: problem.help.clone(),
        }
    }
}
