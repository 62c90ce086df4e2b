//! The HTTP backend over real sockets: HTTP/1.1 byte by byte, HTTP/2 by hyper's client.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: a surprise is to panic, and the wall clock is what is checked"
)]

#[path = "../common/certificate.rs"]
mod certificate;
mod faults;
mod lifecycle;
mod paths;
mod two;
mod wire;

use loadgen_backends::{Faults, IDENTITY_METADATA, RunningServer, ServerConfig, start_http};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ID: &str = "blue-1";

/// A configuration for a free loopback port.
fn config() -> ServerConfig {
    ServerConfig {
        id: Some(ID.to_owned()),
        threads: Some(2),
        ..ServerConfig::new("127.0.0.1:0".parse().unwrap())
    }
}

fn serve(faults: Faults) -> RunningServer {
    start_http(ServerConfig { faults, ..config() }).unwrap()
}

async fn connect(server: &RunningServer) -> TcpStream {
    TcpStream::connect(server.local_addr()).await.unwrap()
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The status and the body; who answers is what it should be.
    fn said(&self) -> (u16, &str) {
        assert_eq!(self.header(IDENTITY_METADATA), Some(ID), "{self:?}");
        (self.status, self.text())
    }
}

/// A line without its end.
async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).unwrap()
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let status = line(stream).await;
    let mut headers = Vec::new();
    loop {
        let line = line(stream).await;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Answer {
        status: status.split(' ').nth(1).unwrap().parse().unwrap(),
        headers,
        body: Vec::new(),
    }
}

/// The next answer, with its body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut answer = head(stream).await;
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let length = usize::from_str_radix(&line(stream).await, 16).unwrap();
            let mut chunk = vec![0; length];
            stream.read_exact(&mut chunk).await.unwrap();
            answer.body.extend(chunk);
            assert_eq!(line(stream).await, "");
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut answer.body).await.unwrap();
    }
    answer
}

/// Asks for a path and gets the answer.
async fn get(stream: &mut TcpStream, path: &str) -> Answer {
    send(stream, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    answer(stream).await
}

async fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).await.unwrap();
}

/// Whether the connection ends, in whatever way, with nothing more said.
async fn ends(stream: &mut TcpStream) -> bool {
    !matches!(stream.read(&mut [0]).await, Ok(1..))
}
