//! From a request to its answer: faults, the request's body, the identity in every answer; and when it
//! is over, where that is measured.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use tonic::Code;

use crate::serve::activity::{Answered, Handling, Tally};
use crate::serve::connection::{Connection, Cutter};
use crate::serve::faults::{Verdict, WorkerFaults};
use crate::serve::identity::{IDENTITY_METADATA, Identity};
use crate::wire::lengths::Conflict;

use super::body::{Answer, Content};
use super::paths::{self, Draft, Path};
use super::upload::{self, Unread};

const IDENTITY_HEADER: HeaderName = HeaderName::from_static(IDENTITY_METADATA);

type Request = http::Request<Incoming>;
type Reply = Result<Response<Answer>, Cut>;

/// The connection is cut on purpose.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// What all connections of a worker share.
pub(super) struct Shared {
    identity: HeaderValue,
    faults: Option<Arc<WorkerFaults>>,
    tally: Option<Tally>,
    /// Whether the server is about to end. Written once: reading it costs no more than any memory.
    leaving: Arc<AtomicBool>,
}

impl Shared {
    pub(super) fn new(
        identity: &Identity,
        faults: Option<Arc<WorkerFaults>>,
        tally: Option<Tally>,
        leaving: Arc<AtomicBool>,
    ) -> Self {
        Self {
            identity: identity.header(),
            faults,
            tally,
            leaving,
        }
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}

/// Answers one connection's requests.
pub(super) struct ConnectionService {
    shared: Arc<Shared>,
    cutter: Option<Cutter>,
    /// Over HTTP/1.1, whether a request was to have two lengths.
    conflict: Option<Conflict>,
}

impl ConnectionService {
    pub(super) fn new(
        connection: &Connection,
        shared: Arc<Shared>,
        conflict: Option<Conflict>,
    ) -> Self {
        Self {
            shared,
            cutter: connection.cutter(),
            conflict,
        }
    }

    fn has_two_lengths(&self, request: &Request) -> bool {
        request.headers().contains_key(TRANSFER_ENCODING)
            && self.conflict.as_ref().is_some_and(Conflict::is_there)
    }
}

impl Service<Request> for ConnectionService {
    type Response = Response<Answer>;
    type Error = Cut;
    type Future = Replying;

    fn call(&self, request: Request) -> Replying {
        if self.cutter.as_ref().is_some_and(|it| !it.admits()) {
            return match self.conflict {
                Some(_) => Replying::Now(Some(Err(Cut))),
                // The connection is going, and its requests with it.
                None => Replying::Later(Box::pin(std::future::pending())),
            };
        }
        if self.has_two_lengths(&request) {
            return Replying::Now(Some(Ok(self.shared.refuse_lengths(request))));
        }
        Shared::answer(&self.shared, request)
    }
}

/// An answer, now or later.
pub(super) enum Replying {
    Now(Option<Reply>),
    Later(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

impl Future for Replying {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        match self.get_mut() {
            Self::Now(reply) => match reply.take() {
                Some(reply) => Poll::Ready(reply),
                None => Poll::Pending,
            },
            Self::Later(reply) => reply.as_mut().poll(context),
        }
    }
}

impl Shared {
    /// At once where nothing has to be waited for: such a request costs no memory of its own.
    fn answer(this: &Arc<Self>, request: Request) -> Replying {
        let path = Path::named(request.uri().path());
        let faults = this.faults.as_ref().filter(|_| path != Path::Health);
        let handling = this.tally.as_ref().filter(|_| path != Path::Health);
        let handling = handling.map(Tally::begin);
        let waits = faults.is_some() || path == Path::Compute || !request.body().is_end_stream();
        let (head, body) = request.into_parts();
        if !waits && let Some(draft) = paths::at_once(path, &head, Bytes::new()) {
            return Replying::Now(Some(Ok(this.finish(draft, head, handling))));
        }
        let (this, faults) = (Arc::clone(this), faults.cloned());
        Replying::Later(Box::pin(async move {
            let draft = draft(path, &head, body, faults).await;
            Ok(this.finish(draft, head, handling))
        }))
    }

    fn refuse_lengths(&self, request: Request) -> Response<Answer> {
        let handling = self.tally.as_ref().map(Tally::begin);
        let refused = "a request has a Content-Length or a Transfer-Encoding, not both";
        let draft = Draft::line(StatusCode::BAD_REQUEST, refused);
        let mut response = self.finish(draft, request.into_parts().0, handling);
        closes(response.headers_mut());
        response
    }

    /// Signs an answer. What held the request's headers holds its own.
    fn finish(
        &self,
        mut draft: Draft,
        head: Parts,
        handling: Option<Handling>,
    ) -> Response<Answer> {
        let leaving = self.is_leaving();
        if leaving && draft.status == StatusCode::OK && head.uri.path() == paths::HEALTH {
            draft = Draft::line(StatusCode::SERVICE_UNAVAILABLE, "about to end");
        }
        let mut headers = head.headers;
        headers.clear();
        headers.insert(IDENTITY_HEADER, self.identity.clone());
        for (name, value) in draft.headers.into_iter().flatten() {
            headers.insert(name, value);
        }
        let ends = leaving || draft.status == StatusCode::PAYLOAD_TOO_LARGE;
        if ends && head.version < http::Version::HTTP_2 {
            closes(&mut headers);
        }
        let answered = answered(draft.status);
        let comes_later = head.method != Method::HEAD && comes_later(&draft.content);
        let rest = match handling {
            Some(handling) if !comes_later => {
                handling.over(answered);
                None
            }
            handling => handling,
        };
        let mut response = Response::new(Answer::new(draft.content, rest));
        *response.status_mut() = draft.status;
        *response.headers_mut() = headers;
        response
    }
}

fn comes_later(content: &Content) -> bool {
    matches!(content, Content::Events(events) if !events.are_over())
}

/// What is left of the request's body is not waited for.
fn closes(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

async fn draft(
    path: Path,
    head: &Parts,
    body: Incoming,
    faults: Option<Arc<WorkerFaults>>,
) -> Draft {
    let body = match upload::read(body).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => {
            let most = upload::MAX_BODY_BYTES;
            let refused = format!("a body may have {most} bytes");
            return Draft::line(StatusCode::PAYLOAD_TOO_LARGE, refused);
        }
        Err(Unread::Broken) => {
            return Draft::line(StatusCode::BAD_REQUEST, "the body is not whole");
        }
    };
    let verdict = match faults {
        Some(faults) => faults.judge().await,
        None => Verdict::Answer,
    };
    match verdict {
        Verdict::Answer => match paths::at_once(path, head, body) {
            Some(draft) => draft,
            None => paths::compute(head).await,
        },
        Verdict::Throttle => Draft::line(StatusCode::TOO_MANY_REQUESTS, "throttled on purpose"),
        Verdict::Fail(code) => Draft::line(status_of(code), "failed on purpose"),
    }
}

fn answered(status: StatusCode) -> Answered {
    if status.is_client_error() || status.is_server_error() {
        Answered::WithFailure
    } else {
        Answered::Well
    }
}

/// The status that stands for a code over HTTP, as gateways between the two have it.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // 499 has no name of its own.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
