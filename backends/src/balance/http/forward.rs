//! From a request to a backend's answer: who is asked, over which connection, and who next.
//!
//! Owns what may be tried again. A request that reached nobody may; one that did, only if asking twice is as
//! good as once and nothing of its body is gone.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{self, Instant};

use super::check::told;
use super::headers::Head;
use super::kept::{Kept, OneSender, TwoSender};
use super::problem::{Problem, ProblemKind};
use super::services::Service;
use super::settings::BackendProtocol;
use super::upload::{Fault, Source, Upload};
use crate::balance::dial::dial;
use crate::balance::endpoint::{Endpoint, Lease, State};

/// Room for a burst of large bodies before a backend has to wait for the window to open.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The most of a backend's head over HTTP/2, and of what is read at once over HTTP/1.1.
const HEAD_BYTES: u32 = 64 << 10;
const BUFFER_BYTES: usize = 256 << 10;

/// A request on its way.
#[derive(Debug)]
pub(super) struct Forward<'a> {
    pub(super) service: &'a Arc<Service>,
    pub(super) head: &'a Head,
    pub(super) source: Arc<Source>,
    /// The thread that this is on.
    pub(super) thread: usize,
}

/// A backend's answer, from whom it is, and the connection where that is to be kept.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) sender: Option<OneSender>,
}

enum Sender {
    One(OneSender),
    Two(TwoSender),
}

/// A connection that can take a request, and whether it has taken others before.
struct Connected {
    sender: Sender,
    was_kept: bool,
}

/// Why an attempt came to nothing.
enum Lost {
    /// Nothing of the request reached the backend.
    Unsent,
    /// The backend may have read it.
    Sent(String),
    /// The backend takes too long.
    Late,
}

/// What comes after an attempt that came to nothing.
enum Next {
    /// The same backend, over a new connection.
    Anew,
    /// Another backend.
    Another,
}

impl Forward<'_> {
    /// The first answer that a backend gives.
    ///
    /// # Errors
    /// The [`Problem`] to answer with, where none does.
    pub(super) async fn run(&self) -> Result<Answered, Problem> {
        let Service { settings, lasting } = &**self.service;
        lasting.pool.settled().await;
        let mut tried: Vec<Arc<Endpoint>> = Vec::new();
        let mut retries = settings.retries;
        let mut attempts = 0;
        let mut last = None;
        while let Some(lease) = lasting.pool.pick(&tried) {
            let mut anew = false;
            loop {
                if attempts > 0 {
                    lasting.counts.retries.one();
                }
                attempts += 1;
                let Some(connected) = self.connect(lease.endpoint(), anew).await else {
                    break;
                };
                let may_anew = connected.was_kept && !anew;
                let lost = match self.send(connected, lease.endpoint()).await {
                    Ok((response, sender)) => {
                        return Ok(Answered {
                            response,
                            lease,
                            sender,
                        });
                    }
                    Err(lost) => lost,
                };
                let (next, problem) = self.after(lost, may_anew, &mut retries)?;
                last = problem;
                match next {
                    Next::Anew => anew = true,
                    Next::Another => break,
                }
            }
            tried.push(Arc::clone(lease.endpoint()));
        }
        Err(last.unwrap_or_else(|| self.nobody(!tried.is_empty())))
    }

    /// Who is asked next, and what is to be said where there is nobody.
    fn after(
        &self,
        lost: Lost,
        may_anew: bool,
        retries: &mut u32,
    ) -> Result<(Next, Option<Problem>), Problem> {
        if let Some(fault) = self.source.fault() {
            return Err(fault.into());
        }
        let is_unsent = matches!(lost, Lost::Unsent);
        let reason = match lost {
            Lost::Unsent if may_anew && self.source.is_whole() => return Ok((Next::Anew, None)),
            Lost::Late => {
                let limit = humantime::format_duration(self.service.settings.response_timeout);
                let detail = format!("the backend has not answered within {limit}");
                return Err(Problem::new(ProblemKind::Timeout, detail));
            }
            Lost::Unsent => "the connection ended".to_owned(),
            Lost::Sent(reason) => reason,
        };
        let detail = format!("the backend let the request go before it answered: {reason}");
        let problem = Problem::new(ProblemKind::Failed, detail);
        let may_repeat = is_unsent || is_idempotent(&self.head.method);
        if *retries == 0 || !self.source.is_whole() || !may_repeat {
            return Err(problem);
        }
        *retries -= 1;
        let next = if may_anew { Next::Anew } else { Next::Another };
        Ok((next, Some(problem)))
    }

    fn nobody(&self, any_was_up: bool) -> Problem {
        let settings = &self.service.settings;
        let name = &settings.name;
        if any_was_up {
            let detail = format!("no backend of the service `{name}` takes a connection");
            return Problem::new(ProblemKind::Unreachable, detail);
        }
        let backends = self.service.lasting.pool.snapshot().backends;
        let of = |state| backends.iter().filter(|it| it.state == state).count();
        let (down, draining) = (of(State::Down), of(State::Draining));
        let detail = format!(
            "no backend of the service `{name}` takes requests: {down} down, {draining} draining"
        );
        // Checks bring back what is down, and end no drain.
        let health = settings.pool.health.as_ref().filter(|_| down > 0);
        let after = health.map(|it| it.interval.saturating_mul(it.rise));
        Problem::new(ProblemKind::NoBackend, detail).retry_after(after)
    }

    fn kept(&self) -> &Kept {
        // There is one for each thread.
        &self.service.lasting.kept[self.thread]
    }

    async fn connect(&self, endpoint: &Arc<Endpoint>, anew: bool) -> Option<Connected> {
        match self.service.settings.protocol {
            BackendProtocol::Http1 => self.connect_one(endpoint, anew).await,
            BackendProtocol::Http2 => self.connect_two(endpoint).await,
        }
    }

    async fn connect_one(&self, endpoint: &Arc<Endpoint>, anew: bool) -> Option<Connected> {
        let kept = if anew {
            None
        } else {
            self.kept().take(endpoint.address())
        };
        if let Some(sender) = kept {
            let sender = Sender::One(sender);
            return Some(Connected {
                sender,
                was_kept: true,
            });
        }
        let stream = self.dial(endpoint).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES);
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.ok()?;
        // Its end is seen by whoever waits for an answer.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Some(Connected {
            sender: Sender::One(sender),
            was_kept: false,
        })
    }

    /// The one connection that there is, or a new one that all who wait for it share.
    async fn connect_two(&self, endpoint: &Arc<Endpoint>) -> Option<Connected> {
        let seat = self.kept().seat(endpoint.address());
        let limit = self.service.settings.connect_timeout;
        let mut seated = time::timeout(limit, seat.lock()).await.ok()?;
        if let Some(sender) = seated.as_ref().filter(|it| !it.is_closed()) {
            return Some(Connected {
                sender: Sender::Two(sender.clone()),
                was_kept: true,
            });
        }
        let stream = self.dial(endpoint).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES);
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.ok()?;
        tokio::spawn(async move { drop(connection.await) });
        *seated = Some(sender.clone());
        Some(Connected {
            sender: Sender::Two(sender),
            was_kept: false,
        })
    }

    async fn dial(&self, endpoint: &Endpoint) -> Option<tokio::net::TcpStream> {
        let Service { settings, lasting } = &**self.service;
        let stream = dial(&lasting.pool, endpoint, settings.connect_timeout).await?;
        // One that cannot be told so is about to fail anyway.
        let _ = stream.set_nodelay(true);
        Some(stream)
    }

    async fn send(
        &self,
        connected: Connected,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Response<Incoming>, Option<OneSender>), Lost> {
        let body = Upload::new(&self.source, endpoint);
        self.source.touch();
        let protocol = self.service.settings.protocol;
        let request = self.head.request(protocol, endpoint.name(), body);
        match connected.sender {
            Sender::One(mut sender) => {
                let sending = sender.try_send_request(request);
                let response = self.in_time(sending).await?;
                Ok((response, Some(sender)))
            }
            Sender::Two(mut sender) => {
                let sending = sender.try_send_request(request);
                Ok((self.in_time(sending).await?, None))
            }
        }
    }

    /// What comes of a request that was sent, unless the backend lets it wait for too long. While it is the
    /// client that is waited for, that is no fault of the backend's.
    async fn in_time<B>(
        &self,
        sending: impl Future<Output = Result<Response<Incoming>, hyper::client::conn::TrySendError<B>>>,
    ) -> Result<Response<Incoming>, Lost> {
        let limit = self.service.settings.response_timeout;
        tokio::pin!(sending);
        loop {
            let due = self.due(limit);
            match time::timeout_at(due, &mut sending).await {
                Ok(Ok(response)) => {
                    self.source.answered();
                    return Ok(response);
                }
                Ok(Err(mut error)) => {
                    // Dropped, the request gives back its body.
                    let unsent = error.take_message().is_some();
                    let error = error.into_error();
                    return Err(if unsent || was_refused(&error) {
                        Lost::Unsent
                    } else {
                        Lost::Sent(told(&error))
                    });
                }
                Err(_) if self.due(limit) > Instant::now() => {}
                Err(_) => return Err(Lost::Late),
            }
        }
    }

    fn due(&self, limit: Duration) -> Instant {
        self.source.waiting_since().unwrap_or_else(Instant::now) + limit
    }
}

/// Whether the backend has said that it did nothing with the request.
fn was_refused(error: &hyper::Error) -> bool {
    let reason = error.source().and_then(|it| it.downcast_ref::<h2::Error>());
    reason.and_then(h2::Error::reason) == Some(h2::Reason::REFUSED_STREAM)
}

/// Whether asking twice is as good as once (RFC 9110, 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::TooLarge => ProblemKind::BodyTooLarge,
            Fault::Slow => ProblemKind::SlowBody,
            Fault::Gone => ProblemKind::Malformed,
        };
        Self::new(kind, fault.to_string()).ends_connection()
    }
}
