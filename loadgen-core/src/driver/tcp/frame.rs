//! Where a reply ends among the bytes that come.
//!
//! Owns the bounds: nothing is held of a reply that nobody looks at, where its end can be told without it.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem::Finder;
use regex::bytes::Regex;

use crate::scenario::{Endian, LengthPrefix, MAX_REGEX_BYTES, TcpReceive, regex};

/// Where a reply ends.
#[derive(Debug)]
pub(super) enum Frame {
    Bytes(u64),
    Until(Box<Finder<'static>>),
    LengthPrefix(LengthPrefix),
    Regex(Box<Regex>),
    End,
}

/// How much of a reply has come that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Bytes of what is held in which the end is not.
    searched: usize,
    /// Bytes that were let go.
    let_go: u64,
    /// How many are still to come, where that is known.
    left: Option<u64>,
}

impl Partial {
    /// How many bytes of it were let go.
    pub(super) fn let_go(&self) -> u64 {
        self.let_go
    }

    /// Whether nothing of a reply has come, as far as that was looked at.
    pub(super) fn is_nothing(&self) -> bool {
        self.let_go == 0 && self.left.is_none()
    }
}

impl Frame {
    /// Else what is wrong with it.
    pub(super) fn new(receive: &TcpReceive) -> Result<Self, String> {
        Ok(match receive {
            TcpReceive::Bytes(0) => return Err("0 bytes are no reply".to_owned()),
            TcpReceive::Bytes(count) => Self::Bytes(u64::from(*count)),
            TcpReceive::Until(delimiter) if delimiter.is_empty() => {
                return Err("the delimiter is empty".to_owned());
            }
            TcpReceive::Until(delimiter) => {
                Self::Until(Box::new(Finder::new(delimiter).into_owned()))
            }
            TcpReceive::LengthPrefix(prefix) if !matches!(prefix.bytes, 1 | 2 | 4 | 8) => {
                return Err(format!("a length of {} bytes", prefix.bytes));
            }
            TcpReceive::LengthPrefix(prefix) => Self::LengthPrefix(*prefix),
            TcpReceive::Regex(pattern) => Self::Regex(Box::new(regex(pattern)?)),
            TcpReceive::End => Self::End,
        })
    }

    /// Takes the next reply out of what has come, if it is whole; what of it is not to be kept is left out.
    /// The end of a connection is none of its business.
    ///
    /// # Errors
    /// What is wrong with it: more than `most` bytes, a length that cannot be.
    #[inline]
    pub(super) fn take(
        &self,
        partial: &mut Partial,
        came: &mut BytesMut,
        keep: bool,
        most: u32,
    ) -> Result<Option<Bytes>, String> {
        let whole = match self {
            Self::Bytes(_) if came.is_empty() => None,
            Self::Bytes(count) => {
                partial.left.get_or_insert(*count);
                counted(partial, came, keep)
            }
            Self::LengthPrefix(prefix) => {
                if partial.left.is_none() {
                    let Some(length) = length(*prefix, came)? else {
                        return Ok(None);
                    };
                    check(length, most)?;
                    partial.left = Some(length);
                }
                counted(partial, came, keep)
            }
            Self::Until(finder) => delimited(finder, partial, came, keep, most)?,
            Self::Regex(regex) => match regex.find(came) {
                Some(found) => {
                    let end = found.end();
                    check(end as u64, most)?;
                    Some(came.split_to(end).freeze())
                }
                None => {
                    check(came.len() as u64, most)?;
                    if came.len() > MAX_REGEX_BYTES {
                        return Err(format!(
                            "{} bytes without a match of `receive.regex`, and at most \
                             {MAX_REGEX_BYTES} are looked through",
                            came.len()
                        ));
                    }
                    None
                }
            },
            Self::End => {
                if !keep {
                    partial.let_go += came.len() as u64;
                    came.clear();
                }
                check(partial.let_go + came.len() as u64, most)?;
                None
            }
        };
        if whole.is_some() {
            *partial = Partial::default();
        }
        Ok(whole)
    }
}

fn check(bytes: u64, most: u32) -> Result<(), String> {
    match bytes > u64::from(most) {
        true => Err(format!(
            "a reply of {bytes} bytes or more, and at most {most} are taken (`max_message`)"
        )),
        false => Ok(()),
    }
}

/// A reply of which it is known how many bytes are still to come.
#[inline]
fn counted(partial: &mut Partial, came: &mut BytesMut, keep: bool) -> Option<Bytes> {
    let left = partial.left.unwrap_or_default();
    let have = usize::try_from(left).map_or(came.len(), |left| left.min(came.len()));
    if have as u64 == left {
        return Some(match keep {
            true => came.split_to(have).freeze(),
            false => {
                came.advance(have);
                Bytes::new()
            }
        });
    }
    if !keep {
        came.advance(have);
        partial.left = Some(left - have as u64);
        partial.let_go += have as u64;
    }
    None
}

fn delimited(
    finder: &Finder<'_>,
    partial: &mut Partial,
    came: &mut BytesMut,
    keep: bool,
    most: u32,
) -> Result<Option<Bytes>, String> {
    let delimiter = finder.needle().len();
    if let Some(at) = finder.find(&came[partial.searched..]) {
        let end = partial.searched + at;
        check(partial.let_go + end as u64, most)?;
        let reply = match keep {
            true => came.split_to(end).freeze(),
            false => {
                came.advance(end);
                Bytes::new()
            }
        };
        came.advance(delimiter);
        return Ok(Some(reply));
    }
    // A part of the delimiter may have come.
    let searched = (came.len() + 1).saturating_sub(delimiter);
    check(partial.let_go + searched as u64, most)?;
    if keep {
        partial.searched = searched;
    } else {
        came.advance(searched);
        partial.let_go += searched as u64;
    }
    Ok(None)
}

/// The length in front, taken out where it is there.
fn length(prefix: LengthPrefix, came: &mut BytesMut) -> Result<Option<u64>, String> {
    let bytes = usize::from(prefix.bytes);
    if came.len() < bytes {
        return Ok(None);
    }
    let said = match prefix.endian {
        Endian::Big => came.get_uint(bytes),
        Endian::Little => came.get_uint_le(bytes),
    };
    if !prefix.includes_itself {
        return Ok(Some(said));
    }
    said.checked_sub(bytes as u64).map(Some).ok_or_else(|| {
        format!("a length of {said}, which does not include the {bytes} bytes that it has itself")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn prefix(bytes: u8, endian: Endian, includes_itself: bool) -> TcpReceive {
        TcpReceive::LengthPrefix(LengthPrefix {
            bytes,
            endian,
            includes_itself,
        })
    }

    /// The replies in these bytes that come in pieces of this size, and what is left.
    fn replies(
        receive: &TcpReceive,
        bytes: &[u8],
        piece: usize,
        keep: bool,
    ) -> Result<(Vec<Vec<u8>>, Vec<u8>), String> {
        let frame = Frame::new(receive)?;
        let (mut partial, mut came) = (Partial::default(), BytesMut::new());
        let mut replies = Vec::new();
        for piece in bytes.chunks(piece) {
            came.extend_from_slice(piece);
            while let Some(reply) = frame.take(&mut partial, &mut came, keep, 1000)? {
                replies.push(reply.to_vec());
            }
        }
        Ok((replies, came.to_vec()))
    }

    #[test_case(&TcpReceive::Bytes(2), b"abcde", &["ab", "cd"]; "bytes")]
    #[test_case(&TcpReceive::Until(b"\r\n".to_vec()), b"a\r\r\nb\r\n\r\nc\r", &["a\r", "b", ""]; "a delimiter of two")]
    #[test_case(&TcpReceive::Until(b"\n".to_vec()), b"a\nbc\nd", &["a", "bc"]; "lines")]
    #[test_case(&prefix(1, Endian::Big, false), b"\x01a\x00\x02bc\x03d", &["a", "", "bc"]; "a byte in front")]
    #[test_case(&prefix(2, Endian::Big, false), b"\x00\x01a\x00\x02bc", &["a", "bc"]; "big")]
    #[test_case(&prefix(4, Endian::Little, true), b"\x05\x00\x00\x00a\x04\x00\x00\x00", &["a", ""]; "little, and itself")]
    #[test_case(&TcpReceive::Regex("[0-9]+;".to_owned()), b"a1;22;x", &["a1;", "22;"]; "a match")]
    fn takes_replies_however_they_come(receive: &TcpReceive, bytes: &[u8], expected: &[&str]) {
        for piece in 1..=bytes.len() {
            let (found, _) = replies(receive, bytes, piece, true).expect("they are all right");
            let expected: Vec<_> = expected.iter().map(|it| it.as_bytes().to_vec()).collect();
            assert_eq!(found, expected, "in pieces of {piece}");
            let (counted, _) = replies(receive, bytes, piece, false).expect("they are all right");
            assert_eq!(counted.len(), expected.len(), "in pieces of {piece}");
        }
    }

    #[test_case(&TcpReceive::Until(b"\n".to_vec()), true; "a line")]
    #[test_case(&TcpReceive::Until(b"\n".to_vec()), false; "a line that is not kept")]
    #[test_case(&TcpReceive::Regex("b".to_owned()), true; "a match")]
    #[test_case(&prefix(2, Endian::Big, false), false; "a length")]
    fn a_reply_has_a_most(receive: &TcpReceive, keep: bool) {
        let problem = replies(receive, &[b'a'; 2000], 100, keep).expect_err("too long");
        assert!(problem.contains("`max_message`"), "{problem}");
    }

    #[test]
    fn a_length_includes_itself_or_is_none() {
        let problem = replies(&prefix(4, Endian::Big, true), &[0, 0, 0, 3], 4, true);
        let problem = problem.expect_err("it is shorter than itself");
        assert!(problem.starts_with("a length of 3"), "{problem}");
    }

    proptest! {
        /// Whatever comes, in whatever pieces, the same replies are found.
        #[test]
        fn pieces_change_nothing(bytes: Vec<u8>, piece in 1_usize..20, delimiter in prop::collection::vec(0_u8..3, 1..3)) {
            let bytes: Vec<u8> = bytes.into_iter().map(|it| it % 3).collect();
            for receive in [TcpReceive::Until(delimiter), TcpReceive::Bytes(3), prefix(1, Endian::Big, false)] {
                let whole = replies(&receive, &bytes, bytes.len().max(1), true);
                prop_assert_eq!(&replies(&receive, &bytes, piece, true), &whole);
                let counted = replies(&receive, &bytes, piece, false).map(|it| it.0.len());
                prop_assert_eq!(counted, whole.map(|it| it.0.len()));
            }
        }
    }
}
