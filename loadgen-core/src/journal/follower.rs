//! Whoever listens to a run and makes the entries of its journal.

use std::mem;
use std::sync::mpsc::{Receiver, Sender};

use super::entry::Pen;
use super::frame::{self, Kind};
use super::writer::{ToWriter, Written};
use crate::allowance::Allowance;
use crate::engine::{Event, SoFar};
use crate::process::thread_time;

/// Keeping a journal may take one part in this many of a processor: 0.5 %.
const ONE_IN: i64 = 200;

/// Makes an entry of each second that it hears of. It is for [`Run::listen`](crate::engine::Run::listen).
#[derive(Debug)]
pub struct Follower {
    pen: Pen,
    allowance: Allowance,
    to_writer: Sender<ToWriter>,
    from_writer: Receiver<Written>,
    /// What the next entry is made in; `None` while the one before is being written, and once the journal
    /// has ended.
    spare: Option<Vec<u8>>,
    /// Whether the next entry is to stand for itself.
    wants_whole: bool,
}

impl Follower {
    pub(super) fn new(
        pen: Pen,
        to_writer: Sender<ToWriter>,
        from_writer: Receiver<Written>,
    ) -> Self {
        Self {
            pen,
            allowance: Allowance::one_in(ONE_IN),
            to_writer,
            from_writer,
            spare: Some(Vec::new()),
            wants_whole: false,
        }
    }

    /// Hears what happens in the run.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Ending(end) => self.pen.ends(end),
            Event::SoFar(so_far) => self.keep(so_far),
            _ => {}
        }
    }

    fn keep(&mut self, so_far: &SoFar<'_>) {
        if let Ok(written) = self.from_writer.try_recv() {
            self.allowance.spend(written.took);
            self.wants_whole = written.wants_whole;
            self.spare = Some(written.buffer);
        }
        if !self.allowance.earn(so_far.at) {
            return;
        }
        let Some(mut buffer) = self.spare.take() else {
            return;
        };
        let began = thread_time();
        let is_whole = mem::take(&mut self.wants_whole);
        if is_whole {
            self.pen.begin_anew();
        }
        let made = frame::make(&mut buffer, Kind::Entry, |it| self.pen.write(it, so_far));
        self.allowance.spend(thread_time().saturating_sub(began));
        // Where nobody takes it, the journal has ended.
        let _ = self.to_writer.send(match made {
            Ok(()) => ToWriter::Entry {
                frame: buffer,
                is_whole,
            },
            Err(error) => ToWriter::Failed(error),
        });
    }
}
