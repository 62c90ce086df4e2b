//! The results that shards tell of at the end, kept in files until all are there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::state::Member;

/// The longest result that is taken, in bytes: that of an hour takes some megabytes.
const LONGEST: u64 = 256 << 20;

/// The results that came, in a folder that is gone with this.
#[derive(Debug)]
pub(crate) struct Results {
    folder: TempDir,
    /// How many bytes of each have come.
    coming: BTreeMap<Member, u64>,
    /// By the number of the shard.
    whole: BTreeMap<u32, PathBuf>,
}

impl Results {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("loadgen-").tempdir()?,
            coming: BTreeMap::new(),
            whole: BTreeMap::new(),
        })
    }

    /// A piece of a member's result. No file is open between two of them, however many shards there are.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(super) fn take(&mut self, from: Member, piece: &[u8]) -> io::Result<()> {
        let length = self.coming.entry(from).or_default();
        *length += piece.len() as u64;
        if *length > LONGEST {
            let most = LONGEST >> 20;
            return Err(io::Error::other(format!("it is longer than {most} MiB")));
        }
        let mut open = File::options();
        let mut file = open.create(true).append(true).open(self.part(from))?;
        file.write_all(piece)
    }

    /// A member's result is whole, and of this shard.
    ///
    /// # Errors
    /// When the system refuses to give it its name.
    pub(super) fn is_whole(&mut self, from: Member, shard: u32) -> io::Result<()> {
        if self.coming.remove(&from).is_some() {
            let path = self.folder.path().join(format!("{shard}.json"));
            fs::rename(self.part(from), &path)?;
            self.whole.insert(shard, path);
        }
        Ok(())
    }

    /// A member that is gone tells no more of it.
    pub(super) fn is_gone(&mut self, member: Member) {
        if self.coming.remove(&member).is_some() {
            // What stays is gone with the folder.
            let _ = fs::remove_file(self.part(member));
        }
    }

    fn part(&self, of: Member) -> PathBuf {
        self.folder.path().join(format!("{of}.part"))
    }

    /// Whether none came whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// Those that came whole, by the numbers of their shards.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (u32, &Path)> {
        self.whole.iter().map(|(shard, path)| (*shard, &**path))
    }

    /// Has the files stay, and tells in which folder.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_has_all_its_pieces_and_stays_if_it_is_kept() {
        let mut results = Results::new().unwrap();
        for (from, piece) in [(7, "a"), (3, "b"), (7, "c"), (5, "d"), (3, "e")] {
            results.take(from, piece.as_bytes()).unwrap();
        }
        assert!(results.is_empty());
        results.is_whole(7, 1).unwrap();
        results.is_whole(3, 0).unwrap();
        results.is_gone(5);
        let read = |(shard, path): (u32, &Path)| (shard, fs::read_to_string(path).unwrap());
        let whole: Vec<_> = results.whole().map(read).collect();
        assert_eq!(whole, [(0, "be".to_owned()), (1, "ac".to_owned())]);
        let folder = results.keep();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }
}
