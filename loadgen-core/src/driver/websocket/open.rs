//! Opening one connection, up to the point where messages may go out.
//!
//! Owns the upgrade request's key and the reading of the server's answer. Does not keep
//! connections.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use http::header::{LOCATION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY};
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use super::connection::{Connection, Incoming, Lost, config};
use super::problem::{ConnectError, Problem, Stage, UpgradeProblem};
use super::unfinished::Unfinished;
use super::upgrade::upgrade;
use crate::clock::StampClock;
use crate::driver::transport::connect_error::{self, Stage as Way};
use crate::driver::transport::excerpt;
use crate::driver::transport::net::{Addresses, Endpoint};
use crate::driver::transport::tls;
use crate::driver::transport::traffic::Traffic;
use crate::outcome::Failure;
use crate::text;
use crate::workload::{ConnectionEvent, Observer};

/// The header with which a server names itself.
const IDENTITY: HeaderName = HeaderName::from_static("x-loadgen-backend");

/// What to ask for, and how long to wait for it.
pub(super) struct Attempt<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The connection's number among those to the same target.
    pub(super) nth: usize,
    /// The upgrade request, without its key.
    pub(super) request: Request<()>,
    /// What it offers, for messages to people.
    pub(super) subprotocols: &'a str,
    /// Messages that the server sends by itself, and without which the connection is not open.
    pub(super) greeting: u32,
    pub(super) limit: Duration,
    /// The longest message taken.
    pub(super) max_message: u32,
    pub(super) unfinished: Unfinished,
    /// Which of the scenario's targets it goes to.
    pub(super) target: usize,
    pub(super) stamps: &'a Rc<StampClock>,
    pub(super) observer: &'a dyn Observer,
}

/// An attempt under way. One that is cut off has failed, too, and has no other way to say so.
struct UnderWay<'a> {
    stage: &'a Cell<Stage>,
    endpoint: &'a Endpoint,
    target: usize,
    observer: &'a dyn Observer,
}

impl UnderWay<'_> {
    /// It came to an end of its own.
    fn ended(self) {
        std::mem::forget(self);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.observer
            .connection(self.target, ConnectionEvent::Failed);
        let (target, stage) = (&self.endpoint.name, self.stage.get());
        self.observer.explain(None, Failure::Timeout, &mut || {
            format!("cut off while connecting to {target}, {stage}")
        });
    }
}

impl Attempt<'_> {
    /// Resolves, connects, encrypts, upgrades and is greeted, all within the limit. `resolving` is
    /// that of [`Endpoint::connect`].
    pub(super) async fn open(
        self,
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
    ) -> Result<Connection, (Failure, ConnectError)> {
        let (limit, endpoint) = (self.limit, self.endpoint);
        let stage = Cell::new(Stage::from(Way::Resolving));
        let under_way = UnderWay {
            stage: &stage,
            endpoint,
            target: self.target,
            observer: self.observer,
        };
        let opening = self.open_unbounded(resolving, Instant::now() + limit, &stage);
        let opened = tokio::time::timeout(limit, opening).await;
        under_way.ended();
        opened
            .unwrap_or_else(|_| {
                let stage = stage.get().to_string();
                Err(connect_error::Problem::TimedOut { stage, limit }.into())
            })
            .map_err(|problem| (class(&problem), endpoint.failed(problem)))
    }

    async fn open_unbounded(
        mut self,
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
        deadline: Instant,
        stage: &Cell<Stage>,
    ) -> Result<Connection, Problem> {
        let traffic = Rc::new(Traffic::new(self.stamps));
        let transport = self
            .endpoint
            .connect(resolving, self.nth, deadline, stage, &traffic)
            .await?;
        stage.set(Stage::Upgrade);
        let key = HeaderValue::from_str(&generate_key()).expect("base64 fits into a header");
        self.request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        let config = config(self.max_message);
        let upgraded = upgrade(
            self.request,
            self.subprotocols,
            transport,
            config,
            &traffic,
            deadline,
        )
        .await;
        let (socket, headers) = upgraded.map_err(|error| {
            let first = traffic.first_bytes();
            // Under encryption, the first bytes are those of its own handshake.
            let first = (!self.endpoint.is_encrypted()).then_some(first.as_slice());
            let text = match &error {
                Error::Io(error) => Some(error.to_string()),
                Error::Protocol(ProtocolError::HandshakeIncomplete) => Some(String::new()),
                _ => None,
            };
            text.and_then(|text| self.endpoint.ended_after_handshake(&text))
                .map(Problem::from)
                .unwrap_or_else(|| diagnose(error, first, self.subprotocols))
        })?;
        // No extension is ever offered (RFC 6455, 4.1); frames changed by one could not be read.
        if let Some(extension) = headers.get(SEC_WEBSOCKET_EXTENSIONS)
            && !extension.is_empty()
        {
            let extension = excerpt::of(extension.as_bytes());
            return Err(Problem::Upgrade(UpgradeProblem::UnaskedExtension(
                extension,
            )));
        }
        let identity = headers.get(IDENTITY).cloned();
        let clock = self.stamps.clock();
        let mut connection =
            Connection::new(socket, traffic, self.unfinished, identity, clock.now());
        be_greeted(&mut connection, self.greeting, stage).await?;
        connection.since = clock.now();
        Ok(connection)
    }
}

/// Takes the messages that belong to the opening.
async fn be_greeted(
    connection: &mut Connection,
    of: u32,
    stage: &Cell<Stage>,
) -> Result<(), Problem> {
    let mut came = 0;
    while came < of {
        stage.set(Stage::Greeting { came, of });
        match poll_fn(|cx| connection.poll_incoming(cx)).await {
            Ok(Incoming::Message(_)) => came += 1,
            // A sign of life.
            Ok(Incoming::Pong(_)) => {}
            Err(Lost {
                failure, detail, ..
            }) => {
                return Err(Problem::Greeting {
                    failure,
                    detail,
                    stage: stage.get(),
                });
            }
        }
    }
    Ok(())
}

/// The class of failure that a connection which could not be opened makes an iteration end with.
fn class(problem: &Problem) -> Failure {
    match problem {
        Problem::Upgrade(UpgradeProblem::Status { status, .. }) => Failure::Http(*status),
        Problem::Greeting {
            failure: failure @ (Failure::Close(_) | Failure::Protocol),
            ..
        } => *failure,
        _ => Failure::Connect,
    }
}

/// What the end of an attempt to upgrade means for the person who set up the run.
fn diagnose(error: Error, first: Option<&[u8]>, subprotocols: &str) -> Problem {
    Problem::Upgrade(match error {
        Error::Http(response) => refused(&response),
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(problem)) => match problem {
            SubProtocolError::NoSubProtocol => {
                UpgradeProblem::NoSubprotocol(subprotocols.to_owned())
            }
            SubProtocolError::InvalidSubProtocol if !subprotocols.is_empty() => {
                UpgradeProblem::ForeignSubprotocol(subprotocols.to_owned())
            }
            _ => UpgradeProblem::UnaskedSubprotocol,
        },
        error => match first {
            Some([]) => UpgradeProblem::ClosedInPlainText,
            Some(first) => match (status_line(first), tls::is_spoken(first)) {
                (Some(status), _) if status != 101 => UpgradeProblem::Status {
                    status,
                    location: None,
                    body: String::new(),
                },
                (_, true) => return connect_error::Problem::TlsExpected.into(),
                (None, _) => UpgradeProblem::NotHttp(format!("\"{}\"", first.escape_ascii())),
                (Some(_), _) => UpgradeProblem::Invalid(error.to_string()),
            },
            None => match error {
                Error::Protocol(ProtocolError::HandshakeIncomplete) => UpgradeProblem::Closed,
                error => UpgradeProblem::Invalid(error.to_string()),
            },
        },
    })
}

/// The status in the first bytes of an answer, `HTTP/1.0 404`: of a server that speaks a version
/// of HTTP that cannot be upgraded.
fn status_line(first: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(first.get(..12)?).ok()?;
    let (version, status) = text.split_once(' ')?;
    version.starts_with("HTTP/").then(|| status.parse().ok())?
}

fn refused(response: &Response<Option<Vec<u8>>>) -> UpgradeProblem {
    let text = |value: &HeaderValue| text::line(&String::from_utf8_lossy(value.as_bytes()));
    let body = response.body().as_deref().unwrap_or_default();
    UpgradeProblem::Status {
        status: response.status().as_u16(),
        location: response.headers().get(LOCATION).map(text),
        body: excerpt::of(body),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(b"HTTP/1.0 404 Fil" => Some(404))]
    #[test_case(b"HTTP/1.1 200" => Some(200))]
    #[test_case(b"SSH-2.0-OpenSSH_" => None)]
    #[test_case(b"HTTP" => None; "too short")]
    fn reads_a_status(first: &[u8]) -> Option<u16> {
        status_line(first)
    }
}
