//! `.proto` files, from where they lie to descriptions.
//!
//! Owns finding files and what they import, and saying which of them is wrong, where, and what to
//! do. Reading what a file says is the parser's.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::file::{FileResolver, GoogleFileResolver};

use super::dialect::{self, EDITIONS, Edition};
use super::editions::{self, FileFeatures, Unusable};
use super::error::DriverError;
use super::options;
use crate::nearest::nearest;

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

/// Compiles `.proto` files. A folder among them is a root for imports; so is each file's own.
pub(super) fn compile_files(protos: &[PathBuf]) -> Result<DescriptorPool, DriverError> {
    let mut folders = Vec::new();
    let mut files = Vec::new();
    for path in protos {
        let kind = fs::metadata(path).map_err(|error| Wrong::unread(path, &error))?;
        if kind.is_dir() {
            folders.push(path.clone());
        } else if kind.is_file() {
            files.push(path);
        } else {
            return Err(Wrong::new(path, NOT_A_FILE).into());
        }
    }
    if files.is_empty()
        && let Some(folder) = folders.first()
    {
        let problem = "it is a folder, in which imports are looked for; name the .proto files that \
                       describe the services beside it";
        return Err(Wrong::new(folder, problem).into());
    }
    // Folders named on purpose come before those that files merely lie in.
    let mut roots = folders;
    for file in &files {
        let parent = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !roots.iter().any(|root| root == parent) {
            roots.push(parent.to_owned());
        }
    }
    let mut compiler = Compiler::new(roots);
    for file in files {
        compiler.open(file)?;
    }
    Ok(compiler.pool)
}

/// Compiles one file that is at hand as text.
pub(super) fn compile_source(name: &str, source: &str) -> Result<DescriptorPool, DriverError> {
    let mut compiler = Compiler::new(Vec::new());
    compiler.add_source(name, Path::new(name), source)?;
    Ok(compiler.pool)
}

const NOT_A_FILE: &str = "it is neither a file nor a folder; `protos` takes .proto files, and \
                          folders in which imports are looked for";

/// What is wrong with a file.
#[derive(Debug)]
struct Wrong {
    file: PathBuf,
    problem: String,
}

impl From<Wrong> for DriverError {
    fn from(wrong: Wrong) -> Self {
        Self::Proto {
            file: wrong.file,
            problem: wrong.problem,
        }
    }
}

impl Wrong {
    fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            problem: problem.into(),
        }
    }

    /// With the line and column at which it is wrong, both from 1.
    fn at(file: &Path, place: Option<(usize, usize)>, problem: &str) -> Self {
        let problem = crate::text::line(problem);
        Self::new(
            file,
            match place {
                Some((line, column)) => format!("line {line}, column {column}: {problem}"),
                None => problem,
            },
        )
    }

    fn unread(path: &Path, error: &io::Error) -> Self {
        if error.kind() != io::ErrorKind::NotFound {
            return Self::new(path, format!("it cannot be read: {error}"));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let Ok(entries) = fs::read_dir(folder) else {
            let problem = format!("there is no such file, and no folder {}", folder.display());
            return Self::new(path, problem);
        };
        let names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        let name = path.file_name().and_then(|name| name.to_str());
        let near = name.and_then(|name| nearest(name, names.iter().map(String::as_str)));
        Self::new(
            path,
            match near {
                Some(near) => format!("there is no such file; did you mean `{near}`?"),
                None => "there is no such file".to_owned(),
            },
        )
    }
}

struct Compiler {
    pool: DescriptorPool,
    /// Where imports are looked for, the first first.
    roots: Vec<PathBuf>,
    done: HashSet<String>,
    under_way: Vec<String>,
    bytes_left: u64,
}

impl Compiler {
    fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            pool: DescriptorPool::new(),
            roots,
            done: HashSet::new(),
            under_way: Vec::new(),
            bytes_left: MOST_BYTES,
        }
    }

    /// Adds a file that the scenario names.
    fn open(&mut self, path: &Path) -> Result<(), Wrong> {
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
        let source = self.read(path)?;
        self.add_source(&name, path, &source)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        self.roots
            .iter()
            .map(|root| root.join(name))
            .find(|path| path.exists())
    }

    /// The text of a file, or why it is none.
    fn read(&mut self, path: &Path) -> Result<String, Wrong> {
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
        if is_descriptor(&bytes) {
            let problem = "it is a descriptor set, made by a compiler; `protos` takes the .proto \
                           files that it was made from";
            return Err(Wrong::new(path, problem));
        }
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Wrong::new(path, format!("it is not a text: byte {at} is not UTF-8"))
        })
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
            let wrong = |problem: &str| Wrong::at(path, place, problem);
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
            if let Some(found) = self.find(import) {
                let source = self.read(&found)?;
                self.add_source(import, &found, &source)?;
            } else if let Some(file) = built_in(import) {
                let path = PathBuf::from(import);
                self.add_imports(import, &path, &file)?;
                self.add(&path, file, &FileFeatures::default())?;
            } else {
                return Err(wrong(&self.not_found(import)));
            }
        }
        self.under_way.pop();
        Ok(())
    }

    fn add(
        &mut self,
        path: &Path,
        file: FileDescriptorProto,
        features: &FileFeatures,
    ) -> Result<(), Wrong> {
        let name = file.name().to_owned();
        editions::add(&mut self.pool, file, features).map_err(|error| {
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

    fn not_found(&self, import: &str) -> String {
        let looked: Vec<String> = self
            .roots
            .iter()
            .map(|root| root.display().to_string())
            .collect();
        let looked = match looked.as_slice() {
            [] => String::new(),
            _ => format!(" in {}", looked.join(", ")),
        };
        let advice = match self.root_of(import) {
            Some(root) => format!("it is found with `{}` in `protos`", root.display()),
            None => "add the folder that imports start from to `protos`".to_owned(),
        };
        format!("the import `{import}` is not found{looked}; {advice}")
    }

    /// A folder near the roots that has the file: one above them, or one in or beside those.
    fn root_of(&self, import: &str) -> Option<PathBuf> {
        let above = self.roots.iter().flat_map(|root| {
            let root = root.canonicalize().unwrap_or_else(|_| root.clone());
            root.ancestors()
                .take(5)
                .map(Path::to_owned)
                .collect::<Vec<_>>()
        });
        let above: Vec<PathBuf> = above.collect();
        let has_it = |folder: &PathBuf| folder.join(import).is_file();
        if let Some(folder) = above.iter().find(|folder| has_it(folder)) {
            return Some(folder.clone());
        }
        above
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flat_map(|entries| entries.flatten().take(1000))
            .map(|entry| entry.path())
            .find(has_it)
    }
}

/// The name under which a file is imported from a root.
fn import_name(below: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

/// Whether these bytes are what a compiler makes of `.proto` files.
fn is_descriptor(bytes: &[u8]) -> bool {
    let has_name = |file: &FileDescriptorProto| {
        let name = file.name();
        !name.is_empty() && !name.contains(char::is_control)
    };
    // Both begin with their first field, of a given length.
    bytes.first() == Some(&0x0a)
        && (FileDescriptorSet::decode(bytes)
            .is_ok_and(|set| !set.file.is_empty() && set.file.iter().all(has_name))
            || FileDescriptorProto::decode(bytes).is_ok_and(|file| has_name(&file)))
}

/// Line and column of a byte, both from 1.
fn place_of(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Where a parser's error points.
fn place_in(error: &protox::Error) -> Option<(usize, usize)> {
    use miette::Diagnostic;

    let label = error.labels()?.next()?;
    let source = error.source_code()?;
    let span = source.read_span(label.inner(), 0, 0).ok()?;
    Some((span.line() + 1, span.column() + 1))
}

fn place_of_import(file: &FileDescriptorProto, index: usize) -> Option<(usize, usize)> {
    const DEPENDENCY: i32 = 3;
    let path = [DEPENDENCY, i32::try_from(index).ok()?];
    let info = file.source_code_info.as_ref()?;
    let location = info.location.iter().find(|it| it.path == path)?;
    let [line, column, ..] = location.span.as_slice() else {
        return None;
    };
    let from_1 = |number: i32| usize::try_from(number).map(|number| number + 1).ok();
    Some((from_1(*line)?, from_1(*column)?))
}
