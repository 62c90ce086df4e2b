//! Scripted servers: each connection goes to a closure, from the upgrade request on.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

type Script = Rc<dyn Fn(Peer) -> Pin<Box<dyn Future<Output = ()>>>>;
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// A client that has sent its upgrade request.
pub(crate) struct Peer {
    pub(crate) tcp: TcpStream,
    /// The request's head.
    pub(crate) head: String,
    /// Which connection it is, from 0.
    pub(crate) nth: usize,
}

impl Peer {
    /// The value of one of the request's header fields.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Takes the upgrade, with these header fields beside the usual ones.
    pub(crate) async fn upgrade_with(mut self, fields: &str) -> TcpStream {
        let key = self.header("sec-websocket-key").expect("a key");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n{fields}\r\n",
            derive_accept_key(key.as_bytes())
        );
        self.tcp.write_all(answer.as_bytes()).await.expect("sent");
        self.tcp
    }

    pub(crate) async fn upgrade(self) -> TcpStream {
        self.upgrade_with("x-loadgen-backend: scripted\r\n").await
    }

    /// Takes the upgrade and speaks WebSocket.
    pub(crate) async fn accept(self) -> Socket {
        let tcp = self.upgrade().await;
        WebSocketStream::from_raw_socket(tcp, Role::Server, None).await
    }

    /// Answers in plain HTTP and closes.
    pub(crate) async fn answer(mut self, answer: &str) {
        self.tcp.write_all(answer.as_bytes()).await.expect("sent");
        self.tcp.shutdown().await.expect("closed");
        let _ = self.tcp.read_to_end(&mut Vec::new()).await;
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server whose connections the script plays.
pub(crate) async fn serve<F>(script: impl Fn(Peer) -> F + 'static) -> Server
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let script: Script = Rc::new(move |peer| Box::pin(script(peer)));
    let task = tokio::task::spawn_local(async move {
        for nth in 0.. {
            let Ok((mut tcp, _)) = listener.accept().await else {
                return;
            };
            tcp.set_nodelay(true).expect("a socket");
            let script = Rc::clone(&script);
            tokio::task::spawn_local(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match tcp.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8(head).expect("text");
                script(Peer { tcp, head, nth }).await;
            });
        }
    });
    Server { address, task }
}

/// Sends every message back.
pub(crate) async fn echo(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        let is_data = message.is_text() || message.is_binary();
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A server that sends every message back.
pub(crate) async fn echo_server() -> Server {
    serve(|peer| async { echo(peer.accept().await).await }).await
}

/// The next text or binary message, and `None` when there will be none.
pub(crate) async fn next(socket: &mut Socket) -> Option<Message> {
    loop {
        match socket.next().await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => return Some(message),
            Some(Ok(_)) => {}
            _ => return None,
        }
    }
}

pub(crate) async fn say(socket: &mut Socket, text: impl Into<String>) {
    let _ = socket.send(Message::text(text.into())).await;
}
