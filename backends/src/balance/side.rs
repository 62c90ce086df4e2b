//! An address beside the one that is balanced, where few ask and little is said: the page, the management.
//!
//! Owns who may sit there and for how long, so that nobody who dawdles keeps others out.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;
use tokio_rustls::TlsAcceptor;

use crate::balance::patient::Patient;
use crate::serve::connection::reset_on_close;

/// Connections at once. Those above are reset: there, an answer that never comes would be no better.
const SEATS: usize = 64;
/// Whoever has not shaken hands, or sent its request's head, by then is let go; and whoever takes nothing of its
/// answer for as long.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may last at all, so that a little now and then is not enough to keep a seat.
const LIFE: Duration = Duration::from_secs(60);
/// The most bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;
/// Wait this long when no connection can be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// Serves HTTP/1.1 for as long as it is polled: to each peer what `of` makes for it. `what` is what the address
/// is called.
pub(crate) async fn serve<S, B>(
    what: &'static str,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    of: impl Fn(SocketAddr) -> S,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let seats = Arc::new(Semaphore::new(SEATS));
    let mut was_full = false;
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            if !was_full {
                tracing::warn!(from = %peer, "the {what} has {SEATS} connections; those above are reset");
            }
            was_full = true;
            reset_on_close(&stream);
            continue;
        };
        was_full = false;
        let (service, tls) = (of(peer), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => answer(stream, service, seat).await,
                Some(tls) => {
                    // Whoever cannot shake hands has its own error.
                    if let Ok(Ok(stream)) = time::timeout(PATIENCE, tls.accept(stream)).await {
                        answer(stream, service, seat).await;
                    }
                }
            }
        });
    }
}

async fn answer<T, S, B>(stream: T, service: S, seat: OwnedSemaphorePermit)
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let io = TokioIo::new(Patient::new(stream, PATIENCE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    // One peer's trouble is nobody else's.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = time::sleep(LIFE) => {
            connection.as_mut().graceful_shutdown();
            let _ = time::timeout(PATIENCE, connection).await;
        }
    }
    drop(seat);
}
