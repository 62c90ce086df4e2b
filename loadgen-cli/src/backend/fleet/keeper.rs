//! The thread that starts a suite's servers. The kernel ties a process's death to that of the thread that
//! started it, so this one lives as long as they do.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use super::super::child::{ServerChild, Start};

/// What to start, and whom to tell of it.
type Order = (Start, Sender<io::Result<ServerChild>>);

/// That thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Keeper {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start() -> io::Result<Self> {
        let (orders, received) = mpsc::channel::<Order>();
        let thread = thread::Builder::new()
            .name("servers".to_owned())
            .spawn(move || {
                for (start, told) in received {
                    // Where nobody waits for it any more it is ended at once.
                    let _ = told.send(ServerChild::start(start));
                }
            })?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Starts this program.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn spawn(&self, start: Start) -> io::Result<ServerChild> {
        let (told, started) = mpsc::channel();
        if let Some(orders) = &self.orders {
            let _ = orders.send((start, told));
        }
        let gone = || Err(io::Error::other("the thread that starts servers is gone"));
        started.recv().unwrap_or_else(|_| gone())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
