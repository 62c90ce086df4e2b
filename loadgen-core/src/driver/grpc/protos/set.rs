//! Descriptor sets: `.proto` files as a compiler has read them.
//!
//! Owns telling one from a text, and taking it apart. What a file in it says is looked over as what a
//! server says of itself is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;

use super::{Wrong, built_in};
use crate::driver::grpc::described;

/// Parts of all files of the sets together. An empty one takes two bytes in a file and hundreds in
/// memory.
const MOST_PARTS: usize = 1_000_000;

/// How descriptor sets are called by those who make them.
const EXTENSIONS: [&str; 6] = ["protoset", "binpb", "pb", "desc", "protobin", "fds"];

/// A `FileDescriptorSet`, its files as they are encoded.
#[derive(Clone, PartialEq, Message)]
struct EncodedSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

/// Of a `FileDescriptorProto` its name alone.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// The files of a descriptor set, or the one that these bytes are. `None` where they are neither.
pub(super) fn files_in(bytes: &Bytes) -> Option<Vec<Bytes>> {
    let has_name = |file: &Bytes| {
        Named::decode(file.clone())
            .is_ok_and(|it| !it.name.is_empty() && !it.name.contains(char::is_control))
    };
    // Both begin with their first field, of a given length.
    if bytes.first() != Some(&0x0a) {
        return None;
    }
    match EncodedSet::decode(bytes.clone()) {
        Ok(set) if set.files.iter().all(has_name) => Some(set.files),
        _ => has_name(bytes).then(|| vec![bytes.clone()]),
    }
}

/// Whether it should be one by its name.
pub(super) fn is_called_so(path: &Path) -> bool {
    let extension = path.extension().and_then(|it| it.to_str());
    extension.is_some_and(|it| EXTENSIONS.iter().any(|one| it.eq_ignore_ascii_case(one)))
}

/// What is said of a file that should be one and is not.
pub(super) fn refused(path: &Path, is_empty: bool) -> Wrong {
    let what = match is_empty {
        true => "it is empty",
        false => "it is no descriptor set",
    };
    Wrong::new(
        path,
        format!(
            "{what}; one is made with `protoc --include_imports --descriptor_set_out=FILE …` or \
             `buf build -o FILE.binpb`"
        ),
    )
}

/// The files of all sets that a scenario names, by the names under which they are imported.
#[derive(Debug)]
pub(super) struct Sets {
    files: BTreeMap<String, (PathBuf, FileDescriptorProto)>,
    parts_left: usize,
}

impl Default for Sets {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            parts_left: MOST_PARTS,
        }
    }
}

impl Sets {
    /// Adds the files of a set. Those that come with protobuf are left out, and so are those that
    /// another set has already. Returns the names of its files, in its order.
    pub(super) fn add(&mut self, path: &Path, files: &[Bytes]) -> Result<Vec<String>, Wrong> {
        let mut names = Vec::with_capacity(files.len());
        for encoded in files {
            let file = described::read(encoded, &mut self.parts_left, MOST_PARTS)
                .map_err(|problem| Wrong::new(path, problem))?;
            let name = file.name().to_owned();
            if built_in(&name).is_some() {
                continue;
            }
            names.push(name.clone());
            self.files
                .entry(name)
                .or_insert_with(|| (path.to_owned(), file));
        }
        Ok(names)
    }

    /// Whether a set has the file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The file of this name, with the path of the set that it is in.
    pub(super) fn get(&self, name: &str) -> Option<(PathBuf, FileDescriptorProto)> {
        self.files.get(name).cloned()
    }
}
