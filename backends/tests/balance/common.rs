//! Backends that do one thing each, and what tests wait for.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadgen_backends::balance::tcp::{RunningTcpBalancer, TcpSettings, start_tcp_balancer};
use loadgen_backends::balance::{
    BackendSettings, HealthSettings, Resolve, Resolving, SystemResolver,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time;

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A backend that says its name and then gives back what it gets, until it is dropped: then its listener and
/// all its connections are gone.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_at(name, ([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(name: &'static str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    if writer.write_all(name.as_bytes()).await.is_ok() {
                        let _ = tokio::io::copy(&mut reader, &mut writer).await;
                    }
                });
            }
        });
        Self { address, task }
    }

    /// Ends it, and waits until nobody listens there any more.
    pub(crate) async fn gone(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that nobody listens on.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

pub(crate) fn backend(address: SocketAddr) -> BackendSettings {
    BackendSettings {
        host: address.ip().to_string(),
        port: address.port(),
        weight: 1,
        drain: false,
    }
}

/// Round robin on a free port, on two threads, without checks.
pub(crate) fn settings(backends: impl IntoIterator<Item = SocketAddr>) -> TcpSettings {
    let mut settings = TcpSettings::new(backends.into_iter().map(backend).collect());
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.threads = Some(2);
    settings.pool.health = None;
    settings
}

/// Checks that come fast and are believed at once.
pub(crate) fn quick_checks() -> HealthSettings {
    HealthSettings {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(50),
        rise: 1,
        fall: 1,
    }
}

pub(crate) fn start(settings: TcpSettings) -> RunningTcpBalancer {
    start_tcp_balancer(settings, Arc::new(SystemResolver)).unwrap()
}

/// A connection through the balancer, and the one letter by which the backend told its name.
pub(crate) async fn open(balancer: &RunningTcpBalancer) -> io::Result<(TcpStream, char)> {
    let mut stream = TcpStream::connect(balancer.local_addr()).await?;
    let mut name = [0];
    within(stream.read_exact(&mut name)).await?;
    Ok((stream, char::from(name[0])))
}

/// The names of the backends of so many connections, one after the other.
pub(crate) async fn names(balancer: &RunningTcpBalancer, count: usize) -> String {
    let mut names = String::new();
    for _ in 0..count {
        let (stream, name) = open(balancer).await.unwrap();
        names.push(name);
        drop(stream);
    }
    names
}

/// Sends a text and gets it back.
pub(crate) async fn echoes(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    within(stream.read_exact(&mut answer)).await?;
    assert_eq!(&answer, b"ping");
    Ok(())
}

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

/// The state of a backend, as the balancer's status says.
pub(crate) fn state(balancer: &RunningTcpBalancer, address: SocketAddr) -> Option<String> {
    let status = balancer.status();
    let backends = status["pool"]["backends"].as_array()?;
    let it = backends
        .iter()
        .find(|it| it["address"] == address.to_string())?;
    Some(it["state"].as_str()?.to_owned())
}

/// Names whose addresses a test decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(pub(crate) Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Names {
    pub(crate) fn set(&self, name: &str, addresses: &[SocketAddr]) {
        let mut names = self.0.lock().unwrap();
        names.insert(name.to_owned(), addresses.to_vec());
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> Resolving<'a> {
        let found = self.0.lock().unwrap().get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}
