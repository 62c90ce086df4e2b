//! How single fields of a record are written where their own form says too little.

use serde::Serializer;

/// Gauges: those that are no number are left out, for which JSON has no word.
pub(super) fn finite<S: Serializer>(
    gauges: &[(String, f64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(gauges.iter().filter(|(_, value)| value.is_finite()))
}

/// What is shown and read as a word.
pub(super) mod by_word {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map_err(de::Error::custom)
    }
}

/// Counts of messages that had a fault, by its name.
pub(super) mod by_fault {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::workload::MessageFault;

    type Counts = [u64; MessageFault::ALL.len()];

    pub(crate) fn serialize<S: Serializer>(
        counts: &Counts,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let named = MessageFault::ALL.into_iter().zip(counts);
        serializer.collect_seq(named.filter(|(_, count)| **count > 0))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Counts, D::Error> {
        let mut counts = Counts::default();
        for (fault, count) in Vec::<(MessageFault, u64)>::deserialize(deserializer)? {
            counts[fault as usize] = count;
        }
        Ok(counts)
    }
}
