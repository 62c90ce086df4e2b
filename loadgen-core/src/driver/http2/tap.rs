//! When the frames of each stream left and came.
//!
//! Owns the times of streams, seen between the HTTP/2 library, which does not say when it moves
//! what, and the wire, which does not know streams.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::frames::{DATA, Frame, PREFACE_LEN, RST_STREAM, Scanner};
use crate::clock::Nanos;
use crate::driver::transport::inspected::Inspect;
use crate::driver::transport::traffic::Traffic;
use crate::number_map::NumberMap;
use crate::workload::Receipt;

/// What is known of the streams that somebody watches.
#[derive(Debug)]
pub(crate) struct Tap {
    traffic: Rc<Traffic>,
    outward: RefCell<Scanner>,
    inward: RefCell<Scanner>,
    streams: RefCell<NumberMap<u32, Times>>,
    /// How often the connection was given a turn.
    turns: Cell<u64>,
    /// How many frames of answers came, ever.
    answers: Cell<u64>,
}

/// When a stream's frames left and came.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Its first frame left, of a stream of messages the first with data: in which of the connection's
    /// turns, and when.
    began: Option<(u64, Nanos)>,
    /// Just before the write in which the kernel took its last byte.
    pub(crate) sent_at: Option<Nanos>,
    /// When the kernel received its last byte, where that is known.
    pub(crate) received: Option<Receipt>,
    /// Its DATA frames, where somebody asks for those.
    data: Option<Box<Data>>,
    /// Whether those that leave are asked for, too. Kept in vain they would be memory for each message.
    keeps_sent: bool,
}

impl Times {
    /// These, where whoever speaks HTTP/2 knows them itself.
    #[inline]
    pub(super) fn of(sent_at: Option<Nanos>, received: Option<Receipt>) -> Self {
        Self {
            sent_at,
            received,
            ..Self::default()
        }
    }

    /// Just before the write in which the kernel took its first frame.
    pub(crate) fn began_at(&self) -> Option<Nanos> {
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
    /// When the first frame of the answer came, whatever it was.
    first: Option<Receipt>,
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
    pub(crate) fn new(traffic: &Rc<Traffic>) -> Rc<Self> {
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
    pub(crate) fn turn(&self) {
        self.turns.set(self.turns.get() + 1);
    }

    /// How many frames of answers came, ever.
    #[inline]
    pub(crate) fn answers(&self) -> u64 {
        self.answers.get()
    }

    /// So many came, where whoever takes them knows that itself.
    #[inline]
    pub(super) fn has_answers(&self, answers: u64) {
        self.answers.set(answers);
    }

    /// Watches a stream, from before its first frame.
    #[inline]
    pub(crate) fn watch(&self, stream: u32) {
        self.streams.borrow_mut().insert(stream, Times::default());
    }

    /// Watches a stream and each of the DATA frames that come, and with `keeps_sent` of those that leave.
    pub(crate) fn watch_data(&self, stream: u32, keeps_sent: bool) {
        let times = Times {
            data: Some(Box::default()),
            keeps_sent,
            ..Times::default()
        };
        self.streams.borrow_mut().insert(stream, times);
    }

    /// What is known of a stream, which is watched no longer.
    #[inline]
    pub(crate) fn take(&self, stream: u32) -> Times {
        let mut streams = self.streams.borrow_mut();
        streams.remove(&stream).unwrap_or_default()
    }

    /// When what a stream has to send began to leave.
    pub(crate) fn began_at(&self, stream: u32) -> Option<Nanos> {
        self.streams.borrow().get(&stream)?.began_at()
    }

    /// When the kernel received the first frame of the answer on a stream whose data is watched.
    pub(crate) fn first_received(&self, stream: u32) -> Option<Receipt> {
        self.streams.borrow().get(&stream)?.data.as_ref()?.first
    }

    /// When the kernel took the last byte of what is sent on a stream; `None` as long as it has not.
    pub(crate) fn sent_at(&self, stream: u32) -> Option<Nanos> {
        self.streams.borrow().get(&stream)?.sent_at
    }

    /// When the kernel received the frame that brought the stream's data up to so many bytes.
    pub(crate) fn received_up_to(&self, stream: u32, bytes: u64) -> Option<Receipt> {
        let mut streams = self.streams.borrow_mut();
        let data = streams.get_mut(&stream)?.data.as_mut()?;
        data.came.up_to(bytes).flatten()
    }

    /// The same of what was sent.
    pub(crate) fn sent_up_to(&self, stream: u32, bytes: u64) -> Option<Nanos> {
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
    fn came(&self, bytes: &mut [u8]) {
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
            if let Some(data) = &mut times.data
                && data.first.is_none()
                && frame.is_of_message()
            {
                data.first = last;
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

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::frames::tests::frame;
    use super::super::frames::{END_STREAM, HEADERS, PREFACE_LEN};
    use super::*;
    use crate::clock::{Clock, StampClock};

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

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
        tap.came(&mut message(1));
        traffic.came(Some(2), true);
        let end = frame(HEADERS, END_STREAM, 5, &[]);
        tap.came(&mut [message(1), message(1), end, message(3)].concat());
        assert_eq!(tap.received_up_to(1, 5), Some(Receipt::at(1)));
        assert_eq!(tap.received_up_to(1, 10), shared);
        assert_eq!(tap.received_up_to(1, 15), shared);
        assert_eq!(tap.take(5).received, shared);
        assert_eq!(tap.received_up_to(3, 5), exact);

        // More lies unread.
        traffic.came(Some(3), false);
        tap.came(&mut message(3));
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
            tap.came(&mut [&reply, after].concat());
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
}
