//! OpenTelemetry: the figures as they stand, posted once a second as OTLP over HTTP.
//!
//! Owns which name, unit and attributes each metric has there. A thread of its own posts; what is
//! still to be posted when the next second is over is left out, and nothing is lost by it: counters
//! are told from the beginning of the run.

mod export;
mod headers;
mod sender;

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use self::export::Exporter;
use self::sender::Sender;
use super::RunInfo;
use super::picture::Sampler;
use super::post::{Poster, Url};
use crate::engine::Event;
use crate::record::Names;

pub use self::headers::{HeadersError, parse_headers};
pub use self::sender::{Exports, PATIENCE};

/// What stands below a receiver's address for metrics.
pub const PATH: &str = "v1/metrics";

/// Posts a run's figures to a receiver of OTLP. Hand each [`Event`] to [`hear`](Self::hear).
///
/// ```no_run
/// use std::time::Duration;
///
/// use loadgen_core::engine::{Event, Options, Run};
/// use loadgen_core::sink::RunInfo;
/// use loadgen_core::sink::otlp::OtlpSink;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let run = Run::new(Options::default());
/// let info = RunInfo::new("20261103T141502Z-7f3a9c", "1.0");
/// let url = "http://127.0.0.1:4318/v1/metrics".parse()?;
/// let mut sink = OtlpSink::new(url, Vec::new(), &run.names(), &info)?;
/// let exports = sink.exports();
/// let run = run.listen(move |event: &Event<'_>| sink.hear(event));
/// run.execute()?;
/// assert!(exports.wait_for_last(Duration::from_secs(3)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OtlpSink {
    sampler: Sampler,
    sender: Sender,
}

impl OtlpSink {
    /// A sink for a run whose scenarios have these names ([`Run::names`](crate::engine::Run::names)),
    /// in its order. It posts to exactly this address, with these fields in the header of each
    /// request.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn new(
        url: Url,
        headers: Vec<(String, String)>,
        scenarios: &[Names],
        run: &RunInfo,
    ) -> io::Result<Self> {
        let (sampler, scopes) = Sampler::new(scenarios);
        let exporter = Exporter::new(&scopes, run, SystemTime::now());
        let sender = Sender::start(Poster::new(url, headers), exporter)?;
        Ok(Self { sampler, sender })
    }

    /// A handle on what became of the exports.
    #[must_use]
    pub fn exports(&self) -> Exports {
        self.sender.exports()
    }

    /// Takes in what the run tells, and leaves it to be posted.
    pub fn hear(&mut self, event: &Event<'_>) {
        if let Some(picture) = self.sampler.take(event) {
            let last = matches!(event, Event::Finished(_));
            self.sender
                .hand_over(Arc::clone(&picture), SystemTime::now(), last);
        }
    }
}

#[cfg(test)]
#[cfg(all(feature = "prometheus", feature = "otlp", feature = "graphite"))]
mod tests;
