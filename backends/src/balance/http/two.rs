//! A connection over HTTP/2 to a backend, which is no use before it is known how many requests it takes.
//!
//! Owns the wait for that: the backend's settings come first on a connection (RFC 9113, 3.4), and hyper tells
//! nobody when they are there. Until then what is asked above the backend's number would be refused by it, or
//! wait where nobody sees it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time;

use super::kept::{MOST_STREAMS, Room, TwoSender};
use crate::balance::patient::Patient;

/// Room for a burst of an answer before a backend has to wait for the window to open: on a stream, and on a
/// connection so much that answers which nobody takes leave their room to the others.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = MOST_STREAMS * STREAM_WINDOW_BYTES;
/// The most of an answer's head.
const HEAD_BYTES: u32 = 64 << 10;
/// Streams that are remembered after they were reset: as many as may have been reset while their answers were on
/// the way.
const MOST_RESETS: usize = 4096;
/// What a backend allows that has said nothing yet. None says just this, and nothing is asked before.
const UNTOLD: usize = (u32::MAX as usize) + 1;

/// Makes a connection one over HTTP/2, once the backend has said what it allows. `limit` is how long it may take
/// for that, `patience` how long it may take nothing of what is sent to it.
///
/// # Errors
/// What is wrong with the backend.
pub(super) async fn open(
    stream: TcpStream,
    limit: Duration,
    patience: Duration,
) -> Result<(TwoSender, Arc<Room>), String> {
    let moved = Arc::<AtomicWaker>::default();
    let io = Waking {
        inner: Patient::new(stream, patience),
        moved: Arc::clone(&moved),
    };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .initial_max_send_streams(UNTOLD)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_reset_streams(MOST_RESETS)
        // What still comes for a stream that was reset is no fault of the backend's.
        .max_local_error_reset_streams(None)
        .max_header_list_size(HEAD_BYTES);
    let no_http_2 = || "it does not speak HTTP/2".to_owned();
    let made = builder.handshake(TokioIo::new(io)).await;
    let (sender, mut connection) = made.map_err(|_| no_http_2())?;
    let told = poll_fn(|context| {
        moved.register(context.waker());
        if Pin::new(&mut connection).poll(context).is_ready() || sender.is_closed() {
            return Poll::Ready(Err(no_http_2()));
        }
        match connection.current_max_send_streams() {
            UNTOLD => Poll::Pending,
            most => Poll::Ready(Ok(most)),
        }
    });
    let room = match time::timeout(limit, told).await {
        Ok(told) => Room::new(told?),
        Err(_) => {
            let limit = humantime::format_duration(limit);
            return Err(format!("no word of HTTP/2 within {limit}"));
        }
    };
    // Nobody waits for what moves any more.
    moved.take();
    let allowed = Arc::clone(&room);
    tokio::spawn(poll_fn(move |context| {
        // Its end is seen by whoever waits for an answer.
        let polled = Pin::new(&mut connection).poll(context);
        allowed.set(connection.current_max_send_streams());
        polled.map(drop)
    }));
    Ok((sender, room))
}

/// A connection that wakes whoever waits for anything to come of it.
#[derive(Debug)]
struct Waking {
    inner: Patient<TcpStream>,
    moved: Arc<AtomicWaker>,
}

impl Waking {
    fn moved<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.moved.wake();
        }
        polled
    }
}

impl AsyncRead for Waking {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.inner).poll_read(context, buffer);
        this.moved(read)
    }
}

impl AsyncWrite for Waking {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.moved(wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.moved(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
