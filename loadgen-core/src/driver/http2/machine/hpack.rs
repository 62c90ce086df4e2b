//! What the two directions of header compression have in common (RFC 7541).
//!
//! Owns the static table, numbers and strings.

use super::huffman;

/// A block of headers that cannot be decoded, so that nothing on its connection can be any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a field of a table takes beside its name and value (section 4.1).
pub(super) const FIELD_OVERHEAD: usize = 32;
/// The table's size as long as nobody says otherwise (RFC 9113, section 6.5.2).
pub(super) const TABLE_BYTES: usize = 4096;

/// Appendix A. The first has number 1.
pub(super) static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Bytes that more of a number may follow in, beside the first: none here is longer.
const MOST_NUMBER_BYTES: u32 = 4;

/// Takes a number whose first byte has so many bits of it (section 5.1).
pub(super) fn take_number(from: &mut &[u8], prefix: u32) -> Result<usize, Malformed> {
    let (&first, rest) = from.split_first().ok_or(Malformed)?;
    *from = rest;
    let mask = (1 << prefix) - 1;
    let mut number = usize::from(first) & mask;
    if number < mask {
        return Ok(number);
    }
    for nth in 0..MOST_NUMBER_BYTES {
        let (&next, rest) = from.split_first().ok_or(Malformed)?;
        *from = rest;
        number += (usize::from(next) & 0x7f) << (7 * nth);
        if next & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

/// Puts a number with these bits before it (section 5.1).
pub(super) fn put_number(out: &mut Vec<u8>, before: u8, prefix: u32, mut number: usize) {
    let mask = (1 << prefix) - 1;
    if number < mask {
        out.push(before | number as u8);
        return;
    }
    out.push(before | mask as u8);
    number -= mask;
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a string and puts it in place of what is in `out` (section 5.2).
pub(super) fn take_string(from: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let is_coded = from.first().ok_or(Malformed)? & 0x80 != 0;
    let length = take_number(from, 7)?;
    let (string, rest) = from.split_at_checked(length).ok_or(Malformed)?;
    *from = rest;
    out.clear();
    if is_coded {
        return huffman::decode(string, out);
    }
    out.extend_from_slice(string);
    Ok(())
}

/// Puts a string in the shorter of its two forms (section 5.2).
pub(super) fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    let coded = huffman::encoded_len(string);
    if coded < string.len() {
        put_number(out, 0x80, 7, coded);
        huffman::encode(string, out);
    } else {
        put_number(out, 0, 7, string.len());
        out.extend_from_slice(string);
    }
}
