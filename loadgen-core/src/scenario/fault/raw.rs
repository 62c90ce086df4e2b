//! What may be said of the faults of a proxy, by itself and as an event.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Faults;
use crate::scenario::backend::value::{ShareText, span_between};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{
    Check, Decode, Entry, Place, Reader, Refusal, Rule, as_written, choice, object,
};
use crate::scenario::value::{checked_text, text_schema};
use crate::units::{format_duration, parse_duration};

span_between! {
    /// How long bytes are held up.
    FaultSpan, "FaultDuration",
    std::time::Duration::ZERO, std::time::Duration::from_secs(3600),
    "a duration from 0s to 1h"
}

checked_text! {
    /// How many bytes pass a second.
    FaultRate, "FaultRate",
    "bytes a second from 1B/s to 1024GiB/s, such as \"1MiB/s\"",
    is_rate, "^[0-9]+(\\.[0-9]+)?(B|KB|kB|MB|GB|KiB|MiB|GiB)/s$"
}

checked_text! {
    /// How many bytes.
    FaultSize, "FaultSize",
    "a size from 1B to 1024GiB, such as \"64KiB\"",
    is_size, "^[0-9]+(\\.[0-9]+)?(B|KB|kB|MB|GB|KiB|MiB|GiB)$"
}

/// The most bytes there may be of anything: 1 TiB.
const MOST_BYTES: f64 = (1_u64 << 40) as f64;

fn is_rate(text: &str) -> bool {
    text.strip_suffix("/s").is_some_and(is_size)
}

fn is_size(text: &str) -> bool {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let scale: f64 = match unit {
        "B" => 1.0,
        "KB" | "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return false,
    };
    let is_plain = number.starts_with(|c: char| c.is_ascii_digit())
        && !number.ends_with('.')
        && number.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let bytes = number.parse::<f64>().ok().filter(|_| is_plain);
    bytes.is_some_and(|it| {
        let bytes = it * scale;
        bytes.fract() == 0.0 && (1.0..=MOST_BYTES).contains(&bytes)
    })
}

choice! {
    /// Whose side of a connection.
    RawSide {
        /// Who has connected.
        Client = "client",
        /// Who was connected to.
        Server = "server",
    }
}

object! {
    /// Connections of which one side is closed in good order, and the other is told nothing.
    RawHalfOpen is "the connections of which one side is closed" {
        /// Whose side is closed.
        "closed" [required] closed: RawSide,
        /// The share of the connections that are open. All unless given.
        "share" share: ShareText,
    }
}

/// A value for both ways, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum EachWay<T> {
    Both(T),
    /// To the server, and to the client.
    Ways(Entry<T>, Entry<T>),
}

const WAYS: [&str; 2] = ["up", "down"];

impl<T: Decode> Decode for EachWay<T> {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let Value::Object(ways) = reader.value else {
            return T::decode(reader).map(Self::Both);
        };
        if ways.is_empty() {
            return reader.refuse("`up`, `down` or both", None);
        }
        reader.check_fields(ways, "one value for each way", &WAYS, &[], &[]);
        let way = |key: &str| match ways.get(key) {
            Some(value) => Entry::decode(&reader.field(key, value)),
            None => Entry::Absent,
        };
        Some(Self::Ways(way("up"), way("down")))
    }
}

impl<T: Check> Check for EachWay<T> {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Both(value) => value.check(at),
            Self::Ways(up, down) => up.check(&at.field("up")) & down.check(&at.field("down")),
        }
    }
}

impl<T: Serialize> Serialize for EachWay<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Both(value) => value.serialize(serializer),
            Self::Ways(up, down) => {
                let mut map = serializer.serialize_map(None)?;
                for (way, value) in [("up", up), ("down", down)] {
                    if let Some(value) = value.given() {
                        map.serialize_entry(way, value)?;
                    }
                }
                map.end()
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for EachWay<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("EachWayOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<T>(),
                {
                    "type": "object",
                    "properties": {
                        "up": generator.subschema_for::<T>(),
                        "down": generator.subschema_for::<T>(),
                    },
                    "additionalProperties": false,
                    "minProperties": 1,
                },
            ]
        })
    }
}

/// Declares an object that may say what goes wrong at a fault proxy, behind fields of its own.
macro_rules! with_faults {
    (
        $(#[$meta:meta])*
        $name:ident is $what:literal { $($own:tt)* }
        $( hints { $($hints:tt)* } )?
    ) => {
        $crate::scenario::reader::object! {
            $(#[$meta])*
            $name is $what {
                $($own)*
                /// How long a fault proxy holds bytes up, each way.
                "latency" latency: $crate::scenario::fault::raw::EachWay<$crate::scenario::fault::raw::FaultSpan>,
                /// By how much that varies, to both sides, evenly; at most as much as the latency.
                "jitter" jitter: $crate::scenario::fault::raw::EachWay<$crate::scenario::fault::raw::FaultSpan>,
                /// The most bytes a second that a fault proxy passes of each connection, each way.
                "rate" rate: $crate::scenario::fault::raw::EachWay<$crate::scenario::fault::raw::FaultRate>,
                /// Whether a fault proxy accepts connections and passes nothing on.
                "blackhole" blackhole: $crate::scenario::fault::raw::EachWay<bool>,
                /// After how many bytes a fault proxy resets a connection.
                "cut_after" cut_after: $crate::scenario::fault::raw::EachWay<$crate::scenario::fault::raw::FaultSize>,
                /// Whether nobody listens at a fault proxy, so that the system refuses connections.
                "refuse" refuse: bool,
                /// The share of the connections that a fault proxy resets as soon as they are accepted.
                "reset_new" reset_new: $crate::scenario::backend::value::ShareText,
                /// The share of the connections that are open when it is said that a fault proxy resets, once.
                "reset_open" reset_open: $crate::scenario::backend::value::ShareText,
                /// Connections of which a fault proxy closes one side, once.
                "half_open" half_open: $crate::scenario::fault::raw::RawHalfOpen,
            }
            $( hints { $($hints)* } )?
        }

        impl $name {
            /// What goes wrong; `None` when something is wrong with that.
            pub(in crate::scenario) fn faults(
                &self,
                path: &str,
                problems: &$crate::scenario::reader::problem::Problems,
            ) -> Option<$crate::scenario::fault::Faults> {
                let mut fields = $crate::scenario::fault::raw::Said::default();
                fields.put("latency", &self.latency);
                fields.put("jitter", &self.jitter);
                fields.put("rate", &self.rate);
                fields.put("blackhole", &self.blackhole);
                fields.put("cut_after", &self.cut_after);
                fields.put("refuse", &self.refuse);
                fields.put("reset_new", &self.reset_new);
                fields.put("reset_open", &self.reset_open);
                fields.put("half_open", &self.half_open);
                fields.faults(path, problems)
            }

            /// Says these as they are written.
            pub(in crate::scenario) fn set_faults(&mut self, faults: &$crate::scenario::fault::Faults) {
                use $crate::scenario::fault::raw::written;

                self.latency = written(faults, "latency");
                self.jitter = written(faults, "jitter");
                self.rate = written(faults, "rate");
                self.blackhole = written(faults, "blackhole");
                self.cut_after = written(faults, "cut_after");
                self.refuse = written(faults, "refuse");
                self.reset_new = written(faults, "reset_new");
                self.reset_open = written(faults, "reset_open");
                self.half_open = written(faults, "half_open");
            }
        }
    };
}

pub(in crate::scenario) use with_faults;

/// The fields of [`with_faults`].
pub(in crate::scenario) const FAULTS: [&str; 9] = [
    "latency",
    "jitter",
    "rate",
    "blackhole",
    "cut_after",
    "refuse",
    "reset_new",
    "reset_open",
    "half_open",
];

with_faults! {
    /// What goes wrong at a fault proxy from its start.
    RawFaults is "faults such as {\"latency\": \"50ms\"}" {}
    hints {
        "delay" => "how long bytes are held up is `latency`",
        "bandwidth" => "bytes a second are `rate`",
    }
}

/// What is said of faults, field by field.
#[derive(Debug, Default)]
pub(in crate::scenario) struct Said {
    fields: Map<String, Value>,
    is_broken: bool,
}

impl Said {
    pub(in crate::scenario) fn put<T: Serialize>(&mut self, name: &str, entry: &Entry<T>) {
        match entry {
            Entry::Given(value) => {
                self.fields.insert(name.to_owned(), as_written(value));
            }
            Entry::Broken => self.is_broken = true,
            Entry::Absent => {}
        }
    }

    pub(in crate::scenario) fn faults(self, path: &str, problems: &Problems) -> Option<Faults> {
        if self.is_broken || FAULTS.iter().any(|it| problems.any_below(&below(path, it))) {
            return None;
        }
        Faults(self.fields).check(path, problems)
    }
}

fn below(path: &str, field: &str) -> String {
    format!("{path}{}", crate::scenario::join(path, field))
}

/// A field of faults as it is written: it was read once.
pub(in crate::scenario) fn written<T: Decode>(faults: &Faults, field: &str) -> Entry<T> {
    let problems = Problems::default();
    let at = Place {
        path: String::new(),
        problems: &problems,
    };
    match faults.0.get(field) {
        Some(value) => Entry::decode(&Reader { value, at }),
        None => Entry::Absent,
    }
}
