//! What a server did: requests and connections counted, handling times measured, where asked for.
//!
//! Owns the counts and who shares them: each worker writes to its own, so that no two threads
//! write to the same memory for a request, and whoever reads puts them together. What is a request
//! is each protocol's to say.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::serve::connection::Load;

/// One hour. What takes longer counts as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// What a server has done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Activity {
    /// Requests that were answered, since the start. Those whose peer went away before are not
    /// among them.
    ///
    /// Over gRPC these are the calls, but for health checks and reflection; over WebSocket the text
    /// and binary messages; over HTTP the requests, but for `/health`; over TCP the lines, or what was
    /// there to read at once.
    pub requests: u64,
    /// Of these, answered with a failure: over gRPC with another status than OK, over WebSocket
    /// with an `error` or, on purpose, with a close in place of an answer; over HTTP with a status of
    /// 400 or above; over TCP, on purpose, with the end of the connection.
    pub failed: u64,
    /// Connections that were taken, since the start.
    pub connections_opened: u64,
    /// Connections that are open.
    pub connections_open: u64,
    /// Nanoseconds from having a request until its answer, or the last message of it, is handed to
    /// the connection. Of what was answered since this was last asked for.
    pub handling_time: Histogram<u64>,
}

/// What all workers of a server do.
#[derive(Debug)]
pub(crate) struct Ledger {
    workers: Vec<(Tally, Load)>,
    /// Takes the place of a worker's histogram while that is read.
    spare: Mutex<Histogram<u64>>,
}

impl Ledger {
    /// A ledger for workers with these loads.
    pub(crate) fn new(loads: &[Load]) -> Self {
        let workers = loads.iter().map(|load| (Tally::new(), load.clone()));
        Self {
            workers: workers.collect(),
            spare: Mutex::new(histogram()),
        }
    }

    /// What the worker of this number writes to.
    pub(crate) fn tally(&self, worker: usize) -> Option<Tally> {
        self.workers.get(worker).map(|(tally, _)| tally.clone())
    }

    /// Puts all workers' together, and has the handling times begin anew.
    pub(crate) fn read(&self) -> Activity {
        let mut activity = Activity {
            requests: 0,
            failed: 0,
            connections_opened: 0,
            connections_open: 0,
            handling_time: histogram(),
        };
        let mut spare = lock(&self.spare);
        for (tally, load) in &self.workers {
            {
                let mut record = lock(&tally.0);
                activity.requests += record.requests;
                activity.failed += record.failed;
                mem::swap(&mut record.handling_time, &mut *spare);
            }
            // The worker does not wait for this.
            activity
                .handling_time
                .add(&*spare)
                .expect("all histograms have the same bounds");
            spare.reset();
            activity.connections_opened += load.opened();
            activity.connections_open += load.connections() as u64;
        }
        activity
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constant bounds that are in order")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one worker did. The lock is its own but for once a reading, and then for two moves.
#[derive(Debug, Clone)]
pub(crate) struct Tally(Arc<Mutex<Record>>);

#[derive(Debug)]
struct Record {
    requests: u64,
    failed: u64,
    handling_time: Histogram<u64>,
}

impl Tally {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Record {
            requests: 0,
            failed: 0,
            handling_time: histogram(),
        })))
    }

    /// A request is there.
    pub(crate) fn begin(&self) -> Handling {
        Handling {
            tally: self.clone(),
            began: Instant::now(),
        }
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Well,
    WithFailure,
}

/// A request that is being handled. Dropped before it is answered, it does not count.
#[derive(Debug)]
pub(crate) struct Handling {
    tally: Tally,
    began: Instant,
}

impl Handling {
    /// The answer, or the last of it, is handed over.
    pub(crate) fn over(self, answered: Answered) {
        let took = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut record = lock(&self.tally.0);
        record.requests += 1;
        record.failed += u64::from(answered == Answered::WithFailure);
        record.handling_time.saturating_record(took.min(LONGEST_NS));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn workers_are_put_together_and_times_begin_anew() {
        let loads = [Load::default(), Load::default()];
        let ledger = Ledger::new(&loads);
        let (one, two) = (ledger.tally(0).unwrap(), ledger.tally(1).unwrap());
        let open = loads[0].add();
        drop(loads[1].add());
        let (first, second, third) = (one.begin(), two.begin(), two.begin());
        tokio::time::advance(Duration::from_millis(3)).await;
        first.over(Answered::Well);
        second.over(Answered::WithFailure);
        // Nobody got an answer.
        drop(third);
        let read = ledger.read();
        assert_eq!((read.requests, read.failed), (2, 1));
        assert_eq!((read.connections_opened, read.connections_open), (2, 1));
        assert_eq!(read.handling_time.len(), 2);
        let least = read.handling_time.min();
        assert!(read.handling_time.equivalent(least, 3_000_000), "{least}");
        drop(open);
        one.begin().over(Answered::Well);
        let read = ledger.read();
        assert_eq!((read.requests, read.failed), (3, 1));
        assert_eq!((read.connections_opened, read.connections_open), (2, 0));
        assert_eq!(read.handling_time.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_an_hour_counts_as_one() {
        let ledger = Ledger::new(&[Load::default()]);
        let handling = ledger.tally(0).unwrap().begin();
        tokio::time::advance(Duration::from_secs(4_000)).await;
        handling.over(Answered::Well);
        let times = ledger.read().handling_time;
        assert!(times.equivalent(times.max(), LONGEST_NS), "{}", times.max());
    }
}
