//! A tonic codec that hands messages through as bytes.
//!
//! Owns the sizes of tonic's buffers for a call. Encodes and decodes nothing.

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::framing::PREFIX_LEN;

/// Messages that are ready together go out together, up to this size: HTTP/2's usual frame.
const BATCH_BYTES: usize = 16 << 10;
/// tonic allocates both buffers for each call, 8 KiB unless told.
const REPLY_BUFFER_BYTES: usize = 512;

/// The codec, for messages of a known length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytewise {
    pub(super) message_len: usize,
}

impl Codec for Bytewise {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytewiseEncoder;
    type Decoder = BytewiseDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        BytewiseEncoder {
            buffer_len: (self.message_len + PREFIX_LEN).min(BATCH_BYTES),
        }
    }

    fn decoder(&mut self) -> Self::Decoder {
        BytewiseDecoder
    }
}

#[derive(Debug)]
pub(super) struct BytewiseEncoder {
    buffer_len: usize,
}

impl Encoder for BytewiseEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.reserve(item.len());
        dst.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.buffer_len, BATCH_BYTES)
    }
}

#[derive(Debug)]
pub(super) struct BytewiseDecoder;

impl Decoder for BytewiseDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(REPLY_BUFFER_BYTES, BATCH_BYTES)
    }
}
