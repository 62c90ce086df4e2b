//! Huffman's code of HPACK (RFC 7541, section 5.2 and appendix B).
//!
//! Owns the code. It is canonical, so that the length of each symbol's code says all of it: codes of one
//! length follow each other in the order of their symbols, and longer ones after shorter ones.

use super::hpack::Malformed;

const SYMBOLS: usize = 257;
const LONGEST: usize = 30;
/// The symbol for the end, which is not to be sent.
const END: u16 = 256;

/// How many bits each symbol's code has (appendix B).
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

struct Code {
    /// Of each symbol.
    codes: [u32; SYMBOLS],
    /// By length: the first code, and the place of its symbol among all.
    first: [u32; LONGEST + 1],
    place: [u32; LONGEST + 1],
    /// By length: what is below it, at the top of 32 bits, begins with a code of no more than this length.
    below: [u64; LONGEST + 1],
    /// In the order of their codes.
    symbols: [u16; SYMBOLS],
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let mut made = Self {
            codes: [0; SYMBOLS],
            first: [0; LONGEST + 1],
            place: [0; LONGEST + 1],
            below: [0; LONGEST + 1],
            symbols: [0; SYMBOLS],
        };
        let (mut code, mut place, mut length) = (0, 0, 1);
        while length <= LONGEST {
            code <<= 1;
            made.first[length] = code;
            made.place[length] = place;
            let mut symbol: u16 = 0;
            while symbol <= END {
                if LENGTHS[symbol as usize] as usize == length {
                    made.codes[symbol as usize] = code;
                    made.symbols[place as usize] = symbol;
                    place += 1;
                    code += 1;
                }
                symbol += 1;
            }
            made.below[length] = (code as u64) << (32 - length);
            length += 1;
        }
        made
    }
}

/// Decodes a string behind what is in `out`.
pub(super) fn decode(mut coded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    // The next bits, from the top; what is not there is ones, as the padding is.
    let (mut bits, mut have) = (u64::MAX, 0);
    loop {
        while have <= 56
            && let [next, rest @ ..] = coded
        {
            let shift = 56 - have;
            bits ^= u64::from(!next) << shift;
            have += 8;
            coded = rest;
        }
        let top = bits >> 32;
        let length = (5..LONGEST).find(|&length| top < CODE.below[length]);
        let length = length.unwrap_or(LONGEST);
        if length > have {
            // Padding, of less than a byte.
            let is_padding = have < 8 && bits == u64::MAX;
            return if is_padding { Ok(()) } else { Err(Malformed) };
        }
        let code = (bits >> (64 - length)) as u32;
        let nth = CODE.place[length] + (code - CODE.first[length]);
        let symbol = CODE.symbols.get(nth as usize).ok_or(Malformed)?;
        out.push(u8::try_from(*symbol).map_err(|_| Malformed)?);
        bits = bits << length | ((1 << length) - 1);
        have -= length;
    }
}

/// How many bytes a string takes.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text
        .iter()
        .map(|&byte| usize::from(LENGTHS[usize::from(byte)]))
        .sum();
    bits.div_ceil(8)
}

/// Encodes a string behind what is in `out`.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut have) = (0_u64, 0);
    for &byte in text {
        let length = LENGTHS[usize::from(byte)];
        bits = bits << length | u64::from(CODE.codes[usize::from(byte)]);
        have += length;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        let padding = 8 - have;
        out.push((bits << padding) as u8 | ((1 << padding) - 1));
    }
}
