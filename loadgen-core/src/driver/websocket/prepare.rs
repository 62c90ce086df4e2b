//! From a scenario to exchanges that are ready to be made.
//!
//! Owns everything that is done once and before the run: TLS settings, upgrade requests, messages.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use http::{HeaderMap, Request, Uri};
use tokio_tungstenite::tungstenite::Message;

use super::HTTP1;
use super::error::DriverError;
use super::fields::{FieldPath, Mark, number_in};
use super::message::Outgoing;
use super::negotiation::{self, MOST_BITS};
use super::request_template::RequestTemplate;
use super::unfinished::AllUnfinished;
use crate::cap::Cap;
use crate::driver::header_fields::{Fields, Form, Sources};
use crate::driver::steps::{At, Life, Parts, Ready, Stage};
use crate::driver::transport::endpoints;
use crate::driver::transport::net::Endpoint;
use crate::driver::web::redirect::Elsewhere;
use crate::expression::{Expression, Known, Text};
use crate::scenario::{
    Answer, ConnectionPer, MessageStream, PerMessageDeflate, ReplyMark, ScenarioPlan, StreamEnd,
    WebsocketExchange, WebsocketMessages, WebsocketPlan,
};
use crate::secrets::names_a_secret;
use crate::workload::Lookouts;

/// A scenario, prepared. Shared by all workers.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) endpoints: Vec<Endpoint>,
    /// The connections that each user has.
    pub(super) paths: Vec<PathPlan>,
    pub(super) life: Life<Exchange>,
    pub(super) timeout: Duration,
    pub(super) connection_per: ConnectionPer,
    pub(super) connect_timeout: Duration,
    pub(super) connect_cap: Option<Cap>,
    /// The longest message taken.
    pub(super) max_message: u32,
    /// What all connections hold of messages that are not complete.
    pub(super) unfinished: Arc<AllUnfinished>,
    /// What was offered, for messages to people.
    pub(super) subprotocols: String,
    /// What compression is offered.
    pub(super) compression: Option<PerMessageDeflate>,
    /// Whether users keep cookies.
    pub(super) cookies: bool,
    /// The most redirections that are followed, and how.
    pub(super) redirects: u32,
    pub(super) elsewhere: Elsewhere,
    /// The scenario's header fields of the upgrade request, but for those that are filled in.
    pub(super) headers: Fields,
    /// What it is made of that may change.
    pub(super) lookouts: Lookouts,
}

/// One of a user's connections.
#[derive(Debug)]
pub(super) struct PathPlan {
    /// Path and query.
    pub(super) path: String,
    /// What of that, and of the header fields, is filled in.
    pub(super) template: RequestTemplate,
    /// The upgrade request to each target, without its key.
    requests: Vec<Request<()>>,
    /// The first step on it, on whose account goes what belongs to none.
    pub(super) step: usize,
    /// What the steps that take messages which come by themselves know them by; `None` takes any.
    listeners: Vec<Option<Mark>>,
    /// Whether some step sends messages and does not care for answers, and none takes them in
    /// order.
    pub(super) tolerates: bool,
    /// Messages that the server sends by itself once the connection is open.
    pub(super) greeting: u32,
    /// Whether messages that nobody asked for are normal.
    pub(super) pushes: bool,
    /// Where replies carry their number, where they do, and the mark they have beside it.
    ids: Vec<(FieldPath, Option<Mark>)>,
    /// The marks of replies that come in the order of the messages.
    marks: Vec<Mark>,
    /// Whether some step takes whatever comes next for what it waits for.
    pub(super) guesses: bool,
}

impl PathPlan {
    /// The upgrade request to this target, without its key and the header fields from files.
    pub(super) fn request(&self, target: usize) -> Request<()> {
        self.requests[target].clone()
    }

    /// Whether some step takes messages that come by themselves.
    pub(super) fn listens(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether a message is for a step that takes what comes by itself.
    pub(super) fn is_listened_for(&self, message: &Message) -> bool {
        let mut marks = self.listeners.iter();
        marks.any(|mark| mark.as_ref().is_none_or(|mark| mark.is_on(message)))
    }

    /// Which of the feeds on the connection is the one with this mark.
    fn feed(&mut self, mark: Option<&Mark>) -> usize {
        let known = self.listeners.iter().position(|it| it.as_ref() == mark);
        known.unwrap_or_else(|| {
            self.listeners.push(mark.cloned());
            self.listeners.len() - 1
        })
    }

    /// Takes note of what one more step says and does.
    fn add(&mut self, said: &WebsocketExchange, exchange: &Exchange) {
        self.greeting = self.greeting.max(said.greeting);
        self.pushes |= said.pushes;
        match (&exchange.expect, &exchange.mark) {
            (Expect::ById(field), mark) => {
                let id = (field.clone(), mark.clone());
                if !self.ids.contains(&id) {
                    self.ids.push(id);
                }
            }
            (Expect::InOrder, Some(mark)) => self.marks.push(mark.clone()),
            (Expect::InOrder, None) => self.guesses = true,
            // What is listened to is asked for by nobody.
            (Expect::Stream(_), _) if exchange.outgoing.is_none() => {}
            (Expect::Stream(_), Some(mark)) => self.marks.push(mark.clone()),
            (Expect::Stream(_), None) => self.guesses = true,
            (Expect::Nothing | Expect::Pong, _) => {}
        }
    }

    /// The number by which a message is a reply to one that was sent, if it is one.
    pub(super) fn numbers_in(&self, message: &Message) -> impl Iterator<Item = u64> {
        self.ids
            .iter()
            .filter(|(_, mark)| mark.as_ref().is_none_or(|mark| mark.is_on(message)))
            .filter_map(|(field, _)| number_in(message, field))
    }

    /// Whether a message could be one that is waited for without a number.
    pub(super) fn may_be_owed(&self, message: &Message) -> bool {
        self.guesses || self.marks.iter().any(|mark| mark.is_on(message))
    }
}

/// What a step does on its connection.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Which of the user's connections.
    pub(super) path: usize,
    /// What is sent; `None` only listens.
    pub(super) outgoing: Option<Outgoing>,
    pub(super) expect: Expect,
    /// What replies have, in order or by id, or the messages of a stream, and others have not.
    pub(super) mark: Option<Mark>,
    /// Whether somebody looks at the last reply.
    pub(super) is_looked_at: bool,
    /// Which of the connection's feeds a step listens to that sends nothing.
    pub(super) feed: usize,
    /// The longest it may take.
    pub(super) timeout: Option<Duration>,
    pub(super) repeat: u32,
    pub(super) every: Option<Duration>,
    pub(super) in_flight: u32,
}

impl Exchange {
    /// Whether a message has what makes it one that the step waits for, as far as that is said. All
    /// that tells messages apart by their contents is asked here.
    #[inline]
    pub(super) fn may_be_reply(&self, message: &Message) -> bool {
        self.mark.as_ref().is_none_or(|mark| mark.is_on(message))
    }
}

/// What is waited for.
#[derive(Debug)]
pub(super) enum Expect {
    Nothing,
    InOrder,
    ById(FieldPath),
    Pong,
    Stream(StreamRule),
}

/// When a stream of messages is over and how they are numbered.
#[derive(Debug)]
pub(super) struct StreamRule {
    pub(super) until: StreamEnd,
    pub(super) sequence: Option<FieldPath>,
}

impl From<&MessageStream> for StreamRule {
    fn from(stream: &MessageStream) -> Self {
        Self {
            until: stream.until,
            sequence: stream.sequence.as_deref().map(FieldPath::new),
        }
    }
}

impl Prepared {
    /// Of what is read on the way, the stage's secrets learn.
    pub(super) fn new(
        scenario: &ScenarioPlan,
        plan: &WebsocketPlan,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        Self::with_endpoints(scenario, plan, endpoints::of(scenario, &HTTP1)?, stage)
    }

    /// Prepares a scenario that may have no targets yet.
    pub(super) fn check(
        scenario: &ScenarioPlan,
        plan: &WebsocketPlan,
        stage: &Stage<'_>,
    ) -> Result<(), DriverError> {
        let endpoints = endpoints::check(scenario, &HTTP1)?;
        Self::with_endpoints(scenario, plan, endpoints, stage).map(drop)
    }

    fn with_endpoints(
        scenario: &ScenarioPlan,
        plan: &WebsocketPlan,
        endpoints: Vec<Endpoint>,
        stage: &Stage<'_>,
    ) -> Result<Self, DriverError> {
        let mut sources = Sources::new(stage.secrets);
        let sent = header_fields(plan, &mut sources)?;
        let subprotocols = plan.subprotocols.join(", ");
        let mut paths: Vec<PathPlan> = Vec::new();
        let mut has_order: Vec<bool> = Vec::new();
        let parts = Parts {
            setup: &plan.setup,
            begin: &plan.begin,
            steps: &plan.steps,
            end: &plan.end,
        };
        let life = Life::prepare(
            scenario,
            &parts,
            stage,
            |exchange: &WebsocketExchange, at| {
                let headers = plan.headers.iter();
                let headers =
                    headers.filter_map(|(name, source)| Some((name.as_str(), source.literal()?)));
                // Whoever comes first opens the connection: names are known to all, or told of.
                let template = RequestTemplate::new(&exchange.path, headers, at);
                let path = paths.iter().position(|known| known.path == exchange.path);
                let path = match path {
                    Some(path) => path,
                    None => {
                        // Until it is filled in, it goes to no path in particular.
                        let path = match Text::is_template(&exchange.path) {
                            true => "/",
                            false => &exchange.path,
                        };
                        paths.push(PathPlan {
                            requests: requests(plan, &sent, &endpoints, path, &subprotocols)?,
                            template,
                            path: exchange.path.clone(),
                            step: at.number,
                            listeners: Vec::new(),
                            tolerates: false,
                            greeting: 0,
                            pushes: false,
                            ids: Vec::new(),
                            marks: Vec::new(),
                            guesses: false,
                        });
                        paths.len() - 1
                    }
                };
                let mut prepared = prepare(exchange, at, path)?;
                if prepared.outgoing.is_none() {
                    prepared.feed = paths[path].feed(prepared.mark.as_ref());
                }
                if let (Some(offered), Some(outgoing)) = (&plan.compression, &prepared.outgoing) {
                    outgoing.prepare_deflated(offered.client_max_window_bits.unwrap_or(MOST_BITS));
                }
                paths[path].add(exchange, &prepared);
                has_order.resize(paths.len(), false);
                paths[path].tolerates |= matches!(prepared.expect, Expect::Nothing);
                has_order[path] |= matches!(prepared.expect, Expect::InOrder | Expect::Stream(_));
                let reply = match prepared.expect {
                    Expect::Nothing | Expect::Pong => Vec::new(),
                    _ => vec![("reply", Known::Anything)],
                };
                Ok::<_, DriverError>(Ready {
                    action: Some(prepared),
                    reply,
                })
            },
        )?;
        for (path, has_order) in paths.iter_mut().zip(has_order) {
            // An answer that nobody waits for would be taken for one that somebody does.
            path.tolerates &= !has_order;
        }
        let files = endpoints::lookouts(&endpoints).chain(sources.lookouts());
        Ok(Self {
            lookouts: Lookouts(files.collect()),
            headers: sent,
            endpoints,
            paths,
            life,
            timeout: scenario.timeout,
            connection_per: plan.connection_per,
            max_message: scenario.max_message,
            unfinished: AllUnfinished::new(scenario.max_message),
            connect_timeout: scenario.connect_timeout,
            connect_cap: plan.connect_rate.map(Cap::new),
            subprotocols,
            compression: plan.compression,
            cookies: plan.cookies,
            redirects: plan.redirects,
            elsewhere: Elsewhere::of(scenario, plan.redirects, &HTTP1),
        })
    }
}

fn prepare(
    exchange: &WebsocketExchange,
    at: &At<'_>,
    path: usize,
) -> Result<Exchange, DriverError> {
    let read = |said: &ReplyMark| {
        if let ReplyMark::Match(text) = said
            && let Ok(expression) = Expression::parse(text)
        {
            let path = format!("{}.websocket.match", at.path);
            at.lexicon.check_reply(&expression.names(), &path);
        }
        Mark::new(said).ok_or_else(|| DriverError::Mark {
            path: format!("{}.websocket.reply.equals", at.path),
        })
    };
    let mark = match &exchange.messages {
        WebsocketMessages::Listen(MessageStream { mark, .. })
        | WebsocketMessages::Send {
            answer: Answer::Stream(MessageStream { mark, .. }),
            ..
        } => mark.as_ref(),
        WebsocketMessages::Send {
            answer: Answer::Marked { mark, .. },
            ..
        } => Some(mark),
        _ => None,
    };
    let mark = mark.map(read).transpose()?;
    let (outgoing, expect) = match &exchange.messages {
        WebsocketMessages::Ping => (Some(Outgoing::Ping), Expect::Pong),
        WebsocketMessages::Listen(stream) => (None, Expect::Stream(stream.into())),
        WebsocketMessages::Send { payload, answer } => {
            let expect = match answer {
                Answer::None => Expect::Nothing,
                Answer::InOrder => Expect::InOrder,
                Answer::ById(field) => Expect::ById(FieldPath::new(field)),
                Answer::Marked { match_id, .. } => match match_id {
                    Some(field) => Expect::ById(FieldPath::new(field)),
                    None => Expect::InOrder,
                },
                Answer::Stream(stream) => Expect::Stream(stream.into()),
            };
            let field = match &expect {
                Expect::ById(field) => Some(field),
                _ => None,
            };
            let outgoing = Outgoing::new(payload, field, at);
            let outgoing = outgoing.ok_or_else(|| DriverError::NoRoomForId {
                path: format!("{}.websocket.send.json", at.path),
                field: field.map(ToString::to_string).unwrap_or_default(),
            })?;
            (Some(outgoing), expect)
        }
    };
    // Streams are told apart by their end only: one at a time.
    let one_at_a_time = matches!(expect, Expect::Stream(_));
    Ok(Exchange {
        path,
        outgoing,
        expect,
        mark,
        is_looked_at: at.looks.reply,
        feed: 0,
        timeout: exchange.timeout,
        repeat: exchange.repeat.max(1),
        every: exchange.every,
        in_flight: if one_at_a_time {
            1
        } else {
            exchange.in_flight.max(1)
        },
    })
}

/// The scenario's header fields of the upgrade request, but for those that are filled in.
fn header_fields(plan: &WebsocketPlan, sources: &mut Sources) -> Result<Fields, DriverError> {
    let mut headers = Fields::default();
    for (name, source) in &plan.headers {
        let known = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| DriverError::HeaderName { name: name.clone() })?;
        if source.literal().is_some_and(Text::is_template) {
            // It is added once it is known.
            continue;
        }
        let value = sources.value(source, &format!("headers.{name}"), Form::Text);
        let value = value.map_err(|problem| DriverError::Header {
            name: name.clone(),
            problem,
        })?;
        // What says who asks is not told to other servers.
        let is_secret = names_a_secret(name) || source.literal().is_none();
        headers.append(known, if is_secret { value.sensitive() } else { value });
    }
    Ok(headers)
}

/// The upgrade request to each target; where there is none yet, one is made to see that it can be.
fn requests(
    plan: &WebsocketPlan,
    sent: &Fields,
    endpoints: &[Endpoint],
    path: &str,
    subprotocols: &str,
) -> Result<Vec<Request<()>>, DriverError> {
    if endpoints.is_empty() {
        return request(plan, sent, "localhost", path, subprotocols).map(|_| Vec::new());
    }
    endpoints
        .iter()
        .map(|endpoint| request(plan, sent, &endpoint.authority, path, subprotocols))
        .collect()
}

fn request(
    plan: &WebsocketPlan,
    sent: &Fields,
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
        if let Some(offered) = &plan.compression {
            let offer = HeaderValue::from_str(&negotiation::offer(offered))?;
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, offer);
        }
        if !subprotocols.is_empty() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(subprotocols)?);
        }
        headers.extend(sent.fixed().clone());
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
