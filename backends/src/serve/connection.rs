//! One accepted connection as the protocol modules see it: plain or TLS, counted, and cuttable.
//!
//! Owns the transport's end of the faults that cut connections. It speaks no protocol.

use std::io;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// A transport that is ready to be spoken on.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    cutter: Option<Cutter>,
    /// Held for as long as the connection lives.
    _load: LoadGuard,
}

#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    pub(crate) fn new(
        transport: Transport,
        cut_after: Option<NonZeroU64>,
        load: LoadGuard,
    ) -> Self {
        Self {
            transport,
            cutter: cut_after.map(Cutter::new),
            _load: load,
        }
    }

    /// What the protocol counts its requests with, if this connection is to be cut at some point.
    pub(crate) fn cutter(&self) -> Option<Cutter> {
        self.cutter.clone()
    }

    /// What the two sides have agreed on to speak when they shook hands for TLS, if they have.
    pub(crate) fn agreed_protocol(&self) -> Option<&[u8]> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    /// Has it reset when it is dropped, rather than ended in good order.
    pub(crate) fn reset_on_drop(&self) {
        reset_on_close(match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.get_ref().0,
        });
    }

    fn has_been_cut(&self) -> bool {
        self.cutter.as_ref().is_some_and(Cutter::has_cut)
    }

    fn cut(&self, context: &Context<'_>) -> io::Result<()> {
        match &self.cutter {
            Some(cutter) if cutter.is_cut(context) => {
                self.reset_on_drop();
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Ok(()),
        }
    }
}

/// Whoever had it may have let it go before it was read from again.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.has_been_cut() {
            self.reset_on_drop();
        }
    }
}

/// How long a peer has to read what was said last before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// Ends a connection for which there is no more to say. Closing it at once would reset it where
/// there is something left to read, and the peer might not see what was said last.
pub(crate) async fn linger(connection: &mut Connection) {
    if connection.has_been_cut() {
        return;
    }
    let _ = timeout(LINGER, async {
        let mut unread = [0; 1024];
        if connection.shutdown().await.is_ok() {
            while let Ok(1..) = connection.read(&mut unread).await {}
        }
    })
    .await;
}

/// Has the system reset the connection when it is closed, rather than end it in good order.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    // Failing that, it is closed in good order: a milder fault, not a broken server.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.cut(context)?;
        match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Counts a connection's requests and cuts it when there were enough.
#[derive(Debug, Clone)]
pub(crate) struct Cutter(Arc<CutState>);

#[derive(Debug)]
struct CutState {
    left: AtomicU64,
    cut: AtomicBool,
    reader: AtomicWaker,
}

impl Cutter {
    fn new(requests: NonZeroU64) -> Self {
        Self(Arc::new(CutState {
            left: AtomicU64::new(requests.get()),
            cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }))
    }

    /// Counts a request. False when it is one too many: the connection is then being cut, and the
    /// request must not be answered.
    pub(crate) fn admits(&self) -> bool {
        let state = &self.0;
        let one_less = |left: u64| left.checked_sub(1);
        let admitted = state
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok();
        if !admitted {
            state.cut.store(true, Ordering::Release);
            state.reader.wake();
        }
        admitted
    }

    fn is_cut(&self, context: &Context<'_>) -> bool {
        // First the waker, then the flag: a cut in between is seen one way or the other.
        self.0.reader.register(context.waker());
        self.has_cut()
    }

    fn has_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }
}

/// A worker's open connections, by which new ones are handed out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load(Arc<LoadCounts>);

#[derive(Debug, Default)]
struct LoadCounts {
    open: AtomicUsize,
    opened: AtomicU64,
}

impl Load {
    pub(crate) fn connections(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// How many there were in all.
    pub(crate) fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) -> LoadGuard {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        LoadGuard(self.clone())
    }
}

/// One connection of a worker's [`Load`].
#[derive(Debug)]
pub(crate) struct LoadGuard(Load);

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cutter_admits_as_many_as_told_and_cuts_with_the_next() {
        let cutter = Cutter::new(NonZeroU64::new(2).unwrap());
        let context = Context::from_waker(std::task::Waker::noop());
        assert!(cutter.admits());
        assert!(cutter.admits());
        assert!(!cutter.is_cut(&context));
        assert!(!cutter.admits());
        assert!(cutter.is_cut(&context));
        assert!(!cutter.admits());
    }

    #[test]
    fn load_counts_what_is_open() {
        let load = Load::default();
        let first = load.add();
        let second = load.add();
        assert_eq!(load.connections(), 2);
        drop(first);
        assert_eq!(load.connections(), 1);
        drop(second);
        assert_eq!(load.connections(), 0);
        assert_eq!(load.opened(), 2);
    }
}
