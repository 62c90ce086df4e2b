//! Counting gRPC messages in a stream of bytes without decoding them.
//!
//! Owns the five-byte message prefix (a flag and a length). Never copies a message.

use bytes::{BufMut, Bytes, BytesMut};

/// A flag byte and a big-endian length.
pub(super) const PREFIX_LEN: usize = 5;

/// A message with its prefix in front, as it goes on the wire. `None` when it is longer than the
/// prefix can say.
pub(super) fn with_prefix(message: &[u8]) -> Option<Bytes> {
    let len = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(PREFIX_LEN + message.len());
    framed.put_u8(0);
    framed.put_u32(len);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Follows the messages in a stream of bytes that comes in arbitrary pieces.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    prefix: [u8; PREFIX_LEN],
    prefix_len: u8,
    left: u32,
    messages: u64,
    compressed: bool,
}

impl Framing {
    /// Takes the next piece.
    #[inline]
    pub(super) fn push(&mut self, piece: &[u8]) {
        // Nearly always a small answer comes in one piece: its prefix and nothing but the message.
        if self.is_between_messages()
            && let [flag, a, b, c, d, rest @ ..] = piece
            && rest.len() == u32::from_be_bytes([*a, *b, *c, *d]) as usize
        {
            self.compressed |= *flag != 0;
            self.messages += 1;
            return;
        }
        self.push_in_parts(piece);
    }

    fn push_in_parts(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.left == 0 {
                let have = usize::from(self.prefix_len);
                let more = piece.len().min(PREFIX_LEN - have);
                self.prefix[have..have + more].copy_from_slice(&piece[..more]);
                piece = &piece[more..];
                if have + more < PREFIX_LEN {
                    // At most 4, as the prefix is 5 long.
                    self.prefix_len += u8::try_from(more).unwrap_or(0);
                    return;
                }
                self.prefix_len = 0;
                let [flag, a, b, c, d] = self.prefix;
                self.compressed |= flag != 0;
                self.left = u32::from_be_bytes([a, b, c, d]);
            } else {
                let taken = piece.len().min(self.left as usize);
                piece = &piece[taken..];
                self.left -= u32::try_from(taken).unwrap_or(self.left);
            }
            if self.left == 0 {
                self.messages += 1;
            }
        }
    }

    /// Whether no message is half here.
    #[inline]
    pub(super) fn is_between_messages(&self) -> bool {
        self.left == 0 && self.prefix_len == 0
    }

    /// Complete messages so far.
    #[inline]
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether any message said that it is compressed.
    #[inline]
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_the_same_however_the_stream_is_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1_usize..12, 1..200),
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                stream.extend_from_slice(&with_prefix(message).expect("short"));
            }
            let mut framing = Framing::default();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                framing.push(piece);
                rest = after;
            }
            prop_assert_eq!(framing.messages(), messages.len() as u64);
            prop_assert!(framing.is_between_messages());
            prop_assert!(!framing.is_compressed());
        }

        #[test]
        fn a_truncated_message_is_seen(
            message in prop::collection::vec(any::<u8>(), 0..40),
            missing in 1_usize..5,
        ) {
            let framed = with_prefix(&message).expect("short");
            let mut framing = Framing::default();
            framing.push(&framed[..framed.len() - missing.min(framed.len() - 1)]);
            prop_assert!(!framing.is_between_messages());
            prop_assert_eq!(framing.messages(), 0);
        }
    }

    #[test]
    fn sees_the_compressed_flag() {
        let mut framing = Framing::default();
        framing.push(&[1, 0, 0, 0, 1, 42]);
        assert!(framing.is_compressed());
        assert_eq!(framing.messages(), 1);
    }
}
