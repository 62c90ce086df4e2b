//! Backends, balancers and clients that say exactly what a test has them say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen_backends::balance::http::{
    HttpSettings, Route, RunningHttpBalancer, ServiceSettings, ServicesSettings,
    start_http_balancer,
};
use loadgen_backends::balance::{BackendSettings, PoolSettings, SystemResolver};
use loadgen_backends::{RunningServer, ServerConfig, start_http};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time;

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    let waited = time::timeout(PATIENCE, future).await;
    waited.expect("it should not take so long")
}

/// Waits until something holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) fn config(id: &str) -> ServerConfig {
    ServerConfig {
        id: Some(id.to_owned()),
        threads: Some(1),
        ..ServerConfig::new(([127, 0, 0, 1], 0).into())
    }
}

/// The reference HTTP backend, by its name.
pub(crate) fn backend(id: &str) -> RunningServer {
    start_http(config(id)).unwrap()
}

pub(crate) fn at(address: SocketAddr) -> BackendSettings {
    BackendSettings {
        host: address.ip().to_string(),
        port: address.port(),
        weight: 1,
        drain: false,
    }
}

/// A service of this name for all paths, without checks.
pub(crate) fn service(
    name: &str,
    backends: impl IntoIterator<Item = SocketAddr>,
) -> ServiceSettings {
    let mut pool = PoolSettings::new(backends.into_iter().map(at).collect());
    pool.health = None;
    let routes = vec![Route::new("/**", Vec::new()).unwrap()];
    ServiceSettings::new(name, routes, pool)
}

pub(crate) fn services(services: impl IntoIterator<Item = ServiceSettings>) -> ServicesSettings {
    ServicesSettings {
        services: services.into_iter().collect(),
        default_service: None,
        management: None,
    }
}

/// On a free port, on two threads.
pub(crate) fn settings(services: ServicesSettings) -> HttpSettings {
    let mut settings = HttpSettings::new(services);
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.threads = Some(2);
    settings.grace = Duration::from_secs(10);
    settings
}

pub(crate) fn start(settings: HttpSettings) -> RunningHttpBalancer {
    start_http_balancer(settings, Arc::new(SystemResolver)).unwrap()
}

/// A balancer for one service, `a`.
pub(crate) fn balance(
    backends: impl IntoIterator<Item = SocketAddr>,
    change: impl FnOnce(&mut ServiceSettings),
) -> RunningHttpBalancer {
    let mut service = service("a", backends);
    change(&mut service);
    start(settings(services([service])))
}

/// What the status says of the service `a`.
pub(crate) fn status(balancer: &RunningHttpBalancer) -> Value {
    balancer.status()["services"][0].clone()
}

/// A port that nobody listens on.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {text:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (it, value) = line.split_once(':')?;
            it.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn sender(&self) -> &str {
        self.header("x-loadgen-backend").unwrap_or("")
    }

    pub(crate) fn kind(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(body["status"], self.status);
        body["kind"].as_str().unwrap().to_owned()
    }
}

/// Sends bytes on a connection of their own, and reads to its end.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut text = Vec::new();
    within(stream.read_to_end(&mut text)).await.unwrap();
    Reply::read(&String::from_utf8(text).unwrap())
}

/// A request without a body.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str) -> Reply {
    send(address, method, path, "", "").await
}

pub(crate) async fn get(balancer: &RunningHttpBalancer, path: &str) -> Reply {
    ask(balancer.local_addr(), "GET", path).await
}

/// A request with headers, each with its end of line, and a body.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Reply {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: there\r\nConnection: close\r\n{headers}{length}\r\n{body}"
    );
    raw(address, text.as_bytes()).await
}

/// What a scripted backend does on a connection, after it has read a head.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// Says this, and ends the connection.
    Say(&'static str),
    /// Says this, and resets the connection.
    SayAndReset(&'static str),
    /// Says this, and lets the connection be.
    SayAndStay(&'static str),
    /// Says nothing.
    Hang,
}

/// A backend that does on each connection what stands next in its script; the last again and again.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start(script: &'static [Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for at in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let act = script[at.min(script.len() - 1)];
                connections.spawn(acts(stream, act, Arc::clone(&seen)));
            }
        });
        Self {
            address,
            heads,
            task,
        }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn acts(mut stream: TcpStream, act: Act, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut head).await, Ok(1..)) {
            return;
        }
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8_lossy(&head).into_owned());
    let text = match act {
        Act::Say(text) | Act::SayAndReset(text) | Act::SayAndStay(text) => text,
        Act::Hang => "",
    };
    if stream.write_all(text.as_bytes()).await.is_err() {
        return;
    }
    match act {
        Act::Say(_) => {
            let _ = stream.shutdown().await;
            // What is still sent is taken, so that the end is one in good order.
            while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {}
        }
        Act::SayAndReset(_) => {
            // Time for what was said to arrive: a reset takes it back.
            time::sleep(Duration::from_millis(100)).await;
            socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
        Act::SayAndStay(_) | Act::Hang => std::future::pending().await,
    }
}
