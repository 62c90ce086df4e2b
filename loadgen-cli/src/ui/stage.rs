//! What is on show, and for whom.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loadgen_core::live::{Dashboard, Recorded};
use loadgen_core::report::Document;
use loadgen_core::report::page::LivePage;
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::access::Access;

/// So many may look at a time.
pub(super) const MOST_VIEWERS: usize = 32;

/// What the server's thread is told.
#[derive(Debug)]
pub(super) enum Told {
    /// The page is that of this run from now on.
    Run(Box<Dashboard>),
    /// Its load has begun.
    Begun,
    Recorded(Box<Recorded>),
    Over(Box<Document>),
    Failed(String),
    /// That was all.
    End,
}

/// What the server shares with whoever looks, and with the run.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) access: Access,
    pub(super) page: LivePage,
    /// One for each who may look.
    pub(super) seats: Arc<Semaphore>,
    /// Whether what was recorded last has not been shown yet.
    is_behind: AtomicBool,
    stage: Mutex<Stage>,
}

/// What is on show. Used on one thread only.
#[derive(Debug, Default)]
struct Stage {
    dashboard: Option<Box<Dashboard>>,
    /// Counts what was shown.
    number: u64,
    /// What differs from the number before, where that can be told.
    change: Option<Utf8Bytes>,
    /// All of it, once somebody has asked.
    whole: Option<Utf8Bytes>,
}

impl Shared {
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            page: LivePage::new(),
            seats: Arc::new(Semaphore::new(MOST_VIEWERS)),
            is_behind: AtomicBool::new(false),
            stage: Mutex::default(),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // Whoever held it did nothing that could leave it half done.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody looks and has been shown what was recorded before.
    pub(super) fn wants(&self) -> bool {
        self.is_looked_at() && !self.is_behind.load(Ordering::Acquire)
    }

    pub(super) fn is_looked_at(&self) -> bool {
        self.seats.available_permits() < MOST_VIEWERS
    }

    /// Something recorded is on its way to be shown.
    pub(super) fn hand_over(&self) {
        self.is_behind.store(true, Ordering::Release);
    }

    /// Has what was told be shown, and counts it. `None` at the end.
    pub(super) fn show(&self, told: Told) -> Option<u64> {
        let is_looked_at = self.is_looked_at();
        let stage = &mut *self.stage();
        let change = match (told, &mut stage.dashboard) {
            (Told::End, _) => return None,
            (Told::Run(dashboard), place) => {
                *place = Some(dashboard);
                None
            }
            (_, None) => None,
            (Told::Begun, Some(dashboard)) => {
                dashboard.begin();
                None
            }
            (Told::Recorded(recorded), Some(dashboard)) => {
                let change = dashboard.advance(*recorded);
                self.is_behind.store(false, Ordering::Release);
                Some(change.into())
            }
            (Told::Over(document), Some(dashboard)) => {
                // Nobody would come to see it.
                if is_looked_at {
                    dashboard.conclude(&document);
                }
                None
            }
            (Told::Failed(why), Some(dashboard)) => {
                dashboard.fail(&why);
                None
            }
        };
        stage.number += 1;
        stage.change = change;
        stage.whole = None;
        Some(stage.number)
    }

    /// What somebody needs who has what had this number, and the number that is then theirs.
    pub(super) fn message(&self, has: Option<u64>) -> (u64, Option<Utf8Bytes>) {
        let stage = &mut *self.stage();
        let number = stage.number;
        if has == Some(number) {
            return (number, None);
        }
        let change = stage.change.as_ref();
        let change = change.filter(|_| has.is_some_and(|it| it + 1 == number));
        let message = change.cloned().or_else(|| {
            let dashboard = stage.dashboard.as_ref();
            if stage.whole.is_none() {
                stage.whole = dashboard.map(|it| it.whole().into());
            }
            stage.whole.clone()
        });
        (number, message)
    }
}

/// The number of what is on show; closed once there is nothing more.
pub(super) type Numbers = watch::Receiver<u64>;
