//! What a server says of itself by reflection, and a descriptor set, from bytes to descriptions.
//!
//! Owns not believing it: how much is read, that names are names, that files fit together. Source of
//! the numbers of fields: `google/protobuf/descriptor.proto`.

use std::collections::BTreeMap;
use std::rc::Rc;

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

use super::editions::{self, FileFeatures};

/// All answers of a server together. The largest public interfaces take some megabytes.
pub(super) const MOST_BYTES: usize = 16 << 20;
/// Files of a server, those that are still to be asked for included.
pub(super) const MOST_FILES: usize = 10_000;
/// Parts of all files together: imports, messages, fields, enums and the like. An empty one takes two bytes
/// on the wire and hundreds in memory.
pub(super) const MOST_PARTS: usize = 300_000;
const MOST_NAME_BYTES: usize = 512;
/// The longest name of a file, which is a path.
const MOST_FILE_NAME_BYTES: usize = 4 << 10;

/// The files that a server has described.
pub(super) type Files = BTreeMap<String, FileDescriptorProto>;
/// The names of files that are still to be asked for, and which file imports each.
pub(super) type Wanted = BTreeMap<String, Rc<str>>;

/// Reads a file and looks it over. It comes in words that the pool knows. `parts_left` are those
/// that are still taken, of `most`.
pub(super) fn read(
    encoded: &[u8],
    parts_left: &mut usize,
    most: usize,
) -> Result<FileDescriptorProto, String> {
    let parts = count(encoded, Part::File, 0).ok_or("it has a file that is none")?;
    *parts_left = parts_left
        .checked_sub(parts)
        .ok_or_else(|| format!("its files have more than {most} parts"))?;
    let unread = |error| format!("it has a file that is none: {error}");
    let mut file = FileDescriptorProto::decode(encoded).map_err(unread)?;
    let features = FileFeatures::decode(encoded).map_err(unread)?;
    // Not needed, and the larger part of a file where a server sends it.
    file.source_code_info = None;
    check_names(&file)?;
    let called = crate::text::short(file.name());
    // Fields say what they are, so that nothing has to be looked up.
    editions::known(&DescriptorPool::new(), file, &features)
        .map_err(|error| format!("its file `{called}` cannot be used: {error}"))
}

/// Adds a file to the others, and what it imports to what is wanted. Each name is looked at before
/// it is kept: a file may import the same one over and over.
pub(super) fn add(
    file: FileDescriptorProto,
    files: &mut Files,
    wanted: &mut Wanted,
) -> Result<(), String> {
    let importer: Rc<str> = file.name().into();
    for name in &file.dependency {
        if files.contains_key(name) || wanted.contains_key(name) {
            continue;
        }
        if files.len() + wanted.len() >= MOST_FILES {
            return Err(too_many_files());
        }
        wanted.insert(name.clone(), Rc::clone(&importer));
    }
    files.insert(file.name().to_owned(), file);
    if files.len() + wanted.len() > MOST_FILES {
        return Err(too_many_files());
    }
    Ok(())
}

fn too_many_files() -> String {
    format!("it describes more than {MOST_FILES} files")
}

/// What is said of a file that the server does not send.
pub(super) fn lacks(name: &str, importer: &str, said: &str) -> String {
    let (name, importer) = (crate::text::short(name), crate::text::short(importer));
    let said = match said {
        "" => String::new(),
        said => format!(" ({})", crate::text::short(said)),
    };
    format!("its file `{importer}` imports `{name}`, which it does not have{said}")
}

/// All files together.
pub(super) fn pool(files: Files) -> Result<DescriptorPool, String> {
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files.into_values())
        .map_err(|error| {
            let error = crate::text::short(&error.to_string());
            format!("its files do not fit together: {error}")
        })?;
    Ok(pool)
}

/// Parts of a file that have parts of their own.
#[derive(Clone, Copy)]
enum Part {
    File,
    Message,
    Enum,
    Service,
    Leaf,
    /// One that has nothing inside.
    Text,
}

impl Part {
    /// What the field of this number is, if it is a part.
    fn inner(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 6) => Self::Service,
            // Fields, options, places in the source, ranges, oneofs, values, methods.
            (Self::File, 7..=9)
            | (Self::Message, 2 | 5..=9)
            | (Self::Enum, 2..=4)
            | (Self::Service, 2 | 3)
            | (Self::Leaf, _) => Self::Leaf,
            // Imports and reserved names.
            (Self::File, 3) | (Self::Message, 10) | (Self::Enum, 5) => Self::Text,
            _ => return None,
        })
    }
}

/// Parts deeper than this are beyond what the decoder takes.
const MOST_DEPTH: usize = 100;

/// How many parts the bytes have, without making anything of them. `None` when they are no file.
fn count(mut bytes: &[u8], part: Part, depth: usize) -> Option<usize> {
    if depth > MOST_DEPTH {
        return None;
    }
    let mut parts = 0;
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => {
                varint(&mut bytes)?;
            }
            1 => bytes = bytes.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let inside = bytes.get(..length)?;
                bytes = &bytes[length..];
                if let Some(inner) = part.inner(key >> 3) {
                    parts += 1;
                    parts += match inner {
                        Part::Text => 0,
                        // A leaf may be a text too, so what is in it need not be fields.
                        Part::Leaf => count(inside, inner, depth + 1).unwrap_or(0),
                        _ => count(inside, inner, depth + 1)?,
                    };
                }
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
    }
    Some(parts)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Names go into paths and sentences, so they have to be what the language allows.
fn check_names(file: &FileDescriptorProto) -> Result<(), String> {
    for name in std::iter::once(file.name()).chain(file.dependency.iter().map(String::as_str)) {
        if name.len() > MOST_FILE_NAME_BYTES {
            return Err(format!(
                "it has a file with the file name `{}` of {} bytes, and at most \
                 {MOST_FILE_NAME_BYTES} are taken",
                crate::text::short(name),
                name.len()
            ));
        }
    }
    let parts = file.package.iter().flat_map(|package| package.split('.'));
    for part in parts.filter(|part| !part.is_empty()) {
        check_name(part)?;
    }
    file.message_type.iter().try_for_each(check_message)?;
    file.enum_type.iter().try_for_each(check_enum)?;
    file.extension.iter().try_for_each(check_field)?;
    for service in &file.service {
        check_name(service.name())?;
        for method in &service.method {
            check_name(method.name())?;
        }
    }
    Ok(())
}

fn check_message(message: &DescriptorProto) -> Result<(), String> {
    check_name(message.name())?;
    if message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry())
    {
        check_entry(message)?;
    }
    message.field.iter().try_for_each(check_field)?;
    message.extension.iter().try_for_each(check_field)?;
    message.enum_type.iter().try_for_each(check_enum)?;
    for oneof in &message.oneof_decl {
        check_name(oneof.name())?;
    }
    message.nested_type.iter().try_for_each(check_message)
}

/// A map's entries have a key and a value; the library takes that for granted.
fn check_entry(entry: &DescriptorProto) -> Result<(), String> {
    let field = |number| {
        let mut fields = entry.field.iter();
        fields.find(|field| field.number() == number && field.label() != Label::Repeated)
    };
    let is_key = |field: &FieldDescriptorProto| {
        !matches!(
            field.r#type(),
            Type::Double | Type::Float | Type::Bytes | Type::Message | Type::Group | Type::Enum
        )
    };
    if field(1).is_some_and(is_key) && field(2).is_some() {
        return Ok(());
    }
    let name = entry.name();
    Err(format!(
        "it has a file with the map entry `{name}`, which is none"
    ))
}

fn check_field(field: &FieldDescriptorProto) -> Result<(), String> {
    check_name(field.name())
}

fn check_enum(of: &EnumDescriptorProto) -> Result<(), String> {
    check_name(of.name())?;
    of.value
        .iter()
        .try_for_each(|value| check_name(value.name()))
}

fn check_name(name: &str) -> Result<(), String> {
    let is_one = name.len() <= MOST_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_one {
        return Ok(());
    }
    let name = crate::text::short(name);
    Err(format!(
        "it has a file with the name `{name}`, which is none"
    ))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// A field with something inside.
    fn field(number: u8, inside: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(inside.len() as u64, &mut out);
        out.extend_from_slice(inside);
        out
    }

    fn refused(encoded: &[u8]) -> String {
        read(encoded, &mut { MOST_PARTS }, MOST_PARTS).expect_err("refused")
    }

    #[test_case(3; "imports")]
    #[test_case(4; "messages")]
    #[test_case(5; "enums")]
    #[test_case(7; "extensions")]
    #[test_case(9; "places in the source")]
    fn a_file_of_empty_parts_is_refused_before_it_takes_memory(number: u8) {
        let parts = [number << 3 | 2, 0].repeat(MOST_PARTS + 1);
        assert_eq!(refused(&parts), "its files have more than 300000 parts");
        // Those of files before count too.
        let mut left = MOST_PARTS;
        assert!(read(&field(4, &field(1, b"M")), &mut left, MOST_PARTS).is_ok());
        assert_eq!(left, MOST_PARTS - 1);
        let inner = field(4, &[2 << 3 | 2, 0].repeat(MOST_PARTS));
        assert_eq!(refused(&inner), "its files have more than 300000 parts");
    }

    #[test_case(4, 10; "of messages")]
    #[test_case(5, 5; "of enums")]
    fn reserved_names_are_parts(part: u8, names: u8) {
        let inner = field(part, &[names << 3 | 2, 0].repeat(MOST_PARTS));
        assert_eq!(refused(&inner), "its files have more than 300000 parts");
    }

    #[test_case(1; "its own")]
    #[test_case(3; "an import's")]
    fn names_of_files_are_bounded(number: u8) {
        let of = |len| field(number, &b"a".repeat(len));
        assert!(read(&of(MOST_FILE_NAME_BYTES), &mut { MOST_PARTS }, MOST_PARTS).is_ok());
        let why = refused(&of(MOST_FILE_NAME_BYTES + 1));
        assert!(
            why.starts_with("it has a file with the file name `aaa"),
            "{why}"
        );
        assert!(
            why.ends_with("of 4097 bytes, and at most 4096 are taken"),
            "{why}"
        );
    }

    /// One over and over is one; the last of too many is not looked for.
    #[test]
    fn imports_are_bounded() {
        let importing = |dependency| FileDescriptorProto {
            name: Some("a.proto".to_owned()),
            dependency,
            ..FileDescriptorProto::default()
        };
        let (mut files, mut wanted) = (Files::new(), Wanted::new());
        let same = vec!["b.proto".to_owned(); 3 * MOST_FILES];
        assert_eq!(add(importing(same), &mut files, &mut wanted), Ok(()));
        assert_eq!((files.len(), wanted.len()), (1, 1));
        assert_eq!(wanted["b.proto"].as_ref(), "a.proto");
        let many = (0..3 * MOST_FILES).map(|nth| nth.to_string()).collect();
        assert_eq!(
            add(importing(many), &mut files, &mut wanted),
            Err("it describes more than 10000 files".to_owned())
        );
        assert_eq!(files.len() + wanted.len(), MOST_FILES);
    }

    #[test_case(&[0xff; 12]; "no key")]
    #[test_case(&[0x0a, 5, 1]; "cut off")]
    #[test_case(&[0x0b]; "a group")]
    #[test_case(&field(4, &[0xff]); "cut off inside")]
    fn bytes_that_are_no_file(encoded: &[u8]) {
        assert!(refused(encoded).starts_with("it has a file that is none"));
    }

    #[test]
    fn depth_is_bounded() {
        let mut nested = Vec::new();
        for _ in 0..200 {
            nested = field(3, &nested);
        }
        assert_eq!(refused(&field(4, &nested)), "it has a file that is none");
    }

    #[test_case("\u{1b}[2J" => "it has a file with the name `\u{fffd}[2J`, which is none".to_owned())]
    #[test_case("a\u{202e}b" => "it has a file with the name `a\u{fffd}b`, which is none".to_owned())]
    #[test_case("a b" => "it has a file with the name `a b`, which is none".to_owned())]
    #[test_case("1a" => "it has a file with the name `1a`, which is none".to_owned())]
    fn names_are_names(name: &str) -> String {
        // The name of a message is its field 1.
        refused(&field(4, &field(1, name.as_bytes())))
    }

    /// The library panics on them when a message is made.
    #[test_case(&[] => false; "nothing")]
    #[test_case(&[(1, 9)] => false; "no value")]
    #[test_case(&[(2, 9)] => false; "no key")]
    #[test_case(&[(1, 1), (2, 9)] => false; "a double as key")]
    #[test_case(&[(1, 9), (2, 1)] => true; "text and double")]
    fn map_entries_have_a_key_and_a_value(fields: &[(u8, u8)]) -> bool {
        let fields = fields.iter().flat_map(|(number, kind)| {
            // Name, number and type.
            let inside = [&field(1, b"f")[..], &[3 << 3, *number, 5 << 3, *kind]].concat();
            field(2, &inside)
        });
        // Option 7 of an entry.
        let entry = [field(1, b"E"), fields.collect(), field(7, &[7 << 3, 1])].concat();
        read(&field(4, &entry), &mut 10, 10).is_ok()
    }

    #[test]
    fn a_syntax_of_the_future_is_told_of() {
        let file = [field(1, b"a.proto"), field(12, b"proto9")].concat();
        assert_eq!(
            refused(&file),
            "its file `a.proto` cannot be used: its syntax is `proto9`; loadgen knows proto2, \
             proto3 and the editions 2023 and 2024"
        );
        // Field 14, the edition, is a number: 9999.
        let file = [
            field(1, b"a.proto"),
            field(12, b"editions"),
            vec![0x70, 0x8f, 0x4e],
        ]
        .concat();
        assert!(refused(&file).contains("of an edition that loadgen does not know"));
    }
}
