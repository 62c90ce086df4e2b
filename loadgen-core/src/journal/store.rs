//! A journal's file: appended to, and replaced by a shorter one before it grows too long.
//!
//! Owns the file's name and what happens to it. At any moment there is a whole one under that name: it is
//! written anew beside it, and takes its place when it is complete.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::frame;
use crate::input::invalid;

/// What the names of journals begin with, and end with.
const BEGINS: &str = "loadgen-";
const ENDS: &str = ".journal";
/// What is added to the name while one is written anew.
const PART: &str = ".part";
/// A file may grow by this much before it is written anew, or by as much as it had then.
const GROWTH: u64 = 4 << 20;

/// Whether a file of this name is a journal, or will be.
pub(super) fn is_named_so(name: &str) -> bool {
    name.starts_with(BEGINS) && name.ends_with(ENDS)
}

/// A place for a journal: its file can be made, and no other journal is there. What was made for it goes when
/// nothing comes of it.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    part: PathBuf,
    file: File,
    /// The folder, where it was made for the journal.
    made: Option<PathBuf>,
    is_taken: bool,
}

impl Place {
    /// A place in this folder, which is made if it is not there, for the journal of the run of this id.
    ///
    /// # Errors
    /// [`JournalError`] where no file can be made there.
    pub fn reserve(folder: &Path, run_id: &str) -> Result<Self, JournalError> {
        Self::in_folder(folder, run_id).map_err(|why| JournalError::new(folder, why))
    }

    fn in_folder(folder: &Path, run_id: &str) -> io::Result<Self> {
        let made = match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => {
                return Err(invalid("it is a file; expected a folder"));
            }
            Ok(_) => None,
            Err(_) => {
                let mut make = DirBuilder::new();
                make.recursive(true).mode(0o700).create(folder)?;
                Some(folder.to_owned())
            }
        };
        let path = folder.join(format!("{BEGINS}{run_id}{ENDS}"));
        let part = part_of(&path);
        let file = new_file(&part);
        if let (Err(_), Some(folder)) = (&file, &made) {
            let _ = fs::remove_dir(folder);
        }
        let place = Self {
            path,
            part,
            file: file?,
            made,
            is_taken: false,
        };
        // Never that of another run, however it came to have the same name.
        match place.path.try_exists()? {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(place),
        }
    }

    /// What will be there once the journal begins, and is there for now: to be removed in this order where the
    /// process ends before the run begins. The folder only where it was made for the journal.
    #[must_use]
    pub fn leavings(&self) -> Vec<PathBuf> {
        let files = [&self.part, &self.path].into_iter().chain(&self.made);
        files.cloned().collect()
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Begins the journal there.
    ///
    /// # Errors
    /// What the system says to it.
    pub(super) fn fill(mut self, context: &[u8], first: &[u8]) -> io::Result<Store> {
        let head = [frame::MAGIC, context].concat();
        let mut file = self.file.try_clone()?;
        write(&mut file, &head, first)?;
        fs::rename(&self.part, &self.path)?;
        self.is_taken = true;
        let length = (head.len() + first.len()) as u64;
        Ok(Store {
            path: self.path.clone(),
            file,
            head,
            length,
            whole: length,
            made: self.made.take(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_taken {
            let _ = fs::remove_file(&self.part);
            if let Some(folder) = &self.made {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// A journal's file.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    file: File,
    /// What every file begins with.
    head: Vec<u8>,
    length: u64,
    /// How long it was when it was written anew.
    whole: u64,
    /// The folder, where it was made for the journal.
    made: Option<PathBuf>,
}

impl Store {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// What the system says to it; the beginning of a frame may have been written then.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_all(frame)?;
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Puts another file in its place, in which this is the only entry.
    ///
    /// # Errors
    /// What the system says to it; what was there is there still.
    pub(super) fn replace(&mut self, frame: &[u8]) -> io::Result<()> {
        let part = part_of(&self.path);
        let written = new_file(&part).and_then(|mut file| {
            write(&mut file, &self.head, frame)?;
            fs::rename(&part, &self.path)?;
            Ok(file)
        });
        self.file = written.inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })?;
        self.length = (self.head.len() + frame.len()) as u64;
        self.whole = self.length;
        Ok(())
    }

    /// Whether it is to be written anew.
    pub(super) fn is_full(&self) -> bool {
        self.length - self.whole > GROWTH.max(self.whole)
    }

    /// Removes it, and the folder that was made for it unless something else is in there.
    ///
    /// # Errors
    /// What the system says to it.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        // Left where it could not be written to its end.
        let _ = fs::remove_file(part_of(&self.path));
        fs::remove_file(&self.path)?;
        if let Some(folder) = &self.made {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    name.into()
}

/// A file that only its owner may read. Its lock tells others that its run is under way.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Where the system has no locks, a run that is under way looks like one that was cut off.
    let _ = file.try_lock();
    Ok(file)
}

fn write(file: &mut File, head: &[u8], first: &[u8]) -> io::Result<()> {
    file.write_all(head)?;
    file.write_all(first)?;
    // Or the name could outlive the content where the machine itself goes down.
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = names
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn begun(folder: &Path, run_id: &str) -> Store {
        let place = Place::reserve(folder, run_id).unwrap();
        place.fill(b"context", b"first").unwrap()
    }

    #[test]
    fn nothing_is_left_of_a_place_that_nothing_comes_of() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("r.json.journal");
        let place = Place::reserve(&within, "1").unwrap();
        let leavings = place.leavings();
        let [part, path, made] = leavings.as_slice() else {
            panic!("{leavings:?}");
        };
        assert!(part.is_file() && !path.exists() && *made == within);
        drop(place);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_else_is_in_the_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("journals");
        let mut one = begun(&within, "1");
        let mut two = begun(&within, "2");
        assert_eq!(names(&within), ["loadgen-1.journal", "loadgen-2.journal"]);
        one.remove().unwrap();
        assert_eq!(names(&within), ["loadgen-2.journal"]);
        two.remove().unwrap();
        fs::create_dir_all(&within).unwrap();
        begun(&within, "3").remove().unwrap();
        assert!(within.is_dir(), "it was there before");
    }

    #[test]
    fn the_journal_of_another_run_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        begun(folder.path(), "1");
        let error = Place::reserve(folder.path(), "1").unwrap_err();
        assert_eq!(error.why.kind(), io::ErrorKind::AlreadyExists);
        let kept = fs::read(folder.path().join("loadgen-1.journal")).unwrap();
        assert!(kept.ends_with(b"first"));
        assert_eq!(names(folder.path()), ["loadgen-1.journal"]);
    }

    #[test]
    fn it_is_written_anew_before_it_grows_long() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = begun(folder.path(), "1");
        let entry = vec![b'e'; 1 << 20];
        let (mut longest, mut anew) = (0, 0);
        for _ in 0..40 {
            if store.is_full() {
                store.replace(&entry).unwrap();
                anew += 1;
            } else {
                store.append(&entry).unwrap();
            }
            longest = longest.max(fs::metadata(store.path()).unwrap().len());
        }
        assert_eq!(names(folder.path()), ["loadgen-1.journal"]);
        assert!(longest < 8 << 20, "{longest}");
        assert!(anew > 4, "{anew}");
    }

    #[test]
    fn a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "mine").unwrap();
        let error = Place::reserve(&path, "1").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot keep a journal in {}: it is a file; expected a folder",
                path.display()
            )
        );
    }
}
