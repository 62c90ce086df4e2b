//! As much of HTTP/1.1 as a GET without a body needs, one at a time on a connection.

use super::protocol::{HEAD_BYTES, Parsed, Piece, Protocol, Request, head_len};

const REPLY: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";

/// Answers whatever it is asked.
#[derive(Debug)]
pub(super) struct Http1;

impl Protocol for Http1 {
    fn parse(&mut self, unread: &[u8]) -> Result<Parsed, String> {
        let Some(bytes) = head_len(unread) else {
            return Ok(Parsed::Needs(unread.len() + HEAD_BYTES));
        };
        Ok(Parsed::Piece(Piece {
            bytes,
            serve: vec![Request {
                lane: 0,
                ends: false,
                is_end: false,
                replies: vec![REPLY.to_vec()],
            }],
            ..Piece::default()
        }))
    }
}
