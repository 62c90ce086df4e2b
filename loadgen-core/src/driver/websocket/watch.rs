//! When each message came, which of them came compressed, and with which code the server closed.
//!
//! Owns the reading of frame headers (RFC 6455, section 5.2) as they pass between the wire, which does
//! not know messages, and the WebSocket library, which does not say which of them came together, puts
//! 1002 in the place of a close code that it does not know or that may not be sent, and knows no
//! compression. Judges nothing, and changes nothing but the first byte of a compressed message where
//! compression was agreed on: it is handed on as a binary one without its mark.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::deflate::Kind;
use crate::driver::transport::inspected::{Inspect, Inspected};
use crate::driver::transport::traffic::Traffic;
use crate::workload::Receipt;

/// A connection whose messages are watched.
pub(super) type Watched = Inspected<Watch>;

/// What is known of the messages and pongs that the library has not handed on yet: of what one read
/// has brought, as it reads no more before that.
#[derive(Debug)]
pub(super) struct Watch {
    traffic: Rc<Traffic>,
    bytes: Cell<u64>,
    scanner: RefCell<Scanner>,
    receipts: RefCell<VecDeque<Option<Receipt>>>,
}

impl Watch {
    /// Of a connection on which so much has come after the answer to its upgrade.
    /// `deflates` is whether messages may be compressed.
    pub(super) fn new(traffic: &Rc<Traffic>, came: &mut [u8], deflates: bool) -> Rc<Self> {
        let watch = Self {
            traffic: Rc::clone(traffic),
            bytes: Cell::new(0),
            scanner: RefCell::new(Scanner {
                deflates,
                ..Scanner::default()
            }),
            receipts: RefCell::default(),
        };
        watch.came(came);
        Rc::new(watch)
    }

    /// When the kernel received the last byte of the next message or pong, where that is known.
    #[inline]
    pub(super) fn next(&self) -> Option<Receipt> {
        self.receipts.borrow_mut().pop_front().flatten()
    }

    /// Whether the next text or binary message came compressed, and as what. Asked for each of them
    /// once, where they may be.
    pub(super) fn next_compressed(&self) -> Option<Kind> {
        self.scanner.borrow_mut().compressed.pop_front().flatten()
    }

    /// Whether the library has handed on all that came, and holds nothing of a frame to come.
    pub(super) fn is_all_handed_on(&self) -> bool {
        self.receipts.borrow().is_empty() && self.scanner.borrow().ended_with_message
    }

    /// The code of the first close that came, if one came that has a code.
    pub(super) fn close_code(&self) -> Option<u16> {
        let scanner = self.scanner.borrow();
        (scanner.close_have == 2).then(|| u16::from_be_bytes(scanner.close_code))
    }

    /// Bytes of frames that came: without the upgrade and what encryption adds.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }
}

impl Inspect for Watch {
    #[inline]
    fn came(&self, bytes: &mut [u8]) {
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        let mut scanner = self.scanner.borrow_mut();
        let mut receipts = self.receipts.borrow_mut();
        let earlier = self.traffic.received_earlier();
        scanner.scan(bytes, || receipts.push_back(earlier));
        if scanner.ended_with_message
            && let Some(last) = receipts.back_mut()
        {
            *last = self.traffic.received();
        }
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PONG: u8 = 10;
const FIN: u8 = 0x80;
/// Marks the first frame of a compressed message (RFC 7692, 6).
const RSV1: u8 = 0x40;
const KIND: u8 = 0x0f;
const MASKED: u8 = 0x80;
/// The longest header of a frame.
const MOST_HEADER: usize = 14;

/// Finds the ends of messages and pongs in bytes that come in pieces of any size.
#[derive(Debug, Default)]
struct Scanner {
    header: [u8; MOST_HEADER],
    have: usize,
    /// Bytes of the frame to come.
    left: u64,
    /// Whether the piece ended with a message, of which nothing more can come.
    ended_with_message: bool,
    /// The code of a close, and how much of it is there.
    close_code: [u8; 2],
    close_have: usize,
    /// Whether messages may be compressed.
    deflates: bool,
    /// Of those that began and were not asked for, which are.
    compressed: VecDeque<Option<Kind>>,
}

impl Scanner {
    /// Looks at what passes and tells of the end of each message and pong.
    #[inline]
    fn scan(&mut self, mut bytes: &mut [u8], mut ended: impl FnMut()) {
        self.ended_with_message = false;
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let (payload, rest) = bytes.split_at_mut(passed);
                if self.kind() == CLOSE {
                    self.keep_code(payload);
                }
                bytes = rest;
                self.left -= passed as u64;
            } else {
                let wanted = self.wanted();
                let taken = (wanted - self.have).min(bytes.len());
                let (header, rest) = bytes.split_at_mut(taken);
                if self.deflates && self.have == 0 {
                    self.unmark(&mut header[0]);
                }
                self.header[self.have..self.have + taken].copy_from_slice(header);
                self.have += taken;
                bytes = rest;
                if self.have < self.wanted() {
                    self.ended_with_message = false;
                    continue;
                }
                self.left = self.payload_len();
            }
            if self.left == 0 {
                self.have = 0;
                self.ended_with_message = self.ends_message();
                if self.ended_with_message {
                    ended();
                }
            } else {
                self.ended_with_message = false;
            }
        }
    }

    /// Takes note of a message that begins, and has the library take one that is compressed for a
    /// binary one that is not. Where the mark has no place, it is left for the library to refuse.
    fn unmark(&mut self, first: &mut u8) {
        let kind = match *first & KIND {
            TEXT => Kind::Text,
            BINARY => Kind::Binary,
            _ => return,
        };
        let is_compressed = *first & RSV1 != 0;
        self.compressed.push_back(is_compressed.then_some(kind));
        if is_compressed {
            *first = *first & !(RSV1 | KIND) | BINARY;
        }
    }

    /// How long the header is, as far as it can be told.
    fn wanted(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let of_length = match self.header[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let of_mask = if self.header[1] & MASKED != 0 { 4 } else { 0 };
        2 + of_length + of_mask
    }

    fn payload_len(&self) -> u64 {
        let [_, len, a, b, c, d, e, f, g, h, ..] = self.header;
        match len & !MASKED {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            len => u64::from(len),
        }
    }

    fn kind(&self) -> u8 {
        self.header[0] & KIND
    }

    /// Whether the library hands something on with this frame. Of control frames that is pongs.
    fn ends_message(&self) -> bool {
        let kind = self.kind();
        self.header[0] & FIN != 0 && (kind < CLOSE || kind == PONG)
    }

    /// Keeps what the payload of a close begins with. The library refuses one that is masked.
    #[cold]
    fn keep_code(&mut self, payload: &[u8]) {
        for byte in payload.iter().take(2 - self.close_have) {
            self.close_code[self.close_have] = *byte;
            self.close_have += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::clock::{Clock, StampClock};

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..126 => bytes.push(payload as u8),
            126..0x1_0000 => {
                bytes.push(126);
                bytes.extend((payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + payload, 7);
        bytes
    }

    fn watch() -> (Rc<Traffic>, Rc<Watch>) {
        let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(Clock::start()))));
        let watch = Watch::new(&traffic, &mut [], false);
        (traffic, watch)
    }

    /// Of three messages in one read the last one has the stamp. Where a part of another follows, or
    /// more lies unread, it has not either.
    #[test]
    fn messages_that_share_a_stamp_are_in_doubt() {
        let exact = |at| Some(Receipt::at(at));
        let doubtful = |since, at| Some(Receipt { since, at });
        let (traffic, watch) = watch();
        traffic.came(Some(10), true);
        watch.came(&mut frame(0x81, 5));
        assert_eq!(watch.next(), exact(10));
        assert_eq!(watch.next(), None);

        traffic.came(Some(20), true);
        watch.came(&mut [frame(0x81, 5), frame(0x8a, 0), frame(0x82, 300)].concat());
        assert_eq!(watch.next(), doubtful(10, 20));
        assert_eq!(watch.next(), doubtful(10, 20));
        assert_eq!(watch.next(), exact(20));

        traffic.came(Some(30), true);
        let (one, two) = (frame(0x81, 5), frame(0x81, 5));
        for (at, part) in [(30, 1), (40, 3)] {
            traffic.came(Some(at), true);
            watch.came(&mut [&one, &two[..part]].concat());
            assert_eq!(watch.next(), doubtful(at - 10, at));
            traffic.came(Some(at), false);
            watch.came(&mut two.clone()[part..]);
            assert_eq!(watch.next(), doubtful(at - 10, at));
        }
        traffic.came(Some(40), true);
        watch.came(&mut frame(0x81, 5));
        assert_eq!(watch.next(), exact(40));
    }

    #[test]
    fn only_bytes_of_frames_are_counted() {
        let (traffic, watch) = watch();
        // With a handshake before it and a record around it.
        traffic.came(Some(10), true);
        assert_eq!(watch.bytes(), 0);
        watch.came(&mut frame(0x89, 5));
        assert_eq!(watch.bytes(), 5 + 2);
    }

    #[test]
    fn a_ping_is_not_handed_on_and_yet_has_the_stamp() {
        let (traffic, watch) = watch();
        traffic.came(Some(10), true);
        watch.came(&mut [frame(0x81, 5), frame(0x89, 0)].concat());
        assert_eq!(watch.next(), Some(Receipt { since: 0, at: 10 }));
        assert_eq!(watch.next(), None);
    }

    #[test]
    fn fragments_end_with_the_last_one() {
        let mut scanner = Scanner::default();
        let mut ends = 0;
        let bytes = [
            frame(0x01, 3),
            frame(0x00, 70_000),
            frame(0x89, 2),
            frame(0x80, 0),
        ];
        scanner.scan(&mut bytes.concat(), || ends += 1);
        assert_eq!((ends, scanner.ended_with_message), (1, true));
    }

    #[test_case(&[0x88, 2, 0x03, 0xed] => Some(1005))]
    #[test_case(&[0x88, 6, 0x03, 0xf3, b'b', b'u', b's', b'y'] => Some(1011); "with a reason")]
    #[test_case(&[0x88, 2, 0, 0] => Some(0); "zero")]
    #[test_case(&[0x88, 2, 0x03, 0xf6, 0x88, 2, 0, 0] => Some(1014); "the first one counts")]
    #[test_case(&[0x88, 0] => None; "without a code")]
    #[test_case(&[0x88, 1, 3] => None; "half a code")]
    #[test_case(&[0x88, 2, 3] => None; "not yet")]
    fn finds_the_code_however_it_is_cut(close: &[u8]) -> Option<u16> {
        let messages = [
            frame(0x81, 1),
            frame(0x89, 0),
            frame(0x82, 300),
            frame(0x82, 70_000),
        ];
        let all: Vec<u8> = [&messages.concat(), close].concat();
        let of_pieces = |piece| {
            let (_, watch) = watch();
            all.clone()
                .chunks_mut(piece)
                .for_each(|piece| watch.came(piece));
            watch.close_code()
        };
        let at_once = of_pieces(all.len());
        for piece in [1, 2, 3, 7, 4096] {
            assert_eq!(of_pieces(piece), at_once, "{piece}");
        }
        at_once
    }

    /// What is handed on of frames where compression was agreed on, and what is said of their messages.
    fn unmarked(frames: &[Vec<u8>], piece: usize) -> (Vec<u8>, Vec<Option<Kind>>) {
        let traffic = Rc::new(Traffic::new(&Rc::new(StampClock::new(Clock::start()))));
        let watch = Watch::new(&traffic, &mut [], true);
        let mut bytes = frames.concat();
        bytes.chunks_mut(piece).for_each(|piece| watch.came(piece));
        let said = std::mem::take(&mut watch.scanner.borrow_mut().compressed);
        (bytes, said.into())
    }

    #[test]
    fn the_mark_is_taken_from_the_beginning_of_a_message_only() {
        for piece in [1, 2, 5, 4096] {
            let (bytes, said) = unmarked(
                &[
                    frame(0xc1, 3),
                    frame(0x41, 300),
                    frame(0x89, 2),
                    frame(0x80, 3),
                    frame(0x82, 4),
                    frame(0x42, 0),
                    frame(0xc0, 1),
                    frame(0xc9, 0),
                    frame(0xd1, 1),
                ],
                piece,
            );
            assert_eq!(
                said,
                [
                    Some(Kind::Text),
                    Some(Kind::Text),
                    None,
                    Some(Kind::Binary),
                    Some(Kind::Text),
                ]
            );
            let expected = [
                frame(0x82, 3),
                frame(0x02, 300),
                frame(0x89, 2),
                frame(0x80, 3),
                frame(0x82, 4),
                frame(0x02, 0),
                // A fragment that goes on with one, a ping, and another bit: not for the mark.
                frame(0xc0, 1),
                frame(0xc9, 0),
                frame(0x92, 1),
            ];
            assert_eq!(bytes, expected.concat(), "{piece}");
        }
    }

    proptest! {
        /// However the bytes are cut, the same messages are found.
        #[test]
        fn any_pieces_give_the_same_messages(
            frames in prop::collection::vec((any::<bool>(), 0_u8..11, 0_usize..400), 1..20),
            cut in 1_usize..50,
        ) {
            let mut bytes = Vec::new();
            let mut expected = 0;
            for &(fin, kind, len) in &frames {
                let fin = if fin { FIN } else { 0 };
                bytes.extend(frame(fin | kind, len));
                expected += usize::from(fin != 0 && (kind < CLOSE || kind == PONG));
            }
            let mut scanner = Scanner::default();
            let mut found = 0;
            for piece in bytes.chunks_mut(cut) {
                scanner.scan(piece, || found += 1);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
