//! Health checks that ask: a request, and what its answer has to be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::join;
use http::{Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::settings::BackendProtocol;
use crate::balance::config::reader::Field;
use crate::balance::health::{Checking, Failure, Probe, TcpConnect};

/// The fields of `health` that make a check one that asks.
const CHECK_FIELDS: [&str; 3] = ["path", "status", "body"];
/// All fields of `health` here.
pub(super) const CHECKS_FIELDS: [&str; 7] = [
    "interval", "timeout", "rise", "fall", "path", "status", "body",
];
/// Who asks.
const USER_AGENT: &str = "loadgen-balance";
/// The most of an answer that is looked at.
const MOST_BYTES: usize = 64 << 10;

/// What a health check asks for, and what it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// The path, and the query if there is one, from `/`.
    pub path: String,
    /// The statuses of a backend that is well; empty for all from 200 to 299.
    pub status: Vec<u16>,
    /// What the first 64 KiB of the answer's body have in them, if that matters.
    pub body: Option<String>,
}

impl HttpCheck {
    /// Reads what a `health` says of it: nothing, where it has none of [`CHECK_FIELDS`].
    pub(super) fn read(health: &Field<'_>) -> Option<Option<Self>> {
        let parts = CHECK_FIELDS.map(|name| health.part(name));
        let [path, status, body] = &parts;
        if parts.iter().all(Option::is_none) {
            return Some(None);
        }
        let path = match path {
            Some(field) => field.read("a path and query, like \"/health\"", |text| {
                let is_path = text.starts_with('/') && text.parse::<http::Uri>().is_ok();
                is_path.then(|| text.to_owned())
            }),
            None => Some("/".to_owned()),
        };
        let status = match status {
            Some(field) => statuses(field),
            None => Some(Vec::new()),
        };
        let body = match body {
            Some(field) => field
                .read("a text that the answer has in it", |text| {
                    (!text.is_empty()).then(|| text.to_owned())
                })
                .map(Some),
            None => Some(None),
        };
        Some(Some(Self {
            path: path?,
            status: status?,
            body: body?,
        }))
    }

    fn takes(&self, status: StatusCode) -> bool {
        match self.status.as_slice() {
            [] => status.is_success(),
            some => some.contains(&status.as_u16()),
        }
    }

    async fn judge(&self, response: Response<Incoming>) -> Result<(), Failure> {
        let status = response.status();
        if !self.takes(status) {
            let expected = match self.status.as_slice() {
                [] => "200 to 299".to_owned(),
                some => some
                    .iter()
                    .map(u16::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
            };
            return Err(format!("status {}, expected {expected}", status.as_u16()));
        }
        let Some(wanted) = &self.body else {
            return Ok(());
        };
        let mut body = response.into_body();
        let mut text = Vec::new();
        // What came before an end in disorder counts as well.
        while text.len() < MOST_BYTES
            && let Some(Ok(frame)) = body.frame().await
        {
            if let Ok(data) = frame.into_data() {
                let room = MOST_BYTES - text.len();
                text.extend_from_slice(&data[..data.len().min(room)]);
            }
        }
        match memchr::memmem::find(&text, wanted.as_bytes()) {
            Some(_) => Ok(()),
            None => Err(format!("the answer does not have {wanted:?} in it")),
        }
    }
}

fn statuses(field: &Field<'_>) -> Option<Vec<u16>> {
    let status = |it: &Field<'_>| it.whole(100..=599).and_then(|it| u16::try_from(it).ok());
    if !field.is_list() {
        return status(field).map(|it| vec![it]);
    }
    let read: Vec<_> = field.list()?.iter().map(status).collect();
    read.into_iter().collect()
}

/// The check that a service is set to, which may change.
#[derive(Debug, Default)]
pub(super) struct HttpProbe(Mutex<Arc<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    check: Option<HttpCheck>,
    protocol: BackendProtocol,
}

impl HttpProbe {
    /// Checks by this from the next one on.
    pub(super) fn set(&self, check: Option<HttpCheck>, protocol: BackendProtocol) {
        *self.lock() = Arc::new(Asked { check, protocol });
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe for HttpProbe {
    fn check<'a>(&'a self, name: &'a str, address: SocketAddr) -> Checking<'a> {
        let asked = Arc::clone(&self.lock());
        Box::pin(async move {
            match &asked.check {
                None => TcpConnect.check(name, address).await,
                Some(check) => ask(check, asked.protocol, name, address).await,
            }
        })
    }
}

async fn ask(
    check: &HttpCheck,
    protocol: BackendProtocol,
    name: &str,
    address: SocketAddr,
) -> Result<(), Failure> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.kind().to_string())?;
    let io = TokioIo::new(stream);
    let request = Request::builder().header(header::USER_AGENT, USER_AGENT);
    let request = match protocol {
        BackendProtocol::Http1 => request.uri(&check.path).header(header::HOST, name),
        BackendProtocol::Http2 => request
            .version(Version::HTTP_2)
            .uri(format!("http://{name}{}", check.path)),
    };
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // Whoever asks lets go of the connection at the end, and so ends it.
    match protocol {
        BackendProtocol::Http1 => {
            let (mut sender, connection) = http1::handshake(io).await.map_err(|it| told(&it))?;
            let asks = async move {
                let response = sender.send_request(request).await.map_err(|it| told(&it))?;
                check.judge(response).await
            };
            join(asks, connection).await.0
        }
        BackendProtocol::Http2 => {
            let made = http2::handshake(TokioExecutor::new(), io).await;
            let (mut sender, connection) = made.map_err(|it| told(&it))?;
            let asks = async move {
                let response = sender.send_request(request).await.map_err(|it| told(&it))?;
                check.judge(response).await
            };
            join(asks, connection).await.0
        }
    }
}

/// What hyper says, with what lies beneath.
pub(super) fn told(error: &hyper::Error) -> Failure {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
