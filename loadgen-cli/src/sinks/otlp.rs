//! Figures posted to a receiver of OTLP.

use std::time::Duration;

use loadgen_core::engine::{Event, Run};
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, SinkKind};
use loadgen_core::sink::RunInfo;
use loadgen_core::sink::otlp::{Exports, OtlpSink};
use loadgen_core::sink::post::Url;

use super::{SinkError, look_up};
use crate::human;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtlpSettings {
    /// Exactly where to post.
    pub(crate) url: Url,
    /// Fields for the header of each request.
    pub(crate) headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Otlp {
    sink: Option<OtlpSink>,
    exports: Exports,
    url: Url,
}

impl Otlp {
    pub(super) fn open(
        settings: &OtlpSettings,
        names: &[Names],
        run: &RunInfo,
    ) -> Result<Self, SinkError> {
        look_up(&settings.url, "metrics")?;
        let headers = settings.headers.clone();
        let sink = OtlpSink::new(settings.url.clone(), headers, names, run).map_err(|source| {
            SinkError::Thread {
                what: "metrics",
                source,
            }
        })?;
        Ok(Self {
            exports: sink.exports(),
            sink: Some(sink),
            url: settings.url.clone(),
        })
    }

    pub(super) fn notice(&self) -> String {
        format!("metrics go to {} as OTLP", self.url)
    }

    pub(super) fn listen(&mut self, run: Run) -> Run {
        match self.sink.take() {
            Some(mut sink) => run.listen(move |event: &Event<'_>| sink.hear(event)),
            None => run,
        }
    }

    /// What is known of it for the result document.
    pub(super) fn delivery(&self) -> Delivery {
        let mut delivery = Delivery::new(SinkKind::Otlp, self.url.to_string());
        delivery.failed = Some(self.exports.failed());
        delivery.rejected = Some(self.exports.rejected());
        delivery
    }

    /// Waits for the last export, at most so long.
    pub(super) fn complaint(&self, at_most: Duration) -> Option<String> {
        let exports = &self.exports;
        let last = exports.wait_for_last(at_most);
        let why = exports.why();
        let why = why.as_deref().unwrap_or("no answer");
        complaint(&self.url, last, exports.failed(), exports.rejected(), why)
    }
}

fn complaint(url: &Url, last: bool, failed: u64, rejected: u64, why: &str) -> Option<String> {
    let exports = human::counted(failed, "export");
    match (last, failed, rejected) {
        (true, 0, 0) => None,
        (true, _, 0) => Some(format!(
            "OTLP at {url}: {exports} failed, and a later one told all ({why})"
        )),
        (true, ..) => Some(format!(
            "WARNING: OTLP at {url}: {} rejected ({why})",
            human::counted(rejected, "value")
        )),
        (false, 0, _) => Some(format!(
            "WARNING: OTLP at {url}: the last figures did not get there ({why})"
        )),
        (false, ..) => Some(format!(
            "WARNING: OTLP at {url}: the last figures did not get there; {exports} failed ({why})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(true, 0, 0 => None; "all got there")]
    #[test_case(true, 1, 0 => Some("OTLP at http://a/x: 1 export failed, and a later one told all (no)".to_owned()); "one failed")]
    #[test_case(true, 1, 5 => Some("WARNING: OTLP at http://a/x: 5 values rejected (no)".to_owned()); "values were rejected")]
    #[test_case(false, 0, 0 => Some("WARNING: OTLP at http://a/x: the last figures did not get there (no)".to_owned()); "nothing was answered")]
    #[test_case(false, 2, 0 => Some("WARNING: OTLP at http://a/x: the last figures did not get there; 2 exports failed (no)".to_owned()); "the last failed")]
    fn complaints(last: bool, failed: u64, rejected: u64) -> Option<String> {
        complaint(&"http://a/x".parse().unwrap(), last, failed, rejected, "no")
    }
}
