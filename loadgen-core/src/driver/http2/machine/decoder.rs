//! Decoding blocks of headers (RFC 7541).
//!
//! Owns the table that the server fills, and what is known of a block that may come again: whether it says
//! the same in any state of the table, and what it puts there.

use std::collections::VecDeque;
use std::rc::Rc;

use super::hpack::{FIELD_OVERHEAD, Malformed, STATIC, TABLE_BYTES, take_number, take_string};

/// A field of the table.
#[derive(Debug)]
pub(super) struct Field {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

impl Field {
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + FIELD_OVERHEAD
    }
}

/// What decoding a block did with the table.
#[derive(Debug, Default)]
pub(super) struct Use {
    /// Whether it would have said something else with another table.
    pub(super) depends: bool,
    /// What it put there.
    pub(super) inserted: Vec<Rc<Field>>,
}

/// A decoder of one connection's blocks.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The youngest first.
    table: VecDeque<Rc<Field>>,
    size: usize,
    most: usize,
    /// Counts the changes of the table.
    epoch: u64,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            most: TABLE_BYTES,
            epoch: 0,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// A number for the table's state, which is another one after each change.
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Decodes a whole block and tells of each of its fields, until one of them is too much.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        told: impl FnMut(&[u8], &[u8]) -> Result<(), Malformed>,
    ) -> Result<Use, Malformed> {
        let (mut name, mut value) = (
            std::mem::take(&mut self.name),
            std::mem::take(&mut self.value),
        );
        let result = self.decode_through(block, (&mut name, &mut value), told);
        (self.name, self.value) = (name, value);
        result
    }

    fn decode_through(
        &mut self,
        mut block: &[u8],
        (name, value): (&mut Vec<u8>, &mut Vec<u8>),
        mut told: impl FnMut(&[u8], &[u8]) -> Result<(), Malformed>,
    ) -> Result<Use, Malformed> {
        let mut used = Use::default();
        let mut may_resize = true;
        while let Some(&first) = block.first() {
            if first & 0xe0 == 0x20 {
                // A new size comes before all fields (section 4.2).
                let size = take_number(&mut block, 5)?;
                if !may_resize || size > TABLE_BYTES {
                    return Err(Malformed);
                }
                used.depends = true;
                self.most = size;
                self.epoch += 1;
                self.evict(size);
                continue;
            }
            may_resize = false;
            if first & 0x80 != 0 {
                let index = take_number(&mut block, 7)?;
                used.depends |= index > STATIC.len();
                let (name, value) = self.get(index)?;
                told(name, value)?;
                continue;
            }
            let is_kept = first & 0x40 != 0;
            let index = take_number(&mut block, if is_kept { 6 } else { 4 })?;
            if index == 0 {
                take_string(&mut block, name)?;
            } else {
                used.depends |= index > STATIC.len();
                name.clear();
                name.extend_from_slice(self.get(index)?.0);
            }
            take_string(&mut block, value)?;
            told(name, value)?;
            if is_kept {
                let field = Rc::new(Field {
                    name: name.as_slice().into(),
                    value: value.as_slice().into(),
                });
                used.inserted.push(Rc::clone(&field));
                self.insert(field);
            }
        }
        Ok(used)
    }

    /// Inserts a field, which a block did that is decoded or was before.
    pub(super) fn insert(&mut self, field: Rc<Field>) {
        let size = field.size();
        if size > self.most {
            // That empties the table, and is no error (section 4.4).
            self.epoch += u64::from(self.size > 0);
            self.evict(0);
            return;
        }
        self.epoch += 1;
        self.evict(self.most - size);
        self.size += size;
        self.table.push_front(field);
    }

    fn evict(&mut self, most: usize) {
        while self.size > most
            && let Some(oldest) = self.table.pop_back()
        {
            self.size -= oldest.size();
        }
    }

    fn get(&self, index: usize) -> Result<(&[u8], &[u8]), Malformed> {
        let nth = index.checked_sub(1).ok_or(Malformed)?;
        if let Some((name, value)) = STATIC.get(nth) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        let field = self.table.get(nth - STATIC.len()).ok_or(Malformed)?;
        Ok((&field.name, &field.value))
    }
}
