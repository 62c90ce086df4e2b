//! The journal of a run: what it recorded, on a disk, up to the last second, so that a run that is killed
//! leaves its figures.
//!
//! A [`Follower`] listens to the run. Once a second it notes what was recorded so far, and [`read()`] makes of
//! the last whole entry the record, and so the document, of a run that was cut off. Owns the file and its form. Does not hold up the run: entries are made where the run is listened to and
//! written by a thread of its own; while that is busy, or once keeping the journal has taken 0.5 % of a
//! processor, seconds have none. A file is some megabytes long at the most, however long the run is.
//!
//! The process may be killed at any moment: what is in the file then is whole up to its last entry. Where
//! the machine itself goes down, what its system had not written out is lost; what is before that can be
//! read.

mod context;
mod entry;
mod error;
mod follower;
mod frame;
mod pack;
mod read;
mod store;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use self::context::StoredContext;
use self::entry::Pen;
use self::frame::Kind;
use self::store::Store;
use self::writer::{Last, ToWriter};
use crate::record::Names;
use crate::report::{Context, Document};

pub use self::error::{JournalError, ReadError};
pub use self::follower::Follower;
pub use self::pack::document;
pub(crate) use self::pack::{NotPacked, unpack};
pub use self::read::{Kept, find, is_journal, read};
pub use self::store::Place;

/// How long a disk may take over the end of a journal. One that hangs holds up nobody who waits for the result.
const LONGEST_END: Duration = Duration::from_secs(5);

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    to_writer: Sender<ToWriter>,
}

impl Journal {
    /// Begins a journal. Its file is named after the run, so that several runs can keep theirs in the same
    /// folder, beside anything else. `names` are those of the scenarios, as
    /// [`Run::names`](crate::engine::Run::names) has them. Where it cannot be gone on with, `when_ended` is told
    /// why, once and on another thread; the run goes on.
    ///
    /// # Errors
    /// [`JournalError`] where the file cannot be written.
    pub fn begin(
        place: Place,
        context: &Context,
        names: &[Names],
        when_ended: impl FnOnce(&JournalError) + Send + 'static,
    ) -> Result<(Self, Follower), JournalError> {
        let folder = place.folder().to_owned();
        let failed = |why| JournalError::new(&folder, why);
        let (stored, secrets) = StoredContext::of(context);
        let store = begun(place, &stored, names).map_err(failed)?;
        let path = store.path().to_owned();
        let (to_writer, from_others) = channel();
        let (to_follower, from_writer) = channel();
        thread::Builder::new()
            .name("loadgen-journal".to_owned())
            .spawn(move || writer::write(store, &from_others, &to_follower, when_ended))
            .map_err(failed)?;
        let follower = Follower::new(Pen::masking(secrets), to_writer.clone(), from_writer);
        let journal = Self { path, to_writer };
        Ok((journal, follower))
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the result of the run in, which from then on is what the journal says.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be written, or not in five seconds.
    pub fn conclude(self, document: &Document) -> Result<(), JournalError> {
        let frame = to_json(document).and_then(|it| frame::of(Kind::Document, &it));
        let frame = frame.map_err(|why| JournalError::new(&self.path, why))?;
        self.end(Last::Replace(frame), LONGEST_END)
    }

    /// Removes the file, and the folder where that was made for it and has nothing else in it.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be removed, or not in five seconds.
    pub fn remove(self) -> Result<(), JournalError> {
        self.end(Last::Remove, LONGEST_END)
    }

    /// Nothing more is written but what this does.
    fn end(self, last: Last, within: Duration) -> Result<(), JournalError> {
        let (done, from_writer) = channel();
        // Where nobody takes it, the wait ends at once.
        let _ = self.to_writer.send(ToWriter::End(last, done));
        let ended = from_writer.recv_timeout(within).unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Disconnected => io::Error::other("whoever wrote it panicked"),
                RecvTimeoutError::Timeout => io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("its disk has not answered for {} s", within.as_secs()),
                ),
            })
        });
        ended.map_err(|why| JournalError::new(&self.path, why))
    }
}

/// A file with what is known before the run.
fn begun(place: Place, context: &StoredContext, names: &[Names]) -> io::Result<Store> {
    let context = frame::of(Kind::Context, &to_json(context)?)?;
    let mut first = Vec::new();
    frame::make(&mut first, Kind::Entry, |it| {
        entry::write_nothing(it, names)
    })?;
    place.fill(&context, &first)
}

fn to_json(of: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(of)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(journal: Journal, within: Duration) -> String {
        journal.end(Last::Remove, within).unwrap_err().to_string()
    }

    /// The writer is still at the entry before.
    #[test]
    fn a_disk_that_hangs_holds_up_nobody() {
        let (to_writer, hangs) = channel();
        let path = PathBuf::from("j");
        let journal = Journal { path, to_writer };
        assert_eq!(
            error(journal, Duration::ZERO),
            "cannot keep a journal in j: its disk has not answered for 0 s"
        );
        drop(hangs);
    }

    #[test]
    fn a_writer_that_is_gone_is_not_waited_for() {
        let (to_writer, gone) = channel();
        drop(gone);
        let path = PathBuf::from("j");
        assert_eq!(
            error(Journal { path, to_writer }, LONGEST_END),
            "cannot keep a journal in j: whoever wrote it panicked"
        );
    }
}
