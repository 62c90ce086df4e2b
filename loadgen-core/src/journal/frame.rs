//! The form of a journal's file: a line that says what it is, then frames, each with its length and a
//! checksum.
//!
//! Whoever is killed while it writes leaves the beginning of a frame. What is before that is whole, and
//! all that is read.

use std::io;

use flate2::Crc;

/// The first bytes of every journal; the number changes with the form of what follows.
pub(super) const MAGIC: &[u8] = b"loadgen.journal/1\n";
/// The length of what is checked, and its checksum.
const HEADER: usize = 8;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// What no measurement tells, as JSON; the first frame, and once only.
    Context = b'c',
    /// What was recorded up to a second.
    Entry = b'e',
    /// The result document as JSON, once the run is over.
    Document = b'd',
    /// The whole record, as it is at the end of a run.
    Record = b'r',
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let all = [Self::Context, Self::Entry, Self::Document, Self::Record];
        all.into_iter().find(|it| *it as u8 == byte)
    }
}

/// Makes a frame in a buffer; `fill` appends its content.
///
/// # Errors
/// What `fill` says, or that the content is longer than can be said.
pub(super) fn make(
    buffer: &mut Vec<u8>,
    kind: Kind,
    fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    buffer.clear();
    buffer.extend([0; HEADER]);
    buffer.push(kind as u8);
    fill(buffer)?;
    let (header, checked) = buffer.split_at_mut(HEADER);
    let length = u32::try_from(checked.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&sum(checked).to_le_bytes());
    Ok(())
}

/// A frame of this content.
///
/// # Errors
/// That it is longer than can be said.
pub(super) fn of(kind: Kind, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(HEADER + 1 + content.len());
    make(&mut buffer, kind, |it| {
        it.extend(content);
        Ok(())
    })?;
    Ok(buffer)
}

/// Takes a whole frame off the front; `None` where there is none.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<(Kind, &'a [u8])> {
    let (length, after) = rest.split_first_chunk()?;
    let (expected, after) = after.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (checked, after) = after.split_at_checked(length)?;
    if sum(checked) != u32::from_le_bytes(*expected) {
        return None;
    }
    let (kind, content) = checked.split_first()?;
    let kind = Kind::of(*kind)?;
    *rest = after;
    Some((kind, content))
}

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(bytes: &[u8]) -> Vec<(Kind, Vec<u8>)> {
        let mut rest = bytes;
        std::iter::from_fn(|| take(&mut rest))
            .map(|(kind, content)| (kind, content.to_vec()))
            .collect()
    }

    fn two() -> Vec<u8> {
        let mut bytes = of(Kind::Context, b"{}").unwrap();
        bytes.extend(of(Kind::Entry, b"first").unwrap());
        bytes
    }

    /// However much of a frame was written when the process was killed.
    #[test]
    fn what_is_before_a_frame_that_is_cut_off_is_read() {
        let whole = two();
        let mut longer = whole.clone();
        longer.extend(of(Kind::Entry, b"second").unwrap());
        for length in whole.len()..longer.len() {
            assert_eq!(frames(&longer[..length]), frames(&whole), "{length}");
        }
        assert_eq!(frames(&longer).len(), 3);
    }

    #[test]
    fn a_bit_that_is_another_is_noticed() {
        let whole = two();
        let first = of(Kind::Context, b"{}").unwrap().len();
        for byte in first..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[byte] ^= 1;
            assert_eq!(frames(&spoilt).len(), 1, "{byte}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            frames(&bytes);
        }
    }
}
