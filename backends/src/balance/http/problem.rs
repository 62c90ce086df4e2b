//! Answers of the balancer's own, in the standard form for problems (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;
use tonic::{Code, Status};

use super::route::NotRouted;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What kinds there are. Each is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    /// A request that can be read in two ways, or not at all.
    Malformed,
    /// No service has the name.
    NoService,
    /// The service has no such route.
    NoRoute,
    /// The route is not for this method.
    Method,
    /// The client stopped sending.
    SlowBody,
    BodyTooLarge,
    HeadTooLarge,
    /// A method or an upgrade that is not served.
    NotServed,
    /// No backend that is up took a connection.
    Unreachable,
    /// A backend let the request go before it answered, or answered nonsense.
    Failed,
    /// No backend is up.
    NoBackend,
    /// There are as many requests under way as there may be.
    Busy,
    /// A backend did not answer in time.
    Timeout,
    /// The request was here before.
    Loop,
}

impl ProblemKind {
    pub(super) const ALL: [Self; 14] = [
        Self::Malformed,
        Self::NoService,
        Self::NoRoute,
        Self::Method,
        Self::SlowBody,
        Self::BodyTooLarge,
        Self::HeadTooLarge,
        Self::NotServed,
        Self::Unreachable,
        Self::Failed,
        Self::NoBackend,
        Self::Busy,
        Self::Timeout,
        Self::Loop,
    ];

    /// Its name in figures.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NoService => "no_service",
            Self::NoRoute => "no_route",
            Self::Method => "method",
            Self::SlowBody => "slow_body",
            Self::BodyTooLarge => "body_too_large",
            Self::HeadTooLarge => "head_too_large",
            Self::NotServed => "not_served",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::NoBackend => "no_backend",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Loop => "loop",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NoService | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotServed => StatusCode::NOT_IMPLEMENTED,
            Self::Unreachable | Self::Failed => StatusCode::BAD_GATEWAY,
            Self::NoBackend | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Loop => StatusCode::LOOP_DETECTED,
        }
    }
}

/// Why a request is not answered by a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: ProblemKind,
    /// For whoever asked: what is wrong with this one.
    detail: String,
    allow: Option<HeaderValue>,
    retry_after: Option<Duration>,
    /// Whether the connection cannot be read any further.
    ends_connection: bool,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            allow: None,
            retry_after: None,
            ends_connection: false,
        }
    }

    pub(super) fn ends_connection(mut self) -> Self {
        self.ends_connection = true;
        self
    }

    pub(super) fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The answer to a call of gRPC: its status stands in the head, and there is no body, which a client would
    /// read as a message.
    pub(super) fn grpc_response(&self) -> Response<Bytes> {
        let code = match self.kind {
            ProblemKind::NoService | ProblemKind::NoRoute | ProblemKind::NotServed => {
                Code::Unimplemented
            }
            ProblemKind::Unreachable
            | ProblemKind::NoBackend
            | ProblemKind::Busy
            | ProblemKind::Failed => Code::Unavailable,
            ProblemKind::Timeout => Code::DeadlineExceeded,
            ProblemKind::BodyTooLarge | ProblemKind::HeadTooLarge => Code::ResourceExhausted,
            ProblemKind::SlowBody => Code::Cancelled,
            ProblemKind::Malformed | ProblemKind::Method | ProblemKind::Loop => Code::Internal,
        };
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, GRPC);
        // A text that fits into no header field is left out.
        let _ = Status::new(code, &self.detail).add_header(headers);
        response
    }

    /// The answer. A connection of HTTP/1 is ended with it where that has to be; HTTP/2 has other ways.
    pub(super) fn response(&self, is_http1: bool) -> Response<Bytes> {
        let status = self.status();
        // Without a `type`, the title is the status's phrase.
        let body = json!({
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail,
            "kind": self.kind.as_str(),
        });
        let mut response = Response::new(Bytes::from(format!("{body}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM);
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        if let Some(allow) = &self.allow {
            headers.insert(header::ALLOW, allow.clone());
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if self.ends_connection && is_http1 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<NotRouted> for Problem {
    fn from(why: NotRouted) -> Self {
        let detail = why.to_string();
        let kind = match &why {
            NotRouted::Malformed => ProblemKind::Malformed,
            NotRouted::NoService => ProblemKind::NoService,
            NotRouted::NoRoute { .. } => ProblemKind::NoRoute,
            NotRouted::Method { .. } => ProblemKind::Method,
        };
        let allow = match &why {
            NotRouted::Method { allowed, .. } => {
                let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
                HeaderValue::try_from(names.join(", ")).ok()
            }
            _ => None,
        };
        Self {
            allow,
            ..Self::new(kind, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_places() {
        for (at, kind) in ProblemKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }

    #[test]
    fn a_problem_is_answered_in_the_standard_form() {
        let after = Some(Duration::from_millis(1500));
        let problem = Problem::new(ProblemKind::NoBackend, "none").retry_after(after);
        let response = problem.ends_connection().response(true);
        assert_eq!(response.status(), 503);
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[header::RETRY_AFTER], "2");
        assert_eq!(headers[header::CONNECTION], "close");
        assert_eq!(
            response.body(),
            "{\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"none\",\"kind\":\"no_backend\"}\n"
        );
        let allowed = vec![Method::GET, Method::HEAD];
        let service = "a".to_owned();
        let not_allowed = Problem::from(NotRouted::Method { service, allowed }).response(true);
        assert_eq!(not_allowed.headers()[header::ALLOW], "GET, HEAD");
        assert!(!not_allowed.headers().contains_key(header::CONNECTION));
    }
}
