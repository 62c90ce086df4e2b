//! From a journal's file to what the run had measured.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::context::StoredContext;
use super::entry::Reader;
use super::error::ReadError;
use super::frame::{self, Kind, MAGIC};
use super::pack;
use super::store::is_named_so;
use crate::record::RunRecord;
use crate::report::{Context, Document};

/// What a journal has of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kept {
    /// Whether whoever writes it is still there, as far as the system tells: there will be more in it.
    pub is_running: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The run came to its end.
    Result(Box<Document>),
    /// What there was at the last entry, or all that was measured.
    Record(Box<(RunRecord, Context)>),
}

impl Kept {
    /// The result document: the run's own where it came to its end, else one of a run that was cut off.
    #[must_use]
    pub fn document(self) -> Document {
        match self.content {
            Content::Result(document) => *document,
            Content::Record(kept) => {
                let (record, context) = *kept;
                pack::document(&record, context)
            }
        }
    }
}

/// The journals in a folder, by their names; the oldest run's comes first.
///
/// # Errors
/// What the system says to reading the folder.
pub fn find(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_named_so) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file is a journal, by how it begins; `false` where it cannot be read, and of a pipe, of which whoever
/// reads it next would miss what was read here.
#[must_use]
pub fn is_journal(path: &Path) -> bool {
    if !fs::metadata(path).is_ok_and(|it| it.is_file()) {
        return false;
    }
    let mut begins = Vec::new();
    let read = File::open(path).and_then(|file| {
        let most = MAGIC.len() as u64;
        file.take(most).read_to_end(&mut begins)
    });
    read.is_ok() && begins == MAGIC
}

/// What a journal has, up to its last whole entry.
///
/// # Errors
/// [`ReadError`] where it cannot be read.
pub fn read(path: &Path) -> Result<Kept, ReadError> {
    let failed = |why| ReadError::System {
        path: path.to_owned(),
        why,
    };
    let mut file = File::open(path).map_err(failed)?;
    let is_running = matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let content = content(&bytes).map_err(|error| error.at(path))?;
    Ok(Kept {
        is_running,
        content,
    })
}

/// What was measured, and what it is judged by, from the bytes of a journal that has the whole record.
pub(super) fn record(bytes: &[u8]) -> Result<(RunRecord, Context), Refused> {
    match content(bytes)? {
        Content::Record(kept) => Ok(*kept),
        Content::Result(_) => Err(Refused::NoJournal),
    }
}

/// Why the bytes of a file are not understood.
#[derive(Debug)]
pub(super) enum Refused {
    NoJournal,
    OtherVersion { by: String, why: String },
}

impl Refused {
    fn at(self, path: &Path) -> ReadError {
        let path = path.to_owned();
        match self {
            Self::NoJournal => ReadError::NoJournal { path },
            Self::OtherVersion { by, why } if by == env!("CARGO_PKG_VERSION") => {
                ReadError::Spoilt { path, why }
            }
            Self::OtherVersion { by, why } => ReadError::OtherVersion { path, by, why },
        }
    }
}

/// The version that wrote a journal: all that is read of it where the rest has another form.
#[derive(serde::Deserialize)]
struct Writer {
    version: String,
}

/// What is in a file.
fn content(bytes: &[u8]) -> Result<Content, Refused> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(Refused::NoJournal)?;
    let (Kind::Context, context) = frame::take(&mut rest).ok_or(Refused::NoJournal)? else {
        return Err(Refused::NoJournal);
    };
    let writer: Writer = serde_json::from_slice(context).map_err(|_| Refused::NoJournal)?;
    let other = |why: String| Refused::OtherVersion {
        by: writer.version.clone(),
        why,
    };
    let context: StoredContext =
        serde_json::from_slice(context).map_err(|it| other(it.to_string()))?;
    let mut reader = Reader::default();
    while let Some((kind, content)) = frame::take(&mut rest) {
        match kind {
            Kind::Context => return Err(Refused::NoJournal),
            Kind::Entry => reader.read(content).map_err(|it| other(it.to_string()))?,
            Kind::Document => {
                let document = serde_json::from_slice(content);
                let document = document.map_err(|it| other(it.to_string()))?;
                return Ok(Content::Result(Box::new(document)));
            }
            Kind::Record => {
                let record = rmp_serde::from_slice(content);
                let record = record.map_err(|it| other(it.to_string()))?;
                let context = context.into_context();
                let context = context.map_err(|it| other(it.to_string()))?;
                return Ok(Content::Record(Box::new((record, context))));
            }
        }
    }
    let record = reader.finish().ok_or(Refused::NoJournal)?;
    let context = context.into_context();
    let context = context.map_err(|it| other(it.to_string()))?;
    Ok(Content::Record(Box::new((record, context))))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn journal(frames: &[(Kind, &[u8])]) -> Vec<u8> {
        let frames = frames
            .iter()
            .map(|(kind, content)| frame::of(*kind, content).unwrap());
        [MAGIC.to_vec()]
            .into_iter()
            .chain(frames)
            .flatten()
            .collect()
    }

    const CONTEXT: &[u8] = br#"{"version": "9.8.7", "run_id": "1", "plan": {}, "thresholds": [],
        "tag_thresholds": [], "expected": [], "host": {"os": "linux", "arch": "x86_64"}}"#;

    /// What another version writes is not taken for spoilt.
    #[test_case(&[(Kind::Context, br#"{"version": "9.8.7"}"#)] => "missing field `run_id` at line 1 column 20"; "another context")]
    #[test_case(&[(Kind::Context, CONTEXT), (Kind::Entry, b"\x80")] => "missing field `started_at`"; "other entries")]
    #[test_case(&[(Kind::Context, CONTEXT), (Kind::Document, b"{}")] => "missing field `schema` at line 1 column 2"; "another document")]
    fn another_version_is_named(frames: &[(Kind, &[u8])]) -> String {
        match content(&journal(frames)) {
            Err(Refused::OtherVersion { by, why }) => {
                assert_eq!(by, "9.8.7");
                why
            }
            Err(Refused::NoJournal) => "no journal".to_owned(),
            Ok(_) => "read".to_owned(),
        }
    }

    /// Nobody is sent to another version that is this one.
    #[test]
    fn what_this_version_never_wrote_is_spoilt() {
        let by = env!("CARGO_PKG_VERSION");
        let refused = Refused::OtherVersion {
            by: by.to_owned(),
            why: "a series that does not fit together".to_owned(),
        };
        assert_eq!(
            refused.at(Path::new("j")).to_string(),
            "the journal j is spoilt: a series that does not fit together"
        );
    }

    #[test_case(&[]; "nothing in it")]
    #[test_case(&[(Kind::Entry, b"")]; "no context")]
    #[test_case(&[(Kind::Context, b"{}")]; "a context without a version")]
    #[test_case(&[(Kind::Context, CONTEXT)]; "no entry")]
    fn others_are_no_journals(frames: &[(Kind, &[u8])]) {
        let read = content(&journal(frames));
        assert!(matches!(read, Err(Refused::NoJournal)));
    }
}
