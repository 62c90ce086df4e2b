//! Opening one connection, up to the point where messages may go out.
//!
//! Owns the upgrade request's key, the reading of the server's answer, and the way along redirections.
//! Does not keep connections.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{COOKIE, LOCATION, SEC_WEBSOCKET_KEY};
use http::{HeaderName, HeaderValue, Request, Response};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use super::connection::{Connection, Incoming, Lost, config};
use super::deflate::{Deflate, Shared};
use super::intercept::Upgrade;
use super::negotiation;
use super::problem::{Problem, Stage, UpgradeProblem};
use super::unfinished::{AllUnfinished, Unfinished};
use super::upgrade::{Answered, ask};
use crate::clock::StampClock;
use crate::driver::transport::connect_error;
use crate::driver::transport::excerpt;
use crate::driver::transport::net::{Addresses, Endpoint};
use crate::driver::transport::tls;
use crate::driver::transport::traffic::Traffic;
use crate::driver::web::cookies::Jar;
use crate::driver::web::redirect::{self, Address, Elsewhere};
use crate::outcome::Failure;
use crate::scenario::PerMessageDeflate;
use crate::text;
use crate::workload::{ConnectionEvent, Observer};
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
    /// The longest message taken.
    pub(super) max_message: u32,
    pub(super) unfinished: &'a Arc<AllUnfinished>,
    /// What compression is offered.
    pub(super) compression: Option<&'a PerMessageDeflate>,
    /// What compresses.
    pub(super) deflate: &'a Rc<Shared>,
    /// The cookies of whom it is for, where they are kept.
    pub(super) jar: Option<&'a RefCell<Jar>>,
    /// The most redirections that are followed, and how.
    pub(super) redirects: u32,
    pub(super) elsewhere: &'a Elsewhere,
    /// What is seen of it, where somebody looks.
    pub(super) upgrade: Option<&'a Upgrade>,
    /// The header in which the server names itself, where it is one.
    pub(super) identity: Option<&'a HeaderName>,
    /// Which of the scenario's targets it goes to.
    pub(super) target: usize,
    pub(super) stamps: &'a Rc<StampClock>,
    pub(super) observer: &'a dyn Observer,
}

impl Attempt<'_> {
    /// Resolves, connects, encrypts, upgrades and is greeted, wherever it is redirected to. `resolving`,
    /// `deadline` and `stage` are those of [`Endpoint::connect`].
    pub(super) async fn open(
        self,
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>> + Clone,
        deadline: Instant,
        stage: &Cell<Stage>,
    ) -> Result<Connection, Problem> {
        let mut visit = Visit {
            endpoint: Cow::Borrowed(self.endpoint),
            request: self.request.clone(),
            followed: 0,
        };
        // Where no redirection is followed and no cookie kept, nobody needs to know where it is.
        let path = self.request.uri().path_and_query();
        let first = Address::of(self.endpoint, path.map_or("/", |it| it.as_str()));
        let mut here = first.clone();
        loop {
            if let (Some(jar), Some(here)) = (self.jar, &here) {
                visit.take_cookies(&jar.borrow(), here);
            }
            let asked = match &visit.endpoint {
                Cow::Borrowed(own) => {
                    self.ask(own, &visit, resolving.clone(), deadline, stage)
                        .await
                }
                Cow::Owned(other) => {
                    self.ask(other, &visit, other.resolve(), deadline, stage)
                        .await
                }
            };
            let said = match asked {
                Ok((answered, traffic)) => {
                    if let Some(upgrade) = self.upgrade {
                        upgrade.answered(answered.status(), answered.headers());
                    }
                    if let (Some(jar), Some(here)) = (self.jar, &here) {
                        let now = SystemTime::now();
                        jar.borrow_mut().take(answered.headers(), here, now);
                    }
                    let leads_on = redirect::redirects(answered.status());
                    if leads_on
                        && visit.followed < self.redirects
                        && let (Some(first), Some(from)) = (&first, &here)
                    {
                        let (sent, received) = traffic.take();
                        self.observer.bytes(sent, received);
                        let to = self.follow(&mut visit, &answered, first, from)?;
                        here = Some(to);
                        continue;
                    }
                    self.enter(answered, &visit, &traffic, deadline, stage)
                        .await
                }
                Err(problem) => Err(problem),
            };
            return said.map_err(|problem| match (visit.followed, here) {
                (1.., Some(here)) => Problem::Redirected {
                    to: here.to_string(),
                    problem: Box::new(problem),
                },
                _ => problem,
            });
        }
    }

    /// Goes where an answer leads to.
    fn follow<'v>(
        &'v self,
        visit: &mut Visit<'v>,
        answered: &Answered,
        first: &Address,
        from: &Address,
    ) -> Result<Address, Problem> {
        let nowhere = |to| {
            Problem::Upgrade(UpgradeProblem::LeadsNowhere {
                status: answered.status().as_u16(),
                to,
            })
        };
        let to = from.led_to(answered.headers()).map_err(nowhere)?;
        let request = to.request(first, &self.request);
        visit.request = request.ok_or_else(|| nowhere(to.to_string()))?;
        visit.endpoint = match to.is_same_server(first) {
            true => Cow::Borrowed(self.endpoint),
            false => Cow::Owned(self.elsewhere.endpoint(&to)?),
        };
        visit.followed += 1;
        self.observer
            .connection(self.target, ConnectionEvent::Redirected);
        Ok(to)
    }

    /// Connects and asks for the upgrade.
    async fn ask(
        &self,
        endpoint: &Endpoint,
        visit: &Visit<'_>,
        resolving: impl Future<Output = Result<Addresses, connect_error::Problem>>,
        deadline: Instant,
        stage: &Cell<Stage>,
    ) -> Result<(Answered, Rc<Traffic>), Problem> {
        let traffic = Rc::new(Traffic::new(self.stamps));
        let transport = endpoint
            .connect(resolving, self.nth, deadline, stage, &traffic)
            .await?;
        stage.set(Stage::Upgrade);
        let mut request = visit.request.clone();
        let key = HeaderValue::from_str(&generate_key()).expect("base64 fits into a header");
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        match ask(request, transport).await {
            Ok(answered) => Ok((answered, traffic)),
            Err(error) => Err(self.refusal(error, visit, &traffic)),
        }
    }

    /// Takes the answer for an upgrade, and what belongs to the opening after that.
    async fn enter(
        &self,
        answered: Answered,
        visit: &Visit<'_>,
        traffic: &Rc<Traffic>,
        deadline: Instant,
        stage: &Cell<Stage>,
    ) -> Result<Connection, Problem> {
        let accepted = answered.accepts(self.subprotocols, deadline).await;
        let answered = accepted.map_err(|error| self.refusal(error, visit, traffic))?;
        // Frames changed by an extension that was not agreed on could not be read.
        let agreed = negotiation::agreed(self.compression, answered.headers());
        let agreed = agreed.map_err(Problem::Upgrade)?;
        let deflate =
            agreed.map(|agreed| Box::new(Deflate::new(agreed, self.deflate, self.max_message)));
        let identity = self.identity.and_then(|name| answered.headers().get(name));
        let identity = identity.filter(|it| !it.is_empty()).cloned();
        let config = config(self.max_message);
        let socket = answered.into_socket(config, deflate.is_some(), traffic);
        let (socket, clock) = (socket.await, self.stamps.clock());
        let mut connection = Connection::new(
            socket,
            Rc::clone(traffic),
            Unfinished::among(self.unfinished),
            deflate,
            identity,
            clock.now(),
        );
        be_greeted(&mut connection, self.greeting, stage).await?;
        connection.since = clock.now();
        connection.id = traffic.connection_id(self.target, self.observer);
        Ok(connection)
    }

    /// What it means that there was no upgrade.
    fn refusal(&self, error: Error, visit: &Visit<'_>, traffic: &Traffic) -> Problem {
        let endpoint = &*visit.endpoint;
        let first = traffic.first_bytes();
        // Under encryption, the first bytes are those of its own handshake.
        let first = (!endpoint.is_encrypted()).then_some(first.as_slice());
        let text = match &error {
            Error::Io(error) => Some(error.to_string()),
            Error::Protocol(ProtocolError::HandshakeIncomplete) => Some(String::new()),
            _ => None,
        };
        text.and_then(|text| endpoint.ended_after_handshake(&text))
            .map(Problem::from)
            .unwrap_or_else(|| match error {
                Error::Http(response) => {
                    Problem::Upgrade(refused(&response, visit.followed, self.identity))
                }
                error => diagnose(error, first, self.subprotocols, visit.followed),
            })
    }
}

/// The request of an attempt, at the place where it is.
struct Visit<'a> {
    /// The target's, or another that it was redirected to.
    endpoint: Cow<'a, Endpoint>,
    request: Request<()>,
    /// Redirections so far.
    followed: u32,
}

impl Visit<'_> {
    /// Sends the kept cookies along.
    fn take_cookies(&mut self, jar: &Jar, here: &Address) {
        let headers = self.request.headers_mut();
        if let Some(cookies) = jar.header(here, headers.get(COOKIE), SystemTime::now()) {
            headers.insert(COOKIE, cookies);
        }
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
pub(super) fn class(problem: &Problem) -> Failure {
    match problem {
        Problem::Upgrade(
            UpgradeProblem::Status { status, .. } | UpgradeProblem::LeadsNowhere { status, .. },
        ) => Failure::Http(*status),
        Problem::Redirected { problem, .. } => class(problem),
        Problem::Greeting {
            failure: failure @ (Failure::Close(_) | Failure::Protocol),
            ..
        } => *failure,
        _ => Failure::Connect,
    }
}

/// What the end of an attempt to upgrade that was not answered with a status means for the person who set up
/// the run.
fn diagnose(error: Error, first: Option<&[u8]>, subprotocols: &str, followed: u32) -> Problem {
    Problem::Upgrade(match error {
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
                    followed,
                    body: String::new(),
                    by: None,
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

fn refused(
    response: &Response<Option<Vec<u8>>>,
    followed: u32,
    identity: Option<&HeaderName>,
) -> UpgradeProblem {
    let text = |value: &HeaderValue| text::line(&String::from_utf8_lossy(value.as_bytes()));
    let body = response.body().as_deref().unwrap_or_default();
    UpgradeProblem::Status {
        status: response.status().as_u16(),
        location: response.headers().get(LOCATION).map(text),
        followed,
        body: excerpt::of(body),
        by: identity.and_then(|name| response.headers().get(name).cloned()),
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
