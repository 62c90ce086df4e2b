//! A TCP stream or UNIX socket whose bytes are counted, and when they left and came.
//!
//! Owns the two moments that tell the service's time from the generator's: just before the write in
//! which the kernel took bytes, and when the kernel received them. Knows no protocol.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::records::Records;
use crate::clock::{Nanos, StampClock};
use crate::workload::Receipt;

/// How many of the first received bytes are kept to tell what the other side is.
const FIRST_BYTES: usize = 16;

/// What went over one connection since it was last asked, when, and whether more of it can.
#[derive(Debug)]
pub(crate) struct Traffic {
    stamps: Rc<StampClock>,
    sent: Cell<u64>,
    bytes_received: Cell<u64>,
    /// Of those, what `take` told of.
    told: Cell<u64>,
    /// How often something came.
    reads: Cell<u64>,
    first: Cell<[u8; FIRST_BYTES]>,
    first_len: Cell<usize>,
    sent_at: Cell<Nanos>,
    /// What time it is, where whoever writes has just looked.
    now: Cell<Option<Nanos>>,
    /// Since when a write waits for room.
    stuck_since: Cell<Option<Nanos>>,
    /// The last byte of the last read.
    received: Cell<Option<Receipt>>,
    /// Whether that was all there was.
    is_all: Cell<bool>,
    /// Whether more of it is held by what decrypts it.
    holds_more: Cell<bool>,
    /// What comes next has not come before.
    not_before: Cell<Nanos>,
    /// Whether the last read found nothing, so that whatever comes wakes the thread.
    is_awaited: Cell<bool>,
}

impl Traffic {
    /// That of a connection whose moments are on this clock.
    pub(crate) fn new(stamps: &Rc<StampClock>) -> Self {
        Self {
            stamps: Rc::clone(stamps),
            sent: Cell::new(0),
            bytes_received: Cell::new(0),
            told: Cell::new(0),
            reads: Cell::new(0),
            first: Cell::default(),
            first_len: Cell::new(0),
            sent_at: Cell::new(0),
            now: Cell::new(None),
            stuck_since: Cell::new(None),
            received: Cell::new(None),
            is_all: Cell::new(true),
            holds_more: Cell::new(false),
            not_before: Cell::new(0),
            is_awaited: Cell::new(false),
        }
    }

    /// Bytes sent and received since the last call.
    #[inline]
    pub(crate) fn take(&self) -> (u64, u64) {
        let received = self.bytes_received.get();
        (self.sent.take(), received - self.told.replace(received))
    }

    /// How often something came, ever.
    #[cfg(feature = "grpc")]
    #[inline]
    pub(crate) fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// Whether the last write found no room: something waits to be sent until the other side
    /// reads.
    #[cfg(feature = "grpc")]
    #[inline]
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck_since.get().is_some()
    }

    /// The next write is at `now`, where whoever writes has just looked: saves a look at the clock.
    #[cfg(feature = "websocket")]
    #[inline]
    pub(crate) fn writes_at(&self, now: Option<Nanos>) {
        self.now.set(now);
    }

    /// Just before the last write in which the kernel took anything. Where the kernel had no room
    /// first, that is when it was first asked: waiting for the other side to read is no delay of
    /// ours.
    #[inline]
    pub(crate) fn sent_at(&self) -> Nanos {
        self.sent_at.get()
    }

    /// When the kernel received the end of the last read. `None` where the system does not tell, or
    /// its clock was set meanwhile.
    #[inline]
    pub(crate) fn received(&self) -> Option<Receipt> {
        let receipt = self.received_earlier()?;
        // Of what lies unread the kernel keeps one stamp, the last one's.
        Some(match self.is_all.get() && !self.holds_more.get() {
            true => Receipt::at(receipt.at),
            false => receipt,
        })
    }

    /// When the kernel received what came before the end of the last read: at its stamp, or at any
    /// time since the stamp before, and since the thread had slept, where it would have been woken.
    #[inline]
    pub(crate) fn received_earlier(&self) -> Option<Receipt> {
        self.received.get()
    }

    /// Whether what decrypts the bytes holds more of the last read than it has given away.
    #[inline]
    fn holds_more(&self, more: bool) {
        self.holds_more.set(more);
    }

    /// A read found nothing. Whoever reads is woken by what comes.
    #[inline]
    pub(crate) fn found_nothing(&self) {
        self.is_awaited.set(true);
    }

    /// A read brought what was received at `at`, and `is_all` there was.
    #[inline]
    pub(crate) fn came(&self, at: Option<Nanos>, is_all: bool) {
        let before = self.received.get().map(|last| last.at);
        // What is read in pieces has one stamp all the same.
        if let Some(before) = before.filter(|&before| Some(before) != at) {
            self.rules_out(before);
        }
        // Where nobody waited for it, it may have lain there while the thread slept.
        if self.is_awaited.take()
            && let Some(at) = at
        {
            self.rules_out(self.stamps.busy_since(at));
        }
        self.is_all.set(is_all);
        self.received.set(at.map(|at| Receipt {
            since: self.not_before.get().min(at),
            at,
        }));
    }

    /// Nothing that is read from now on came before that moment.
    #[inline]
    fn rules_out(&self, before: Nanos) {
        self.not_before.set(self.not_before.get().max(before));
    }

    /// The first bytes that ever came.
    pub(crate) fn first_bytes(&self) -> Vec<u8> {
        self.first.get()[..self.first_len.get()].to_vec()
    }

    #[inline]
    fn note_received(&self, bytes: &[u8]) {
        let received = self.bytes_received.get() + bytes.len() as u64;
        self.bytes_received.set(received);
        self.reads.set(self.reads.get() + 1);
        let have = self.first_len.get();
        if have < FIRST_BYTES && !bytes.is_empty() {
            let more = bytes.len().min(FIRST_BYTES - have);
            let mut first = self.first.get();
            first[have..have + more].copy_from_slice(&bytes[..more]);
            self.first.set(first);
            self.first_len.set(have + more);
        }
    }

    /// A write that began at `at` came to this.
    #[inline]
    fn note_write(&self, at: Nanos, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Pending => {
                let since = self.stuck_since.get().unwrap_or(at);
                self.stuck_since.set(Some(since));
            }
            Poll::Ready(Ok(written)) => {
                self.sent_at.set(self.stuck_since.take().unwrap_or(at));
                self.sent.set(self.sent.get() + *written as u64);
            }
            Poll::Ready(Err(_)) => self.stuck_since.set(None),
        }
    }
}

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
        Self {
            is_stamped: match &socket {
                Socket::Tcp(tcp) => stamped::ask_for(tcp),
                Socket::Unix(_) => false,
            },
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
                let at = stamp.and_then(|stamp| this.traffic.stamps.at(stamp));
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
        let traffic = &self.traffic;
        let at = traffic.now.take();
        let at = at.unwrap_or_else(|| traffic.stamps.clock().now());
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

/// Reads that come with the kernel's stamp of when their last byte was received.
#[cfg(target_os = "linux")]
mod stamped {
    use std::cell::RefCell;
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsRawFd;
    use std::task::{Context, Poll, ready};

    use nix::sys::socket::{
        ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
    };
    use nix::sys::time::TimeSpec;
    use tokio::io::{Interest, ReadBuf};
    use tokio::net::TcpStream;

    use crate::clock::Nanos;

    /// The most that one read brings.
    const MOST_BYTES: usize = 16 << 10;

    /// What a thread's reads go through. The caller's buffer may be uninitialised, and clearing all
    /// of it for a few bytes would cost more than copying those.
    struct Scratch {
        bytes: Box<[u8]>,
        control: Vec<u8>,
    }

    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
            bytes: vec![0; MOST_BYTES].into(),
            control: nix::cmsg_space!(TimeSpec),
        });
    }

    /// Asks the system for stamps. Whether there will be any.
    pub(in crate::driver) fn ask_for(tcp: &TcpStream) -> bool {
        setsockopt(tcp, ReceiveTimestampns, &true).is_ok()
    }

    /// Reads, and says when the last byte of it was received, by the real-time clock, and whether that
    /// was all there was.
    #[inline]
    pub(in crate::driver) fn poll_read(
        tcp: &TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<(Option<Nanos>, bool)>> {
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            let mut got = None;
            let tried = tcp.try_io(Interest::READABLE, || {
                let (read, stamp, is_all) = receive(tcp, buf)?;
                got = Some((stamp, is_all));
                // What brings less than was asked for has emptied the socket. Saying so saves the
                // call that would find out, as the runtime's own reads do.
                if is_all && read > 0 {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match (got, tried) {
                (Some(got), _) => return Poll::Ready(Ok(got)),
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, tried) => return Poll::Ready(tried.map(|()| (None, true))),
            }
        }
    }

    /// One read: how many bytes, the stamp, and whether that was all there was.
    #[inline]
    fn receive(tcp: &TcpStream, buf: &mut ReadBuf<'_>) -> io::Result<(usize, Option<Nanos>, bool)> {
        SCRATCH.with_borrow_mut(|Scratch { bytes, control }| {
            let most = buf.remaining().min(MOST_BYTES);
            let room = &mut bytes[..most];
            let mut slices = [IoSliceMut::new(room)];
            let message = recvmsg::<()>(
                tcp.as_raw_fd(),
                &mut slices,
                Some(control),
                MsgFlags::MSG_DONTWAIT,
            )?;
            let read = message.bytes;
            // What was read is not given up for a stamp that cannot be.
            let stamp = message.cmsgs().ok().and_then(|mut controls| {
                controls.find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(at) => Some(nanos(at)),
                    _ => None,
                })
            });
            buf.put_slice(&bytes[..read]);
            Ok((read, stamp, read < most))
        })
    }

    fn nanos(at: TimeSpec) -> Nanos {
        at.tv_sec().unsigned_abs() * 1_000_000_000 + at.tv_nsec().unsigned_abs()
    }
}

/// Where the system has no stamps.
#[cfg(not(target_os = "linux"))]
mod stamped {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;
    use tokio::net::TcpStream;

    use crate::clock::Nanos;

    pub(in crate::driver) fn ask_for(_: &TcpStream) -> bool {
        false
    }

    pub(in crate::driver) fn poll_read(
        _: &TcpStream,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<(Option<Nanos>, bool)>> {
        unreachable!("nothing is stamped")
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
    use crate::clock::{Clock, Sleep};
    use crate::driver::transport::tls;
    use crate::scenario::Tls;

    fn traffic() -> Rc<Traffic> {
        let stamps = Rc::new(StampClock::new(Clock::start()));
        Rc::new(Traffic::new(&stamps))
    }

    #[test]
    fn keeps_the_first_bytes_over_several_reads() {
        let traffic = traffic();
        traffic.note_received(b"HTTP");
        traffic.note_received(b"/1.1 400 Bad Request");
        assert_eq!(traffic.first_bytes(), b"HTTP/1.1 400 Bad");
        assert_eq!(traffic.take(), (0, 24));
        assert_eq!(traffic.take(), (0, 0));
    }

    #[test]
    fn a_write_that_had_to_wait_counts_from_when_it_was_tried() {
        let traffic = traffic();
        traffic.note_write(5, &Poll::Ready(Ok(10)));
        assert_eq!(traffic.sent_at(), 5);
        traffic.note_write(7, &Poll::Pending);
        traffic.note_write(9, &Poll::Pending);
        assert_eq!(traffic.sent_at(), 5);
        traffic.note_write(20, &Poll::Ready(Ok(3)));
        assert_eq!(traffic.sent_at(), 7);
        traffic.note_write(21, &Poll::Ready(Ok(3)));
        assert_eq!(traffic.sent_at(), 21);
    }

    /// Once what lay unread while the thread slept was taken to have come after it was woken.
    #[test]
    fn only_what_is_waited_for_wakes_the_thread() {
        let sleep = Arc::new(Sleep::default());
        let stamps = Rc::new(StampClock::on_thread(Clock::start(), &sleep));
        let traffic = Traffic::new(&stamps);
        let came = |at| {
            traffic.came(Some(at), true);
            traffic.received_earlier().map(|receipt| receipt.since)
        };
        let slept = |began, ended| {
            sleep.begins(began);
            sleep.ends(ended);
        };
        traffic.found_nothing();
        slept(1_000_000, 9_000_000);
        assert_eq!(came(8_950_000), Some(8_900_000));
        slept(9_100_000, 20_000_000);
        assert_eq!(came(20_000_000), Some(8_950_000), "nobody read");
        traffic.found_nothing();
        slept(20_100_000, 30_000_000);
        assert_eq!(came(30_000_000), Some(29_900_000));
        assert_eq!(came(30_000_000), Some(29_900_000), "the rest of it");
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
        let clock = traffic.stamps.clock();
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
            TlsConnector::from(client.config).connect(name, wire.encrypted()),
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
