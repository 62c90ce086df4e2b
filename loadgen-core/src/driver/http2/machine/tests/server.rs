//! Whatever a server may send, made up from a seed.

use fastrand::Rng;

use super::super::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY, HEADERS, PADDED, PING,
    RST_STREAM, WINDOW_UPDATE,
};
use super::super::hpack::{STATIC, put_number, put_string};
use super::script::{frame, settings};

/// A server that mostly answers well. See the module's header.
pub(super) struct Server {
    rng: Rng,
    /// What is in its table, the oldest first, and never more than that holds.
    table: Vec<(String, String)>,
    bytes: Vec<u8>,
    /// Whether its heads may say what HTTP/2 does not allow, depend on others, and go on in further frames.
    pub(super) is_odd: bool,
}

/// What is not allowed in a head.
const ODD: (&str, &str) = ("connection", "close");

impl Server {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            table: Vec::new(),
            bytes: Vec::new(),
            is_odd: true,
        }
    }

    fn once_in(&mut self, times: u32) -> bool {
        self.rng.u32(0..times) == 0
    }

    /// Its first settings.
    pub(super) fn begins(&mut self) -> Vec<u8> {
        let all = [
            (1, [0, 100, 4096, 65_536][self.rng.usize(0..4)]),
            (3, [2, 4, 100][self.rng.usize(0..3)]),
            (4, [0, 50, 65_535][self.rng.usize(0..3)]),
            (5, 16_384),
            (99, 7),
        ];
        let some: Vec<_> = all.into_iter().filter(|_| self.rng.bool()).collect();
        settings(&some)
    }

    /// Answers on the first streams, in some order, with all that may stand between.
    pub(super) fn answers(&mut self, streams: u32) -> Vec<u8> {
        let mut parts: Vec<(u32, u32)> = (0..streams).map(|nth| (2 * nth + 1, 0)).collect();
        while !parts.is_empty() {
            let nth = self.rng.usize(0..parts.len());
            let (id, part) = parts[nth];
            if self.once_in(6) {
                self.says_something_else(id);
            }
            match self.part(id, part) {
                true => drop(parts.remove(nth)),
                false => parts[nth].1 += 1,
            }
        }
        std::mem::take(&mut self.bytes)
    }

    /// The next part of an answer; whether it is the last.
    fn part(&mut self, id: u32, part: u32) -> bool {
        if self.once_in(40) {
            let code = self.rng.u8(0..15);
            self.bytes
                .extend(frame(RST_STREAM, 0, id, &[0, 0, 0, code]));
            return true;
        }
        match part {
            0 => {
                if self.once_in(10) {
                    self.headers(id, false, &[(":status", "103"), ("link", "</a>")]);
                }
                let is_all = self.once_in(8);
                let status = ["200", "200", "200", "503", "204"][self.rng.usize(0..5)];
                let mut fields = vec![(":status", status), ("content-type", "application/grpc")];
                let number = self.rng.u32(0..40).to_string();
                let extras = [
                    ("x-n", number.as_str()),
                    ("content-length", "10"),
                    ("x-loadgen-backend", "one"),
                    ("grpc-status", "12"),
                    ODD,
                    ("x-long", "0123456789012345678901234567890123456789"),
                ];
                fields.extend(extras.into_iter().filter(|_| self.rng.u32(0..5) == 0));
                let is_odd = self.is_odd && self.once_in(8);
                if self.once_in(60) {
                    fields.remove(0);
                }
                fields.retain(|it| is_odd || *it != ODD);
                self.headers(id, is_all, &fields);
                is_all
            }
            1 => {
                let body = b"\0\0\0\0\x05hello";
                let cut = self.rng.usize(0..=body.len());
                self.data(id, false, &body[..cut]);
                let is_all = self.once_in(12);
                self.data(id, is_all, &body[cut..]);
                is_all
            }
            _ => {
                let status = ["0", "5", "x"][self.rng.usize(0..3)];
                let is_last = !self.once_in(60);
                self.headers(
                    id,
                    is_last,
                    &[("grpc-status", status), ("grpc-message", "so")],
                );
                is_last
            }
        }
    }

    fn data(&mut self, id: u32, is_last: bool, data: &[u8]) {
        let end = if is_last { END_STREAM } else { 0 };
        if self.once_in(4) {
            let padding = self.rng.u8(0..20);
            let padded = [&[padding], data, &vec![0; usize::from(padding)]].concat();
            self.bytes.extend(frame(DATA, end | PADDED, id, &padded));
        } else {
            self.bytes.extend(frame(DATA, end, id, data));
        }
    }

    fn headers(&mut self, id: u32, is_last: bool, fields: &[(&str, &str)]) {
        let block = self.block(fields);
        let end = if is_last { END_STREAM } else { 0 };
        if self.once_in(5) && self.is_odd && !fields.contains(&ODD) {
            let cut = self.rng.usize(0..=block.len());
            self.bytes.extend(frame(HEADERS, end, id, &block[..cut]));
            self.bytes
                .extend(frame(CONTINUATION, END_HEADERS, id, &block[cut..]));
        } else if self.once_in(6) && self.is_odd {
            let padded = [&[2, 0, 0, 0, 0, 9][..], &block, &[0, 0]].concat();
            let flags = end | END_HEADERS | PADDED | HAS_PRIORITY;
            self.bytes.extend(frame(HEADERS, flags, id, &padded));
        } else {
            self.bytes
                .extend(frame(HEADERS, end | END_HEADERS, id, &block));
        }
    }

    /// A block in any of the forms that each field may have.
    fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        if self.once_in(30) {
            // A table of nothing, and again of as much as before.
            self.table.clear();
            put_number(&mut block, 0x20, 5, 0);
            put_number(&mut block, 0x20, 5, 4096);
        }
        for &(name, value) in fields {
            let field = (name.to_owned(), value.to_owned());
            let known = self.table.iter().position(|it| *it == field);
            let in_static = STATIC.iter().position(|it| *it == (name, value));
            match (in_static, known) {
                (Some(nth), _) if !self.once_in(3) => put_number(&mut block, 0x80, 7, nth + 1),
                (_, Some(nth)) if !self.once_in(4) => {
                    put_number(&mut block, 0x80, 7, STATIC.len() + self.table.len() - nth);
                }
                _ => {
                    // Fewer fields than the table holds, so that none is pushed out.
                    let is_kept = self.table.len() < 40 && self.rng.bool();
                    let (before, prefix) = match is_kept {
                        true => (0x40, 6),
                        false => ([0, 0x10][self.rng.usize(0..2)], 4),
                    };
                    let nth = STATIC.iter().position(|it| it.0 == name);
                    match nth.filter(|_| self.rng.bool()) {
                        Some(nth) => put_number(&mut block, before, prefix, nth + 1),
                        None => {
                            put_number(&mut block, before, prefix, 0);
                            self.string(&mut block, name);
                        }
                    }
                    self.string(&mut block, value);
                    if is_kept {
                        self.table.push(field);
                    }
                }
            }
        }
        block
    }

    fn string(&mut self, block: &mut Vec<u8>, text: &str) {
        if self.rng.bool() {
            put_string(block, text.as_bytes());
        } else {
            put_number(block, 0, 7, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }

    fn says_something_else(&mut self, id: u32) {
        let more = match self.rng.u32(0..10) {
            0 => frame(PING, 0, 0, b"12345678"),
            1 => frame(PING, 1, 0, b"12345678"),
            2 => frame(99, 5, id, b"whatever"),
            3 => frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
            4 => frame(WINDOW_UPDATE, 0, id, &[0, 0, 1, 0]),
            5 => settings(&[(4, self.rng.u32(0..1000))]),
            6 => settings(&[(5, 20_000)]),
            7 => {
                // As the table's size may change, what is in it is known no more.
                settings(&[(1, self.rng.u32(0..5000))])
            }
            8 if self.once_in(4) => {
                let last = self.rng.u8(0..14);
                let code = self.rng.u8(0..2);
                let payload = [0, 0, 0, last, 0, 0, 0, code];
                frame(GOAWAY, 0, 0, &[&payload[..], b"bye \"\x01'"].concat())
            }
            _ => frame(2, 0, id, &[0, 0, 0, 0, 5]),
        };
        self.bytes.extend(more);
    }

    /// Frames of any kind, on any stream, of sizes that are mostly right.
    pub(super) fn says_anything(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.rng.usize(1..12) {
            let kind = self.rng.u8(0..11);
            let stream = [0, 1, 1, 1, 3, 3, 5, 11, 13, 2][self.rng.usize(0..10)];
            let len = match kind {
                2 => 5,
                3 | 8 => 4,
                4 => 6 * self.rng.usize(0..3),
                6 => 8,
                7 => 8 + self.rng.usize(0..3),
                _ => self.rng.usize(0..12),
            };
            let len = if self.once_in(12) {
                self.rng.usize(0..12)
            } else {
                len
            };
            let mut payload: Vec<u8> = (0..len).map(|_| self.rng.u8(0..10)).collect();
            if matches!(kind, HEADERS | CONTINUATION) && !self.once_in(8) {
                payload = self.block(&[(":status", "200"), ("x", "y")]);
            }
            let flags = match self.once_in(4) {
                true => self.rng.u8(..),
                false => {
                    [0, END_STREAM, END_HEADERS, END_HEADERS | END_STREAM][self.rng.usize(0..4)]
                }
            };
            bytes.extend(frame(kind, flags, stream, &payload));
        }
        bytes
    }

    /// Changes a few of these bytes.
    pub(super) fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(1..4) {
            let at = self.rng.usize(0..bytes.len());
            bytes[at] = match self.once_in(2) {
                true => self.rng.u8(..),
                false => bytes[at] ^ (1 << self.rng.u32(0..8)),
            };
        }
        if self.once_in(4) {
            bytes.truncate(self.rng.usize(0..bytes.len()));
        }
    }
}
