//! Counting gRPC messages in a stream of bytes without decoding them.
//!
//! Owns the five-byte message prefix (a flag and a length), and the bound on a message's length.
//! Keeps no message.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;

use super::unpacking::Unpacking;
use crate::scenario::Compression;

/// A flag byte and a big-endian length.
pub(super) const PREFIX_LEN: usize = 5;

/// A message with its prefix in front, as it goes on the wire. `None` when it is longer than the
/// prefix can say.
pub(super) fn with_prefix(is_packed: bool, message: &[u8]) -> Option<Bytes> {
    let len = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(PREFIX_LEN + message.len());
    framed.put_u8(u8::from(is_packed));
    framed.put_u32(len);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Says in the room in front of a message, which is not compressed, how long it is. `None` when it is
/// longer than that can say.
pub(super) fn put_prefix(framed: &mut [u8]) -> Option<()> {
    let (prefix, message) = framed.split_at_mut_checked(PREFIX_LEN)?;
    let len = u32::try_from(message.len()).ok()?;
    prefix[0] = 0;
    prefix[1..].copy_from_slice(&len.to_be_bytes());
    Some(())
}

/// Whole messages with their prefixes, all of them now said to be compressed.
pub(super) fn marked_as_packed(messages: Bytes) -> Bytes {
    let mut marked = messages
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    let mut at = 0;
    while let Some([flag, a, b, c, d]) = marked.get_mut(at..at + PREFIX_LEN) {
        *flag = 1;
        at += PREFIX_LEN + u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    }
    marked.freeze()
}

/// Follows the messages in a stream of bytes that comes in arbitrary pieces.
///
/// Holds no message, whatever length one claims to have, but for what is compressed: that is
/// unpacked piece by piece, to know that it can be and how long it is.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The longest message taken, compressed or not.
    most: u32,
    prefix: [u8; PREFIX_LEN],
    prefix_len: u8,
    left: u32,
    messages: u64,
    unpacking: Option<Box<Unpacking>>,
    problem: Option<FramingProblem>,
}

/// Why the messages of an answer cannot be followed any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingProblem {
    #[error(
        "the answer has a message of {len} bytes, and at most {most} are taken (`max_message`)"
    )]
    TooLong { len: u32, most: u32 },
    #[error(
        "the answer has a message of {packed} bytes that unpacks to more than {most}, and at most \
         {most} are taken (`max_message`)"
    )]
    UnpacksTooLong { packed: u32, most: u32 },
    #[error(
        "the answer has a message that says it is compressed with {0}, and is not or not whole: {1}"
    )]
    NotPacked(&'static str, String),
    #[error(
        "the answer has a compressed message, and no `grpc-encoding` that says how; gzip and zstd \
         can be read"
    )]
    NoEncoding,
    #[error(
        "the answer is compressed with {0}, which was not asked for; gzip and zstd can be read"
    )]
    Encoding(String),
    #[error("the answer's flag in front of a message is {0}, and 0 and 1 are what there is")]
    Flag(u8),
}

impl Framing {
    /// Takes messages of up to so many bytes.
    pub(super) fn up_to(most: u32) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Takes the next piece of an answer with this head. `kept` is given what messages consist of,
    /// unpacked.
    #[inline]
    pub(super) fn push(&mut self, piece: &[u8], head: &HeaderMap, kept: &mut impl Keep) {
        // Nearly always a small answer comes in one piece: its prefix and nothing but the message.
        if self.is_between_messages()
            && self.problem.is_none()
            && let [0, a, b, c, d, rest @ ..] = piece
            && rest.len() == u32::from_be_bytes([*a, *b, *c, *d]) as usize
            && rest.len() <= self.most as usize
        {
            self.messages += 1;
            kept.piece(rest);
            kept.end();
            return;
        }
        if let Err(problem) = self.push_in_parts(piece, head, kept) {
            self.problem.get_or_insert(problem);
        }
    }

    fn push_in_parts(
        &mut self,
        mut piece: &[u8],
        head: &HeaderMap,
        kept: &mut impl Keep,
    ) -> Result<(), FramingProblem> {
        while !piece.is_empty() && self.problem.is_none() {
            if self.left == 0 {
                let have = usize::from(self.prefix_len);
                let more = piece.len().min(PREFIX_LEN - have);
                self.prefix[have..have + more].copy_from_slice(&piece[..more]);
                piece = &piece[more..];
                if have + more < PREFIX_LEN {
                    // At most 4, as the prefix is 5 long.
                    self.prefix_len += u8::try_from(more).unwrap_or(0);
                    return Ok(());
                }
                self.prefix_len = 0;
                self.begin(head)?;
            } else {
                let taken = piece.len().min(self.left as usize);
                let (now, later) = piece.split_at(taken);
                piece = later;
                self.left -= u32::try_from(taken).unwrap_or(self.left);
                match &mut self.unpacking {
                    Some(unpacking) => unpacking.push(now, kept)?,
                    None => kept.piece(now),
                }
            }
            if self.left == 0 {
                if let Some(unpacking) = self.unpacking.take() {
                    unpacking.end(kept)?;
                }
                self.messages += 1;
                kept.end();
            }
        }
        Ok(())
    }

    /// A message whose prefix is here.
    fn begin(&mut self, head: &HeaderMap) -> Result<(), FramingProblem> {
        let [flag, a, b, c, d] = self.prefix;
        let (len, most) = (u32::from_be_bytes([a, b, c, d]), self.most);
        if len > most {
            return Err(FramingProblem::TooLong { len, most });
        }
        match flag {
            0 => {}
            1 => {
                let compression = compression_of(head)?;
                // Nothing is what nothing was packed into by some.
                if len > 0 {
                    self.unpacking = Some(Unpacking::new(compression, len, most)?);
                }
            }
            other => return Err(FramingProblem::Flag(other)),
        }
        self.left = len;
        Ok(())
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

    /// Why nothing more is taken.
    #[inline]
    pub(super) fn problem(&self) -> Option<&FramingProblem> {
        self.problem.as_ref()
    }
}

/// How an answer with this head is compressed.
fn compression_of(head: &HeaderMap) -> Result<Compression, FramingProblem> {
    match head.get("grpc-encoding") {
        Some(name) if name == "gzip" => Ok(Compression::Gzip),
        Some(name) if name == "zstd" => Ok(Compression::Zstd),
        Some(name) if name != "identity" => Err(FramingProblem::Encoding(format!("{name:?}"))),
        _ => Err(FramingProblem::NoEncoding),
    }
}

/// Who is given the contents of messages.
pub(super) trait Keep {
    /// The next piece of the message that has begun.
    fn piece(&mut self, piece: &[u8]);
    /// The message is complete.
    fn end(&mut self);
}

/// Nobody wants to know.
pub(super) struct Nobody;

impl Keep for Nobody {
    #[inline]
    fn piece(&mut self, _: &[u8]) {}
    #[inline]
    fn end(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;
    use http::HeaderValue;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    const MOST: u32 = 100;

    /// Keeps all messages.
    #[derive(Default)]
    struct All {
        messages: Vec<Vec<u8>>,
        current: Vec<u8>,
    }

    impl Keep for All {
        fn piece(&mut self, piece: &[u8]) {
            self.current.extend_from_slice(piece);
        }
        fn end(&mut self) {
            self.messages.push(std::mem::take(&mut self.current));
        }
    }

    fn packed(message: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(message).expect("memory");
        encoder.finish().expect("memory")
    }

    fn framed(flag: u8, content: &[u8]) -> Vec<u8> {
        let len = u32::try_from(content.len()).expect("short");
        [&[flag], &len.to_be_bytes()[..], content].concat()
    }

    fn encoded(name: &'static str) -> HeaderMap {
        let pair = (
            "grpc-encoding".parse().expect("a name"),
            HeaderValue::from_static(name),
        );
        HeaderMap::from_iter([pair])
    }

    fn gzip() -> HeaderMap {
        encoded("gzip")
    }

    fn packed_by_zstd(message: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(message, 3).expect("memory")
    }

    fn pushed(pieces: &[&[u8]], head: &HeaderMap) -> (Framing, Vec<Vec<u8>>) {
        let mut framing = Framing::up_to(MOST);
        let mut all = All::default();
        for piece in pieces {
            framing.push(piece, head, &mut all);
        }
        (framing, all.messages)
    }

    proptest! {
        #[test]
        fn counts_and_keeps_the_same_however_the_stream_is_cut(
            messages in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..8),
            cuts in prop::collection::vec(1_usize..12, 1..200),
            is_zstd in any::<bool>(),
        ) {
            let mut stream = Vec::new();
            for (message, is_packed) in &messages {
                stream.extend_from_slice(&match is_packed {
                    true if is_zstd => framed(1, &packed_by_zstd(message)),
                    true => framed(1, &packed(message)),
                    false => with_prefix(false, message).expect("short").to_vec(),
                });
            }
            let mut pieces = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let head = encoded(if is_zstd { "zstd" } else { "gzip" });
            let (framing, kept) = pushed(&pieces, &head);
            prop_assert_eq!(framing.problem(), None);
            prop_assert_eq!(framing.messages(), messages.len() as u64);
            prop_assert!(framing.is_between_messages());
            let sent: Vec<_> = messages.into_iter().map(|(message, _)| message).collect();
            prop_assert_eq!(kept, sent);
        }

        #[test]
        fn a_truncated_message_is_seen(
            message in prop::collection::vec(any::<u8>(), 0..40),
            missing in 1_usize..5,
        ) {
            let framed = with_prefix(false, &message).expect("short");
            let piece = &framed[..framed.len() - missing.min(framed.len() - 1)];
            let (framing, _) = pushed(&[piece], &HeaderMap::new());
            prop_assert!(!framing.is_between_messages());
            prop_assert_eq!(framing.messages(), 0);
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            pushed(&[&bytes], &gzip());
            pushed(&[&bytes], &encoded("zstd"));
        }

        #[test]
        fn all_of_what_goes_out_together_is_marked(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
        ) {
            let with = |is_packed| {
                let each = messages.iter().map(|it| with_prefix(is_packed, it).expect("short"));
                each.collect::<Vec<_>>().concat()
            };
            prop_assert_eq!(marked_as_packed(with(false).into()), with(true));
        }
    }

    #[test_case(&framed(0, &[7; 100]), &[] => None; "as long as may be")]
    #[test_case(&framed(0, &[7; 101]), &[]
        => Some("the answer has a message of 101 bytes, and at most 100 are taken (`max_message`)".to_owned()); "too long in one piece")]
    #[test_case(&[0, 255, 255, 255, 255], &[]
        => Some("the answer has a message of 4294967295 bytes, and at most 100 are taken (`max_message`)".to_owned()); "five bytes that claim 4 GiB")]
    #[test_case(&framed(1, &packed(&[7; 100])), &["gzip"] => None; "unpacks to as long as may be")]
    #[test_case(&framed(1, &packed(&[7; 5000])), &["gzip"]
        => Some("the answer has a message of 41 bytes that unpacks to more than 100, and at most 100 are taken (`max_message`)".to_owned()); "a bomb")]
    #[test_case(&framed(1, b"plain"), &["gzip"]
        => Some("the answer has a message that says it is compressed with gzip, and is not or not whole: corrupt gzip stream does not have a matching checksum".to_owned()); "no gzip")]
    #[test_case(&framed(1, &packed(b"hello")[..20]), &["gzip"]
        => Some("the answer has a message that says it is compressed with gzip, and is not or not whole: corrupt gzip stream does not have a matching checksum".to_owned()); "half of it")]
    #[test_case(&framed(1, &[packed(b"a"), vec![1]].concat()), &["gzip"]
        => Some("the answer has a message that says it is compressed with gzip, and is not or not whole: something follows it".to_owned()); "and more")]
    #[test_case(&framed(1, &[]), &["gzip"] => None; "nothing packed to nothing")]
    #[test_case(&framed(1, &packed_by_zstd(&[7; 100])), &["zstd"] => None; "zstd as long as may be")]
    #[test_case(&framed(1, &packed_by_zstd(&[7; 101])), &["zstd"]
        => Some("the answer has a message of 17 bytes that unpacks to more than 100, and at most 100 are taken (`max_message`)".to_owned()); "zstd that unpacks to more")]
    #[test_case(&framed(1, &packed_by_zstd(b"hello")[..9]), &["zstd"]
        => Some("the answer has a message that says it is compressed with zstd, and is not or not whole: its end is missing".to_owned()); "half of zstd")]
    #[test_case(&framed(1, &[packed_by_zstd(b"a"), packed_by_zstd(b"b")].concat()), &["zstd"] => None; "two frames of zstd")]
    #[test_case(&framed(1, b"hello, this is text"), &["zstd"]
        => Some("the answer has a message that says it is compressed with zstd, and is not or not whole: Unknown frame descriptor".to_owned()); "no zstd")]
    #[test_case(&framed(1, &packed(b"a")), &["snappy"]
        => Some("the answer is compressed with \"snappy\", which was not asked for; gzip and zstd can be read".to_owned()))]
    #[test_case(&framed(1, &packed(b"a")), &[]
        => Some("the answer has a compressed message, and no `grpc-encoding` that says how; gzip and zstd can be read".to_owned()); "compressed somehow")]
    #[test_case(&framed(1, &packed(b"a")), &["identity"]
        => Some("the answer has a compressed message, and no `grpc-encoding` that says how; gzip and zstd can be read".to_owned()); "compressed by nothing")]
    #[test_case(&framed(2, b"a"), &[]
        => Some("the answer's flag in front of a message is 2, and 0 and 1 are what there is".to_owned()); "another flag")]
    fn refuses(piece: &[u8], encoding: &[&str]) -> Option<String> {
        let head = encoding.iter().map(|name| {
            let value = HeaderValue::from_str(name).expect("a value");
            ("grpc-encoding".parse().expect("a name"), value)
        });
        let (framing, _) = pushed(&[piece], &head.collect());
        framing.problem().map(ToString::to_string)
    }

    /// The first one is what the example says, and nothing is taken after it.
    #[test]
    fn nothing_follows_a_problem() {
        let good = framed(0, b"a");
        let (framing, kept) = pushed(&[&framed(3, b""), &good, &good], &HeaderMap::new());
        assert_eq!(framing.problem(), Some(&FramingProblem::Flag(3)));
        assert_eq!((framing.messages(), kept.len()), (0, 0));
    }
}
