//! Changing a run, or a search, while it is under way, for whoever has a person's word: keys, and the live page.

use std::fmt;
use std::sync::Arc;

use loadgen_core::engine::{Change, Control, Refused, Standing};

use super::capacity::{STOPPING, SearchStop};
use super::events::Restraint;

/// What is said when the run is told to stop.
type Notice = Arc<dyn Fn() -> String + Send + Sync>;

/// What has the other shards of it stop, called with whether at once.
type Stops = Arc<dyn Fn(bool) + Send + Sync>;

/// Changes a run, and has what goes on beside the load know of it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RunControl {
    control: Control,
    events: Restraint,
    notice: Notice,
    stops: Stops,
}

impl fmt::Debug for RunControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunControl").finish_non_exhaustive()
    }
}

impl RunControl {
    pub(super) fn new(
        control: Control,
        events: Restraint,
        notice: impl Fn() -> String + Send + Sync + 'static,
        stops: Stops,
    ) -> Self {
        Self {
            control,
            events,
            notice: Arc::new(notice),
            stops,
        }
    }

    /// Has the run do it. What was done, in words.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn change(&self, change: &Change) -> Result<String, Refused> {
        let Change::Stop { at_once } = change else {
            return self.control.change(change);
        };
        let notice = match at_once {
            true => "stopping at once".to_owned(),
            false => (self.notice)(),
        };
        self.control.change(change)?;
        self.events.begin_no_more();
        (self.stops)(*at_once);
        Ok(notice)
    }

    /// How each scenario stands by what it was told.
    pub(crate) fn standing(&self) -> Vec<Standing> {
        self.control.standing()
    }
}

/// What the live page can tell things.
#[derive(Debug, Clone)]
pub(crate) enum Steering {
    Run(RunControl),
    /// It can be ended, and nothing else.
    Search(SearchStop),
}

impl Steering {
    /// Has it be done. What was done, in words.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    pub(crate) fn change(&self, change: &Change) -> Result<String, String> {
        match (self, change) {
            (Self::Run(control), change) => control.change(change).map_err(|it| it.to_string()),
            (Self::Search(stop), Change::Stop { .. }) => {
                stop.ask();
                Ok(STOPPING.to_owned())
            }
            (Self::Search(_), _) => Err(
                "a search for a capacity finds the load itself, and its trials are all alike: expected `stop`, which ends it \
                 with what is known so far"
                    .to_owned(),
            ),
        }
    }

    /// How each scenario stands by what it was told; none of a search has anything to be told.
    pub(crate) fn standing(&self) -> Vec<Standing> {
        match self {
            Self::Run(control) => control.standing(),
            Self::Search(_) => Vec::new(),
        }
    }
}
