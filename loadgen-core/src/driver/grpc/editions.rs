//! Files of an edition, in the words of proto3, which the library that encodes knows.
//!
//! Owns the features that bear on how a message is encoded: presence, packing, and messages between
//! tags. Whether an enum is open and how strict a text is are for those who read. Source:
//! <https://protobuf.dev/editions/features/>.

use prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto, UninterpretedOption,
};
use prost_reflect::{DescriptorError, DescriptorPool};

/// 2023 and 2024, and those that stand for proto2 and proto3.
const KNOWN: std::ops::RangeInclusive<i32> = 998..=1001;
const PROTO2: i32 = 998;
const PROTO3: i32 = 999;
const EDITION_2023: i32 = 1000;

/// The features of a file, in the shape that the file has.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileFeatures {
    #[prost(message, repeated, tag = "4")]
    messages: Vec<MessageFeatures>,
    #[prost(message, repeated, tag = "7")]
    extensions: Vec<FieldFeatures>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileOptions>,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct MessageFeatures {
    #[prost(message, repeated, tag = "2")]
    fields: Vec<FieldFeatures>,
    #[prost(message, repeated, tag = "3")]
    messages: Vec<MessageFeatures>,
    #[prost(message, repeated, tag = "6")]
    extensions: Vec<FieldFeatures>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldFeatures {
    #[prost(message, optional, tag = "8")]
    options: Option<FieldFeatureOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct FileOptions {
    #[prost(message, optional, tag = "50")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct MessageOptions {
    #[prost(message, optional, tag = "12")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldFeatureOptions {
    #[prost(message, optional, tag = "21")]
    features: Option<Features>,
}

/// What is not said is as it is one level up.
#[derive(Clone, Copy, PartialEq, Message)]
struct Features {
    #[prost(int32, optional, tag = "1")]
    presence: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    repeated_encoding: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    message_encoding: Option<i32>,
}

const EXPLICIT: i32 = 1;
const IMPLICIT: i32 = 2;
const LEGACY_REQUIRED: i32 = 3;
const PACKED: i32 = 1;
const EXPANDED: i32 = 2;
const LENGTH_PREFIXED: i32 = 1;
const DELIMITED: i32 = 2;

impl Features {
    fn of_edition(edition: i32) -> Self {
        let (presence, repeated_encoding) = match edition {
            PROTO2 => (EXPLICIT, EXPANDED),
            PROTO3 => (IMPLICIT, PACKED),
            _ => (EXPLICIT, PACKED),
        };
        Self {
            presence: Some(presence),
            repeated_encoding: Some(repeated_encoding),
            message_encoding: Some(LENGTH_PREFIXED),
        }
    }

    fn with(self, own: Option<Self>) -> Self {
        let own = own.unwrap_or_default();
        Self {
            presence: own.presence.or(self.presence),
            repeated_encoding: own.repeated_encoding.or(self.repeated_encoding),
            message_encoding: own.message_encoding.or(self.message_encoding),
        }
    }

    /// Those that a file's text gives: `features.field_presence = IMPLICIT`, or several in braces.
    fn in_source(options: &[UninterpretedOption]) -> Option<Self> {
        let mut features = Self::default();
        let mut any = false;
        for option in options {
            let names: Vec<&str> = option
                .name
                .iter()
                .map(|part| part.name_part.as_str())
                .collect();
            match names.as_slice() {
                ["features", name] => {
                    let value = option.identifier_value.as_deref().unwrap_or_default();
                    features.set(name, value);
                }
                ["features"] => {
                    let text = option.aggregate_value.as_deref().unwrap_or_default();
                    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let words: Vec<&str> = text
                        .split(|c| !is_word(c))
                        .filter(|word| !word.is_empty())
                        .collect();
                    for pair in words.windows(2) {
                        features.set(pair[0], pair[1]);
                    }
                }
                _ => continue,
            }
            any = true;
        }
        any.then_some(features)
    }

    fn set(&mut self, name: &str, value: &str) {
        let (feature, value) = match (name, value) {
            ("field_presence", "EXPLICIT") => (&mut self.presence, EXPLICIT),
            ("field_presence", "IMPLICIT") => (&mut self.presence, IMPLICIT),
            ("field_presence", "LEGACY_REQUIRED") => (&mut self.presence, LEGACY_REQUIRED),
            ("repeated_field_encoding", "PACKED") => (&mut self.repeated_encoding, PACKED),
            ("repeated_field_encoding", "EXPANDED") => (&mut self.repeated_encoding, EXPANDED),
            ("message_encoding", "LENGTH_PREFIXED") => {
                (&mut self.message_encoding, LENGTH_PREFIXED)
            }
            ("message_encoding", "DELIMITED") => (&mut self.message_encoding, DELIMITED),
            _ => return,
        };
        *feature = Some(value);
    }
}

impl FileFeatures {
    /// Those of a file that was parsed from text, its options still as they were written.
    pub(super) fn in_source(file: &FileDescriptorProto) -> Self {
        let options = file.options.as_ref();
        Self {
            messages: file.message_type.iter().map(message_in_source).collect(),
            extensions: file.extension.iter().map(field_in_source).collect(),
            options: options.map(|options| FileOptions {
                features: Features::in_source(&options.uninterpreted_option),
            }),
            edition: Some(EDITION_2023),
        }
    }
}

fn message_in_source(message: &DescriptorProto) -> MessageFeatures {
    let options = message.options.as_ref();
    MessageFeatures {
        fields: message.field.iter().map(field_in_source).collect(),
        messages: message.nested_type.iter().map(message_in_source).collect(),
        extensions: message.extension.iter().map(field_in_source).collect(),
        options: options.map(|options| MessageOptions {
            features: Features::in_source(&options.uninterpreted_option),
        }),
    }
}

fn field_in_source(field: &FieldDescriptorProto) -> FieldFeatures {
    let options = field.options.as_ref();
    FieldFeatures {
        options: options.map(|options| FieldFeatureOptions {
            features: Features::in_source(&options.uninterpreted_option),
        }),
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "it is of an edition that loadgen does not know; it knows proto2, proto3 and the editions \
         2023 and 2024"
    )]
    Edition,
    #[error("its syntax is `{0}`; loadgen knows proto2, proto3 and the editions 2023 and 2024")]
    Syntax(String),
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
}

/// A file in words that the pool knows. One of an edition (its `syntax` says so) needs its features.
/// The pool is asked for what the file imports.
pub(super) fn known(
    pool: &DescriptorPool,
    mut file: FileDescriptorProto,
    features: &FileFeatures,
) -> Result<FileDescriptorProto, Unusable> {
    match file.syntax() {
        "" | "proto2" | "proto3" => {}
        "editions" => {
            let edition = features.edition.unwrap_or_default();
            if !KNOWN.contains(&edition) {
                return Err(Unusable::Edition);
            }
            lower(pool, &mut file, features, edition);
        }
        other => return Err(Unusable::Syntax(crate::text::short(other))),
    }
    Ok(file)
}

/// Adds a file to the pool.
pub(super) fn add(
    pool: &mut DescriptorPool,
    file: FileDescriptorProto,
    features: &FileFeatures,
) -> Result<(), Unusable> {
    let file = known(pool, file, features)?;
    Ok(pool.add_file_descriptor_proto(file)?)
}

/// Puts a file of an edition into the words of proto3.
fn lower(
    pool: &DescriptorPool,
    file: &mut FileDescriptorProto,
    features: &FileFeatures,
    edition: i32,
) {
    let own = features.options.as_ref().and_then(|it| it.features);
    let above = Features::of_edition(edition).with(own);
    let mut between_tags = Vec::new();
    let package = file.package().to_owned();
    for (message, features) in file.message_type.iter_mut().zip(&features.messages) {
        lower_message(message, features, above, &package, &mut between_tags);
    }
    for (field, features) in file.extension.iter_mut().zip(&features.extensions) {
        lower_field(field, features, above);
    }
    // An enum of proto3 begins with 0. Of proto2 none need, and there a field without presence is
    // sent as 0 where it is given as 0, which every reader takes for the same.
    let syntax = if any_enum(file, |number| number != 0) {
        "proto2"
    } else {
        "proto3"
    };
    file.syntax = Some(syntax.to_owned());
    if !between_tags.is_empty() {
        put_between_tags(pool, file, &between_tags);
    }
}

/// A field of a message, both by where they stand.
struct Place {
    message: String,
    number: i32,
}

fn lower_message(
    message: &mut DescriptorProto,
    features: &MessageFeatures,
    above: Features,
    scope: &str,
    between_tags: &mut Vec<Place>,
) {
    let name = match scope {
        "" => message.name().to_owned(),
        scope => format!("{scope}.{}", message.name()),
    };
    let own = features.options.as_ref().and_then(|it| it.features);
    let here = above.with(own);
    let is_entry = |message: &DescriptorProto| {
        let options = message.options.as_ref();
        options.is_some_and(|options| options.map_entry())
    };
    let entries: Vec<String> = message
        .nested_type
        .iter()
        .filter(|nested| is_entry(nested))
        .map(|nested| nested.name().to_owned())
        .collect();
    for (field, features) in message.field.iter_mut().zip(&features.fields) {
        let of_field = lower_field(field, features, here);
        let last = field.type_name().rsplit('.').next().unwrap_or_default();
        // Maps are never between tags.
        let is_map = entries.iter().any(|entry| entry == last);
        if of_field.message_encoding != Some(DELIMITED) || last.is_empty() || is_map {
            continue;
        }
        match field.r#type {
            // As a text has it.
            None => between_tags.push(Place {
                message: name.clone(),
                number: field.number(),
            }),
            Some(_) if field.r#type() == Type::Message => field.set_type(Type::Group),
            Some(_) => {}
        }
    }
    for (field, features) in message.extension.iter_mut().zip(&features.extensions) {
        lower_field(field, features, here);
    }
    for (nested, features) in message.nested_type.iter_mut().zip(&features.messages) {
        if !is_entry(nested) {
            lower_message(nested, features, here, &name, between_tags);
        }
    }
}

fn lower_field(
    field: &mut FieldDescriptorProto,
    features: &FieldFeatures,
    above: Features,
) -> Features {
    let own = features.options.as_ref().and_then(|it| it.features);
    let features = above.with(own);
    // It says what a reader makes of a field that is missing.
    field.default_value = None;
    if field.label() == Label::Repeated {
        let is_packed = features.repeated_encoding != Some(EXPANDED);
        let options = field.options.get_or_insert_with(FieldOptions::default);
        options.packed = Some(is_packed);
        return features;
    }
    if field.oneof_index.is_none() && field.extendee.is_none() {
        match features.presence {
            Some(IMPLICIT) => {}
            Some(LEGACY_REQUIRED) => {
                field.set_label(Label::Required);
                field.proto3_optional = Some(true);
            }
            _ => field.proto3_optional = Some(true),
        }
    }
    features
}

fn any_enum(file: &FileDescriptorProto, first: fn(i32) -> bool) -> bool {
    fn in_message(message: &DescriptorProto, first: fn(i32) -> bool) -> bool {
        message
            .enum_type
            .iter()
            .any(|it| it.value.first().is_some_and(|value| first(value.number())))
            || message.nested_type.iter().any(|it| in_message(it, first))
    }
    file.enum_type
        .iter()
        .any(|it| it.value.first().is_some_and(|value| first(value.number())))
        || file.message_type.iter().any(|it| in_message(it, first))
}

/// Makes groups of the fields that are messages and not enums, which in a text look alike.
fn put_between_tags(pool: &DescriptorPool, file: &mut FileDescriptorProto, places: &[Place]) {
    let mut probe = pool.clone();
    if probe.add_file_descriptor_proto(file.clone()).is_err() {
        // What is wrong is found when the file itself is added.
        return;
    }
    let package = file.package().to_owned();
    for place in places {
        let is_message = probe
            .get_message_by_name(&place.message)
            .and_then(|message| message.get_field(u32::try_from(place.number).ok()?))
            .is_some_and(|field| field.kind().as_message().is_some());
        if !is_message {
            continue;
        }
        let path = place
            .message
            .strip_prefix(&package)
            .unwrap_or(&place.message)
            .trim_start_matches('.');
        let mut messages = &mut file.message_type;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let Some(message) = messages.iter_mut().find(|it| it.name() == name) else {
                break;
            };
            if names.peek().is_some() {
                messages = &mut message.nested_type;
                continue;
            }
            let field = message
                .field
                .iter_mut()
                .find(|field| field.number() == place.number);
            if let Some(field) = field {
                field.set_type(Type::Group);
            }
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use test_case::test_case;

    use crate::driver::grpc::{message, protos};

    /// The bytes of a message `t.M` of this file, or what is wrong with it.
    fn sent(source: &str, value: &Value) -> Result<Vec<u8>, String> {
        let pool = protos::compile_source("t.proto", source).expect("valid");
        let descriptor = pool.get_message_by_name("t.M").expect("in it");
        message::encode(&descriptor, value, "m").map_err(|mistakes| mistakes[0].to_string())
    }

    /// Explicit presence is the rule, implicit the exception.
    #[test_case("", "" => vec![0x08, 0]; "of the edition")]
    #[test_case("", "[features.field_presence = IMPLICIT]" => Vec::<u8>::new(); "of the field")]
    #[test_case("option features.field_presence = IMPLICIT;", "" => Vec::<u8>::new(); "of the file")]
    #[test_case("option features = { field_presence: IMPLICIT };", "" => Vec::<u8>::new(); "in braces")]
    #[test_case("option features.field_presence = IMPLICIT;", "[features.field_presence = EXPLICIT]"
        => vec![0x08, 0]; "of the file and the field")]
    fn presence(of_file: &str, of_field: &str) -> Vec<u8> {
        let source = format!(
            "edition = \"2023\"; package t; {of_file} message M {{ int32 a = 1 {of_field}; }}"
        );
        sent(&source, &json!({ "a": 0 })).expect("fits")
    }

    #[test_case("" => vec![0x0a, 2, 1, 2]; "of the edition")]
    #[test_case("option features.repeated_field_encoding = EXPANDED;"
        => vec![0x08, 1, 0x08, 2]; "of the message")]
    fn packing(of_message: &str) -> Vec<u8> {
        let source = format!(
            "edition = \"2023\"; package t; message M {{ {of_message} repeated int32 a = 1; }}"
        );
        sent(&source, &json!({ "a": [1, 2] })).expect("fits")
    }

    #[test]
    fn messages_between_tags() {
        // The file's features are those of its messages; enums and maps are as ever.
        let source = "edition = \"2023\"; package t; option features.message_encoding = DELIMITED; \
                      enum E { A = 0; B = 1; } message I { E e = 1; } \
                      message M { I i = 1; E e = 2; map<string, I> m = 3; message N { I i = 1; } \
                      N n = 4 [features.message_encoding = LENGTH_PREFIXED]; }";
        let value = json!({ "i": { "e": "B" }, "e": "B", "n": { "i": {} } });
        let bytes = [0x0b, 0x08, 1, 0x0c, 0x10, 1, 0x22, 2, 0x0b, 0x0c];
        assert_eq!(sent(source, &value), Ok(bytes.to_vec()));
        let map = json!({ "m": { "a": { "e": "B" } } });
        let bytes = [0x1a, 7, 0x0a, 1, b'a', 0x12, 2, 0x08, 1];
        assert_eq!(sent(source, &map), Ok(bytes.to_vec()));
    }

    #[test]
    fn required_by_a_feature() {
        let source = "edition = \"2023\"; package t; \
                      message M { int32 a = 1 [features.field_presence = LEGACY_REQUIRED]; }";
        assert_eq!(
            sent(source, &json!({})),
            Err("m.a: `t.M` requires this field; expected int32".to_owned())
        );
        assert_eq!(sent(source, &json!({ "a": 0 })), Ok(vec![0x08, 0]));
    }

    #[test]
    fn an_enum_that_begins_with_another_number() {
        let source = "edition = \"2023\"; package t; message M { E e = 1; int32 a = 2; } \
                      enum E { option features.enum_type = CLOSED; ONE = 1; }";
        assert_eq!(
            sent(source, &json!({ "e": "ONE", "a": 0 })),
            Ok(vec![0x08, 1, 0x10, 0])
        );
    }
}
