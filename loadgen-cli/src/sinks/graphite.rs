//! Marks in Graphite where the load starts and where it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use loadgen_core::engine::{Event, Run};
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, Document, SinkKind};
use loadgen_core::sink::RunInfo;
use loadgen_core::sink::graphite::Marks;
use loadgen_core::sink::post::Url;

use super::{SinkError, look_up};
use crate::human;

#[derive(Debug)]
pub(super) struct Graphite {
    url: Url,
    run: String,
    names: Vec<Names>,
    marks: Arc<Mutex<Marks>>,
    /// When the load was over: where the figures end, which is before all was told and put away.
    over: Arc<Mutex<Option<SystemTime>>>,
}

impl Graphite {
    pub(super) fn open(
        url: &Url,
        names: &[Names],
        run: &RunInfo,
        prefix: &str,
    ) -> Result<Self, SinkError> {
        let what = "marks";
        look_up(url, what)?;
        let marks = Marks::new(url, &run.id, prefix);
        let marks = marks.map_err(|source| SinkError::Thread { what, source })?;
        Ok(Self {
            url: url.clone(),
            run: run.id.clone(),
            names: names.to_vec(),
            marks: Arc::new(Mutex::new(marks)),
            over: Arc::default(),
        })
    }

    pub(super) fn notice(&self) -> String {
        format!("run {} is marked in Graphite at {}", self.run, self.url)
    }

    pub(super) fn listen(&self, run: Run) -> Run {
        let marks = Arc::clone(&self.marks);
        let names = self.names.clone();
        let over = Arc::clone(&self.over);
        run.listen(move |event: &Event<'_>| match event {
            Event::Connected => lock(&marks).started(&names, SystemTime::now()),
            Event::Finished(_) => *lock(&over) = Some(SystemTime::now()),
            _ => {}
        })
    }

    /// What is known of it for the result document, which the last mark tells of.
    pub(super) fn delivery(&self) -> Delivery {
        Delivery::new(SinkKind::Graphite, self.url.to_string())
    }

    pub(super) fn ended(&self, document: &Document) {
        let over = lock(&self.over).unwrap_or_else(SystemTime::now);
        lock(&self.marks).ended(document, over);
    }

    /// Waits for the marks, at most so long.
    pub(super) fn complaint(&self, at_most: Duration) -> Option<String> {
        let wrong = lock(&self.marks).wait(at_most);
        let why = wrong.last()?;
        let marks = human::counted(wrong.len() as u64, "mark");
        Some(format!(
            "WARNING: Graphite at {}: {marks} did not get there ({why})",
            self.url
        ))
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere is no reason to lose a mark.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
