//! Scripted HTTP/2 servers: each request goes to a closure, each connection obeys a control.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// One request and the means to answer it.
pub(crate) struct Exchange {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
    /// Which request it is, from 0, over all connections.
    pub(crate) nth: usize,
    pub(crate) control: Rc<Control>,
}

/// What a test sees of a server and makes it do.
#[derive(Default)]
pub(crate) struct Control {
    /// Says good-bye in good order on every connection.
    pub(crate) goaway: Notify,
    /// Closes every connection at once.
    pub(crate) cut: Notify,
    /// Makes every connection stop reading for as long as it is set.
    is_stalled: Cell<bool>,
    stalled: RefCell<Vec<Waker>>,
    pub(crate) connections: Cell<usize>,
    /// Connections that are open now.
    pub(crate) open: Cell<usize>,
    pub(crate) requests: Cell<usize>,
    pub(crate) active: Cell<usize>,
    pub(crate) most_active: Cell<usize>,
    /// Streams that the client reset, with its reasons.
    pub(crate) resets: RefCell<Vec<h2::Reason>>,
    /// The last request's headers.
    pub(crate) headers: RefCell<HeaderMap>,
    pub(crate) paths: RefCell<Vec<String>>,
}

impl Control {
    pub(crate) fn stall(&self) {
        self.is_stalled.set(true);
    }

    pub(crate) fn resume(&self) {
        self.is_stalled.set(false);
        self.stalled.take().into_iter().for_each(Waker::wake);
    }
}

/// A connection that reads when its server's control lets it.
struct Stalling<T> {
    io: T,
    control: Rc<Control>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalling<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.control.is_stalled.get() {
            let mut stalled = self.control.stalled.borrow_mut();
            stalled.push(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) control: Rc<Control>,
    task: JoinHandle<()>,
}

#[derive(Default, Clone)]
pub(crate) struct Settings {
    pub(crate) max_streams: Option<u32>,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
    pub(crate) window: Option<u32>,
    /// Says good-bye on each connection after so many requests on it.
    pub(crate) goaway_after: Option<usize>,
    /// Does not take many streams that are given up for an attack, and has little room for what it does not
    /// read: a test of that is soon through.
    pub(crate) is_patient: bool,
}

impl Server {
    pub(crate) async fn start<F>(handler: impl Fn(Exchange) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_with(any, Settings::default(), handler).await
    }

    pub(crate) async fn start_with<F>(
        address: SocketAddr,
        settings: Settings,
        handler: impl Fn(Exchange) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let socket = match address.is_ipv4() {
            true => TcpSocket::new_v4(),
            false => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        socket.set_reuseaddr(true).expect("not in use");
        if settings.is_patient {
            socket.set_recv_buffer_size(16 << 10).expect("a TCP socket");
        }
        socket.bind(address).expect("a free port");
        let listener = socket.listen(1024).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let control = Rc::new(Control::default());
        let seen = Rc::clone(&control);
        let handler: Rc<dyn Fn(Exchange) -> LocalFuture> =
            Rc::new(move |exchange| Box::pin(handler(exchange)));
        let task = tokio::task::spawn_local(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("accepts");
                tcp.set_nodelay(true).expect("a TCP socket");
                seen.connections.set(seen.connections.get() + 1);
                let (settings, seen, handler) =
                    (settings.clone(), Rc::clone(&seen), Rc::clone(&handler));
                tokio::task::spawn_local(async move {
                    let control = Rc::clone(&seen);
                    control.open.set(control.open.get() + 1);
                    match settings.tls.clone() {
                        None => serve(tcp, &settings, seen, handler).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(tcp).await {
                                serve(stream, &settings, seen, handler).await;
                            }
                        }
                    }
                    control.open.set(control.open.get() - 1);
                });
            }
        });
        Self {
            address,
            control,
            task,
        }
    }

    /// Stops listening and cuts every connection; the port is free afterwards.
    pub(crate) async fn kill(self) -> SocketAddr {
        self.control.cut.notify_waiters();
        self.task.abort();
        let _ = (&mut { self.task }).await;
        self.address
    }
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin,
    settings: &Settings,
    control: Rc<Control>,
    handler: Rc<dyn Fn(Exchange) -> LocalFuture>,
) {
    let io = Stalling {
        io,
        control: Rc::clone(&control),
    };
    let mut builder = h2::server::Builder::new();
    if settings.is_patient {
        builder.max_pending_accept_reset_streams(usize::MAX);
    }
    if let Some(most) = settings.max_streams {
        builder.max_concurrent_streams(most);
    }
    if let Some(window) = settings.window {
        builder.initial_window_size(window);
    }
    let cut = control.cut.notified();
    let serving = async {
        let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else {
            return;
        };
        for on_this_connection in 1.. {
            let accepted = tokio::select! {
                accepted = connection.accept() => accepted,
                () = control.goaway.notified() => {
                    connection.graceful_shutdown();
                    continue;
                }
            };
            let Some(Ok((request, respond))) = accepted else {
                return;
            };
            if settings.goaway_after == Some(on_this_connection) {
                connection.graceful_shutdown();
            }
            let nth = control.requests.replace(control.requests.get() + 1);
            *control.headers.borrow_mut() = request.headers().clone();
            control
                .paths
                .borrow_mut()
                .push(request.uri().path().to_owned());
            control.active.set(control.active.get() + 1);
            let most = control.most_active.get().max(control.active.get());
            control.most_active.set(most);
            let exchange = handler(Exchange {
                request,
                respond,
                nth,
                control: Rc::clone(&control),
            });
            let control = Rc::clone(&control);
            tokio::task::spawn_local(async move {
                exchange.await;
                control.active.set(control.active.get() - 1);
            });
        }
    };
    tokio::select! {
        () = serving => {}
        () = cut => {}
    }
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("short"));
    framed.put_slice(message);
    framed.freeze()
}

pub(crate) fn status(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().expect("digits"));
    trailers
}

impl Exchange {
    /// Reads the request's body to its end.
    pub(crate) async fn read_all(&mut self) -> Vec<u8> {
        let body = self.request.body_mut();
        let mut all = Vec::new();
        while let Some(Ok(piece)) = body.data().await {
            body.flow_control()
                .release_capacity(piece.len())
                .expect("it was received");
            all.extend_from_slice(&piece);
        }
        all
    }

    pub(crate) fn head() -> Response<()> {
        Response::builder()
            .header("content-type", "application/grpc")
            .header("x-loadgen-backend", "test-1")
            .body(())
            .expect("a response")
    }

    /// Begins to answer.
    pub(crate) fn begin(&mut self) -> SendStream<Bytes> {
        self.respond
            .send_response(Self::head(), false)
            .expect("an open stream")
    }

    /// Answers with messages and OK, unless the client has given it up meanwhile.
    pub(crate) async fn ok(mut self, messages: &[&[u8]]) {
        self.read_all().await;
        let Ok(mut stream) = self.respond.send_response(Self::head(), false) else {
            return;
        };
        for message in messages {
            stream.send_data(framed(message), false).expect("open");
        }
        stream.send_trailers(status("0")).expect("open");
    }

    /// Waits until the client gives the stream up, and remembers why.
    pub(crate) async fn until_reset(mut self) {
        let reason = std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await;
        if let Ok(reason) = reason {
            self.control.resets.borrow_mut().push(reason);
        }
    }
}
