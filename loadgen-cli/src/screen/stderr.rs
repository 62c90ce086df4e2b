//! Standard error, written by a thread of its own: nobody who has something to say waits for whoever
//! reads it, and a full pipe or a terminal that was stopped holds up no run and no result.
//!
//! Owns the order of what is said, and what stands on the terminal to be drawn over.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::drawing;

/// How long what was said is waited for before something that must come after it, once until somebody
/// reads again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines that wait to be read. Of more the oldest are let go: nobody has read them for hours.
const MOST_LINES: usize = 10_000;

static STDERR: LazyLock<Writer> = LazyLock::new(|| Writer::start(Box::new(io::stderr())));

/// Says a line, above what is drawn over again.
pub(crate) fn line(text: String) {
    STDERR.put(|waiting| {
        if waiting.lines.len() == MOST_LINES {
            waiting.lines.pop_front();
        }
        waiting.lines.push_back(text);
    });
}

/// Draws in place of what was drawn before; only the latest picture is drawn.
pub(crate) fn draw(picture: String) {
    STDERR.put(|waiting| waiting.picture = Some(Picture::Shown(picture)));
}

/// Takes away what was drawn.
pub(crate) fn clear() {
    STDERR.put(|waiting| waiting.picture = Some(Picture::Gone));
}

/// Waits until all is written, or for a moment where nobody reads it.
pub(crate) fn flush() {
    STDERR.flush(PATIENCE);
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    picture: Option<Picture>,
    /// Something is being written.
    is_busy: bool,
    /// Somebody has waited in vain.
    is_unread: bool,
}

#[derive(Debug)]
enum Picture {
    Shown(String),
    Gone,
}

impl Waiting {
    fn is_all_written(&self) -> bool {
        self.lines.is_empty() && self.picture.is_none() && !self.is_busy
    }

    /// What to write next. `is_drawn` says whether a picture stands there, and will.
    fn next(&mut self, is_drawn: &mut bool) -> Option<String> {
        if let Some(line) = self.lines.pop_front() {
            return Some(match std::mem::take(is_drawn) {
                true => drawing::noting(&line),
                false => format!("{line}\n"),
            });
        }
        match self.picture.take()? {
            Picture::Shown(picture) => {
                *is_drawn = true;
                Some(picture)
            }
            Picture::Gone => Some(match std::mem::take(is_drawn) {
                true => drawing::redrawing(&[]),
                false => String::new(),
            }),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_that_comes(&self, mut stream: Box<dyn Write + Send>) {
        let mut is_drawn = false;
        let mut waiting = self.waiting();
        loop {
            let Some(text) = waiting.next(&mut is_drawn) else {
                let changed = self.changed.wait(waiting);
                waiting = changed.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            waiting.is_busy = true;
            drop(waiting);
            // There is nowhere to say that this failed.
            let _ = stream
                .write_all(text.as_bytes())
                .and_then(|()| stream.flush());
            waiting = self.waiting();
            waiting.is_busy = false;
            // Somebody reads again.
            waiting.is_unread = false;
            self.changed.notify_all();
        }
    }
}

#[derive(Debug)]
struct Writer(Arc<Shared>);

impl Writer {
    fn start(stream: Box<dyn Write + Send>) -> Self {
        let shared = Arc::new(Shared::default());
        let writes = Arc::clone(&shared);
        let thread = thread::Builder::new().name("stderr".to_owned());
        // Where there is no thread to be had nothing can be run, and nothing can be said of it.
        let _ = thread.spawn(move || writes.write_all_that_comes(stream));
        Self(shared)
    }

    fn put(&self, what: impl FnOnce(&mut Waiting)) {
        what(&mut self.0.waiting());
        self.0.changed.notify_all();
    }

    fn flush(&self, patience: Duration) {
        let is_open = |waiting: &mut Waiting| !waiting.is_all_written() && !waiting.is_unread;
        let waiting = self.0.waiting();
        let changed = &self.0.changed;
        let waited = changed.wait_timeout_while(waiting, patience, is_open);
        let (mut waiting, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.is_unread |= waited.timed_out();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes one piece each time that it is let.
    struct Slow {
        lets: Receiver<()>,
        took: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once nobody lets it any more, it takes all.
            let _ = self.lets.recv();
            let text = String::from_utf8_lossy(bytes).into_owned();
            let _ = self.took.send(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Writer, Sender<()>, Receiver<String>) {
        let (let_it, lets) = channel();
        let (took, taken) = channel();
        (Writer::start(Box::new(Slow { lets, took })), let_it, taken)
    }

    fn say(writer: &Writer, text: &str) {
        writer.put(|waiting| waiting.lines.push_back(text.to_owned()));
    }

    fn draw(writer: &Writer, text: &str) {
        writer.put(|waiting| waiting.picture = Some(Picture::Shown(text.to_owned())));
    }

    /// Lines come in order, and of pictures the latest one.
    #[test]
    fn what_is_read_late_comes_in_order() {
        let (writer, let_it, taken) = slow();
        say(&writer, "first");
        draw(&writer, "old");
        draw(&writer, "new");
        say(&writer, "second");
        drop(let_it);
        writer.flush(Duration::from_secs(60));
        let all: String = taken.try_iter().collect();
        assert_eq!(all, "first\nsecond\nnew");
    }

    #[test]
    fn a_line_takes_the_place_of_what_was_drawn() {
        let (writer, let_it, taken) = slow();
        drop(let_it);
        draw(&writer, "picture");
        writer.flush(Duration::from_secs(60));
        say(&writer, "line");
        writer.put(|waiting| waiting.picture = Some(Picture::Gone));
        writer.flush(Duration::from_secs(60));
        let all: String = taken.try_iter().collect();
        assert_eq!(all, format!("picture{}", drawing::noting("line")));
    }

    /// It is waited for once.
    #[test]
    fn nobody_waits_for_long_where_nobody_reads() {
        let (writer, let_it, _taken) = slow();
        say(&writer, "unread");
        writer.flush(Duration::from_millis(10));
        say(&writer, "unread, too");
        // The test would not end.
        writer.flush(Duration::MAX);
        drop(let_it);
    }
}
