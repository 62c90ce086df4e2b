//! Connections of whoever has not shown yet that they belong here: how many there may be, and for how long.
//!
//! Each is a descriptor of this process. Where all of these are taken by connections that say nothing, no shard comes
//! in, so the oldest make room for new ones; and where the system has none left, it is asked again.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};
use tokio_stream::Stream;
use tonic::Extensions;
use tonic::transport::server::{Connected, TlsConnectInfo};

/// How many there may be beside the shards, all of which may come at once; where the system lets this process have
/// fewer descriptors, as many as it does, and not less than the least.
pub(super) const MOST: u64 = 256;
pub(super) const LEAST: u64 = 16;
/// How long each has to show who it is.
const WITHIN: Duration = Duration::from_secs(10);
/// How long it is rested where the system has no descriptor left.
const REST: Duration = Duration::from_millis(100);

/// Whoever came and is not known yet, by the order of coming; where it is let go, its connection ends.
#[derive(Debug)]
struct Waiting {
    most: usize,
    next: u64,
    /// How many connections are known.
    known: usize,
    held: BTreeMap<u64, oneshot::Sender<()>>,
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Stranger {
    number: u64,
    is_known: Arc<AtomicBool>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Stranger {
    /// It has shown that it belongs here, and stays for as long as it likes.
    pub(super) fn is_known(&self) {
        let mut waiting = lock(&self.waiting);
        // One that was let go already ends, and another may come in its stead.
        let held = waiting.held.remove(&self.number);
        if held.is_some() {
            self.is_known.store(true, Ordering::Release);
            waiting.known += 1;
        }
    }

    /// Whose request has this with it.
    pub(super) fn of(request: &Extensions) -> Option<&Self> {
        let with_tls = request.get::<TlsConnectInfo<Self>>();
        with_tls
            .map(TlsConnectInfo::get_ref)
            .or_else(|| request.get::<Self>())
    }
}

/// Connections as they come.
#[derive(Debug)]
pub(super) struct Incoming {
    listener: TcpListener,
    waiting: Arc<Mutex<Waiting>>,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// So many may there be in all, of whom the known ones stay.
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        let waiting = Waiting {
            most,
            next: 0,
            known: 0,
            held: BTreeMap::new(),
        };
        Self {
            listener,
            waiting: Arc::new(Mutex::new(waiting)),
            rest: None,
        }
    }

    fn let_in(&self, stream: TcpStream) -> Connection {
        // Without it a small message may take longer, and nothing else is lost.
        let _ = stream.set_nodelay(true);
        let (held, let_go) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        let number = waiting.next;
        waiting.next += 1;
        waiting.held.insert(number, held);
        if waiting.held.len() + waiting.known > waiting.most {
            waiting.held.pop_first();
        }
        drop(waiting);
        Connection {
            stream,
            stranger: Stranger {
                number,
                is_known: Arc::default(),
                waiting: Arc::clone(&self.waiting),
            },
            patience: Some((let_go, Box::pin(sleep(WITHIN)))),
            is_over: false,
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(rest) = &mut self.rest {
                ready!(rest.as_mut().poll(context));
                self.rest = None;
            }
            match ready!(self.listener.poll_accept(context)) {
                Ok((stream, _)) => return Poll::Ready(Some(Ok(self.let_in(stream)))),
                // Whoever hangs up first, and a machine without descriptors, end nothing.
                Err(_) => self.rest = Some(Box::pin(sleep(REST))),
            }
        }
    }
}

/// A connection, which ends where it is not known in time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    stranger: Stranger,
    /// What ends it: being let go, and the time; gone once it is known.
    patience: Option<(oneshot::Receiver<()>, Pin<Box<Sleep>>)>,
    is_over: bool,
}

impl Connection {
    /// Whether it has lost its place: nothing more is read of it then.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.stranger.is_known.load(Ordering::Acquire) {
            self.patience = None;
        }
        if let Some((let_go, until)) = &mut self.patience
            && !self.is_over
        {
            let is_let_go = Pin::new(let_go).poll(context).is_ready();
            self.is_over = is_let_go || until.as_mut().poll(context).is_ready();
        }
        self.is_over
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut waiting = lock(&self.stranger.waiting);
        match self.stranger.is_known.load(Ordering::Acquire) {
            true => waiting.known -= 1,
            false => drop(waiting.held.remove(&self.stranger.number)),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Stranger;

    fn connect_info(&self) -> Stranger {
        self.stranger.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_stream::StreamExt as _;

    use super::*;

    async fn incoming(most: usize) -> (Incoming, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Incoming::new(listener, most), address)
    }

    async fn come(incoming: &mut Incoming, to: std::net::SocketAddr) -> (TcpStream, Connection) {
        let stream = TcpStream::connect(to).await.unwrap();
        (stream, incoming.next().await.unwrap().unwrap())
    }

    /// Whether anything that is sent on it still comes.
    async fn lives((stream, connection): &mut (TcpStream, Connection)) -> bool {
        stream.write_all(b"x").await.unwrap();
        connection.read(&mut [0]).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_make_room_and_whoever_is_known_stays() {
        let (mut incoming, address) = incoming(3).await;
        let mut known = come(&mut incoming, address).await;
        known.1.stranger.is_known();
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(come(&mut incoming, address).await);
        }
        assert!(lives(&mut known).await);
        let mut living = Vec::new();
        for other in &mut others {
            living.push(lives(other).await);
        }
        assert_eq!(
            living,
            [false, false, true, true],
            "one of three places is taken"
        );
        // Who is gone leaves a place.
        drop(known);
        others.push(come(&mut incoming, address).await);
        assert!(lives(&mut others[2]).await);
    }

    #[tokio::test]
    async fn nobody_may_be_silent_for_long() {
        let (mut incoming, address) = incoming(3).await;
        let mut silent = come(&mut incoming, address).await;
        let mut known = come(&mut incoming, address).await;
        known.1.stranger.is_known();
        tokio::time::pause();
        tokio::time::advance(WITHIN + REST).await;
        assert!(!lives(&mut silent).await);
        assert!(lives(&mut known).await);
    }
}
