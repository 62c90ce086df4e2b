//! The files that a suite includes, and those that these include, as one suite.
//!
//! Owns what joins, which file counts more, and where each part comes from.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::raw::RawSuite;
use super::source::SuiteSource;
use crate::scenario::reader::json::join as path_part;
use crate::scenario::reader::origin::{Origin, Origins};
use crate::scenario::reader::problem::{Problem, Problems, SuiteError, describe};
use crate::scenario::reader::{Decode, Fields as _, List, Place, Reader, text};
use crate::scenario::value::FilePath;

/// The most files that include one another in a row.
const MOST_DEEP: usize = 16;
/// The most files in all.
const MOST_FILES: usize = 1000;

/// A suite with all that it includes.
pub(super) struct Whole {
    pub(super) value: Value,
    pub(super) origins: Origins,
    pub(super) problems: Vec<Problem>,
    /// Whether every file is in it.
    pub(super) is_complete: bool,
}

/// Reads what a suite includes.
///
/// # Errors
/// [`SuiteError::Syntax`] of the first file that can be read and not be understood.
pub(super) fn join(source: &SuiteSource<'_>, value: Value) -> Result<Whole, SuiteError> {
    let mut whole = Whole {
        value,
        origins: Origins::default(),
        problems: Vec::new(),
        is_complete: true,
    };
    match &mut whole.value {
        Value::Object(fields) if fields.contains_key("include") => {
            let fields = std::mem::take(fields);
            let mut joiner = Joiner {
                source,
                open: Vec::new(),
                seen: HashSet::new(),
                fields: Map::new(),
                whole,
            };
            joiner.root(fields)?;
            let Joiner {
                fields, mut whole, ..
            } = joiner;
            whole.value = Value::Object(fields);
            Ok(whole)
        }
        _ => Ok(whole),
    }
}

/// A file that is being read.
struct Open {
    identity: PathBuf,
    name: String,
}

/// The file that fields are from.
struct From {
    /// As messages call it; `None` is the suite's own.
    name: Option<Rc<str>>,
    folder: Rc<Path>,
}

impl From {
    fn origin(&self, path: String) -> Origin {
        Origin {
            source: self.name.clone(),
            path,
            folder: Rc::clone(&self.folder),
        }
    }
}

struct Joiner<'a> {
    source: &'a SuiteSource<'a>,
    /// The files under way, each included by the one before it.
    open: Vec<Open>,
    /// All files there were: one that is included twice counts once.
    seen: HashSet<PathBuf>,
    /// The fields of the whole so far.
    fields: Map<String, Value>,
    whole: Whole,
}

impl Joiner<'_> {
    /// The suite's own fields, which count most.
    fn root(&mut self, fields: Map<String, Value>) -> Result<(), SuiteError> {
        let from = From {
            name: None,
            folder: Path::new("").into(),
        };
        if self.source.base_dir.is_some()
            && let Ok(identity) = fs::canonicalize(self.source.name)
        {
            self.seen.insert(identity.clone());
            self.open.push(Open {
                identity,
                name: self.source.name.to_owned(),
            });
        }
        let problems = Problems::default();
        if let Some(field) = compact_field(&fields) {
            problems.add(
                "include",
                format!("files to include beside `{field}`"),
                "`scenarios` in a file that includes others",
                Some(REWRITE.to_owned()),
            );
        }
        self.joined(fields, &from, &problems)
    }

    fn joined(
        &mut self,
        mut fields: Map<String, Value>,
        from: &From,
        problems: &Problems,
    ) -> Result<(), SuiteError> {
        if let Some(paths) = fields.shift_remove("include") {
            let at = Place {
                path: "include".to_owned(),
                problems,
            };
            let reader = Reader { value: &paths, at };
            let paths = List::<FilePath>::decode(&reader);
            for (index, path) in paths.iter().flat_map(List::given) {
                self.include(&reader.at.item(index), &path.0, from)?;
            }
        }
        for (field, value) in fields {
            self.take(&field, value, from, problems);
        }
        let found = problems.take();
        let named = |it: Problem| it.in_file(from.name.as_deref());
        self.whole.problems.extend(found.into_iter().map(named));
        Ok(())
    }

    /// Joins the file of this path.
    fn include(&mut self, at: &Place<'_>, path: &str, from: &From) -> Result<(), SuiteError> {
        let relative = from.folder.join(path);
        let base_dir = self.source.base_dir.unwrap_or(Path::new(""));
        let full = base_dir.join(&relative);
        let name = full.display().to_string();
        let identity = fs::canonicalize(&full).unwrap_or_else(|_| full.clone());
        let mut refuse = |expected: &str, help: String| {
            let found = describe(&Value::from(path));
            at.problems.add(&at.path, found, expected, Some(help));
            self.whole.is_complete = false;
        };
        if let Some(first) = self.open.iter().position(|it| it.identity == identity) {
            let circle = self.open[first..].iter().map(|it| it.name.as_str());
            let circle: Vec<&str> = circle.chain([name.as_str()]).collect();
            refuse(
                "files that do not include one another in a circle",
                circle.join(" includes "),
            );
            return Ok(());
        }
        if self.open.len() > MOST_DEEP || self.seen.len() > MOST_FILES {
            refuse(
                &format!(
                    "at most {MOST_FILES} files, and {MOST_DEEP} that include one another in a row"
                ),
                format!("{name} is one more"),
            );
            return Ok(());
        }
        if !self.seen.insert(identity.clone()) {
            return Ok(());
        }
        let text = match (self.source.files)(&full) {
            Ok(text) => text,
            Err(error) => {
                refuse(
                    "a scenario file that can be read",
                    format!("{name}: {error}"),
                );
                return Ok(());
            }
        };
        let problems = Problems::default();
        let value = text::parse(&name, &text, &problems)?;
        let from = From {
            name: Some(name.as_str().into()),
            folder: relative.parent().unwrap_or(Path::new("")).into(),
        };
        self.open.push(Open { identity, name });
        self.included(value, &from, &problems)?;
        self.open.pop();
        Ok(())
    }

    fn included(
        &mut self,
        value: Value,
        from: &From,
        problems: &Problems,
    ) -> Result<(), SuiteError> {
        let at = Place {
            path: String::new(),
            problems,
        };
        let reader = Reader { value: &value, at };
        if let Some(fields) = reader.object("a suite") {
            reader.check_fields(fields, "a suite", RawSuite::FIELDS, &[], RawSuite::HINTS);
            if let Some(field) = compact_field(fields) {
                problems.add(
                    field,
                    "the compact form",
                    "`scenarios` in a file that is included",
                    Some(REWRITE.to_owned()),
                );
            }
        }
        let mut fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.retain(|field, _| JOINING.contains(&field.as_str()));
        self.joined(fields, from, problems)
    }

    /// Lays a field over what included files have of it.
    fn take(&mut self, field: &str, value: Value, from: &From, problems: &Problems) {
        match (field, value) {
            ("scenarios" | "thresholds", Value::Array(items)) => {
                let list = array_of(&mut self.fields, field);
                for (index, item) in items.into_iter().enumerate() {
                    let path = format!("{field}[{}]", list.len());
                    let origin = from.origin(format!("{field}[{index}]"));
                    self.whole.origins.add(path, origin);
                    list.push(item);
                }
            }
            ("defaults" | "backends", Value::Object(given)) => {
                let known = object_of(&mut self.fields, field);
                lay(given, known, field, from, &mut self.whole.origins);
            }
            ("profiles", Value::Object(given)) => {
                let profiles = object_of(&mut self.fields, field);
                for (name, profile) in given {
                    let path = format!("profiles{}", path_part("profiles", &name));
                    if let Value::Object(given) = profile {
                        let known = object_of(profiles, &name);
                        lay(given, known, &path, from, &mut self.whole.origins);
                    } else {
                        self.whole.origins.add(path.clone(), from.origin(path));
                        profiles.insert(name, profile);
                    }
                }
            }
            (_, value) if from.name.is_none() => {
                self.fields.insert(field.to_owned(), value);
            }
            (_, value) => {
                let expected = match field {
                    "scenarios" | "thresholds" => "an array",
                    _ => "an object",
                };
                problems.add(field, describe(&value), expected, None);
            }
        }
    }
}

/// What joins of a file that is included, and by what it includes files itself.
const JOINING: [&str; 6] = [
    "include",
    "backends",
    "defaults",
    "profiles",
    "scenarios",
    "thresholds",
];

const REWRITE: &str = "`loadgen validate --print` rewrites the compact form into the full one";

fn compact_field(fields: &Map<String, Value>) -> Option<&'static str> {
    ["grpc_scenarios", "websocket_scenarios"]
        .into_iter()
        .find(|field| fields.contains_key(*field))
}

/// Lays fields over those that are known.
fn lay(
    given: Map<String, Value>,
    known: &mut Map<String, Value>,
    path: &str,
    from: &From,
    origins: &mut Origins,
) {
    for (field, value) in given {
        let path = format!("{path}{}", path_part(path, &field));
        origins.add(path.clone(), from.origin(path));
        known.insert(field, value);
    }
}

/// The object in a field, which is made where there is none.
fn object_of<'a>(fields: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let value = fields.entry(field).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it is an object now")
}

/// The array in a field, which is made where there is none.
fn array_of<'a>(fields: &'a mut Map<String, Value>, field: &str) -> &'a mut Vec<Value> {
    let value = fields.entry(field).or_insert(Value::Null);
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it is an array now")
}
