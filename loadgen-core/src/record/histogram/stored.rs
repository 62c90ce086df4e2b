//! How histograms are stored: as text where people may read along, as bytes where only programs do.
//!
//! Text takes deflating and base64; whatever stores many of them once a second has no time for that.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

use super::{Digits, hdr};
use crate::clock::Nanos;

/// Values that rise, each with its count.
pub(super) fn write<S: Serializer>(
    digits: Digits,
    counts: impl Iterator<Item = (Nanos, u64)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&hdr::encode(digits, counts))
    } else {
        serializer.serialize_bytes(&hdr::plain(digits, counts))
    }
}

/// The middles of buckets with samples, from either form.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Digits, hdr::Counted), D::Error> {
    let read = if deserializer.is_human_readable() {
        hdr::decode(&String::deserialize(deserializer)?)
    } else {
        deserializer.deserialize_bytes(Plain)?
    };
    read.map_err(|why| D::Error::custom(format_args!("a histogram {why}")))
}

/// Reads the bytes where they lie.
struct Plain;

impl Visitor<'_> for Plain {
    type Value = Result<(Digits, hdr::Counted), &'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a histogram")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(hdr::read_plain(bytes))
    }
}
