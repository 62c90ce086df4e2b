//! Messages that a server compressed, asked or not.
//!
//! Owns unpacking them piece by piece, to know that it can be done and how long they get. Keeps
//! nothing of them.

use std::fmt;
use std::io::{self, Write};

use flate2::write::GzDecoder;
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::framing::{FramingProblem, Keep};
use crate::scenario::Compression;

/// A message that is compressed, on its way in.
pub(super) struct Unpacking {
    unpacker: Unpacker,
    packed: u32,
    most: u32,
}

enum Unpacker {
    Gzip(Box<GzDecoder<Unpacked>>),
    Zstd(Box<Zstd>),
}

impl Unpacking {
    pub(super) fn new(
        compression: Compression,
        packed: u32,
        most: u32,
    ) -> Result<Box<Self>, FramingProblem> {
        let unpacked = Unpacked {
            room: most,
            is_too_long: false,
            bytes: Vec::new(),
        };
        let unpacker = match compression {
            Compression::Gzip => Unpacker::Gzip(Box::new(GzDecoder::new(unpacked))),
            Compression::Zstd => {
                let zstd = Zstd::new(unpacked, most);
                Unpacker::Zstd(Box::new(zstd.map_err(|error| {
                    FramingProblem::NotPacked("zstd", error.to_string())
                })?))
            }
        };
        Ok(Box::new(Self {
            unpacker,
            packed,
            most,
        }))
    }

    pub(super) fn push(
        &mut self,
        mut piece: &[u8],
        kept: &mut impl Keep,
    ) -> Result<(), FramingProblem> {
        while !piece.is_empty() {
            let written = match &mut self.unpacker {
                Unpacker::Gzip(gzip) => gzip.write(piece),
                Unpacker::Zstd(zstd) => zstd.write(piece),
            };
            let (taken, has_more) = self.hand_on(written, kept)?;
            if taken == 0 && !has_more {
                let problem = "something follows it".to_owned();
                return Err(FramingProblem::NotPacked(self.name(), problem));
            }
            piece = &piece[taken..];
        }
        Ok(())
    }

    pub(super) fn end(mut self, kept: &mut impl Keep) -> Result<(), FramingProblem> {
        loop {
            let finished = match &mut self.unpacker {
                Unpacker::Gzip(gzip) => gzip.try_finish().map(|()| true),
                Unpacker::Zstd(zstd) => zstd.finish(),
            };
            if self.hand_on(finished, kept)?.0 {
                return Ok(());
            }
        }
    }

    fn name(&self) -> &'static str {
        match self.unpacker {
            Unpacker::Gzip(_) => "gzip",
            Unpacker::Zstd(_) => "zstd",
        }
    }

    /// Hands on what a step has unpacked. Whether there was any.
    fn hand_on<T>(
        &mut self,
        result: io::Result<T>,
        kept: &mut impl Keep,
    ) -> Result<(T, bool), FramingProblem> {
        let name = self.name();
        let unpacked = match &mut self.unpacker {
            Unpacker::Gzip(gzip) => gzip.get_mut(),
            Unpacker::Zstd(zstd) => &mut zstd.unpacked,
        };
        kept.piece(&unpacked.bytes);
        let any = !unpacked.bytes.is_empty();
        unpacked.bytes.clear();
        let result = result.map_err(|error| match unpacked.is_too_long {
            true => FramingProblem::UnpacksTooLong {
                packed: self.packed,
                most: self.most,
            },
            false => FramingProblem::NotPacked(name, error.to_string()),
        });
        Ok((result?, any))
    }
}

impl fmt::Debug for Unpacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacking")
            .field("packed", &self.packed)
            .finish_non_exhaustive()
    }
}

/// One or more frames of zstd.
struct Zstd {
    decoder: Decoder<'static>,
    /// Whether what came until now ends with a frame.
    is_whole: bool,
    unpacked: Unpacked,
}

/// The window that any packer may ask for, as a power of two: 8 MiB, which RFC 8878 has decoders
/// support.
const LEAST_WINDOW_LOG: u32 = 23;
/// The most that the library takes by itself: 128 MiB.
const MOST_WINDOW_LOG: u32 = 27;

/// What is unpacked at a time.
const STEP_BYTES: usize = 16 << 10;

impl Zstd {
    fn new(unpacked: Unpacked, most: u32) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        // What is kept of a message is its window, however short the message is.
        let window = most
            .checked_next_power_of_two()
            .map_or(32, u32::trailing_zeros);
        let window = window.clamp(LEAST_WINDOW_LOG, MOST_WINDOW_LOG);
        decoder.set_parameter(DParameter::WindowLogMax(window))?;
        Ok(Self {
            decoder,
            is_whole: false,
            unpacked,
        })
    }

    /// Takes some of a piece, or makes something of what it has.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut step = [0; STEP_BYTES];
        let status = self.decoder.run_on_buffers(piece, &mut step)?;
        self.is_whole = status.remaining == 0;
        self.unpacked.write_all(&step[..status.bytes_written])?;
        Ok(status.bytes_read)
    }

    /// Nothing more comes. Whether nothing is left to be made of what came.
    fn finish(&mut self) -> io::Result<bool> {
        if self.is_whole {
            return Ok(true);
        }
        let before = self.unpacked.room;
        self.write(&[])?;
        if !self.is_whole && self.unpacked.room == before {
            let problem = "its end is missing";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        Ok(self.is_whole)
    }
}

/// Where the unpacked bytes of one step go.
struct Unpacked {
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
