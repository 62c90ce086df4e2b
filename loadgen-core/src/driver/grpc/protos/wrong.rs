//! What is wrong with a file of descriptions, and where.
//!
//! Owns the sentence about one that cannot be read, and lines and columns.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use prost_reflect::prost_types::FileDescriptorProto;

use crate::driver::grpc::error::DriverError;
use crate::nearest::nearest;

/// What is wrong with a file.
#[derive(Debug)]
pub(super) struct Wrong {
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
    pub(super) fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            problem: problem.into(),
        }
    }

    /// With the line and column at which it is wrong, both from 1.
    pub(super) fn at(file: &Path, place: Option<(usize, usize)>, problem: &str) -> Self {
        let problem = crate::text::line(problem);
        Self::new(
            file,
            match place {
                Some((line, column)) => format!("line {line}, column {column}: {problem}"),
                None => problem,
            },
        )
    }

    pub(super) fn unread(path: &Path, error: &io::Error) -> Self {
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

/// Line and column of a byte, both from 1.
pub(super) fn place_of(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// Where a parser's error points.
pub(super) fn place_in(error: &protox::Error) -> Option<(usize, usize)> {
    use miette::Diagnostic;

    let label = error.labels()?.next()?;
    let source = error.source_code()?;
    let span = source.read_span(label.inner(), 0, 0).ok()?;
    Some((span.line() + 1, span.column() + 1))
}

pub(super) fn place_of_import(file: &FileDescriptorProto, index: usize) -> Option<(usize, usize)> {
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
