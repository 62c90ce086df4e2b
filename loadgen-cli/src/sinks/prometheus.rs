//! An endpoint for Prometheus to scrape.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use loadgen_core::clock::{Clock, nanos};
use loadgen_core::engine::{Event, Run};
use loadgen_core::report::{Delivery, SinkKind};
use loadgen_core::sink::prometheus::{Endpoint, PrometheusSink};

use super::error::SinkError;
use super::sink::{About, Conclusion, End, Sink};
use crate::human;
use crate::screen::Screen;
use crate::settings::sinks::{PrometheusSettings, SinkSettings};

/// How often somebody who waits looks up.
const GLANCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Prometheus {
    sink: Option<PrometheusSink>,
    endpoint: Endpoint,
    wait: Option<Duration>,
}

/// Opens it, if the settings ask for it.
pub(super) fn open(
    settings: &SinkSettings,
    about: About<'_>,
) -> Result<Option<Box<dyn Sink>>, SinkError> {
    let Some(PrometheusSettings { address, wait }) = &settings.prometheus else {
        return Ok(None);
    };
    let failed = |source: io::Error| SinkError::Scrape {
        address: address.clone(),
        hint: match source.kind() {
            io::ErrorKind::AddrInUse => "; name a free one with `--prometheus=HOST:PORT`",
            _ => "",
        },
        source,
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let sink = PrometheusSink::new(listener, about.names, about.run).map_err(failed)?;
    Ok(Some(Box::new(Prometheus {
        endpoint: sink.endpoint(),
        sink: Some(sink),
        wait: *wait,
    })))
}

impl Sink for Prometheus {
    fn notices(&self) -> Vec<String> {
        let address = self.endpoint.address();
        let mut notices = vec![format!(
            "metrics for Prometheus at http://{address}/metrics"
        )];
        if !address.ip().is_loopback() {
            notices.push(format!(
                "WARNING: listening on {address}, which other machines can reach; anyone there can \
                 read this run's metrics"
            ));
        }
        notices
    }

    fn listen(&mut self, run: Run, _screen: &Screen) -> Run {
        match self.sink.take() {
            Some(mut sink) => run.listen(move |event: &Event<'_>| sink.hear(event)),
            None => run,
        }
    }

    fn conclude(&mut self) -> Conclusion {
        Conclusion {
            // Whether the last scrape comes is not known yet.
            delivery: Delivery::new(SinkKind::Prometheus, self.endpoint.address().to_string()),
            complaint: None,
        }
    }

    /// Waits for the last scrape where that was asked for.
    fn finish(&mut self, end: &End<'_>) {
        let Some(wait) = self.wait else {
            return;
        };
        // A moment needs no explanation.
        if wait >= Duration::from_secs(1) {
            end.say(&format!(
                "waiting for Prometheus to scrape the last figures, {} at most; Ctrl-C ends it",
                human::duration(wait)
            ));
        }
        let clock = Clock::start();
        let until = nanos(wait);
        loop {
            let left = Duration::from_nanos(until.saturating_sub(clock.now()));
            if self.endpoint.wait_for_last_scrape(left.min(GLANCE)) {
                return;
            }
            if left.is_zero() || end.is_told_to_end() {
                end.say("WARNING: Prometheus has not scraped the last figures");
                return;
            }
        }
    }
}
