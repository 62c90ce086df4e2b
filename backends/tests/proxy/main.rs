//! The fault proxy over real sockets, with plain ones on both of its sides.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

mod api;
mod faults;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use loadgen_backends::proxy::{
    ManageFaults, ProxyCounts, ProxyFaults, ProxySettings, RunningProxy, start_proxy,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Nothing that happens here takes longer.
const SOON: Duration = Duration::from_secs(5);
/// What does not come within this time does not come.
const WHILE: Duration = Duration::from_millis(200);

/// A proxy that is managed, and the server behind it, which is the test's own.
struct Stage {
    proxy: RunningProxy,
    server: TcpListener,
}

impl Stage {
    async fn set(faults: Value) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = start_proxy(settings(&server, &faults)).unwrap();
        Self { proxy, server }
    }

    /// The two ends of a connection through the proxy.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = self.client().await.unwrap();
        let (server, _) = timeout(SOON, self.server.accept()).await.unwrap().unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    async fn client(&self) -> io::Result<TcpStream> {
        let client = TcpStream::connect(self.proxy.local_addr()).await?;
        client.set_nodelay(true).unwrap();
        Ok(client)
    }

    /// Has these faults hold and no others.
    async fn put(&self, faults: Value) {
        let (status, answer) = self.ask("PUT", "/faults", Some(&faults.to_string())).await;
        assert_eq!((status, &answer), (200, &faults));
    }

    /// An answer of the API.
    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let address = self.proxy.manage_addr().unwrap();
        ask(
            address,
            method,
            path,
            "content-type: application/json",
            body,
        )
        .await
    }

    /// The counts, once they are as wanted.
    async fn counted(&self, wanted: impl Fn(&ProxyCounts) -> bool) -> ProxyCounts {
        let begun = std::time::Instant::now();
        loop {
            let counts = self.proxy.counts();
            if wanted(&counts) {
                return counts;
            }
            assert!(begun.elapsed() < SOON, "{counts:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn settings(server: &TcpListener, faults: &Value) -> ProxySettings {
    let to = server.local_addr().unwrap().to_string();
    let mut settings = ProxySettings::new("127.0.0.1:0".parse().unwrap(), to);
    settings.faults = ProxyFaults::parse("the test", &faults.to_string()).unwrap();
    settings.manage = Some(ManageFaults {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: None,
    });
    settings
}

async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    header: &str,
    body: Option<&str>,
) -> (u16, Value) {
    let body = body.unwrap_or_default();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or(json!(body)))
}

/// Reads so many bytes.
async fn take(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut taken = vec![0; bytes];
    timeout(SOON, stream.read_exact(&mut taken))
        .await
        .expect("they come")
        .unwrap();
    taken
}

/// How a side's end looks to it, with nothing more to read before it.
async fn end(stream: &mut TcpStream) -> Result<usize, io::ErrorKind> {
    let read = timeout(SOON, stream.read(&mut [0; 64]))
        .await
        .expect("an end");
    read.map_err(|error| error.kind())
}

/// Whether nothing comes, no end either.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(WHILE, stream.read(&mut [0])).await.is_err()
}
