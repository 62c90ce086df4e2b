//! The results that shards tell of at the end, kept in files until all are there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use loadgen_core::merge::Merge;
use loadgen_core::report::Document;
use tempfile::TempDir;

use super::error::CoordinateError;
use super::state::Member;
use crate::results;

/// The longest result that is taken, in bytes: that of an hour takes some megabytes.
const LONGEST: u64 = 256 << 20;

/// The results that came.
#[derive(Debug)]
pub(crate) struct Results {
    folder: TempDir,
    coming: BTreeMap<Member, (File, u64)>,
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

    /// A piece of a member's result.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(super) fn take(&mut self, from: Member, piece: &[u8]) -> io::Result<()> {
        let (file, length) = match self.coming.entry(from) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let file = File::create(self.folder.path().join(from.to_string()))?;
                place.insert((file, 0))
            }
        };
        *length += piece.len() as u64;
        if *length > LONGEST {
            let most = LONGEST >> 20;
            return Err(io::Error::other(format!("it is longer than {most} MiB")));
        }
        file.write_all(piece)
    }

    /// A member's result is whole, and of this shard.
    pub(super) fn is_whole(&mut self, from: Member, shard: u32) {
        if self.coming.remove(&from).is_some() {
            let path = self.folder.path().join(from.to_string());
            self.whole.insert(shard, path);
        }
    }

    /// The result of the run, of those that are here. One after another: all of them may take more memory than there
    /// is.
    ///
    /// # Errors
    /// When there are none, or one is not what a shard writes.
    pub(crate) fn merged(self) -> Result<Document, CoordinateError> {
        let mut merge = Merge::default();
        for (shard, path) in &self.whole {
            merge.add(&format!("shard {shard}"), &results::load(path)?)?;
        }
        Ok(merge.finish()?)
    }
}
