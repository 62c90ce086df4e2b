//! Threads, what they are told of a balancer's life, and the way to stop them.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::serve::error::ServeError;

/// How far a balancer's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It takes what comes.
    Serving,
    /// It takes nothing new.
    Draining,
    /// It drops everything.
    Stopped,
}

/// The threads, and what they are told.
pub(crate) struct Life {
    phase: watch::Sender<Phase>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            threads: Mutex::default(),
        }
    }

    /// What a thread is told.
    pub(crate) fn heard(&self) -> Heard {
        Heard(self.phase.subscribe())
    }

    /// Runs `body` on a thread of its own.
    ///
    /// # Errors
    /// [`ServeError::Worker`].
    pub(crate) fn launch<F: Future<Output = ()>>(
        &self,
        name: String,
        runtime: Runtime,
        body: impl FnOnce() -> F + Send + 'static,
    ) -> Result<(), ServeError> {
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                runtime.block_on(body());
                // A look-up that hangs must not keep the process.
                runtime.shutdown_background();
            })
            .map_err(|reason| ServeError::Worker { reason })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Moves on to a phase, never back.
    pub(crate) fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }

    /// Waits until all threads have ended.
    pub(crate) fn wait(&self) {
        // Held while joining, so that a second caller does not return early.
        let mut threads = lock(&self.threads);
        for thread in threads.drain(..) {
            // One that panicked has nothing left to say that its panic message did not.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").finish_non_exhaustive()
    }
}

/// What a thread hears of the phase.
#[derive(Debug, Clone)]
pub(crate) struct Heard(watch::Receiver<Phase>);

impl Heard {
    /// Waits until a phase has come, or a later one.
    pub(crate) async fn reached(mut self, wanted: Phase) {
        // An error means that the balancer is gone: all phases are over.
        let _ = self.0.wait_for(|phase| *phase >= wanted).await;
    }
}

/// A runtime for one thread.
///
/// # Errors
/// [`ServeError::Worker`].
pub(crate) fn runtime() -> Result<Runtime, ServeError> {
    let made: io::Result<Runtime> = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    made.map_err(|reason| ServeError::Worker { reason })
}

/// What a mutex guards, also where a thread that had it panicked: none leaves it half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
