//! Keys that are pressed while a run is watched.
//!
//! Owns how the terminal takes them meanwhile: at once, and without showing them. That is undone when the run is
//! over, when the process is stopped, and by whoever ends it before. A process in the background touches nothing: the
//! terminal is somebody else's then, and the system would stop who does.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetpgrp, tcsetattr,
};

use signal_hook::consts::{SIGQUIT, SIGTSTP, SIGTTOU};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, raise};

use crate::screen::Screen;
use crate::signals::is_ignored;

/// How often the run's end is looked for, and whether the terminal is ours again.
const GLANCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How long the rest of what one key says may take to come: Esc says the byte that others begin with.
const REST_WITHIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

const ESCAPE: u8 = 0x1b;

/// What is known of the terminal. Whoever changes it holds the lock until that is done.
#[derive(Debug)]
struct Terminal {
    /// How it was before.
    before: Option<Termios>,
    /// Whether it stays as it was from here on: the process is about to end.
    is_left: bool,
}

static TERMINAL: Mutex<Terminal> = Mutex::new(Terminal {
    before: None,
    is_left: false,
});

fn terminal() -> MutexGuard<'static, Terminal> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Terminal {
    /// Has it be as it was, if it was changed.
    fn restore(&mut self) {
        if let Some(modes) = self.before.take()
            && is_ours()
        {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
        }
    }

    /// Has it give keys at once and not show them. Signals stay: Ctrl-C is still one.
    fn take_at_once(&mut self) {
        let Ok(mut modes) = tcgetattr(io::stdin()) else {
            return;
        };
        let by_line = LocalModes::ICANON | LocalModes::ECHO;
        if self.is_left || !modes.local_modes.intersects(by_line) {
            return;
        }
        self.before.get_or_insert_with(|| modes.clone());
        modes.local_modes.remove(by_line);
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    }
}

/// Has the terminal be as it was, for as long as the process goes on, which is about to end.
pub(crate) fn leave() {
    let mut terminal = terminal();
    terminal.is_left = true;
    terminal.restore();
}

/// Has signals that would stop or end the process first leave the terminal as it was. For good: a signal that was
/// heard once does nothing by itself any more.
fn heed_stops() {
    static HEEDED: Once = Once::new();
    HEEDED.call_once(|| {
        let heard = [SIGTSTP, SIGQUIT].into_iter().filter(|it| !is_ignored(*it));
        let Ok(mut signals) = Signals::new(heard) else {
            return;
        };
        let thread = thread::Builder::new().name("terminal".to_owned());
        let _ = thread.spawn(move || {
            for signal in signals.forever() {
                match signal {
                    SIGTSTP => stop(),
                    _ => {
                        leave();
                        let _ = emulate_default_handler(signal);
                    }
                }
            }
        });
    });
}

/// Stops the process. The lock is held until it goes on, so that nobody takes the terminal meanwhile.
fn stop() {
    let mut terminal = terminal();
    terminal.restore();
    // Not SIGTSTP, which comes here, and not SIGSTOP: where nobody could have the process go on, the system lets this
    // one pass as it does the first.
    let _ = raise(SIGTTOU);
}

/// Whether this process may read the terminal.
fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|it| it == getpgrp())
}

/// Listens for keys until it is dropped.
#[derive(Debug)]
pub(crate) struct Keys {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Tells from here on of what is typed, as it comes at once; of nothing where there is nobody to type, or nothing
    /// is drawn.
    pub(crate) fn listen(
        screen: &Screen,
        told: impl FnMut(&[u8]) + Send + 'static,
    ) -> Option<Self> {
        if !Self::are_there(screen) {
            return None;
        }
        heed_stops();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("keys".to_owned());
        let thread = thread.spawn(move || take_all(&ends, told)).ok()?;
        Some(Self {
            is_over,
            thread: Some(thread),
        })
    }

    /// Whether there is somebody to press any, and something drawn to look at.
    pub(crate) fn are_there(screen: &Screen) -> bool {
        !screen.is_quiet() && screen.is_terminal() && io::stdin().is_terminal()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // What was pressed last and is not read any more is for no shell.
        if is_ours() {
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        }
        terminal().restore();
    }
}

fn take_all(is_over: &AtomicBool, mut told: impl FnMut(&[u8])) {
    let stdin = io::stdin();
    while !is_over.load(Ordering::Acquire) {
        let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
        let readable = match is_ours() {
            true => {
                // Also after it was somebody else's for a time, who has changed it back.
                terminal().take_at_once();
                poll(&mut waits, Some(&GLANCE)).unwrap_or(0) > 0
            }
            false => {
                thread::park_timeout(std::time::Duration::from_millis(100));
                false
            }
        };
        if !readable || !is_ours() {
            continue;
        }
        let mut keys = [0; 64];
        let comes_more = || {
            poll(
                &mut [PollFd::new(&stdin, PollFlags::IN)],
                Some(&REST_WITHIN),
            )
            .is_ok_and(|it| it > 0)
        };
        match read(&stdin, &mut keys, comes_more) {
            // The terminal is gone.
            Ok(0) if waits[0].revents().contains(PollFlags::HUP) => return,
            Ok(0) => {}
            Ok(count) => told(&keys[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// Reads what was typed, and where that ends within what one key says, the rest of it: `comes_more` waits for that.
fn read(
    from: impl AsFd,
    keys: &mut [u8],
    mut comes_more: impl FnMut() -> bool,
) -> rustix::io::Result<usize> {
    let mut count = rustix::io::read(&from, &mut *keys)?;
    while count < keys.len() && !characters(&keys[..count]).1.is_empty() && comes_more() {
        match rustix::io::read(&from, &mut keys[count..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => count += more,
        }
    }
    Ok(count)
}

/// Of what was typed the bytes of characters, without what arrows and other keys say that have none; and what begins
/// to say such a thing at its end. Esc by itself is that, too.
pub(crate) fn characters(typed: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut characters = Vec::new();
    let mut rest = typed;
    while let [first, after @ ..] = rest {
        let length = match (first, after) {
            (&ESCAPE, [b'[', sequence @ ..]) => {
                let is_last = |byte: &u8| !(0x20..=0x3f).contains(byte);
                sequence.iter().position(is_last).map(|it| it + 3)
            }
            (&ESCAPE, [b'O', _, ..]) => Some(3),
            (&ESCAPE, [] | [b'O']) => None,
            // Esc, and then another key that begins with it.
            (&ESCAPE, [ESCAPE, ..]) => Some(1),
            (&ESCAPE, [_, ..]) => Some(2),
            _ => {
                characters.push(*first);
                Some(1)
            }
        };
        match length {
            Some(length) => rest = &rest[length..],
            None => break,
        }
    }
    (characters, rest)
}

/// Whether somebody pressed one key: what comes at once and is not all the same was typed for somebody else, or is
/// what an arrow key says.
pub(crate) fn is_pressed(keys: &[u8]) -> bool {
    let mut all = keys.iter().map(u8::to_ascii_lowercase);
    let first = all.next();
    all.all(|it| Some(it) == first)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use test_case::test_case;

    use super::*;

    #[test_case("h\x1b[A\u{e4}\x1b[1;5Cx\x1bOPy" => ("h\u{e4}xy".to_owned(), ""); "keys without characters")]
    #[test_case("a\x1bb" => ("a".to_owned(), ""); "with Alt")]
    #[test_case("a\x1b" => ("a".to_owned(), "\x1b"); "Esc")]
    #[test_case("\x1b\x1b" => (String::new(), "\x1b"); "Esc twice")]
    #[test_case("\x1b\x1b[Aa" => ("a".to_owned(), ""); "an arrow with Alt")]
    #[test_case("a\x1b[1;" => ("a".to_owned(), "\x1b[1;"); "cut off")]
    #[test_case("a\x1bO" => ("a".to_owned(), "\x1bO"); "cut off before its letter")]
    fn characters_of(typed: &'static str) -> (String, &'static str) {
        let (characters, rest) = characters(typed.as_bytes());
        let rest = std::str::from_utf8(rest).unwrap();
        (String::from_utf8(characters).unwrap(), rest)
    }

    /// A terminal far away gives an arrow in pieces; Esc is what nothing comes behind.
    #[test_case(&["\x1b", "[A", "later"] => "\x1b[A"; "an arrow in two")]
    #[test_case(&["\x1b", "[", "1;2", "A", "later"] => "\x1b[1;2A"; "an arrow in four")]
    #[test_case(&["\x1b"] => "\x1b"; "Esc")]
    #[test_case(&["note", "later"] => "note"; "characters")]
    fn what_one_key_says_is_read_whole(pieces: &[&str]) -> String {
        let (mut typist, terminal) = UnixStream::pair().unwrap();
        let mut pieces = pieces.iter();
        let mut type_more = move || {
            let piece = pieces.next();
            piece.is_some_and(|it| typist.write_all(it.as_bytes()).is_ok())
        };
        assert!(type_more());
        let mut keys = [0; 64];
        let count = read(&terminal, &mut keys, type_more).unwrap();
        String::from_utf8(keys[..count].to_vec()).unwrap()
    }
}
