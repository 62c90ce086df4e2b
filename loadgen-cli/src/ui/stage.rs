//! What is on show, and for whom.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loadgen_core::engine::Change;
use loadgen_core::live::{Dashboard, Recorded, Search};
use loadgen_core::report::Document;
use loadgen_core::report::page::LivePage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::access::Access;
use crate::run::control::Steering;
use crate::screen::Screen;
use crate::screen::live::Whole;

/// So many may look at a time.
pub(super) const MOST_VIEWERS: usize = 32;

/// What the server's thread is told.
#[derive(Debug)]
pub(super) enum Told {
    /// The page is that of this run from now on; of one that takes nothing where it could not begin.
    Run(Box<Dashboard>, Option<Steered>),
    /// The page is that of this search from now on, by its first trial or another.
    Trial(Box<Dashboard>, Box<Search>),
    /// Something else is known of the search, or is being done.
    Known(Box<Search>),
    /// Its load has begun.
    Begun,
    Recorded(Box<Recorded>),
    /// There is its result, which is to be written to these files.
    Over(Box<Document>, Vec<String>),
    /// There is no result, or something failed after there was one.
    Failed {
        why: String,
        /// Whether somebody stopped it, who knows that.
        is_stopped: bool,
    },
    /// That was all.
    End,
}

/// A run, or a search, that can be told things.
#[derive(Debug)]
pub(super) struct Steered {
    pub(super) control: Steering,
    /// Where it is said what it was told.
    pub(super) screen: Screen,
    /// The line of all shards, where it is known here.
    pub(super) whole: Option<Whole>,
}

/// What the server shares with whoever looks, and with the run.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) access: Access,
    pub(super) page: LivePage,
    /// One for each who may look.
    pub(super) seats: Arc<Semaphore>,
    /// How many have come to look.
    came: AtomicU64,
    /// Whether what was recorded last has not been shown yet.
    is_behind: AtomicBool,
    stage: Mutex<Stage>,
}

/// A run that the page was of before.
#[derive(Debug, Clone, Serialize)]
struct Earlier {
    /// What names it.
    run: String,
    /// What its result was to be written to.
    files: Vec<String>,
}

/// What is on show. Used on one thread only.
#[derive(Debug, Default)]
struct Stage {
    dashboard: Option<Box<Dashboard>>,
    /// The result, until somebody asks for its report: often nobody does.
    result: Option<Box<Document>>,
    /// The run, once it has a result.
    concluded: Option<Earlier>,
    /// Those before it that had one.
    earlier: Vec<Earlier>,
    /// The run, while it takes anything.
    steered: Option<Steered>,
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
            came: AtomicU64::new(0),
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

    /// Somebody has come to look.
    pub(super) fn comes(&self) {
        self.came.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have.
    pub(super) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
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
        let stage = &mut *self.stage();
        let change = match (told, &mut stage.dashboard) {
            (Told::End, _) => return None,
            (Told::Run(dashboard, steered), place) => {
                *place = Some(dashboard);
                stage.result = None;
                stage.earlier.extend(stage.concluded.take());
                stage.steered = steered;
                None
            }
            (Told::Trial(dashboard, search), place) => {
                let before = place.take().map(|it| *it);
                *place = Some(Box::new(dashboard.of_trial(*search, before)));
                None
            }
            (_, None) => None,
            (Told::Known(search), Some(dashboard)) => Some(dashboard.knows(*search).into()),
            (Told::Begun, Some(dashboard)) => {
                dashboard.begin();
                None
            }
            (Told::Recorded(recorded), Some(dashboard)) => {
                let control = stage.steered.as_ref().map(|it| &it.control);
                let standing = control.map(Steering::standing).unwrap_or_default();
                let is_paused = !standing.is_empty() && standing.iter().all(|it| it.paused);
                let whole = stage.steered.as_ref().and_then(|it| it.whole.as_ref());
                dashboard.tells_of_all(whole.and_then(Whole::line));
                let change = dashboard.advance(*recorded, is_paused);
                self.is_behind.store(false, Ordering::Release);
                Some(change.into())
            }
            (Told::Over(document, files), Some(_)) => {
                stage.steered = None;
                stage.concluded = Some(Earlier {
                    run: document.run.id.clone(),
                    files,
                });
                stage.result = Some(document);
                None
            }
            (Told::Failed { why, .. }, Some(dashboard)) => {
                stage.steered = None;
                // A result stands, whatever failed after it.
                if stage.result.is_none() {
                    dashboard.fail(&why);
                }
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
        if let (Some(dashboard), Some(result)) = (&mut stage.dashboard, stage.result.take()) {
            dashboard.conclude(&result);
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

impl Shared {
    /// How the run stands, for the page: what it can be told, and which runs were before it.
    pub(super) fn standing(&self) -> Utf8Bytes {
        let stage = self.stage();
        let standing = stage.steered.as_ref().map(|it| it.control.standing());
        let standing = json!({ "standing": standing, "earlier": stage.earlier });
        standing.to_string().into()
    }

    /// Has the run do what somebody asks for in a message, and answers in words.
    pub(super) fn steer(&self, message: &str) -> Utf8Bytes {
        let asked: Asked = match serde_json::from_str(message) {
            Ok(asked) => asked,
            Err(error) => {
                let why = format!("expected `{{\"id\": 1, \"change\": …}}`: {error}");
                return json!({ "id": 0, "refused": why }).to_string().into();
            }
        };
        let stage = self.stage();
        let done = match &stage.steered {
            None => Err("there is nothing left to change: the run is over".to_owned()),
            Some(Steered {
                control, screen, ..
            }) => {
                let change = Change::try_from(asked.change);
                let change = change.map_err(|refused| refused.to_string());
                let done = change.and_then(|it| control.change(&it));
                if let Ok(done) = &done {
                    screen.say(&format!("from the page: {done}"));
                }
                done
            }
        };
        let answer = match done {
            Ok(done) => json!({ "id": asked.id, "done": done }),
            Err(why) => json!({ "id": asked.id, "refused": why }),
        };
        answer.to_string().into()
    }
}

/// What a page asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Comes back with the answer.
    id: u64,
    change: Value,
}

/// The number of what is on show; closed once there is nothing more.
pub(super) type Numbers = watch::Receiver<u64>;
