//! A file that is replaced as a whole: after a crash it has the old contents or the new ones, and nothing else.
//!
//! What is new is written beside it, brought to the disk, given the old one's permissions and put in its place
//! in one step. A symbolic link stays one: what it leads to is replaced.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// New contents, on the disk beside the file and not yet in its place. Dropped, they are gone.
#[derive(Debug)]
pub(super) struct Prepared {
    beside: PathBuf,
    file: PathBuf,
    is_in_place: bool,
}

/// Writes new contents beside a file that is there.
///
/// # Errors
/// What the system said: also where the file itself may not be written, though its folder may.
pub(super) fn prepare(path: &Path, text: &str) -> io::Result<Prepared> {
    let file = fs::canonicalize(path)?;
    let old = OpenOptions::new().write(true).open(&file)?.metadata()?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = file.with_file_name(format!(".{name}.loadgen-new"));
    // One that a crash has left.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = create(&beside)?;
    let prepared = Prepared {
        beside,
        file,
        is_in_place: false,
    };
    keep_owner(&new, &old);
    new.set_permissions(Permissions::clone(&old.permissions()))?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    Ok(prepared)
}

/// For nobody else to read until it has the old one's permissions.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// Whoever may not give files away keeps what it writes.
fn keep_owner(new: &File, old: &fs::Metadata) {
    let _ = fchown(new, Some(old.uid()), Some(old.gid()));
}

impl Prepared {
    /// Puts them in the file's place.
    ///
    /// # Errors
    /// What the system said. The file is then as it was.
    pub(super) fn put_in_place(mut self) -> io::Result<()> {
        fs::rename(&self.beside, &self.file)?;
        self.is_in_place = true;
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        // Done it is, whatever comes of this.
        if let Err(reason) = File::open(folder).and_then(|it| it.sync_all()) {
            let folder = folder.display();
            tracing::warn!(%folder, %reason, "a saved change may be lost if the machine fails now");
        }
        Ok(())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.is_in_place {
            // What is left is written over the next time.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |it: io::Result<fs::DirEntry>| it.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_its_permissions_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (
            folder.path().join("real.json"),
            folder.path().join("link.json"),
        );
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("real.json", &link).unwrap();
        // Of one that was killed.
        fs::write(folder.path().join(".real.json.loadgen-new"), "half").unwrap();
        prepare(&link, "new").unwrap().put_in_place().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(names(folder.path()), ["link.json", "real.json"]);
    }

    #[test]
    fn what_is_not_put_in_place_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("real.json");
        fs::write(&file, "old").unwrap();
        drop(prepare(&file, "new").unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(names(folder.path()), ["real.json"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(&folder.path().join("none.json"), "new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
