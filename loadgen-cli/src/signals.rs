//! Ctrl-C and its like, heard on a thread of their own.
//!
//! Installed before anything that takes time, so that no moment of a run is without its way out. What
//! is done about a signal is done at once, where it is heard, and waits for nobody, not even for who reads
//! what is said about it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

/// The signal that ends the process, whatever is going on.
const LAST: u32 = 3;

/// Why signals cannot be heard: the system refuses the handlers or the thread.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen for signals: {0}")]
pub(crate) struct SignalError(#[from] io::Error);

/// What a signal does while there is nothing yet that could be ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Early {
    /// It is made up for when there is.
    Waits,
    /// It ends the process.
    Ends,
}

/// What SIGHUP says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HangUp {
    /// To end, like the others, unless it was ignored at the start.
    Ends,
    /// To read the configuration again.
    Reloads,
}

/// Listens for SIGINT, SIGTERM and, unless it was ignored at the start, SIGHUP, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    handle: Handle,
    state: Arc<State>,
    came: Arc<Came>,
}

/// What the thread that hears knows.
#[derive(Debug, Default)]
struct Came {
    count: AtomicU32,
    /// Whether the first signal is no reason to end at once.
    is_listened_to: AtomicBool,
}

/// What is done at the n-th signal, from 1. It must wait for nobody.
type Reaction = Box<dyn FnMut(u32) + Send>;
/// What is done when the configuration is to be read again. It must wait for nobody.
type Reload = Box<dyn FnMut() + Send>;

#[derive(Default)]
struct State(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    count: u32,
    reaction: Option<Reaction>,
    reload: Option<Reload>,
    /// Whether a reload was asked for when nobody listened.
    reload_is_due: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self) {
        let mut heard = self.lock();
        heard.count += 1;
        let count = heard.count;
        if let Some(reaction) = &mut heard.reaction {
            reaction(count);
        }
    }

    fn hear_reload(&self) {
        let mut heard = self.lock();
        match &mut heard.reload {
            Some(reload) => reload(),
            None => heard.reload_is_due = true,
        }
    }

    fn react_to_reload(&self, mut reload: Reload) {
        let mut heard = self.lock();
        if std::mem::take(&mut heard.reload_is_due) {
            reload();
        }
        heard.reload = Some(reload);
    }

    fn react(&self, mut reaction: Reaction) {
        let mut heard = self.lock();
        // What came before somebody listened is not forgotten.
        for count in 1..=heard.count {
            reaction(count);
        }
        heard.reaction = Some(reaction);
    }
}

impl Listener {
    /// Starts listening. `end` ends the process without another word.
    ///
    /// # Errors
    /// [`SignalError`] when the system refuses.
    pub(crate) fn install(early: Early, end: fn() -> !) -> Result<Self, SignalError> {
        Self::listen(early, end, HangUp::Ends)
    }

    /// The same for what reads its configuration again at SIGHUP, however it was started; what came before
    /// there is a reaction is made up for.
    ///
    /// # Errors
    /// [`SignalError`] when the system refuses.
    pub(crate) fn install_with_reload(end: fn() -> !) -> Result<Self, SignalError> {
        Self::listen(Early::Waits, end, HangUp::Reloads)
    }

    fn listen(early: Early, end: fn() -> !, hang_up: HangUp) -> Result<Self, SignalError> {
        let reloads = hang_up == HangUp::Reloads;
        let is_heard = reloads || !is_ignored(SIGHUP);
        // A file that may grow no further is for who writes it to tell of, and ends nothing.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let mut signals = Signals::new(
            [SIGINT, SIGTERM]
                .into_iter()
                .chain(is_heard.then_some(SIGHUP)),
        )?;
        let handle = signals.handle();
        let state = Arc::new(State::default());
        let came = Arc::new(Came::default());
        came.is_listened_to
            .store(early == Early::Waits, Ordering::Release);
        let hears = Arc::clone(&came);
        let reacts = Arc::clone(&state);
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || {
            for signal in signals.forever() {
                if reloads && signal == SIGHUP {
                    reacts.hear_reload();
                    continue;
                }
                let count = hears.count.fetch_add(1, Ordering::AcqRel) + 1;
                if count >= LAST || !hears.is_listened_to.load(Ordering::Acquire) {
                    end();
                }
                reacts.hear();
            }
        })?;
        Ok(Self {
            handle,
            state,
            came,
        })
    }

    /// Takes what is to be done from now on, at once and without waiting for anybody; signals heard
    /// before are made up for.
    pub(crate) fn react(&self, reaction: impl FnMut(u32) + Send + 'static) {
        self.came.is_listened_to.store(true, Ordering::Release);
        self.state.react(Box::new(reaction));
    }

    /// Takes what is to be done when the configuration is to be read again, at once and without waiting for
    /// anybody.
    pub(crate) fn react_to_reload(&self, reload: impl FnMut() + Send + 'static) {
        self.state.react_to_reload(Box::new(reload));
    }

    /// Whether any came.
    pub(crate) fn any(&self) -> bool {
        self.came.count.load(Ordering::Acquire) > 0
    }
}

/// Whether this process was started with a signal ignored, as `nohup` does.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_reload_before_the_reaction_is_made_up_for_once() {
        let state = State::default();
        state.hear_reload();
        state.hear_reload();
        let (sender, heard) = mpsc::channel();
        state.react_to_reload(Box::new(move || sender.send(()).unwrap()));
        assert_eq!(heard.try_iter().count(), 1);
        state.hear_reload();
        assert_eq!(heard.try_iter().count(), 1);
    }

    #[test]
    fn signals_before_the_reaction_are_made_up_for() {
        let state = State::default();
        state.hear();
        let (sender, heard) = mpsc::channel();
        state.react(Box::new(move |count| sender.send(count).unwrap()));
        state.hear();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
