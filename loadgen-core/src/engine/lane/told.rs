//! What a lane knows of what somebody told its scenario.

use std::time::Duration;

use super::LaneCore;
use crate::clock::Nanos;
use crate::schedule::OpenModel;
use crate::workload::UserId;

impl LaneCore {
    /// Hears what somebody told the scenario. Who waits looks again.
    pub(super) fn listen(&self) {
        let version = self.steering.version();
        if self.heard.replace(version) != version {
            let told = self.steering.told();
            self.paused.set(told.paused);
            self.users_told.set(told.users);
            self.rate_told.set(told.rate.map(|it| it.per_second()));
            self.limiter.replace(told.limiter);
            self.halt.notify_waiters();
        }
    }

    /// How many arrivals a second an open model has at a moment, on all workers together.
    pub(in crate::engine) fn rate(&self, model: &OpenModel, now: Nanos) -> f64 {
        match self.paused.get() {
            true => 0.0,
            false => {
                let planned = || self.timeline.planned_rate(model, now);
                self.rate_told.get().unwrap_or_else(planned)
            }
        }
    }

    /// Whether a closed model has a cap on its iterations.
    pub(in crate::engine) fn is_limited(&self) -> bool {
        self.limiter.borrow().is_some()
    }

    /// Takes a turn of that, or says how long to wait before asking again.
    pub(in crate::engine) fn take_turn(&self) -> Result<(), Duration> {
        let limiter = self.limiter.borrow();
        limiter.as_ref().map_or(Ok(()), |it| it.take())
    }

    pub(in crate::engine) fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// How many users a closed model is told to have, if somebody said so.
    pub(in crate::engine) fn users_told(&self) -> Option<u32> {
        self.users_told.get()
    }

    /// Whether this user of a closed model is to rest.
    #[inline]
    pub(in crate::engine) fn is_held(&self, user: UserId) -> bool {
        self.paused.get() || self.users_told.get().is_some_and(|users| user.0 >= users)
    }

    /// Waits until `at`, or until somebody tells something. False when nothing new will start.
    pub(in crate::engine) async fn rest_until_told(&self, at: Nanos) -> bool {
        let heard = self.heard.get();
        while self.heard.get() == heard && self.clock.now() < at {
            if self.ending_since().is_some() {
                return false;
            }
            let left = at.saturating_sub(self.clock.now());
            tokio::select! {
                () = tokio::time::sleep(Duration::from_nanos(left)) => {}
                () = self.halt.notified() => {}
            }
        }
        self.ending_since().is_none()
    }
}
