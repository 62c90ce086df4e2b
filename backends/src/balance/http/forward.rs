//! From a request to a backend's answer: who is asked, over which connection, and who next.
//!
//! Owns what may be tried again. A request that reached nobody may; one that did, only if asking twice is as
//! good as once and nothing of its body is gone.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{self, Instant};

use super::check::told;
use super::headers::Head;
use super::kept::{Kept, OneSender, Stream, Two, TwoSender};
use super::problem::{Problem, ProblemKind};
use super::services::Service;
use super::settings::BackendProtocol;
use super::two;
use super::upload::{Fault, Source, Upload};
use crate::balance::dial::{connect, dial};
use crate::balance::endpoint::{Endpoint, Lease, State};
use crate::balance::patient::Patient;

/// Read and written at once at the most over HTTP/1.1, and the most of an answer's head.
const BUFFER_BYTES: usize = 64 << 10;
/// How long a request waits for the names of its backends to be looked up the first time: longer than one look-up may
/// take.
const SETTLING: Duration = Duration::from_secs(10);

/// A request on its way.
#[derive(Debug)]
pub(super) struct Forward<'a> {
    pub(super) service: &'a Arc<Service>,
    pub(super) head: &'a Head,
    pub(super) source: Arc<Source>,
    /// The thread that this is on.
    pub(super) thread: usize,
}

/// A backend's answer, from whom it is, what it comes on, and what is left of the request's body.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) way: Way,
    pub(super) source: Arc<Source>,
}

/// What an answer comes on.
#[derive(Debug)]
pub(super) enum Way {
    /// A connection for this request alone until then, which may be kept.
    One(OneSender),
    /// A place among others.
    Two(#[expect(dead_code, reason = "held until it is dropped")] Arc<Stream>),
}

enum Sender {
    One(OneSender),
    Two(TwoSender, Arc<Stream>),
}

/// A connection that can take a request, and whether it has taken others before.
struct Connected {
    sender: Sender,
    was_kept: bool,
}

/// Why there is no connection.
enum NotConnected {
    /// The backend takes none, or speaks something else.
    Unreachable,
    /// There are as many as there may be, with as many requests on them as it allows.
    Busy,
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
        self.settled().await?;
        let mut tried: Vec<Arc<Endpoint>> = Vec::new();
        let mut retries = settings.retries;
        let mut attempts = 0;
        let mut last = None;
        while let Some(lease) = lasting.pool.pick(&tried) {
            let mut anew = None;
            loop {
                if attempts > 0 {
                    lasting.counts.retries.one();
                }
                attempts += 1;
                let connected = match self.connect(lease.endpoint(), anew).await {
                    Ok(connected) => connected,
                    Err(NotConnected::Unreachable) => break,
                    Err(NotConnected::Busy) => {
                        last = Some(self.busy());
                        break;
                    }
                };
                let may_anew = connected.was_kept && anew.is_none();
                let lost = match self.send(connected, lease.endpoint()).await {
                    Ok((response, way)) => {
                        return Ok(Answered {
                            response,
                            lease,
                            way,
                            source: Arc::clone(&self.source),
                        });
                    }
                    Err(lost) => lost,
                };
                let (next, problem) = self.after(lost, may_anew, &mut retries)?;
                last = problem;
                match next {
                    Next::Anew => anew = Some(Instant::now()),
                    Next::Another => break,
                }
            }
            tried.push(Arc::clone(lease.endpoint()));
        }
        Err(last.unwrap_or_else(|| self.nobody(!tried.is_empty())))
    }

    /// Waits until it is known who there is to be asked.
    async fn settled(&self) -> Result<(), Problem> {
        let Service { settings, lasting } = &**self.service;
        match time::timeout(SETTLING, lasting.pool.settled()).await {
            // Whoever is known by then is asked.
            Ok(true) | Err(_) => Ok(()),
            Ok(false) => {
                let name = &settings.name;
                let detail = format!("the service `{name}` was removed while the request waited");
                Err(Problem::new(ProblemKind::NoService, detail))
            }
        }
    }

    fn busy(&self) -> Problem {
        let name = &self.service.settings.name;
        let detail = format!(
            "the backends of the service `{name}` take no more requests at once than they have"
        );
        Problem::new(ProblemKind::Busy, detail).retry_after(Some(Duration::from_secs(1)))
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

    /// A connection, and if `anew` one that was made since then.
    async fn connect(
        &self,
        endpoint: &Arc<Endpoint>,
        anew: Option<Instant>,
    ) -> Result<Connected, NotConnected> {
        match self.service.settings.protocol {
            BackendProtocol::Http1 => self
                .connect_one(endpoint, anew.is_some())
                .await
                .ok_or(NotConnected::Unreachable),
            BackendProtocol::Http2 => self.connect_two(endpoint, anew).await,
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
        let patience = self.service.settings.response_timeout;
        let io = TokioIo::new(Patient::new(stream, patience));
        let made = builder.handshake(io).await;
        let (sender, connection) = made.ok()?;
        // Its end is seen by whoever waits for an answer.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Some(Connected {
            sender: Sender::One(sender),
            was_kept: false,
        })
    }

    /// A place on a connection that there is, or on a new one. Who waits for a connection that is being made finds
    /// room on it, or on another by then.
    async fn connect_two(
        &self,
        endpoint: &Arc<Endpoint>,
        anew: Option<Instant>,
    ) -> Result<Connected, NotConnected> {
        let seat = self.kept().seat(endpoint.address());
        let Service { settings, lasting } = &**self.service;
        let limit = settings.connect_timeout;
        let kept = |(sender, stream)| Connected {
            sender: Sender::Two(sender, stream),
            was_kept: true,
        };
        if let Some(place) = seat.take(anew) {
            return Ok(kept(place));
        }
        let making = time::timeout(limit, seat.making.lock()).await;
        if let Some(place) = seat.take(anew) {
            return Ok(kept(place));
        }
        if making.is_err() || seat.is_full() {
            return Err(NotConnected::Busy);
        }
        let stream = connect(&lasting.pool, endpoint, limit).await;
        let stream = stream.ok_or(NotConnected::Unreachable)?;
        // One that cannot be told so is about to fail anyway.
        let _ = stream.set_nodelay(true);
        let opened = two::open(stream, limit, settings.response_timeout).await;
        let (sender, room) = opened.map_err(|reason| {
            lasting.pool.unreachable(endpoint, reason);
            NotConnected::Unreachable
        })?;
        lasting.pool.reached(endpoint);
        let mut two = Two::new(sender, room);
        // A backend may allow none for now.
        let (sender, stream) = two.take().ok_or(NotConnected::Busy)?;
        seat.put(two);
        Ok(Connected {
            sender: Sender::Two(sender, stream),
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
    ) -> Result<(Response<Incoming>, Way), Lost> {
        let protocol = self.service.settings.protocol;
        self.source.touch();
        match connected.sender {
            Sender::One(mut sender) => {
                let body = Upload::new(&self.source, endpoint, None);
                let request = self.head.request(protocol, endpoint.name(), body);
                let sending = sender.try_send_request(request);
                Ok((self.in_time(sending).await?, Way::One(sender)))
            }
            Sender::Two(mut sender, stream) => {
                let body = Upload::new(&self.source, endpoint, Some(Arc::clone(&stream)));
                let request = self.head.request(protocol, endpoint.name(), body);
                let sending = sender.try_send_request(request);
                Ok((self.in_time(sending).await?, Way::Two(stream)))
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
