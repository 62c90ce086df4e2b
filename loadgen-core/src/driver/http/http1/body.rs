//! Where the body of an answer ends, and which of the bytes that come are its own.

use http::HeaderMap;

use super::head::{self, Extent};
use super::{MOST_BETWEEN_CHUNKS, MOST_TRAILERS, Wrong};

/// A body on its way in.
#[derive(Debug)]
pub(in crate::driver::http) struct Body(Form);

#[derive(Debug)]
enum Form {
    /// So many bytes are still to come.
    Bytes(u64),
    Chunks(Chunks),
    UntilTheEnd,
    Over,
}

/// What of some bytes is a body's.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    /// So many bytes are not, at the beginning.
    pub(super) skipped: usize,
    /// So many behind them are. None: more has to come, or it is over.
    pub(super) data: usize,
    /// The fields behind the last chunk.
    pub(super) trailers: Option<HeaderMap>,
}

impl Body {
    /// The body that goes so far.
    ///
    /// # Errors
    /// [`Wrong::Coding`] where it comes in a form that is not read.
    #[inline]
    pub(in crate::driver::http) fn new(extent: Extent) -> Result<Self, Wrong> {
        Ok(Self(match extent {
            Extent::Bytes(0) => Form::Over,
            Extent::Bytes(length) => Form::Bytes(length),
            Extent::Chunks => Form::Chunks(Chunks::default()),
            Extent::UntilTheEnd => Form::UntilTheEnd,
            Extent::Coded(codings) => return Err(Wrong::Coding(codings)),
        }))
    }

    /// Whether nothing more comes.
    #[inline]
    pub(in crate::driver::http) fn is_over(&self) -> bool {
        matches!(self.0, Form::Over)
    }

    /// The connection has ended; whether that is the body's end, too.
    pub(in crate::driver::http) fn ends_with_connection(&mut self) -> bool {
        if matches!(self.0, Form::UntilTheEnd) {
            self.0 = Form::Over;
        }
        self.is_over()
    }

    /// The next piece of it in these bytes.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Piece, Wrong> {
        match &mut self.0 {
            Form::Over => Ok(Piece::default()),
            Form::UntilTheEnd => Ok(Piece {
                data: bytes.len(),
                ..Piece::default()
            }),
            Form::Bytes(left) => {
                let data = upto(*left, bytes);
                *left -= data as u64;
                if *left == 0 {
                    self.0 = Form::Over;
                }
                Ok(Piece {
                    data,
                    ..Piece::default()
                })
            }
            Form::Chunks(chunks) => {
                let (piece, is_over) = chunks.next(bytes)?;
                if is_over {
                    self.0 = Form::Over;
                }
                Ok(piece)
            }
        }
    }
}

/// How many of these bytes are among the next `left`.
#[inline]
fn upto(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

/// A body in chunks (RFC 9112, 7.1). Lines end with CR and LF, and with nothing else: what takes half of that
/// for an end can be made to read something that others do not.
#[derive(Debug, Default)]
struct Chunks {
    at: At,
    /// What is left of the chunk; while its size is read, what of that is known.
    left: u64,
    /// How many bytes told nothing since the last chunk with data began.
    idle: u32,
    /// The fields behind the last chunk as they come.
    trailers: Vec<u8>,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The first digit of a size.
    #[default]
    Start,
    /// A further digit, or what ends the size.
    Size,
    /// Blanks behind a size, where no digit may follow.
    Blanks,
    /// An extension, which nobody has agreed on.
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The first byte of a line behind the last chunk.
    Line,
    /// Another one of it.
    Field,
    FieldLf,
    EndLf,
}

impl Chunks {
    /// The next piece, and whether it is the last.
    fn next(&mut self, bytes: &[u8]) -> Result<(Piece, bool), Wrong> {
        let mut skipped = 0;
        while let Some(&byte) = bytes.get(skipped) {
            if self.at == At::Data {
                let data = upto(self.left, &bytes[skipped..]);
                self.left -= data as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                let piece = Piece {
                    skipped,
                    data,
                    trailers: None,
                };
                return Ok((piece, false));
            }
            skipped += 1;
            if self.pass(byte)? {
                let trailers = match self.trailers.is_empty() {
                    true => None,
                    false => {
                        self.trailers.extend_from_slice(b"\r\n");
                        Some(head::trailers(&self.trailers)?)
                    }
                };
                let piece = Piece {
                    skipped,
                    data: 0,
                    trailers,
                };
                return Ok((piece, true));
            }
        }
        let piece = Piece {
            skipped,
            ..Piece::default()
        };
        Ok((piece, false))
    }

    /// Passes a byte that is no data; whether it is the last.
    fn pass(&mut self, byte: u8) -> Result<bool, Wrong> {
        let wrong = |what| Err(Wrong::Chunk(what));
        self.at = match (self.at, byte) {
            (At::Start | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(byte)?;
                At::Size
            }
            (At::Start, _) => return wrong("a chunk has no size"),
            (At::Size | At::Blanks | At::Extension, b'\r') => At::SizeLf,
            (At::Size | At::Blanks, b'\t' | b' ') => {
                self.tells_nothing()?;
                At::Blanks
            }
            (At::Size | At::Blanks, b';') => At::Extension,
            (At::Size | At::Blanks, _) => return wrong("a chunk's size is no number"),
            (At::Extension, b'\n') => {
                return wrong("a chunk's extension has the end of a line in it");
            }
            (At::Extension, _) => {
                self.tells_nothing()?;
                At::Extension
            }
            (At::SizeLf, b'\n') if self.left == 0 => At::Line,
            (At::SizeLf, b'\n') => {
                self.idle = 0;
                At::Data
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Start,
            (At::Line, b'\r') => At::EndLf,
            (At::EndLf, b'\n') => return Ok(true),
            (At::Field, b'\r') => At::FieldLf,
            (At::FieldLf, b'\n') => {
                self.trailers.extend_from_slice(b"\r\n");
                At::Line
            }
            (At::Line | At::Field, b'\n') => {
                return Err(Wrong::Trailers(httparse::Error::NewLine));
            }
            (At::SizeLf | At::DataCr | At::DataLf | At::EndLf | At::FieldLf, _) => {
                return wrong(
                    "a chunk, or a line between two, ends with something else than CR and LF",
                );
            }
            (At::Line | At::Field, _) => {
                if self.trailers.len() >= MOST_TRAILERS {
                    return Err(Wrong::LongTrailers);
                }
                self.trailers.push(byte);
                At::Field
            }
            // Is taken as a whole, not byte by byte.
            (At::Data, _) => At::Data,
        };
        Ok(false)
    }

    fn digit(&mut self, digit: u8) -> Result<(), Wrong> {
        let value = char::from(digit).to_digit(16).unwrap_or_default();
        let sum = self.left.checked_mul(16);
        let sum = sum.and_then(|sum| sum.checked_add(value.into()));
        self.left = sum.ok_or(Wrong::Chunk("a chunk is longer than anything"))?;
        match self.left {
            0 => self.tells_nothing(),
            _ => Ok(()),
        }
    }

    fn tells_nothing(&mut self) -> Result<(), Wrong> {
        self.idle += 1;
        match self.idle > MOST_BETWEEN_CHUNKS {
            true => Err(Wrong::Chunk(
                "there are more than 16384 bytes of extensions, blanks and zeros between two chunks",
            )),
            false => Ok(()),
        }
    }
}
