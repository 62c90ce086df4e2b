//! When the frames of each stream left and came.
//!
//! Owns the reading of frame headers (RFC 9113, section 4.1) as they pass between the HTTP/2
//! library, which does not say when it moves what, and the wire, which does not know streams.
//! Changes nothing that passes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::clock::Nanos;
use crate::driver::transport::inspected::Inspect;
use crate::driver::transport::traffic::Traffic;
use crate::workload::Receipt;

/// What a client sends before its first frame (RFC 9113, section 3.4).
const PREFACE_LEN: u32 = 24;

/// What is known of the streams that somebody watches.
#[derive(Debug)]
pub(super) struct Tap {
    traffic: Rc<Traffic>,
    outward: RefCell<Scanner>,
    inward: RefCell<Scanner>,
    streams: RefCell<HashMap<u32, Times, BuildHasherDefault<StreamHasher>>>,
    /// How often the connection was given a turn.
    turns: Cell<u64>,
    /// How many frames of answers came, ever.
    answers: Cell<u64>,
}

/// When a stream's frames left and came.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Its first frame left, of a stream of messages the first with data: in which of the connection's
    /// turns, and when.
    began: Option<(u64, Nanos)>,
    /// Just before the write in which the kernel took its last byte.
    pub(super) sent_at: Option<Nanos>,
    /// When the kernel received its last byte, where that is known.
    pub(super) received: Option<Receipt>,
    /// Its DATA frames, where somebody asks for those.
    data: Option<Box<Data>>,
    /// Whether those that leave are asked for, too. Kept in vain they would be memory for each message.
    keeps_sent: bool,
}

impl Times {
    /// Just before the write in which the kernel took its first frame.
    pub(super) fn began_at(&self) -> Option<Nanos> {
        self.began.map(|(_, at)| at)
    }

    /// A frame of this kind, which came last, was followed by something else in the same read.
    fn was_not_last(&mut self, kind: u8, receipt: Option<Receipt>) {
        if self.received.is_some() {
            self.received = receipt;
        }
        if let Some(data) = &mut self.data
            && let Some((_, at)) = data.came.ends.back_mut()
            && kind == DATA
        {
            *at = receipt;
        }
    }
}

/// A stream's DATA frames.
#[derive(Debug, Default)]
struct Data {
    left: Frames<Nanos>,
    came: Frames<Option<Receipt>>,
}

/// The DATA frames of one direction that nobody has asked for yet.
#[derive(Debug, Default)]
struct Frames<T> {
    /// Bytes so far.
    bytes: u64,
    /// How many bytes there were with each frame, and when.
    ends: VecDeque<(u64, T)>,
    /// When the last frame came that was asked for, and how many bytes there were with it.
    last: Option<T>,
    last_end: u64,
}

impl<T: Copy> Frames<T> {
    fn push(&mut self, bytes: u32, at: T) {
        self.bytes += u64::from(bytes);
        self.ends.push_back((self.bytes, at));
    }

    /// When the frame came that brought the bytes up to so many.
    fn up_to(&mut self, bytes: u64) -> Option<T> {
        // Of several messages in one frame each has its time.
        if bytes <= self.last_end {
            return self.last;
        }
        while let Some(&(end, at)) = self.ends.front() {
            (self.last, self.last_end) = (Some(at), end);
            if end > bytes {
                break;
            }
            self.ends.pop_front();
            if end == bytes {
                break;
            }
        }
        self.last
    }
}

impl Tap {
    /// Of a connection before its first byte.
    pub(super) fn new(traffic: &Rc<Traffic>) -> Rc<Self> {
        Rc::new(Self {
            traffic: Rc::clone(traffic),
            outward: RefCell::new(Scanner::skipping(PREFACE_LEN)),
            inward: RefCell::new(Scanner::skipping(0)),
            streams: RefCell::default(),
            turns: Cell::new(0),
            answers: Cell::new(0),
        })
    }

    /// The connection is given a turn. What a stream has to send and does not send within one turn
    /// is held back by the other side: its window is full, or it does not read.
    #[inline]
    pub(super) fn turn(&self) {
        self.turns.set(self.turns.get() + 1);
    }

    /// How many frames of answers came, ever.
    #[inline]
    pub(super) fn answers(&self) -> u64 {
        self.answers.get()
    }

    /// Watches a stream, from before its first frame.
    #[inline]
    pub(super) fn watch(&self, stream: u32) {
        self.streams.borrow_mut().insert(stream, Times::default());
    }

    /// Watches a stream and each of the DATA frames that come, and with `keeps_sent` of those that leave.
    pub(super) fn watch_data(&self, stream: u32, keeps_sent: bool) {
        let times = Times {
            data: Some(Box::default()),
            keeps_sent,
            ..Times::default()
        };
        self.streams.borrow_mut().insert(stream, times);
    }

    /// What is known of a stream, which is watched no longer.
    #[inline]
    pub(super) fn take(&self, stream: u32) -> Times {
        let mut streams = self.streams.borrow_mut();
        streams.remove(&stream).unwrap_or_default()
    }

    /// When what a stream has to send began to leave.
    pub(super) fn began_at(&self, stream: u32) -> Option<Nanos> {
        self.streams.borrow().get(&stream)?.began_at()
    }

    /// When the kernel received the frame that brought the stream's data up to so many bytes.
    pub(super) fn received_up_to(&self, stream: u32, bytes: u64) -> Option<Receipt> {
        let mut streams = self.streams.borrow_mut();
        let data = streams.get_mut(&stream)?.data.as_mut()?;
        data.came.up_to(bytes).flatten()
    }

    /// The same of what was sent.
    pub(super) fn sent_up_to(&self, stream: u32, bytes: u64) -> Option<Nanos> {
        let mut streams = self.streams.borrow_mut();
        let data = streams.get_mut(&stream)?.data.as_mut()?;
        data.left.up_to(bytes)
    }

    /// This frame, which came last, was followed by something else in the same read.
    #[inline]
    fn was_not_last(&self, frame: Frame, receipt: Option<Receipt>) {
        if let Some(times) = self.streams.borrow_mut().get_mut(&frame.stream) {
            times.was_not_last(frame.kind, receipt);
        }
    }
}

impl Inspect for Tap {
    #[inline]
    fn came(&self, bytes: &[u8]) {
        let (last, earlier) = (self.traffic.received(), self.traffic.received_earlier());
        let mut inward = self.inward.borrow_mut();
        // Each is taken for the last one of the read until anything follows.
        let mut previous = None;
        inward.scan(bytes, |frame| {
            if let Some(previous) = previous.take() {
                self.was_not_last(previous, earlier);
            }
            if !frame.is_of_message() && frame.kind != RST_STREAM {
                return;
            }
            self.answers.set(self.answers.get() + 1);
            let streams = &mut *self.streams.borrow_mut();
            let Some(times) = streams.get_mut(&frame.stream) else {
                return;
            };
            let ends = frame.ends_stream() || frame.kind == RST_STREAM;
            if ends {
                times.received = last;
            }
            let data = times.data.as_mut().filter(|_| frame.kind == DATA);
            if ends || data.is_some() {
                previous = Some(frame);
            }
            if let Some(data) = data {
                data.came.push(frame.data_len(), last);
            }
        });
        if let Some(previous) = previous
            && inward.is_amid_frame()
        {
            self.was_not_last(previous, earlier);
        }
    }

    #[inline]
    fn left(&self, bytes: &[u8]) {
        let at = self.traffic.sent_at();
        let turn = self.turns.get();
        self.outward.borrow_mut().scan(bytes, |frame| {
            if !frame.is_of_message() {
                return;
            }
            if let Some(times) = self.streams.borrow_mut().get_mut(&frame.stream) {
                if let Some(data) = &mut times.data {
                    // A stream's message is handed over when there is room for it, maybe long after
                    // its head: it begins with its own first frame.
                    if frame.kind == DATA {
                        if times.keeps_sent {
                            data.left.push(frame.data_len(), at);
                        }
                        times.began.get_or_insert((turn, at));
                    }
                } else {
                    times.began.get_or_insert((turn, at));
                }
                let (began_in, began_at) = times.began.unwrap_or((turn, at));
                if frame.ends_stream() {
                    times.sent_at = Some(if began_in == turn { at } else { began_at });
                }
            }
        });
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
const HEADER_LEN: usize = 9;

/// A frame that has passed whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    len: u32,
    kind: u8,
    flags: u8,
    stream: u32,
    /// How much of its payload is padding, the byte that says so included.
    padding: u32,
}

impl Frame {
    fn is_of_message(self) -> bool {
        matches!(self.kind, DATA | HEADERS)
    }

    /// Whether nothing of the stream follows. A header block that goes on in further frames ends
    /// with those, which a sender must not take apart; they came at the same time or a read later.
    fn ends_stream(self) -> bool {
        self.is_of_message() && self.flags & END_STREAM != 0
    }

    fn data_len(self) -> u32 {
        self.len.saturating_sub(self.padding)
    }
}

/// Finds frames in bytes that come in pieces of any size.
#[derive(Debug)]
struct Scanner {
    header: [u8; HEADER_LEN],
    have: usize,
    frame: Frame,
    /// Bytes to come before the next header.
    left: u32,
    /// Whether those are a frame's, rather than of what comes before the first.
    is_frame: bool,
}

impl Scanner {
    fn skipping(left: u32) -> Self {
        Self {
            header: [0; HEADER_LEN],
            have: 0,
            frame: Frame {
                len: 0,
                kind: 0,
                flags: 0,
                stream: 0,
                padding: 0,
            },
            left,
            is_frame: false,
        }
    }

    /// Looks at what passes and tells of each frame with its last byte.
    #[inline]
    fn scan(&mut self, mut bytes: &[u8], mut whole: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                if self.is_frame && self.left == self.frame.len && self.frame.is_padded_data() {
                    self.frame.padding = u32::from(bytes[0]) + 1;
                }
                let passed = (self.left as usize).min(bytes.len());
                bytes = &bytes[passed..];
                self.left -= passed as u32;
            } else if self.have < HEADER_LEN {
                let taken = (HEADER_LEN - self.have).min(bytes.len());
                self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                self.have += taken;
                bytes = &bytes[taken..];
                if self.have < HEADER_LEN {
                    return;
                }
                self.begin();
            }
            if self.left == 0 && self.is_frame {
                self.is_frame = false;
                self.have = 0;
                whole(self.frame);
            }
        }
    }

    /// Whether what has passed ends within a frame.
    fn is_amid_frame(&self) -> bool {
        self.have > 0
    }

    /// The header is whole.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, d, e, f, g] = self.header;
        let len = u32::from_be_bytes([0, a, b, c]);
        self.frame = Frame {
            len,
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
            padding: 0,
        };
        self.left = len;
        self.is_frame = true;
    }
}

impl Frame {
    fn is_padded_data(self) -> bool {
        self.kind == DATA && self.flags & PADDED != 0
    }
}

/// Spreads stream numbers, which a hash that withstands attacks would take longer for than all
/// else that is done with a stream here. They are our own.
#[derive(Debug, Default)]
struct StreamHasher(u64);

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::clock::{Clock, StampClock};

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        let mut bytes = len[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn scanned(scanner: &mut Scanner, pieces: &[&[u8]]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for piece in pieces {
            scanner.scan(piece, |frame| frames.push(frame));
        }
        frames
    }

    #[test]
    fn a_padded_frame_holds_less_than_its_length() {
        let mut payload = vec![3];
        payload.extend(b"hello");
        payload.extend([0; 3]);
        let bytes = frame(DATA, PADDED, 1, &payload);
        let frames = scanned(&mut Scanner::skipping(0), &[&bytes]);
        assert_eq!(frames[0].data_len(), 5);
    }

    #[test]
    fn what_left_is_kept_where_somebody_asks() {
        for keeps in [false, true] {
            let tap = Tap::new(&Rc::new(Traffic::new(&Rc::new(StampClock::new(
                Clock::start(),
            )))));
            tap.watch_data(1, keeps);
            tap.left(&[0; PREFACE_LEN as usize]);
            for _ in 0..100 {
                tap.left(&frame(DATA, 0, 1, b"hello"));
            }
            assert_eq!(tap.sent_up_to(1, 500).is_some(), keeps);
            assert!(tap.began_at(1).is_some());
            tap.watch_data(1, keeps);
            tap.left(&frame(DATA, 0, 1, b"hello"));
            let times = tap.take(1);
            let data = times.data.expect("it is watched");
            assert_eq!(data.left.ends.len(), usize::from(keeps));
        }
    }

    /// Of two messages in one read, the second one has the stamp and the first one may have been there
    /// since the read before.
    #[test]
    fn a_message_that_shares_a_stamp_is_in_doubt() {
        let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(Clock::start()))));
        let tap = Tap::new(&traffic);
        tap.watch_data(1, false);
        tap.watch_data(3, false);
        tap.watch(5);
        let message = |stream| frame(DATA, 0, stream, b"hello");
        let shared = Some(Receipt { since: 1, at: 2 });
        let exact = Some(Receipt::at(2));

        traffic.came(Some(1), true);
        tap.came(&message(1));
        traffic.came(Some(2), true);
        let end = frame(HEADERS, END_STREAM, 5, &[]);
        tap.came(&[message(1), message(1), end, message(3)].concat());
        assert_eq!(tap.received_up_to(1, 5), Some(Receipt::at(1)));
        assert_eq!(tap.received_up_to(1, 10), shared);
        assert_eq!(tap.received_up_to(1, 15), shared);
        assert_eq!(tap.take(5).received, shared);
        assert_eq!(tap.received_up_to(3, 5), exact);

        // More lies unread.
        traffic.came(Some(3), false);
        tap.came(&message(3));
        let unread = Some(Receipt { since: 2, at: 3 });
        assert_eq!(tap.received_up_to(3, 10), unread);
    }

    /// Once a reply was taken for the last of its read because what followed is no part of a reply.
    #[test_case(&frame(PING, 0, 0, &[0; 8]); "a ping")]
    #[test_case(&frame(WINDOW_UPDATE, 0, 0, &[0; 4]); "room")]
    #[test_case(&frame(DATA, 0, 3, b"hello"); "a message of which nobody asks")]
    #[test_case(&frame(DATA, 0, 1, b"hello")[..12]; "half a message")]
    #[test_case(&frame(DATA, 0, 1, b"hello")[..4]; "half a header")]
    fn whatever_follows_a_reply_puts_it_in_doubt(after: &[u8]) {
        let reply = [
            frame(DATA, 0, 1, b"hello"),
            frame(HEADERS, END_STREAM, 5, &[]),
        ];
        for reply in [reply.concat(), [&reply[1][..], &reply[0]].concat()] {
            let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(Clock::start()))));
            let tap = Tap::new(&traffic);
            tap.watch_data(1, false);
            tap.watch(5);
            traffic.came(Some(1), true);
            traffic.came(Some(2), true);
            tap.came(&[&reply, after].concat());
            let shared = Some(Receipt { since: 1, at: 2 });
            assert_eq!(tap.received_up_to(1, 5), shared);
            assert_eq!(tap.take(5).received, shared);
        }
    }

    /// Two messages in one frame, two in the next: each has the time of its own frame.
    #[test]
    fn messages_of_one_frame_came_together() {
        let mut frames = Frames::default();
        frames.push(20, 1);
        frames.push(20, 6);
        let came: Vec<_> = [10, 20, 30, 40].map(|bytes| frames.up_to(bytes)).into();
        assert_eq!(came, [Some(1), Some(1), Some(6), Some(6)]);
        // One that ends inside a frame whose other message was asked for first.
        let mut frames = Frames::default();
        frames.push(20, 1);
        frames.push(20, 6);
        assert_eq!(frames.up_to(20), Some(1));
        assert_eq!(frames.up_to(20), Some(1));
        assert_eq!(frames.up_to(25), Some(6));
    }

    #[test]
    fn a_preface_is_no_frame() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        let frames = scanned(&mut Scanner::skipping(PREFACE_LEN), &[&bytes]);
        assert_eq!((frames.len(), frames[0].kind), (1, 4));
    }

    #[test]
    fn data_is_known_by_how_far_it_reaches() {
        let mut frames = Frames::default();
        for at in 1..=3 {
            frames.push(10, at);
        }
        assert_eq!(frames.up_to(5), Some(1), "within the first");
        assert_eq!(frames.up_to(10), Some(1));
        assert_eq!(frames.up_to(30), Some(3), "the second was skipped");
        assert_eq!(frames.up_to(31), Some(3), "nothing later has come");
    }

    proptest! {
        /// However the bytes are cut, the same frames are found.
        #[test]
        fn any_pieces_give_the_same_frames(
            frames in prop::collection::vec((0_u8..10, 0_u8..8, 0_u32..100, 0_usize..40), 1..20),
            cut in 1_usize..50,
        ) {
            let mut bytes = Vec::new();
            for (kind, flags, stream, len) in &frames {
                bytes.extend(frame(*kind, *flags, *stream, &vec![7; *len]));
            }
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let found = scanned(&mut Scanner::skipping(0), &pieces);
            let expected: Vec<_> = frames.iter().map(|it| (it.0, it.1, it.2, it.3 as u32)).collect();
            let found: Vec<_> = found.iter().map(|it| (it.kind, it.flags, it.stream, it.len)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
