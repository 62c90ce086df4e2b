//! Encoding the headers of requests (RFC 7541).
//!
//! Owns what is in the table at the server. What is in it stays: a field that does not fit any more is sent
//! as it is each time, so that a block that needed nothing new is the same the next time.

use http::Request;

use super::hpack::{FIELD_OVERHEAD, STATIC, TABLE_BYTES, put_number, put_string};

/// How the fields of a request are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Those that fit are put into the table.
    All,
    /// The table stays as it is.
    None,
}

/// A field's name and value.
type Field = (Box<[u8]>, Box<[u8]>);

/// An encoder of one connection's requests.
#[derive(Debug)]
pub(super) struct Encoder {
    /// The oldest first.
    table: Vec<Field>,
    size: usize,
    most: usize,
    /// Whether the server is to be told of another size.
    is_resized: bool,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            table: Vec::new(),
            size: 0,
            most: TABLE_BYTES,
            is_resized: false,
        }
    }

    /// The server takes a table of so many bytes (SETTINGS_HEADER_TABLE_SIZE). Whether blocks are other ones
    /// from now on.
    pub(super) fn allow(&mut self, most: usize) -> bool {
        let most = most.min(TABLE_BYTES);
        if most == self.most {
            return false;
        }
        self.most = most;
        self.begin_anew();
        self.is_resized = true;
        true
    }

    /// Empties the table, the server's with the next block.
    pub(super) fn begin_anew(&mut self) {
        self.is_resized |= !self.table.is_empty();
        self.table.clear();
        self.size = 0;
    }

    /// Encodes a request's head behind what is in `out`. Whether the same one will be the same again.
    pub(super) fn encode(&mut self, request: &Request<()>, keep: Keep, out: &mut Vec<u8>) -> bool {
        let mut is_stable = true;
        if std::mem::take(&mut self.is_resized) {
            // To nothing and back, which empties the table there, too (section 4.2).
            put_number(out, 0x20, 5, 0);
            if self.most > 0 {
                put_number(out, 0x20, 5, self.most);
            }
            is_stable = false;
        }
        let uri = request.uri();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let scheme = uri.scheme_str();
        let authority = uri.authority().map(|authority| authority.as_str());
        let pseudo = [
            (":method", Some(request.method().as_str())),
            (":scheme", scheme),
            (":authority", authority),
            (":path", Some(path)),
        ];
        for (name, value) in pseudo {
            if let Some(value) = value {
                is_stable &= self.put(name.as_bytes(), value.as_bytes(), keep, false, out);
            }
        }
        for (name, value) in request.headers() {
            let (name, is_secret) = (name.as_str().as_bytes(), value.is_sensitive());
            is_stable &= self.put(name, value.as_bytes(), keep, is_secret, out);
        }
        is_stable
    }

    /// Puts a field. Whether the table is the same after it.
    fn put(
        &mut self,
        name: &[u8],
        value: &[u8],
        keep: Keep,
        is_secret: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        if !is_secret {
            let is_it = |(n, v): &(&str, &str)| n.as_bytes() == name && v.as_bytes() == value;
            if let Some(nth) = STATIC.iter().position(is_it) {
                put_number(out, 0x80, 7, nth + 1);
                return true;
            }
            let is_it = |(n, v): &Field| **n == *name && **v == *value;
            if let Some(nth) = self.table.iter().position(is_it) {
                put_number(out, 0x80, 7, STATIC.len() + self.table.len() - nth);
                return true;
            }
        }
        let size = name.len() + value.len() + FIELD_OVERHEAD;
        let is_kept = keep == Keep::All && !is_secret && self.size + size <= self.most;
        let (before, prefix) = match (is_kept, is_secret) {
            (true, _) => (0x40, 6),
            // Never indexed (section 6.2.3).
            (false, true) => (0x10, 4),
            (false, false) => (0, 4),
        };
        match STATIC.iter().position(|(n, _)| n.as_bytes() == name) {
            Some(nth) => put_number(out, before, prefix, nth + 1),
            None => {
                put_number(out, before, prefix, 0);
                put_string(out, name);
            }
        }
        put_string(out, value);
        if is_kept {
            self.size += size;
            self.table.push((name.into(), value.into()));
        }
        !is_kept
    }
}
