//! What each path answers.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;

use crate::serve::{compute, limits};

use super::body::Content;
use super::events::Events;
use super::query::Query;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What is said to whoever gives no name.
const HELLO_WORLD: &[u8] = br#"{"message":"Hello, world!"}"#;

/// All paths, in words.
const LIST: &str = "/hello, /echo, /compute, /stream, /status/N and /health";

/// The path that says whether the server is well.
pub(super) const HEALTH: &str = "/health";

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    Hello,
    Echo,
    Compute,
    Stream,
    Status,
    Health,
    Unknown,
}

impl Path {
    /// The path of this name.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "/hello" => Self::Hello,
            "/echo" => Self::Echo,
            "/compute" => Self::Compute,
            "/stream" => Self::Stream,
            HEALTH => Self::Health,
            _ if name.starts_with("/status/") => Self::Status,
            _ => Self::Unknown,
        }
    }

    /// Whether it answers this method.
    fn takes(self, method: &Method) -> bool {
        match self {
            Self::Echo | Self::Status | Self::Unknown => true,
            Self::Hello | Self::Compute | Self::Stream | Self::Health => {
                method == Method::GET || method == Method::HEAD
            }
        }
    }
}

/// An answer that has yet to be signed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) status: StatusCode,
    pub(super) content: Content,
    /// What it says of itself.
    pub(super) headers: [Option<(HeaderName, HeaderValue)>; 2],
}

impl Draft {
    fn new(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content: Content::Whole(body.into()),
            headers: [Some((CONTENT_TYPE, kind)), None],
        }
    }

    fn json(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, JSON, body)
    }

    /// An answer that is one line.
    pub(super) fn line(status: StatusCode, line: impl Into<String>) -> Self {
        Self::new(status, TEXT, line.into() + "\n")
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers[1] = Some((name, value));
        self
    }

    fn refused(reason: String) -> Self {
        Self::line(StatusCode::BAD_REQUEST, reason)
    }
}

/// The answer, or none from `/compute`, which is worked for.
pub(super) fn at_once(path: Path, head: &Parts, body: Bytes) -> Option<Draft> {
    let name = head.uri.path();
    let query = Query(head.uri.query().unwrap_or_default());
    if !path.takes(&head.method) {
        let refused = format!("{name} takes GET and HEAD, not {}", head.method);
        let draft = Draft::line(StatusCode::METHOD_NOT_ALLOWED, refused);
        return Some(draft.with(ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    let answer = match path {
        Path::Compute => return None,
        Path::Hello => hello(query),
        Path::Echo => Ok(echo(head, body)),
        Path::Stream => stream(query),
        Path::Status => status(name, query),
        Path::Health => Ok(Draft::line(StatusCode::OK, "ok")),
        Path::Unknown => Ok(Draft::line(
            StatusCode::NOT_FOUND,
            format!("there is no {name} here; there are {LIST}"),
        )),
    };
    Some(answer.unwrap_or_else(Draft::refused))
}

fn hello(query: Query<'_>) -> Result<Draft, String> {
    Ok(match query.text("name")? {
        None => Draft::json(HELLO_WORLD),
        Some(name) => {
            let message = ["Hello, ", &name, "!"].concat();
            Draft::json(serde_json::json!({ "message": message }).to_string())
        }
    })
}

fn echo(head: &Parts, body: Bytes) -> Draft {
    let kept = |name: HeaderName| Some((name.clone(), head.headers.get(name)?.clone()));
    Draft {
        status: StatusCode::OK,
        content: Content::Whole(body),
        headers: [kept(CONTENT_TYPE), kept(CONTENT_ENCODING)],
    }
}

fn stream(query: Query<'_>) -> Result<Draft, String> {
    Ok(Draft {
        status: StatusCode::OK,
        content: Content::Events(Box::new(Events::asked(query)?)),
        headers: [
            Some((CONTENT_TYPE, EVENTS)),
            Some((CACHE_CONTROL, NO_STORE)),
        ],
    })
}

fn status(name: &str, query: Query<'_>) -> Result<Draft, String> {
    let number = name.rsplit('/').next().unwrap_or_default();
    let status = number
        .parse()
        .ok()
        .filter(|number| (200..=599).contains(number))
        .and_then(|number: u16| StatusCode::from_u16(number).ok())
        .filter(|_| name.matches('/').count() == 2)
        .ok_or("a status is a number from 200 to 599, such as /status/404")?;
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(Draft {
            status,
            content: Content::Whole(Bytes::new()),
            headers: [None, None],
        });
    }
    let draft = Draft::line(status, status.to_string());
    Ok(match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => {
            let place = query.text("location")?.unwrap_or("/hello".into());
            let place = HeaderValue::from_str(&place)
                .map_err(|_| "location cannot stand in a header".to_owned())?;
            draft.with(LOCATION, place)
        }
        _ => draft,
    })
}

/// What `/compute` answers.
pub(super) async fn compute(head: &Parts) -> Draft {
    let query = Query(head.uri.query().unwrap_or_default());
    let rounds = query.number("rounds", limits::COMPUTE_ROUNDS);
    match rounds.and_then(|it| it.ok_or_else(|| "say how much, such as ?rounds=1000".to_owned())) {
        Err(reason) => Draft::refused(reason),
        Ok(rounds) => {
            let started = Instant::now();
            let result = compute::work(rounds).await;
            let elapsed_us = started.elapsed().as_micros();
            Draft::json(format!(
                r#"{{"result":"{result}","elapsed_us":{elapsed_us}}}"#
            ))
        }
    }
}
