//! Changing a run while it is under way, for whoever has a person's word: keys, and the live page.

use std::fmt;
use std::sync::Arc;

use loadgen_core::engine::{Change, Control, Refused, Standing};

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
