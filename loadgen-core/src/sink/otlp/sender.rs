//! The thread that posts: one picture waits at most, and the newest wins.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use super::export::Exporter;
use crate::sink::picture::Picture;
use crate::sink::post::{Failed, Poster};

/// How long an export may take.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// How often the last export is tried where the receiver may take it a moment later.
const LAST_TRIES: u32 = 3;
/// How long that moment is.
const MOMENT: Duration = Duration::from_millis(250);

/// Hands pictures to the thread that posts them. With this gone, the thread ends.
#[derive(Debug)]
pub(super) struct Sender(Arc<Mailbox>);

/// What became of the exports, to be read while the run goes on and after it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exports(Arc<Mailbox>);

/// Where the pictures are handed over.
#[derive(Debug, Default)]
struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Option<Job>,
    /// Nothing more is handed over.
    closed: bool,
    /// One is being posted.
    under_way: bool,
    taken: u64,
    failed: u64,
    rejected: u64,
    why: Option<String>,
    /// Whether the last picture of the run got there; `None` while that is open.
    last: Option<bool>,
}

#[derive(Debug)]
struct Job {
    picture: Arc<Picture>,
    at: SystemTime,
    last: bool,
}

impl Sender {
    pub(super) fn start(poster: Poster, exporter: Exporter) -> io::Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let its_own = Arc::clone(&mailbox);
        thread::Builder::new()
            .name("loadgen-otlp".to_owned())
            .spawn(move || its_own.work(&poster, &exporter))?;
        Ok(Self(mailbox))
    }

    pub(super) fn exports(&self) -> Exports {
        Exports(Arc::clone(&self.0))
    }

    /// Never waits: the lock is only ever held for a moment.
    pub(super) fn hand_over(&mut self, picture: Arc<Picture>, at: SystemTime, last: bool) {
        self.0.state().waiting = Some(Job { picture, at, last });
        self.0.changed.notify_all();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl Exports {
    /// Exports that the receiver took.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.0.state().taken
    }

    /// Exports that failed. Those that a newer one took the place of are in neither number.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.state().failed
    }

    /// Values that the receiver rejected of exports that it took.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.0.state().rejected
    }

    /// What was the matter the last time that something was.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        self.0.state().why.clone()
    }

    /// Waits until the last figures of the run are there or given up, at most so long. Says whether
    /// they are there.
    #[must_use]
    pub fn wait_for_last(&self, at_most: Duration) -> bool {
        let open = |state: &mut State| {
            state.last.is_none() && !(state.closed && state.waiting.is_none() && !state.under_way)
        };
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.0.state(), at_most, open);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.last == Some(true)
    }
}

impl Mailbox {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever held it did nothing that could leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let idle = |state: &mut State| state.waiting.is_none() && !state.closed;
        let waited = self.changed.wait_while(self.state(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let job = state.waiting.take();
        state.under_way = job.is_some();
        job
    }

    fn work(&self, poster: &Poster, exporter: &Exporter) {
        while let Some(job) = self.next() {
            let body = exporter.request(&job.picture, job.at).encode_to_vec();
            let mut tries = if job.last { LAST_TRIES } else { 1 };
            let result = loop {
                tries -= 1;
                match poster.post("application/x-protobuf", &body, PATIENCE) {
                    Err(Failed { may_pass: true, .. }) if tries > 0 => self.pause(),
                    result => break result,
                }
            };
            self.note(result, job.last);
        }
    }

    /// A moment in which nothing is waited for.
    fn pause(&self) {
        let never = self
            .changed
            .wait_timeout_while(self.state(), MOMENT, |_| true);
        drop(never);
    }

    fn note(&self, result: Result<Vec<u8>, Failed>, last: bool) {
        let mut state = self.state();
        state.under_way = false;
        let taken = result.is_ok();
        match result {
            Ok(answer) => {
                state.taken += 1;
                let answer = ExportMetricsServiceResponse::decode(&*answer).unwrap_or_default();
                let partial = answer.partial_success.unwrap_or_default();
                if partial.rejected_data_points > 0 {
                    state.rejected += partial.rejected_data_points.unsigned_abs();
                    state.why = Some(partial.error_message).filter(|it| !it.is_empty());
                }
            }
            Err(failed) => {
                state.failed += 1;
                state.why = Some(failed.why);
            }
        }
        if last {
            state.last = Some(taken);
        }
        drop(state);
        self.changed.notify_all();
    }
}
