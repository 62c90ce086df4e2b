//! What a plan says of HTTP.

use std::time::Duration;

use crate::scenario::protocol::websocket::plan::ConnectionPer;
use crate::scenario::step::{Step, StreamEnd};
use crate::scenario::value::{Source, is_step_name};
use crate::units::Rate;

/// What a scenario says of HTTP: its connections, and what an iteration asks for.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct HttpPlan {
    /// The version that is spoken.
    pub version: HttpVersion,
    /// How long a user keeps its connection. For HTTP/1.1.
    pub connection_per: ConnectionPer,
    /// The most connections that all users together begin to open. For HTTP/1.1.
    pub connect_rate: Option<Rate>,
    /// Connections over all workers, 1 to 65,535; `None` is one for each worker to each target. For
    /// HTTP/2.
    pub connections: Option<u32>,
    /// The most concurrent streams on one connection, 1 to 1,000,000; `None` is what the server allows.
    /// For HTTP/2.
    pub streams_per_connection: Option<u32>,
    /// How often a ping asks whether a connection on which nothing comes is alive; `None` is only after
    /// timeouts. For HTTP/2.
    pub keepalive: Option<Duration>,
    /// Header fields of every request.
    pub headers: Vec<(String, Source)>,
    /// Whether each user keeps the cookies that answers set, and sends them with the requests that
    /// follow.
    pub cookies: bool,
    /// The most redirections that are followed from one request, 0 to 20. With 0 a redirection is the
    /// answer.
    pub redirects: u32,
    /// What is done once before the load. What it saves is `setup.NAME` for all users.
    pub setup: Vec<Step<HttpRequest>>,
    /// What each user does first.
    pub begin: Vec<Step<HttpRequest>>,
    /// What one iteration does.
    pub steps: Vec<Step<HttpRequest>>,
    /// What each user does last.
    pub end: Vec<Step<HttpRequest>>,
}

impl HttpPlan {
    /// These steps, and everything else as in a file that says nothing of it: each user keeps its
    /// connection, no cookie is kept and no redirection followed.
    ///
    /// ```
    /// use loadgen_core::scenario::{HttpBody, HttpPlan, HttpRequest, ScenarioPlan, Step};
    /// use loadgen_core::schedule::Load;
    /// use serde_json::json;
    ///
    /// let look = HttpRequest::get("/products?page=1");
    /// let mut order = HttpRequest::new("POST", "/orders");
    /// order.body = Some(HttpBody::Json(json!({ "item": "tea" })));
    /// let http = HttpPlan::new([Step::from(look), Step::new("order", order)]);
    /// let plan = ScenarioPlan::new("buy", http, Load::closed(10).iterations(1000)).checked()?;
    /// assert!(plan.step_names().eq(["products", "order"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step<HttpRequest>>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            ..Self::default()
        }
    }

    /// `--connections`.
    pub(in crate::scenario::protocol) fn set_connections(
        &mut self,
        connections: u32,
    ) -> Option<String> {
        match self.version {
            HttpVersion::Http1 => Some(format!(
                "--connections {connections} is for gRPC and HTTP/2; over HTTP/1.1 a user has a \
                 connection of its own"
            )),
            HttpVersion::Http2 => {
                self.connections = Some(connections);
                None
            }
        }
    }
}

/// A version of HTTP, and with it whose connections are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1: each user has a connection of its own, and one request on it at a time.
    #[default]
    Http1,
    /// HTTP/2: users share connections, each request is a stream on one. Without TLS it is spoken from
    /// the first byte ("prior knowledge"); with TLS it is agreed on in the handshake (ALPN).
    Http2,
}

/// An HTTP request. A status of 400 and above is a failure unless a check of the step is about `status`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS` or `TRACE`.
    pub method: String,
    /// The path, maybe with a query.
    pub path: String,
    /// The query's parts by name, not encoded yet; they come after what the path has of a query.
    pub query: Vec<(String, String)>,
    /// Header fields of this request; one takes the place of the scenario's of the same name.
    pub headers: Vec<(String, Source)>,
    /// What is sent with it.
    pub body: Option<HttpBody>,
    /// When we end an answer of server-sent events; `None` leaves that to the server.
    pub stream: Option<StreamEnd>,
    /// The longest the step may take, opening its connection included. `None` is as long as the
    /// iteration may take.
    pub timeout: Option<Duration>,
}

/// What is sent with an HTTP request. It says of what type it is unless the header fields do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HttpBody {
    /// This JSON value.
    Json(serde_json::Value),
    /// The fields of a form, percent-encoded (a blank is `%20`).
    Form(Vec<(String, String)>),
    /// This text.
    Text(String),
    /// So many bytes, 1 to 64 MiB, that look like nothing in particular.
    Sized(u32),
}

impl HttpRequest {
    /// Asks for this path.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A request with this method, and nothing else.
    #[must_use]
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            stream: None,
            timeout: None,
        }
    }

    /// The path's last part without its query, or the method in small letters where that is no name:
    /// what a step without a name is called.
    #[must_use]
    pub fn short_name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        if is_step_name(name) {
            name.to_owned()
        } else {
            self.method.to_ascii_lowercase()
        }
    }
}

impl From<HttpRequest> for Step<HttpRequest> {
    /// A step called after its path.
    fn from(request: HttpRequest) -> Self {
        Self::new(request.short_name(), request)
    }
}
