//! Where the records of TLS begin and end.
//!
//! Owns the reading of record headers (RFC 8446, section 5.1), which are not encrypted. The TLS library
//! does not say whether it holds a part of one, of which nothing can be decrypted yet. A whole record
//! without data behind a reply, such as a ticket or a good-bye, is not told from none: to count every record
//! would put each reply in doubt that comes in two.

/// A record's type, version and length.
const HEADER_LEN: usize = 5;

/// Follows one direction of a connection from its first byte, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER_LEN],
    have: usize,
    /// Bytes of the record to come.
    left: usize,
}

impl Records {
    /// These bytes pass.
    #[inline]
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = if self.have < HEADER_LEN {
                let taken = (HEADER_LEN - self.have).min(bytes.len());
                self.header[self.have..][..taken].copy_from_slice(&bytes[..taken]);
                self.have += taken;
                if self.have == HEADER_LEN {
                    let [.., high, low] = self.header;
                    self.left = usize::from(u16::from_be_bytes([high, low]));
                }
                taken
            } else {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                taken
            };
            bytes = &bytes[taken..];
            if self.have == HEADER_LEN && self.left == 0 {
                self.have = 0;
            }
        }
    }

    /// Whether what has passed ends within a record.
    #[inline]
    pub(super) fn is_amid(&self) -> bool {
        self.have > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_at_the_end_of_a_record_is_all_there() {
        let record = |len: u16| {
            let mut record = vec![23, 3, 3];
            record.extend(len.to_be_bytes());
            record.resize(HEADER_LEN + usize::from(len), 7);
            record
        };
        let all = [record(300), record(0), record(1), record(16_000)].concat();
        let ends = [305, 310, 316, 16_321];
        assert_eq!(all.len(), 16_321);
        for piece in [1, 2, 7, 4096, 16_321] {
            let mut records = Records::default();
            let mut passed = 0;
            for bytes in all.chunks(piece) {
                records.pass(bytes);
                passed += bytes.len();
                assert_eq!(records.is_amid(), !ends.contains(&passed), "{passed}");
            }
        }
    }
}
