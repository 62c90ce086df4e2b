//! What is answered over HTTP: refusals in words, and what a browser is told beside each answer.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this is not the host that was asked for; ask for the address that loadgen printed")]
    Host,
    #[error("pages from elsewhere may not ask here")]
    Origin,
    #[error(
        "a token is needed: open the whole address, with its `?token=`, that loadgen printed on the terminal (standard error) behind `the run is shown at`"
    )]
    NoToken,
    #[error(
        "this token is of another run: open the address that loadgen printed last on the terminal (standard error) behind `the run is shown at`"
    )]
    WrongToken,
    #[error("nothing is taken here that has a body")]
    Body,
    #[error("there is nothing here; the run is at /")]
    NoSuchPath,
    #[error("GET it")]
    Method,
    #[error("a WebSocket is spoken here, version 13")]
    NoWebSocket,
    #[error("as many are looking already as can be served")]
    TooMany,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = match self {
            // Whoever follows a link from another page has a cookie that is not sent along the first time.
            Self::NoToken => {
                let said = format!(
                    "<!doctype html><title>loadgen</title><p>{self}.<p><a href=\"/\">I have done that</a>"
                );
                (status, Html(said)).into_response()
            }
            _ => (status, format!("{self}\n")).into_response(),
        };
        let field = match self {
            Self::Method => Some((header::ALLOW, "GET, HEAD")),
            Self::NoWebSocket => Some((header::UPGRADE, "websocket")),
            Self::TooMany => Some((header::RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = field {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// What is said with each answer: it is kept nowhere, shown in no frame, and taken for nothing else.
pub(super) async fn guarded(mut response: Response) -> Response {
    const FIELDS: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let is_answered = response.status() != StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    if is_answered {
        // Nobody keeps others waiting by asking for nothing more.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    response
}
