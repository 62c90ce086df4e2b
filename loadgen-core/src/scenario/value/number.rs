//! Whole numbers.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::scenario::reader::{Decode, Reader, Refusal, Rule};

/// The most users a scenario may have.
pub(in crate::scenario) const MAX_USERS: u64 = 1_000_000;
/// The most connections a scenario may have.
pub(in crate::scenario) const MAX_CONNECTIONS: u64 = 65_535;
/// The most iterations a scenario may have.
pub(in crate::scenario) const MAX_ITERATIONS: u64 = 1_000_000_000_000_000;
/// The most messages of a stream: more than there is ever time for.
pub(in crate::scenario) const MAX_MESSAGES: u32 = 1_000_000_000;

/// A whole number within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) struct Bounded<const MIN: u64, const MAX: u64>(pub(in crate::scenario) u64);

pub(in crate::scenario) type Users = Bounded<1, MAX_USERS>;
pub(in crate::scenario) type UsersOrNone = Bounded<0, MAX_USERS>;
pub(in crate::scenario) type Connections = Bounded<1, MAX_CONNECTIONS>;
pub(in crate::scenario) type Streams = Bounded<1, 1_000_000>;
pub(in crate::scenario) type Iterations = Bounded<1, MAX_ITERATIONS>;
pub(in crate::scenario) type Times = Bounded<1, 1_000_000>;
pub(in crate::scenario) type Weight = Bounded<1, 10_000>;
pub(in crate::scenario) type MessagesOrNone = Bounded<0, { MAX_MESSAGES as u64 }>;
pub(in crate::scenario) type Messages = Bounded<1, { MAX_MESSAGES as u64 }>;

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// What a plan says.
    pub(in crate::scenario) fn of(value: u32) -> Self {
        Self(u64::from(value))
    }

    /// For fields of 32 bits; their bounds fit, which the compiler checks.
    pub(in crate::scenario) fn small(self) -> u32 {
        const { assert!(MAX <= u32::MAX as u64) };
        self.0 as u32
    }

    pub(in crate::scenario) fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    pub(in crate::scenario) fn allows(value: u64) -> bool {
        (MIN..=MAX).contains(&value)
    }
}

impl<const MIN: u64, const MAX: u64> Decode for Bounded<MIN, MAX> {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        match reader.value.as_u64() {
            Some(value) => reader.keep(Self(value)),
            None => reader.refuse(Self::expected(), None),
        }
    }
}

impl<const MIN: u64, const MAX: u64> Rule for Bounded<MIN, MAX> {
    fn rule(&self) -> Result<(), Refusal> {
        match Self::allows(self.0) {
            true => Ok(()),
            false => Refusal::new(Self::expected()),
        }
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Bounded<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Bounded<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("From{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}
