//! What is made of files, and made anew when they change.
//!
//! Owns when new contents are taken: once they are the same in two looks, and only if something can be made
//! of all the files together. Until then what was made before stays. Contents are compared and not the
//! dates of files: files this small are read in no time, and neither links that are turned round nor
//! clocks that are set can hide a change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Moment;
use crate::input;
use crate::workload::{FileChange, Look, Lookout};

/// What is in files, in their order; or why one could not be read.
pub(crate) type Contents = [Result<Vec<u8>, String>];

/// A file, and the field of the scenario that names it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) path: PathBuf,
    pub(crate) field: String,
}

/// Why nothing could be made of files.
pub(crate) trait Refused {
    /// The file that is to blame, if it is one.
    fn file(&self) -> Option<&Path>;

    /// What is wrong, without the file's name where one is to blame.
    fn problem(&self) -> String;
}

type Make<T, E> = dyn Fn(&Contents) -> Result<T, E> + Send + Sync;

/// Something that is made of files.
pub(crate) struct Renewed<T, E> {
    files: Vec<Named>,
    make: Box<Make<T, E>>,
    now: Mutex<Arc<T>>,
    /// How often it was made anew.
    renewals: AtomicU64,
    seen: Mutex<Seen>,
}

/// Contents of all the files.
struct Seen {
    /// Of which the current one was made.
    taken: Vec<Result<Vec<u8>, String>>,
    /// Which were the same in two looks.
    settled: Vec<Result<Vec<u8>, String>>,
    /// In the last look.
    last: Vec<Result<Vec<u8>, String>>,
}

impl<T, E> Renewed<T, E> {
    /// Reads the files and makes it for the first time.
    ///
    /// # Errors
    /// What `make` has against them.
    pub(crate) fn new(
        files: Vec<Named>,
        make: impl Fn(&Contents) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let taken = read(&files);
        Ok(Self {
            now: Mutex::new(Arc::new(make(&taken)?)),
            renewals: AtomicU64::new(0),
            seen: Mutex::new(Seen {
                settled: taken.clone(),
                last: taken.clone(),
                taken,
            }),
            files,
            make: Box::new(make),
        })
    }

    /// What it is now.
    pub(crate) fn now(&self) -> Arc<T> {
        Arc::clone(&lock(&self.now))
    }

    /// How often it was made anew. What is read behind this is no older.
    #[inline]
    pub(crate) fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::Acquire)
    }

    /// Whether there is any file of which it could be made anew.
    pub(crate) fn may_change(&self) -> bool {
        !self.files.is_empty()
    }
}

impl<T: Send + Sync, E: Refused> Lookout for Renewed<T, E> {
    fn look(&self) -> Look {
        let found = read(&self.files);
        let at = Moment::now();
        let mut seen = lock(&self.seen);
        if found == seen.settled {
            seen.last = found;
            return Look::Same;
        }
        if found != seen.last {
            seen.last = found;
            return Look::Unsettled;
        }
        seen.settled.clone_from(&found);
        let of = found.iter().zip(&seen.taken).zip(&self.files);
        let changed: Vec<&Named> = of
            .filter(|((found, taken), _)| found != taken)
            .map(|(_, file)| file)
            .collect();
        let Some(first) = changed.first() else {
            // As they were before something was wrong with them.
            return Look::Same;
        };
        Look::Changed(match (self.make)(&found) {
            Ok(made) => {
                *lock(&self.now) = Arc::new(made);
                self.renewals.fetch_add(1, Ordering::Release);
                let changes = changed
                    .iter()
                    .map(|it| (at, FileChange::new(it.path.display(), &it.field, None)))
                    .collect();
                seen.taken = found;
                changes
            }
            Err(error) => {
                let blamed = self.files.iter();
                let blamed = error
                    .file()
                    .and_then(|file| blamed.clone().find(|it| it.path == file));
                let it = blamed.unwrap_or(first);
                let problem = Some(error.problem());
                let change = FileChange::new(it.path.display(), &it.field, problem);
                vec![(at, change)]
            }
        })
    }
}

impl<T, E> fmt::Debug for Renewed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

fn read(files: &[Named]) -> Vec<Result<Vec<u8>, String>> {
    files
        .iter()
        .map(|file| input::read(&file.path).map_err(|error| error.to_string()))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[derive(Debug)]
    struct Unequal(PathBuf);

    impl Refused for Unequal {
        fn file(&self) -> Option<&Path> {
            Some(&self.0)
        }

        fn problem(&self) -> String {
            "it is not as long as the other".to_owned()
        }
    }

    /// Two files that go together: both are of one length.
    struct Pair {
        folder: tempfile::TempDir,
        renewed: Renewed<String, Unequal>,
    }

    impl Pair {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let named = |name: &str| {
                let path = folder.path().join(name);
                fs::write(&path, "old").unwrap();
                let field = format!("tls.{name}");
                Named { path, field }
            };
            let files = vec![named("cert"), named("key")];
            let second = files[1].path.clone();
            let renewed = Renewed::new(files, move |contents| match contents {
                [Ok(a), Ok(b)] if a.len() == b.len() => {
                    Ok(String::from_utf8_lossy(&[a.as_slice(), b].concat()).into_owned())
                }
                _ => Err(Unequal(second.clone())),
            });
            let renewed = renewed.unwrap();
            Self { folder, renewed }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }

        /// Looks twice: what is new is settled then. Tells of the files and what is wrong.
        fn settle(&self) -> Vec<(String, bool)> {
            assert_eq!(self.renewed.look(), Look::Unsettled);
            match self.renewed.look() {
                Look::Changed(changes) => {
                    let of = |(_, it): (_, FileChange)| (it.field, it.problem.is_none());
                    changes.into_iter().map(of).collect()
                }
                other => {
                    assert_eq!(other, Look::Same);
                    Vec::new()
                }
            }
        }
    }

    fn taken(field: &str) -> (String, bool) {
        (field.to_owned(), true)
    }

    fn refused(field: &str) -> (String, bool) {
        (field.to_owned(), false)
    }

    #[test]
    fn nothing_happens_while_nothing_changes() {
        let pair = Pair::new();
        pair.write("key", "old");
        assert_eq!(pair.renewed.look(), Look::Same);
        assert_eq!(*pair.renewed.now(), "oldold");
    }

    #[test]
    fn what_goes_together_is_taken_together() {
        let pair = Pair::new();
        pair.write("cert", "newer");
        assert_eq!(pair.settle(), [refused("tls.key")]);
        assert_eq!(*pair.renewed.now(), "oldold", "the old pair stays");
        assert_eq!(pair.renewed.look(), Look::Same, "and is said once");
        pair.write("key", "newer");
        assert_eq!(pair.settle(), [taken("tls.cert"), taken("tls.key")]);
        assert_eq!(*pair.renewed.now(), "newernewer");
        assert_eq!(pair.renewed.renewals(), 1);
    }

    #[test]
    fn what_is_being_written_is_waited_for() {
        let pair = Pair::new();
        pair.write("key", "");
        assert_eq!(pair.renewed.look(), Look::Unsettled);
        pair.write("key", "ne");
        assert_eq!(pair.renewed.look(), Look::Unsettled);
        pair.write("key", "new");
        assert_eq!(pair.settle(), [taken("tls.key")]);
        assert_eq!(*pair.renewed.now(), "oldnew");
    }

    #[test]
    fn one_that_is_gone_is_told_once_and_may_come_back() {
        let pair = Pair::new();
        let key = pair.folder.path().join("key");
        fs::remove_file(&key).unwrap();
        assert_eq!(pair.settle(), [refused("tls.key")]);
        assert_eq!(pair.renewed.look(), Look::Same);
        assert_eq!(*pair.renewed.now(), "oldold");
        pair.write("key", "old");
        assert_eq!(pair.settle(), [], "as before");
        pair.write("key", "new");
        assert_eq!(pair.settle(), [taken("tls.key")]);
    }

    /// As Kubernetes does it: a link to a folder, which is turned to another folder in one go.
    #[cfg(unix)]
    #[test]
    fn links_that_are_turned_round_are_followed() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "old"), ("..2", "new")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("token"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/token", at("token")).unwrap();
        let path = at("token");
        let field = "metadata.authorization".to_owned();
        let renewed = Renewed::new(vec![Named { path, field }], |contents| match contents {
            [Ok(text)] => Ok(text.clone()),
            _ => Err(Unequal(PathBuf::new())),
        });
        let renewed = renewed.unwrap();
        symlink("..2", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        assert_eq!(renewed.look(), Look::Unsettled);
        assert!(matches!(renewed.look(), Look::Changed(it) if it[0].1.problem.is_none()));
        assert_eq!(*renewed.now(), b"new");
    }
}
