//! Messages compressed with `permessage-deflate` (RFC 7692, 7.2).
//!
//! Owns the contents of messages: they are inflated once the library has put their frames together,
//! and deflated before it makes a frame of them. Which messages came compressed is `watch`'s to see,
//! what was agreed on is `negotiation`'s.
//!
//! Each message that is sent is compressed for itself, which may be done whatever was agreed on: so what
//! never changes is compressed once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::negotiation::{Agreed, MOST_BITS};

/// What ends a message before it is sent without it, and is put back when it is read.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The smallest window that zlib can have. With one of 8 bits, messages are sent as they are, which a
/// sender may do with any of them.
const LEAST_BITS: u8 = 9;
/// Room that is made for a message that is read, before it is known how long it is.
const ROOM: usize = 1 << 10;

/// Which message came compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

/// Why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is longer than is taken.
    TooLong,
    /// It is not what DEFLATE makes.
    NotDeflate,
    /// It is a text, and none.
    NotUtf8,
}

/// What connections of one worker share, as they read and write one after the other: a window is up to
/// 32 KiB, and a compressor a quarter of a MiB.
#[derive(Debug, Default)]
pub(super) struct Shared {
    inflate: RefCell<Option<Decompress>>,
    /// One for each window that is in use.
    deflate: RefCell<Vec<(u8, Compress)>>,
}

/// How the messages of one connection are compressed.
#[derive(Debug)]
pub(super) struct Deflate {
    /// Where what comes may refer to the messages before it.
    own: Option<Decompress>,
    shared: Rc<Shared>,
    /// The bits of our window, where we have one.
    bits: Option<u8>,
    /// The longest message taken.
    most: usize,
}

impl Deflate {
    pub(super) fn new(agreed: Agreed, shared: &Rc<Shared>, most: u32) -> Self {
        Self {
            own: agreed.server_takes_over.then(|| Decompress::new(false)),
            shared: Rc::clone(shared),
            bits: (agreed.client_bits >= LEAST_BITS).then_some(agreed.client_bits),
            most: most as usize,
        }
    }

    /// The longest message taken.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// The message that came compressed as this one, which is binary whatever it was sent as.
    pub(super) fn inflated(
        &mut self,
        kind: Kind,
        message: &Message,
    ) -> Result<Message, Unreadable> {
        let payload = match message {
            Message::Binary(payload) => payload,
            // What is compressed is handed on as binary.
            _ => return Err(Unreadable::NotDeflate),
        };
        let bytes = match &mut self.own {
            Some(own) => inflate(own, payload, self.most)?,
            None => {
                let mut shared = self.shared.inflate.borrow_mut();
                let shared = shared.get_or_insert_with(|| Decompress::new(false));
                shared.reset(false);
                inflate(shared, payload, self.most)?
            }
        };
        let bytes = Bytes::from(bytes);
        Ok(match kind {
            Kind::Binary => Message::Binary(bytes),
            Kind::Text => {
                Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| Unreadable::NotUtf8)?)
            }
        })
    }

    /// A message as it is sent. What of it is compressed is kept in `kept`, where it never changes.
    pub(super) fn deflated(&self, message: Message, kept: Option<&Deflated>) -> Message {
        let (payload, kind): (&[u8], Data) = match &message {
            Message::Text(text) => (text.as_ref(), Data::Text),
            Message::Binary(bytes) => (bytes, Data::Binary),
            _ => return message,
        };
        let Some(bits) = self.bits else {
            return message;
        };
        let deflated = || self.shared.deflate(bits, payload);
        let payload = match kept {
            Some(kept) => kept.of(bits).get_or_init(deflated).clone(),
            None => deflated(),
        };
        let mut frame = Frame::message(payload, OpCode::Data(kind), true);
        frame.header_mut().rsv1 = true;
        Message::Frame(frame)
    }
}

impl Shared {
    fn deflate(&self, bits: u8, payload: &[u8]) -> Bytes {
        let mut all = self.deflate.borrow_mut();
        let place = all.iter().position(|(known, _)| *known == bits);
        let place = place.unwrap_or_else(|| {
            all.push((bits, compressor(bits)));
            all.len() - 1
        });
        deflate(&mut all[place].1, payload).into()
    }
}

/// A message that never changes, compressed in each of the windows it was sent in.
#[derive(Debug, Default)]
pub(super) struct Deflated([OnceLock<Bytes>; (MOST_BITS - LEAST_BITS + 1) as usize]);

impl Deflated {
    fn of(&self, bits: u8) -> &OnceLock<Bytes> {
        &self.0[usize::from(bits.clamp(LEAST_BITS, MOST_BITS) - LEAST_BITS)]
    }

    /// Compresses it before the run, in the window that will most likely be agreed on.
    pub(super) fn prepare(&self, bits: u8, payload: &[u8]) {
        let made = || deflate(&mut compressor(bits), payload).into();
        self.of(bits).get_or_init(made);
    }
}

fn compressor(bits: u8) -> Compress {
    let bits = bits.clamp(LEAST_BITS, MOST_BITS);
    Compress::new_with_window_bits(Compression::default(), false, bits)
}

/// Compresses a message for itself (RFC 7692, 7.2.1).
fn deflate(compress: &mut Compress, payload: &[u8]) -> Vec<u8> {
    compress.reset();
    let mut out = Vec::with_capacity(payload.len() / 2 + 64);
    loop {
        let taken = usize::try_from(compress.total_in()).unwrap_or(payload.len());
        let status = compress.compress_vec(&payload[taken..], &mut out, FlushCompress::Sync);
        // There is room when all is out.
        let is_all = compress.total_in() == payload.len() as u64 && out.len() < out.capacity();
        if is_all || !matches!(status, Ok(Status::Ok | Status::BufError)) {
            break;
        }
        out.reserve(out.len().max(64));
    }
    if out.ends_with(&TAIL) {
        out.truncate(out.len() - TAIL.len());
    }
    out
}

/// Inflates a message (RFC 7692, 7.2.2) of at most so many bytes. What it may refer to is in the window.
fn inflate(window: &mut Decompress, payload: &[u8], most: usize) -> Result<Vec<u8>, Unreadable> {
    let guess = payload.len().saturating_mul(4).max(ROOM);
    let mut out = Vec::with_capacity(guess.min(most.saturating_add(1)));
    for mut rest in [payload, &TAIL] {
        loop {
            if out.len() > most {
                return Err(Unreadable::TooLong);
            }
            if out.len() == out.capacity() {
                // One more than may be shows that there is more.
                let more = out.len().max(ROOM).min(most + 1 - out.len());
                out.reserve_exact(more);
            }
            let (before, len) = (window.total_in(), out.len());
            let status = window.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            let status = status.map_err(|_| Unreadable::NotDeflate)?;
            let taken = usize::try_from(window.total_in() - before);
            let taken = taken.unwrap_or(rest.len());
            rest = &rest[taken..];
            if status == Status::StreamEnd {
                // A sender may end its stream, and goes on with another.
                window.reset(false);
            }
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            if taken == 0 && out.len() == len && status != Status::StreamEnd {
                return Err(Unreadable::NotDeflate);
            }
        }
    }
    if out.len() > most {
        return Err(Unreadable::TooLong);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    const MOST: usize = 1 << 20;

    fn inflated(parts: &[&[u8]]) -> Vec<Result<Vec<u8>, Unreadable>> {
        let mut window = Decompress::new(false);
        let parts = parts.iter();
        parts.map(|it| inflate(&mut window, it, MOST)).collect()
    }

    /// The examples of RFC 7692, 7.2.3.
    #[test_case(&[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]] => "Hello"; "one block")]
    #[test_case(&[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00]]
        => "HelloHello"; "what was there before")]
    #[test_case(&[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]]
        => "Hello"; "no compression")]
    #[test_case(&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]] => "Hello"; "a last block")]
    #[test_case(&[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]]
        => "Hello"; "two blocks")]
    #[test_case(&[&[0x00], &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]] => "Hello"; "nothing first")]
    #[test_case(&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]] => "HelloHello"; "after a last block")]
    fn reads(messages: &[&[u8]]) -> String {
        let all = inflated(messages).into_iter();
        let all: Vec<u8> = all.flat_map(|it| it.expect("a message")).collect();
        String::from_utf8(all).expect("text")
    }

    #[test]
    fn what_is_empty_is_one_byte() {
        for bits in LEAST_BITS..=MOST_BITS {
            assert_eq!(deflate(&mut compressor(bits), b""), [0]);
        }
    }

    #[test]
    fn what_is_no_deflate_is_refused() {
        let window = &mut Decompress::new(false);
        assert_eq!(
            inflate(window, &[0xff; 40], MOST),
            Err(Unreadable::NotDeflate)
        );
        // Refers to a message that there was none of.
        let window = &mut Decompress::new(false);
        let referring = inflate(window, &[0xf2, 0x00, 0x11, 0x00, 0x00], MOST);
        assert_eq!(referring, Err(Unreadable::NotDeflate));
    }

    #[test]
    fn a_bomb_ends_where_messages_may_not_be_longer() {
        let zeros = vec![0; 10 << 20];
        let bomb = deflate(&mut compressor(15), &zeros);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        let of = |most| inflate(&mut Decompress::new(false), &bomb, most);
        assert_eq!(of(1 << 20), Err(Unreadable::TooLong));
        assert_eq!(of(zeros.len() - 1), Err(Unreadable::TooLong));
        assert_eq!(of(zeros.len()), Ok(zeros));
        assert_eq!(of(0), Err(Unreadable::TooLong));
    }

    fn agreed(server_takes_over: bool, client_bits: u8) -> Agreed {
        Agreed {
            server_takes_over,
            client_bits,
        }
    }

    #[test]
    fn a_text_must_be_one() {
        let shared = Rc::default();
        let mut ours = Deflate::new(agreed(false, 15), &shared, 100);
        let text = deflate(&mut compressor(15), "grüße".as_bytes());
        let broken = deflate(&mut compressor(15), &[0xff, 0xfe]);
        let mut read = |kind, payload: &[u8]| {
            let message = Message::binary(payload.to_vec());
            ours.inflated(kind, &message)
        };
        assert_eq!(read(Kind::Text, &text), Ok(Message::text("grüße")));
        assert_eq!(read(Kind::Text, &broken), Err(Unreadable::NotUtf8));
        assert_eq!(
            read(Kind::Binary, &broken),
            Ok(Message::binary(vec![0xff, 0xfe]))
        );
    }

    #[test]
    fn what_never_changes_is_compressed_once() {
        let shared = Rc::default();
        let ours = Deflate::new(agreed(true, 9), &shared, 100);
        let kept = Deflated::default();
        let payload = |message| match message {
            Message::Frame(frame) => {
                assert!(frame.header().rsv1);
                frame.into_payload()
            }
            other => panic!("{other:?}"),
        };
        let one = payload(ours.deflated(Message::text("hello hello"), Some(&kept)));
        let two = payload(ours.deflated(Message::text("hello hello"), Some(&kept)));
        assert_eq!(one.as_ptr(), two.as_ptr());
        let other = payload(ours.deflated(Message::text("hello hello"), None));
        assert_eq!(other, one);
        assert_eq!(inflated(&[&one])[0].as_deref(), Ok(&b"hello hello"[..]));
        let ping = Message::Ping(Bytes::from_static(b"1"));
        assert_eq!(ours.deflated(ping.clone(), None), ping);
        let plain = Deflate::new(agreed(true, 8), &shared, 100);
        let text = Message::text("hello");
        assert_eq!(plain.deflated(text.clone(), Some(&kept)), text);
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::collection::vec("[a-c]{1,3}", 0..2000).prop_map(|it| it.concat().into());
        prop_oneof![words, prop::collection::vec(any::<u8>(), 0..5000)]
    }

    proptest! {
        /// Whatever is compressed for itself is read with and without what came before.
        #[test]
        fn what_is_compressed_is_read(
            messages in prop::collection::vec(message(), 1..5),
            bits in LEAST_BITS..=MOST_BITS,
            takes_over in any::<bool>(),
        ) {
            let shared = Rc::default();
            let mut ours = Deflate::new(agreed(takes_over, bits), &shared, 1 << 20);
            for message in messages {
                let sent = ours.deflated(Message::binary(message.clone()), None);
                let Message::Frame(frame) = sent else { panic!("a frame") };
                let came = Message::Binary(frame.into_payload());
                prop_assert_eq!(ours.inflated(Kind::Binary, &came), Ok(Message::binary(message)));
            }
        }

        /// A server's messages refer to those before them, in whatever window it has.
        #[test]
        fn what_refers_to_others_is_read(
            messages in prop::collection::vec(message(), 1..8),
            bits in LEAST_BITS..=MOST_BITS,
        ) {
            let mut theirs = compressor(bits);
            let mut window = Decompress::new(false);
            for message in messages {
                let mut sent = Vec::with_capacity(message.len() * 2 + 100);
                theirs.compress_vec(&message, &mut sent, FlushCompress::Sync).expect("compressed");
                sent.truncate(sent.len().saturating_sub(TAIL.len()));
                if sent.is_empty() {
                    sent.push(0);
                }
                prop_assert_eq!(inflate(&mut window, &sent, MOST), Ok(message));
            }
        }

        /// Whatever comes is read or refused, and never longer than it may be.
        #[test]
        fn anything_ends(
            message in message(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            most in 0_usize..4000,
        ) {
            let mut sent = deflate(&mut compressor(15), &message);
            for (place, byte) in changes {
                let place = place.index(sent.len());
                sent[place] = byte;
            }
            let mut window = Decompress::new(false);
            for _ in 0..2 {
                if let Ok(read) = inflate(&mut window, &sent, most) {
                    prop_assert!(read.len() <= most);
                }
            }
        }
    }
}
