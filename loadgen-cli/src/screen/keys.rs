//! Keys that are pressed while a run is watched.
//!
//! Owns how the terminal takes them meanwhile: at once, and without showing them. That is undone when the run is
//! over, when the process is stopped, and by whoever ends it before. A process in the background touches nothing: the
//! terminal is somebody else's then, and the system would stop who does.

use std::io::{self, IsTerminal};
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
        match rustix::io::read(&stdin, &mut keys) {
            // The terminal is gone.
            Ok(0) if waits[0].revents().contains(PollFlags::HUP) => return,
            Ok(0) => {}
            Ok(count) => told(&keys[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// Whether somebody pressed one key: what comes at once and is not all the same was typed for somebody else, or is
/// what an arrow key says.
pub(crate) fn is_pressed(keys: &[u8]) -> bool {
    let mut all = keys.iter().map(u8::to_ascii_lowercase);
    let first = all.next();
    all.all(|it| Some(it) == first)
}
