//! Messages that a server compressed, asked or not.
//!
//! Owns unpacking them piece by piece, to know that it can be done and how long they get. Keeps
//! nothing of them.

use std::fmt;
use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::framing::{FramingProblem, Keep};

/// A message that is compressed with gzip, on its way in.
pub(super) struct Unpacking {
    unpacker: GzDecoder<Unpacked>,
    packed: u32,
}

impl Unpacking {
    pub(super) fn new(packed: u32, most: u32) -> Box<Self> {
        Box::new(Self {
            unpacker: GzDecoder::new(Unpacked {
                most,
                room: most,
                is_too_long: false,
                bytes: Vec::new(),
            }),
            packed,
        })
    }

    pub(super) fn push(
        &mut self,
        mut piece: &[u8],
        kept: &mut impl Keep,
    ) -> Result<(), FramingProblem> {
        while !piece.is_empty() {
            let written = self.unpacker.write(piece);
            let taken = self.hand_on(written, kept)?;
            if taken == 0 {
                return Err(FramingProblem::NotGzip("something follows it".to_owned()));
            }
            piece = &piece[taken..];
        }
        Ok(())
    }

    pub(super) fn end(mut self: Box<Self>, kept: &mut impl Keep) -> Result<(), FramingProblem> {
        let finished = self.unpacker.try_finish();
        self.hand_on(finished, kept)
    }

    fn hand_on<T>(
        &mut self,
        result: io::Result<T>,
        kept: &mut impl Keep,
    ) -> Result<T, FramingProblem> {
        let unpacked = self.unpacker.get_mut();
        kept.piece(&unpacked.bytes);
        unpacked.bytes.clear();
        result.map_err(|error| match unpacked.is_too_long {
            true => FramingProblem::UnpacksTooLong {
                packed: self.packed,
                most: unpacked.most,
            },
            false => FramingProblem::NotGzip(error.to_string()),
        })
    }
}

impl fmt::Debug for Unpacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacking")
            .field("packed", &self.packed)
            .finish_non_exhaustive()
    }
}

/// Where the unpacked bytes of one step go.
struct Unpacked {
    most: u32,
    /// How many more bytes the message may have.
    room: u32,
    is_too_long: bool,
    bytes: Vec<u8>,
}

impl Write for Unpacked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = u32::try_from(bytes.len())
            .ok()
            .and_then(|len| self.room.checked_sub(len));
        let Some(left) = left else {
            self.is_too_long = true;
            return Err(io::Error::other("too long"));
        };
        self.room = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
