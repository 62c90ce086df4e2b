//! The witness's own server: raw sockets, one thread, one kind of service to a port, and a log.
//!
//! It reads what comes as soon as it comes, whether it is to answer or not, because the kernel
//! merges what nobody reads and keeps the last stamp only. For the same reason its thread goes
//! before others where the system lets it.

mod connection;
mod http1;
mod http2;
mod log;
mod protocol;
mod stamp;
mod turn;
mod websocket;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::process::setpriority_process;
use rustix::thread::gettid;

pub(super) use log::{Entry, Log};

use super::clock::Nanos;
use super::service::Service;
use http2::{Call, Http2};
use protocol::Protocol;
use stamp::KeepStamping;

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// gRPC, one message for each.
    Unary,
    /// gRPC, so many messages for one.
    ServerStream {
        messages: u32,
        /// Between two messages.
        interval: Nanos,
    },
    /// gRPC, each message sent back.
    Bidirectional,
    /// WebSocket, each message sent back.
    Websocket,
    /// HTTP/1.1, a few bytes for each GET.
    Http1,
}

impl Speech {
    fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::Unary => Box::new(Http2::new(Call::Unary)),
            Self::ServerStream { messages, .. } => {
                Box::new(Http2::new(Call::ServerStream(messages)))
            }
            Self::Bidirectional => Box::new(Http2::new(Call::Bidirectional)),
            Self::Websocket => Box::new(websocket::Echo::default()),
            Self::Http1 => Box::new(http1::Http1),
        }
    }

    fn interval(self) -> Nanos {
        match self {
            Self::ServerStream { interval, .. } => interval,
            _ => 0,
        }
    }
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Log>>,
    _stamps: KeepStamping,
}

/// The nearest to the front that a thread gets without a real-time policy.
const FIRST: i32 = -20;

impl Server {
    /// Starts one on a free port.
    pub(super) fn start(speech: Speech, service: Service) -> io::Result<Self> {
        let stamps = KeepStamping::begin()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let turn = turn::Turn::new(listener, speech, service)?;
        let thread = std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                // On Linux this is the thread's own; without the right to it we go on as we are.
                let _ = setpriority_process(Some(gettid()), FIRST);
                turn.serve(&stopped)
            })?;
        Ok(Self {
            address,
            stop,
            thread,
            _stamps: stamps,
        })
    }

    /// Stops it and has its log.
    pub(super) fn finish(self) -> io::Result<Log> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the server does not panic")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::super::clock::{self, MILLISECOND};
    use super::*;

    #[test]
    fn stamps_lie_between_what_the_client_did() {
        let server = Server::start(Speech::Http1, Service::Constant(5 * MILLISECOND)).unwrap();
        let mut client = TcpStream::connect(server.address).unwrap();
        let mut reply = [0; 512];
        let mut times = Vec::new();
        for _ in 0..3 {
            // Whole before its last byte is there, it would be no request.
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r")
                .unwrap();
            let sent = clock::now();
            client.write_all(b"\n").unwrap();
            let bytes = client.read(&mut reply).unwrap();
            assert!(reply[..bytes].starts_with(b"HTTP/1.1 200 OK\r\n"));
            times.push((sent, clock::now()));
        }
        let log = server.finish().unwrap();
        assert_eq!((log.entries.len(), log.unstamped), (3, 0));
        for (entry, (sent, seen)) in log.entries.iter().zip(times) {
            assert!(sent <= entry.received && entry.written <= seen);
            assert!(entry.written - entry.received >= 5 * MILLISECOND);
        }
    }

    #[test]
    fn what_comes_together_is_taken_apart_and_answered_in_order() {
        let server = Server::start(Speech::Websocket, Service::Exponential(MILLISECOND)).unwrap();
        let mut client = TcpStream::connect(server.address).unwrap();
        let mut reply = [0; 512];
        let upgrade = b"GET / HTTP/1.1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write_all(upgrade).unwrap();
        assert!(client.read(&mut reply).unwrap() > 0);
        // Frames of one byte with a mask of zeros.
        let frames: Vec<u8> = (b'a'..=b'z')
            .flat_map(|letter| [0x81, 0x81, 0, 0, 0, 0, letter])
            .collect();
        client.write_all(&frames).unwrap();
        let mut replies = [0; 26 * 3];
        client.read_exact(&mut replies).unwrap();
        let letters: Vec<u8> = replies.chunks(3).map(|frame| frame[2]).collect();
        assert_eq!(letters, (b'a'..=b'z').collect::<Vec<_>>());
        let log = server.finish().unwrap();
        assert_eq!((log.entries.len(), log.inexact), (26, 0));
        assert!(log.entries.is_sorted_by_key(|entry| entry.written));
        assert!(log.complaints.is_empty(), "{:?}", log.complaints);
    }

    #[test]
    fn a_client_that_is_not_understood_is_complained_of() {
        let server = Server::start(Speech::Unary, Service::ZERO).unwrap();
        let mut client = TcpStream::connect(server.address).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            .unwrap();
        // It is closed, with a notice of what was not read or without.
        assert!(!matches!(client.read(&mut [0; 512]), Ok(1..)));
        let log = server.finish().unwrap();
        assert_eq!(log.complaints, ["no HTTP/2 preface at the beginning"]);
    }
}
