//! The thread that writes a journal's file.

use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use super::error::JournalError;
use super::store::Store;
use crate::process::thread_time;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum ToWriter {
    /// An entry; whether it stands for itself, so that those before it are no longer needed.
    Entry { frame: Vec<u8>, is_whole: bool },
    /// An entry could not be made.
    Failed(io::Error),
    /// That was all, but for this; what came of it goes there.
    End(Last, Sender<io::Result<()>>),
}

/// What is done with the file last.
#[derive(Debug)]
pub(super) enum Last {
    /// This frame takes the place of all entries.
    Replace(Vec<u8>),
    /// It is removed.
    Remove,
}

/// What it says when an entry is written.
#[derive(Debug)]
pub(super) struct Written {
    /// The memory of the entry, for the next one.
    pub(super) buffer: Vec<u8>,
    /// The processor time that it took.
    pub(super) took: Duration,
    /// Whether the next one is to stand for itself.
    pub(super) wants_whole: bool,
}

/// Writes until it is told that that was all. Where it cannot, `when_ended` is told why, and no entry is written
/// from then on.
pub(super) fn write(
    mut store: Store,
    from: &Receiver<ToWriter>,
    to: &Sender<Written>,
    when_ended: impl FnOnce(&JournalError),
) {
    let mut when_ended = Some(when_ended);
    while let Ok(told) = from.recv() {
        let began = thread_time();
        let written = match told {
            ToWriter::End(last, done) => {
                let ended = match last {
                    Last::Replace(frame) => store.replace(&frame),
                    Last::Remove => store.remove(),
                };
                // Whoever hears of it finds the file unlocked.
                drop(store);
                // Nobody waits for it where it took too long.
                let _ = done.send(ended);
                return;
            }
            _ if when_ended.is_none() => continue,
            ToWriter::Failed(error) => Err(error),
            ToWriter::Entry { frame, is_whole } => match is_whole {
                true => store.replace(&frame).map(|()| frame),
                false => store.append(&frame).map(|()| frame),
            },
        };
        match written {
            Ok(buffer) => {
                let took = thread_time().saturating_sub(began);
                let wants_whole = store.is_full();
                // Nobody waits for it once the run is over.
                let _ = to.send(Written {
                    buffer,
                    took,
                    wants_whole,
                });
            }
            Err(error) => {
                let error = JournalError::new(store.path(), error);
                when_ended.take().into_iter().for_each(|told| told(&error));
            }
        }
    }
}
