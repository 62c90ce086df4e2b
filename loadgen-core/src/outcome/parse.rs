//! Outcomes from the keys that they are shown as, so that a record can leave the process that made
//! it.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Failure, GrpcCode, Outcome};

/// What is the key of no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is the key of no outcome")]
pub struct UnknownOutcome {
    /// What was found, the beginning of it.
    pub key: String,
}

/// From the key that it is shown as.
impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(key: &str) -> Result<Self, UnknownOutcome> {
        match key {
            "ok" => Ok(Self::Ok),
            _ => key.parse().map(Self::Failed),
        }
    }
}

/// From the key that it is shown as. Names that a workload or a protocol has given are kept for as
/// long as the process lives, each once; what comes after some thousands of them is
/// [`Failure::Others`].
impl FromStr for Failure {
    type Err = UnknownOutcome;

    fn from_str(key: &str) -> Result<Self, UnknownOutcome> {
        let named = |make: fn(&'static str) -> Self, name| kept(name).map_or(Self::Others, make);
        let known = match key.split_once('.') {
            Some(("reset", reason)) => Some(named(Self::Reset, reason)),
            Some(("health", status)) => Some(named(Self::Health, status)),
            Some(("custom", name)) => Some(named(Self::Custom, name)),
            Some(("grpc", code)) => GrpcCode::named(code).map(Self::Grpc),
            Some(("http", status)) => status.parse().ok().map(Self::Http),
            Some(("close", code)) => code.parse().ok().map(Self::Close),
            Some(_) => None,
            None => Self::plain(key),
        };
        known.ok_or_else(|| UnknownOutcome {
            key: key.chars().take(40).collect(),
        })
    }
}

impl Failure {
    fn plain(key: &str) -> Option<Self> {
        let plain = [
            Self::Timeout,
            Self::Connect,
            Self::Connection,
            Self::Protocol,
            Self::Check,
            Self::Expression,
            Self::Incomplete,
            Self::Rejected,
            Self::Others,
        ];
        plain.into_iter().find(|it| it.to_string() == key)
    }
}

impl GrpcCode {
    fn named(name: &str) -> Option<Self> {
        let number = match name.strip_prefix("CODE_") {
            Some(number) => number.parse().ok(),
            None => (0..)
                .zip(Self::NAMES)
                .find_map(|(n, it)| (it == name).then_some(n)),
        };
        number.map(Self::new)
    }
}

/// The same name with the process's lifetime. `None` where too many are kept, or it is too long.
fn kept(name: &str) -> Option<&'static str> {
    const MOST: usize = 4_096;
    const LONGEST: usize = 1_024;
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() == MOST || name.len() > LONGEST {
        return None;
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    Some(kept)
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Outcome::Ok)]
    #[test_case(Failure::Timeout.into())]
    #[test_case(Failure::Connect.into())]
    #[test_case(Failure::Connection.into())]
    #[test_case(Failure::Reset("CANCEL").into())]
    #[test_case(Failure::Protocol.into())]
    #[test_case(Failure::Check.into())]
    #[test_case(Failure::Expression.into())]
    #[test_case(Failure::Grpc(GrpcCode::new(14)).into())]
    #[test_case(Failure::Grpc(GrpcCode::new(99)).into())]
    #[test_case(Failure::Http(503).into())]
    #[test_case(Failure::Health("NOT_SERVING").into())]
    #[test_case(Failure::Close(1011).into())]
    #[test_case(Failure::Incomplete.into())]
    #[test_case(Failure::Rejected.into())]
    #[test_case(Failure::Custom("cache.miss, twice").into())]
    #[test_case(Failure::Custom("").into())]
    #[test_case(Failure::Others.into())]
    fn keys_are_read_back(outcome: Outcome) {
        assert_eq!(outcome.to_string().parse(), Ok(outcome));
        let stored = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&stored).unwrap(), outcome);
    }

    #[test_case("")]
    #[test_case("OK")]
    #[test_case("grpc.")]
    #[test_case("grpc.CODE_x")]
    #[test_case("http.99999")]
    #[test_case("elsewhere.503")]
    fn others_are_refused(key: &str) {
        assert_eq!(key.parse::<Outcome>().unwrap_err().key, key);
    }

    #[test]
    fn a_name_too_long_to_be_kept_is_counted_with_others() {
        let key = format!("custom.{}", "x".repeat(2_000));
        assert_eq!(key.parse(), Ok(Failure::Others));
    }
}
