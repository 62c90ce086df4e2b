//! What came of calls that were made again.

use serde::{Deserialize, Serialize};

use super::ScenarioRecord;
use super::merger::tally;
use crate::outcome::Outcome;
use crate::record::local::RetryTick;

/// What came of calls that were made again because they failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retries {
    /// Attempts after each call's first.
    pub attempts: u64,
    /// Calls that ended ok after more than one attempt.
    pub ok: u64,
    /// Calls that failed after more than one attempt, those included whose time was up.
    pub failed: u64,
    /// Calls that failed and were not made again because too many did.
    pub throttled: u64,
    /// How the attempts ended that were followed by another; adds up to `attempts`.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Which servers those were with, [`ScenarioRecord::UNKNOWN`] where that is not known; adds up to
    /// `attempts`.
    pub backends: Vec<(String, u64)>,
}

impl Retries {
    /// Adds a worker's; `names` are those of the servers by its own numbers.
    pub(super) fn add(&mut self, tick: &RetryTick, names: &[&str]) {
        self.ok += tick.ok;
        self.failed += tick.failed;
        self.throttled += tick.throttled;
        for (outcome, count) in tick.outcomes.iter() {
            self.attempts += count;
            tally(&mut self.outcomes, outcome, count);
        }
        for (backend, count) in &tick.backends {
            let known = backend.and_then(|it| names.get(usize::from(it)));
            self.count_of(known.copied().unwrap_or(ScenarioRecord::UNKNOWN), *count);
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.ok = self.ok.saturating_add(other.ok);
        self.failed = self.failed.saturating_add(other.failed);
        self.throttled = self.throttled.saturating_add(other.throttled);
        for (outcome, count) in &other.outcomes {
            tally(&mut self.outcomes, *outcome, *count);
        }
        for (name, count) in &other.backends {
            self.count_of(name, *count);
        }
    }

    fn count_of(&mut self, backend: &str, count: u64) {
        match self.backends.iter_mut().find(|(of, _)| of == backend) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => self.backends.push((backend.to_owned(), count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Failure;
    use crate::record::{Merger, Names, Recorder, Tick};
    use crate::workload::{Observer as _, RetryEvent};

    fn seen(identity: &[u8]) -> Retries {
        let names = Names {
            retries: true,
            ..Names::default()
        };
        let (mut merger, recorder) = (Merger::new(&names, 1), Recorder::new(&names));
        assert_eq!(merger.total().retries, Some(Retries::default()));
        let backend = Some(recorder.backend(identity, None));
        let again = |failure, backend| recorder.retry(RetryEvent::Again(failure), backend, None);
        again(Failure::Connect, None);
        again(Failure::Connection, backend);
        again(Failure::Connection, backend);
        for event in [RetryEvent::Ok, RetryEvent::Failed, RetryEvent::Throttled] {
            recorder.retry(event, backend, None);
        }
        let mut tick = recorder.swap(Box::new(Tick::new(&names)));
        merger.add(0, &mut tick, &[]);
        assert!(!tick.retries.has_any(), "it is emptied");
        merger.total().retries.clone().unwrap()
    }

    #[test]
    fn attempts_add_up_by_outcome_and_by_server() {
        let mut all = seen(b"b1");
        all.merge(&seen(b"b2"));
        assert_eq!(
            (all.attempts, all.ok, all.failed, all.throttled),
            (6, 2, 2, 2)
        );
        let outcomes = [
            (Failure::Connect.into(), 2),
            (Failure::Connection.into(), 4),
        ];
        assert_eq!(all.outcomes, outcomes);
        let backends = [(ScenarioRecord::UNKNOWN, 2), ("b1", 2), ("b2", 2)];
        assert_eq!(all.backends, backends.map(|(id, n)| (id.to_owned(), n)));
    }
}
