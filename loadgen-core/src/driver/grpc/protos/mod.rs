//! `.proto` files and descriptor sets, from where they lie to descriptions.
//!
//! Owns finding files and what they import, and saying which of them is wrong, where, and what to
//! do. Reading what a file says is the parser's.

mod missing;
mod set;
mod wrong;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::FileDescriptorProto;
use protox::file::{FileResolver, GoogleFileResolver};

use self::set::Sets;
use self::wrong::{Wrong, place_in, place_of, place_of_import};

use super::dialect::{self, EDITIONS, Edition};
use super::editions::{self, FileFeatures, Unusable};
use super::error::DriverError;
use super::options;

/// All files of a scenario together, what they import included.
const MOST_BYTES: u64 = 64 << 20;
/// Files that import one another in a row. More are a mistake, or made to exhaust the stack.
const MOST_IMPORTS_IN_A_ROW: usize = 200;

/// Files that come with protoc and say nothing that bears on how a message is encoded.
const FEATURES_OF_LANGUAGES: [&str; 3] = [
    "google/protobuf/cpp_features.proto",
    "google/protobuf/go_features.proto",
    "google/protobuf/java_features.proto",
];

/// A file that comes with the protocol, such as `google/protobuf/empty.proto`.
pub(super) fn built_in(name: &str) -> Option<FileDescriptorProto> {
    if FEATURES_OF_LANGUAGES.contains(&name) {
        return Some(FileDescriptorProto {
            name: Some(name.to_owned()),
            ..FileDescriptorProto::default()
        });
    }
    let file = GoogleFileResolver::new().open_file(name).ok()?;
    Some(file.file_descriptor_proto().clone())
}

/// Reads `.proto` files and descriptor sets. A folder among them is a root for imports; so is the own one
/// of each file that is a text.
pub(super) fn compile_files(protos: &[PathBuf]) -> Result<DescriptorPool, DriverError> {
    let mut compiler = Compiler::new(Vec::new());
    let mut named = Vec::new();
    for path in protos {
        let kind = fs::metadata(path).map_err(|error| Wrong::unread(path, &error))?;
        if kind.is_dir() {
            compiler.roots.push(path.clone());
        } else {
            named.push(compiler.read_named(path)?);
        }
    }
    if named.is_empty()
        && let Some(folder) = compiler.roots.first()
    {
        let problem = "it is a folder, in which imports are looked for; name the .proto files that \
                       describe the services beside it";
        return Err(Wrong::new(folder, problem).into());
    }
    // Folders named on purpose come before those that files merely lie in.
    for named in &named {
        if let Named::Text(path, _) = named {
            compiler.looks_beside(path);
        }
    }
    for named in named {
        match named {
            Named::Text(path, source) => compiler.open(path, &source)?,
            Named::Set(names) => {
                for name in names {
                    compiler.add_of_set(&name)?;
                }
            }
        }
    }
    Ok(compiler.pool)
}

/// What the scenario names.
enum Named<'a> {
    /// A file and what it says.
    Text(&'a Path, String),
    /// A descriptor set: the names of its files.
    Set(Vec<String>),
}

/// Compiles one file that is at hand as text.
pub(super) fn compile_source(name: &str, source: &str) -> Result<DescriptorPool, DriverError> {
    let mut compiler = Compiler::new(Vec::new());
    compiler.add_source(name, Path::new(name), source)?;
    Ok(compiler.pool)
}

const NOT_A_FILE: &str = "it is neither a file nor a folder; `protos` takes .proto files, \
                          descriptor sets, and folders in which imports are looked for";

struct Compiler {
    pool: DescriptorPool,
    /// Where imports are looked for, the first first.
    roots: Vec<PathBuf>,
    /// Looked into before those.
    sets: Sets,
    done: HashSet<String>,
    under_way: Vec<String>,
    bytes_left: u64,
}

impl Compiler {
    fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            pool: DescriptorPool::new(),
            roots,
            sets: Sets::default(),
            done: HashSet::new(),
            under_way: Vec::new(),
            bytes_left: MOST_BYTES,
        }
    }

    /// Reads what the scenario names.
    fn read_named<'a>(&mut self, path: &'a Path) -> Result<Named<'a>, Wrong> {
        let bytes = self.read(path)?;
        if let Some(files) = set::files_in(&bytes) {
            return Ok(Named::Set(self.sets.add(path, &files)?));
        }
        if set::is_called_so(path) {
            return Err(set::refused(path, bytes.is_empty()));
        }
        Ok(Named::Text(path, text(path, &bytes)?))
    }

    /// Looks for imports in the folder of this file too.
    fn looks_beside(&mut self, file: &Path) {
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !self.roots.iter().any(|root| root == folder) {
            self.roots.push(folder.to_owned());
        }
    }

    /// Adds a file that the scenario names.
    fn open(&mut self, path: &Path, source: &str) -> Result<(), Wrong> {
        let unread = |error| Wrong::unread(path, &error);
        let full = path.canonicalize().map_err(unread)?;
        let mut hidden_by = None;
        let mut name = None;
        for root in &self.roots {
            let Ok(root) = root.canonicalize() else {
                continue;
            };
            let Some(below) = full.strip_prefix(&root).ok().and_then(import_name) else {
                continue;
            };
            // What an import of this name would find.
            match self.find(&below) {
                Some(found) if found.canonicalize().is_ok_and(|found| found == full) => {
                    name = Some(below);
                    break;
                }
                found => hidden_by = hidden_by.or(found),
            }
        }
        let Some(name) = name else {
            let problem = match hidden_by {
                Some(other) => format!(
                    "{} has the same name for an import and comes first; leave one of the two \
                     folders out of `protos`, or name the one that is meant before the other",
                    other.display()
                ),
                None => "its name cannot be one of an import: it is not UTF-8".to_owned(),
            };
            return Err(Wrong::new(path, problem));
        };
        if self.done.contains(&name) {
            return Ok(());
        }
        self.add_source(&name, path, source)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        self.roots
            .iter()
            .map(|root| root.join(name))
            .find(|path| path.exists())
    }

    /// What a file holds.
    fn read(&mut self, path: &Path) -> Result<Bytes, Wrong> {
        let unread = |error| Wrong::unread(path, &error);
        // Before it is opened: opening a pipe waits for somebody to write to it.
        if !fs::metadata(path).map_err(unread)?.is_file() {
            return Err(Wrong::new(path, NOT_A_FILE));
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(self.bytes_left + 1).read_to_end(&mut bytes))
            .map_err(unread)?;
        let length = bytes.len() as u64;
        let Some(left) = self.bytes_left.checked_sub(length) else {
            let problem = format!(
                "with it the files are longer than {} MiB, which is the most that is read",
                MOST_BYTES >> 20
            );
            return Err(Wrong::new(path, problem));
        };
        self.bytes_left = left;
        Ok(bytes.into())
    }

    /// Adds a file of a descriptor set.
    fn add_of_set(&mut self, name: &str) -> Result<(), Wrong> {
        if self.done.contains(name) {
            return Ok(());
        }
        let Some((path, file)) = self.sets.get(name) else {
            return Ok(());
        };
        self.add_imports(name, &path, &file)?;
        self.add(&path, file, &FileFeatures::default())
    }

    fn add_source(&mut self, name: &str, path: &Path, source: &str) -> Result<(), Wrong> {
        let readable = dialect::readable(source).map_err(|unknown| {
            let edition = unknown.edition;
            let problem = format!(
                "edition `{edition}` is not known; loadgen knows proto2, proto3 and the editions {}",
                EDITIONS.join(" and ")
            );
            Wrong::at(path, Some(place_of(source, unknown.at)), &problem)
        })?;
        let parsed = protox::file::File::from_source(name, &readable.text)
            .map_err(|error| Wrong::at(path, place_in(&error), &error.to_string()))?;
        let mut file = parsed.file_descriptor_proto().clone();
        let mut features = FileFeatures::default();
        if readable.edition == Edition::Known {
            features = FileFeatures::in_source(&file);
            file.syntax = Some("editions".to_owned());
        }
        options::drop_others(&mut file);
        self.add_imports(name, path, &file)?;
        self.add(path, file, &features)
    }

    fn add_imports(
        &mut self,
        name: &str,
        path: &Path,
        file: &FileDescriptorProto,
    ) -> Result<(), Wrong> {
        self.under_way.push(name.to_owned());
        let mut seen = HashSet::new();
        for (index, import) in file.dependency.iter().enumerate() {
            let place = place_of_import(file, index);
            // A set says which of its files it is, a text where in it.
            let of_set = place.is_none() && self.sets.has(name);
            let wrong = |problem: &str| match of_set {
                true => Wrong::at(path, None, &format!("its file `{name}`: {problem}")),
                false => Wrong::at(path, place, problem),
            };
            if !seen.insert(import) {
                return Err(wrong(&format!("`{import}` is imported twice")));
            }
            if self.done.contains(import) {
                continue;
            }
            if self.under_way.contains(import) {
                let circle = self.under_way.join(" -> ");
                return Err(wrong(&format!(
                    "the imports go in a circle: {circle} -> {import}"
                )));
            }
            if self.under_way.len() > MOST_IMPORTS_IN_A_ROW {
                return Err(wrong(&format!(
                    "more than {MOST_IMPORTS_IN_A_ROW} files import one another in a row"
                )));
            }
            if self.sets.has(import) {
                self.add_of_set(import)?;
            } else if let Some(found) = self.find(import) {
                let bytes = self.read(&found)?;
                let source = text(&found, &bytes)?;
                self.add_source(import, &found, &source)?;
            } else if let Some(file) = built_in(import) {
                let path = PathBuf::from(import);
                self.add_imports(import, &path, &file)?;
                self.add(&path, file, &FileFeatures::default())?;
            } else {
                return Err(wrong(&missing::told(import, &self.roots, of_set)));
            }
        }
        self.under_way.pop();
        Ok(())
    }

    fn add(
        &mut self,
        path: &Path,
        mut file: FileDescriptorProto,
        features: &FileFeatures,
    ) -> Result<(), Wrong> {
        let name = file.name().to_owned();
        // Where everything stands in the text takes more memory than all that it says, and the pool keeps
        // what it is given. Only of a mistake is the place told.
        let places = file.source_code_info.take();
        let mut added = editions::add(&mut self.pool, file.clone(), features);
        if added.is_err() && places.is_some() {
            file.source_code_info = places;
            added = editions::add(&mut self.pool, file, features);
        }
        added.map_err(|error| {
            let place = match &error {
                Unusable::Descriptor(error) => error
                    .line()
                    .zip(error.column())
                    .map(|(line, column)| (line + 1, column + 1)),
                Unusable::Edition | Unusable::Syntax(_) => None,
            };
            Wrong::at(path, place, &error.to_string())
        })?;
        self.done.insert(name);
        Ok(())
    }
}

/// What the file says, or why it is no text.
fn text(path: &Path, bytes: &[u8]) -> Result<String, Wrong> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            Err(Wrong::new(
                path,
                format!("it is not a text: byte {at} is not UTF-8"),
            ))
        }
    }
}

/// The name under which a file is imported from a root.
fn import_name(below: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}
