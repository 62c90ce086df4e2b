//! The same bytes to the library `h2` and to us, frame by frame: the same becomes of every call and of the
//! connection, and the same is sent. For tests and fuzzing.
//!
//! Owns the list of what is not the same, each for a reason. From there on nothing is compared, as one of the two
//! has ended what goes on for the other one.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf};

use super::client::Client;
use super::fault::Fault;
use super::frame::{
    ACK, CANCEL, CONTINUATION, DATA, END_STREAM, GOAWAY, HAS_PRIORITY, HEADER_LEN, HEADERS, Header,
    MOST_31, PADDED, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    put_header,
};
use super::stream::Stream;
use super::whole::{LIMITS, Seen, constant, request};

/// What a server says, and what is done meanwhile.
pub(super) struct Script<'a> {
    /// Its window for each stream, which it says before any is opened.
    pub(super) window: u16,
    pub(super) calls: u32,
    pub(super) says: &'a [u8],
    /// Which call is given up, behind which frame.
    pub(super) gives_up: Option<(usize, usize)>,
}

/// Why the two part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parted {
    /// The library ends the connection where a field is malformed or data come before a head, which RFC 9113 has
    /// end the stream (section 8.1.1), and where something comes on a stream that is over, which it may (5.1). A
    /// priority that is wrong has it take the stream for used, and all below it.
    EndsMore,
    /// The library looks at what it has of a block that is not whole and takes each piece for one, and does not look
    /// at one at all whose stream is to depend on itself, so that the tables of both are no longer the same.
    AmidBlock,
    /// The library takes what RFC 9113 does not allow: pseudo-fields of requests, and any in trailers (section 8.3), a
    /// head on a stream of nobody (5.1), a push on one that is over (8.4), a server's settings that allow pushes
    /// (6.5.2), or that have the window of a request that was sent grow beyond the most (6.9.2).
    TakesMore,
}

/// What is known of the calls, and why no more of them can be made.
type State = (Vec<Seen>, Option<Fault>);

/// Without the words, which `h2` gives only within others, and without what the connection broke of.
fn plain(fault: Fault) -> Fault {
    match fault {
        Fault::GoAway { code, .. } => Fault::GoAway {
            code,
            said: [][..].into(),
        },
        Fault::BadConnection { .. } => Fault::of_connection(0),
        Fault::Broken(..) | Fault::Closed(_) => Fault::Closed("connection"),
        other => other,
    }
}

fn is_bad(state: &State) -> bool {
    matches!(state.1, Some(Fault::BadConnection { .. }))
}

fn message(nth: u32) -> Bytes {
    Bytes::from(vec![7; 5 + 30 * nth as usize])
}

struct Ours {
    client: Client,
    ids: Vec<u32>,
    seen: Vec<Seen>,
}

impl Ours {
    fn begin(begin: &[u8], calls: u32) -> Self {
        let mut client = Client::new(LIMITS);
        client.receive(begin, None, None);
        let ids = (0..calls).map(|nth| {
            let id = client
                .open(constant(0), request)
                .expect("it has begun well");
            client.send(id, &message(nth));
            id
        });
        Self {
            ids: ids.collect(),
            seen: vec![Seen::default(); calls as usize],
            client,
        }
    }

    fn hears(&mut self, frame: &[u8]) {
        self.client.receive(frame, None, None);
        self.leaves();
    }

    fn leaves(&mut self) {
        if self.client.is_done() {
            self.client.say_good_bye();
        }
    }

    fn gives_up(&mut self, call: usize) {
        self.client.cancel(self.ids[call]);
        self.leaves();
    }

    fn state(&mut self) -> State {
        for (seen, id) in self.seen.iter_mut().zip(&self.ids) {
            seen.look(&mut self.client, *id);
            seen.fault = seen.fault.take().map(plain);
        }
        (self.seen.clone(), self.client.farewell().map(plain))
    }

    fn said(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while !self.client.due().is_empty() {
            said.extend_from_slice(self.client.due());
            self.client.wrote(self.client.due().len(), 0);
        }
        said
    }
}

/// How far an answer of the library's is read. It is kept: once nobody has one that was wrong, the library ends the
/// connection for whatever comes of it yet.
enum Reading {
    Head(client::ResponseFuture),
    Body(h2::RecvStream),
}

struct Theirs {
    connection: Option<client::Connection<DuplexStream, Bytes>>,
    sender: client::SendRequest<Bytes>,
    far: DuplexStream,
    calls: Vec<(Reading, h2::SendStream<Bytes>)>,
    seen: Vec<Seen>,
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What is said of a failure.
fn told(error: &h2::Error) -> Fault {
    let code = error.reason().map(u32::from);
    match code {
        Some(code) if error.is_go_away() && error.is_remote() => Fault::GoAway {
            code,
            said: [][..].into(),
        },
        Some(_) if error.is_go_away() => Fault::of_connection(0),
        Some(code) if error.is_reset() && error.is_remote() => Fault::Reset(code),
        Some(code) => Fault::BadStream(code),
        None => Fault::Closed("connection"),
    }
}

impl Theirs {
    fn begin(begin: &[u8], calls: u32) -> Self {
        let (near, far) = tokio::io::duplex(1 << 22);
        let mut shaking = pin!(
            client::Builder::new()
                .initial_window_size(LIMITS.stream_window)
                .initial_connection_window_size(LIMITS.connection_window)
                .max_header_list_size(LIMITS.head_bytes)
                .max_concurrent_reset_streams(1 << 16)
                .max_local_error_reset_streams(None)
                .data_frame_budget(256 << 20)
                .enable_push(false)
                .handshake::<_, Bytes>(near)
        );
        let Poll::Ready(Ok((sender, connection))) = poll(shaking.as_mut()) else {
            panic!("the preface is written at once");
        };
        let mut theirs = Self {
            connection: Some(connection),
            sender,
            far,
            calls: Vec::new(),
            seen: vec![Seen::default(); calls as usize],
        };
        theirs.hears(begin);
        for nth in 0..calls {
            let opened = theirs.sender.clone().send_request(request(), false);
            let (response, mut stream) = opened.expect("it has begun well");
            stream.send_data(message(nth), true).expect("it is open");
            theirs.calls.push((Reading::Head(response), stream));
        }
        theirs.moves();
        theirs
    }

    /// Once to take what came, and once to be done with what that asked for.
    fn moves(&mut self) {
        for _ in 0..2 {
            if let Some(connection) = &mut self.connection
                && poll(Pin::new(connection)).is_ready()
            {
                self.connection = None;
            }
        }
    }

    fn hears(&mut self, frame: &[u8]) {
        if self.connection.is_some() {
            assert!(poll(pin!(self.far.write_all(frame))).is_ready());
            self.moves();
        }
    }

    fn gives_up(&mut self, call: usize) {
        self.calls[call].1.send_reset(h2::Reason::CANCEL);
        self.moves();
    }

    fn state(&mut self) -> State {
        for (seen, (reading, _)) in self.seen.iter_mut().zip(&mut self.calls) {
            look(seen, reading);
            seen.fault = seen.fault.take().map(plain);
        }
        let cx = &mut Context::from_waker(Waker::noop());
        let farewell = match self.sender.poll_ready(cx) {
            Poll::Ready(Err(error)) => Some(told(&error)),
            _ => None,
        };
        (self.seen.clone(), farewell)
    }

    fn said(&mut self) -> Vec<u8> {
        let (mut said, mut room) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let mut buf = ReadBuf::new(&mut room);
            let cx = &mut Context::from_waker(Waker::noop());
            match Pin::new(&mut self.far).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => said.extend(buf.filled()),
                _ => return said,
            }
        }
    }
}

/// Asks on.
fn look(seen: &mut Seen, reading: &mut Reading) {
    let cx = &mut Context::from_waker(Waker::noop());
    if seen.end.is_some() || seen.fault.is_some() {
        return;
    }
    if let Reading::Head(response) = reading {
        match poll(Pin::new(response)) {
            Poll::Pending => return,
            Poll::Ready(Err(error)) => {
                seen.fault = Some(told(&error));
                return;
            }
            Poll::Ready(Ok(response)) => {
                let (head, body) = response.into_parts();
                seen.head = Some((head.status.as_u16(), head.headers));
                *reading = Reading::Body(body);
            }
        }
    }
    let Reading::Body(body) = reading else {
        return;
    };
    let end = loop {
        match body.poll_data(cx) {
            Poll::Pending => return,
            Poll::Ready(Some(Ok(data))) => seen.data.extend_from_slice(&data),
            Poll::Ready(Some(Err(error))) => break Err(error),
            Poll::Ready(None) => match body.poll_trailers(cx) {
                Poll::Pending => return,
                Poll::Ready(end) => break end,
            },
        }
    };
    match end {
        Ok(trailers) => seen.end = Some(trailers),
        Err(error) => seen.fault = Some(told(&error)),
    }
}

/// What was said, in no order, without what each does in its own way: room is given back in batches, a message is
/// cut anywhere, and the library resets streams that are over, too.
fn plainly(mut bytes: &[u8], resets: bool) -> Vec<(u8, u8, u32, Vec<u8>)> {
    bytes = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
    let mut said: Vec<(u8, u8, u32, Vec<u8>)> = Vec::new();
    while let Some((header, payload, rest)) = next(bytes) {
        bytes = rest;
        match header.kind {
            WINDOW_UPDATE | GOAWAY => {}
            SETTINGS if !header.has(ACK) => {}
            HEADERS | CONTINUATION => said.push((HEADERS, 0, header.stream, Vec::new())),
            RST_STREAM if !resets => {}
            DATA => {
                let of = |it: &&mut (u8, u8, u32, Vec<u8>)| (it.0, it.2) == (DATA, header.stream);
                match said.iter_mut().find(of) {
                    Some(data) => {
                        data.1 |= header.flags;
                        data.3.extend(payload);
                    }
                    None if payload.is_empty() && !header.has(END_STREAM) => {}
                    None => said.push((DATA, header.flags, header.stream, payload.to_vec())),
                }
            }
            _ => said.push((header.kind, header.flags, header.stream, payload.to_vec())),
        }
    }
    said.sort();
    said
}

/// The frame that these bytes begin with, where it is whole, and what follows.
fn next(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let header = Header::of(bytes)?;
    let (payload, rest) = bytes[HEADER_LEN..].split_at_checked(header.len)?;
    Some((header, payload, rest))
}

/// Whether these are settings that allow pushes.
fn allow_pushes(header: Header, payload: &[u8]) -> bool {
    let (settings, _) = payload.as_chunks::<6>();
    header.kind == SETTINGS && settings.contains(&[0, 2, 0, 0, 0, 1])
}

/// Whether a stream is to come behind itself.
fn depends_on_itself(header: Header, payload: &[u8]) -> bool {
    let at = match header.kind {
        HEADERS if header.has(HAS_PRIORITY) => usize::from(header.has(PADDED)),
        PRIORITY => 0,
        _ => return false,
    };
    let behind = payload.get(at..at + 4).and_then(|it| it.try_into().ok());
    let behind = behind.map(u32::from_be_bytes);
    behind.is_some_and(|it| it & MOST_31 == header.stream)
}

/// Why the two have parted over a frame, where there is a reason.
fn why(
    frame: &[u8],
    (ours, theirs): (&State, &State),
    amid: bool,
    overflows: bool,
) -> Option<Parted> {
    let header = Header::of(frame)?;
    let payload = &frame[HEADER_LEN..];
    let seen = ours.0.get((header.stream / 2) as usize);
    let seen = seen.filter(|_| header.stream % 2 == 1);
    let is_over = |it: &Seen| it.end.is_some() || it.fault.is_some();
    let is_message = matches!(header.kind, HEADERS | CONTINUATION | DATA | WINDOW_UPDATE);
    match (is_bad(ours), is_bad(theirs)) {
        _ if amid => Some(Parted::AmidBlock),
        _ if depends_on_itself(header, payload) => match header.kind {
            PRIORITY => Some(Parted::EndsMore),
            _ => Some(Parted::AmidBlock),
        },
        (true, false) if header.kind == CONTINUATION => Some(Parted::AmidBlock),
        (false, true) if header.kind == PRIORITY => Some(Parted::EndsMore),
        (false, true) if is_message && seen.is_some_and(is_over) => Some(Parted::EndsMore),
        (false, false) if header.kind == PRIORITY && seen.is_none() => Some(Parted::EndsMore),
        (true, false) if header.kind == HEADERS && seen.is_none() => Some(Parted::TakesMore),
        (true, false) if header.kind == PUSH_PROMISE => Some(Parted::TakesMore),
        (true, false) if allow_pushes(header, payload) => Some(Parted::TakesMore),
        (true, false) if header.kind == SETTINGS && overflows => Some(Parted::TakesMore),
        (false, false) if is_message && seen.is_some_and(is_over) => Some(Parted::TakesMore),
        _ => None,
    }
}

/// Gives a script to both. Why they part, where they do for a reason.
///
/// # Panics
/// Where they part without one.
pub(super) fn agree(script: &Script<'_>) -> Option<Parted> {
    let mut begin = Vec::new();
    // As many streams as are opened; what the library does before it knows is not the same.
    put_header(&mut begin, 12, SETTINGS, 0, 0);
    begin.extend([0, 3, 0, 0, 0, 100, 0, 4, 0, 0]);
    begin.extend(script.window.to_be_bytes());
    let (calls, mut left) = (script.calls, script.says);
    let mut ours = Ours::begin(&begin, calls);
    let mut theirs = Theirs::begin(&begin, calls);
    let said = (ours.said(), theirs.said());
    assert_eq!(plainly(&said.0, true), plainly(&said.1, true));
    let mut frames = 0;
    loop {
        let (frame, rest) = match next(left) {
            Some((.., rest)) => left.split_at(left.len() - rest.len()),
            None => (left, &left[left.len()..]),
        };
        ours.hears(frame);
        theirs.hears(frame);
        let states = (ours.state(), theirs.state());
        if is_bad(&states.0) && is_bad(&states.1) {
            return None;
        }
        let said = (ours.said(), theirs.said());
        let said = (plainly(&said.0, false), plainly(&said.1, false));
        let is_skipped =
            Header::of(frame).is_some_and(|header| depends_on_itself(header, &frame[HEADER_LEN..]));
        if is_skipped || states.0 != states.1 || said.0 != said.1 {
            let amid = ours.client.is_amid_block();
            let is_beyond = |it: &mut Stream| it.window > i64::from(MOST_31);
            let overflows = ours.client.streams.each().any(is_beyond);
            let why = why(frame, (&states.0, &states.1), amid, overflows);
            let header = Header::of(frame);
            assert!(
                why.is_some(),
                "behind {frames} frames of {} they part over {header:?}\nours:   {:?}\ntheirs: {:?}\nsaid: {said:?}",
                script.says.escape_ascii(),
                states.0,
                states.1
            );
            return why;
        }
        left = rest;
        frames += 1;
        if left.is_empty() {
            break;
        }
        if let Some((call, _)) = script.gives_up.filter(|it| it.1 == frames) {
            ours.gives_up(call);
            theirs.gives_up(call);
            for seen in [&mut ours.seen[call], &mut theirs.seen[call]] {
                if seen.end.is_none() {
                    seen.fault.get_or_insert(Fault::Reset(CANCEL));
                }
            }
            let said = (ours.said(), theirs.said());
            assert_eq!(plainly(&said.0, true), plainly(&said.1, true));
        }
    }
    if ours.client.is_amid_block() {
        return Some(Parted::AmidBlock);
    }
    ours.client.closed();
    let _ = poll(pin!(theirs.far.shutdown()));
    theirs.moves();
    drop(theirs.connection.take());
    let (ours, theirs) = (ours.state(), theirs.state());
    assert_eq!(ours.0, theirs.0, "{}", script.says.escape_ascii());
    None
}
