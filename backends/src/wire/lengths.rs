//! Requests over HTTP/1.1 that say twice how long they are.
//!
//! Owns finding them: a `Content-Length` and a `Transfer-Encoding` in one head. hyper goes by the
//! latter and drops the former before anybody sees it, so this looks at what is read. Two servers in
//! a row that go by one each do not agree on where the next request begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CONTENT_LENGTH: &[u8] = b"content-length:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// Sees all that is read from a connection, and whoever is asked by it.
pub(crate) fn watch() -> (Lengths, Conflict) {
    let conflict = Conflict(Arc::default());
    let lengths = Lengths {
        begin: [0; TRANSFER_ENCODING.len()],
        begun: 0,
        content_length: false,
        transfer_encoding: false,
        conflict: conflict.clone(),
    };
    (lengths, conflict)
}

/// Whether there was a conflict.
#[derive(Debug, Clone)]
pub(crate) struct Conflict(Arc<AtomicBool>);

impl Conflict {
    /// Whether a request that has a `Transfer-Encoding` may have come with another length, too. A body
    /// with such lines in front of a head may look the same, and then is as suspicious.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Looks at lines, wherever a read ends.
#[derive(Debug)]
pub(crate) struct Lengths {
    /// What the line begins with that is not over yet, as far as it matters.
    begin: [u8; TRANSFER_ENCODING.len()],
    begun: usize,
    /// Since the last empty line.
    content_length: bool,
    transfer_encoding: bool,
    conflict: Conflict,
}

impl Lengths {
    /// Sees what was read next.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            if self.begun == 0 {
                self.line(line);
            } else {
                self.remember(line);
                let (begin, begun) = (self.begin, self.begun);
                self.line(&begin[..begun]);
                self.begun = 0;
            }
            bytes = &rest[1..];
        }
        self.remember(bytes);
    }

    fn remember(&mut self, bytes: &[u8]) {
        let room = &mut self.begin[self.begun..];
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.begun += length;
    }

    fn line(&mut self, line: &[u8]) {
        match line.first() {
            None | Some(b'\r') => {
                if self.content_length && self.transfer_encoding {
                    self.conflict.0.store(true, Ordering::Relaxed);
                }
                (self.content_length, self.transfer_encoding) = (false, false);
            }
            Some(b'c' | b'C') => self.content_length |= begins(line, CONTENT_LENGTH),
            Some(b't' | b'T') => self.transfer_encoding |= begins(line, TRANSFER_ENCODING),
            Some(_) => {}
        }
    }
}

fn begins(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" => true; "length first")]
    #[test_case("POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\na: b\r\ncontent-length:3\r\n\r\n" => true; "encoding first")]
    #[test_case("POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n" => true; "bare line feeds")]
    #[test_case("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n" => false; "in two heads")]
    #[test_case("POST / HTTP/1.1\r\nX-Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" => false; "another name")]
    #[test_case("POST / HTTP/1.1\r\nA: Content-Length:\r\nTransfer-Encoding: chunked\r\n\r\n" => false; "in a value")]
    fn conflicts(read: &str) -> bool {
        let (mut lengths, conflict) = watch();
        lengths.see(read.as_bytes());
        for size in 1..read.len() {
            let (mut lengths, in_parts) = watch();
            for part in read.as_bytes().chunks(size) {
                lengths.see(part);
            }
            assert_eq!(in_parts.is_there(), conflict.is_there(), "{size}");
        }
        conflict.is_there()
    }
}
