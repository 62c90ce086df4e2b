//! A request in the form in which it is sent.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;

use super::super::request::Filled;

/// Up to so many bytes of a body are sent together with the head, in one system call; to copy more costs
/// more than another call.
const JOINED: usize = 16 * 1024;

/// A request in the form in which it is sent.
#[derive(Debug, Default)]
pub(in crate::driver::http) struct Written {
    /// The head, and the body behind it where that is short.
    joined: Vec<u8>,
    /// The body where it is long.
    rest: Bytes,
}

impl Written {
    pub(in crate::driver::http) fn new(request: &Filled) -> Self {
        let mut this = Self::default();
        this.write(request);
        this
    }

    /// Writes this request in place of the last one (RFC 9112, 3 and 6).
    pub(in crate::driver::http) fn write(&mut self, request: &Filled) {
        let Filled {
            method,
            uri,
            headers,
            body,
        } = request;
        let out = &mut self.joined;
        out.clear();
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        for part in [method.as_str(), " ", path, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        for (name, value) in headers {
            field(out, name.as_str(), value.as_bytes());
        }
        if !body.is_empty() {
            let length = body.len().to_string();
            field(out, CONTENT_LENGTH.as_str(), length.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if body.len() <= JOINED {
            out.extend_from_slice(body);
            self.rest = Bytes::new();
        } else {
            // Counts a reference; the bytes are shared.
            self.rest = body.clone();
        }
    }

    /// Takes this request in place of the last one. The memory is kept.
    #[inline]
    pub(in crate::driver::http) fn copy(&mut self, other: &Self) {
        self.joined.clear();
        self.joined.extend_from_slice(&other.joined);
        self.rest = other.rest.clone();
    }

    /// Nothing is left to be sent. What it is written in stays for the next one; a long body, which is not
    /// its own, does not.
    #[inline]
    pub(in crate::driver::http) fn clear(&mut self) {
        self.joined.clear();
        self.rest = Bytes::new();
    }

    /// What of it is to be sent when so many bytes have been; nothing at its end.
    #[inline]
    pub(in crate::driver::http) fn unsent(&self, sent: usize) -> &[u8] {
        match sent.checked_sub(self.joined.len()) {
            None => &self.joined[sent..],
            Some(sent) => &self.rest[sent..],
        }
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
