//! The bare loop: the least that a WebSocket client can do over fastwebsockets and tokio. It
//! measures nothing, records nothing and keeps no times.
//!
//! Several messages in flight are written together, and the answers to all of them awaited before
//! the next ones: fewer system calls than a window that slides would need.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket};
use loadgen_benches::raise_open_files;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::BoxError;

/// The argument with which this program is the bare loop.
pub(crate) const ROLE: &str = "bare";

const USAGE: &str = "bare ADDRESS CONNECTIONS IN_FLIGHT BYTES MESSAGES_PER_CONNECTION PAUSE_MS, numbers from 1, \
     the pause from 0";

/// What each connection does.
#[derive(Debug, Clone, Copy)]
struct Exchange {
    in_flight: u64,
    bytes: usize,
    messages: u64,
    /// Between the answers to messages and the next ones.
    pause: Duration,
}

/// Echoes messages as the arguments say.
pub(crate) fn run(arguments: &[String]) -> Result<(), BoxError> {
    let [address, numbers @ ..] = arguments else {
        return Err(USAGE.into());
    };
    let address = address.parse()?;
    let numbers: Vec<u64> = numbers
        .iter()
        .map(|number| number.parse())
        .collect::<Result<_, _>>()?;
    let [connections, in_flight, bytes, messages, pause] = numbers[..] else {
        return Err(USAGE.into());
    };
    if [connections, in_flight, bytes, messages].contains(&0) {
        return Err(USAGE.into());
    }
    let exchange = Exchange {
        in_flight,
        bytes: usize::try_from(bytes)?,
        messages,
        pause: Duration::from_millis(pause),
    };
    raise_open_files();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(echo_on_all(address, connections, exchange))
}

async fn echo_on_all(
    address: SocketAddr,
    connections: u64,
    exchange: Exchange,
) -> Result<(), BoxError> {
    // All are open before the first is used: else the first might be done before the last is there.
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(connect(address).await?);
    }
    let mut tasks = JoinSet::new();
    for tcp in open {
        tasks.spawn(async move {
            if exchange.in_flight == 1 {
                echo(tcp, exchange).await
            } else {
                // Gathers until it is flushed.
                let most = exchange.in_flight as usize * (exchange.bytes + 16);
                echo(BufWriter::with_capacity(most, tcp), exchange).await
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// A connection that is upgraded to WebSocket.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let request = format!(
        "GET /echo HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    // The server says nothing more until it is spoken to.
    while !response.ends_with(b"\r\n\r\n") {
        if tcp.read_buf(&mut response).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if !response.starts_with(b"HTTP/1.1 101 ") {
        let response = String::from_utf8_lossy(&response).into_owned();
        return Err(io::Error::other(response));
    }
    Ok(tcp)
}

async fn echo<S>(stream: S, exchange: Exchange) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let message = vec![b'x'; exchange.bytes];
    let mut socket = WebSocket::after_handshake(stream, Role::Client);
    // The message is masked where it lies, so that nothing is allocated for it.
    let mut masked = message.clone();
    let mut left = exchange.messages;
    while left > 0 {
        let together = left.min(exchange.in_flight);
        for _ in 0..together {
            masked.copy_from_slice(&message);
            let payload = Payload::BorrowedMut(&mut masked);
            socket.write_frame(Frame::text(payload)).await?;
        }
        socket.flush().await?;
        for _ in 0..together {
            let frame = socket.read_frame().await?;
            if frame.opcode != OpCode::Text || frame.payload.len() != exchange.bytes {
                return Err("something other than the echo has come".into());
            }
        }
        left -= together;
        if !exchange.pause.is_zero() {
            tokio::time::sleep(exchange.pause).await;
        }
    }
    socket.write_frame(Frame::close(1000, b"")).await?;
    socket.flush().await?;
    Ok(socket.read_frame().await.map(drop)?)
}
