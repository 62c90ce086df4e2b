//! The files that a system tells about itself in.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The files that a system tells about itself in.
#[derive(Debug, Clone, Copy)]
pub(super) struct System<'a> {
    pub(super) root: &'a Path,
}

impl System<'_> {
    /// This machine's.
    pub(super) fn here() -> System<'static> {
        System {
            root: Path::new("/"),
        }
    }

    /// A path below the root.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file's text, without blanks around it.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = fs::read_to_string(self.path(path.as_ref())).ok()?;
        Some(text.trim().to_owned())
    }

    /// The first word of a file.
    pub(super) fn first<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.split_whitespace().next()?.parse().ok()
    }

    /// The words of a file, as numbers.
    pub(super) fn numbers<const N: usize>(&self, path: &str) -> Option<[u64; N]> {
        let text = self.text(path)?;
        let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
        numbers.ok()?.try_into().ok()
    }
}
