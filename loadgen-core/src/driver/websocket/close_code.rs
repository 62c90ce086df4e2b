//! The code with which the server really closed.
//!
//! The library puts 1002 in the place of a code that it does not know or that may not be sent, and
//! says nothing of the one that came. So the frames are followed here, on their way to it, as far as
//! it takes to find a close and its code. Judges nothing else: that is the library's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::driver::net::Transport;

/// Whether a server may close with this code (RFC 6455, 7.4, and what IANA has registered since).
pub(super) fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A transport on which the frames that come are followed.
#[derive(Debug)]
pub(super) struct Followed {
    transport: Transport,
    frames: Frames,
}

impl Followed {
    /// `came` was read already and goes before what the transport has.
    pub(super) fn new(transport: Transport, came: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.follow(came);
        Self { transport, frames }
    }

    /// The code of the close that came, if one came that has a code.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.frames.close_code
    }
}

impl AsyncRead for Followed {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.transport).poll_read(cx, buf))?;
        this.frames.follow(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Followed {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}

/// The longest header of a frame that a server sends; it has no mask (RFC 6455, 5.2).
const MOST_HEADER_BYTES: usize = 10;
const CLOSE: u8 = 0x8;

/// Where in a sequence of frames a reader is.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; MOST_HEADER_BYTES],
    /// How much of the header is there.
    have: usize,
    /// What is to come of a payload.
    left: u64,
    /// The first byte of a close's code, when the second is to come.
    half_a_code: Option<u8>,
    close_code: Option<u16>,
    /// Nothing that comes is looked at any more: a close came, or what is no frame of a server's.
    is_over: bool,
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !self.is_over && !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.read_header(bytes);
            } else if self.is_close() {
                self.read_code(bytes[0]);
                bytes = &bytes[1..];
            } else {
                let skipped =
                    usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
            }
        }
    }

    /// What is left of `bytes` after those of a header.
    fn read_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let len = if self.have < 2 { 2 } else { self.header_len() };
        let taken = (len - self.have).min(bytes.len());
        let (of_header, rest) = bytes.split_at(taken);
        self.header[self.have..][..taken].copy_from_slice(of_header);
        self.have += taken;
        if self.have >= 2 && self.have == self.header_len() {
            self.have = 0;
            self.left = self.payload_len();
            let is_masked = self.header[1] & 0x80 != 0;
            self.is_over = is_masked || (self.is_close() && self.left < 2);
        }
        rest
    }

    fn read_code(&mut self, byte: u8) {
        match self.half_a_code {
            None => self.half_a_code = Some(byte),
            Some(first) => {
                self.close_code = Some(u16::from_be_bytes([first, byte]));
                self.is_over = true;
            }
        }
    }

    fn is_close(&self) -> bool {
        self.header[0] & 0x0f == CLOSE
    }

    fn header_len(&self) -> usize {
        match self.header[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn payload_len(&self) -> u64 {
        let [_, short, long @ ..] = self.header;
        match short & 0x7f {
            126 => u64::from(u16::from_be_bytes([long[0], long[1]])),
            127 => u64::from_be_bytes(long),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// What a server may say before it closes: messages of every form of length, and pings.
    fn messages() -> Vec<u8> {
        let mut bytes = vec![0x81, 1, b'x', 0x89, 0, 0x01, 0, 0x80, 2, 0x88, 2];
        bytes.extend([0x82, 126, 1, 44]);
        bytes.extend([0x88; 300]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        bytes.extend([0x88; 70_000]);
        bytes
    }

    #[test_case(&[0x88, 2, 0x03, 0xed] => Some(1005))]
    #[test_case(&[0x88, 6, 0x03, 0xf3, b'b', b'u', b's', b'y'] => Some(1011); "with a reason")]
    #[test_case(&[0x88, 2, 0, 0] => Some(0); "zero")]
    #[test_case(&[0x88, 2, 0x03, 0xf6, 0x88, 2, 0, 0] => Some(1014); "the first one counts")]
    #[test_case(&[0x88, 0] => None; "without a code")]
    #[test_case(&[0x88, 1, 3] => None; "half a code")]
    #[test_case(&[0x88, 0x82, 1, 2, 3, 4, 5, 6] => None; "masked")]
    #[test_case(&[0x88, 2, 3] => None; "not yet")]
    fn finds_the_code_however_it_is_cut(close: &[u8]) -> Option<u16> {
        let all = [&messages(), close].concat();
        let mut at_once = Frames::default();
        at_once.follow(&all);
        for piece in [1, 2, 3, 7, 4096] {
            let mut in_pieces = Frames::default();
            all.chunks(piece).for_each(|piece| in_pieces.follow(piece));
            assert_eq!(in_pieces.close_code, at_once.close_code, "{piece}");
        }
        at_once.close_code
    }
}
