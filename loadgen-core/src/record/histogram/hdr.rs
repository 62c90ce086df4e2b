//! Histograms as text: HdrHistogram's own encoding, version 2, deflated and in base64, as its tools
//! for other languages read and write it.
//!
//! Source: `V2EncodingCookieBase` and what follows it in
//! <https://github.com/HdrHistogram/HdrHistogram/blob/master/src/main/java/org/HdrHistogram/AbstractHistogram.java>.
//! Owns the format. What is read may come from anybody: it is bounded before it is believed.

use std::io::Read;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};

use super::{Digits, HIGHEST_NS};
use crate::clock::Nanos;

const COOKIE: u32 = 0x1c84_9313;
const DEFLATED_COOKIE: u32 = 0x1c84_9314;
const HEADER_BYTES: usize = 40;
/// More than the longest one takes that tells values up to an hour apart: 33,000 counts of nine bytes.
const MOST_BYTES: u64 = 512 << 10;

impl Digits {
    /// So many buckets of the same width, as a power of two, follow each other.
    fn half(self) -> u32 {
        match self {
            Self::Two => 7,
            Self::Three => 10,
        }
    }

    /// The place of a value's bucket.
    pub(super) fn index(self, value: Nanos) -> u64 {
        let half = self.half();
        let magnitude = (value | ((2 << half) - 1)).ilog2() - half;
        (u64::from(magnitude) << half) + (value >> magnitude)
    }

    /// What the values in the bucket at this place count as: its middle.
    pub(super) fn middle(self, index: u64) -> Nanos {
        let half = self.half();
        let magnitude = (index >> half).saturating_sub(1);
        let lowest = (index - (magnitude << half)) << magnitude;
        lowest + ((1 << magnitude) >> 1)
    }
}

/// Values that rise, each with its count, as text.
pub(super) fn encode(digits: Digits, counts: impl Iterator<Item = (Nanos, u64)>) -> String {
    let plain = plain(digits, counts);
    let mut encoded = Vec::from(DEFLATED_COOKIE.to_be_bytes());
    encoded.extend([0; 4]);
    // From memory to memory.
    let _ = ZlibEncoder::new(&*plain, Compression::default()).read_to_end(&mut encoded);
    let length = (encoded.len() - 8) as u32;
    encoded[4..8].copy_from_slice(&length.to_be_bytes());
    BASE64.encode(&encoded)
}

/// The same as bytes, neither deflated nor in base64.
pub(super) fn plain(digits: Digits, counts: impl Iterator<Item = (Nanos, u64)>) -> Vec<u8> {
    let mut payload = Vec::new();
    let (mut next, mut largest) = (0, 0);
    let mut counts = counts
        .map(|(value, count)| (digits.index(value), value, count))
        .peekable();
    while let Some((index, mut value, mut count)) = counts.next() {
        while let Some((_, other, more)) = counts.next_if(|(other, ..)| *other == index) {
            (value, count) = (other, count.saturating_add(more));
        }
        if index > next {
            push(&mut payload, -((index - next) as i64));
        }
        push(&mut payload, i64::try_from(count).unwrap_or(i64::MAX));
        next = index + 1;
        largest = value;
    }
    let mut plain = Vec::with_capacity(HEADER_BYTES + payload.len());
    plain.extend(COOKIE.to_be_bytes());
    plain.extend((payload.len() as u32).to_be_bytes());
    // Where the array of counts begins.
    plain.extend(0_u32.to_be_bytes());
    plain.extend(digits.number().to_be_bytes());
    plain.extend(1_u64.to_be_bytes());
    plain.extend(Digits::room_for(largest).to_be_bytes());
    // From whole numbers to others.
    plain.extend(1.0_f64.to_be_bytes());
    plain.extend(payload);
    plain
}

/// Values that rise, each with its count.
pub(super) type Counted = Vec<(Nanos, u64)>;

const CUT_OFF: &str = "is cut off";

/// The middles of buckets with samples. An error says what is wrong with the text.
pub(super) fn decode(text: &str) -> Result<(Digits, Counted), &'static str> {
    let encoded = BASE64
        .decode(text.as_bytes())
        .map_err(|_| "is not base64")?;
    let mut rest = &*encoded;
    if take_u32(&mut rest) != Some(DEFLATED_COOKIE) {
        return Err("is not HdrHistogram's, version 2, deflated");
    }
    let length = take_u32(&mut rest).ok_or(CUT_OFF)?;
    let deflated = rest.get(..length as usize).ok_or(CUT_OFF)?;
    let mut plain = Vec::new();
    let mut inflated = ZlibDecoder::new(deflated).take(MOST_BYTES);
    inflated
        .read_to_end(&mut plain)
        .map_err(|_| "cannot be inflated")?;
    read_plain(&plain)
}

/// The same of the bytes of [`plain`].
pub(super) fn read_plain(plain: &[u8]) -> Result<(Digits, Counted), &'static str> {
    const OTHER_KIND: &str = "is of another kind";
    let mut rest = plain;
    let mut number = || take_u32(&mut rest).ok_or(CUT_OFF);
    if number()? != COOKIE {
        return Err(OTHER_KIND);
    }
    let (length, offset, digits) = (number()?, number()?, number()?);
    let low = u64::from(number()?) << 32 | u64::from(number()?);
    let _high = (number()?, number()?);
    let ratio = f64::from_bits(u64::from(number()?) << 32 | u64::from(number()?));
    let digits = match digits {
        2 => Digits::Two,
        3 => Digits::Three,
        _ => return Err(OTHER_KIND),
    };
    if (offset, low, ratio.to_bits()) != (0, 1, 1.0_f64.to_bits()) {
        return Err(OTHER_KIND);
    }
    let mut payload = rest.get(..length as usize).ok_or(CUT_OFF)?;
    let (mut index, mut len) = (0_u64, 0_u64);
    let mut counts = Vec::new();
    while !payload.is_empty() {
        let number = take(&mut payload).ok_or(CUT_OFF)?;
        let skipped = if number < 0 { number.unsigned_abs() } else { 1 };
        if let Ok(count @ 1..) = u64::try_from(number) {
            if index > digits.index(HIGHEST_NS) {
                return Err("has values above an hour");
            }
            len = len
                .checked_add(count)
                .ok_or("has more samples than can be counted")?;
            counts.push((digits.middle(index), count));
        }
        index = index.saturating_add(skipped);
    }
    Ok((digits, counts))
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*bytes))
}

/// Appends a number, those near zero in one byte: seven bits a byte, the lowest first, and eight in
/// the ninth.
fn push(payload: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            payload.push(rest as u8);
            return;
        }
        payload.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    payload.push(rest as u8);
}

/// Takes one off the front.
fn take(payload: &mut &[u8]) -> Option<i64> {
    let mut number = 0;
    for place in 0..9 {
        let (byte, rest) = payload.split_first()?;
        *payload = rest;
        let is_last = place == 8 || byte & 0x80 == 0;
        let bits = if place == 8 { *byte } else { byte & 0x7f };
        number |= u64::from(bits) << (7 * place);
        if is_last {
            break;
        }
    }
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::record::{Histogram, Sparse, new_coarse_histogram, new_histogram};

    fn fill(mut histogram: Histogram, samples: &[(u64, u64)]) -> Histogram {
        for (value, count) in samples {
            histogram.saturating_record_n(*value, *count);
        }
        histogram
    }

    fn stored(histogram: &Histogram) -> String {
        serde_json::from_value(serde_json::to_value(histogram).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn histograms_are_read_back(
            samples in prop::collection::vec((0_u64..5_000_000_000_000, 1_u64..1 << 40), 0..100),
            is_coarse in any::<bool>(),
        ) {
            let new = if is_coarse { new_coarse_histogram } else { new_histogram };
            let histogram = fill(new(), &samples);
            let text = stored(&histogram);
            let read: Histogram = serde_json::from_value(text.clone().into()).unwrap();
            prop_assert_eq!(&read, &histogram);
            prop_assert_eq!(&stored(&read), &text);

            for sparse in [Sparse::of(&histogram), Sparse::coarse(&histogram)] {
                let stored = serde_json::to_value(&sparse).unwrap();
                prop_assert_eq!(serde_json::from_value::<Sparse>(stored).unwrap(), sparse);
            }
        }

        #[test]
        fn whatever_comes_is_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&BASE64.encode(&bytes));
            let mut deflated = Vec::from(DEFLATED_COOKIE.to_be_bytes());
            deflated.extend([0; 4]);
            let mut plain = Vec::from(COOKIE.to_be_bytes());
            plain.extend(bytes);
            ZlibEncoder::new(&*plain, Compression::default()).read_to_end(&mut deflated).unwrap();
            let length = (deflated.len() - 8) as u32;
            deflated[4..8].copy_from_slice(&length.to_be_bytes());
            let _ = decode(&BASE64.encode(&deflated));
        }
    }

    /// Written by `V2DeflateSerializer` of the crate `hdrhistogram`.
    #[test_case("HISTFAAAAB14nJNpmSzMwMDAxAABzFCaEca3/wBlMQEAP3YCgQ==", new_histogram, &[(1, 1)]; "one")]
    #[test_case("HISTFAAAABt4nJNpmSzMwMDAyAABzFAazrf/AGUBADzTAn4=", new_histogram, &[]; "none")]
    #[test_case("HISTFAAAADx4nAExAM7/HISTEwAAAAkAAAAAAAAAAgAAAAAAAAABAAAAAAf///8/8AAAAAAAAMcBBrUNDvkZApocCDg=",
        new_coarse_histogram, &[(100, 3), (12_345, 7), (99_999_999, 1)]; "two digits")]
    #[test_case("HISTFAAAAEh4nAE9AML/HISTEwAAABUAAAAAAAAAAwAAAAAAAAABAAAD//////8/8AAAAAAAAAQHAgACvw9Ql6MBgMCoypo6q9cCAlSPDwE=",
        new_histogram, &[(0, 2), (5, 1), (7, 1), (1_000, 40), (1_234_567, 1_000_000_000_000), (3_600_000_000_000, 1)];
        "from nothing to an hour")]
    fn what_others_wrote_is_read(text: &str, new: fn() -> Histogram, samples: &[(u64, u64)]) {
        let read: Histogram = serde_json::from_value(text.into()).unwrap();
        assert_eq!(read, fill(new(), samples));
    }

    #[test_case("" => "is not HdrHistogram's, version 2, deflated"; "nothing")]
    #[test_case("%" => "is not base64"; "no base64")]
    #[test_case("HISTEwAAAAA=" => "is not HdrHistogram's, version 2, deflated"; "not deflated")]
    #[test_case("HISTFAAAABA=" => "is cut off"; "shorter than it says")]
    #[test_case("HISTFAAAAAA=" => "cannot be inflated"; "nothing in it")]
    fn others_are_refused(text: &str) -> &'static str {
        decode(text).unwrap_err()
    }
}
