//! From a scenario to exchanges that are ready to be made.
//!
//! Owns everything that is done once and before the run: TLS settings, upgrade requests, messages.

use std::time::Duration;

use http::header::{HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, Request, Uri};

use super::error::DriverError;
use super::message::Outgoing;
use crate::cap::Cap;
use crate::driver::endpoints;
use crate::driver::net::Endpoint;
use crate::driver::tls::HTTP1;
use crate::scenario::{
    self, Answer, ConnectionPer, MessageStream, ScenarioPlan, StreamEnd, WebsocketExchange,
    WebsocketMessages,
};

/// A scenario, prepared. Shared by all workers.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) endpoints: Vec<Endpoint>,
    /// The connections that each user has.
    pub(super) lines: Vec<LinePlan>,
    pub(super) actions: Vec<Action>,
    pub(super) connection_per: ConnectionPer,
    pub(super) connect_timeout: Duration,
    pub(super) connect_cap: Option<Cap>,
    /// What was offered, for messages to people.
    pub(super) subprotocols: String,
}

/// One of a user's connections.
#[derive(Debug)]
pub(super) struct LinePlan {
    /// Path and query.
    path: String,
    /// The upgrade request to each target, without its key.
    requests: Vec<Request<()>>,
    /// The first step on it, on whose account goes what belongs to none.
    pub(super) step: usize,
    /// Whether some step takes messages that come by themselves.
    pub(super) listens: bool,
    /// Whether some step sends messages and does not care for answers, and none takes them in
    /// order.
    pub(super) tolerates: bool,
    /// The fields in which replies carry their number, where they do.
    pub(super) id_fields: Vec<Box<str>>,
}

impl LinePlan {
    /// The upgrade request to this target, without its key.
    pub(super) fn request(&self, target: usize) -> Request<()> {
        self.requests[target].clone()
    }
}

/// What an iteration does next.
#[derive(Debug)]
pub(super) enum Action {
    Exchange(Box<Exchange>),
    Pause(Duration),
}

/// What a step does on its connection.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The step's number, pauses left out.
    pub(super) step: usize,
    /// Which of the user's connections.
    pub(super) line: usize,
    /// What is sent; `None` only listens.
    pub(super) outgoing: Option<Outgoing>,
    pub(super) expect: Expect,
    pub(super) repeat: u32,
    pub(super) every: Option<Duration>,
    pub(super) in_flight: u32,
}

/// What is waited for.
#[derive(Debug)]
pub(super) enum Expect {
    Nothing,
    InOrder,
    ById(Box<str>),
    Pong,
    Stream(StreamRule),
}

/// When a stream of messages is over and how they are numbered.
#[derive(Debug)]
pub(super) struct StreamRule {
    pub(super) until: StreamEnd,
    pub(super) sequence: Option<Box<str>>,
}

impl From<&MessageStream> for StreamRule {
    fn from(stream: &MessageStream) -> Self {
        Self {
            until: stream.until,
            sequence: stream.sequence.as_deref().map(Box::from),
        }
    }
}

impl Prepared {
    pub(super) fn new(plan: &ScenarioPlan) -> Result<Self, DriverError> {
        Self::with_endpoints(plan, endpoints::of(plan, &HTTP1)?)
    }

    /// Prepares a scenario that may have no targets yet.
    pub(super) fn check(plan: &ScenarioPlan) -> Result<(), DriverError> {
        Self::with_endpoints(plan, endpoints::check(plan, &HTTP1)?).map(drop)
    }

    fn with_endpoints(plan: &ScenarioPlan, endpoints: Vec<Endpoint>) -> Result<Self, DriverError> {
        let subprotocols = plan.subprotocols.join(", ");
        let mut lines: Vec<LinePlan> = Vec::new();
        let mut has_order: Vec<bool> = Vec::new();
        let mut actions = Vec::with_capacity(plan.steps.len());
        let mut step = 0;
        for (index, planned) in plan.steps.iter().enumerate() {
            let exchange = match &planned.action {
                scenario::Action::Pause(duration) => {
                    actions.push(Action::Pause(*duration));
                    continue;
                }
                scenario::Action::Websocket(exchange) => exchange,
                scenario::Action::Grpc(_) => return Err(DriverError::OtherProtocol { index }),
            };
            let line = lines.iter().position(|line| line.path == exchange.path);
            let line = match line {
                Some(line) => line,
                None => {
                    lines.push(LinePlan {
                        requests: requests(plan, &endpoints, &exchange.path, &subprotocols)?,
                        path: exchange.path.clone(),
                        step,
                        listens: false,
                        tolerates: false,
                        id_fields: Vec::new(),
                    });
                    lines.len() - 1
                }
            };
            let exchange = prepare(exchange, index, step, line)?;
            lines[line].listens |= exchange.outgoing.is_none();
            has_order.resize(lines.len(), false);
            lines[line].tolerates |= matches!(exchange.expect, Expect::Nothing);
            let lined = &mut lines[line];
            match &exchange.expect {
                Expect::ById(field) if !lined.id_fields.contains(field) => {
                    lined.id_fields.push(field.clone());
                }
                Expect::InOrder | Expect::Stream(_) => has_order[line] = true,
                _ => {}
            }
            actions.push(Action::Exchange(Box::new(exchange)));
            step += 1;
        }
        for (line, has_order) in lines.iter_mut().zip(has_order) {
            // An answer that nobody waits for would be taken for one that somebody does.
            line.tolerates &= !has_order;
        }
        Ok(Self {
            endpoints,
            lines,
            actions,
            connection_per: plan.connection_per,
            connect_timeout: plan.connect_timeout,
            connect_cap: plan.connect_rate.map(Cap::new),
            subprotocols,
        })
    }
}

fn prepare(
    exchange: &WebsocketExchange,
    index: usize,
    step: usize,
    line: usize,
) -> Result<Exchange, DriverError> {
    let (outgoing, expect) = match &exchange.messages {
        WebsocketMessages::Ping => (Some(Outgoing::Ping), Expect::Pong),
        WebsocketMessages::Listen(stream) => (None, Expect::Stream(stream.into())),
        WebsocketMessages::Send { payload, answer } => {
            let outgoing = match answer {
                Answer::ById(field) => {
                    Outgoing::numbered(payload, field).ok_or_else(|| DriverError::NoRoomForId {
                        path: format!("steps[{index}].websocket.send.json"),
                        field: field.clone(),
                    })?
                }
                _ => Outgoing::constant(payload),
            };
            let expect = match answer {
                Answer::None => Expect::Nothing,
                Answer::InOrder => Expect::InOrder,
                Answer::ById(field) => Expect::ById(field.as_str().into()),
                Answer::Stream(stream) => Expect::Stream(stream.into()),
            };
            (Some(outgoing), expect)
        }
    };
    // Streams are told apart by their end only: one at a time.
    let one_at_a_time = matches!(expect, Expect::Stream(_));
    Ok(Exchange {
        step,
        line,
        outgoing,
        expect,
        repeat: exchange.repeat.max(1),
        every: exchange.every,
        in_flight: if one_at_a_time {
            1
        } else {
            exchange.in_flight.max(1)
        },
    })
}

/// The upgrade request to each target; where there is none yet, one is made to see that it can be.
fn requests(
    plan: &ScenarioPlan,
    endpoints: &[Endpoint],
    path: &str,
    subprotocols: &str,
) -> Result<Vec<Request<()>>, DriverError> {
    if endpoints.is_empty() {
        return request(plan, "localhost", path, subprotocols).map(|_| Vec::new());
    }
    endpoints
        .iter()
        .map(|endpoint| request(plan, &endpoint.authority, path, subprotocols))
        .collect()
}

fn request(
    plan: &ScenarioPlan,
    authority: &str,
    path: &str,
    subprotocols: &str,
) -> Result<Request<()>, DriverError> {
    let build = || -> Result<Request<()>, http::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(HOST, HeaderValue::from_str(authority)?);
        if !subprotocols.is_empty() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(subprotocols)?);
        }
        for (name, value) in &plan.headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            headers.append(name, HeaderValue::from_str(value)?);
        }
        let uri = Uri::builder()
            .scheme("ws")
            .authority(authority)
            .path_and_query(path)
            .build()?;
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    };
    build().map_err(|problem| DriverError::Request {
        path: path.to_owned(),
        problem,
    })
}
