//! From a client's request to the answer it gets: a backend's, or the balancer's own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::balancer::Shared;
use super::client::CutOff;
use super::download::{Answer, Download, Log, Open};
use super::forward::{Answered, Forward};
use super::front::{Activity, Busy};
use super::headers::{self, Asker, Head};
use super::problem::{Problem, ProblemKind};
use super::services::Service;
use super::settings::BackendProtocol;
use super::tunnel;
use super::upload::Source;
use crate::wire::lengths::Conflict;

/// What a connection's requests are answered with.
pub(super) struct Requests {
    pub(super) shared: Arc<Shared>,
    pub(super) thread: usize,
    pub(super) asker: Asker,
    pub(super) activity: Arc<Activity>,
    pub(super) held: mpsc::Sender<()>,
}

/// A request that leads to a service.
struct Led {
    service: Arc<Service>,
    open: Open,
    path: String,
}

impl Requests {
    /// The answer to a request. `cut_off` is the connection's, where an answer that breaks off has to end it.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        conflict: Option<&Conflict>,
        cut_off: CutOff,
    ) -> Response<Answer> {
        let began = Instant::now();
        let upgrade = request.headers().contains_key(UPGRADE);
        let upgrade = upgrade.then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let refuses = |problem: &Problem, busy| {
            self.shared.counts.problems.one(problem.kind);
            own(&parts, problem, None, began, busy)
        };
        let most = self.shared.limits().requests;
        let Some(busy) = Busy::new(&self.activity, &self.shared, most) else {
            return refuses(&full(most), None);
        };
        let led = match self.lead(&parts, conflict) {
            Ok(led) => led,
            Err(problem) => return refuses(&problem, Some(busy)),
        };
        let service = Arc::clone(&led.service);
        match self
            .pass(&parts, body, led, upgrade, cut_off, (began, busy))
            .await
        {
            Ok(response) => response,
            Err((problem, open, busy)) => {
                let problems = match problem.kind {
                    // Nobody sees any more what was counted of it.
                    ProblemKind::NoService => &self.shared.counts.problems,
                    _ => &service.lasting.counts.problems,
                };
                problems.one(problem.kind);
                own(&parts, &problem, Some(open), began, Some(busy))
            }
        }
    }

    /// The service that a request is for.
    fn lead(&self, parts: &request::Parts, conflict: Option<&Conflict>) -> Result<Led, Problem> {
        let limits = self.shared.limits();
        if parts.headers.contains_key(TRANSFER_ENCODING) && conflict.is_some_and(Conflict::is_there)
        {
            let detail = "the request has both a Content-Length and a Transfer-Encoding";
            return Err(Problem::new(ProblemKind::Malformed, detail).ends_connection());
        }
        if headers::is_packed(&parts.headers) {
            let detail = "the body has another Transfer-Encoding than chunked";
            return Err(Problem::new(ProblemKind::NotServed, detail).ends_connection());
        }
        if headers::bytes(parts) > limits.header_bytes as usize {
            let detail = format!("the head has more than {} bytes", limits.header_bytes);
            return Err(Problem::new(ProblemKind::HeadTooLarge, detail).ends_connection());
        }
        if parts.method == Method::CONNECT {
            let detail = "CONNECT is not served";
            return Err(Problem::new(ProblemKind::NotServed, detail).ends_connection());
        }
        let current = self.shared.services.current();
        let (service, path) = current.route(&parts.method, parts.uri.path(), &parts.headers)?;
        Ok(Led {
            service: Arc::clone(service),
            open: Open::new(service),
            path: path.to_owned(),
        })
    }

    async fn pass(
        &self,
        parts: &request::Parts,
        body: Incoming,
        led: Led,
        upgrade: Option<OnUpgrade>,
        cut_off: CutOff,
        (began, busy): (Instant, Busy),
    ) -> Result<Response<Answer>, (Problem, Open, Busy)> {
        let Led {
            service,
            mut open,
            path,
        } = led;
        let asked = self.ask(parts, body, &service, &path).await;
        open.answered();
        let (head, answered) = match asked {
            Ok(answered) => answered,
            Err(problem) => return Err((problem, open, busy)),
        };
        let Answered {
            mut response,
            lease,
            way,
            source,
        } = answered;
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(client), Some(asked)) = (upgrade, head.upgrade()) else {
                let detail = "the backend switches to another protocol without being asked";
                return Err((Problem::new(ProblemKind::Failed, detail), open, busy));
            };
            let backend = hyper::upgrade::on(&mut response);
            let held = self.held.clone();
            service.lasting.counts.response(status);
            service.lasting.counts.upgraded.one();
            tokio::spawn(async move {
                tunnel::carry(client, backend, lease, open, cut_off).await;
                drop(held);
            });
            return Ok(switched(response, asked, busy));
        }
        service.lasting.counts.response(status);
        let log = tracing::enabled!(tracing::Level::DEBUG).then(|| Log {
            began,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            status: status.as_u16(),
        });
        let (mut answer, body) = response.into_parts();
        headers::answer(&mut answer);
        answer.version = Version::HTTP_11;
        let way = (way, self.thread);
        let download = Download::new(body, lease, (open, busy), way, source, cut_off, log);
        Ok(Response::from_parts(
            answer,
            Answer::Passed(Box::new(download)),
        ))
    }

    /// What a backend answers.
    async fn ask(
        &self,
        parts: &request::Parts,
        body: Incoming,
        service: &Arc<Service>,
        path: &str,
    ) -> Result<(Head, Answered), Problem> {
        let limits = self.shared.limits();
        let head = Head::new(parts, path, &self.asker)?;
        if head.upgrade().is_some() && service.settings.protocol == BackendProtocol::Http2 {
            let detail = "backends that speak HTTP/2 cannot switch to another protocol";
            return Err(Problem::new(ProblemKind::NotServed, detail));
        }
        let source = Source::new(body, limits.body_bytes, limits.body_timeout);
        if source.is_too_large() {
            let most = limits.body_bytes.unwrap_or_default();
            let detail = format!("the body has more than {most} bytes");
            return Err(Problem::new(ProblemKind::BodyTooLarge, detail).ends_connection());
        }
        let forward = Forward {
            service,
            head: &head,
            source,
            thread: self.thread,
        };
        let answered = forward.run().await?;
        Ok((head, answered))
    }
}

/// The answer that says that something else is spoken from here on.
fn switched(response: Response<Incoming>, asked: &HeaderValue, busy: Busy) -> Response<Answer> {
    let (mut parts, _) = response.into_parts();
    let to = parts.headers.get(UPGRADE).unwrap_or(asked).clone();
    headers::answer(&mut parts);
    headers::switches(&mut parts, to);
    parts.version = Version::HTTP_11;
    Response::from_parts(parts, Answer::own(Bytes::new(), None, Some(busy)))
}

/// There are as many requests as there may be.
fn full(most: u64) -> Problem {
    let detail = format!("{most} requests are under way, and no more are taken");
    Problem::new(ProblemKind::Busy, detail).retry_after(Some(Duration::from_secs(1)))
}

/// The balancer's own answer.
fn own(
    parts: &request::Parts,
    problem: &Problem,
    open: Option<Open>,
    began: Instant,
    busy: Option<Busy>,
) -> Response<Answer> {
    let log = tracing::enabled!(tracing::Level::DEBUG).then(|| Log {
        began,
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        status: problem.status().as_u16(),
    });
    if let Some(log) = log {
        log.say(
            open.as_ref().map_or("", Open::service),
            "",
            problem.kind.as_str(),
        );
    }
    let is_http1 = parts.version < Version::HTTP_2;
    let kind = parts.headers.get(CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"));
    let response = match is_grpc {
        true => problem.grpc_response(),
        false => problem.response(is_http1),
    };
    let is_head = parts.method == Method::HEAD;
    response.map(|body| {
        let body = if is_head { Bytes::new() } else { body };
        Answer::own(body, open, busy)
    })
}
