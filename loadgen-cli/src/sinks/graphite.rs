//! Marks in Graphite where the load starts and where it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use loadgen_core::engine::{Event, Run};
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, Document, SinkKind};
use loadgen_core::sink::graphite::Marks;
use loadgen_core::sink::post::Url;

use super::error::SinkError;
use super::look_up::look_up;
use super::sink::{About, Conclusion, End, Sink};
use crate::human;
use crate::screen::Screen;
use crate::settings::sinks::{GraphiteSettings, SinkSettings};

#[derive(Debug)]
struct Graphite {
    url: Url,
    run: String,
    names: Vec<Names>,
    marks: Arc<Mutex<Marks>>,
    /// When the load was over: where the figures end, which is before all was told and put away.
    over: Arc<Mutex<Option<SystemTime>>>,
}

/// Opens it, if the settings ask for it.
pub(super) fn open(
    settings: &SinkSettings,
    about: About<'_>,
) -> Result<Option<Box<dyn Sink>>, SinkError> {
    let Some(GraphiteSettings { url, prefix }) = &settings.graphite else {
        return Ok(None);
    };
    let what = "marks";
    look_up(url, what)?;
    let marks = Marks::new(url, &about.run.id, &prefix.to_string());
    let marks = marks.map_err(|source| SinkError::Thread { what, source })?;
    Ok(Some(Box::new(Graphite {
        url: url.clone(),
        run: about.run.id.clone(),
        names: about.names.to_vec(),
        marks: Arc::new(Mutex::new(marks)),
        over: Arc::default(),
    })))
}

impl Sink for Graphite {
    fn notices(&self) -> Vec<String> {
        vec![format!(
            "run {} is marked in Graphite at {}",
            self.run, self.url
        )]
    }

    fn listen(&mut self, run: Run, _screen: &Screen) -> Run {
        let marks = Arc::clone(&self.marks);
        let names = self.names.clone();
        let over = Arc::clone(&self.over);
        run.listen(move |event: &Event<'_>| match event {
            Event::Connected => lock(&marks).started(&names, SystemTime::now()),
            Event::Finished(_) => *lock(&over) = Some(SystemTime::now()),
            _ => {}
        })
    }

    fn conclude(&mut self) -> Conclusion {
        Conclusion {
            // What became of the last mark is not known yet: it tells of the document.
            delivery: Delivery::new(SinkKind::Graphite, self.url.origin()),
            complaint: None,
        }
    }

    fn judged(&mut self, document: &Document) {
        let over = lock(&self.over).unwrap_or_else(SystemTime::now);
        lock(&self.marks).ended(document, over);
    }

    fn finish(&mut self, end: &End<'_>) {
        let wrong = lock(&self.marks).wait(end.patience());
        if let Some(why) = wrong.last() {
            let marks = human::counted(wrong.len() as u64, "mark");
            end.say(&format!(
                "WARNING: Graphite at {}: {marks} did not get there ({why})",
                self.url
            ));
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere is no reason to lose a mark.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
