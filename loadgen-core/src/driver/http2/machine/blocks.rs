//! What blocks of headers say (RFC 9113, section 8).
//!
//! Owns the reading of fields, the bounds on them, and the memory of blocks that came before. Servers answer
//! with the same few blocks again and again. One that refers to nothing in the table says the same in any state
//! of it; what it puts there is put there again, as the table is the server's.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hasher};
use std::num::NonZeroU8;
use std::rc::Rc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::decoder::{Decoder, Field};
use super::fault::Fault;
use super::frame::{COMPRESSION_ERROR, ENHANCE_YOUR_CALM};
use super::hpack::{FIELD_OVERHEAD, Malformed};

/// What a block says.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// `:status`, where it has one.
    pub(crate) status: Option<StatusCode>,
    pub(crate) fields: HeaderMap,
    /// Whether it is longer than what is taken, and the rest of it was left out.
    pub(super) is_too_long: bool,
    /// Whether it says what HTTP/2 does not allow, so that the stream is to be reset.
    pub(super) is_malformed: bool,
    /// `content-length`; an error where there are several or it is no number.
    pub(super) content_length: Option<Result<u64, Malformed>>,
    /// What whoever has read it makes of it, for the next one who gets the same. All who read a connection's
    /// blocks judge alike.
    pub(crate) note: Cell<Option<NonZeroU8>>,
}

/// How many blocks are remembered, and how long the longest: an answer's two and those of failures, from servers
/// that send all of it in full. One has come before when it is: the first that a server sends, which fill the table,
/// mostly do not come again.
const REMEMBERED: usize = 4;
const MOST_REMEMBERED_BYTES: usize = 1024;

/// A connection whose heads are longer than what is taken by this factor is ended.
const ABUSE: usize = 4;

/// The decoder of a connection, and the blocks that it remembers.
#[derive(Debug)]
pub(super) struct Blocks {
    decoder: Decoder,
    most_bytes: usize,
    remembered: Vec<Remembered>,
    /// Which of them goes when another comes.
    next: usize,
    /// The latest blocks that were not remembered, as hashes.
    passed: [u64; REMEMBERED],
    next_passed: usize,
}

#[derive(Debug)]
struct Remembered {
    /// The table's state in which it means this; `None` where that is any.
    epoch: Option<u64>,
    bytes: Box<[u8]>,
    inserts: Vec<Rc<Field>>,
    block: Rc<Block>,
}

impl Blocks {
    /// Takes heads up to so many bytes, as HTTP/2 counts them.
    pub(super) fn up_to(most_bytes: u32) -> Self {
        Self {
            decoder: Decoder::new(),
            most_bytes: most_bytes as usize,
            remembered: Vec::new(),
            next: 0,
            passed: [0; REMEMBERED],
            next_passed: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// What a whole block says.
    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Rc<Block>, Fault> {
        let epoch = self.decoder.epoch();
        let is_it =
            |it: &&Remembered| it.epoch.is_none_or(|its| its == epoch) && *it.bytes == *bytes;
        if let Some(known) = self.remembered.iter().find(is_it) {
            for field in &known.inserts {
                self.decoder.insert(Rc::clone(field));
            }
            return Ok(Rc::clone(&known.block));
        }
        self.decode(bytes)
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<Rc<Block>, Fault> {
        let epoch = self.decoder.epoch();
        let mut reading = Reading::up_to(self.most_bytes);
        let decoded = self
            .decoder
            .decode(bytes, |name, value| reading.field(name, value));
        if reading.is_abuse {
            return Err(Fault::BadConnection {
                code: ENHANCE_YOUR_CALM,
                said: "header_list_way_too_large",
            });
        }
        // Beyond a block that cannot be decoded nothing can (section 4.3).
        let used = decoded.map_err(|Malformed| Fault::of_connection(COMPRESSION_ERROR))?;
        let block = Rc::new(reading.block);
        // Neither refers to the table, or leaves it as it is.
        let holds = !used.depends || self.decoder.epoch() == epoch;
        if holds && bytes.len() <= MOST_REMEMBERED_BYTES && self.came_before(bytes) {
            self.remember(Remembered {
                epoch: used.depends.then_some(epoch),
                bytes: bytes.into(),
                inserts: used.inserted,
                block: Rc::clone(&block),
            });
        }
        Ok(block)
    }

    /// Whether a block came lately, which it has then.
    fn came_before(&mut self, bytes: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let hash = hasher.finish();
        if self.passed.contains(&hash) {
            return true;
        }
        self.passed[self.next_passed] = hash;
        self.next_passed = (self.next_passed + 1) % REMEMBERED;
        false
    }

    fn remember(&mut self, block: Remembered) {
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(block);
            return;
        }
        self.remembered[self.next] = block;
        self.next = (self.next + 1) % REMEMBERED;
    }
}

/// A block that is being read.
struct Reading {
    block: Block,
    most_bytes: usize,
    bytes: usize,
    has_fields: bool,
    is_abuse: bool,
}

impl Reading {
    fn up_to(most_bytes: usize) -> Self {
        Self {
            block: Block::default(),
            most_bytes,
            bytes: 0,
            has_fields: false,
            is_abuse: false,
        }
    }

    /// Takes a field. An error means that no more of them are wanted.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        self.count(name, value)?;
        let is_right = match name {
            [b':', ..] => self.pseudo(name, value),
            _ => self.other(name, value),
        };
        self.block.is_malformed |= is_right.is_err();
        Ok(())
    }

    /// Of those there is one in answers, and it comes first (section 8.3).
    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        if name != b":status" || self.has_fields || self.block.status.is_some() {
            return Err(Malformed);
        }
        self.block.status = Some(StatusCode::from_bytes(value).map_err(|_| Malformed)?);
        Ok(())
    }

    fn other(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        self.has_fields = true;
        // What is between two ends of a connection is not said in fields (section 8.2.2).
        if matches!(
            name,
            b"connection" | b"transfer-encoding" | b"upgrade" | b"keep-alive" | b"proxy-connection"
        ) || name == b"te" && value != b"trailers"
        {
            return Err(Malformed);
        }
        // Capitals are not allowed (section 8.2.1).
        let field = HeaderName::from_lowercase(name).map_err(|_| Malformed)?;
        let content = HeaderValue::from_bytes(value).map_err(|_| Malformed)?;
        if self.block.is_too_long {
            return Ok(());
        }
        if name == b"content-length" {
            self.content_length(value);
        }
        self.block.is_too_long = self.block.fields.try_append(field, content).is_err();
        Ok(())
    }

    /// Counts a field (section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE).
    fn count(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        self.bytes += name.len() + value.len() + FIELD_OVERHEAD;
        if self.bytes > self.most_bytes.saturating_mul(ABUSE) {
            self.is_abuse = true;
            return Err(Malformed);
        }
        self.block.is_too_long |= self.bytes >= self.most_bytes;
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) {
        // Of none it is nothing, as the library has it.
        let digits = value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
        let length = digits.then(|| {
            value
                .iter()
                .fold(0, |sum, it| sum * 10 + u64::from(it - b'0'))
        });
        let length = length.ok_or(Malformed);
        self.block.content_length = Some(match self.block.content_length {
            Some(first) if first != length => Err(Malformed),
            _ => length,
        });
    }
}
