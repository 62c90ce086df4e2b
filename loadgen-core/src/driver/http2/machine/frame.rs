//! Frames as they are on the wire (RFC 9113, sections 4.1 and 6).

use super::fault::Fault;

/// What a client sends before its first frame (section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(super) const HAS_PRIORITY: u8 = 0x20;

pub(crate) const HEADER_LEN: usize = 9;
/// The longest payload as long as nobody allows more (section 4.2).
pub(super) const MOST_PAYLOAD: usize = 16_384;
/// The most that may ever be allowed.
pub(super) const MOST_PAYLOAD_EVER: u32 = (1 << 24) - 1;
/// The largest window, and stream number (sections 6.9.1 and 5.1.1).
pub(super) const MOST_31: u32 = (1 << 31) - 1;
/// The window of connections and streams as long as nobody says otherwise (section 6.9.2).
pub(super) const WINDOW: u32 = 65_535;

/// Error codes (section 7).
pub(super) const NO_ERROR: u32 = 0;
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const STREAM_CLOSED: u32 = 5;
pub(super) const FRAME_SIZE_ERROR: u32 = 6;
pub(super) const CANCEL: u32 = 8;
pub(super) const COMPRESSION_ERROR: u32 = 9;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// What is in front of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Header {
    /// The header that these bytes begin with; `None` where it is not whole.
    #[inline]
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, d, e, f, g, ..] = *bytes else {
            return None;
        };
        Some(Self {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & MOST_31,
        })
    }

    #[inline]
    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Puts a frame's header. Its payload is to follow, and is no longer than frames may be.
#[inline]
pub(crate) fn put_header(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

/// Puts a frame whose payload is one number: RST_STREAM or WINDOW_UPDATE.
pub(super) fn put_number(out: &mut Vec<u8>, kind: u8, stream: u32, number: u32) {
    put_header(out, 4, kind, 0, stream);
    out.extend_from_slice(&number.to_be_bytes());
}

/// The number in a payload of four bytes.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

/// A payload without its padding.
///
/// # Errors
/// Where that is longer than the payload, the connection's (sections 6.1 and 6.2).
#[inline]
pub(super) fn unpadded(header: Header, payload: &[u8]) -> Result<&[u8], Fault> {
    if !header.has(PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload
        .split_first()
        .ok_or(Fault::of_connection(FRAME_SIZE_ERROR))?;
    let len = rest.len().checked_sub(usize::from(padding));
    len.map(|len| &rest[..len])
        .ok_or(Fault::of_connection(PROTOCOL_ERROR))
}
