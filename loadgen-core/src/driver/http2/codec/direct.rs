//! HTTP/2 as loadgen's own state machine speaks it.
//!
//! Owns the moving of bytes between the machine and the connection's transport, and who is woken by what. What is
//! due leaves in one write: whoever hands something over wakes the connection once, and that has its turn behind
//! all users who are ready by then.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::Request;
use http::uri::Authority;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::error::{Code, Error, MOST_HEAD_BYTES};
use super::super::machine::{Block, Client, Constant, Fault, Limits};
use super::super::tap::{Tap, Times};
use super::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES, told};
use crate::driver::transport::net::Transport;
use crate::driver::transport::traffic::Traffic;

/// The most that one read brings: several of the longest frames.
const MOST_READ_BYTES: usize = 64 << 10;
/// After so much has come, those it is for have their turn before more is read: they find it in the processor's
/// cache, and it need not be held.
const MOST_TURN_BYTES: usize = 64 << 10;

thread_local! {
    /// What a thread's connections read into, one after the other: most of them have nothing to read, most of the
    /// time.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; MOST_READ_BYTES].into());
}

/// A connection, as all those see it who have to do with it.
#[derive(Debug)]
struct Shared {
    client: RefCell<Client>,
    traffic: Rc<Traffic>,
    /// Who moves its bytes.
    mover: RefCell<Option<Waker>>,
    /// Whether that was woken already.
    is_woken: Cell<bool>,
    has_sender: Cell<bool>,
    told: Option<Authority>,
}

/// Begins to speak on a transport.
pub(super) fn begin(
    transport: Transport,
    traffic: &Rc<Traffic>,
    tap: &Rc<Tap>,
    told: Option<Authority>,
) -> (Sender, Mover, Pings) {
    let limits = Limits {
        stream_window: STREAM_WINDOW_BYTES,
        connection_window: CONNECTION_WINDOW_BYTES,
        head_bytes: MOST_HEAD_BYTES,
    };
    let shared = Rc::new(Shared {
        client: RefCell::new(Client::new(limits)),
        traffic: Rc::clone(traffic),
        mover: RefCell::new(None),
        is_woken: Cell::new(false),
        has_sender: Cell::new(true),
        told,
    });
    let mover = Mover {
        shared: Rc::clone(&shared),
        transport,
        tap: Rc::clone(tap),
    };
    let pings = Pings(Rc::clone(&shared));
    (Sender(shared), mover, pings)
}

impl Shared {
    /// Something may be due: the connection is to move it.
    #[inline]
    fn handed_over(&self, client: &Client) {
        if !client.due().is_empty() {
            self.wake();
        }
    }

    #[inline]
    fn wake(&self) {
        if !self.is_woken.replace(true)
            && let Some(mover) = &*self.mover.borrow()
        {
            mover.wake_by_ref();
        }
    }
}

/// What moves a connection's bytes. See [`super::Mover`].
pub(crate) struct Mover {
    shared: Rc<Shared>,
    transport: Transport,
    tap: Rc<Tap>,
}

impl Future for Mover {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            shared,
            transport,
            tap,
        } = &mut *self;
        let mut mover = shared.mover.borrow_mut();
        if !mover.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
            *mover = Some(cx.waker().clone());
        }
        drop(mover);
        shared.is_woken.set(false);
        let client = &mut *shared.client.borrow_mut();
        client.turn();
        loop {
            let written = write(client, transport, &shared.traffic, cx);
            if client.is_over() {
                if written.is_pending() {
                    return Poll::Pending;
                }
                // It has its reason, however this ends.
                let _ = ready!(Pin::new(transport).poll_shutdown(cx));
                return Poll::Ready(client.outcome().map_err(Error::from));
            }
            let is_written = written.is_ready();
            if let Poll::Ready(Err(error)) = written {
                // What came before it broke is read all the same: answers and a good-bye may be among it.
                client.sends_no_more(error.kind(), text_of(&error));
            }
            let came = read(client, transport, &shared.traffic, cx);
            tap.has_answers(client.answers());
            match came {
                _ if client.is_over() => {}
                Poll::Ready(Ok(())) => client.closed(),
                Poll::Ready(Err(error)) => client.broke(error.kind(), text_of(&error)),
                Poll::Pending => {}
            }
            if !client.is_over() {
                let nobody_sends = !shared.has_sender.get() && client.is_idle();
                if !client.is_done() && !nobody_sends {
                    if is_written && !client.due().is_empty() {
                        // What came is answered together with what its users ask for next.
                        shared.is_woken.set(true);
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                client.say_good_bye();
            }
        }
    }
}

/// What an error says beside its kind, in the library's words.
fn text_of(error: &io::Error) -> Option<String> {
    error.get_ref().map(ToString::to_string)
}

/// Writes what is due. Ready when all of it was taken.
#[inline]
fn write(
    client: &mut Client,
    transport: &mut Transport,
    traffic: &Traffic,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut has_written = false;
    while !client.due().is_empty() {
        let written = ready!(Pin::new(&mut *transport).poll_write(cx, client.due()))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        client.wrote(written, traffic.sent_at());
        has_written = true;
    }
    if has_written || traffic.is_stuck() {
        return Pin::new(transport).poll_flush(cx);
    }
    Poll::Ready(Ok(()))
}

/// Reads what there is, up to [`MOST_TURN_BYTES`]. Ready when the other side sends nothing more.
#[inline]
fn read(
    client: &mut Client,
    transport: &mut Transport,
    traffic: &Traffic,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    ROOM.with_borrow_mut(|room| {
        let mut bytes = 0;
        while client.takes_more() && !client.is_over() {
            if bytes >= MOST_TURN_BYTES {
                cx.waker().wake_by_ref();
                break;
            }
            let mut came = ReadBuf::new(room);
            ready!(Pin::new(&mut *transport).poll_read(cx, &mut came))?;
            if came.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            bytes += came.filled().len();
            client.receive(
                came.filled(),
                traffic.received(),
                traffic.received_earlier(),
            );
        }
        // What is owed is written first, and that wakes us.
        Poll::Pending
    })
}

impl Drop for Mover {
    fn drop(&mut self) {
        let client = &mut *self.shared.client.borrow_mut();
        if !client.is_over() {
            client.ended();
        }
    }
}

/// Where streams are opened. See [`super::Sender`].
#[derive(Debug)]
pub(crate) struct Sender(Rc<Shared>);

impl Sender {
    #[inline]
    pub(super) fn call(
        &self,
        constant: Option<Constant>,
        request: impl Fn() -> Request<()>,
    ) -> Result<Call, Error> {
        let shared = &self.0;
        let mut client = shared.client.borrow_mut();
        let id = client.open(constant, || told(request(), shared.told.as_ref()))?;
        Ok(Call {
            shared: Rc::clone(shared),
            id,
        })
    }

    pub(super) fn farewell(&self) -> Option<Error> {
        self.0.client.borrow().farewell().map(Error::from)
    }

    pub(super) fn most_streams(&self) -> usize {
        self.0.client.borrow().most_streams()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.has_sender.set(false);
        self.0.wake();
    }
}

/// A request and its answer. See [`super::Call`].
#[derive(Debug)]
pub(crate) struct Call {
    shared: Rc<Shared>,
    id: u32,
}

impl Call {
    #[inline]
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    #[inline]
    pub(super) fn send(&self, message: &Bytes) {
        let mut client = self.shared.client.borrow_mut();
        client.send(self.id, message);
        self.shared.handed_over(&client);
    }

    #[inline]
    pub(super) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<Rc<Block>, Error>> {
        let mut client = self.shared.client.borrow_mut();
        client.poll_head(self.id, cx).map_err(Error::from)
    }

    #[inline]
    pub(super) fn poll_data(
        &self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&[u8]),
    ) -> Poll<Option<Result<usize, Error>>> {
        let mut client = self.shared.client.borrow_mut();
        let data = match ready!(client.poll_data(self.id, cx)) {
            None => return Poll::Ready(None),
            Some(Err(fault)) => return Poll::Ready(Some(Err(fault.into()))),
            Some(Ok(data)) => data,
        };
        self.shared.handed_over(&client);
        drop(client);
        read(&data);
        let len = data.len();
        self.shared.client.borrow_mut().give_back(data);
        Poll::Ready(Some(Ok(len)))
    }

    #[inline]
    pub(super) fn poll_trailers(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Rc<Block>>, Error>> {
        let mut client = self.shared.client.borrow_mut();
        client.poll_trailers(self.id, cx).map_err(Error::from)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.shared.client.borrow_mut().is_at_end(self.id)
    }

    #[inline]
    pub(super) fn times(&self) -> Times {
        let moments = self.shared.client.borrow_mut().moments(self.id);
        Times::of(moments.sent_at, moments.received)
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        let mut client = self.shared.client.borrow_mut();
        client.forget(self.id);
        self.shared.handed_over(&client);
        if !self.shared.has_sender.get() {
            // It may have been the last.
            self.shared.wake();
        }
    }
}

/// Questions whether the other side is there. See [`super::Pings`].
pub(crate) struct Pings(Rc<Shared>);

impl Pings {
    pub(super) fn send(&self) {
        let mut client = self.0.client.borrow_mut();
        client.ask();
        self.0.handed_over(&client);
    }

    pub(super) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.client.borrow_mut().poll_answered(cx)
    }
}

impl From<Fault> for Error {
    #[cold]
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Reset(code) => Self::Reset(Code(code)),
            Fault::GoAway { code, said } => {
                // As the library shows it: in Rust's words for bytes.
                let said = format!("{:?}", Bytes::copy_from_slice(&said));
                let said = said.strip_prefix("b\"").and_then(|it| it.strip_suffix('"'));
                Self::GoAway {
                    code: Code(code),
                    said: said.unwrap_or_default().to_owned(),
                }
            }
            Fault::BadStream(code) => Self::BadStream(Code(code)),
            Fault::BadConnection { code, said } => Self::BadConnection {
                code: Code(code),
                said: said.to_owned(),
            },
            Fault::Broken(kind, None) => Self::Broken(kind.into()),
            Fault::Broken(kind, Some(text)) => Self::Broken(io::Error::new(kind, &*text)),
            Fault::Closed(what) => Self::Broken(io::Error::new(
                io::ErrorKind::BrokenPipe,
                format!("{what} closed because of a broken pipe"),
            )),
            Fault::UsedUp => Self::Own("user error: stream ID overflowed".to_owned()),
        }
    }
}
