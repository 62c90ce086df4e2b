//! Figures posted to a receiver of OTLP.

use loadgen_core::engine::{Event, Run};
use loadgen_core::report::{Delivery, SinkKind};
use loadgen_core::sink::otlp::{Exports, OtlpSink};
use loadgen_core::sink::post::Url;

use super::error::SinkError;
use super::look_up::look_up;
use super::sink::{About, Conclusion, End, Sink};
use crate::human;
use crate::screen::Screen;
use crate::settings::sinks::{OtlpSettings, SinkSettings};

#[derive(Debug)]
struct Otlp {
    sink: Option<OtlpSink>,
    exports: Exports,
    url: Url,
}

/// Opens it, if the settings ask for it.
pub(super) fn open(
    settings: &SinkSettings,
    about: About<'_>,
) -> Result<Option<Box<dyn Sink>>, SinkError> {
    let Some(OtlpSettings { url, headers }) = &settings.otlp else {
        return Ok(None);
    };
    let what = "metrics";
    look_up(url, what)?;
    let sink = OtlpSink::new(url.clone(), headers.clone(), about.names, about.run);
    let sink = sink.map_err(|source| SinkError::Thread { what, source })?;
    Ok(Some(Box::new(Otlp {
        exports: sink.exports(),
        sink: Some(sink),
        url: url.clone(),
    })))
}

impl Sink for Otlp {
    fn notices(&self) -> Vec<String> {
        vec![format!("metrics go to {} as OTLP", self.url)]
    }

    fn listen(&mut self, run: Run, _screen: &Screen) -> Run {
        match self.sink.take() {
            Some(mut sink) => run.listen(move |event: &Event<'_>| sink.hear(event)),
            None => run,
        }
    }

    fn conclude(&mut self) -> Conclusion {
        let mut delivery = Delivery::new(SinkKind::Otlp, self.url.origin());
        delivery.failed = Some(self.exports.failed());
        delivery.rejected = Some(self.exports.rejected());
        Conclusion {
            delivery,
            complaint: None,
        }
    }

    fn finish(&mut self, end: &End<'_>) {
        let exports = &self.exports;
        let last = exports.wait_for_last(end.patience());
        let why = exports.why();
        let why = why.as_deref().unwrap_or("no answer");
        let (failed, rejected) = (exports.failed(), exports.rejected());
        if let Some(complaint) = complaint(&self.url, last, failed, rejected, why) {
            end.say(&complaint);
        }
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
