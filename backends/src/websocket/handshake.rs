//! The HTTP request that a WebSocket connection begins with, and the response to it.
//!
//! Read here rather than by tungstenite, which has no answer for a request that is not a handshake.
//! What makes a valid one is tungstenite's to say.

use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};

use crate::serve::connection::{Connection, linger};
use crate::serve::identity::IDENTITY_METADATA;
use crate::serve::limits;
use crate::serve::server::HANDSHAKE_TIMEOUT;

use super::path::{Manner, Path};

const IDENTITY_HEADER: HeaderName = HeaderName::from_static(IDENTITY_METADATA);

/// The most a request may have.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// What is made room for at first: most requests have less.
const HEAD_BYTES: usize = 1024;

/// A connection that is let in.
#[derive(Debug)]
pub(super) struct Upgraded {
    pub(super) path: Path,
    /// What the connection asks of all that is said on it.
    pub(super) manner: Manner,
    /// What came right behind the request.
    pub(super) early: Vec<u8>,
}

impl Manner {
    /// What is not known here is ignored.
    fn read(query: &str) -> Result<Self, Refusal> {
        let mut manner = Self::default();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("identify", value)) => manner.identify |= value == "1",
                Some((name @ "greet", value)) => manner.greet = messages(name, value)?,
                Some((name @ "push", value)) => manner.push = messages(name, value)?,
                _ => {}
            }
        }
        Ok(manner)
    }
}

fn messages(name: &str, value: &str) -> Result<u32, Refusal> {
    let wrong = |reason| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let asked = value
        .parse()
        .map_err(|_| wrong(format!("{name} is a number of messages, such as {name}=1")))?;
    limits::within(name, asked, limits::UNASKED_MESSAGES).map_err(wrong)
}

/// A request that is turned away.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    headers: &'static [(HeaderName, &'static str)],
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            headers: &[],
            reason: reason.into(),
        }
    }
}

/// Answers the request. None when the peer is gone, too slow, or was turned away.
pub(super) async fn accept(
    connection: &mut Connection,
    identity: &HeaderValue,
) -> Option<Upgraded> {
    let read = tokio::time::timeout(HANDSHAKE_TIMEOUT, read(connection)).await;
    let judged = match read.ok()? {
        Ok(Some((request, early))) => judge(&request, early),
        Ok(None) => return None,
        Err(refusal) => Err(refusal),
    };
    let (head, upgraded) = match judged {
        Ok((response, upgraded)) => (response_head(response, identity), Some(upgraded)),
        Err(refusal) => (refuse(refusal, identity), None),
    };
    connection.write_all(&head).await.ok()?;
    connection.flush().await.ok()?;
    if upgraded.is_none() {
        linger(connection).await;
    }
    upgraded
}

/// The request and what came behind it, or none when the peer has gone.
async fn read(connection: &mut Connection) -> Result<Option<(Request, Vec<u8>)>, Refusal> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    loop {
        match connection.read_buf(&mut head).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(None),
        }
        match Request::try_parse(&head) {
            Ok(Some((length, request))) => {
                return Ok(Some((request, head.split_off(length))));
            }
            Ok(None) if head.len() < MAX_HEAD_BYTES => {}
            Ok(None) => {
                return Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    format!("a request may have {MAX_HEAD_BYTES} bytes of headers"),
                ));
            }
            Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => {
                return Err(Refusal {
                    headers: &[(ALLOW, "GET")],
                    ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "only GET opens a WebSocket")
                });
            }
            Err(error) => return Err(Refusal::new(StatusCode::BAD_REQUEST, error.to_string())),
        }
    }
}

type Accepted = (http::Response<()>, Upgraded);

fn judge(request: &Request, early: Vec<u8>) -> Result<Accepted, Refusal> {
    let name = request.uri().path();
    let path = Path::named(name).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("there is no {name} here; there are {}", Path::LIST),
        )
    })?;
    let mut response = create_response(request).map_err(|error| match error {
        // The key is there and wrong: the client means WebSocket.
        Error::Protocol(ProtocolError::InvalidSecWebSocketKey) => {
            Refusal::new(StatusCode::BAD_REQUEST, error.to_string())
        }
        _ => Refusal {
            headers: &[
                (UPGRADE, "websocket"),
                (CONNECTION, "upgrade"),
                (SEC_WEBSOCKET_VERSION, "13"),
            ],
            ..Refusal::new(
                StatusCode::UPGRADE_REQUIRED,
                format!("{name} speaks WebSocket, version 13: {error}"),
            )
        },
    })?;
    if let Some(first) = first_subprotocol(request) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, first);
    }
    let query = request.uri().query().unwrap_or_default();
    let upgraded = Upgraded {
        path,
        manner: Manner::read(query)?,
        early,
    };
    Ok((response, upgraded))
}

/// Clients that offer some insist on one of them.
fn first_subprotocol(request: &Request) -> Option<HeaderValue> {
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL)?;
    let first = offered.to_str().ok()?.split(',').next()?.trim();
    (!first.is_empty())
        .then(|| HeaderValue::from_str(first).ok())
        .flatten()
}

fn refuse(refusal: Refusal, identity: &HeaderValue) -> Vec<u8> {
    let body = refusal.reason + "\n";
    let mut response = http::Response::new(());
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    for (name, value) in refusal.headers {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.append(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CONTENT_LENGTH, body.len().into());
    let mut head = response_head(response, identity);
    head.extend(body.into_bytes());
    head
}

fn response_head(mut response: http::Response<()>, identity: &HeaderValue) -> Vec<u8> {
    let headers = response.headers_mut();
    headers.insert(IDENTITY_HEADER, identity.clone());
    let mut head = Vec::with_capacity(256);
    write_response(&mut head, &response)
        .expect("HTTP/1.1, visible headers, and memory to write to");
    head
}
