//! Keys that are pressed while a run is watched.
//!
//! Owns how the terminal takes them meanwhile: at once, and without showing them. That is undone when the run is
//! over, and by whoever ends the process before. A process in the background touches nothing: the terminal is
//! somebody else's then, and the system would stop who does.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};

use crate::screen::Screen;

/// How often the run's end is looked for, and whether the terminal is ours again.
const GLANCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How the terminal was before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

fn before() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the terminal be as it was, if it was changed.
pub(crate) fn restore() {
    if let Some(modes) = before().take()
        && is_ours()
    {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    }
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
    /// Tells of each key from here on; of none where there is nobody to press one, or nothing is drawn.
    pub(crate) fn listen(screen: &Screen, told: impl FnMut(u8) + Send + 'static) -> Option<Self> {
        if !Self::are_there(screen) {
            return None;
        }
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
        restore();
    }
}

fn take_all(is_over: &AtomicBool, mut told: impl FnMut(u8)) {
    let stdin = io::stdin();
    while !is_over.load(Ordering::Acquire) {
        let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
        let readable = match is_ours() {
            true => {
                // Also after it was somebody else's for a time, who has changed it back.
                take_at_once();
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
            Ok(count) => keys[..count].iter().for_each(|it| told(*it)),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// Has the terminal give keys at once and not show them. Signals stay: Ctrl-C is still one.
fn take_at_once() {
    let Ok(mut modes) = tcgetattr(io::stdin()) else {
        return;
    };
    let by_line = LocalModes::ICANON | LocalModes::ECHO;
    if !modes.local_modes.intersects(by_line) {
        return;
    }
    before().get_or_insert_with(|| modes.clone());
    modes.local_modes.remove(by_line);
    modes.special_codes[SpecialCodeIndex::VMIN] = 0;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
}
