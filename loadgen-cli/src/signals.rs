//! Ctrl-C and its like, heard on a thread of their own.
//!
//! Installed before anything that takes time, so that no moment of a run is without its way out. What
//! is done about a signal is done at once, where it is heard, and waits for nobody. What is said about it
//! may have to wait for who reads it, and is said by another thread.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::{fs, io, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::exit::Exit;
use crate::output;

/// The signal that ends the process, whatever is going on.
const LAST: u32 = 3;

/// What a signal does while there is nothing yet that could be ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Early {
    /// It is made up for when there is.
    Waits,
    /// It ends the process.
    Ends,
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

/// What is to be said about a signal, which may take as long as it likes.
pub(crate) type Saying = Box<dyn FnOnce() + Send>;

/// What is done at the n-th signal, from 1. It must wait for nobody.
type Reaction = Box<dyn FnMut(u32) -> Option<Saying> + Send>;

struct State {
    heard: Mutex<Heard>,
    /// To the thread that says it, in order.
    says: mpsc::Sender<Saying>,
}

#[derive(Default)]
struct Heard {
    count: u32,
    reaction: Option<Reaction>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    /// The state, and what is to be said, for whoever says it.
    fn new() -> (Self, mpsc::Receiver<Saying>) {
        let (says, to_say) = mpsc::channel();
        let heard = Mutex::default();
        (Self { heard, says }, to_say)
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self) {
        let mut heard = self.lock();
        heard.count += 1;
        let count = heard.count;
        if let Some(reaction) = &mut heard.reaction {
            self.say(reaction(count));
        }
    }

    fn react(&self, mut reaction: Reaction) {
        let mut heard = self.lock();
        // What came before somebody listened is not forgotten.
        for count in 1..=heard.count {
            self.say(reaction(count));
        }
        heard.reaction = Some(reaction);
    }

    fn say(&self, saying: Option<Saying>) {
        if let Some(saying) = saying {
            // Nobody says anything any more once the process is ending.
            let _ = self.says.send(saying);
        }
    }
}

impl Listener {
    /// Starts listening.
    ///
    /// # Errors
    /// When the system refuses the handlers or the threads.
    pub(crate) fn install(early: Early) -> io::Result<Self> {
        let hang_up = (!is_ignored(SIGHUP)).then_some(SIGHUP);
        let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hang_up))?;
        let handle = signals.handle();
        let (state, to_say) = State::new();
        let state = Arc::new(state);
        let came = Arc::new(Came::default());
        came.is_listened_to
            .store(early == Early::Waits, Ordering::Release);
        spawn("sayings", move || {
            for saying in to_say {
                saying();
            }
        })?;
        let hears = Arc::clone(&came);
        let reacts = Arc::clone(&state);
        spawn("signals", move || {
            for _ in signals.forever() {
                let count = hears.count.fetch_add(1, Ordering::AcqRel) + 1;
                if count >= LAST || !hears.is_listened_to.load(Ordering::Acquire) {
                    end_at_once();
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
    /// before are made up for. What a reaction returns may wait, and holds up no further reaction.
    pub(crate) fn react(&self, reaction: impl FnMut(u32) -> Option<Saying> + Send + 'static) {
        self.came.is_listened_to.store(true, Ordering::Release);
        self.state.react(Box::new(reaction));
    }

    /// Whether any came.
    pub(crate) fn any(&self) -> bool {
        self.came.count.load(Ordering::Acquire) > 0
    }
}

fn spawn(name: &str, what: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(what).map(drop)
}

/// Ends the process without another word, and leaves no file that was under way.
fn end_at_once() -> ! {
    output::remove_unfinished();
    std::process::exit(i32::from(Exit::Stopped as u8));
}

/// Whether this process was started with a signal ignored, as `nohup` does.
fn is_ignored(signal: i32) -> bool {
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
    fn signals_before_the_reaction_are_made_up_for() {
        let (state, _to_say) = State::new();
        state.hear();
        let (sender, heard) = mpsc::channel();
        state.react(Box::new(move |count| {
            sender.send(count).unwrap();
            None
        }));
        state.hear();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1, 2]);
    }

    /// Where nobody reads what is said.
    #[test]
    fn what_cannot_be_said_holds_up_no_reaction() {
        let (state, to_say) = State::new();
        let (sender, heard) = mpsc::channel();
        let (go_on, blocks) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let blocks = Arc::new(Mutex::new(blocks));
        state.react(Box::new(move |count| {
            sender.send(count).unwrap();
            let (blocks, begun) = (Arc::clone(&blocks), begun.clone());
            Some(Box::new(move || {
                begun.send(()).unwrap();
                // Until the other end is gone.
                let _ = blocks.lock().unwrap().recv();
            }))
        }));
        let says = thread::spawn(move || to_say.into_iter().for_each(|saying| saying()));
        state.hear();
        begins.recv().unwrap();
        state.hear();
        state.react(Box::new(|_| None));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1, 2]);
        drop((go_on, state));
        says.join().unwrap();
    }
}
