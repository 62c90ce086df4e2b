//! Ctrl-C and its like, heard on a thread of their own.
//!
//! Installed before anything that takes time, so that no moment of a run is without its way out.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// Listens for SIGINT and SIGTERM until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    handle: Handle,
    state: Arc<State>,
}

/// What is done at the n-th signal, from 1.
type Reaction = Box<dyn FnMut(u32) + Send>;

#[derive(Default)]
struct State(Mutex<Heard>);

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
    /// Starts listening.
    ///
    /// # Errors
    /// When the system refuses the handlers or the thread.
    pub(crate) fn install() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let state = Arc::new(State::default());
        let heard = Arc::clone(&state);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for _ in signals.forever() {
                    heard.hear();
                }
            })?;
        Ok(Self { handle, state })
    }

    /// Says what is to be done from now on; signals heard before are made up for.
    pub(crate) fn react(&self, reaction: impl FnMut(u32) + Send + 'static) {
        self.state.react(Box::new(reaction));
    }

    /// Whether any came.
    pub(crate) fn any(&self) -> bool {
        self.state.lock().count > 0
    }
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
        let state = State::default();
        state.hear();
        let (sender, heard) = mpsc::channel();
        state.react(Box::new(move |count| sender.send(count).unwrap()));
        state.hear();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
