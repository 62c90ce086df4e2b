//! Files of results: made ready before the load starts, so that a run never ends with nowhere to put
//! its result, and put in place whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::left;
use crate::screen;

/// What a file of results holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The result document.
    Json,
    /// The result as a page, which carries the document.
    Html,
    /// A table of the run over time.
    Csv,
    /// A log of histograms over time.
    Hlog,
    /// A test report.
    Junit,
    /// The summary, for a page.
    Markdown,
}

impl Kind {
    /// The names of all kinds, for messages.
    pub(crate) const LIST: &str = "json, html, csv, hlog, junit, markdown";

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "csv" => Self::Csv,
            "hlog" => Self::Hlog,
            "html" => Self::Html,
            "json" => Self::Json,
            "junit" => Self::Junit,
            "markdown" => Self::Markdown,
            _ => return None,
        })
    }
}

/// A file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    /// What it holds.
    pub(crate) kind: Kind,
    /// Where it goes.
    pub(crate) path: PathBuf,
}

impl Spec {
    /// Whether the document goes there, by itself or carried by a page.
    pub(crate) fn is_document(&self) -> bool {
        matches!(self.kind, Kind::Json | Kind::Html)
    }

    /// Makes sure that one result after another can go there.
    ///
    /// # Errors
    /// [`OutputError`] of a named pipe: who reads it takes the end of one for the end of all. What this process
    /// holds without a name, as `/dev/stdout` may be, stays open.
    pub(crate) fn takes_several(&self) -> Result<(), OutputError> {
        let is_pipe = fs::metadata(&self.path).is_ok_and(|it| it.file_type().is_fifo());
        let is_named = fs::canonicalize(&self.path).is_ok();
        match is_pipe && is_named {
            true => Err(OutputError {
                path: self.path.clone(),
                reason: "it is a named pipe, which takes the result of one run; name a file, or leave out `--repeat`"
                    .to_owned(),
            }),
            false => Ok(()),
        }
    }
}

/// A path that results cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the result to {}: {reason}", path.display())]
pub(crate) struct OutputError {
    path: PathBuf,
    reason: String,
}

/// A file made ready to take results.
#[derive(Debug)]
pub(crate) struct Pending {
    kind: Kind,
    path: PathBuf,
    place: Through,
}

/// Where the content goes first.
#[derive(Debug)]
enum Through {
    /// Into a device or a pipe.
    Direct(File),
    /// Into a file beside the final one that becomes it, and is removed if it does not.
    Beside(NamedTempFile),
}

/// The temporary files of this process, also those that have become what they were for.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file is on its way to its place.
pub(crate) fn is_unfinished(path: &Path) {
    unfinished().push(path.to_owned());
}

/// It is where it is to stay, however the process ends.
pub(crate) fn stays(path: &Path) {
    unfinished().retain(|it| it != path);
}

/// Removes every file that is on its way to its place: for who ends the process with nothing dropped.
pub(crate) fn remove_unfinished() {
    for path in unfinished().iter() {
        // Gone where it became what it was for. A folder goes where nothing is left in it.
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
    }
}

impl Pending {
    /// Makes sure that the path can be written to, without touching what is there.
    ///
    /// # Errors
    /// [`OutputError`] when it cannot.
    pub(crate) fn open(spec: &Spec) -> Result<Self, OutputError> {
        let refuse = |reason: String| OutputError {
            path: spec.path.clone(),
            reason,
        };
        let mut permissions = None;
        let present = match fs::metadata(&spec.path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(refuse(error.to_string())),
        };
        // A symbolic link keeps pointing at its file, also at one that comes to be only now.
        let mut path = end_of_links(&spec.path);
        if let Some(metadata) = present {
            if metadata.is_dir() {
                return Err(refuse("it is a directory".to_owned()));
            }
            let probe = metadata
                .file_type()
                .is_fifo()
                .then(|| find_reader(&spec.path));
            let file = OpenOptions::new()
                .write(true)
                .open(&spec.path)
                .map_err(|error| refuse(error.to_string()))?;
            // Until now, or a reader would take it for the end.
            drop(probe);
            if !metadata.is_file() {
                return Ok(Self {
                    kind: spec.kind,
                    path,
                    place: Through::Direct(file),
                });
            }
            path = fs::canonicalize(&path).map_err(|error| refuse(error.to_string()))?;
            permissions = Some(metadata.permissions());
        }
        let beside = beside(&path, permissions).map_err(|error| refuse(error.to_string()))?;
        is_unfinished(beside.path());
        Ok(Self {
            kind: spec.kind,
            path,
            place: Through::Beside(beside),
        })
    }

    /// What the file is to hold.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Writes the whole content and puts the file in place.
    ///
    /// # Errors
    /// [`OutputError`] when the system refuses.
    pub(crate) fn write(self, content: &str) -> Result<(), OutputError> {
        let Self { path, place, .. } = self;
        let placed = match place {
            Through::Direct(mut file) => file
                .write_all(content.as_bytes())
                .and_then(|()| file.flush()),
            Through::Beside(mut file) => file
                .write_all(content.as_bytes())
                .and_then(|()| file.flush())
                .and_then(|()| Ok(file.persist(&path).map(drop)?)),
        };
        placed.map_err(|error| OutputError {
            path,
            reason: error.to_string(),
        })
    }
}

/// The pipe where somebody reads it. Where nobody does, says that opening it will wait for that; what
/// else is wrong is for that to tell.
fn find_reader(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    // Does not wait, and is refused where nobody reads.
    options
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let opened = options.open(path);
    let nobody_reads = Some(Errno::NXIO.raw_os_error());
    if opened
        .as_ref()
        .is_err_and(|error| error.raw_os_error() == nobody_reads)
    {
        screen::note(format_args!(
            "waiting for somebody to read the pipe {}, where the result goes",
            path.display()
        ));
    }
    opened.ok()
}

/// What a chain of symbolic links points at, whether it is there or not.
fn end_of_links(path: &Path) -> PathBuf {
    // The system follows no longer ones.
    const MOST: usize = 40;
    let mut end = path.to_owned();
    for _ in 0..MOST {
        let Ok(next) = fs::read_link(&end) else {
            break;
        };
        end = end.parent().unwrap_or(Path::new("")).join(next);
    }
    end
}

/// A new file in the folder of `path`. Its name cannot be guessed and is never one that is there:
/// in a folder that others can write to, a link put in its place would lead the result elsewhere.
/// Only its owner may read it, unless the file that it replaces says otherwise.
fn beside(path: &Path, permissions: Option<Permissions>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    left::clear(folder);
    let file = tempfile::Builder::new()
        .prefix(left::PREFIX)
        .suffix(left::SUFFIX)
        .rand_bytes(16)
        .tempfile_in(folder)?;
    // Where the system has no locks, nothing is removed either.
    let _ = file.as_file().try_lock();
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(path: &Path) -> Spec {
        Spec {
            kind: Kind::Json,
            path: path.to_owned(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_new_file_appears_whole_and_only_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let pending = Pending::open(&spec(&path)).unwrap();
        assert!(!path.exists());
        pending.write("{}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[test]
    fn an_old_file_stays_until_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        fs::write(&path, "old and longer").unwrap();
        let pending = Pending::open(&spec(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old and longer");
        drop(pending);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old and longer");
        Pending::open(&spec(&path)).unwrap().write("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["result.json"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_new_one_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = folder.path().join("result.json");
        Pending::open(&spec(&path)).unwrap().write("new").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        Pending::open(&spec(&path)).unwrap().write("newer").unwrap();
        assert_eq!(mode(&path), 0o664);
    }

    #[test]
    fn no_two_files_on_their_way_share_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let _first = Pending::open(&spec(&path)).unwrap();
        let _second = Pending::open(&spec(&path)).unwrap();
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn nothing_is_left_of_a_file_that_was_never_written() {
        let folder = tempfile::tempdir().unwrap();
        drop(Pending::open(&spec(&folder.path().join("x"))).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_directory_and_a_missing_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Pending::open(&spec(folder.path())).unwrap_err();
        assert!(error.to_string().ends_with("it is a directory"), "{error}");
        let error = Pending::open(&spec(&folder.path().join("no/such/x"))).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_directly() {
        let pending = Pending::open(&spec(Path::new("/dev/null"))).unwrap();
        assert!(matches!(pending.place, Through::Direct(_)));
        pending.write("{}").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_pointing_at_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Pending::open(&spec(&link)).unwrap().write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_pointing_at_a_file_that_is_not_there_yet() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("within");
        fs::create_dir(&within).unwrap();
        let (first, second) = (folder.path().join("first"), within.join("second"));
        symlink("within/second", &first).unwrap();
        symlink("../file", &second).unwrap();
        let pending = Pending::open(&spec(&first)).unwrap();
        assert_eq!(names(&within), ["second"], "its folder is another one");
        pending.write("new").unwrap();
        for link in [&first, &second] {
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        }
        let file = folder.path().join("file");
        assert_eq!(fs::read_to_string(file).unwrap(), "new");
    }
}
