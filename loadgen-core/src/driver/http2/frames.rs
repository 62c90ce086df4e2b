//! Where frames begin and end in bytes that pass.
//!
//! Owns the reading of frame headers (RFC 9113, section 4.1). Changes nothing that passes, and does not
//! look into payloads.

pub(super) use super::machine::frame::{DATA, END_STREAM, HEADERS, RST_STREAM};
use super::machine::frame::{HEADER_LEN, Header, PADDED, PREFACE};

pub(super) const PREFACE_LEN: u32 = PREFACE.len() as u32;

/// A frame that has passed whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    len: u32,
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    /// How much of its payload is padding, the byte that says so included.
    padding: u32,
}

impl Frame {
    pub(super) fn is_of_message(self) -> bool {
        matches!(self.kind, DATA | HEADERS)
    }

    /// Whether nothing of the stream follows. A header block that goes on in further frames ends
    /// with those, which a sender must not take apart; they came at the same time or a read later.
    pub(super) fn ends_stream(self) -> bool {
        self.is_of_message() && self.flags & END_STREAM != 0
    }

    pub(super) fn data_len(self) -> u32 {
        self.len.saturating_sub(self.padding)
    }

    fn is_padded_data(self) -> bool {
        self.kind == DATA && self.flags & PADDED != 0
    }
}

/// Finds frames in bytes that come in pieces of any size.
#[derive(Debug)]
pub(super) struct Scanner {
    header: [u8; HEADER_LEN],
    have: usize,
    frame: Frame,
    /// Bytes to come before the next header.
    left: u32,
    /// Whether those are a frame's, rather than of what comes before the first.
    is_frame: bool,
}

impl Scanner {
    pub(super) fn skipping(left: u32) -> Self {
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
    pub(super) fn scan(&mut self, mut bytes: &[u8], mut whole: impl FnMut(Frame)) {
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
    pub(super) fn is_amid_frame(&self) -> bool {
        self.have > 0
    }

    /// The header is whole.
    fn begin(&mut self) {
        let Some(header) = Header::of(&self.header) else {
            return;
        };
        let len = header.len as u32;
        self.frame = Frame {
            len,
            kind: header.kind,
            flags: header.flags,
            stream: header.stream,
            padding: 0,
        };
        self.left = len;
        self.is_frame = true;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::machine::frame::put_header;
    use super::*;

    pub(in super::super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_header(&mut bytes, payload.len(), kind, flags, stream);
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
    fn a_preface_is_no_frame() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        let frames = scanned(&mut Scanner::skipping(PREFACE_LEN), &[&bytes]);
        assert_eq!((frames.len(), frames[0].kind), (1, 4));
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
