//! A TCP stream or UNIX socket whose bytes are counted, and when they left and came.
//!
//! Owns the two moments that tell the service's time from the generator's: just before the write in
//! which the kernel took bytes, and when the kernel received them. What is known of them is kept by
//! [`Traffic`]. Knows no protocol.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::records::Records;
use super::stamped;
use super::traffic::Traffic;

/// An open socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket whose bytes are counted.
///
/// It does not offer vectored writes: HTTP/2 then copies messages of up to 1 KiB into its write
/// buffer, so that what is due together leaves in one system call.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    traffic: Rc<Traffic>,
    /// Whether the system stamps what it receives. It does not on UNIX sockets.
    is_stamped: bool,
    /// Where what comes is encrypted: how far its records go.
    records: Option<Records>,
}

impl Wire {
    pub(crate) fn new(socket: Socket, traffic: &Rc<Traffic>) -> Self {
        let is_stamped = match &socket {
            Socket::Tcp(tcp) => stamped::ask_for(tcp),
            Socket::Unix(_) => false,
        };
        traffic.stamps().are_for(is_stamped);
        Self {
            is_stamped,
            socket,
            traffic: Rc::clone(traffic),
            records: None,
        }
    }

    /// The same, over which TLS is spoken from its first byte.
    pub(crate) fn encrypted(self) -> Self {
        Self {
            records: Some(Records::default()),
            ..self
        }
    }

    /// Whether the end of a record is still to come, without which none of it can be decrypted.
    fn is_amid_record(&self) -> bool {
        self.records.as_ref().is_some_and(Records::is_amid)
    }
}

/// Reads what comes encrypted, and notes whether that was all of what the wire has brought.
#[inline]
pub(crate) fn poll_decrypted(
    tls: &mut TlsStream<Wire>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    ready!(Pin::new(&mut *tls).poll_read(cx, buf))?;
    let (wire, tls) = tls.get_mut();
    // There is no other way to ask.
    let state = tls.process_new_packets();
    let holds_plaintext = state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0);
    wire.traffic
        .holds_more(holds_plaintext || wire.is_amid_record());
    Poll::Ready(Ok(()))
}

impl AsyncRead for Wire {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        match &mut this.socket {
            Socket::Tcp(tcp) if this.is_stamped => {
                let Poll::Ready(read) = stamped::poll_read(tcp, cx, buf) else {
                    this.traffic.found_nothing();
                    return Poll::Pending;
                };
                let (stamp, is_all) = read?;
                let at = stamp.and_then(|stamp| this.traffic.stamps().at(stamp));
                this.traffic.came(at, is_all);
            }
            Socket::Tcp(tcp) => ready!(Pin::new(tcp).poll_read(cx, buf))?,
            Socket::Unix(unix) => ready!(Pin::new(unix).poll_read(cx, buf))?,
        }
        let came = &buf.filled()[before..];
        if let Some(records) = &mut this.records {
            records.pass(came);
        }
        this.traffic.note_received(came);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let at = self.traffic.write_at();
        let polled = match &mut self.socket {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Socket::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
        };
        self.traffic.note_write(at, &polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Socket::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::clock::{Clock, StampClock};
    use crate::driver::transport::tls;
    use crate::scenario::Tls;

    fn traffic() -> Rc<Traffic> {
        let stamps = Rc::new(StampClock::new(Clock::start()));
        Rc::new(Traffic::new(&stamps))
    }

    async fn pair() -> (Wire, TcpStream, Rc<Traffic>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let traffic = traffic();
        let tcp = TcpStream::connect(address).await.expect("listens");
        let (other, _) = listener.accept().await.expect("connected");
        (Wire::new(Socket::Tcp(tcp), &traffic), other, traffic)
    }

    /// Read half a second late, a message is known to have come when it did.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_read_late_came_when_it_came() {
        let (mut wire, mut other, traffic) = pair().await;
        let clock = traffic.stamps().clock();
        // A system begins to stamp a moment after it was first asked to.
        let mut room = [0; 100];
        while traffic.received().is_none() {
            other.write_all(b"hello").await.expect("connected");
            assert_ne!(wire.read(&mut room).await.expect("there"), 0);
        }
        traffic.take();
        let before = clock.now();
        other.write_all(b"hello").await.expect("connected");
        let after = clock.now();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(wire.read(&mut room).await.expect("there"), 5);
        let at = traffic.received().expect("stamped").at;
        let slack = 1_000_000;
        assert!(
            (before.saturating_sub(slack)..=after + slack).contains(&at),
            "{before} {at} {after}"
        );
        assert_eq!(traffic.take(), (0, 5));
    }

    /// Once a reply was taken for all there was although a part of the next record lay behind it.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn half_a_record_lies_behind_what_came_before_it() {
        let (wire, other, traffic) = pair().await;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let key = made.signing_key.serialize_der();
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("known")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.into()], PrivateKeyDer::Pkcs8(key.into()))
            .expect("they go together");
        let any = Tls {
            insecure_skip_verify: true,
            alpn: false,
            ..Tls::default()
        };
        let nothing = tls::Alpn {
            name: b"",
            needed: "",
        };
        let client = tls::client(&any, &nothing).expect("nothing is read");
        let name = "localhost".try_into().expect("a name");
        let (client, server) = futures::join!(
            TlsConnector::from(Arc::clone(&client.now().config)).connect(name, wire.encrypted()),
            TlsAcceptor::from(Arc::new(server)).accept(other)
        );
        let mut client = client.expect("any certificate will do");
        let (mut other, mut server) = server.expect("no certificate is asked for").into_inner();
        let mut record = |text: &[u8]| {
            let mut bytes = Vec::new();
            server.writer().write_all(text).expect("there is room");
            server.write_tls(&mut bytes).expect("it has room");
            bytes
        };
        let mut reads = async |expected: &[u8]| {
            let mut room = [0; 100];
            let mut read = ReadBuf::new(&mut room);
            let reading = poll_fn(|cx| poll_decrypted(&mut client, cx, &mut read));
            reading.await.expect("connected");
            assert_eq!(read.filled(), expected);
            let receipt = traffic.received();
            receipt.map(|receipt| receipt.since == receipt.at)
        };
        // A system begins to stamp a moment after it was first asked to.
        for _ in 0..100 {
            other.write_all(&record(b"hello")).await.expect("connected");
            if reads(b"hello").await.is_some() {
                break;
            }
        }
        let (one, two) = (record(b"one"), record(b"two"));
        let (begin, end) = two.split_at(10);
        let sent = [&one, begin].concat();
        other.write_all(&sent).await.expect("connected");
        assert_eq!(reads(b"one").await, Some(false));
        other.write_all(end).await.expect("connected");
        assert_eq!(reads(b"two").await, Some(true));
    }

    /// In small pieces, in pieces that fill the reader's room to the last byte, and to the end.
    #[tokio::test]
    async fn reads_all_there_is_to_the_end() {
        let (mut wire, mut other, _) = pair().await;
        let sent: Vec<u8> = (0..200_000_u32).map(|it| it as u8).collect();
        let sending = async {
            for piece in sent.chunks(4096 - 7) {
                other.write_all(piece).await.expect("connected");
            }
            drop(other);
        };
        let receiving = async {
            let mut got = Vec::new();
            let mut room = [0; 4096];
            loop {
                match wire.read(&mut room).await.expect("in order") {
                    0 => return got,
                    read => got.extend_from_slice(&room[..read]),
                }
            }
        };
        let (got, ()) = futures::join!(receiving, sending);
        assert_eq!(got, sent);
    }
}
