//! What is spoken instead of HTTP, after both sides have agreed on it: bytes both ways.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::CutOff;
use super::download::Open;
use crate::balance::endpoint::{Endpoint, Lease};

/// Carries bytes until both sides have ended theirs, or one has broken off.
pub(super) async fn carry(
    client: OnUpgrade,
    backend: OnUpgrade,
    lease: Lease,
    open: Open,
    cut_off: CutOff,
) {
    let (Ok(client), Ok(backend)) = futures::future::join(client, backend).await else {
        cut_off.set();
        return;
    };
    let mut client = TokioIo::new(client);
    let mut backend = Counted {
        inner: TokioIo::new(backend),
        endpoint: Arc::clone(lease.endpoint()),
    };
    let carried = tokio::io::copy_bidirectional(&mut client, &mut backend).await;
    if carried.is_err() {
        // Neither side is to take it for an end in good order.
        cut_off.set();
    }
    drop((client, backend, open));
}

/// A backend's side, whose bytes are counted.
struct Counted {
    inner: TokioIo<Upgraded>,
    endpoint: Arc<Endpoint>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.endpoint.received(read as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.endpoint.sent(wrote as u64);
        Poll::Ready(Ok(wrote))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
