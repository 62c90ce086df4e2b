//! A server that says what a test has it say.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What it answers, and whether it then closes the connection.
#[derive(Clone)]
pub(crate) struct Say {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) closes: bool,
}

impl Say {
    /// These bytes.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            pieces: vec![bytes.into()],
            closes: false,
        }
    }

    /// A success with this body.
    pub(crate) fn ok(body: &str) -> Self {
        Self::head("200 OK", "", body)
    }

    /// A status, further lines of the head, and a body.
    pub(crate) fn head(status: &str, fields: &str, body: &str) -> Self {
        let length = body.len();
        Self::bytes(format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
        ))
    }

    /// The same, and then the end of the connection.
    pub(crate) fn and_close(self) -> Self {
        Self {
            closes: true,
            ..self
        }
    }
}

/// A server under way.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What it was asked, head and body, with the number of the connection.
    pub(crate) asked: Rc<RefCell<Vec<(usize, String)>>>,
}

impl Server {
    /// What it was asked last.
    pub(crate) fn last(&self) -> String {
        let asked = self.asked.borrow();
        asked.last().expect("it was asked").1.clone()
    }

    /// How often it was asked on each connection.
    pub(crate) fn by_connection(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        for (connection, _) in self.asked.borrow().iter() {
            counts.resize(counts.len().max(connection + 1), 0);
            counts[*connection] += 1;
        }
        counts
    }
}

/// A server that answers the n-th request, the connection and what was asked beside it, with this.
pub(crate) async fn serve(say: impl Fn(usize, usize, &str) -> Say + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let asked: Rc<RefCell<Vec<(usize, String)>>> = Rc::default();
    let seen = Rc::clone(&asked);
    let say = Rc::new(say);
    tokio::task::spawn_local(async move {
        for connection in 0.. {
            let Ok((socket, _)) = listener.accept().await else {
                return;
            };
            let (seen, say) = (Rc::clone(&seen), Rc::clone(&say));
            tokio::task::spawn_local(async move {
                answer_all(socket, connection, &seen, &*say).await;
            });
        }
    });
    Server { address, asked }
}

/// Answers what is asked on one connection.
pub(crate) async fn answer_all(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    seen: &RefCell<Vec<(usize, String)>>,
    say: &impl Fn(usize, usize, &str) -> Say,
) {
    while let Some(request) = read(&mut socket).await {
        let number = seen.borrow().len();
        seen.borrow_mut().push((connection, request.clone()));
        let said = say(number, connection, &request);
        for piece in said.pieces {
            if socket.write_all(&piece).await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        if said.closes {
            return;
        }
    }
}

/// A request with its body.
pub(crate) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.to_ascii_lowercase();
            let length = length
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| {
                    rest.lines()
                        .next()
                        .unwrap_or("0")
                        .parse()
                        .expect("a number")
                });
            if bytes.len() >= end + 4 + length {
                return Some(text);
            }
        }
        let mut room = [0; 4096];
        match socket.read(&mut room).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&room[..read]),
        }
    }
}
