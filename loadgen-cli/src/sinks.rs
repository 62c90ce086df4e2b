//! Where a run's figures go while it is under way, as the command line sees it: what is opened
//! before anything starts, and what is said when something did not get there.

pub(crate) mod statsd;

mod error;
mod graphite;
mod look_up;
mod otlp;
mod prometheus;
mod sink;

use loadgen_core::engine::Run;
use loadgen_core::report::{Delivery, Document};

use crate::screen::Screen;
use crate::settings::sinks::SinkSettings;

pub(crate) use self::error::SinkError;
use self::sink::Sink;
pub(crate) use self::sink::{About, End};

/// Opens a sink where the settings ask for it.
type Open = fn(&SinkSettings, About<'_>) -> Result<Option<Box<dyn Sink>>, SinkError>;

/// All sinks, in the order in which they are told of.
const ALL: [Open; 4] = [statsd::open, otlp::open, graphite::open, prometheus::open];

/// All that the settings ask for.
#[derive(Debug)]
pub(crate) struct Sinks(Vec<Box<dyn Sink>>);

impl Sinks {
    /// Opens what the settings ask for.
    ///
    /// # Errors
    /// When a host has no address, an address cannot be listened on, or names cannot be told apart.
    pub(crate) fn open(settings: &SinkSettings, about: About<'_>) -> Result<Self, SinkError> {
        let opened = ALL
            .into_iter()
            .filter_map(|open| open(settings, about).transpose());
        opened.collect::<Result<_, _>>().map(Self)
    }

    /// What a person should know before the load.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.0.iter().flat_map(|sink| sink.notices()).collect()
    }

    /// Has them hear what the run tells. What a person should know meanwhile is said on `screen`.
    pub(crate) fn listen(&mut self, run: Run, screen: &Screen) -> Run {
        self.0
            .iter_mut()
            .fold(run, |run, sink| sink.listen(run, screen))
    }

    /// The load is over: what goes into the document. Says what did not get there, as far as it is known.
    pub(crate) fn conclude(&mut self, screen: &Screen) -> Vec<Delivery> {
        let conclusions = self.0.iter_mut().map(|sink| sink.conclude());
        conclusions
            .map(|it| {
                if let Some(complaint) = it.complaint {
                    screen.say(&complaint);
                }
                it.delivery
            })
            .collect()
    }

    /// Has them know how it ended.
    pub(crate) fn judged(&mut self, document: &Document) {
        for sink in &mut self.0 {
            sink.judged(document);
        }
    }

    /// Waits for what is still under way, as long as `end` lets them, and says what did not get there.
    pub(crate) fn finish(&mut self, end: &End<'_>) {
        for sink in &mut self.0 {
            sink.finish(end);
        }
    }
}
