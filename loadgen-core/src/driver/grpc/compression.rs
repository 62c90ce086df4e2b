//! How messages are compressed on their way out.
//!
//! Owns what each way is called on the wire. What comes in is `unpacking`'s.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::expression::ExpressionError;
use crate::scenario::Compression;

/// What zstd's own tools use unless told.
const ZSTD_LEVEL: i32 = 3;

/// As `grpc-encoding` says it.
pub(super) fn name(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}

/// What we say that we read, where compression is asked for.
pub(super) fn accepted(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip,identity",
        Compression::Zstd => "zstd,identity",
    }
}

/// A message of ours, compressed while the run is under way.
///
/// # Errors
/// Why it cannot be.
pub(super) fn packed(compression: Compression, message: &[u8]) -> Result<Bytes, ExpressionError> {
    let packed = pack(compression, message);
    packed
        .map(Bytes::from)
        .map_err(|error| ExpressionError::new(format!("the message cannot be compressed: {error}")))
}

/// What was compressed into this by [`pack`].
pub(super) fn unpack(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Gzip => {
            let mut message = Vec::new();
            GzDecoder::new(packed).read_to_end(&mut message)?;
            Ok(message)
        }
        Compression::Zstd => zstd::stream::decode_all(packed),
    }
}

/// A message, compressed.
pub(super) fn pack(compression: Compression, message: &[u8]) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Gzip => {
            let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::default());
            packer.write_all(message)?;
            packer.finish()
        }
        Compression::Zstd => zstd::bulk::compress(message, ZSTD_LEVEL),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Compression::Gzip)]
    #[test_case(Compression::Zstd)]
    fn what_is_packed_is_there_again(compression: Compression) {
        for message in [&b""[..], b"a", &[7; 1 << 20]] {
            let packed = pack(compression, message).unwrap();
            assert_eq!(unpack(compression, &packed).unwrap(), message);
        }
        assert!(unpack(compression, b"no such thing").is_err());
    }
}
