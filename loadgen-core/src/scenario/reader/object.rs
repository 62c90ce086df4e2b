//! Raw types from lists of their fields, and of their words.

/// Makes a raw type from a list of its fields: `"json name" field: Type,`, with `[required]`
/// after the name of one that must be there. `hints` answer fields that people try and that do
/// not exist.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $name:ident is $what:literal {
            $( $(#[$field_meta:meta])* $json:literal $([$required:ident])? $field:ident: $type:ty, )+
        }
        $( hints { $( $hint:literal => $help:expr, )+ } )?
    ) => {
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, schemars::JsonSchema)]
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        #[schemars(extend("required" = Self::REQUIRED))]
        pub(in crate::scenario) struct $name {
            $(
                $(#[$field_meta])*
                #[serde(rename = $json, default, skip_serializing_if = "crate::scenario::reader::Entry::is_absent")]
                pub(in crate::scenario) $field: crate::scenario::reader::Entry<$type>,
            )+
        }

        impl $name {
            const REQUIRED: &'static [&'static str] =
                &[$($({ stringify!($required); $json },)?)+];
            pub(in crate::scenario) const HINTS: &'static [(&'static str, &'static str)] =
                &[$($(($hint, $help),)+)?];
        }

        impl crate::scenario::reader::Fields for $name {
            const FIELDS: &'static [&'static str] = &[$($json,)+];

            fn has(&self, field: &str) -> bool {
                match field {
                    $($json => !self.$field.is_absent(),)+
                    _ => false,
                }
            }
        }

        impl crate::scenario::reader::Decode for $name {
            fn decode(reader: &crate::scenario::reader::Reader<'_>) -> Option<Self> {
                use crate::scenario::reader::{Entry, Fields};

                let object = reader.object($what)?;
                reader.check_fields(object, $what, Self::FIELDS, Self::REQUIRED, Self::HINTS);
                let entry = |key: &str| object.get(key).map(|value| reader.field(key, value));
                Some(Self {
                    $($field: match entry($json) {
                        Some(reader) => Entry::decode(&reader),
                        None if Self::REQUIRED.contains(&$json) => Entry::Broken,
                        None => Entry::Absent,
                    },)+
                })
            }
        }

        impl crate::scenario::reader::Check for $name {
            fn check(&mut self, at: &crate::scenario::reader::Place<'_>) -> bool {
                $(self.$field.check(&at.field($json));)+
                true
            }
        }
    };
}

/// Makes an enum of words.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
        $(#[$meta])*
        pub(in crate::scenario) enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $word)] $variant, )+
        }

        impl crate::scenario::reader::Rule for $name {}

        impl crate::scenario::reader::Decode for $name {
            fn decode(reader: &crate::scenario::reader::Reader<'_>) -> Option<Self> {
                const WORDS: &[&str] = &[$($word,)+];
                let expected = match WORDS {
                    [only] => format!("\"{only}\""),
                    several => format!("one of \"{}\"", several.join("\", \"")),
                };
                match reader.text(&expected)? {
                    $($word => Some(Self::$variant),)+
                    other => reader.refuse(
                        expected,
                        crate::nearest::did_you_mean(other, WORDS.iter().copied()),
                    ),
                }
            }
        }
    };
}

pub(in crate::scenario) use {choice, object};
