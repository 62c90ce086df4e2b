//! Lists of addresses that a target may stand for, kept up to date while somebody connects to them.
//!
//! Owns when a list is asked for, on a thread of its own (whoever is asked may take as long as it pleases),
//! and what is taken of the answer: one that is no list, or an empty one, leaves what was known before. Where
//! a list comes from is [`source`]'s. Who goes to which address is for those who connect.

mod entries;
#[cfg(feature = "services")]
mod services;
mod source;

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

pub(crate) use self::entries::Listed;
pub(crate) use self::source::Source;
use crate::clock::Moment;
use crate::workload::{FileChange, Look, Lookout};

/// The least that lies between two questions, however many connections end.
const LEAST: Duration = Duration::from_millis(100);
/// The most changes that are kept until somebody asks for them.
const MOST_CHANGES: usize = 1_000;

/// What is known of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Its addresses, in their order, each once; `None` until there was a first answer with any.
    pub(crate) list: Option<Arc<[Listed]>>,
    /// Since when it is that list.
    pub(crate) since: Moment,
    /// What is wrong with the latest answer.
    pub(crate) problem: Option<String>,
}

/// A list of addresses. Clones are the same one; it is asked for until the last of them is dropped.
#[derive(Clone)]
pub(crate) struct Listing(Arc<Shared>);

struct Shared {
    /// As it is written.
    name: String,
    /// The field of the scenario that names it.
    field: String,
    every: Duration,
    known: watch::Sender<Known>,
    /// Says that it is time to ask.
    nudge: SyncSender<()>,
    /// What whoever asks needs, until it has begun.
    idle: Mutex<Option<(Source, Receiver<()>)>>,
    /// What has changed, and nobody has asked for yet, each since when it was read.
    changes: Mutex<Vec<(Moment, FileChange)>>,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listing").field(&self.0.name).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listing {
    /// A list from there, asked for so often once somebody follows it. `name` is how it is written, and
    /// `field` the field of the scenario where it stands.
    pub(crate) fn new(name: String, field: String, source: Source, every: Duration) -> Self {
        // One question answers all who want one by then.
        let (nudge, nudged) = sync_channel(1);
        Self(Arc::new(Shared {
            name,
            field,
            every,
            known: watch::Sender::default(),
            nudge,
            idle: Mutex::new(Some((source, nudged))),
            changes: Mutex::default(),
        }))
    }

    /// What is known of it, from now on.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn follow(&self) -> Result<watch::Receiver<Known>, String> {
        let known = self.0.known.subscribe();
        let Some((source, nudged)) = lock(&self.0.idle).take() else {
            return Ok(known);
        };
        let listing = Arc::downgrade(&self.0);
        let every = self.0.every;
        // Nobody waits for its end: whoever is asked may not answer.
        thread::Builder::new()
            .name("loadgen-list".to_owned())
            .spawn(move || keep_asking(&listing, &source, &nudged, every))
            .map_err(|error| error.to_string())?;
        Ok(known)
    }

    /// Its addresses, one at least, once they are known.
    ///
    /// # Errors
    /// Why the first answer has none, or that there was none within this time.
    pub(crate) async fn first(&self, limit: Duration) -> Result<Arc<[Listed]>, String> {
        let mut known = self.follow()?;
        let is_known = |it: &Known| it.list.is_some() || it.problem.is_some();
        let answer = tokio::time::timeout(limit, known.wait_for(is_known)).await;
        let known = match answer {
            Ok(Ok(known)) => known.clone(),
            // Its thread has ended without a word; that is a panic, and none is known.
            Ok(Err(_)) => return Err("whoever asks for it failed".to_owned()),
            Err(_) => return Err(format!("no answer within {limit:?}")),
        };
        match (known.list, known.problem) {
            (Some(list), _) => Ok(list),
            (None, problem) => Err(problem.unwrap_or_default()),
        }
    }

    /// It may have changed: a connection to one of its addresses has ended.
    pub(crate) fn ask_soon(&self) {
        match self.0.nudge.try_send(()) {
            // Somebody else has said so.
            Ok(()) | Err(TrySendError::Full(())) | Err(TrySendError::Disconnected(())) => {}
        }
    }
}

impl Lookout for Listing {
    /// What has changed since the last look. It is not asked for here.
    fn look(&self) -> Look {
        match std::mem::take(&mut *lock(&self.0.changes)) {
            none if none.is_empty() => Look::Same,
            changes => Look::Changed(changes),
        }
    }
}

/// Asks for a list for as long as somebody has it.
fn keep_asking(listing: &Weak<Shared>, source: &Source, nudged: &Receiver<()>, every: Duration) {
    loop {
        let found = source.ask();
        match listing.upgrade() {
            Some(listing) => listing.learn(found),
            None => return,
        }
        thread::park_timeout(LEAST);
        match nudged.recv_timeout(every.saturating_sub(LEAST)) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Shared {
    /// Takes an answer, where it is one.
    fn learn(&self, found: Result<Vec<Listed>, String>) {
        let at = Moment::now();
        let found = found.and_then(|mut list| {
            list.sort_unstable();
            list.dedup();
            match list.is_empty() {
                true => Err("there is no address in it".to_owned()),
                false => Ok(list),
            }
        });
        let before = self.known.borrow().clone();
        match (found, before.list) {
            (Ok(list), Some(known)) if *known == *list => {
                // Nobody has to act on it.
                self.known.send_if_modified(|it| {
                    it.problem = None;
                    false
                });
            }
            (Ok(list), known) => {
                if known.is_some() {
                    self.changed(at, None);
                }
                self.known.send_replace(Known {
                    list: Some(list.into()),
                    since: at,
                    problem: None,
                });
            }
            (Err(problem), known) => {
                let is_news = before.problem.as_ref() != Some(&problem);
                if is_news && known.is_some() {
                    self.changed(at, Some(problem.clone()));
                }
                if is_news {
                    self.known.send_modify(|it| it.problem = Some(problem));
                }
            }
        }
    }

    fn changed(&self, at: Moment, problem: Option<String>) {
        let mut changes = lock(&self.changes);
        if changes.len() < MOST_CHANGES {
            let change = FileChange::new(&self.name, &self.field, problem);
            changes.push((at, change));
        }
    }
}

#[cfg(test)]
mod tests;
